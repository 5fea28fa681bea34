import { HUGE, type HostComputer, PAGE, type AddressSpace } from "../../host/index.ts";
import { markDirty, type MemSlot } from "../memslots.ts";
import type { Trace } from "../trace.ts";

/*
 * The two-dimensional MMU's own tables: guest-physical to host-physical, four levels of 512 entries in host memory,
 * built when the guest touches a page ("The Extended Page Table Mechanism" in the SDM).
 *
 *   entry   57 KVM: writable as far as the host goes   51..12 frame   11 KVM: present   9 D  8 A   7 leaf   5..3 type (6 WB)   2 X 1 W 0 R
 */
const R = 1n,
  W = 2n,
  X = 4n,
  WB = 6n << 3n,
  LEAF = 0x80n,
  PRESENT = 1n << 11n,
  MMU_WRITABLE = 1n << 57n;
const ADDRESS = 0xffffffffff000n;
const shiftOf = (level: number): number => 12 + 9 * (level - 1);
const sizeOf = (level: number): number => 2 ** shiftOf(level);

/** What a second-stage fault came to ("RET_PF_" in the kernel). */
export type FaultResult = "fixed" | "spurious" | "mmio" | "nomem";

export interface TdpCounts {
  pages4k: number;
  pages2m: number;
  tables: number;
  splits: number;
}

export class TdpMmu {
  readonly root: number;
  readonly counts: TdpCounts = { pages4k: 0, pages2m: 0, tables: 1, splits: 0 };
  /** Raised when an entry lost rights: the processor's cached translations must go before the next entry. */
  flushNeeded = false;
  readonly #host: HostComputer;
  readonly #mm: AddressSpace;
  readonly #trace: Trace;

  constructor(host: HostComputer, mm: AddressSpace, trace: Trace) {
    this.#host = host;
    this.#mm = mm;
    this.#trace = trace;
    this.root = host.frames.frame();
  }

  /** The entry that maps gpa and its level; entry 0 when nothing does. */
  lookup(gpa: number): { readonly entry: bigint; readonly level: number; readonly at: number } {
    let table = this.root;
    for (let level = 4; ; level--) {
      const at = table + (Math.floor(gpa / sizeOf(level)) % 512) * 8,
        entry = this.#host.memory.read64(at);
      if ((entry & PRESENT) === 0n || level === 1 || (entry & LEAF) !== 0n) return { entry, level, at };
      table = Number(entry & ADDRESS);
    }
  }

  /** direct_page_fault: give the guest what it asked for, if the slot has it. */
  fault(slot: MemSlot | undefined, gpa: number, write: boolean): FaultResult {
    if (!slot || (write && slot.readonly)) return "mmio";
    const found = this.lookup(gpa);
    if ((found.entry & PRESENT) !== 0n) {
      if (!write || (found.entry & W) !== 0n) return "spurious";
      if ((found.entry & MMU_WRITABLE) === 0n) return "mmio";
      // fast_page_fault: write protection for the dirty log only. The mark comes before the right.
      if (found.level > 1) this.#split(found.at, found.entry, found.level, gpa, false);
      const leaf = this.lookup(gpa);
      markDirty(slot, gpa);
      this.#set(leaf.at, leaf.entry | W, gpa, 1);
      return "fixed";
    }
    const hva = slot.hva + (gpa - slot.gpa),
      page = this.#mm.touch(hva);
    if (!page) return "nomem";
    const level = this.#level(slot, gpa, hva, page.size, page.pa);
    const size = sizeOf(level),
      base = level === 2 ? page.pa : page.pa + ((hva % page.size) - (hva % PAGE));
    let entry = BigInt(base) | R | X | WB | LEAF | PRESENT;
    if (level === 1) entry &= ~LEAF;
    if (!slot.readonly) {
      entry |= MMU_WRITABLE;
      if (!slot.log || write) entry |= W;
      if (slot.log && write) markDirty(slot, gpa);
    }
    this.#set(this.#slotFor(gpa, level), entry, gpa - (gpa % size), level);
    if (level === 2) this.counts.pages2m++;
    else this.counts.pages4k++;
    return "fixed";
  }

  /** Zap what maps [gpa, gpa+size): the slot went, or the host takes pages back. */
  zap(gpa: number, size: number): void {
    this.#zap(this.root, 4, 0, gpa, gpa + size);
  }

