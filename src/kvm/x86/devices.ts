import { type MmioDevice, type MmioSize, type MmioValue, mmioValue, type PortSize } from "../../base/index.ts";
import type { DeviceAccess } from "../emulate/log.ts";
import { KvmExit, type KvmExitReason, type KvmRun } from "../exit.ts";
import type { VcpuChips } from "../irqchip.ts";
import type { Handled } from "../ops.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import type { GuestSpace } from "./space.ts";

const IOAPIC_PAGE = 0xfec00000;

export interface DevicesOptions {
  readonly id: number;
  readonly space: GuestSpace;
  readonly chips: VcpuChips;
  readonly trace: Trace;
  readonly stats: KvmStats;
}

/** What the vCPU does for them. */
export interface DevicesVcpu {
  readonly run: KvmRun;
  toUser(reason: KvmExitReason, complete?: () => Handled): Handled;
}

/** The devices that a vCPU can reach: chips in the kernel, and user space for the rest. */
export class Devices {
  readonly #o: DevicesOptions;
  readonly #v: DevicesVcpu;
  /** IA32_APIC_BASE of which the page is known: a bigint is looked at once. */
  #apicBase = -1n;
  #apicPage = -1;

  constructor(options: DevicesOptions, vcpu: DevicesVcpu) {
    this.#o = options;
    this.#v = vcpu;
  }

  /** The chip in the kernel that answers at a guest-physical address. */
  chip(gpa: number): MmioDevice | undefined {
    const { chips, id } = this.#o,
      page = gpa - (gpa & 0xfff),
      lapic = chips.lapics[id];
    if (lapic?.mapped) {
      if (lapic.base !== this.#apicBase) {
        this.#apicBase = lapic.base;
        this.#apicPage = Number(lapic.base & 0xffffff000n);
      }
      if (page === this.#apicPage) return lapic;
    }
    return page === IOAPIC_PAGE ? chips.ioapic : undefined;
  }

  /** A read that the kernel can answer; undefined: user space must. */
  load({ port, at, size }: DeviceAccess): MmioValue | undefined {
    if (port) {
      const chip = this.#o.space.port(at);
      if (!chip) return undefined;
      const value = mmioValue(chip.portRead(at, size as PortSize), size);
      this.tracePort(false, at, size, value);
      return value;
    }
    const chip = this.chip(at);
    if (!chip) return undefined;
    const value = mmioValue(chip.mmioRead(at & 0xfff, size as MmioSize), size);
    this.traceMmio(1, at, size, value);
    return value;
  }
  /** A write that the kernel can take; false: user space must. */
  store({ port, at, size, value }: DeviceAccess): boolean {
    if (port) {
      const chip = this.#o.space.port(at);
      if (!chip) return false;
      this.tracePort(true, at, size, value);
      chip.portWrite(at, size as PortSize, Number(value));
      return true;
    }
    const chip = this.chip(at);
    if (!chip) return false;
    this.traceMmio(2, at, size, value);
    chip.mmioWrite(at & 0xfff, size as MmioSize, value);
    return true;
  }

  /** KVM_EXIT_IO or KVM_EXIT_MMIO: `complete` gets what user space has answered. */
  exit(access: DeviceAccess, complete: (value: MmioValue) => Handled): Handled {
    const { port, write, at, size, value } = access,
      { run } = this.#v;
    if (port) {
      const { io } = run;
      io.write = write;
      io.port = at;
      io.size = size as PortSize;
      io.data = Number(value);
      return this.#v.toUser(KvmExit.IO, () => {
        const data = mmioValue(io.data, size);
        this.tracePort(write, at, size, data);
        return complete(data);
      });
    }
    const { mmio } = run;
    this.ask(write, at, size, value);
    return this.#v.toUser(KvmExit.MMIO, () => {
      const data = mmioValue(mmio.data, size);
      if (!write) this.traceMmio(1, at, size, data);
      return complete(data);
    });
  }
  /** Fills struct kvm_run for KVM_EXIT_MMIO. */
  ask(write: boolean, at: number, size: number, value: MmioValue): void {
    const { mmio } = this.#v.run;
    mmio.write = write;
    mmio.physAddr = at;
    // Part of an operand that crosses a page may have an odd number of bytes; the device is asked for just those.
    mmio.size = size as MmioSize;
    mmio.data = value;
    this.#o.stats.mmioExits++;
    if (write) this.traceMmio(2, at, size, value);
  }

  tracePort(write: boolean, port: number, size: number, value: MmioValue): void {
    if (this.#o.trace.on) this.#o.trace.write("kvm_pio", write ? 1 : 0, port, size, Number(value));
  }
  traceMmio(type: number, gpa: number, size: number, value: MmioValue): void {
    if (this.#o.trace.on) this.#o.trace.write("kvm_mmio", type, size, gpa, BigInt.asUintN(32, BigInt(value)));
  }
}
