import { HUGE, type HostComputer, PAGE, type AddressSpace } from "../../host/index.ts";
import type { DirtyMethod, LoggedTables } from "../dirty/log.ts";
import { markDirty, type MemSlot } from "../memslots.ts";
import type { Trace } from "../trace.ts";

/*
 * The two-dimensional MMU's own tables: guest-physical to host-physical, four levels of 512 entries in host memory,
 * built when the guest touches a page ("The Extended Page Table Mechanism" in the SDM).
 *
 *   entry   57 KVM: writable as far as the host goes   51..12 frame   11 KVM: present   9 D  8 A   7 leaf   5..3 type (6 WB)   2 X 1 W 0 R
 *   nested paging has 6 D  5 A, and no type
 */
const R = 1n,
  W = 2n,
  X = 4n,
  WB = 6n << 3n,
  LEAF = 0x80n,
  PRESENT = 1n << 11n,
  MMU_WRITABLE = 1n << 57n,
  EPT_ACCESSED = 1n << 8n,
  NPT_ACCESSED = 1n << 5n,
  EPT_DIRTY = 1n << 9n,
  NPT_DIRTY = 1n << 6n;
const ADDRESS = 0xffffffffff000n;
const shiftOf = (level: number): number => 12 + 9 * (level - 1);
const sizeOf = (level: number): number => 2 ** shiftOf(level);

/** What a second-stage fault came to ("RET_PF_" in the kernel); "logged": it was there for the dirty log alone; "retry": the host took pages away meanwhile. */
export type FaultResult = "fixed" | "logged" | "spurious" | "retry" | "mmio" | "nomem";

/** What the process's pages have been through while one was looked up. */
export interface Invalidations {
  readonly sequence: number;
  stale(sequence: number, hva: number): boolean;
}

export interface TdpCounts {
  pages4k: number;
  pages2m: number;
  tables: number;
  splits: number;
}

/** How writes to logged pages are noticed. */
export interface TdpOptions {
  readonly method: DirtyMethod;
  /** Split huge pages when the log begins, not at the first write. */
  readonly eagerSplit: boolean;
  /** The processor keeps dirty flags. */
  readonly flags: boolean;
}

export class TdpMmu implements LoggedTables {
  readonly root: number;
  readonly counts: TdpCounts = { pages4k: 0, pages2m: 0, tables: 1, splits: 0 };
  readonly method: DirtyMethod;
  /** Slots whose writes are logged. */
  logged = 0;
  /** Raised when an entry lost rights: the processor's cached translations must go before the next entry. */
  flushNeeded = false;
  readonly #host: HostComputer;
  readonly #mm: AddressSpace;
  readonly #trace: Trace;
  readonly #eagerSplit: boolean;
  /** The processor's dirty flag, 0 where there is none. */
  readonly #dirty: bigint;
  readonly #accessed: bigint;
  /** Memory type of a leaf: write-back has a code in the EPT; nested paging takes it from the PAT's first entry. */
  readonly #type: bigint;
  /** What a logged page loses until it is written: its dirty flag, or the right to write as well. */
  readonly #lost: bigint;

