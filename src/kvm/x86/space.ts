import type { MmioValue, PortDevice } from "../../base/index.ts";
import { type AddressSpace, type HostComputer, type MmuNotifier, PAGE } from "../../host/index.ts";
import { DirtyLog, dirtyMethod, type LoggedTables } from "../dirty/log.ts";
import { type MemSlot, MemSlots, markDirty, type UserMemoryRegion } from "../memslots.ts";
import { type FaultResult, TdpMmu } from "../mmu/tdp.ts";
import type { ShadowMmu, ShadowSpace } from "../mmu/shadow/mmu.ts";
import type { ModuleParams } from "../params.ts";
import type { Trace } from "../trace.ts";

const CACHED = 1024;
/** Guest-physical addresses that a slot can have. */
const REACH = 2 ** 40;

/** Guest-physical memory of one VM: slots over process memory, the tables that map them, the in-kernel port bus. */
export class GuestSpace implements MmuNotifier, ShadowSpace {
  readonly slots = new MemSlots();
  readonly tdp: TdpMmu;
  /** Shadow paging, when there is no second stage. */
  shadow: ShadowMmu | undefined;
  readonly dirty: DirtyLog;
  /** Of all slots. */
  pages = 0;
  /** Guest-physical address of a page of KVM's own, a table that maps 4 GiB to themselves; undefined: nobody needs it. */
  identityMap: number | undefined;
  #identityFrame: number | undefined;
  readonly mm: AddressSpace;
  /** Invalidations that have ended, that are under way, and the range of the latter. */
  #sequence = 0;
  #inProgress = 0;
  #invalidStart = 0;
  #invalidEnd = 0;
  readonly #host: HostComputer;
  readonly #trace: Trace;
  readonly #ports: (PortDevice | undefined)[] = new Array<PortDevice | undefined>(0x10000).fill(undefined);
  readonly #view = new DataView(new ArrayBuffer(8));
  /** Direct-mapped: frame number by guest frame number, and for which guest frame it may be read and written. */
  readonly #frames = new Int32Array(CACHED);
  readonly #reads = new Int32Array(CACHED).fill(-1);
  readonly #writes = new Int32Array(CACHED).fill(-1);

  constructor(host: HostComputer, mm: AddressSpace, trace: Trace, params: ModuleParams) {
    this.#host = host;
    this.mm = mm;
    this.#trace = trace;
    const method = dirtyMethod(params, host.silicon),
      flags = host.silicon === "amd" || params.eptad;
    this.tdp = new TdpMmu(host, mm, trace, { method, eagerSplit: params.eagerPageSplit, flags });
    this.dirty = new DirtyLog(method, this.slots, () => this.#tables);
    mm.register(this);
  }

  addPorts(ports: readonly number[], device: PortDevice): void {
    for (const port of ports) this.#ports[port] = device;
  }
  port(port: number): PortDevice | undefined {
    return this.#ports[port];
  }

  setRegion(region: UserMemoryRegion): void {
    this.#forget();
    const { old, now } = this.slots.set(region);
    this.pages += ((now?.size ?? 0) - (old?.size ?? 0)) / PAGE;
    this.tdp.logged += (now?.log ? 1 : 0) - (old?.log ? 1 : 0);
    // What the processor logs from now on is decided at an entry.
    if (now?.log !== old?.log) this.tdp.flushNeeded = true;
    if (old && now && old.gpa === now.gpa && old.readonly === now.readonly) {
      if (now.log && !old.log) this.dirty.start(now);
      else if (!now.log && old.log) this.#tables.stopLog(now);
      return;
    }
    if (old) {
      this.tdp.zap(old.gpa, old.size);
      this.shadow?.zap(old.gpa, old.size);
    }
    if (now?.log) this.dirty.start(now);
  }

  /**
   * Shadow tables map the guest from now on, or the second stage does again. What its entries allow is behind what has
   * been logged meanwhile: pages of logged slots are to be noticed at their next write, the others no more.
   */
  setShadow(shadow: ShadowMmu | undefined): void {
    this.shadow = shadow;
    if (shadow) return;
    for (const slot of this.slots.list)
      if (slot.log) this.tdp.startLog(slot);
      else this.tdp.stopLog(slot);
    this.tdp.flushNeeded = true;
  }

  /** What maps the guest, as the dirty log sees it. */
  get #tables(): LoggedTables {
    return this.shadow ?? this.tdp;
  }
  slot(gpa: number): MemSlot | undefined {
    return this.slots.find(gpa);
  }

  /** The processor has logged a write. */
  markDirty(gpa: number): void {
    const slot = this.slots.find(gpa);
    if (slot) markDirty(slot, gpa);
  }

