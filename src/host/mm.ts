import { VitrineError } from "../base/index.ts";
import { type FrameAllocator, HUGE, PAGE } from "./frames.ts";
import type { HostMemory } from "./memory.ts";

/*
 * Process memory with real page tables ("4-Level Paging" in the SDM), built in host memory and filled on demand.
 *
 *   entry   51..12 frame   7 PS (2 MiB leaf in a page directory)   6 D  5 A   2 U  1 W  0 P
 */
const P = 1,
  W = 2,
  U = 4,
  A = 0x20,
  D = 0x40,
  PS = 0x80;
const TABLE = P | W | U;
const LEAF = P | W | U | A | D;
const MMAP_BASE = 0x7f0000000000;

/** What a secondary MMU is told before pages of this process go ("mmu notifiers"). */
export interface MmuNotifier {
  /** Pages of [start, end) are about to be unmapped or moved. */
  invalidateRangeStart(start: number, end: number): void;
  invalidateRangeEnd(start: number, end: number): void;
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
  #next = MMAP_BASE;
  #tables = 1;

  constructor(memory: HostMemory, frames: FrameAllocator) {
    this.#memory = memory;
    this.#frames = frames;
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
    this.discard(start, length);
    for (const m of [...this.#mappings]) {
      if (m.end <= start || m.start >= end) continue;
      this.#mappings.splice(this.#mappings.indexOf(m), 1);
      if (m.start < start) this.#mappings.push({ start: m.start, end: start });
      if (m.end > end) this.#mappings.push({ start: end, end: m.end });
    }
  }

  /** madvise(MADV_DONTNEED): the frames go, the mapping stays; the next touch finds zeros. */
  discard(start: number, length: number): void {
    const end = start + length;
    for (const n of this.#notifiers) n.invalidateRangeStart(start, end);
    for (let at = start; at < end; ) {
      const directory = this.#table(at, 2, false);
      const slot = directory + (Math.floor(at / HUGE) % 512) * 8;
      const entry = directory < 0 ? 0 : this.#memory.read32(slot);
      const next = (Math.floor(at / HUGE) + 1) * HUGE;
      if ((entry & P) === 0) {
        at = next;
        continue;
      }
      if ((entry & PS) !== 0) {
        if (at % HUGE === 0 && end >= next) {
          this.#memory.write64(slot, 0n);
          this.#frames.freeHuge(frameOf(entry));
          at = next;
          continue;
        }
        this.#split(slot, frameOf(entry));
      }
      const leaf = frameOf(this.#memory.read32(slot)) + (Math.floor(at / PAGE) % 512) * 8,
        small = this.#memory.read32(leaf);
      if ((small & P) !== 0) {
        this.#memory.write64(leaf, 0n);
        this.#frames.free(frameOf(small));
      }
      at += PAGE;
    }
    for (const n of this.#notifiers) n.invalidateRangeEnd(start, end);
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

  /** The page at `va` when it is there, by a walk of the tables. */
  lookup(va: number): HostPage | undefined {
    const entry = this.#directoryEntry(va);
    if ((entry & P) === 0) return undefined;
    if ((entry & PS) !== 0) return { pa: frameOf(entry), size: HUGE };
    const leaf = this.#memory.read32(frameOf(entry) + (Math.floor(va / PAGE) % 512) * 8);
    return (leaf & P) === 0 ? undefined : { pa: frameOf(leaf), size: PAGE };
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
      const leaf = this.#memory.read32(table + i * 8),
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
    const directory = this.#table(va, 2, false);
    return directory < 0 ? 0 : this.#memory.read32(directory + (Math.floor(va / HUGE) % 512) * 8);
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
