import type { AddressSpace, HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { vmcbFields } from "../../isa/index.ts";
import { layout } from "../../hw/index.ts";
import type { ShadowContext } from "../mmu/shadow/mmu.ts";
import type { TdpMmu } from "../mmu/tdp.ts";
import type { ExitHandlers } from "../handlers.ts";
import type { ArchVcpu, Entered, Handled, InterruptedEvent } from "../ops.ts";
import type { ModuleParams } from "../params.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import { handleExit } from "./exits.ts";
import { becomeHost, permissionMaps } from "./setup.ts";
import { SvmGuestState } from "./state.ts";
import { V } from "./vmcb.ts";

const VALID = 0x80000000,
  HAS_CODE = 0x800;
const V_IRQ = 1 << 8,
  V_IGN_TPR = 1 << 20,
  V_INTR_MASKING = 1 << 24;
const SVME = 0x1000n;
const PAT = 0x277;
const FLUSH_THIS_ASID = 3;
/** #UD in the map of exceptions. */
const UNDEFINED = 1 << 6;
/** Intercepts with exit codes 60h to 7Fh and 80h to 9Fh. */
const bits = (codes: readonly number[]): number => codes.reduce((word, code) => word | (1 << (code & 31)), 0);
const INSTR1 = [0x60, 0x61, 0x63, 0x72, 0x76, 0x78, 0x7a, 0x7b, 0x7c, 0x7d, 0x7f];
const INSTR2 = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x88, 0x8d];
const PAUSE = 0x77;
const INVLPG = 0x79;
/** Defaults of pause_filter_count_grow and pause_filter_count_max. */
const PAUSE_COUNT_GROW = 2,
  PAUSE_COUNT_MAX = 0xffff;
/** Reads and writes of CR0, 3, 4 and 8. A selective intercept would not see the guest set what the processor has set already. */
const SHADOW_CR = 0x1190119;
const VINTR = 1 << 4,
  IRET = 1 << 20;

export interface SvmOptions {
  /** Of the vCPU in its VM. */
  readonly id: number;
  /** Others may be there, for which one that spins waits. */
  readonly several: boolean;
  readonly host: HostComputer;
  readonly mm: AddressSpace;
  /** Its entries mean the same to both walks: R W X are P W U, the memory type lies in PCD and A, the leaf's bit in PS. */
  readonly tdp: TdpMmu;
  /** Shadow paging, in place of nested paging. */
  readonly shadow: ShadowContext | undefined;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly handlers: ExitHandlers;
  readonly params: ModuleParams;
}

interface Event {
  readonly info: number;
  readonly code: number;
}

/** A virtual CPU on AMD's SVM with nested paging. */
export class SvmVcpu extends SvmGuestState implements ArchVcpu {
  readonly name = "svm";
  readonly #o: SvmOptions;
  readonly #maps: { readonly io: number; readonly msr: number };
  #event: Event | undefined;
  #intercepts = 0;
  /** An IRET is to end NMI blocking: it runs alone, then the next NMI may come. */
  #iret = false;
  #flush = true;
  /** PAUSEs in a loop exit, and behind how many. */
  readonly #filter: boolean;
  #pauses: number;

  constructor(options: SvmOptions) {
    super(options.host, options.handlers.read64, options.shadow);
    this.#o = options;
    this.#pauses = options.params.pauseFilterCount;
    this.#filter = options.several && this.#pauses > 0;
    this.#maps = permissionMaps(options.host);
    this.reset();
  }

  get eventPending(): boolean {
    return this.#event !== undefined;
  }

