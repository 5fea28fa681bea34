import type { HostMemory } from "../../../../host/index.ts";
import { P, PS, W, frameOf, writeEntry } from "../entry.ts";
import { TableFrames, tableLimit } from "../frames.ts";
import type { ShadowOptions } from "../mmu.ts";
import { keyOf, ShadowPage } from "./page.ts";
import { ReverseMap } from "./rmap.ts";

/** So many must be free before a fault is handled, four roots and a page table; so many old ones go at once when they are not. */
const MIN_FREE = 5,
  REFILL = 25;

/**
 * The shadow pages of a VM: found by (gfn, role), linked with their parents, bounded, and taken apart.
 *
 *   by key (gfn, role) --> ShadowPage --entry--> ShadowPage --entry--> guest page
 *                              ^---- parents ----'   ^---- reverse map ----'
 */
export class ShadowPages {
  readonly rmap: ReverseMap;
  readonly options: ShadowOptions;
  readonly #memory: HostMemory;
  readonly #frames: TableFrames;
  readonly #byKey = new Map<number, ShadowPage>();
  readonly #byFrame = new Map<number, ShadowPage>();
  /** Guest pages that hold tables which are shadowed. */
  readonly #tables = new Map<number, ShadowPage[]>();
  readonly #slots: (ShadowPage | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  /** The oldest first. */
  readonly #all = new Set<ShadowPage>();
  readonly unsync = new Set<ShadowPage>();
  /** Called when an entry has lost rights, and when a page has gone to which a CR3 leads. */
  readonly noteLoss: () => void;
  readonly #rootGone: () => void;

  constructor(options: ShadowOptions, lost: () => void, rootGone: () => void) {
    this.options = options;
    this.#memory = options.host.memory;
    this.#frames = new TableFrames(options.host);
    this.noteLoss = lost;
    this.#rootGone = rootGone;
    this.rmap = new ReverseMap((slot) => this.page(slot));
  }

  /** Top tables of PAE paging, one for each vCPU: they stay, and count. */
  tops = 0;
  get tables(): number {
    return this.#all.size + this.tops;
  }
  get limit(): number {
    return tableLimit(this.options.space.pages);
  }
  get all(): Iterable<ShadowPage> {
    return this.#all;
  }
  page(slot: number): ShadowPage {
    const page = this.#slots[slot];
    if (!page) throw new Error(`no shadow page ${slot}`);
    return page;
  }
  child(low: number): ShadowPage | undefined {
    return this.#byFrame.get(frameOf(low));
  }
  find(gfn: number, role: number): ShadowPage | undefined {
    return this.#byKey.get(keyOf(gfn, role));
  }
  /** The pages that shadow the guest's table on a page. */
  shadowing(gfn: number): readonly ShadowPage[] | undefined {
    return this.#tables.get(gfn);
  }

  /** A page that was not there (kvm_mmu_alloc_shadow_page). The guest's table loses its write right everywhere. */
  make(gfn: number, role: number): ShadowPage {
    const { stats, trace } = this.options,
      slot = this.#freeSlots.pop() ?? this.#slots.length,
      page = new ShadowPage(gfn, role, this.#frames.take(), slot);
    stats.mmu.cacheMiss++;
    this.#slots[slot] = page;
    this.#byKey.set(page.key, page);
    this.#byFrame.set(page.frame, page);
    this.#all.add(page);
    if (!page.direct) {
      const others = this.#tables.get(gfn);
      if (others) others.push(page);
      else this.#tables.set(gfn, [page]);
      this.protect(gfn);
    }
    if (trace.on) trace.write("kvm_mmu_get_page", gfn, page.level, page.frame);
    return page;
  }

  /** Write protection of a guest page; leaves of 2 MiB over it go. */
  protect(gfn: number): void {
    this.rmap.each(gfn, (page, i) => {
      const at = page.frame + i * 8,
        low = this.#memory.read32(at);
      if ((low & W) === 0) return;
      this.#memory.write32(at, (low & ~W) >>> 0);
      this.noteLoss();
    });
    this.rmap.eachLarge(gfn, (page, i) => this.drop(page, i));
  }

  /** Takes an entry away, whatever it is (mmu_page_zap_pte). */
  drop(page: ShadowPage, i: number): void {
    const at = page.frame + i * 8,
      low = this.#memory.read32(at);
    if ((low & P) === 0) return;
    if (page.level === 1 || (low & PS) !== 0) this.rmap.remove(page, i);
    else {
      const parents = this.child(low)?.parents,
        n = parents?.indexOf(page.slot * 512 + i) ?? -1;
      if (parents && n >= 0) {
        parents[n] = parents.at(-1) ?? 0;
        parents.pop();
      }
    }
    writeEntry(this.#memory, at, 0, 0);
    this.noteLoss();
  }
  /** Everything that maps a guest page. */
  unmap(gfn: number): void {
    this.rmap.each(gfn, (page, i) => this.drop(page, i));
    this.rmap.eachLarge(gfn, (page, i) => this.drop(page, i));
  }

  /** kvm_mmu_prepare_zap_page: out of its parents, its children, every index; the frame is free. */
  zap(page: ShadowPage): void {
    const { stats, trace } = this.options;
    if (trace.on) trace.write("kvm_mmu_prepare_zap_page", page.gfn, page.level);
    stats.mmu.zapped++;
    for (let i = 0; i < 512; i++) this.drop(page, i);
    for (const name of [...page.parents]) this.drop(this.page(name >> 9), name & 511);
    this.#byKey.delete(page.key);
    this.#byFrame.delete(page.frame);
    this.#all.delete(page);
    this.unsync.delete(page);
    this.#slots[page.slot] = undefined;
    this.#freeSlots.push(page.slot);
    if (!page.direct) {
      const others = (this.#tables.get(page.gfn) ?? []).filter((other) => other !== page);
      if (others.length > 0) this.#tables.set(page.gfn, others);
      else this.#tables.delete(page.gfn);
    }
    this.#frames.give(page.frame);
    this.noteLoss();
    if (page.roots > 0) this.#rootGone();
  }
  zapAll(): void {
    for (const page of [...this.#all]) this.zap(page);
  }

  /** make_mmu_pages_available: the oldest pages go, but for those in use as roots. */
  recycle(): void {
    const missing = this.tables + MIN_FREE - this.limit;
    if (missing <= 0) return;
    let left = Math.max(REFILL, missing);
    for (const page of this.#all) {
      if (page.roots > 0) continue;
      this.zap(page);
      this.options.stats.mmu.recycled++;
      if (--left === 0) return;
    }
  }
}
