import type { MemSlot } from "../../../memslots.ts";
import type { ShadowMmu, ShadowOptions } from "../mmu.ts";
import type { PagingRegisters } from "../registers.ts";
import { CachedContext } from "./context.ts";
import { ShadowPages } from "./pages.ts";
import { tableWritten } from "./writes.ts";

/**
 * Shadow paging with a cache ("Caching Virtual MMU"): shadow tables stay as long as the guest's tables stay the same, over
 * address-space switches and for all who share them.
 *
 *   guest's directory   write-protected: a write exits, is emulated, and takes the shadow entry away    writes.ts
 *   guest's page table  the same, until it is written: then out of sync to the next TLB flush           sync.ts
 *   what maps a page    the reverse map knows                                                           rmap.ts
 *   too many pages      the oldest go                                                                   pages.ts
 */
export class CachingMmu implements ShadowMmu {
  readonly name = "cached";
  readonly pages: ShadowPages;
  readonly #contexts: CachedContext[] = [];

  constructor(options: ShadowOptions) {
    this.pages = new ShadowPages(
      options,
      () => {
        for (const c of this.#contexts) c.flushNeeded = true;
      },
      () => {
        for (const c of this.#contexts) c.dropRoots();
      },
    );
  }

  get tables(): number {
    return this.pages.tables;
  }
  get limit(): number {
    return this.pages.limit;
  }
  context(guest: PagingRegisters): CachedContext {
    const context = new CachedContext(this.pages, guest);
    this.#contexts.push(context);
    return context;
  }

  zap(gpa: number, size: number): void {
    const { pages } = this;
    for (let gfn = Math.floor(gpa / 4096); gfn * 4096 < gpa + size; ) {
      const region = (Math.floor(gfn / 512) + 1) * 512;
      if (!pages.rmap.any(gfn)) {
        gfn = region;
        continue;
      }
      for (; gfn < region && gfn * 4096 < gpa + size; gfn++) pages.unmap(gfn);
    }
    // Tables in memory that goes are tables no more.
    for (const page of [...pages.all])
      if (!page.direct && page.gfn * 4096 >= gpa && page.gfn * 4096 < gpa + size) pages.zap(page);
    // The bound goes by the guest's memory, which may be less now (kvm_mmu_change_mmu_pages).
    pages.recycle();
  }
  startLog(slot: MemSlot): void {
    for (let gpa = slot.gpa; gpa < slot.gpa + slot.size; gpa += 4096) this.pages.protect(gpa / 4096);
  }
  /** What is still protected gets its right back at the next write. */
  stopLog(): void {}
  dirtyPages(): void {}
  protectPage(gpa: number): void {
    this.pages.protect(Math.floor(gpa / 4096));
  }
  written(gpa: number, size: number): void {
    tableWritten(this.pages, gpa, size);
  }
}
