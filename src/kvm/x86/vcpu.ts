import type { VirtualClock } from "../../base/index.ts";
import type { HostComputer, Thread } from "../../host/index.ts";
import { layout } from "../../hw/index.ts";
import type { CpuidLeaf } from "../../isa/index.ts";
import { DirtyRing } from "../dirty/ring.ts";
import { KvmExit, type KvmExitReason, KvmRun } from "../exit.ts";
import { Irqchip } from "../../chips/index.ts";
import { apicBase, SplitChips, type UserspaceChips } from "../irqchip.ts";
import type { ArchVcpu, Handled } from "../ops.ts";
import type { ModuleParams } from "../params.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import { MmuChecker } from "../mmu/shadow/check.ts";
import type { PagingChoice } from "../mmu/auto/choice.ts";
import type { ShadowContext, ShadowMmu } from "../mmu/shadow/mmu.ts";
import { PagingRegisters } from "../mmu/shadow/registers.ts";
import { SvmVcpu } from "../svm/index.ts";
import { VmxVcpu } from "../vmx/index.ts";
import { Emulation } from "./emulation.ts";
import { hypercall } from "./hypercalls.ts";
import { Instructions } from "./instructions.ts";
import { Msrs } from "./msrs.ts";
import { Residence } from "./residence.ts";
import { Paravirt } from "./paravirt.ts";
import type { GuestSpace } from "./space.ts";
import { VcpuState } from "./state.ts";
import { UndefinedOpcode } from "./undefined.ts";

const MAX_SLICE = 0x3fffffff;
/** Guest time that goes by when the guest only faults and retires nothing. */
const BARREN = 10000;

export interface VcpuOptions {
  /** Its number in the VM, and of its local APIC. */
  readonly id: number;
  /** Other vCPUs may be there: one that has nothing to do leaves KVM_RUN, so that they get the CPU. */
  readonly several: boolean;
  /** What a change of the second stage asks of every vCPU. */
  readonly flushAll: () => void;
  /** kvm_vcpu_on_spin: which vCPU is to have this one's turn; -1 when none is waiting for one. */
  readonly onSpin: (vcpu: X86Vcpu) => number;
  /** KVM_HC_KICK_CPU: wakes the vCPU with this APIC ID. */
  readonly kick: (apicId: number) => void;
  readonly host: HostComputer;
  readonly space: GuestSpace;
  /** Shadow paging of the VM, in force (then the space names it, too) or ready; none: the second stage alone. */
  readonly shadowMmu: ShadowMmu | undefined;
  /** Which of the two is in force is decided while the guest runs. */
  readonly choice: PagingChoice | undefined;
  readonly clock: VirtualClock;
  readonly chips: Irqchip | SplitChips | UserspaceChips;
  /** The local APICs are in the kernel. */
  readonly inKernel: boolean;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly leaves: readonly CpuidLeaf[];
  readonly params: ModuleParams;
  /** Time of day at t = 0, in seconds since 1970. */
  readonly wallClock: () => number;
  /** Guest-physical address of KVM's page table for guests without paging. */
  readonly identityMap: number;
}

/** A virtual CPU: the middle one of the three nested loops. */
export class X86Vcpu extends VcpuState {
  readonly run = new KvmRun();
  readonly arch: ArchVcpu;
  readonly msrs: Msrs;
  readonly paravirt: Paravirt;
  /** The ring of dirty pages, where the VM has rings (mmap at KVM_DIRTY_LOG_PAGE_OFFSET of the vCPU). */
  readonly dirtyRing: DirtyRing | undefined;
  /** 1 while an instruction that its exit has counted is being completed: devices see t before its own tick. */
  inflight = 0;
  tprLowered = false;
  /** Where the guest was when its turn ended: a vCPU outside the kernel holds no lock. */
  preemptedInKernel = false;
  readonly #o: VcpuOptions;
  readonly #residence: Residence;
  /** Its shadow tables, and the same while they are in force. */
  readonly #tables: ShadowContext | undefined;
  #shadow: ShadowContext | undefined;
  readonly #checker: MmuChecker | undefined;
  #emulation: Emulation | undefined;
  readonly #emulated: () => Emulation;
  /** What KVM_RUN does first: finish what user space has answered. */
  #complete: (() => Handled) | undefined;

