import { HUGE } from "../../../host/index.ts";
import type { MemSlot } from "../../memslots.ts";
import { Access, walk, walked } from "../walk.ts";
import type { LeafVisit } from "./check.ts";
import { A, D, NX, P, PAE_TOP, PRESENT, PS, TABLE, U, W, frameOf, index, writeEntry } from "./entry.ts";
import { TableFrames, tableLimit } from "./frames.ts";
import type { ShadowContext, ShadowFault, ShadowMmu, ShadowOptions } from "./mmu.ts";
import type { PagingRegisters } from "./registers.ts";
import { Resolver } from "./resolve.ts";

/**
 * Shadow paging as a virtual TLB ("Virtual TLB Implementation", KVM's first): the shadow tables cache translations as a
 * TLB does, and lose them when a TLB would.
 *
 *   page fault --> walk of the guest's tables --> one entry more          INVLPG --> one entry less
 *   CR3 loaded, or anything else that empties a TLB --> everything is thrown away
 *
 * Nothing is known about which pages hold tables: a guest that changes one tells the TLB, and that is enough.
 */
export class VirtualTlb implements ShadowMmu {
  readonly name = "vtlb";
  readonly options: ShadowOptions;
  readonly frames: TableFrames;
  readonly #contexts: VirtualTlbContext[] = [];
  /** Of all contexts. */
  tables = 0;

  constructor(options: ShadowOptions) {
    this.options = options;
    this.frames = new TableFrames(options.host);
  }

  get limit(): number {
    return tableLimit(this.options.space.pages);
  }
  context(guest: PagingRegisters): VirtualTlbContext {
    const context = new VirtualTlbContext(this, guest);
    this.#contexts.push(context);
    return context;
  }

  /** So many tables more have to stay within the bound: the vCPU's own go, and the others' if that is not enough. */
  makeRoom(context: VirtualTlbContext, tables: number): void {
    if (this.tables + tables <= this.limit) return;
    context.flush();
    if (this.tables + tables > this.limit) this.zap();
  }
  zap(): void {
    for (const c of this.#contexts) c.flush();
  }
  startLog(_slot: MemSlot): void {
    this.zap();
  }
  /** What is still protected gets its right back at the next write. */
  stopLog(): void {}
  dirtyPages(): void {}
  protectPage(): void {
    this.zap();
  }
  written(): void {
    // A write to a guest's table takes effect when the guest flushes the TLB, as on a processor.
  }
}

const MOST_MADE = 8;
const region = (low: number, high: number): number => high * 2048 + (low >>> 21);

class VirtualTlbContext implements ShadowContext {
  readonly guest: PagingRegisters;
  readonly #mmu: VirtualTlb;
  readonly #resolver: Resolver;
  #root: number;
  /** Every table but the root. */
  #tables: number[] = [];
  /** Regions of 2 MiB in which entries are parts of a larger page of the guest's: INVLPG of one of them is of them all. */
  readonly #parts = new Set<number>();
  flushNeeded = true;
  /** Entries made of late, for the checker: where they lie, their level, their linear address. */
  #made: (readonly [at: number, level: number, low: number, high: number])[] = [];

  constructor(mmu: VirtualTlb, guest: PagingRegisters) {
    this.#mmu = mmu;
    this.guest = guest;
    this.#resolver = new Resolver(mmu.options.space);
    this.#root = mmu.frames.take();
    mmu.tables++;
  }

  get gpa(): number {
    return this.#resolver.gpa;
  }
  get guestCode(): number {
    return this.#resolver.guestCode;
  }
  root(): number {
    return this.#root;
  }
  takeFlush(): boolean {
    const flush = this.flushNeeded;
    this.flushNeeded = false;
    return flush;
  }

