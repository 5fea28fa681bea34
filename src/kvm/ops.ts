import type { DebugRegs, Regs, Segment, Sregs } from "../base/index.ts";
import type { ShadowContext } from "./mmu/shadow/mmu.ts";

/** Register numbers follow the manual: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
export type RegisterIndex = number;

/** What the processor did with an entry. */
export type Entered =
  /** A VM exit: the arch code's handler is to be asked. */
  | "exit"
  /** The slice ended; the guest is still in guest mode. */
  | "slice"
  /** PAUSE, while other CPUs wait for their turn; the guest is still in guest mode. */
  | "yield"
  /** The guest only faults and retires nothing. */
  | "barren"
  /** The entry was refused. */
  | "refused";

/** What a handled exit leaves to do. */
export type Handled = "again" | "user";

/** Interruptibility, NMI blocking and debug traps that wait: what KVM_GET_VCPU_EVENTS is about. */
export interface PendingState {
  shadow: number;
  nmiBlocked: number;
  debug: number;
}

/** An event whose delivery an exit has interrupted. */
export interface InterruptedEvent {
  readonly vector: number;
  /** Type in VMX numbering: 0 external, 2 NMI, 3 exception, 4 and up software. */
  readonly kind: number;
  /** -1: none. */
  readonly code: number;
  /** Of the instruction of a software interrupt, which counts in t already: only a task switch leaves one in hand. */
  readonly length: number;
}

/**
 * The vector of operations behind which Intel's and AMD's virtualization lie (kvm_x86_ops): one object a vCPU.
 * Nothing above knows a VMCS or a VMCB.
 */
export interface ArchVcpu {
  readonly name: "vmx" | "svm";
  /** Is the guest in guest mode (a slice ended there)? */
  readonly inGuest: boolean;
  /** The guest is in a state that the processor cannot enter: its instructions are to be emulated. */
  readonly emulationRequired: boolean;
  enter(budget: number): Entered;
  /** From now on the guest's tables are shadowed; undefined: the second stage maps it. Its own state stays the same. */
  setShadow(shadow: ShadowContext | undefined): void;
  handleExit(): Handled;
  /** Make the guest leave guest mode at its next boundary, as an interprocessor interrupt to its CPU would. */
  kick(): void;
  /** The host's interrupt line: while on, the guest leaves guest mode at its next boundary. */
  requestExit(on: boolean): void;
  reset(): void;
  /** Guest state and controls as text, one field a line, for who looks for what an entry has refused. */
  dump(): string;
  register(n: RegisterIndex): bigint;
  setRegister(n: RegisterIndex, value: bigint): void;
  /** Bits 0 to 31 of a register. */
  low(n: RegisterIndex): number;
  /** A register as an instruction with an operand of `size` bytes writes it: 4 clear the upper half, fewer leave the rest alone. */
  setPart(n: RegisterIndex, size: 1 | 2 | 4, value: number): void;
  rip(): bigint;
  setRip(value: bigint): void;
  rflags(): bigint;
  setRflags(value: bigint): void;
  segment(n: number): Segment;
  cpl(): number;
  control(n: 0 | 3 | 4): bigint;
  efer(): bigint;
  pdptes(): readonly bigint[];
  regs(): Regs;
  setRegs(regs: Regs): void;
  sregs(): Omit<Sregs, "apicBase" | "cr8">;
  setSregs(s: Omit<Sregs, "apicBase" | "cr8">): void;
  debugRegs(): DebugRegs;
  setDebugRegs(d: DebugRegs): void;
  /** MSRs that the arch keeps for the guest; undefined when it is none of those. */
  msr(index: number): bigint | undefined;
  setMsr(index: number, value: bigint): boolean;
  tscOffset(): bigint;
  setTscOffset(value: bigint): void;
  pending(): PendingState;
  setPending(p: PendingState): void;
  /** Finish the instruction that exited: RIP behind it, interrupt shadow gone. */
  skip(): void;
  /** Bytes of an instruction that has not exited by itself, for skip(); 0: the exit tells. */
  length: number;
  /**
   * Guest state as one register block in the host processor's memory, laid out as the processor's own (src/hw/cpu/state.ts);
   * the offset stays the same. setImage() takes the block back: an instruction, or the delivery of an event, has been completed in it.
   */
  image(): number;
  setImage(event: boolean): void;
  /** Has nothing of the guest's state changed since image() but general registers, RIP, flags and what no MOV looks at; and are those in the processor? */
  onlyRegisters(): boolean;
  interruptAllowed(): boolean;
  nmiAllowed(): boolean;
  /** An event that an exit has interrupted waits to be delivered again. */
  readonly eventPending: boolean;
  /** That event; it is somebody else's to deliver now. */
  takeEvent(): InterruptedEvent | undefined;
  injectInterrupt(vector: number): void;
  injectNmi(): void;
  injectException(vector: number, code: number): void;
  interruptWindow(on: boolean): void;
  nmiWindow(on: boolean): void;
  /** Translations cached for the guest on this CPU go. */
  flushTlb(): void;
  /** The same before the guest goes on (KVM_REQ_TLB_FLUSH). */
  requestFlush(): void;
  /** Make the VMCS current on the CPU that is selected (vcpu_load), or clear there. */
  load(): void;
  clear(): void;
}