  reset(): void {
    if (this.inGuest) this.kick();
    // Silicon that comes out of RESET tells what a guest's registers are then; the host takes the processor back.
    hw.resetRegisters(this.core);
    const regs = hw.readRegs(this.core),
      sregs = hw.readSregs(this.core),
      debug = hw.readDebugRegs(this.core);
    becomeHost(this.host, this.#o.mm.root);
    this.#event = undefined;
    this.#iret = false;
    this.nmiMasked = 0;
    this.#setUp();
    this.setSregs(sregs);
    this.setRegs(regs);
    this.setDebugRegs(debug);
  }
  #setUp(): void {
    const v = this.vmcb;
    this.#intercepts = 0;
    this.#setPagingControls();
    v.put(V.INTERCEPT_INSTR2, bits(INSTR2));
    v.write(V.IOPM_BASE_PA, BigInt(this.#maps.io));
    v.write(V.MSRPM_BASE_PA, BigInt(this.#maps.msr));
    v.write(V.TSC_OFFSET, 0n);
    v.put(V.V_TPR_IRQ, V_INTR_MASKING);
    v.write(V.INTERRUPT_SHADOW, 0n);
    v.write(V.N_CR3, BigInt(this.#o.tdp.root));
    v.write(V.EVENTINJ, 0n);
    if (this.#filter) this.#putPauseFilter();
    v.write(V.G_PAT, 0x0007040600070406n);
  }
  /** Nested paging, or intercepts of everything that concerns the guest's tables. Windows stay open. */
  #setPagingControls(): void {
    const v = this.vmcb,
      { shadow } = this;
    v.write(V.INTERCEPT_CR_READ, BigInt(shadow ? SHADOW_CR : (1 << 8) | (1 << 24)));
    v.put(V.INTERCEPT_EXCEPTIONS, UNDEFINED | (shadow ? 1 << 14 : 0));
    const always = this.#filter ? [...INSTR1, PAUSE] : INSTR1;
    this.#intercepts = bits(shadow ? [...always, INVLPG] : always) | (this.#intercepts & (VINTR | IRET));
    v.put(V.INTERCEPT_INSTR1, this.#intercepts);
    v.put(V.INTERCEPT_INSTR3, shadow ? 1 << 2 : 0); // INVPCID
    v.write(V.NP_ENABLE, shadow ? 0n : 1n);
  }
  setShadow(shadow: ShadowContext | undefined): void {
    this.leave();
    const s = this.sregs(),
      pat = this.msr(PAT) ?? 0n;
    this.shadow = shadow;
    this.#setPagingControls();
    this.setSregs(s);
    this.setMsr(PAT, pat);
    this.#flush = true;
  }

  load(): void {
    if (((this.core.u64[layout.EFER / 8] ?? 0n) & SVME) === 0n) becomeHost(this.host, this.#o.mm.root);
    // shrink_ple_window at kvm_sched_in
    this.#setPauseFilter(this.#o.params.pauseFilterCount);
  }
  /** grow_ple_window: where a loop goes on for longer, looking at it more often is of no use. */
  growPauseFilter(): void {
    this.#setPauseFilter(Math.min(this.#pauses * PAUSE_COUNT_GROW, PAUSE_COUNT_MAX));
  }
  #setPauseFilter(count: number): void {
    if (!this.#filter || count === this.#pauses) return;
    this.#pauses = count;
    this.#putPauseFilter();
  }
  #putPauseFilter(): void {
    this.vmcb.put(V.PAUSE_FILTER, this.#o.params.pauseFilterThresh | (this.#pauses << 16));
  }
  /** No processor keeps anything of a VMCB between a #VMEXIT and the next VMRUN. */
  clear(): void {}

  /** VMRUN takes any guest, in real mode too, paged or not. */
  readonly emulationRequired = false;

  enter(budget: number): Entered {
    const { trace } = this.#o,
      v = this.vmcb;
    this.flushIfDue();
    if (!this.inGuest) {
      if (this.shadow) this.#shadowEntry(this.shadow);
      const e = this.#event;
      this.#event = undefined;
      v.write(V.EVENTINJ, e ? BigInt(e.info >>> 0) | (BigInt(e.code >>> 0) << 32n) : 0n);
      v.write(V.ASID_TLB, BigInt(this.#o.id + 1) | (this.#flush ? BigInt(FLUSH_THIS_ASID) << 32n : 0n));
      this.#flush = false;
      v.write(V.CR2, this.core.u64[layout.CR2 / 8] ?? 0n);
      if (trace.on) trace.write("kvm_entry", v.read(V.RIP));
      if (this.core.exports.svmRun(BigInt(v.pa)) === 0) return this.#exited();
    }
    const reason = this.core.exports.run(this.#iret ? 1 : budget);
    if (this.#iret && this.inGuest) {
      this.#iret = false;
      this.nmiMasked = 0;
    }
    switch (reason) {
      case hw.Stop.VmExit:
        return this.#exited();
      case hw.Stop.Request:
        return "barren";
      case hw.Stop.Budget:
        return "slice";
      case hw.Stop.Yield:
        return "yield";
      default:
        return "refused";
    }
  }
  /** The root may be another one, and entries may have lost rights, since the last exit. */
  #shadowEntry(shadow: ShadowContext): void {
    this.vmcb.put(V.CR3, shadow.root());
    if (shadow.takeFlush()) this.#flush = true;
  }
  #exited(): Entered {
    const { trace, stats } = this.#o,
      v = this.vmcb,
      code = v.number(V.EXITCODE);
    if (code === 0xffffffff) return "refused";
    stats.exit(code);
    if (trace.on) trace.write("kvm_exit", code, v.read(V.RIP), v.read(V.EXITINFO1));
    const event = v.read(V.EXITINTINFO),
      info = Number(event & 0xffffffffn),
      vector = info & 0xff,
      kind = (info >> 8) & 7;
    // An interrupted INT n, INT3 or INTO stands at RIP still and runs again; a task switch is part of it.
    const software = kind === 4 || (kind === 3 && (vector === 3 || vector === 4));
    if ((info & VALID) !== 0 && (!software || code === 0x7d)) this.#event = { info, code: Number(event >> 32n) };
    return "exit";
  }
  handleExit(): Handled {
    return handleExit(this, this.#o.handlers);
  }

  protected interrupted(): boolean {
    return this.vmcb.number(V.EXITCODE) === 0x60;
  }

  interruptAllowed(): boolean {
    return !this.#event && (this.rflags() & 0x200n) !== 0n && (this.vmcb.number(V.INTERRUPT_SHADOW) & 1) === 0;
  }
  nmiAllowed(): boolean {
    return !this.#event && !this.nmiMasked && (this.vmcb.number(V.INTERRUPT_SHADOW) & 1) === 0;
  }
  takeEvent(): InterruptedEvent | undefined {
    const e = this.#event;
    this.#event = undefined;
    if (!e) return undefined;
    const vector = e.info & 0xff,
      kind = (e.info >> 8) & 7;
    const one = kind === 3 && (vector === 3 || vector === 4);
    return {
      vector,
      kind: one ? 6 : kind,
      code: (e.info & HAS_CODE) !== 0 ? e.code : -1,
      length: one ? 1 : kind === 4 ? 2 : 0,
    };
  }
  injectInterrupt(vector: number): void {
    this.#event = { info: VALID | vector, code: 0 };
  }
  /** No other NMI before the IRET, which exits. */
  injectNmi(): void {
    this.nmiMasked = 1;
    this.#setIntercept(IRET, true);
    this.#event = { info: VALID | 0x202, code: 0 };
  }
  injectException(vector: number, code: number): void {
    const withCode = code >= 0 && (this.control(0) & 1n) !== 0n;
    this.#event = { info: VALID | 0x300 | vector | (withCode ? HAS_CODE : 0), code: withCode ? code : 0 };
  }
  protected trap(): void {
    this.#event ??= { info: VALID | 0x301, code: 0 };
  }
  /** A virtual interrupt whose intercept exits as soon as the guest could take it. */
  interruptWindow(on: boolean): void {
    this.#setIntercept(VINTR, on);
    this.vmcb.put(V.V_TPR_IRQ, on ? V_INTR_MASKING | V_IRQ | V_IGN_TPR : V_INTR_MASKING);
  }
  nmiWindow(on: boolean): void {
    // The IRET that ends the blocking may be about to run already: it must not exit again.
    if (this.nmiMasked && !this.#iret) this.#setIntercept(IRET, on);
  }
  /** An IRET that ends NMI blocking has been completed in software: it has switched tasks, or its stack lies in a device. */
  override setImage(event: boolean): void {
    super.setImage(event);
    if (event || !this.#iret) return;
    this.#iret = false;
    this.nmiMasked = 0;
  }
  /** The IRET of an NMI handler is about to run. */
  nmiHandled(): void {
    this.#setIntercept(IRET, false);
    this.#iret = true;
  }
  #setIntercept(bit: number, on: boolean): void {
    const now = on ? this.#intercepts | bit : this.#intercepts & ~bit;
    if (now === this.#intercepts) return;
    this.#intercepts = now;
    this.vmcb.put(V.INTERCEPT_INSTR1, now);
  }
  dump(): string {
    return vmcbFields.map((f) => `${f.name} 0x${this.vmcb.read(f.offset).toString(16)}`).join("\n");
  }
  flushTlb(): void {
    if (this.shadow) {
      this.shadow.flush();
      return;
    }
    this.#flush = true;
  }
}
