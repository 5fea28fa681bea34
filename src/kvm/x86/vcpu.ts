import type { VirtualClock } from "../../base/index.ts";
import type { Irqchip } from "../../chips/index.ts";
import type { HostComputer } from "../../host/index.ts";
import { layout } from "../../hw/index.ts";
import type { CpuidLeaf } from "../../isa/index.ts";
import { KvmExit, type KvmExitReason, KvmRun } from "../exit.ts";
import type { ArchVcpu, Handled } from "../ops.ts";
import type { ModuleParams } from "../params.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import { PagingRegisters } from "../mmu/shadow/registers.ts";
import { SvmVcpu } from "../svm/index.ts";
import { VmxVcpu } from "../vmx/index.ts";
import { Emulation } from "./emulation.ts";
import { Instructions } from "./instructions.ts";
import { Msrs } from "./msrs.ts";
import type { GuestSpace } from "./space.ts";
import { VcpuState } from "./state.ts";

const MAX_SLICE = 0x3fffffff;
/** Guest time that goes by when the guest only faults and retires nothing. */
const BARREN = 10000;

export interface VcpuOptions {
  readonly host: HostComputer;
  readonly space: GuestSpace;
  readonly clock: VirtualClock;
  readonly chips: Irqchip;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly leaves: readonly CpuidLeaf[];
  readonly params: ModuleParams;
}

/** A virtual CPU: the middle one of the three nested loops. */
export class X86Vcpu extends VcpuState {
  readonly run = new KvmRun();
  readonly arch: ArchVcpu;
  readonly msrs: Msrs;
  /** 1 while an instruction that its exit has counted is being completed: devices see t before its own tick. */
  inflight = 0;
  readonly #o: VcpuOptions;
  #emulation: Emulation | undefined;
  /** What KVM_RUN does first: finish what user space has answered. */
  #complete: (() => Handled) | undefined;

  constructor(options: VcpuOptions) {
    const { host, space, chips, trace, stats } = options,
      { core } = host;
    super(core, chips, options.leaves);
    this.#o = options;
    // The handlers run when there is a guest; the chapters they lie in need the processor first.
    const instructions = new Instructions({ core, chips, trace, stats }, this);
    const emulated = (): Emulation => {
      const physBits = (this.cpuid.find(0x80000008, 0)?.eax ?? 36) & 0xff;
      guest.physBits = physBits;
      this.#emulation ??= new Emulation({ host, space, chips, trace, stats, physBits }, this);
      return this.#emulation;
    };
    const guest = new PagingRegisters(),
      shadow = space.shadow?.context(guest);
    const Vcpu = host.silicon === "amd" ? SvmVcpu : VmxVcpu;
    this.arch = new Vcpu({
      host,
      mm: space.mm,
      tdp: space.tdp,
      shadow,
      trace,
      stats,
      params: options.params,
      handlers: {
        instructions,
        portIo: (a) => emulated().portIo(a),
        pageFault: (fault) => emulated().pageFault(fault),
        shadowFault: (low, high, code) =>
          shadow ? emulated().shadowFault(shadow, low, high, code) : this.internal("page fault without shadow paging"),
        emulate: () => emulated().emulate(),
        taskSwitch: () => emulated().taskSwitch(),
        faultInstead: (vector, code) => this.faultInstead(vector, code),
        uncount: () => this.#count(-1),
        trace: (cr, write, value) => {
          if (trace.on) trace.write("kvm_cr", write ? 1 : 0, cr, value);
        },
        initSignal: () => this.signalInit(),
        shutdown: () => this.shutdown(),
        internalError: (message) => this.internal(message),
        read64: (gpa) => space.read64(gpa),
      },
    });
    this.msrs = new Msrs(options, this.arch);
  }

