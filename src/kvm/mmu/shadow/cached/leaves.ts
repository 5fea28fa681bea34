import type { LeafVisit } from "../check.ts";
import { D, P, PS, U, W } from "../entry.ts";
import { ACCESS_U, ACCESS_W, ACCESS_X, type ShadowPage } from "./page.ts";
import type { ShadowPages } from "./pages.ts";

/** Every leaf of a page, with what the guest's entry behind it says now. */
export function eachLeaf(pages: ShadowPages, page: ShadowPage, visit: LeafVisit): void {
  if (page.gfns) for (let i = 0; i < 512; i++) visitLeaf(pages, page, i, visit);
}
export function visitLeaf(pages: ShadowPages, page: ShadowPage, i: number, visit: LeafVisit): void {
  const { host, space } = pages.options,
    at = page.frame + i * 8,
    low = host.memory.read32(at),
    { level, role, writeProtect } = page;
  if ((low & P) === 0 || (level > 1 && (low & PS) === 0)) return;
  const access = ((role & ACCESS_W) !== 0 ? W : 0) | ((role & ACCESS_U) !== 0 ? U : 0),
    executable = (role & ACCESS_X) !== 0;
  if (page.direct) {
    visit({ at, level, gfn: page.gfn + i * 512 ** (level - 1), rights: access, executable, dirty: true, writeProtect });
    return;
  }
  const gpa = page.entryGpa(i),
    e = space.read32(gpa),
    high = page.narrow ? 0 : space.read32(gpa + 4);
  let gfn = (e >>> 12) + (high & 0xfffff) * 0x100000;
  if (level > 1) {
    // A page of 4 MiB has the bits above 32 of its address in 20..13, and is two entries here.
    gfn = page.narrow ? (e >>> 22) * 1024 + ((e >>> 13) & 0xff) * 0x100000 + (i & 1) * 512 : gfn - (gfn % 512);
  }
  const leads = (e & P) !== 0 && (level === 1 || (e & PS) !== 0);
  visit({
    at,
    level,
    gfn: leads ? gfn : -1,
    rights: e & access,
    executable: executable && high >>> 31 === 0,
    dirty: (e & D) !== 0,
    writeProtect,
  });
}
