import type { AddressSpace, HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { vmcsFields } from "../../isa/index.ts";
import type { ShadowContext } from "../mmu/shadow/mmu.ts";
import type { TdpMmu } from "../mmu/tdp.ts";
import type { ExitHandlers } from "../handlers.ts";
import type { ArchVcpu, Entered, Handled, InterruptedEvent } from "../ops.ts";
import type { ModuleParams } from "../params.ts";
import type { Trace } from "../trace.ts";
import type { KvmStats } from "../stats.ts";
import { ModificationLog } from "./pml.ts";
import { ENTRY, EXIT, EXIT_WORDS, F, PIN, PROC, PROC2, X } from "./fields.ts";
import { handleExit } from "./exits.ts";
import { controls, enterVmxOperation, passThrough } from "./setup.ts";
import { CR0_OWNED, CR4_OWNED, VmxGuestState } from "./state.ts";

const VALID = 0x80000000,
  HAS_CODE = 0x800;
const UNDEFINED = 6,
  PAGE_FAULT = 14;
/** Exit reason. */
const TASK_SWITCH = 9;
/** Exits whatever maps the guest. */
const PROC_ALWAYS =
  PROC.HLT | PROC.TSC_OFFSET | PROC.CR8_LOAD | PROC.CR8_STORE | PROC.IO | PROC.MSR_BITMAP | PROC.SECONDARY;
/** MSRs that the guest reads and writes itself; EFER as well, unless its paging is shadowed. */
const EFER = 0xc0000080;
const PASSED = [
  0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0x174, 0x175, 0x176, 0x277, 0x1d9,
];
/** Defaults of ple_window_grow and ple_window_max. */
const PLE_WINDOW_GROW = 2,
  PLE_WINDOW_MAX = 0xffffffff;
/** Types of INVVPID. */
/** Of the pending debug exceptions: single step, enabled breakpoint. */
const TRAPS = 0x5000;
/** Types of events from here on are software interrupts. */
const SOFTWARE = 0x400;
const SINGLE_CONTEXT = 1n;
const NO_LINK = 0xffffffffffffffffn;

export interface VmxOptions {
  /** Of the vCPU in its VM. */
  readonly id: number;
  /** Others may be there, for which one that spins waits. */
  readonly several: boolean;
  readonly host: HostComputer;
  readonly mm: AddressSpace;
  readonly tdp: TdpMmu;
  /** Guest-physical address of KVM's page table for a guest without paging, where it must not be unrestricted. */
  readonly identityMap: number;
  /** Shadow paging, in place of EPT. */
  readonly shadow: ShadowContext | undefined;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly params: ModuleParams;
  readonly handlers: ExitHandlers;
}

interface Event {
  readonly info: number;
  readonly code: number;
  readonly length: number;
}

/** A virtual CPU on Intel's VT-x: guest state in a VMCS while the guest is out, in the processor while it is in. */
export class VmxVcpu extends VmxGuestState implements ArchVcpu {
  readonly name = "vmx";
  /** What the last exit has told; see X. */
  readonly exit: Uint32Array;
  readonly #options: VmxOptions;
  readonly #msrBitmap: number;
  readonly #pml: ModificationLog | undefined;
  #event: Event | undefined;
  #proc = 0;
  /** CR3 of the VMCS, with shadow paging. */
  #root = -1;
  /** PAUSE-loop exiting is on, and its window. */
  readonly #ple: boolean;
  #window: number;

  constructor(options: VmxOptions) {
    super(options.host, options.handlers.read64, options.shadow, options.params.unrestrictedGuest ? undefined : options.identityMap);
    this.#options = options;
    const words = this.core.exports.vmReadExit() / 4;
    this.exit = this.core.u32.subarray(words, words + EXIT_WORDS);
    this.#msrBitmap = options.host.frames.frame();
    this.#ple = options.several && options.params.pleGap > 0;
    this.#window = options.params.pleWindow;
    if (options.tdp.method === "pml") this.#pml = new ModificationLog(options.host, this.vmcs);
    this.reset();
  }

  get eventPending(): boolean {
    return this.#event !== undefined;
  }
  get eptp(): bigint {
    // Write-back, four levels; bit 6: accessed and dirty flags.
    return BigInt(this.#options.tdp.root) | (this.#options.params.eptad ? 0x5en : 0x1en);
  }

  reset(): void {
    if (this.inGuest) this.kick();
    // Silicon that comes out of RESET tells what a guest's registers are then; the host takes the processor back.
    hw.resetRegisters(this.core);
    const regs = hw.readRegs(this.core),
      sregs = hw.readSregs(this.core),
      debug = hw.readDebugRegs(this.core);
    enterVmxOperation(this.host, this.#options.mm.root);
    this.vmcs.clear();
    this.vmcs.load();
    this.#event = undefined;
    this.#setUp();
    this.setSregs(sregs);
    this.setRegs(regs);
    this.setDebugRegs(debug);
    this.vmcs.write(F.GUEST_PAT, 0x0007040600070406n);
    for (const f of [F.GUEST_DEBUGCTL, F.GUEST_SYSENTER_ESP, F.GUEST_SYSENTER_EIP, F.GUEST_SYSENTER_CS])
      this.vmcs.write(f, 0n);
  }

  #setUp(): void {
    const v = this.vmcs,
      x = this.core.exports;
    x.vmxHostFields();
    v.put(F.HOST_CR3, this.#options.mm.root);
    v.put(F.PIN, controls(x, "PIN", PIN.INTR | PIN.NMI | PIN.VIRTUAL_NMI));
    this.#proc = 0;
    this.#setPagingControls();
    v.put(
      F.EXIT_CONTROLS,
      controls(
        x,
        "EXIT",
        EXIT.SAVE_DEBUG | EXIT.HOST64 | EXIT.SAVE_PAT | EXIT.LOAD_PAT | EXIT.SAVE_EFER | EXIT.LOAD_EFER,
      ),
    );
    v.put(F.ENTRY_CONTROLS, controls(x, "ENTRY", ENTRY.LOAD_DEBUG | ENTRY.LOAD_PAT | ENTRY.LOAD_EFER));
    v.put(F.VPID, this.#options.params.vpid ? this.#options.id + 1 : 0);
    v.put(F.MSR_BITMAP, this.#msrBitmap);
    v.write(F.LINK, NO_LINK);
    v.put(F.PF_MASK, 0);
    v.put(F.PF_MATCH, 0);
    v.put(F.ACTIVITY, 0);
    v.put(F.INTERRUPTIBILITY, 0);
    v.put(F.PENDING_DEBUG, 0);
    v.write(F.TSC_OFFSET, 0n);
    v.put(F.ENTRY_INFO, 0);
    if (this.#ple) {
      v.put(F.PLE_GAP, this.#options.params.pleGap);
      v.put(F.PLE_WINDOW, this.#window);
    }
    this.#pml?.setUp();
  }

  /** What the controls say about paging: EPT, or exits for everything that concerns the guest's tables. Windows stay open. */
  #setPagingControls(): void {
    const v = this.vmcs,
      x = this.core.exports,
      { shadow } = this,
      { host, params } = this.#options,
      vpid = params.vpid ? PROC2.VPID : 0,
      ple = this.#ple ? PROC2.PLE : 0;
    this.#proc =
      controls(x, "PROC", shadow ? PROC_ALWAYS | PROC.CR3_LOAD | PROC.CR3_STORE | PROC.INVLPG : PROC_ALWAYS) |
      (this.#proc & (PROC.INTR_WINDOW | PROC.NMI_WINDOW));
    v.put(F.PROC, this.#proc);
    v.put(
      F.PROC2,
      controls(
        x,
        "PROC2",
        (shadow ? 0 : PROC2.EPT) | (shadow || this.restricted ? 0 : PROC2.UNRESTRICTED) | vpid | ple | PROC2.RDTSCP | PROC2.INVPCID,
      ),
    );
    if (!shadow) v.write(F.EPT_POINTER, this.eptp);
    v.write(F.CR0_MASK, CR0_OWNED);
    v.write(F.CR4_MASK, CR4_OWNED);
    v.put(F.EXCEPTION_BITMAP, (1 << UNDEFINED) | (shadow ? 1 << PAGE_FAULT : 0));
    passThrough(host, this.#msrBitmap, shadow || this.restricted ? PASSED : [EFER, ...PASSED]);
  }
  setShadow(shadow: ShadowContext | undefined): void {
    this.leave();
    const s = this.sregs();
    this.shadow = shadow;
    this.#setPagingControls();
    this.setSregs(s);
    // Both kinds of translations have this VPID: neither may be found when the other ones are in force.
    if (this.#options.params.vpid) this.core.exports.invVpid(SINGLE_CONTEXT, this.#options.id + 1, 0n);
  }

  load(): void {
    if (this.core.exports.vmxOperation() === 0) enterVmxOperation(this.host, this.#options.mm.root);
    this.vmcs.load();
    // shrink_ple_window at kvm_sched_in
    this.#setPauseWindow(this.#options.params.pleWindow);
  }
  /** grow_ple_window: where a loop goes on for longer than the window, looking at it more often is of no use. */
  growPauseWindow(): void {
    this.#setPauseWindow(Math.min(this.#window * PLE_WINDOW_GROW, PLE_WINDOW_MAX));
  }
  #setPauseWindow(ticks: number): void {
    if (!this.#ple || ticks === this.#window) return;
    this.#window = ticks;
    this.vmcs.put(F.PLE_WINDOW, ticks);
  }
  clear(): void {
    this.vmcs.clear();
  }

  enter(budget: number): Entered {
    const { trace } = this.#options,
      v = this.vmcs;
    this.flushIfDue();
    if (!this.inGuest) {
      if (this.shadow) this.#shadowEntry(this.shadow);
      else this.#pml?.switch(this.#options.tdp.logged > 0);
      const e = this.#event;
      if (e) {
        v.put(F.ENTRY_INFO, e.info);
        v.put(F.ENTRY_CODE, e.code);
        this.#event = undefined;
      }
      if (trace.on) trace.write("kvm_entry", v.read(F.GUEST_RIP));
      const result = v.enter();
      if (result === -2) return this.#exited();
      if (result !== 0) return "refused";
    }
    switch (this.core.exports.run(budget)) {
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
    const root = shadow.root();
    if (root !== this.#root) this.vmcs.put(F.GUEST_CR3, root);
    this.#root = root;
    if (shadow.takeFlush() && this.#options.params.vpid) this.core.exports.invVpid(SINGLE_CONTEXT, this.#options.id + 1, 0n);
  }
  protected override loadPaging(): void {
    super.loadPaging();
    this.#root = this.shadow?.root() ?? 0;
  }

  /** An exit has happened: what it says about the event in hand, and the books. */
  #exited(): Entered {
    const { trace, stats } = this.#options,
      v = this.vmcs;
    this.core.exports.vmReadExit();
    const reason = this.exit[X.REASON] ?? 0;
    if ((reason & 0x80000000) !== 0) return "refused";
    stats.exit(reason);
    this.#pml?.drain(this.#options.handlers.markDirty);
    if (trace.on) trace.write("kvm_exit", reason & 0xffff, v.read(F.GUEST_RIP), v.read(F.QUALIFICATION));
    const info = this.exit[X.VECTORING] ?? 0;
    // INT n, INT1, INT3 and INTO stand at RIP still and run again: what counts is the instruction that gets through. A task switch is part of it.
    if ((info & VALID) !== 0 && ((info & 0x700) < SOFTWARE || (reason & 0xffff) === TASK_SWITCH)) {
      // vmx_complete_interrupts: deliver it again ("Information for VM Exits That Occur During Event Delivery").
      this.#event = {
        info: info & ~0x1000,
        code: (info & HAS_CODE) !== 0 ? v.number(F.VECTORING_CODE) : 0,
        length: v.number(F.EXIT_LENGTH),
      };
      // An NMI to be delivered again must not be blocked by itself ("Resuming Guest Software after Handling an Exception").
      const nmi = (info & 0x700) === 0x200 && (reason & 0xffff) !== TASK_SWITCH;
      if (nmi) v.put(F.INTERRUPTIBILITY, v.number(F.INTERRUPTIBILITY) & ~8);
    }
    return "exit";
  }

  dump(): string {
    const shown = vmcsFields.filter((f) => f.group === "guest" || f.group === "control");
    return shown.map((f) => `${f.name} 0x${this.vmcs.read(f.encoding).toString(16)}`).join("\n");
  }

  handleExit(): Handled {
    return handleExit(this, this.#options.handlers);
  }

  protected interrupted(): boolean {
    return this.vmcs.number(F.EXIT_REASON) === 1;
  }

  interruptAllowed(): boolean {
    return (
      !this.#event &&
      (this.vmcs.low(F.GUEST_RFLAGS) & 0x200) !== 0 &&
      (this.vmcs.number(F.INTERRUPTIBILITY) & 3) === 0 &&
      !this.#trapPending
    );
  }
  nmiAllowed(): boolean {
    return !this.#event && (this.vmcs.number(F.INTERRUPTIBILITY) & 0xb) === 0 && !this.#trapPending;
  }
  /** A debug trap comes before interrupts; an entry that injects one forgets it ("Delivery of Pending Debug Exceptions after VM Entry"). */
  get #trapPending(): boolean {
    return (this.vmcs.number(F.PENDING_DEBUG) & TRAPS) !== 0;
  }

  takeEvent(): InterruptedEvent | undefined {
    const e = this.#event;
    this.#event = undefined;
    if (!e) return undefined;
    return {
      vector: e.info & 0xff,
      kind: (e.info >> 8) & 7,
      code: (e.info & HAS_CODE) !== 0 ? e.code : -1,
      length: e.length,
    };
  }
  injectInterrupt(vector: number): void {
    this.#event = { info: VALID | vector, code: 0, length: 0 };
  }
  injectNmi(): void {
    this.#event = { info: VALID | 0x202, code: 0, length: 0 };
  }
  injectException(vector: number, code: number): void {
    // In real mode no error code is pushed.
    const protectedMode = (this.control(0) & 1n) !== 0n,
      withCode = code >= 0 && protectedMode;
    this.#event = {
      info: VALID | 0x300 | vector | (withCode ? HAS_CODE : 0),
      code: withCode ? code : 0,
      length: 0,
    };
  }
  interruptWindow(on: boolean): void {
    this.#setProc(PROC.INTR_WINDOW, on);
  }
  nmiWindow(on: boolean): void {
    this.#setProc(PROC.NMI_WINDOW, on);
  }
  protected exitOnCr3(on: boolean): void {
    this.#setProc(PROC.CR3_LOAD | PROC.CR3_STORE, on);
  }
  #setProc(bit: number, on: boolean): void {
    const now = on ? this.#proc | bit : this.#proc & ~bit;
    if (now === this.#proc) return;
    this.#proc = now;
    this.vmcs.put(F.PROC, now);
  }
  flushTlb(): void {
    if (this.shadow) {
      this.shadow.flush();
      return;
    }
    this.core.exports.invEpt(1n, this.eptp);
  }
}
