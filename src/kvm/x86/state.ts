import type { DebugRegs, Regs, Saved, Sregs } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import * as hw from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import type { CpuidLeaf } from "../../isa/index.ts";
import { Cpuid } from "../cpuid.ts";
import { KvmError } from "../errno.ts";
import { apicBase, SplitChips, UserspaceChips, type VcpuChips } from "../irqchip.ts";
import type { ArchVcpu } from "../ops.ts";
import type { Msrs } from "./msrs.ts";
import { checkDebugRegs, checkMpState, checkSregs, checkXcr0 } from "./valid-state.ts";

export type MpState = "runnable" | "uninitialized" | "init" | "sipi" | "halted";

/** The ioctls that read and set the state of a vCPU, and what of it belongs to neither the processor nor a chip. */
export abstract class VcpuState {
  abstract readonly arch: ArchVcpu;
  abstract readonly msrs: Msrs;
  cpuid: Cpuid;
  protected readonly core: hw.Core;
  protected readonly chips: VcpuChips;
  protected mp: MpState = "runnable";
  protected nmiPending = 0;
  protected init = 0;
  protected sipi = 0;
  protected tripleFault = 0;
  /** Its number in the VM, and of its local APIC. */
  readonly id: number;

  constructor(core: hw.Core, chips: VcpuChips, leaves: readonly CpuidLeaf[], id: number) {
    this.id = id;
    this.core = core;
    this.chips = chips;
    this.cpuid = new Cpuid(leaves, id);
  }

  get pendingSignals(): boolean {
    return (this.nmiPending | this.init) !== 0;
  }
  signalNmi(): void {
    this.nmiPending = 1;
  }
  signalInit(): void {
    this.init = 1;
  }
  /** Nothing but to a vCPU that waits for it, or will as soon as it takes its INIT: then false. */
  signalStartUp(vector: number): boolean {
    if (this.mp !== "uninitialized" && !this.init) return false;
    this.sipi = vector + 1;
    return true;
  }
  /** What every one of these does first. */
  protected abstract load(): void;

  /** The local APIC has been loaded: what else knows its base follows. */
  apicRestored(): void {
    this.load();
    this.msrs.reset();
  }

  setCpuid2(leaves: readonly CpuidLeaf[]): void {
    if (leaves.length > 256)
      throw new KvmError("E2BIG", "KVM_SET_CPUID2", `${leaves.length} entries`, "give at most 256");
    this.cpuid = new Cpuid(leaves, this.id);
  }
  getRegs(): Regs {
    this.load();
    return this.arch.regs();
  }
  setRegs(regs: Regs): void {
    this.load();
    this.arch.setRegs(regs);
  }
  getSregs(): Sregs {
    this.load();
    return {
      ...this.arch.sregs(),
      cr8: BigInt(this.chips.readCr8(this.id)),
      apicBase: apicBase(this.chips, this.id),
    };
  }
  setSregs(s: Sregs): void {
    this.load();
    checkSregs(s, (this.cpuid.find(0x80000008, 0)?.eax ?? 36) & 0xff);
    this.arch.setSregs(s);
    this.msrs.setApicBase(s.apicBase);
    this.chips.writeCr8(this.id, Number(s.cr8));
  }
  getDebugRegs(): DebugRegs {
    this.load();
    return this.arch.debugRegs();
  }
  setDebugRegs(d: DebugRegs): void {
    this.load();
    checkDebugRegs(d);
    this.arch.setDebugRegs(d);
  }
  getMsr(index: number): bigint | undefined {
    this.load();
    return this.msrs.read(index, true);
  }
  setMsr(index: number, value: bigint): boolean {
    this.load();
    return this.msrs.write(index, value, true);
  }
  /** KVM_GET_LAPIC */
  getLapic(): Saved {
    return this.chips.lapics[this.id]?.save() ?? null;
  }
  setLapic(state: Saved): void {
    this.chips.lapics[this.id]?.restore(state);
    this.apicRestored();
  }
  /** KVM_INTERRUPT: the vector that user space's interrupt controller has given. */
  interrupt(vector: number): void {
    if (!(this.chips instanceof UserspaceChips || this.chips instanceof SplitChips))
      throw new KvmError(
        "ENXIO",
        "KVM_INTERRUPT",
        `vector ${vector}`,
        "the interrupt chips are in the kernel: use KVM_IRQ_LINE",
      );
    if (!Number.isInteger(vector) || vector < 0 || vector > 255)
      throw new KvmError("EINVAL", "KVM_INTERRUPT", `vector ${vector}`, "give 0 to 255");
    if (!this.chips.queue(this.id, vector))
      throw new KvmError("EEXIST", "KVM_INTERRUPT", `vector ${vector}`, "another waits: run until the window opens");
  }
  /** CR8 of struct kvm_run, on the way in. */
  setCr8(value: number): void {
    this.chips.writeCr8(this.id, value);
  }
  /** KVM_NMI */
  nmi(): void {
    this.signalNmi();
  }
  getXsave(): Uint8Array {
    this.load();
    return hw.readXsave(this.core);
  }
  setXsave(image: Uint8Array): void {
    this.load();
    if (image.length < 512)
      throw new KvmError(
        "EINVAL",
        "KVM_SET_XSAVE",
        `${image.length} bytes`,
        "give the 512 bytes of an FXSAVE image",
      );
    hw.writeXsave(this.core, image);
  }
  /** KVM_GET_XCRS */
  getXcr0(): bigint {
    this.load();
    return this.core.u64[layout.XCR0 / 8] ?? 0n;
  }
  setXcr0(value: bigint): void {
    this.load();
    checkXcr0(value);
    this.core.u64[layout.XCR0 / 8] = value;
  }
  getMpState(): MpState {
    return this.mp;
  }
  setMpState(state: MpState): void {
    checkMpState(state);
    this.mp = state;
  }

  /** KVM_GET_VCPU_EVENTS, in the shape that the bare machine saves. */
  getEvents(): { [key: string]: Saved } {
    this.load();
    const p = this.arch.pending();
    return {
      nmi: this.nmiPending,
      nmiBlocked: p.nmiBlocked,
      shadow: p.shadow,
      init: this.init,
      sipi: this.sipi,
      debug: p.debug,
      tripleFault: this.tripleFault,
      a20: this.core.u32[layout.A20 / 4] ?? 1,
      seed: this.core.u64[layout.SEED / 8] ?? 0n,
    };
  }
  setEvents(events: Saved): void {
    this.load();
    const r = new SavedRecord("events", events);
    const pending = {
      shadow: r.int("shadow", 2),
      nmiBlocked: r.int("nmiBlocked", 1),
      debug: r.int("debug", 0xffff),
    };
    const a20 = r.int("a20", 1),
      seed = r.u64("seed");
    [this.nmiPending, this.init, this.sipi, this.tripleFault] = [
      r.int("nmi", 1),
      r.int("init", 1),
      r.int("sipi", 256),
      r.int("tripleFault", 1),
    ];
    this.arch.setPending(pending);
    this.core.u32[layout.A20 / 4] = a20;
    this.core.u64[layout.SEED / 8] = seed;
  }
}