  fault(low: number, high: number, code: number, cpl: number): ShadowFault {
    const r = this.#resolver,
      { stats, trace } = this.#mmu.options,
      result = r.resolve(this.guest, low, high, code, cpl);
    if (result !== "map") return result;
    stats.mmu.faults++;
    const level = r.large ? 2 : 1,
      at = this.#entry(low, high, level);
    let entry = P | A | PRESENT | r.rights;
    if ((r.rights & W) !== 0) entry |= D;
    if (level === 2) entry |= PS;
    const pa = level === 2 ? r.frame - (r.frame % HUGE) : r.frame;
    if (this.guest.paging && (r.level > level || (r.level === 2 && this.guest.format === 2)))
      this.#parts.add(region(low, high));
    this.#set(at, (pa | entry) >>> 0, r.executable ? 0 : NX);
    this.#made.push([at, level, low, high]);
    if (this.#made.length > MOST_MADE) this.#made.shift();
    if (trace.on) trace.write("kvm_mmu_set_spte", Math.floor(r.gpa / 4096), pa + entry, level);
    return "fixed";
  }

  /** A TLB may be behind its tables: only what has just been entered must agree with them. */
  leaves(visit: LeafVisit): void {
    this.touched(visit);
  }
  touched(visit: LeafVisit): void {
    const { guest } = this;
    for (const [at, level, low, high] of this.#made) {
      const gpa = walk(this.#mmu.options.space, guest, low, high, Access.Read, false, false);
      if (gpa < 0) continue;
      const gfn = Math.floor(gpa / 4096),
        flat = !guest.paging;
      visit({
        at,
        level,
        gfn: level > 1 ? gfn - (gfn % 512) : gfn,
        rights: flat ? W | U : walked.rights,
        executable: flat || walked.executable,
        dirty: flat || walked.dirty,
        writeProtect: guest.writeProtect,
      });
    }
    this.#made = [];
  }

  invalidatePage(low: number, high: number): void {
    const { memory } = this.#mmu.options.host;
    this.#mmu.options.stats.mmu.invlpg++;
    if (this.#parts.has(region(low, high))) {
      this.flush();
      return;
    }
    this.flushNeeded = true;
    let table = this.#root;
    for (let level = this.guest.long ? 4 : 3; ; level--) {
      const at = table + index(low, high, level) * 8,
        entry = memory.read32(at);
      if ((entry & P) === 0) return;
      if (level === 1 || (entry & PS) !== 0) {
        writeEntry(memory, at, 0, 0);
        return;
      }
      table = frameOf(entry);
    }
  }

  switchSpace(): void {
    this.flush();
  }
  reset(): void {
    this.flush();
  }
  flush(): void {
    const { frames, options } = this.#mmu;
    for (const table of this.#tables) frames.give(table);
    this.#mmu.tables -= this.#tables.length;
    this.#tables = [];
    this.#made = [];
    this.#parts.clear();
    options.host.memory.clear(this.#root, 4096);
    this.flushNeeded = true;
    options.stats.mmu.flushes++;
  }

  /** Where the entry of a linear address lies at a level; tables on the way are made. */
  #entry(low: number, high: number, level: number): number {
    const { memory } = this.#mmu.options.host,
      top = this.guest.long ? 4 : 3;
    this.#mmu.makeRoom(this, top - 1);
    let table = this.#root;
    for (let l = top; l > level; l--) {
      const at = table + index(low, high, l) * 8,
        entry = memory.read32(at);
      if ((entry & P) !== 0 && (entry & PS) === 0) {
        table = frameOf(entry);
        continue;
      }
      // A large page has become small ones: what was cached of it goes.
      if ((entry & P) !== 0) this.flushNeeded = true;
      table = this.#mmu.frames.take();
      this.#tables.push(table);
      this.#mmu.tables++;
      const kind = top === 3 && l === 3 ? PAE_TOP : TABLE;
      writeEntry(memory, at, (table | kind) >>> 0, 0);
      const { trace } = this.#mmu.options;
      if (trace.on) trace.write("kvm_mmu_get_page", low >>> 12, l - 1, table);
    }
    return table + index(low, high, level) * 8;
  }

  #set(at: number, low: number, high: number): void {
    const { memory } = this.#mmu.options.host,
      old = memory.read32(at);
    // Rights that go, or another page: what the processor has cached is wrong.
    if ((old & P) !== 0 && (frameOf(old) !== frameOf(low) || (old & ~low & (W | U)) !== 0 || (~memory.read32(at + 4) & high) !== 0))
      this.flushNeeded = true;
    writeEntry(memory, at, low, high);
  }
}
