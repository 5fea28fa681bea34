import type { Handled } from "./ops.ts";

export interface PortAccess {
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly write: boolean;
  readonly string: boolean;
}

/** A violation of the second stage. `final`: the access itself, and no walk of the guest's tables, has met it; then `linear` is its address. */
export interface SecondStageFault {
  readonly gpa: number;
  readonly linearLow: number;
  readonly linearHigh: number;
  readonly write: boolean;
  readonly fetch: boolean;
  readonly final: boolean;
  readonly code: number;
}

/** Instructions that always exit and are completed above. */
export interface CompletedInstructions {
  cpuid(): void;
  halt(): void;
  readMsr(): void;
  writeMsr(): void;
  setXcr(): void;
  cr8(write: boolean, register: number): void;
}

/** What the handlers of exits, Intel's and AMD's, need from the vCPU above them. */
export interface ExitHandlers {
  readonly instructions: CompletedInstructions;
  portIo(access: PortAccess): Handled;
  /** A task switch, by an instruction or by an event that arch.takeEvent() gives. */
  taskSwitch(): Handled;
  /** Second-stage fault at a guest-physical address. */
  pageFault(fault: SecondStageFault): Handled;
  /** With shadow paging: a page fault at a linear address (low word, high word), `code` the processor's error code. */
  shadowFault(low: number, high: number, code: number): Handled;
  /** The instruction that exited, and counts already, is completed in software. */
  emulate(): Handled;
  /** The processor has logged a write to this guest-physical page. */
  readonly markDirty: (gpa: number) => void;
  /** Its log was full, and has been emptied. */
  logFull(): void;
  /** The instruction exited and faults after all: it has not retired. */
  faultInstead(vector: number, code: number): void;
  /** Count the exit's instruction out again: it is about to be executed once more. */
  uncount(): void;
  /** #UD of the guest. */
  undefinedOpcode(): Handled;
  hypercall(): void;
  trace(cr: number, write: boolean, value: bigint): void;
  initSignal(): void;
  shutdown(): Handled;
  internalError(message: string): Handled;
  read64(gpa: number): bigint;
}
