import type { HostComputer } from "../../host/index.ts";

/*
 * A vCPU's ring of dirty pages (struct kvm_dirty_gfn), in pages of host memory that user space maps:
 *
 *   entry (16 bytes)   +0 flags u32   +4 slot u32 (address space << 16 | slot)   +8 page of the slot, u64
 *   flags              0 empty -> 1 dirty (KVM) -> 2 set: harvested (user space) -> 0 again (KVM_RESET_DIRTY_RINGS)
 */
export const ENTRY_BYTES = 16;
export const MAX_ENTRIES = 65536;
/** Entries that one exit and what is emulated for it may still write once the ring counts as full. */
export const RESERVED_ENTRIES = 64;
const DIRTY = 1,
  HARVESTED = 2;
const PAGE = 4096;

/** One page that has been written: the slot that shows it, and its number there. */
export interface DirtyPage {
  readonly slot: number;
  readonly page: number;
}

export class DirtyRing {
  readonly entries: number;
  readonly #host: HostComputer;
  readonly #frames: readonly number[];
  readonly #soft: number;
  /** Entries ever written by KVM, ever taken back by it, and ever harvested by user space. */
  #dirty = 0;
  #reset = 0;
  #harvested = 0;

  /** @param logged pages that the processor may log between two exits (512 with page-modification logging) */
  constructor(host: HostComputer, entries: number, logged: number) {
    this.#host = host;
    this.entries = entries;
    this.#soft = entries - RESERVED_ENTRIES - logged;
    this.#frames = Array.from({ length: (entries * ENTRY_BYTES) / PAGE }, () => host.frames.frame());
  }

  /** The guest must not go on before user space has harvested. */
  get full(): boolean {
    return this.#dirty - this.#reset >= this.#soft;
  }

  /** KVM: a page has become dirty. */
  push(slot: number, page: number): void {
    const at = this.#at(this.#dirty),
      { memory } = this.#host;
    memory.write32(at + 4, slot);
    memory.write64(at + 8, BigInt(page));
    memory.write32(at, DIRTY);
    this.#dirty++;
  }

  /** KVM: takes back what has been harvested, oldest first. */
  reset(taken: (page: DirtyPage) => void): number {
    const { memory } = this.#host;
    let count = 0;
    for (; this.#reset < this.#dirty; this.#reset++, count++) {
      const at = this.#at(this.#reset);
      if ((memory.read32(at) & HARVESTED) === 0) break;
      taken({ slot: memory.read32(at + 4), page: Number(memory.read64(at + 8)) });
      memory.write32(at, 0);
    }
    return count;
  }

  /** User space: reads the dirty entries in their order and marks each as harvested. */
  harvest(found: (page: DirtyPage) => void): void {
    const { memory } = this.#host;
    for (; ; this.#harvested++) {
      const at = this.#at(this.#harvested);
      if ((memory.read32(at) & (DIRTY | HARVESTED)) !== DIRTY) return;
      found({ slot: memory.read32(at + 4), page: Number(memory.read64(at + 8)) });
      memory.write32(at, DIRTY | HARVESTED);
    }
  }

  #at(n: number): number {
    const byte = (n % this.entries) * ENTRY_BYTES;
    return (this.#frames[Math.floor(byte / PAGE)] ?? 0) + (byte % PAGE);
  }
}
