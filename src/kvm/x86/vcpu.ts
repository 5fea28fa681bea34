import type { DebugRegs, Regs, Saved, Sregs, VirtualClock } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import type { Irqchip } from "../../chips/index.ts";
import type { HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import type { CpuidLeaf } from "../../isa/index.ts";
import { Cpuid } from "../cpuid.ts";
import { Emulator } from "../emulate/emulate.ts";
import { KvmError } from "../errno.ts";
import { KvmExit, type KvmExitReason, KvmRun } from "../exit.ts";
import type { ArchVcpu, Handled } from "../ops.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import { type PortAccess, type SecondStageFault, VmxVcpu } from "../vmx/index.ts";
import type { GuestSpace } from "./space.ts";
import { Msrs } from "./msrs.ts";

const MAX_SLICE = 0x3fffffff;
/** Guest time that goes by when the guest only faults and retires nothing. */
const BARREN = 10000;
const [RAX, RCX, RDX, RBX, RSI, RDI] = [0, 1, 2, 3, 6, 7];
export type MpState = "runnable" | "uninitialized" | "init" | "sipi" | "halted";

export interface VcpuOptions {
  readonly host: HostComputer;
  readonly space: GuestSpace;
  readonly clock: VirtualClock;
  readonly chips: Irqchip;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly leaves: readonly CpuidLeaf[];
}

/** A virtual CPU: the middle one of the three nested loops, and what its exits mean on x86. */
export class X86Vcpu {
  readonly run = new KvmRun();
  readonly arch: ArchVcpu;
  /** 1 while an instruction that its exit has counted is being completed: devices see t before its own tick. */
  inflight = 0;
  readonly #o: VcpuOptions;
  readonly #core: hw.Core;
  readonly #emulator: Emulator;
  readonly #msrs: Msrs;
  #cpuid: Cpuid;
  #mp: MpState = "runnable";
  #nmi = 0;
  #init = 0;
  #sipi = 0;
  #tripleFault = 0;
  /** What KVM_RUN does first: finish what user space has answered. */
  #complete: (() => Handled) | undefined;

  constructor(options: VcpuOptions) {
    this.#o = options;
    this.#core = options.host.core;
    this.#cpuid = new Cpuid(options.leaves);
    const { host, space, trace, stats } = options;
    this.arch = new VmxVcpu({
      host,
      mm: space.mm,
      tdp: space.tdp,
      trace,
      stats,
      handlers: {
        cpuid: () => this.#cpuidExit(),
        halt: () => this.#halt(),
        portIo: (a) => this.#portIo(a),
        readMsr: () => this.#readMsr(),
        writeMsr: () => this.#writeMsr(),
        setXcr: () => this.#setXcr(),
        cr8: (write, register) => this.#cr8(write, register),
        pageFault: (fault) => this.#pageFault(fault),
        faultInstead: (vector, code) => this.#faultInstead(vector, code),
        uncount: () => this.#tick(-1),
        trace: (cr, write, value) => {
          if (trace.on) trace.write("kvm_cr", write ? 1 : 0, cr, value);
        },
        initSignal: () => {
          this.#init = 1;
        },
        shutdown: () => {
          this.#tripleFault = 1;
          return this.#toUser(KvmExit.SHUTDOWN);
        },
        internalError: (message) => this.#internal(message),
        read64: (gpa) => space.read64(gpa),
      },
    });
    this.#msrs = new Msrs(options, this.arch);
    const device = <T>(ask: () => T | undefined, tell: () => void): T | undefined => {
      const v = ask();
      if (v === undefined) tell();
      return v;
    };
    this.#emulator = new Emulator(this.arch, {
      read64: (gpa) => space.read64(gpa),
      read32: (gpa) => space.read32(gpa),
      write64: (gpa, v) => space.write64(gpa, v),
      write32: (gpa, v) => space.write32(gpa, v),
      load: (gpa, size) => space.load(gpa, size),
      store: (gpa, size, v) => space.store(gpa, size, v),
      bytes: (gpa, n) => space.bytes(gpa, n),
      deviceLoad: (gpa, size) =>
        device(
          () => this.#chipRead(gpa, size),
          () => this.#mmioExit(false, gpa, size, 0n),
        ),
      deviceStore: (gpa, size, v) =>
        device(
          () => this.#chipWrite(gpa, size, v),
          () => this.#mmioExit(true, gpa, size, v),
        ) ?? false,
      physBits: (this.#cpuid.find(0x80000008, 0)?.eax ?? 36) & 0xff,
    });
  }

  get pendingSignals(): boolean {
    return (this.#nmi | this.#init) !== 0;
  }

  /** KVM_RUN. */
  enter(): KvmExitReason {
    const { run, arch } = this,
      { clock, chips } = this.#o,
      exports = this.#core.exports;
    if (this.#complete) {
      const complete = this.#complete;
      this.#complete = undefined;
      if (complete() === "user") return run.exitReason;
    }
    for (;;) {
      clock.runDue();
      const now = clock.now();
      if (!arch.eventPending) {
        if (run.immediateExit || now >= run.until) return this.#leave(KvmExit.INTR);
        if (this.#tripleFault) return this.#leave(KvmExit.SHUTDOWN);
        if (this.#init) {
          this.#initReset();
          continue;
        }
      }
      if (this.#mp !== "runnable" && !this.#wake()) {
        const next = this.#mp === "halted" ? Math.min(clock.next(), run.until) : Infinity;
        if (next === Infinity) return this.#leave(KvmExit.HLT);
        // HLT skips to the next event.
        if (next > now) exports.setClock(next);
        continue;
      }
      this.#inject(chips.pendingInterrupt(0));
      const budget = Math.min(run.until, clock.next(), now + MAX_SLICE) - now;
      const entered = arch.enter(Math.max(1, Math.ceil(budget)));
      arch.requestExit(false);
      if (entered === "barren") exports.setClock(clock.now() + BARREN);
      if (entered === "refused") return this.#refused();
      if (entered === "exit" && arch.handleExit() === "user") return run.exitReason;
    }
  }

  /** inject_pending_event: what can be delivered goes with the entry; what cannot opens a window. */
  #inject(interrupt: boolean): void {
    const { arch } = this,
      { chips, stats, trace } = this.#o;
    if (arch.inGuest) {
      // A slice ended in guest mode: what has come since makes the guest leave.
      if (this.#nmi || interrupt) arch.requestExit(true);
      return;
    }
    if (this.#nmi) {
      if (arch.nmiAllowed()) {
        this.#nmi = 0;
        arch.injectNmi();
      } else arch.nmiWindow(true);
    }
    if (!interrupt) arch.interruptWindow(false);
    else if (arch.interruptAllowed()) {
      const vector = chips.acknowledge(0);
      stats.irqInjections++;
      if (trace.on) trace.write("kvm_inj_virq", vector);
      arch.injectInterrupt(vector);
      arch.interruptWindow(chips.pendingInterrupt(0));
    } else arch.interruptWindow(true);
  }

  /** kvm_vcpu_has_events: may a halted guest go on? */
  #wake(): boolean {
    if (this.#mp !== "halted") return false;
    const open = this.#o.chips.pendingInterrupt(0) && this.arch.interruptAllowed();
    if (!open && !(this.#nmi && this.arch.nmiAllowed())) return false;
    this.#mp = "runnable";
    if (this.#o.trace.on) this.#o.trace.write("kvm_vcpu_wakeup", 0);
    return true;
  }

  #leave(reason: KvmExitReason): KvmExitReason {
    this.run.exitReason = reason;
    return reason;
  }
  #toUser(reason: KvmExitReason, complete?: () => Handled): Handled {
    this.run.exitReason = reason;
    this.#complete = complete;
    this.#o.stats.userExits++;
    if (this.#o.trace.on) this.#o.trace.write("kvm_userspace_exit", reason);
    return "user";
  }
  #internal(message: string, bytes: Uint8Array = new Uint8Array(0)): Handled {
    this.run.internal.message = `${message} at rip ${this.arch.rip().toString(16)}`;
    this.run.internal.bytes = bytes;
    return this.#toUser(KvmExit.INTERNAL_ERROR);
  }
  #refused(): KvmExitReason {
    const x = this.#core.exports;
    this.run.failEntry.reason = Number(x.vmRead(0x4402) & 0xffffffffn);
    this.run.failEntry.check = x.vmxFailedCheck();
    return this.#leave(KvmExit.FAIL_ENTRY);
  }

  /** An instruction completed by KVM counts one; a fault takes back what its exit has counted. */
  #tick(by: 1 | -1): void {
    this.#core.exports.setClock(this.#core.exports.clock() + by);
  }
  #faultInstead(vector: number, code: number): void {
    this.inflight = 0;
    this.#tick(-1);
    this.#exception(vector, code);
  }
  #exception(vector: number, code: number, address?: bigint): void {
    if (address !== undefined) this.#core.u64[layout.CR2 / 8] = address;
    if (this.#o.trace.on) this.#o.trace.write("kvm_inj_exception", vector, Math.max(code, 0));
    this.arch.injectException(vector, code);
  }
  #low(register: number): number {
    return Number(this.arch.register(register) & 0xffffffffn);
  }

  #cpuidExit(): void {
    const { arch } = this,
      func = this.#low(RAX),
      index = this.#low(RCX);
    const a = this.#cpuid.answer(func, index, {
      cr4: arch.control(4),
      xcr0: this.#core.u64[layout.XCR0 / 8] ?? 0n,
      apicEnabled: ((this.#o.chips.lapics[0]?.base ?? 0n) & 0x800n) !== 0n,
    });
    if (this.#o.trace.on) this.#o.trace.write("kvm_cpuid", func, index, a.eax, a.ebx, a.ecx);
    arch.setRegister(RAX, BigInt(a.eax));
    arch.setRegister(RBX, BigInt(a.ebx));
    arch.setRegister(RCX, BigInt(a.ecx));
    arch.setRegister(RDX, BigInt(a.edx));
    arch.skip();
  }

  #halt(): void {
    this.#o.stats.haltExits++;
    this.arch.skip();
    // A single step ends HLT at once.
    if ((this.arch.pending().debug & 0x4000) === 0) this.#mp = "halted";
  }

  #readMsr(): void {
    const index = this.#low(RCX);
    this.inflight = 1;
    const value = this.#msrs.read(index, false);
    this.inflight = 0;
    if (this.#o.trace.on) this.#o.trace.write("kvm_msr", 0, index, value ?? 0n, value === undefined ? 1 : 0);
    if (value === undefined) {
      this.#faultInstead(13, 0);
      return;
    }
    this.arch.setRegister(RAX, value & 0xffffffffn);
    this.arch.setRegister(RDX, value >> 32n);
    this.arch.skip();
  }
  #writeMsr(): void {
    const index = this.#low(RCX),
      value = BigInt(this.#low(RAX)) | (BigInt(this.#low(RDX)) << 32n);
    this.inflight = 1;
    const done = this.#msrs.write(index, value, false);
    this.inflight = 0;
    if (this.#o.trace.on) this.#o.trace.write("kvm_msr", 1, index, value, done ? 0 : 1);
    if (!done) this.#faultInstead(13, 0);
    else this.arch.skip();
  }
  /** XSETBV: index 0 only, x87 always on, AVX not without SSE, nothing that CPUID leaf 13 does not offer. */
  #setXcr(): void {
    const value = BigInt(this.#low(RAX)) | (BigInt(this.#low(RDX)) << 32n),
      leaf = this.#cpuid.find(13, 0);
    const offered = leaf ? BigInt(leaf.eax) | (BigInt(leaf.edx) << 32n) : 1n;
    if (this.#low(RCX) !== 0 || (value & 1n) === 0n || (value & ~offered) !== 0n || (value & 6n) === 4n) {
      this.#faultInstead(13, 0);
      return;
    }
    this.#core.u64[layout.XCR0 / 8] = value;
    this.arch.skip();
  }
  #cr8(write: boolean, register: number): void {
    const { chips } = this.#o;
    this.inflight = 1;
    if (write) {
      const value = this.arch.register(register);
      if (value > 15n) {
        this.#faultInstead(13, 0);
        return;
      }
      chips.writeCr8(0, Number(value));
      this.#core.u64[layout.CR8 / 8] = value;
    } else this.arch.setRegister(register, BigInt(chips.readCr8(0)));
    this.inflight = 0;
    this.arch.skip();
  }

  /** handle_ept_violation: give the page, or complete the access of a device. */
  #pageFault({ gpa, write, fetch, code, linear, final }: SecondStageFault): Handled {
    const { space, stats, trace } = this.#o;
    if (trace.on) trace.write("kvm_page_fault", this.arch.rip(), gpa, code);
    const result = space.fault(gpa, write);
    if (result === "fixed" || result === "spurious") {
      if (result === "fixed") stats.pagesFixed++;
      return "again";
    }
    if (result === "nomem") return this.#internal("the host has no memory for the guest's page");
    if (this.arch.eventPending) return this.#internal("an event was delivered through device memory");
    if (fetch) {
      this.#exception(6, -1);
      return "again";
    }
    stats.mmioFaults++;
    if (final) this.#emulator.match(linear, gpa, write);
    return this.#emulate();
  }

  #emulate(): Handled {
    const { stats, trace } = this.#o,
      rip = this.arch.rip();
    const result = this.#emulator.emulate();
    if (result.kind === "user") return "user";
    stats.emulations++;
    if (trace.on) trace.write("kvm_emulate_insn", rip, 0, result.kind === "unhandled" ? 1 : 0);
    if (result.kind === "unhandled") {
      const hex = [...result.bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
      return this.#internal(`no emulation of ${hex}`, result.bytes);
    }
    if (result.kind === "fault") this.#exception(result.vector, result.code, result.address);
    else this.#tick(1);
    return "again";
  }
  #mmioExit(write: boolean, gpa: number, size: 1 | 2 | 4 | 8, value: bigint): void {
    const { mmio } = this.run;
    Object.assign(mmio, { write, physAddr: gpa, size, data: value });
    this.#o.stats.mmioExits++;
    if (write) this.#traceMmio(2, size, gpa, value);
    this.#toUser(KvmExit.MMIO, () => {
      if (write) this.#emulator.answered();
      else {
        this.#traceMmio(1, size, gpa, mmio.data);
        this.#emulator.answer(BigInt.asUintN(8 * size, mmio.data));
      }
      return this.#emulate();
    });
  }
  #traceMmio(type: number, size: number, gpa: number, value: bigint): void {
    if (this.#o.trace.on) this.#o.trace.write("kvm_mmio", type, size, gpa, value & 0xffffffffn);
  }
  #chipRead(gpa: number, size: 1 | 2 | 4 | 8): bigint | undefined {
    const chip = this.#chip(gpa);
    if (!chip) return undefined;
    const value = BigInt.asUintN(8 * size, BigInt(chip.mmioRead(gpa % 4096, size)));
    this.#traceMmio(1, size, gpa, value);
    return value;
  }
  #chipWrite(gpa: number, size: 1 | 2 | 4 | 8, value: bigint): true | undefined {
    const chip = this.#chip(gpa);
    if (!chip) return undefined;
    this.#traceMmio(2, size, gpa, value);
    chip.mmioWrite(gpa % 4096, size, size === 8 ? value : Number(value));
    return true;
  }
  #chip(gpa: number) {
    const { chips } = this.#o,
      page = gpa - (gpa % 4096),
      lapic = chips.lapics[0];
    if (lapic?.mapped && page === Number(lapic.base & 0xffffff000n)) return lapic;
    return page === 0xfec00000 ? chips.ioapic : undefined;
  }

  /** handle_io: in-kernel chips, or user space; a string instruction moves one element. */
  #portIo(a: PortAccess): Handled {
    this.#o.stats.ioExits++;
    let data = 0;
    if (a.string) {
      const element = a.write
        ? this.#emulator.read(a.linear, a.size)
        : this.#emulator.read(a.linear, a.size, "write");
      const stop = this.#emulator.takeStop();
      if (stop.kind === "fault") {
        this.#faultInstead(stop.vector, stop.code);
        this.#core.u64[layout.CR2 / 8] = stop.address;
        return "again";
      }
      if (stop.kind === "user") return this.#internal("string I/O with device memory");
      data = Number(element ?? 0n);
    } else if (a.write) data = Number(BigInt.asUintN(8 * a.size, this.arch.register(RAX)));
    this.inflight = 1;
    const chip = this.#o.space.port(a.port);
    if (!chip) {
      Object.assign(this.run.io, { write: a.write, port: a.port, size: a.size, data });
      return this.#toUser(KvmExit.IO, () => this.#portDone(a, a.write ? data : this.run.io.data));
    }
    if (a.write) chip.portWrite(a.port, a.size, data);
    else data = chip.portRead(a.port, a.size);
    return this.#portDone(a, data);
  }
  #portDone(a: PortAccess, data: number): Handled {
    const { arch } = this,
      { trace } = this.#o,
      value = BigInt.asUintN(8 * a.size, BigInt(data));
    this.inflight = 0;
    if (trace.on) trace.write("kvm_pio", a.write ? 1 : 0, a.port, a.size, Number(value));
    if (a.string) {
      if (!a.write) {
        this.#emulator.write(a.linear, a.size, value);
        this.#emulator.takeStop();
      }
      return this.#advanceString(a);
    }
    if (!a.write)
      arch.setRegister(
        RAX,
        a.size === 4 ? value : (arch.register(RAX) & ~((1n << BigInt(8 * a.size)) - 1n)) | value,
      );
    arch.skip();
    return "again";
  }
  #advanceString(a: PortAccess): Handled {
    const { arch } = this,
      mask = (1n << BigInt(8 * a.addressSize)) - 1n;
    const put = (n: number, by: bigint): bigint => {
      const old = arch.register(n),
        now = (old + by) & mask;
      arch.setRegister(n, a.addressSize === 2 ? (old & ~mask) | now : now);
      return now;
    };
    put(a.write ? RSI : RDI, (arch.rflags() & 0x400n) !== 0n ? -BigInt(a.size) : BigInt(a.size));
    if (!a.repeated || put(RCX, -1n) === 0n) arch.skip();
    else arch.retired();
    return "again";
  }

  /** INIT: registers as after RESET; the one CPU there is goes on at the reset vector. */
  #initReset(): void {
    this.#init = 0;
    this.#o.chips.lapics[0]?.initReset();
    this.reset();
  }
  reset(): void {
    this.arch.reset();
    this.#msrs.reset();
    this.#mp = "runnable";
    this.#nmi = 0;
    this.#init = 0;
    this.#sipi = 0;
    this.#tripleFault = 0;
    this.#complete = undefined;
    this.inflight = 0;
  }

  /** State is about to be set: the guest leaves guest mode, and nothing waits for user space. */
  abandon(): void {
    if (this.arch.inGuest) this.arch.kick();
    this.#complete = undefined;
    this.inflight = 0;
  }
  /** The local APIC has been loaded: what else knows its base follows. */
  apicRestored(): void {
    this.#msrs.reset();
  }

  signalNmi(): void {
    this.#nmi = 1;
  }
  signalInit(): void {
    this.#init = 1;
  }
  signalStartUp(vector: number): void {
    this.#sipi = vector + 1;
  }

  setCpuid2(leaves: readonly CpuidLeaf[]): void {
    if (leaves.length > 256)
      throw new KvmError("E2BIG", "KVM_SET_CPUID2", `${leaves.length} entries`, "give at most 256");
    this.#cpuid = new Cpuid(leaves);
  }
  getRegs(): Regs {
    return this.arch.regs();
  }
  setRegs(regs: Regs): void {
    this.arch.setRegs(regs);
  }
  getSregs(): Sregs {
    return {
      ...this.arch.sregs(),
      cr8: BigInt(this.#o.chips.readCr8(0)),
      apicBase: this.#o.chips.lapics[0]?.base ?? 0n,
    };
  }
  setSregs(s: Sregs): void {
    this.arch.setSregs(s);
    this.#msrs.setApicBase(s.apicBase);
    this.#o.chips.writeCr8(0, Number(s.cr8));
  }
  getDebugRegs(): DebugRegs {
    return this.arch.debugRegs();
  }
  setDebugRegs(d: DebugRegs): void {
    this.arch.setDebugRegs(d);
  }
  getMsr(index: number): bigint | undefined {
    return this.#msrs.read(index, true);
  }
  setMsr(index: number, value: bigint): boolean {
    return this.#msrs.write(index, value, true);
  }
  /** KVM_GET_LAPIC */
  getLapic(): Saved {
    return this.#o.chips.lapics[0]?.save() ?? null;
  }
  setLapic(state: Saved): void {
    this.#o.chips.lapics[0]?.restore(state);
    this.apicRestored();
  }
  /** KVM_INTERRUPT belongs to a machine without interrupt chips in the kernel. */
  interrupt(vector: number): never {
    throw new KvmError(
      "ENXIO",
      "KVM_INTERRUPT",
      `vector ${vector}`,
      "the interrupt chips are in the kernel: use KVM_IRQ_LINE",
    );
  }
  /** KVM_NMI */
  nmi(): void {
    this.signalNmi();
  }
  getXsave(): Uint8Array {
    return hw.readXsave(this.#core);
  }
  setXsave(image: Uint8Array): void {
    if (image.length < 512)
      throw new KvmError(
        "EINVAL",
        "KVM_SET_XSAVE",
        `${image.length} bytes`,
        "give the 512 bytes of an FXSAVE image",
      );
    hw.writeXsave(this.#core, image);
  }
  /** KVM_GET_XCRS */
  getXcr0(): bigint {
    return this.#core.u64[layout.XCR0 / 8] ?? 0n;
  }
  setXcr0(value: bigint): void {
    this.#core.u64[layout.XCR0 / 8] = value;
  }
  getMpState(): MpState {
    return this.#mp;
  }
  setMpState(state: MpState): void {
    this.#mp = state;
  }

  /** KVM_GET_VCPU_EVENTS, in the shape that the bare machine saves. */
  getEvents(): { [key: string]: Saved } {
    const p = this.arch.pending();
    return {
      nmi: this.#nmi,
      nmiBlocked: p.nmiBlocked,
      shadow: p.shadow,
      init: this.#init,
      sipi: this.#sipi,
      debug: p.debug,
      tripleFault: this.#tripleFault,
      a20: this.#core.u32[layout.A20 / 4] ?? 1,
      seed: this.#core.u64[layout.SEED / 8] ?? 0n,
    };
  }
  setEvents(events: Saved): void {
    const r = new SavedRecord("events", events);
    const pending = {
      shadow: r.int("shadow", 2),
      nmiBlocked: r.int("nmiBlocked", 1),
      debug: r.int("debug", 0xffff),
    };
    const a20 = r.int("a20", 1),
      seed = r.u64("seed");
    [this.#nmi, this.#init, this.#sipi, this.#tripleFault] = [
      r.int("nmi", 1),
      r.int("init", 1),
      r.int("sipi", 256),
      r.int("tripleFault", 1),
    ];
    this.arch.setPending(pending);
    this.#core.u32[layout.A20 / 4] = a20;
    this.#core.u64[layout.SEED / 8] = seed;
  }
}
