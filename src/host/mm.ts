import { VitrineError } from "../base/index.ts";
import { type FrameAllocator, HUGE, PAGE } from "./frames.ts";
import type { HostMemory } from "./memory.ts";
import { SwapFile } from "./swap.ts";

/*
 * Process memory with real page tables ("4-Level Paging" in the SDM), built in host memory and filled on demand.
 *
 *   entry      51..12 frame   7 PS (2 MiB leaf in a page directory)   6 D  5 A   2 U  1 W  0 P
 *   swapped    31..12 slot of the swap file                           8 swapped          0 P = 0
 */
const P = 1,
  W = 2,
  U = 4,
  A = 0x20,
  D = 0x40,
  PS = 0x80,
  SWAPPED = 0x100;
const TABLE = P | W | U;
const LEAF = P | W | U | A | D;
const MMAP_BASE = 0x7f0000000000;

/** What a secondary MMU is told before pages of this process go ("mmu notifiers"). */
export interface MmuNotifier {
  /** Pages of [start, end) are about to be unmapped or moved. */
  invalidateRangeStart(start: number, end: number): void;
  invalidateRangeEnd(start: number, end: number): void;
  /** Has any page of [start, end) been used since the last such call? A processor may go on from what it has cached. */
  clearYoung?(start: number, end: number): boolean;
  /** The same, and what processors have cached goes. */
  clearFlushYoung?(start: number, end: number): boolean;
  /** The same, and nothing is cleared. */
  testYoung?(start: number, end: number): boolean;
}

export interface Mapping {
  readonly start: number;
  readonly end: number;
}

/** Where a virtual page lies. */
export interface HostPage {
  /** Host-physical address of the 4 KiB or 2 MiB page. */
  readonly pa: number;
  readonly size: 4096 | 0x200000;
}

/** Address space of one process. */
export class AddressSpace {
  /** Physical address of the top table: what CR3 holds while the process runs. */
  readonly root: number;
  readonly #memory: HostMemory;
  readonly #frames: FrameAllocator;
  readonly #mappings: Mapping[] = [];
  readonly #notifiers = new Set<MmuNotifier>();
  readonly #swap: SwapFile;
  #next = MMAP_BASE;
  #tables = 1;
  /**
   * What other threads of the host do between the look-up of a page by a fault and its mapping by the one that faults:
   * they may unmap and move pages.
   */
  meanwhile: ((va: number) => void) | undefined;

  constructor(memory: HostMemory, frames: FrameAllocator, swap: SwapFile = new SwapFile()) {
    this.#memory = memory;
    this.#frames = frames;
    this.#swap = swap;
    this.root = frames.frame();
  }

  /** Frames that hold page tables. */
  get tableFrames(): number {
    return this.#tables;
  }
  get mappings(): readonly Mapping[] {
    return this.#mappings;
  }

  register(notifier: MmuNotifier): void {
    this.#notifiers.add(notifier);
  }
  unregister(notifier: MmuNotifier): void {
    this.#notifiers.delete(notifier);
  }

  /** Anonymous memory, 2 MiB-aligned; no frame is taken before it is touched. */
  mmap(length: number): number {
    if (!(length > 0) || length % PAGE !== 0)
      throw new VitrineError("EINVAL", "mmap", `length ${length}`, "give a multiple of 4096");
    const start = this.#next,
      end = start + length;
    this.#next = Math.ceil(end / HUGE) * HUGE;
    this.#mappings.push({ start, end });
    return start;
  }