  fault(gpa: number, write: boolean): FaultResult {
    if (this.identityMap !== undefined && gpa - (gpa % PAGE) === this.identityMap) {
      this.#identityFrame ??= identityTable(this.#host);
      return this.tdp.mapPage(this.identityMap, this.#identityFrame);
    }
    return this.tdp.fault(this.slots.find(gpa), gpa, write, this);
  }

  invalidateRangeStart(start: number, end: number): void {
    this.#forget();
    this.#inProgress++;
    this.#invalidStart = this.#inProgress === 1 ? start : Math.min(this.#invalidStart, start);
    this.#invalidEnd = this.#inProgress === 1 ? end : Math.max(this.#invalidEnd, end);
    if (this.#trace.on) this.#trace.write("kvm_unmap_hva_range", start, end);
    this.#over(start, end, (gpa, size) => {
      this.tdp.zap(gpa, size);
      this.shadow?.zap(gpa, size);
    });
    // The pages go as soon as this returns: a guest in guest mode must not reach them any more.
    this.tdp.flushNeeded = true;
  }
  invalidateRangeEnd(): void {
    this.#sequence++;
    this.#inProgress--;
  }
  clearYoung(start: number, end: number): boolean {
    return this.#age(start, end, true);
  }
  clearFlushYoung(start: number, end: number): boolean {
    const young = this.#age(start, end, true);
    if (young) this.tdp.flushNeeded = true;
    return young;
  }
  testYoung(start: number, end: number): boolean {
    return this.#age(start, end, false);
  }
  #age(start: number, end: number, clear: boolean): boolean {
    let young = false;
    this.#over(start, end, (gpa, size) => {
      if (this.tdp.age(gpa, size, clear)) young = true;
      // Shadow entries are not asked: what they map counts as used.
      if (this.shadow) young = true;
    });
    if (this.#trace.on) this.#trace.write(clear ? "kvm_age_hva" : "kvm_test_age_hva", start, end);
    return young;
  }
  /** Guest-physical ranges that show process memory of [start, end). */
  #over(start: number, end: number, use: (gpa: number, size: number) => void): void {
    for (const s of this.slots.overHva(start, end)) {
      const from = Math.max(start, s.hva),
        to = Math.min(end, s.hva + s.size);
      use(s.gpa + (from - s.hva), to - from);
    }
  }

  /** Taken before a page of the process is looked up ("mmu_invalidate_seq"). */
  get sequence(): number {
    return this.#sequence;
  }
  /** mmu_invalidate_retry_hva: since `sequence` was taken, pages have gone, or this one is going: what was looked up is not to be mapped. */
  stale(sequence: number, hva: number): boolean {
    const going = this.#inProgress > 0 && hva >= this.#invalidStart && hva < this.#invalidEnd;
    return going || this.#sequence !== sequence;
  }

  /** Host-physical address of a guest page's byte, by memslot and host page table; -1 outside the slots. */
  hpa(gpa: number, write: boolean): number {
    if (gpa < REACH) {
      // Most accesses are to the few pages that hold page tables and code (gfn_to_pfn_cache).
      // Bits, where they will do: a remainder of numbers above 2^31 is a division.
      const inside = gpa & (PAGE - 1),
        gfn = (gpa - inside) / PAGE,
        i = gfn & (CACHED - 1),
        tags = write ? this.#writes : this.#reads;
      if (tags[i] === gfn) return (this.#frames[i] ?? 0) * PAGE + inside;
      const pa = this.#find(gpa, write);
      if (pa >= 0) this.#remember(gfn, i, pa, write);
      return pa;
    }
    return -1;
  }
  #find(gpa: number, write: boolean): number {
    const slot = this.slots.find(gpa);
    if (!slot || (write && slot.readonly)) return -1;
    const hva = slot.hva + (gpa - slot.gpa),
      sequence = this.#sequence,
      page = this.mm.getUserPage(hva);
    if (!page) return -1;
    if (this.stale(sequence, hva)) return this.#find(gpa, write);
    if (write) markDirty(slot, gpa);
    return page.pa + (hva % page.size);
  }
  #remember(gfn: number, i: number, pa: number, write: boolean): void {
    const frame = Math.floor(pa / PAGE);
    if (this.#frames[i] !== frame) this.#reads[i] = this.#writes[i] = -1;
    this.#frames[i] = frame;
    this.#reads[i] = gfn;
    // Writes to a logged slot have to be seen each time.
    if (write && !this.slots.find(gfn * PAGE)?.log) this.#writes[i] = gfn;
  }
  /** What hpa() has answered holds as long as this stays. */
  generation = 0;
  #forget(): void {
    this.generation++;
    this.#reads.fill(-1);
    this.#writes.fill(-1);
  }

  load(gpa: number, size: number): bigint | undefined {
    const pa = this.hpa(gpa, false);
    return pa < 0 ? undefined : this.#host.memory.load(pa, size);
  }
  /** The same as devices give values: sizes 1, 2 and 4 as numbers. */
  value(gpa: number, size: number): MmioValue | undefined {
    if (size !== 1 && size !== 2 && size !== 4) return this.load(gpa, size);
    const pa = this.hpa(gpa, false);
    return pa < 0 ? undefined : this.#host.memory.loadSmall(pa, size);
  }
  store(gpa: number, size: number, value: MmioValue): boolean {
    const pa = this.hpa(gpa, true);
    if (pa < 0) return false;
    if (typeof value === "number") this.#view.setUint32(0, value, true);
    else this.#view.setBigUint64(0, value, true);
    this.#host.memory.write(pa, new Uint8Array(this.#view.buffer, 0, size));
    return true;
  }
  read64(gpa: number): bigint {
    return this.load(gpa, 8) ?? 0xffffffffffffffffn;
  }
  read32(gpa: number): number {
    const pa = this.hpa(gpa, false);
    return pa < 0 ? 0xffffffff : this.#host.memory.read32(pa);
  }
  write32(gpa: number, value: number): void {
    const pa = this.hpa(gpa, true);
    if (pa >= 0) this.#host.memory.write32(pa, value);
  }
}

/** Two-level paging with 1,024 pages of 4 MiB: P W U A D PS. */
function identityTable(host: HostComputer): number {
  const frame = host.frames.frame();
  for (let i = 0; i < 1024; i++) host.memory.write32(frame + 4 * i, ((i << 22) | 0xe7) >>> 0);
  return frame;
}