  /** Dirty logging begins: huge leaves are split, and every page loses its write right. */
  writeProtect(slot: MemSlot): void {
    this.#leaves(slot.gpa, slot.gpa + slot.size, (at, entry, level, gpa) => {
      if (level > 1) this.#split(at, entry, level, gpa, true);
      else this.#clearWrite(at, entry);
    });
  }

  /** One page of the log has been read: the next write is to be seen again. */
  protectPage(gpa: number): void {
    const { entry, level, at } = this.lookup(gpa);
    if ((entry & PRESENT) !== 0n && level === 1) this.#clearWrite(at, entry);
  }

  /** Calls visit for every leaf over [start, end). */
  #leaves(
    start: number,
    end: number,
    visit: (at: number, entry: bigint, level: number, gpa: number) => void,
  ): void {
    for (let gpa = start; gpa < end; ) {
      const { entry, level, at } = this.lookup(gpa),
        size = sizeOf(level),
        base = gpa - (gpa % size);
      if ((entry & PRESENT) !== 0n) visit(at, entry, level, base);
      gpa = base + size;
    }
  }

  /** The largest page that host, slot and log allow. */
  #level(slot: MemSlot, gpa: number, hva: number, hostSize: number, pa: number): 1 | 2 {
    if (hostSize !== HUGE || slot.log || gpa % HUGE !== hva % HUGE || pa % HUGE !== 0) return 1;
    const start = gpa - (gpa % HUGE);
    if (start < slot.gpa || start + HUGE > slot.gpa + slot.size) return 1;
    // A table that is already there holds smaller pages.
    const found = this.lookup(gpa);
    return found.level >= 2 ? 2 : 1;
  }

  #slotFor(gpa: number, level: number): number {
    let table = this.root;
    for (let l = 4; l > level; l--) {
      const at = table + (Math.floor(gpa / sizeOf(l)) % 512) * 8,
        entry = this.#host.memory.read64(at);
      if ((entry & PRESENT) !== 0n) {
        table = Number(entry & ADDRESS);
        continue;
      }
      table = this.#host.frames.frame();
      this.counts.tables++;
      if (this.#trace.on) this.#trace.write("kvm_mmu_get_page", Math.floor(gpa / PAGE), l - 1, table);
      this.#host.memory.write64(at, BigInt(table) | R | W | X | PRESENT);
    }
    return table + (Math.floor(gpa / sizeOf(level)) % 512) * 8;
  }

  #set(at: number, entry: bigint, gpa: number, level: number): void {
    this.#host.memory.write64(at, entry);
    if (this.#trace.on) this.#trace.write("kvm_mmu_set_spte", Math.floor(gpa / PAGE), entry, level);
  }

  #clearWrite(at: number, entry: bigint): void {
    if ((entry & W) === 0n) return;
    // The dirty flag goes with the right, or the processor would not look at the entry again.
    this.#host.memory.write64(at, entry & ~(W | 0x200n));
    this.flushNeeded = true;
  }

  /** A 2 MiB leaf becomes 512 small ones, write-protected when the log begins. */
  #split(at: number, entry: bigint, level: number, gpa: number, protect: boolean): void {
    const table = this.#host.frames.frame(),
      base = Number(entry & ADDRESS),
      small = sizeOf(level - 1);
    let keep = entry & ~ADDRESS & ~LEAF;
    if (level > 2) keep |= LEAF;
    if (protect) keep &= ~(W | 0x200n);
    for (let i = 0; i < 512; i++) this.#host.memory.write64(table + i * 8, BigInt(base + i * small) | keep);
    this.#host.memory.write64(at, BigInt(table) | R | W | X | PRESENT);
    this.counts.tables++;
    this.counts.splits++;
    this.counts.pages2m--;
    this.counts.pages4k += 512;
    this.flushNeeded = true;
    if (this.#trace.on) this.#trace.write("kvm_mmu_split_huge_page", Math.floor(gpa / PAGE), level);
  }

  /** Clears entries under `table`; tables that lie wholly inside the range go too. */
  #zap(table: number, level: number, base: number, start: number, end: number): void {
    const size = sizeOf(level);
    const first = Math.max(0, Math.floor((start - base) / size)),
      last = Math.min(511, Math.floor((end - 1 - base) / size));
    for (let i = first; i <= last; i++) {
      const at = table + i * 8,
        entry = this.#host.memory.read64(at),
        gpa = base + i * size;
      if ((entry & PRESENT) === 0n) continue;
      this.flushNeeded = true;
      if (level === 1 || (entry & LEAF) !== 0n) {
        this.#host.memory.write64(at, 0n);
        if (level === 1) this.counts.pages4k--;
        else this.counts.pages2m--;
        continue;
      }
      const child = Number(entry & ADDRESS);
      this.#zap(child, level - 1, gpa, start, end);
      if (gpa < start || gpa + size > end) continue;
      this.#host.memory.write64(at, 0n);
      this.#host.frames.free(child);
      this.counts.tables--;
      if (this.#trace.on) this.#trace.write("kvm_mmu_prepare_zap_page", Math.floor(gpa / PAGE), level - 1);
    }
  }
}