  /** KVM_RUN. */
  enter(): KvmExitReason {
    const { run, arch } = this,
      { clock, chips } = this.#o,
      exports = this.core.exports;
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
        if (this.tripleFault) return this.#leave(KvmExit.SHUTDOWN);
        if (this.init) {
          this.#initReset();
          continue;
        }
      }
      if (this.mp !== "runnable" && !this.#wake()) {
        const next = this.mp === "halted" ? Math.min(clock.next(), run.until) : Infinity;
        if (next === Infinity) return this.#leave(KvmExit.HLT);
        // HLT skips to the next event.
        if (next > now) exports.setClock(next);
        continue;
      }
      this.#inject(chips.pendingInterrupt(0));
      // An event that must be delivered first takes one entry; it does not take the rest of the slice.
      const until = run.immediateExit ? now + 1 : run.until;
      const budget = Math.min(until, clock.next(), now + MAX_SLICE) - now;
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
      if (this.nmiPending || interrupt) arch.requestExit(true);
      return;
    }
    if (this.nmiPending) {
      if (arch.nmiAllowed()) {
        this.nmiPending = 0;
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
    if (this.mp !== "halted") return false;
    const open = this.#o.chips.pendingInterrupt(0) && this.arch.interruptAllowed();
    if (!open && !(this.nmiPending && this.arch.nmiAllowed())) return false;
    this.mp = "runnable";
    if (this.#o.trace.on) this.#o.trace.write("kvm_vcpu_wakeup", 0);
    return true;
  }

  #leave(reason: KvmExitReason): KvmExitReason {
    this.run.exitReason = reason;
    return reason;
  }
  /** Out to user space; `complete` finishes what it has answered, in the next KVM_RUN. */
  toUser(reason: KvmExitReason, complete?: () => Handled): Handled {
    this.run.exitReason = reason;
    this.#complete = complete;
    this.#o.stats.userExits++;
    if (this.#o.trace.on) this.#o.trace.write("kvm_userspace_exit", reason);
    return "user";
  }
  internal(message: string): Handled {
    this.run.internal.message = `${message} at rip ${this.arch.rip().toString(16)}`;
    return this.toUser(KvmExit.INTERNAL_ERROR);
  }
  shutdown(): Handled {
    this.tripleFault = 1;
    return this.toUser(KvmExit.SHUTDOWN);
  }
  #refused(): KvmExitReason {
    const x = this.core.exports;
    const vmx = this.arch.name === "vmx";
    this.run.failEntry.reason = vmx ? Number(x.vmRead(0x4402) & 0xffffffffn) : 0xffffffff;
    this.run.failEntry.check = vmx ? x.vmxFailedCheck() : x.svmFailedCheck();
    this.run.failEntry.dump = this.#o.params.dumpInvalidVmcs ? this.arch.dump() : "";
    return this.#leave(KvmExit.FAIL_ENTRY);
  }

  /** An instruction completed by KVM counts one; a fault takes back what its exit has counted. */
  #count(by: 1 | -1): void {
    this.core.exports.setClock(this.core.exports.clock() + by);
  }
  tick(): void {
    this.#count(1);
  }
  faultInstead(vector: number, code: number, address?: bigint): void {
    this.inflight = 0;
    this.#count(-1);
    this.exception(vector, code, address);
  }
  exception(vector: number, code: number, address?: bigint): void {
    if (address !== undefined) this.core.u64[layout.CR2 / 8] = address;
    if (this.#o.trace.on) this.#o.trace.write("kvm_inj_exception", vector, Math.max(code, 0));
    this.arch.injectException(vector, code);
  }
  halt(): void {
    this.mp = "halted";
  }

  /** INIT: registers as after RESET; the one CPU there is goes on at the reset vector. */
  #initReset(): void {
    this.init = 0;
    this.#o.chips.lapics[0]?.initReset();
    this.reset();
  }
  reset(): void {
    this.arch.reset();
    this.msrs.reset();
    this.mp = "runnable";
    this.nmiPending = 0;
    this.init = 0;
    this.sipi = 0;
    this.tripleFault = 0;
    this.#complete = undefined;
    this.#emulation?.abandon();
    this.inflight = 0;
  }

  /** State is about to be set: the guest leaves guest mode, and nothing waits for user space. */
  abandon(): void {
    if (this.arch.inGuest) this.arch.kick();
    this.#complete = undefined;
    this.#emulation?.abandon();
    this.inflight = 0;
  }
}
