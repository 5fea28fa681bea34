import { HUGE } from "../../../../host/index.ts";
import { walked } from "../../walk.ts";
import { A, D, NX, P, PAE_TOP, PRESENT, PS, TABLE, U, W, frameOf, index, writeEntry } from "../entry.ts";
import type { LeafVisit } from "../check.ts";
import type { ShadowContext, ShadowFault } from "../mmu.ts";
import type { PagingRegisters } from "../registers.ts";
import { Resolver } from "../resolve.ts";
import { ACCESS_ALL, accessOf, DIRECT, NARROW, quadrant, rulesOf, type ShadowPage } from "./page.ts";
import { eachLeaf, visitLeaf } from "./leaves.ts";
import type { ShadowPages } from "./pages.ts";
import { makeUnsync, refresh, syncAll } from "./sync.ts";

const MOST_MADE = 8;

/** The roots of one vCPU: one table of four levels, or four directories under a top table of PAE paging that is the vCPU's own. */
export class CachedContext implements ShadowContext {
  readonly guest: PagingRegisters;
  flushNeeded = true;
  readonly #pages: ShadowPages;
  readonly #resolver: Resolver;
  readonly #top: number;
  readonly #roots: (ShadowPage | undefined)[] = [];
  #rules = 0;
  /** Leaves made of late, for the checker. */
  #made: (readonly [page: ShadowPage, i: number])[] = [];

  constructor(pages: ShadowPages, guest: PagingRegisters) {
    this.#pages = pages;
    this.guest = guest;
    this.#resolver = new Resolver(pages.options.space);
    this.#top = pages.options.host.frames.frame();
    pages.tops++;
  }

  get gpa(): number {
    return this.#resolver.gpa;
  }
  get guestCode(): number {
    return this.#resolver.guestCode;
  }
  takeFlush(): boolean {
    const flush = this.flushNeeded;
    this.flushNeeded = false;
    return flush;
  }

  root(): number {
    if (this.#roots.length === 0) this.#loadRoots();
    const [first] = this.#roots;
    return this.guest.long && first ? first.frame : this.#top;
  }
  /** kvm_mmu_load: the pages that shadow what CR3 or the directory-pointer registers name. */
  #loadRoots(): void {
    const { guest } = this,
      { memory } = this.#pages.options.host;
    this.#pages.recycle();
    this.#rules = rulesOf(guest);
    this.flushNeeded = true;
    const gfn = Math.floor(((guest.cr3High & 0xfffff) * 0x100000000 + guest.cr3Low) / 4096);
    if (guest.format === 4) {
      this.#pin(0, this.#get(gfn, 4 | ACCESS_ALL | this.#rules));
      return;
    }
    for (let i = 0; i < 4; i++) {
      let page: ShadowPage | undefined;
      if (guest.format === 0) page = this.#get(i << 18, 2 | DIRECT | ACCESS_ALL | this.#rules);
      else if (guest.format === 2) page = this.#get(gfn, 2 | quadrant(i) | ACCESS_ALL | this.#rules);
      else {
        const low = guest.pdptes[2 * i] ?? 0,
          high = guest.pdptes[2 * i + 1] ?? 0;
        if ((low & P) !== 0)
          page = this.#get((low >>> 12) + (high & 0xfffff) * 0x100000, 2 | ACCESS_ALL | this.#rules);
      }
      this.#pin(i, page);
      writeEntry(memory, this.#top + i * 8, page ? (page.frame | PAE_TOP) >>> 0 : 0, 0);
    }
  }
  #pin(i: number, page: ShadowPage | undefined): void {
    this.#roots[i] = page;
    if (page) page.roots++;
  }
  dropRoots(): void {
    for (const page of this.#roots) if (page) page.roots--;
    this.#roots.length = 0;
  }

  /** A page of the cache; one that is out of sync is read again, since a TLB miss would read the guest's tables, too. */
  #get(gfn: number, role: number): ShadowPage {
    const pages = this.#pages,
      found = pages.find(gfn, role);
    if (!found) {
      // A table that is a directory as well can no longer be out of sync.
      if ((role & DIRECT) === 0 && (role & 7) > 1)
        for (const other of [...(pages.shadowing(gfn) ?? [])]) if (other.unsync) pages.zap(other);
      return pages.make(gfn, role);
    }
    if (found.unsync) refresh(pages, found);
    return found;
  }

  fault(low: number, high: number, code: number, cpl: number): ShadowFault {
    const r = this.#resolver,
      pages = this.#pages,
      result = r.resolve(this.guest, low, high, code, cpl);
    if (result !== "map") return result;
    pages.recycle();
    this.root();
    pages.options.stats.mmu.faults++;
    return this.#map(low, high) ? "fixed" : "emulate";
  }
  /** Is any guest page of the 2 MiB a table? Those pages have to be small. */
  #holdsTables(gpa: number): boolean {
    const first = Math.floor(gpa / HUGE) * 512;
    for (let gfn = first; gfn < first + 512; gfn++) if (this.#pages.shadowing(gfn)) return true;
    return false;
  }

