import type { PortSize, VirtualClock } from "../../base/index.ts";
import type { HostComputer } from "../../host/index.ts";
import { Emulator, type Emulated } from "../emulate/emulator.ts";
import type { DeviceAccess } from "../emulate/log.ts";
import { KvmExit, type KvmExitReason, type KvmRun } from "../exit.ts";
import type { VcpuChips } from "../irqchip.ts";
import type { ArchVcpu, Handled, InterruptedEvent } from "../ops.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import { type PortAccess, portAccess, type SecondStageFault } from "../handlers.ts";
import type { ShadowContext } from "../mmu/shadow/mmu.ts";
import { DeviceMoves } from "./device-moves.ts";
import { Devices } from "./devices.ts";
import type { GuestSpace } from "./space.ts";

const RAX = 0;
const SOFTWARE = 4;
/** Of events in VMX numbering. */
const EXCEPTION = 3;
const DOUBLE_FAULT = 8,
  PAGE_FAULT = 14;
/** Bits of a page fault's error code. */
const WRITE = 2,
  FETCH = 16;

export interface EmulationOptions {
  readonly id: number;
  readonly host: HostComputer;
  readonly space: GuestSpace;
  readonly chips: VcpuChips;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly clock: VirtualClock;
  readonly physBits: number;
}

/** What the vCPU does for its emulation. */
export interface EmulationVcpu {
  readonly arch: ArchVcpu;
  readonly run: KvmRun;
  /** 1 while an instruction that its exit has counted is being completed. */
  inflight: number;
  toUser(reason: KvmExitReason, complete?: () => Handled): Handled;
  internal(message: string): Handled;
  shutdown(): Handled;
  halt(): void;
  /** The instruction in hand counts. */
  tick(): void;
  exception(vector: number, code: number, address?: bigint): void;
  /** CR2. */
  setFaultAddress(address: bigint): void;
  /** The instruction was counted by its exit, and has not retired after all. */
  faultInstead(vector: number, code: number, address?: bigint): void;
}

/** Accesses of the guest to devices: exits for ports and second-stage faults, and what KVM completes in software. */
export class Emulation {
  readonly #o: EmulationOptions;
  readonly #v: EmulationVcpu;
  readonly #emulator: Emulator;
  readonly #devices: Devices;
  readonly #moves: DeviceMoves;
  /** The port exit that user space answers. */
  #port = portAccess();
  #portData = 0;

