import { A, D, NX, P, U, W } from "../entry.ts";
import { ACCESS_U, ACCESS_W, ACCESS_X, LONG, type ShadowPage } from "./page.ts";
import type { ShadowPages } from "./pages.ts";

/*
 * Out-of-sync tables. A page table proper that the guest writes gets its write right back and is read again when the
 * guest next flushes its TLB:
 *
 *   in sync, write-protected --write fault--> out of sync, writable --CR3 load, INVLPG, flush--> read again, protected
 */

/** May the guest write the page itself? Then its tables are out of sync from now on. Directories never are. */
export function makeUnsync(pages: ShadowPages, gfn: number): boolean {
  const shadowing = pages.shadowing(gfn);
  if (!shadowing) return true;
  if (shadowing.some((page) => page.level > 1)) return false;
  for (const page of shadowing) {
    if (page.unsync) continue;
    page.unsync = true;
    pages.unsync.add(page);
    pages.options.stats.mmu.unsync++;
    const { trace } = pages.options;
    if (trace.on) trace.write("kvm_mmu_unsync_page", page.gfn, page.level);
  }
  return true;
}

/** A sync point: every table that is out of sync is protected and read again. */
export function syncAll(pages: ShadowPages): void {
  if (pages.unsync.size === 0) return;
  for (const page of pages.unsync) pages.protect(page.gfn);
  for (const page of pages.unsync) {
    page.unsync = false;
    refresh(pages, page);
    pages.options.stats.mmu.synced++;
    const { trace } = pages.options;
    if (trace.on) trace.write("kvm_mmu_sync_page", page.gfn, page.level);
  }
  pages.unsync.clear();
}

/** Entries that the guest has changed go, or lose the rights that are gone. */
export function refresh(pages: ShadowPages, page: ShadowPage): void {
  const { memory } = pages.options.host;
  if (!page.gfns) return;
  for (let i = 0; i < 512; i++) {
    const at = page.frame + i * 8,
      low = memory.read32(at);
    if ((low & P) === 0) continue;
    const rights = rightsNow(pages, page, i),
      had = low & (W | U),
      nx = memory.read32(at + 4) >>> 31;
    // Rights that have grown wait for the fault that asks for them; an entry that gave more than the guest's has to go.
    if (rights < 0 || (had & ~rights) !== 0) {
      // Losing W alone is what fork does to every page: the entry stays.
      if (rights >= 0 && (had & ~rights) === W && (had & U) === (rights & U) && nx === rights >>> 31) {
        memory.write32(at, (low & ~W) >>> 0);
        pages.noteLoss();
      } else pages.drop(page, i);
    } else if (nx === 0 && rights >= NX) pages.drop(page, i);
  }
}

/** W, U and NX that the guest's entry gives now, as an unsigned number; -1 when it no longer leads to the same page. */
function rightsNow(pages: ShadowPages, page: ShadowPage, i: number): number {
  const { space } = pages.options,
    gpa = page.entryGpa(i),
    e = space.read32(gpa);
  if ((e & (P | A)) !== (P | A)) return -1;
  const high = page.narrow ? 0 : space.read32(gpa + 4),
    gfn = (e >>> 12) + (high & 0xfffff) * 0x100000;
  if (gfn !== page.gfns?.[i]) return -1;
  const { role } = page;
  // Reserved since, or before: bits 62..52 in PAE paging, NX without EFER.NXE.
  if (((role & LONG) === 0 && (high & 0x7ff00000) !== 0) || (!page.nx && high >>> 31 !== 0)) return -1;
  let rights = e & U & ((role & ACCESS_U) !== 0 ? U : 0);
  if ((e & W) !== 0 && (e & D) !== 0 && (role & ACCESS_W) !== 0) rights |= W;
  const executable = high >>> 31 === 0 && (role & ACCESS_X) !== 0;
  return executable ? rights : rights + NX;
}