  /** Gives back what is mapped in [start, start+length); the notifiers are told first. */
  munmap(start: number, length: number): void {
    const end = start + length;
    if (start % PAGE !== 0 || length % PAGE !== 0)
      throw new VitrineError("EINVAL", "munmap", `${start.toString(16)}+${length}`, "align to 4096");
    if (length > 0) this.discard(start, length);
    for (const m of [...this.#mappings]) {
      if (m.end <= start || m.start >= end) continue;
      this.#mappings.splice(this.#mappings.indexOf(m), 1);
      if (m.start < start) this.#mappings.push({ start: m.start, end: start });
      if (m.end > end) this.#mappings.push({ start: end, end: m.end });
    }
  }

  /** madvise(MADV_DONTNEED): the frames go, the mapping stays; the next touch finds zeros. */
  discard(start: number, length: number): void {
    this.#invalidate(start, length, () => {
      for (let at = start; at < start + length; ) {
        const slot = this.#directorySlot(at),
          entry = slot < 0 ? 0 : this.#memory.read32(slot),
          whole = at % HUGE === 0 && start + length >= at + HUGE;
        if ((entry & PS) !== 0 && whole) {
          this.#memory.write64(slot, 0n);
          this.#frames.freeHuge(frameOf(entry));
          at += HUGE;
          continue;
        }
        const next = Math.min(start + length, (Math.floor(at / HUGE) + 1) * HUGE);
        this.#leaves(at, next, (leaf, small) => {
          this.#memory.write64(leaf, 0n);
          if ((small & P) !== 0) this.#frames.free(frameOf(small));
          else this.#swap.drop(small >>> 12);
        });
        at = next;
      }
    });
  }

  /** madvise(MADV_PAGEOUT): pages go to the swap file, and come back when they are touched. Answers how many went. */
  pageOut(start: number, length: number): number {
    let count = 0;
    this.#invalidate(start, length, () => {
      this.#leaves(start, start + length, (leaf, entry) => {
        if ((entry & P) === 0) return;
        const pa = frameOf(entry),
          slot = this.#swap.write(this.#memory.bytes(pa, PAGE));
        this.#memory.write64(leaf, BigInt(((slot << 12) | SWAPPED) >>> 0));
        this.#frames.free(pa);
        count++;
      });
    });
    return count;
  }

  /** Page migration: every page that is there moves to another frame, as compaction and balancing between nodes do. Answers how many moved. */
  migrate(start: number, length: number): number {
    let count = 0;
    this.#invalidate(start, length, () => {
      this.#leaves(start, start + length, (leaf, entry) => {
        if ((entry & P) === 0) return;
        const from = frameOf(entry),
          to = this.#frames.frame();
        this.#memory.write(to, this.#memory.bytes(from, PAGE));
        this.#memory.write64(leaf, BigInt((to | LEAF) >>> 0));
        this.#frames.free(from);
        count++;
      });
    });
    return count;
  }

  /** Page ageing: have secondary MMUs used any page of the range since it was asked last? `flush`: processors forget what they have cached. */
  age(start: number, length: number, flush = true): boolean {
    let young = false;
    for (const n of this.#notifiers) {
      const used = flush ? n.clearFlushYoung?.(start, start + length) : n.clearYoung?.(start, start + length);
      young = used === true || young;
    }
    return young;
  }
  /** The same, without starting a new period. */
  isYoung(start: number, length: number): boolean {
    return [...this.#notifiers].some((n) => n.testYoung?.(start, start + length) === true);
  }

  /** Secondary MMUs are told before the pages change, and after. */
  #invalidate(start: number, length: number, change: () => void): void {
    const end = start + length;
    if (start % PAGE !== 0 || !(length > 0) || length % PAGE !== 0)
      throw new VitrineError("EINVAL", "madvise", `0x${start.toString(16)}+${length}`, "align to 4096");
    for (const n of this.#notifiers) n.invalidateRangeStart(start, end);
    try {
      change();
    } finally {
      for (const n of this.#notifiers) n.invalidateRangeEnd(start, end);
    }
  }
  /** Small pages of [start, end) that are in memory or swapped; huge ones are split. */
  #leaves(start: number, end: number, visit: (at: number, entry: number) => void): void {
    for (let at = start; at < end; ) {
      const slot = this.#directorySlot(at),
        entry = slot < 0 ? 0 : this.#memory.read32(slot),
        next = Math.min(end, (Math.floor(at / HUGE) + 1) * HUGE);
      if ((entry & P) === 0) {
        at = next;
        continue;
      }
      if ((entry & PS) !== 0) this.#split(slot, frameOf(entry));
      const table = frameOf(this.#memory.read32(slot));
      for (; at < next; at += PAGE) {
        const leaf = table + (Math.floor(at / PAGE) % 512) * 8,
          small = this.#memory.read32(leaf);
        if ((small & (P | SWAPPED)) !== 0) visit(leaf, small);
      }
    }
  }

  /** The page at `va`, allocated on first touch; undefined outside every mapping (what a signal SIGSEGV would say). */
  touch(va: number): HostPage | undefined {
    const found = this.lookup(va);
    if (found) return found;
    const mapping = this.#mappings.find((m) => va >= m.start && va < m.end);
    if (!mapping) return undefined;
    const block = va - (va % HUGE);
    if (block >= mapping.start && block + HUGE <= mapping.end && (this.#directoryEntry(va) & P) === 0) {
      const pa = this.#frames.huge();
      if (pa !== undefined) {
        this.#memory.write64(
          this.#table(va, 2, true) + (Math.floor(va / HUGE) % 512) * 8,
          BigInt(pa | LEAF | PS) & 0xffffffffn,
        );
        return { pa, size: HUGE };
      }
    }
    const pa = this.#frames.frame();
    this.#memory.write64(
      this.#table(va, 1, true) + (Math.floor(va / PAGE) % 512) * 8,
      BigInt((pa | LEAF) >>> 0),
    );
    return { pa, size: PAGE };
  }

  /**
   * get_user_pages: the page for a secondary MMU that is going to map it. Other threads run before it does: what the
   * notifiers have heard since is to be looked at.
   */
  getUserPage(va: number): HostPage | undefined {
    const page = this.touch(va);
    this.meanwhile?.(va);
    return page;
  }

  /** The page at `va` when it is there, by a walk of the tables; one that is in the swap file is read back. */
  lookup(va: number): HostPage | undefined {
    const entry = this.#directoryEntry(va);
    if ((entry & P) === 0) return undefined;
    if ((entry & PS) !== 0) return { pa: frameOf(entry), size: HUGE };
    const leaf = this.#present(frameOf(entry) + (Math.floor(va / PAGE) % 512) * 8);
    return (leaf & P) === 0 ? undefined : { pa: frameOf(leaf), size: PAGE };
  }

  /** A leaf entry, with its page in memory when there is one. */
  #present(at: number): number {
    const entry = this.#memory.read32(at);
    if ((entry & (P | SWAPPED)) !== SWAPPED) return entry;
    const pa = this.#frames.frame(),
      page = this.#swap.take(entry >>> 12);
    if (page) this.#memory.write(pa, page);
    this.#memory.write64(at, BigInt((pa | LEAF) >>> 0));
    return (pa | LEAF) >>> 0;
  }

  /** Reads back what of [va, va + length) is in the swap file. */
  swapIn(va: number, length: number): void {
    if (this.#swap.used > 0) this.runs(va, length, () => {});
  }

  /** Every stretch of [va, va + length) in order: where it lies in physical memory, or -1 while nothing is there. */
  runs(va: number, length: number, found: (pa: number, pages: number) => void): void {
    const end = va + length;
    for (let at = va; at < end; ) {
      const stop = Math.min(end, (Math.floor(at / HUGE) + 1) * HUGE),
        pages = (stop - at) / PAGE,
        entry = this.#directoryEntry(at);
      if ((entry & P) === 0) found(-1, pages);
      else if ((entry & PS) !== 0) found(frameOf(entry) + (at % HUGE), pages);
      else this.#leafRuns(frameOf(entry), Math.floor((at % HUGE) / PAGE), pages, found);
      at = stop;
    }
  }

  #leafRuns(table: number, first: number, pages: number, found: (pa: number, pages: number) => void): void {
    let start = -1,
      count = 0;
    for (let i = first; i < first + pages; i++) {
      const leaf = this.#present(table + i * 8),
        pa = (leaf & P) === 0 ? -1 : frameOf(leaf);
      if (count > 0 && pa === (start < 0 ? -1 : start + count * PAGE)) {
        count++;
        continue;
      }
      if (count > 0) found(start, count);
      start = pa;
      count = 1;
    }
    if (count > 0) found(start, count);
  }

  /** Bytes from `va` on that lookup answers for with one entry: to the end of a page, of a huge page or of a 2 MiB hole. */
  span(va: number): number {
    const entry = this.#directoryEntry(va);
    return (entry & P) === 0 || (entry & PS) !== 0 ? HUGE - (va % HUGE) : PAGE - (va % PAGE);
  }

  #directoryEntry(va: number): number {
    const slot = this.#directorySlot(va);
    return slot < 0 ? 0 : this.#memory.read32(slot);
  }
  /** Physical address of the directory's entry for `va`; -1 when there is no directory. */
  #directorySlot(va: number): number {
    const directory = this.#table(va, 2, false);
    return directory < 0 ? -1 : directory + (Math.floor(va / HUGE) % 512) * 8;
  }

  /** Physical address of the table of `level` (1 page table, 2 directory) for `va`; -1 when absent and not to be made. */
  #table(va: number, level: 1 | 2, make: boolean): number {
    let table = this.root;
    for (let l = 4; l > level; l--) {
      const slot = table + (Math.floor(va / 2 ** (12 + 9 * (l - 1))) % 512) * 8,
        entry = this.#memory.read32(slot);
      if ((entry & P) !== 0) {
        table = frameOf(entry);
        continue;
      }
      if (!make) return -1;
      table = this.#frames.frame();
      this.#tables++;
      this.#memory.write64(slot, BigInt((table | TABLE) >>> 0));
    }
    return table;
  }

  /** A huge page becomes 512 small ones over the same frames. */
  #split(slot: number, pa: number): void {
    const table = this.#frames.frame();
    this.#tables++;
    for (let i = 0; i < 512; i++) this.#memory.write64(table + i * 8, BigInt(((pa + i * PAGE) | LEAF) >>> 0));
    this.#frames.split(pa);
    this.#memory.write64(slot, BigInt((table | TABLE) >>> 0));
  }
}

const frameOf = (entry: number): number => (entry & ~0xfff) >>> 0;