  constructor(host: HostComputer, mm: AddressSpace, trace: Trace, options: TdpOptions) {
    this.#host = host;
    this.#mm = mm;
    this.#trace = trace;
    this.method = options.method;
    this.#eagerSplit = options.eagerSplit;
    this.#dirty = !options.flags ? 0n : host.silicon === "amd" ? NPT_DIRTY : EPT_DIRTY;
    this.#accessed = !options.flags ? 0n : host.silicon === "amd" ? NPT_ACCESSED : EPT_ACCESSED;
    this.#type = host.silicon === "amd" ? 0n : WB;
    // The dirty flag goes with the right, or the processor would not look at the entry again.
    this.#lost = this.#dirty | (options.method === "protect" ? W : 0n);
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
  fault(slot: MemSlot | undefined, gpa: number, write: boolean, host: Invalidations): FaultResult {
    if (!slot || (write && slot.readonly)) return "mmio";
    const found = this.lookup(gpa);
    if ((found.entry & PRESENT) !== 0n) {
      if (!write || (found.entry & W) !== 0n) return "spurious";
      if ((found.entry & MMU_WRITABLE) === 0n) return "mmio";
      // fast_page_fault: write protection for the dirty log only. The mark comes before the right.
      if (found.level > 1) this.#split(found.at, found.entry, found.level, gpa);
      const leaf = this.lookup(gpa);
      if (this.method === "protect") markDirty(slot, gpa);
      this.#set(leaf.at, leaf.entry | W, gpa, 1);
      return "logged";
    }
    const hva = slot.hva + (gpa - slot.gpa),
      sequence = host.sequence,
      page = this.#mm.getUserPage(hva);
    if (!page) return "nomem";
    if (host.stale(sequence, hva)) return "retry";
    const level = this.#level(slot, gpa, hva, page.size, page.pa);
    const size = sizeOf(level),
      base = level === 2 ? page.pa : page.pa + ((hva % page.size) - (hva % PAGE));
    let entry = BigInt(base) | R | X | this.#type | LEAF | PRESENT;
    if (level === 1) entry &= ~LEAF;
    if (!slot.readonly) entry |= this.#writable(slot, gpa, write);
    this.#set(this.#slotFor(gpa, level), entry, gpa - (gpa % size), level);
    if (level === 2) this.counts.pages2m++;
    else this.counts.pages4k++;
    return "fixed";
  }

  /** A page that KVM gives the guest and no slot has. */
  mapPage(gpa: number, pa: number): FaultResult {
    this.#set(this.#slotFor(gpa, 1), BigInt(pa) | R | W | X | this.#type | PRESENT, gpa, 1);
    return "fixed";
  }

  /** Bits of a new entry over memory that may be written. */
  #writable(slot: MemSlot, gpa: number, write: boolean): bigint {
    // Writes to other slots are not to fill the processor's log.
    if (!slot.log) return MMU_WRITABLE | W | (this.method === "pml" ? this.#dirty : 0n);
    if (this.method !== "protect") return MMU_WRITABLE | W;
    if (!write) return MMU_WRITABLE;
    markDirty(slot, gpa);
    return MMU_WRITABLE | W;
  }

  /** Zap what maps [gpa, gpa+size): the slot went, or the host takes pages back. */
  zap(gpa: number, size: number): void {
    this.#zap(this.root, 4, 0, gpa, gpa + size);
  }

  /** Has an entry of [gpa, gpa+size) been used since its accessed flag was cleared? Without such flags: is there one; it goes. */
  age(gpa: number, size: number, clear: boolean): boolean {
    let young = false;
    this.#leaves(gpa, gpa + size, (at, entry) => {
      if (this.#accessed !== 0n && (entry & this.#accessed) === 0n) return;
      young = true;
      if (clear && this.#accessed !== 0n) this.#host.memory.write64(at, entry & ~this.#accessed);
    });
    if (young && clear && this.#accessed === 0n) this.zap(gpa, size);
    return young;
  }

  startLog(slot: MemSlot): void {
    this.#leaves(slot.gpa, slot.gpa + slot.size, (at, entry, level, gpa) => this.#arm(at, entry, level, gpa));
  }
  protectPage(gpa: number): void {
    const { entry, level, at } = this.lookup(gpa);
    if ((entry & PRESENT) !== 0n) this.#arm(at, entry, level, gpa);
  }
  dirtyPages(slot: MemSlot, found: (gpa: number) => void): void {
    this.#leaves(slot.gpa, slot.gpa + slot.size, (_, entry, level, gpa) => {
      if (level === 1 && (entry & this.#dirty) !== 0n) found(gpa);
    });
  }
  stopLog(slot: MemSlot): void {
    const end = slot.gpa + slot.size;
    for (let gpa = slot.gpa; gpa < end; ) {
      const next = Math.min(end, gpa - (gpa % HUGE) + HUGE);
      if (!this.#join(slot, gpa)) this.#leaves(gpa, next, (at, entry) => this.#disarm(at, entry));
      gpa = next;
    }
  }

  /** The next write to a page is to be noticed. A huge page is split now, or at that write. */
  #arm(at: number, entry: bigint, level: number, gpa: number): void {
    if (level > 1 && this.#eagerSplit) {
      this.#split(at, entry & ~this.#lost, level, gpa);
      return;
    }
    const lost = level > 1 ? this.#lost | W : this.#lost;
    if ((entry & lost) === 0n) return;
    this.#host.memory.write64(at, entry & ~lost);
    this.flushNeeded = true;
  }
  /** Writes are not noticed any more, and do not fill the processor's log. */
  #disarm(at: number, entry: bigint): void {
    if ((entry & MMU_WRITABLE) === 0n) return;
    this.#host.memory.write64(at, entry | W | (this.method === "pml" ? this.#dirty : 0n));
  }
  /** 512 small pages over a huge page of the host become one again. */
  #join(slot: MemSlot, gpa: number): boolean {
    const start = gpa - (gpa % HUGE),
      hva = slot.hva + (start - slot.gpa);
    if (start < slot.gpa || start + HUGE > slot.gpa + slot.size || slot.readonly) return false;
    if (this.lookup(gpa).level !== 1) return false;
    const page = this.#mm.lookup(hva);
    if (page?.size !== HUGE || hva % HUGE !== 0) return false;
    const at = this.#slotFor(gpa, 2),
      table = Number(this.#host.memory.read64(at) & ADDRESS);
    let present = 0;
    for (let i = 0; i < 512; i++) if ((this.#host.memory.read64(table + i * 8) & PRESENT) !== 0n) present++;
    this.#set(at, BigInt(page.pa) | R | W | X | this.#type | LEAF | PRESENT | MMU_WRITABLE | (this.method === "pml" ? this.#dirty : 0n), start, 2);
    this.#host.frames.free(table);
    this.counts.tables--;
    this.counts.pages4k -= present;
    this.counts.pages2m++;
    this.flushNeeded = true;
    return true;
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

  /** A huge leaf becomes 512 small ones with its rights; where dirty flags are looked at, they may be written and are clean. */
  #split(at: number, entry: bigint, level: number, gpa: number): void {
    const table = this.#host.frames.frame(),
      base = Number(entry & ADDRESS),
      small = sizeOf(level - 1);
    let keep = entry & ~ADDRESS & ~LEAF;
    if (level > 2) keep |= LEAF;
    if (this.method !== "protect") {
      keep &= ~this.#dirty;
      if ((entry & MMU_WRITABLE) !== 0n) keep |= W;
    }
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
