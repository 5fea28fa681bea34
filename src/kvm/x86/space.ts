import type { PortDevice } from "../../base/index.ts";
import type { AddressSpace, HostComputer, MmuNotifier } from "../../host/index.ts";
import { type MemSlot, MemSlots, markDirty, type UserMemoryRegion } from "../memslots.ts";
import { type FaultResult, TdpMmu } from "../mmu/tdp.ts";
import type { Trace } from "../trace.ts";

/** Guest-physical memory of one VM: slots over process memory, the tables that map them, the in-kernel port bus. */
export class GuestSpace implements MmuNotifier {
  readonly slots = new MemSlots();
  readonly tdp: TdpMmu;
  readonly mm: AddressSpace;
  readonly #host: HostComputer;
  readonly #trace: Trace;
  readonly #ports = new Map<number, PortDevice>();
  readonly #view = new DataView(new ArrayBuffer(8));

  constructor(host: HostComputer, mm: AddressSpace, trace: Trace) {
    this.#host = host;
    this.mm = mm;
    this.#trace = trace;
    this.tdp = new TdpMmu(host, mm, trace);
    mm.register(this);
  }

  addPorts(ports: readonly number[], device: PortDevice): void {
    for (const port of ports) this.#ports.set(port, device);
  }
  port(port: number): PortDevice | undefined {
    return this.#ports.get(port);
  }

  setRegion(region: UserMemoryRegion): void {
    const { old, now } = this.slots.set(region);
    if (old && now && old.gpa === now.gpa && old.readonly === now.readonly) {
      if (now.log && !old.log) this.tdp.writeProtect(now);
      // The log ends: small pages go, and huge ones come back at the next touch.
      else if (!now.log && old.log) this.tdp.zap(old.gpa, old.size);
      return;
    }
    if (old) this.tdp.zap(old.gpa, old.size);
  }

  fault(gpa: number, write: boolean): FaultResult {
    return this.tdp.fault(this.slots.find(gpa), gpa, write);
  }

  /** KVM_GET_DIRTY_LOG: the bits since the last call; each page is protected again before it can change unseen. */
  dirtyLog(slot: MemSlot): Uint8Array {
    const bits = slot.dirty ?? new Uint8Array(0),
      copy = bits.slice();
    bits.fill(0);
    copy.forEach((byte, i) => {
      for (let b = 0; byte >> b; b++)
        if ((byte >> b) & 1) this.tdp.protectPage(slot.gpa + (i * 8 + b) * 4096);
    });
    return copy;
  }

  invalidateRangeStart(start: number, end: number): void {
    if (this.#trace.on) this.#trace.write("kvm_unmap_hva_range", start, end);
    for (const s of this.slots.overHva(start, end)) {
      const from = Math.max(start, s.hva),
        to = Math.min(end, s.hva + s.size);
      this.tdp.zap(s.gpa + (from - s.hva), to - from);
    }
  }
  invalidateRangeEnd(): void {
    // One thread: no fault can be in flight between start and end.
  }

  /** Host-physical address of a guest page's byte, by memslot and host page table; -1 outside the slots. */
  hpa(gpa: number, write: boolean): number {
    const slot = this.slots.find(gpa);
    if (!slot || (write && slot.readonly)) return -1;
    const hva = slot.hva + (gpa - slot.gpa),
      page = this.mm.touch(hva);
    if (!page) return -1;
    if (write) markDirty(slot, gpa);
    return page.pa + (hva % page.size);
  }

  load(gpa: number, size: number): bigint | undefined {
    const pa = this.hpa(gpa, false);
    return pa < 0 ? undefined : this.#host.memory.load(pa, size);
  }
  /** Bytes of a guest page for reading; undefined outside the slots. */
  bytes(gpa: number, length: number): Uint8Array | undefined {
    const pa = this.hpa(gpa, false);
    return pa < 0 ? undefined : this.#host.memory.bytes(pa, length);
  }
  store(gpa: number, size: number, value: bigint): boolean {
    const pa = this.hpa(gpa, true);
    if (pa < 0) return false;
    this.#view.setBigUint64(0, value, true);
    this.#host.memory.write(pa, new Uint8Array(this.#view.buffer, 0, size));
    return true;
  }
  read64(gpa: number): bigint {
    return this.load(gpa, 8) ?? 0xffffffffffffffffn;
  }
  read32(gpa: number): number {
    return Number(this.load(gpa, 4) ?? 0xffffffffn);
  }
  write64(gpa: number, value: bigint): void {
    this.store(gpa, 8, value);
  }
  write32(gpa: number, value: number): void {
    this.store(gpa, 4, BigInt(value >>> 0));
  }
}