  constructor(options: VcpuOptions) {
    const { host, space, chips, trace, stats } = options,
      { core } = host;
    super(core, chips, options.leaves, options.id);
    this.#o = options;
    const residence = new Residence(host, options.id, stats);
    this.#residence = residence;
    if (options.id > 0) core.u64[layout.SEED / 8] = host.seed(options.id);
    // The handlers run when there is a guest; the chapters they lie in need the processor first.
    const instructions = new Instructions({ core, chips, trace, stats, id: options.id }, this);
    this.#emulated = (): Emulation => {
      if (this.#emulation) return this.#emulation;
      const physBits = (this.cpuid.find(0x80000008, 0)?.eax ?? 36) & 0xff;
      guest.physBits = physBits;
      this.#emulation = new Emulation({ host, space, chips, trace, stats, clock: options.clock, physBits, id: options.id }, this);
      return this.#emulation;
    };
    const guest = new PagingRegisters(),
      tables = options.shadowMmu?.context(guest);
    this.#tables = tables;
    this.#shadow = space.shadow ? tables : undefined;
    let undefinedOpcode: UndefinedOpcode | undefined;
    const Vcpu = host.silicon === "amd" ? SvmVcpu : VmxVcpu;
    this.arch = new Vcpu({
      id: options.id,
      several: options.several,
      host,
      mm: space.mm,
      tdp: space.tdp,
      identityMap: options.identityMap,
      shadow: this.#shadow,
      trace,
      stats,
      params: options.params,
      handlers: {
        instructions,
        markDirty: (gpa) => space.markDirty(gpa),
        logFull: () => {
          stats.dirtyLogExits++;
          if (trace.on) trace.write("kvm_pml_full", options.id);
        },
        portIo: (a) => this.#emulated().portIo(a),
        pageFault: (fault) => this.#emulated().pageFault(fault),
        shadowFault: (low, high, code) =>
          this.#shadow ? this.#emulated().shadowFault(this.#shadow, low, high, code) : this.internal("page fault without shadow paging"),
        emulate: () => {
          if (this.#shadow) stats.mmu.registers++;
          return this.#emulated().emulate();
        },
        taskSwitch: () => this.#emulated().taskSwitch(),
        faultInstead: (vector, code) => this.faultInstead(vector, code),
        undefinedOpcode: () => undefinedOpcode?.handle() ?? "again",
        hypercall: () => this.hypercall(),
        spin: () => this.#spin(),
        uncount: () => this.#count(-1),
        trace: (cr, write, value) => {
          if (this.#shadow && cr !== 8) stats.mmu.registers++;
          if (trace.on) trace.write("kvm_cr", write ? 1 : 0, cr, value);
        },
        initSignal: () => this.signalInit(),
        shutdown: () => this.shutdown(),
        internalError: (message) => this.internal(message),
        read64: (gpa) => space.read64(gpa),
      },
    });
    const force = options.params.forceEmulation;
    undefinedOpcode = new UndefinedOpcode(core, this, this.#emulated, instructions, force);
    this.paravirt = new Paravirt(options, this);
    if (tables && options.params.mmuCheck) this.#checker = new MmuChecker(host.memory, space);
    residence.attach(this.arch);
    this.msrs = new Msrs(options, this, this.paravirt);
    const { ringEntries, method } = space.dirty;
    if (ringEntries > 0) {
      this.dirtyRing = new DirtyRing(host, ringEntries, method === "pml" ? 512 : 0);
      space.dirty.addRing(this.dirtyRing);
    }
    if (options.id > 0) this.mp = "uninitialized";
  }

  /** What the scheduler knows it as. */
  get thread(): Thread {
    return this.#residence.thread;
  }
  /** vcpu_load: its thread runs, and the CPU that it is on holds its state. */
  override load(): void {
    this.#residence.load();
  }

  /** The guest goes on under shadow tables, or under the second stage: the same for all vCPUs of the VM. */
  setShadow(on: boolean): void {
    this.load();
    this.#shadow = on ? this.#tables : undefined;
    this.arch.setShadow(this.#shadow);
  }
  /** Does the guest use paging? In real mode, and before it has tables, shadow tables have nothing to save. */
  get paged(): boolean {
    if (this.#shadow) return this.#shadow.guest.paging;
    this.load();
    return this.arch.control(0) >> 31n !== 0n;
  }

  /** Is it in the shadow of an STI or a MOV SS? */
  get shadowed(): boolean {
    return this.arch.pending().shadow !== 0;
  }

  /** kvm_arch_sync_dirty_log: what the processor has logged so far is in the log of the VM. */
  syncDirtyLog(): void {
    if (this.#o.space.dirty.method !== "pml") return;
    // Only on its own CPU can be seen whether it is in guest mode.
    this.load();
    if (this.arch.inGuest) this.arch.kick();
  }

  /** KVM_RUN. */
  enter(): KvmExitReason {
    const { run, arch } = this,
      { id, several, clock, chips, space, stats, trace, inKernel, choice } = this.#o,
      exports = this.core.exports,
      split = chips instanceof SplitChips ? chips : undefined;
    this.load();
    trace.vcpu = id;
    run.yielded = false;
    run.yieldTo = -1;
    if (this.#complete) {
      const complete = this.#complete;
      this.#complete = undefined;
      if (complete() === "user") return this.#leave(run.exitReason);
    }
    for (;;) {
      let now = clock.now();
      if (inKernel && clock.next() <= now) {
        clock.runDue();
        now = clock.now();
      }
      if (split && split.ended.length > 0) {
        run.eoi.vector = split.ended.shift() ?? 0;
        return this.#leave(KvmExit.IOAPIC_EOI);
      }
      // A timer of user space's has expired: a signal to the thread.
      if (!inKernel && ((run.immediateExit && !arch.inGuest) || clock.next() <= now)) return this.#leave(KvmExit.INTR);
      if (!arch.eventPending) {
        if ((run.immediateExit && inKernel) || now >= run.until) {
          // A PIC in user space has a vector for the guest, which has to be out to be given it.
          if (split && run.requestInterruptWindow && now < run.until && arch.inGuest) arch.kick();
          return this.#leave(KvmExit.INTR);
        }
        if (this.tripleFault) return this.#leave(KvmExit.SHUTDOWN);
        if (this.init) {
          this.#initReset();
          continue;
        }
        if (this.mp === "uninitialized" && this.sipi > 0) {
          this.#startUp();
          continue;
        }
      }
      // dm_request_for_irq_injection: a halted guest is woken by the vector that this asks for.
      if (split && run.requestInterruptWindow && this.readyForInterrupt()) return this.#leave(KvmExit.IRQ_WINDOW_OPEN);
      if (this.mp !== "runnable" && !this.#wake()) {
        if (!inKernel) this.mp = "runnable";
        if (several || !inKernel) return this.#leave(KvmExit.HLT);
        const next = this.mp === "halted" ? Math.min(clock.next(), run.until) : Infinity;
        if (next === Infinity) return this.#leave(KvmExit.HLT);
        // HLT skips to the next event.
        if (next > now) exports.setClock(next);
        continue;
      }
      if (this.dirtyRing?.full) return this.#ringFull();
      if (!inKernel && run.requestInterruptWindow && this.readyForInterrupt()) return this.#leave(KvmExit.IRQ_WINDOW_OPEN);
      if (choice && now >= choice.due) {
        choice.decide(now);
        this.load();
      }
      this.#inject(chips.pendingInterrupt(id));
      if (!arch.inGuest) this.paravirt.offerEoi();
      // An event that must be delivered first takes one entry; it does not take the rest of the slice.
      const until = run.immediateExit ? now + 1 : Math.min(run.until, choice?.due ?? Infinity);
      const budget = Math.min(until, clock.next(), now + MAX_SLICE) - now;
      if (space.tdp.flushNeeded) {
        space.tdp.flushNeeded = false;
        this.#o.flushAll();
      }
      if (arch.emulationRequired) {
        const limit = (): number => Math.min(until, clock.next());
        const single = this.nmiPending !== 0 || chips.pendingInterrupt(id);
        if (this.#emulated().invalidState(limit, single) === "user") return this.#leave(run.exitReason);
        continue;
      }
      if (this.#checker && this.#shadow && !arch.inGuest) {
        const wrong = this.#checker.check(this.#shadow);
        if (wrong && this.internal(wrong) === "user") return run.exitReason;
      }
      const entered = arch.enter(Math.max(1, Math.ceil(budget)));
      arch.requestExit(false);
      if (entered === "yield") {
        run.yielded = true;
        return this.#leave(KvmExit.INTR);
      }
      if (entered === "barren") exports.setClock(clock.now() + BARREN);
      if (entered === "refused") return this.#refused();
      if (entered !== "exit") continue;
      if (this.paravirt.eoiOffered) this.paravirt.takeEoi();
      if (stats.exits >= run.exitLimit) run.immediateExit = true;
      if (arch.handleExit() === "user") return this.#leave(run.exitReason);
      if (this.tprLowered) {
        this.tprLowered = false;
        if (!inKernel) return this.#leave(KvmExit.SET_TPR);
      }
    }
  }

  /** inject_pending_event: what can be delivered goes with the entry; what cannot opens a window. */
  #inject(interrupt: boolean): void {
    const { arch } = this,
      { id, chips, stats, trace } = this.#o;
    if (arch.inGuest) {
      // A slice ended in guest mode: what has come since makes the guest leave.
      // A lower interrupt may wait for one whose end is in the guest's memory alone.
      if (this.nmiPending || interrupt || this.run.immediateExit || (this.paravirt.eoiOffered && this.lapic?.requested)) arch.requestExit(true);
      return;
    }
    if (this.nmiPending) {
      if (arch.nmiAllowed()) {
        this.nmiPending = 0;
        arch.injectNmi();
      } else arch.nmiWindow(true);
    }
    const wanted = this.run.requestInterruptWindow && !(chips instanceof SplitChips && !chips.acceptsExternal(id));
    if (!interrupt) arch.interruptWindow(wanted);
    else if (arch.interruptAllowed()) {
      const vector = chips.acknowledge(id);
      stats.irqInjections++;
      if (trace.on) trace.write("kvm_inj_virq", vector);
      arch.injectInterrupt(vector);
      arch.interruptWindow(chips.pendingInterrupt(id) || wanted);
    } else arch.interruptWindow(true);
  }

  /** Could it run if it had its turn (kvm_arch_dy_runnable)? */
  get wantsToRun(): boolean {
    return this.mp === "runnable" || (this.mp === "halted" && (this.nmiPending !== 0 || this.#o.chips.pendingInterrupt(this.#o.id)));
  }
  /**
   * PAUSE in a loop has exited. The turn ends where it would have ended without the exit: t and the guest's state are the bare machine's,
   * unless a window shorter than the scheduler's is asked for.
   */
  #spin(): Handled {
    const { host, params, onSpin } = this.#o,
      over = this.core.exports.countPause() !== 0,
      short = host.silicon === "amd" ? params.pauseFilterCount * 2 : params.pleWindow,
      to = short < layout.PAUSE_WINDOW ? onSpin(this) : -1;
    if (!over && to < 0) return "again";
    this.run.yielded = true;
    this.run.yieldTo = to;
    this.run.exitReason = KvmExit.INTR;
    return "user";
  }

  /** kvm_vcpu_has_events: may a halted guest go on? */
  #wake(): boolean {
    if (this.mp !== "halted") return false;
    const open = this.#o.chips.pendingInterrupt(this.#o.id) && this.arch.interruptAllowed();
    if (!open && !(this.nmiPending && this.arch.nmiAllowed())) return false;
    this.mp = "runnable";
    if (this.#o.trace.on) this.#o.trace.write("kvm_vcpu_wakeup", 0);
    return true;
  }

  /** Its LINT0 is open for an interrupt of a PIC, as KVM_GET_LAPIC shows. */
  get acceptsPic(): boolean {
    return this.lapic?.acceptsPic ?? false;
  }
  /** kvm_vcpu_ready_for_interrupt_injection: KVM_INTERRUPT would be taken at once. */
  readyForInterrupt(): boolean {
    const { chips, id } = this.#o,
      room = chips instanceof SplitChips ? chips.acceptsExternal(id) : !chips.pendingInterrupt(id);
    return room && !this.pendingSignals && !this.arch.inGuest && this.arch.interruptAllowed();
  }
  get inGuest(): boolean {
    return this.arch.inGuest;
  }
  get eventPending(): boolean {
    return this.arch.eventPending;
  }

  #leave(reason: KvmExitReason): KvmExitReason {
    const { inKernel, chips, id, several } = this.#o;
    if (several && reason === KvmExit.INTR) this.preemptedInKernel = this.arch.cpl() === 0;
    this.run.exitReason = reason;
    if (!inKernel) {
      // post_kvm_run_save
      this.run.cr8 = chips.readCr8(id);
      this.run.apicBase = apicBase(chips, id);
    }
    return reason;
  }
  #ringFull(): KvmExitReason {
    if (this.#o.trace.on) this.#o.trace.write("kvm_dirty_ring_exit", this.#o.id);
    return this.#leave(KvmExit.DIRTY_RING_FULL);
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
    this.core.exports.addClock(by);
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
    if (address !== undefined) this.setFaultAddress(address);
    if (this.#o.trace.on) this.#o.trace.write("kvm_inj_exception", vector, Math.max(code, 0));
    this.arch.injectException(vector, code);
  }
  setFaultAddress(address: bigint): void {
    this.core.u64[layout.CR2 / 8] = address;
  }
  halt(): void {
    this.mp = "halted";
  }
  hypercall(): void {
    hypercall(this.#o, this);
  }
  /** KVM_HC_KICK_CPU */
  kick(apicId: number): void {
    this.#o.kick(apicId);
  }
  /** It goes on, if it was halted. */
  kicked(): void {
    if (this.mp === "halted") this.mp = "runnable";
  }
  get lapic() {
    return this.#o.chips.lapics[this.#o.id];
  }
  tsc(): bigint {
    return BigInt.asUintN(64, BigInt(this.#o.clock.now() - 1) + this.arch.tscOffset());
  }

  /** INIT: registers as after RESET; the boot processor goes on at the reset vector, the others wait for a SIPI. */
  #initReset(): void {
    const { id, chips } = this.#o,
      sipi = this.sipi;
    this.init = 0;
    chips.lapics[id]?.initReset();
    this.reset(true);
    this.sipi = sipi;
  }
  /** kvm_vcpu_deliver_sipi_vector: it starts at the page that the vector names. */
  #startUp(): void {
    const { arch } = this,
      vector = this.sipi - 1,
      s = arch.sregs();
    this.sipi = 0;
    arch.setSregs({ ...s, cs: { ...s.cs, selector: vector << 8, base: BigInt(vector << 12) } });
    arch.setRip(0n);
    this.mp = "runnable";
  }
  /** @param init by INIT, which leaves IA32_APIC_BASE alone */
  reset(init = false): void {
    this.load();
    // RESET begins the TSC at 0, INIT leaves it.
    const offset = init ? this.arch.tscOffset() : BigInt(-this.#o.clock.now());
    this.arch.reset();
    this.arch.setTscOffset(offset);
    if (!(this.#o.chips instanceof Irqchip)) this.#o.chips.reset(this.#o.id, init);
    this.paravirt.reset();
    this.msrs.reset();
    this.mp = this.#o.id === 0 ? "runnable" : "uninitialized";
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
    this.load();
    if (this.arch.inGuest) this.arch.kick();
    if (this.#o.chips instanceof SplitChips) this.#o.chips.forget(this.#o.id);
    this.#complete = undefined;
    this.#emulation?.abandon();
    this.inflight = 0;
  }
}