  /**
   * FNAME(fetch): down the shadow tables beside the guest's, making what is missing, to the leaf. What the leaf may be is
   * decided last: a table that the way down has made may lie in the very page that it maps.
   * @returns false when software has to carry out the write
   */
  #map(low: number, high: number): boolean {
    const r = this.#resolver,
      pages = this.#pages,
      top = this.guest.long ? 4 : 2;
    let page = this.guest.long ? this.#roots[0] : this.#roots[low >>> 30];
    if (!page) return true;
    for (let l = top; l > 2; l--) page = this.#below(page, low, high, l, top);
    const level = r.large && !this.#holdsTables(r.gpa) ? 2 : 1;
    if (level === 1) page = this.#below(page, low, high, 2, top);
    let emulate = false;
    const gfn = Math.floor(r.gpa / 4096);
    if (pages.shadowing(gfn)) {
      // A table of the guest: written by software, or out of sync from now on.
      emulate = r.write && !makeUnsync(pages, gfn);
      if (emulate || !r.write) r.rights &= ~W;
    }
    this.#leaf(page, index(low, high, level), level, r);
    return !emulate;
  }
  /** The page below one of level l on the way to an address. */
  #below(page: ShadowPage, low: number, high: number, l: number, top: number): ShadowPage {
    const pages = this.#pages,
      { memory } = pages.options.host,
      i = index(low, high, l),
      at = page.frame + i * 8,
      entry = memory.read32(at),
      [gfn, role] = this.#childOf(low, l, top);
    page.writes = 0;
    const known = (entry & P) !== 0 && (entry & PS) === 0 ? pages.child(entry) : undefined;
    if (known && known.gfn === gfn && known.role === role) return known;
    if ((entry & P) !== 0) pages.drop(page, i);
    const child = this.#get(gfn, role);
    child.parents.push(page.slot * 512 + i);
    writeEntry(memory, at, (child.frame | TABLE) >>> 0, 0);
    return child;
  }
  /** What stands below level l: the guest's next table, or a direct page where the guest has a larger page. */
  #childOf(low: number, l: number, top: number): readonly [gfn: number, role: number] {
    const r = this.#resolver;
    if (r.level >= l) {
      // The guest's leaf is here or above: the range of the child is mapped straight.
      const pages = 512 ** (l - 1),
        gfn = Math.floor(r.gpa / 4096);
      return [gfn - (gfn % pages), (l - 1) | DIRECT | accessOf(r.directRights, r.executable) | (this.#rules & ~NARROW)];
    }
    let rights = W | U,
      executable = true;
    for (let d = 0; d <= top - l; d++) {
      rights &= walked.low[d] ?? 0;
      if (this.guest.format !== 2 && this.guest.nx && (walked.high[d] ?? 0) >>> 31 !== 0) executable = false;
    }
    const entry = walked.low[top - l] ?? 0,
      above = this.guest.format === 2 ? 0 : (walked.high[top - l] ?? 0) & 0xfffff;
    const quarter = this.guest.format === 2 ? quadrant((low >>> 21) & 1) : 0;
    return [(entry >>> 12) + above * 0x100000, (l - 1) | quarter | accessOf(rights, executable) | this.#rules];
  }

  #leaf(page: ShadowPage, i: number, level: 1 | 2, r: Resolver): void {
    const pages = this.#pages,
      { memory } = pages.options.host,
      { trace } = pages.options,
      at = page.frame + i * 8,
      old = memory.read32(at),
      small = Math.floor(r.gpa / 4096),
      gfn = level === 2 ? small - (small % 512) : small;
    const frame = level === 2 ? r.frame - (r.frame % HUGE) : r.frame;
    const low = (frame | P | A | PRESENT | r.rights | ((r.rights & W) !== 0 ? D : 0) | (level === 2 ? PS : 0)) >>> 0,
      high = r.executable ? 0 : NX;
    page.writes = 0;
    if ((old & P) !== 0) {
      const same = frameOf(old) === frame && page.gfns?.[i] === gfn && (level === 1 || (old & PS) !== 0);
      if (!same) pages.drop(page, i);
      else {
        if ((old & ~low & (W | U)) !== 0 || (~memory.read32(at + 4) & high) !== 0) pages.noteLoss();
        writeEntry(memory, at, low, high);
      }
    }
    if ((memory.read32(at) & P) === 0) {
      writeEntry(memory, at, low, high);
      pages.rmap.add(page, i, gfn);
    }
    this.#made.push([page, i]);
    if (this.#made.length > MOST_MADE) this.#made.shift();
    if (trace.on) trace.write("kvm_mmu_set_spte", gfn, low + high * 0x100000000, level);
  }

  invalidatePage(low: number, high: number): void {
    const pages = this.#pages,
      { memory } = pages.options.host;
    pages.options.stats.mmu.invlpg++;
    let page = this.guest.long ? this.#roots[0] : this.#roots[low >>> 30];
    for (let l = this.guest.long ? 4 : 2; page; l--) {
      const i = index(low, high, l),
        entry = memory.read32(page.frame + i * 8);
      if ((entry & P) === 0) return;
      if (l === 1 || (entry & PS) !== 0) {
        if (page.unsync) pages.drop(page, i);
        return;
      }
      page = pages.child(entry);
    }
  }
  leaves(visit: LeafVisit): void {
    this.#made = [];
    for (const page of this.#pages.all) if (!page.unsync) eachLeaf(this.#pages, page, visit);
  }
  touched(visit: LeafVisit): void {
    for (const [page, i] of this.#made)
      if (this.#pages.find(page.gfn, page.role) === page && !page.unsync) visitLeaf(this.#pages, page, i, visit);
    this.#made = [];
  }

  switchSpace(): void {
    syncAll(this.#pages);
    this.dropRoots();
  }
  reset(): void {
    this.#pages.zapAll();
    this.dropRoots();
  }
  flush(): void {
    this.#pages.options.stats.mmu.flushes++;
    this.switchSpace();
  }
}