  constructor(options: EmulationOptions, vcpu: EmulationVcpu) {
    this.#o = options;
    this.#v = vcpu;
    const { host, space, physBits } = options,
      devices = new Devices(options, vcpu);
    this.#devices = devices;
    this.#emulator = new Emulator(host, vcpu.arch, {
      get generation() {
        return space.generation;
      },
      hpa: (gpa, write) => space.hpa(gpa, write),
      read32: (gpa) => space.read32(gpa),
      write32: (gpa, v) => space.write32(gpa, v),
      load: (gpa, size) => space.value(gpa, size),
      store: (gpa, size, v) => {
        const stored = space.store(gpa, size, v);
        if (stored) space.shadow?.written(gpa, size);
        return stored;
      },
      deviceLoad: (access) => devices.load(access),
      deviceStore: (access) => devices.store(access),
      physBits,
    });
    this.#moves = new DeviceMoves(options, vcpu, devices, this.#emulator, (f) => {
      this.#emulator.match(f.linearLow, f.linearHigh, f.gpa, f.write);
      return this.#instruction(false);
    });
  }

  abandon(): void {
    this.#emulator.abandon();
  }

  /** Instruction bytes at RIP. */
  peek(length: number): Uint8Array {
    return this.#emulator.peek(length);
  }
  /** Other instruction bytes at RIP; the page fault where the guest may not write. */
  patch(bytes: readonly number[]): Extract<Emulated, { kind: "fault" }> | undefined {
    return this.#emulator.patch(bytes);
  }
  /** The instruction at RIP, which need not touch a device. @param hostFpu see Emulator.instruction */
  forced(hostFpu: boolean): Handled {
    return this.#instruction(false, hostFpu);
  }

  /** handle_ept_violation: give the page, or complete the access to a device. */
  pageFault(fault: SecondStageFault): Handled {
    const { gpa, write, fetch, code, final } = fault,
      { space, stats, trace } = this.#o,
      { arch } = this.#v;
    if (trace.on) trace.write("kvm_page_fault", arch.rip(), gpa, code);
    const result = space.fault(gpa, write);
    if (result === "fixed" || result === "logged" || result === "spurious" || result === "retry") {
      if (result === "fixed") stats.pagesFixed++;
      else if (result === "logged") stats.dirtyLogExits++;
      return "again";
    }
    if (result === "nomem") return this.#v.internal("the host has no memory for the guest's page");
    stats.mmioFaults++;
    const event = arch.takeEvent();
    if (event) return this.#deliver(event);
    if (fetch) {
      this.#v.exception(6, -1);
      return "again";
    }
    if (final) {
      const moved = this.#moves.handle(fault);
      if (moved) return moved;
      this.#emulator.match(fault.linearLow, fault.linearHigh, gpa, write);
    }
    return this.#instruction(false);
  }

  /** handle_exception, of a page fault under shadow paging: an entry, the guest's own fault, or an access for software. */
  shadowFault(shadow: ShadowContext, low: number, high: number, code: number): Handled {
    const { stats, trace } = this.#o,
      { arch } = this.#v;
    if (trace.on) trace.write("kvm_page_fault", arch.rip(), low + high * 0x100000000, code);
    shadow.guest.rflags = Number(arch.rflags() & 0xffffffffn);
    const result = shadow.fault(low, high, code, arch.cpl());
    if (result === "fixed") return "again";
    if (result === "guest") return this.#guestFault(shadow.guestCode, (BigInt(high) << 32n) | BigInt(low));
    if (result === "nomem") return this.#v.internal("the host has no memory for the guest's page");
    if (result === "device") stats.mmioFaults++;
    const event = arch.takeEvent();
    if (event) return this.#deliver(event);
    if (result === "device") {
      if ((code & FETCH) !== 0) {
        this.#v.exception(6, -1);
        return "again";
      }
      this.#emulator.match(low, high, shadow.gpa, (code & WRITE) !== 0);
    }
    return this.#instruction(false);
  }
  /** The guest's own page fault; met while an exception was delivered, it may make a double fault ("Conditions for Generating a Double Fault"). */
  #guestFault(code: number, address: bigint): Handled {
    const event = this.#v.arch.takeEvent();
    this.#o.stats.mmu.guestFaults++;
    if (event?.kind === EXCEPTION) {
      if (event.vector === DOUBLE_FAULT) {
        this.#v.setFaultAddress(address);
        return this.#v.shutdown();
      }
      if (event.vector === PAGE_FAULT) {
        this.#v.exception(DOUBLE_FAULT, 0, address);
        return "again";
      }
    }
    this.#v.exception(PAGE_FAULT, code, address);
    return "again";
  }

  /** An instruction that exits in place of being executed, and whose effect the emulator knows. */
  emulate(): Handled {
    return this.#instruction(true);
  }

  /**
   * handle_invalid_guest_state: real mode, and protected mode before its segments are loaded, where the processor cannot
   * enter such a guest. An event that waits is delivered; otherwise instructions up to `limit` of the clock.
   * @param single one instruction: an interrupt waits for its window
   */
  invalidState(limit: () => number, single: boolean): Handled {
    const { stats, clock } = this.#o,
      { arch } = this.#v,
      event = arch.takeEvent();
    if (event) return this.#deliver(event);
    const result = this.#emulator.stretch(
      () => clock.now(),
      () => {
        stats.emulations++;
        this.#v.tick();
        return !single && clock.now() < limit();
      },
    );
    if (result.kind === "user") return this.#ask(result.asked, () => this.invalidState(limit, single));
    if (result.kind === "stopped") return "again";
    stats.emulations++;
    if (result.kind === "fault") this.#fault(result, false);
    else if (result.kind === "shutdown") return this.#v.shutdown();
    else {
      return this.#tell(() => {
        if (result.kind === "halt" && (arch.pending().debug & 0x4000) === 0) this.#v.halt();
        return this.#done(false);
      });
    }
    return "again";
  }

  /** handle_task_switch: the switch is part of an instruction, or of the delivery of an event through a task gate. */
  taskSwitch(): Handled {
    const event = this.#v.arch.takeEvent();
    return event ? this.#deliver(event) : this.#instruction(true);
  }

  /** handle_io: in-kernel chips, or user space; a string instruction moves one element, in software. */
  portIo(a: PortAccess): Handled {
    const { run, arch } = this.#v;
    this.#o.stats.ioExits++;
    if (a.string) return this.#instruction(true);
    this.#v.inflight = 1;
    const chip = this.#o.space.port(a.port),
      data = a.write ? cut(arch.low(RAX), a.size) : 0;
    if (!chip) {
      const { io } = run;
      io.write = a.write;
      io.port = a.port;
      io.size = a.size;
      io.data = data;
      this.#port = a;
      this.#portData = data;
      return this.#v.toUser(KvmExit.IO, this.#portAnswered);
    }
    if (!a.write) return this.#portDone(a, chip.portRead(a.port, a.size));
    chip.portWrite(a.port, a.size, data);
    return this.#portDone(a, data);
  }
  readonly #portAnswered = (): Handled => this.#portDone(this.#port, this.#port.write ? this.#portData : this.#v.run.io.data);
  #portDone(a: PortAccess, data: number): Handled {
    const { arch } = this.#v,
      value = cut(data, a.size);
    this.#v.inflight = 0;
    this.#devices.tracePort(a.write, a.port, a.size, value);
    if (!a.write) arch.setPart(RAX, a.size, value);
    arch.skip();
    return "again";
  }

  /** @param counted the exit has counted the instruction */
  #instruction(counted: boolean, hostFpu = false): Handled {
    const { stats, trace } = this.#o,
      rip = trace.on ? this.#v.arch.rip() : 0n;
    if (counted) this.#v.inflight = 1;
    const result = this.#emulator.instruction(hostFpu);
    if (result.kind === "user") return this.#ask(result.asked, () => this.#instruction(counted, hostFpu));
    stats.emulations++;
    if (trace.on) trace.write("kvm_emulate_insn", rip, 0, 0);
    if (result.kind === "fault") {
      this.#fault(result, counted);
      return "again";
    }
    return result.kind === "shutdown" ? this.#v.shutdown() : this.#tell(() => this.#done(counted));
  }
  #done(counted: boolean): Handled {
    this.#v.inflight = 0;
    if (!counted) this.#v.tick();
    return "again";
  }
  #fault({ vector, code, address }: Extract<Emulated, { kind: "fault" }>, counted: boolean): void {
    const linear = vector === 14 ? address : undefined;
    if (counted) this.#v.faultInstead(vector, code, linear);
    else this.#v.exception(vector, code, linear);
  }

  /** Hardware has met a device while it delivered the event: software delivers it. */
  #deliver(event: InterruptedEvent): Handled {
    const { vector, kind, code, length } = event;
    if (kind >= SOFTWARE) this.#v.inflight = 1;
    const result = this.#emulator.deliver(vector, code, kind, length);
    if (result.kind === "user") return this.#ask(result.asked, () => this.#deliver(event));
    this.#o.stats.emulations++;
    if (result.kind === "shutdown") {
      this.#v.inflight = 0;
      return this.#v.shutdown();
    }
    return this.#tell(() => {
      this.#v.inflight = 0;
      return "again";
    });
  }

  /** User space has to read a device; `resume` goes on with the value. */
  #ask(asked: DeviceAccess, resume: () => Handled): Handled {
    return this.#devices.exit(asked, (value) => {
      this.#emulator.answer(value);
      return resume();
    });
  }
  /** Tells user space what is to be written, one access after the other. */
  #tell(resume: () => Handled): Handled {
    const access = this.#emulator.nextWrite();
    return access ? this.#devices.exit(access, () => this.#tell(resume)) : resume();
  }
}

/** The low bytes of a value, unsigned. */
const cut = (value: number, size: PortSize): number => (size === 4 ? value >>> 0 : value & (size === 2 ? 0xffff : 0xff));
