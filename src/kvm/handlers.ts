import type { Handled } from "./ops.ts";

/** A port exit; the object is the arch code's, and the same at every exit. */
export interface PortAccess {
  port: number;
  size: 1 | 2 | 4;
  write: boolean;
  string: boolean;
}
export const portAccess = (): PortAccess => ({ port: 0, size: 1, write: false, string: false });

/**
 * A violation of the second stage; the object is the arch code's. `final`: the access itself, and no walk of the guest's tables, has
 * met it; then `linear` is its address, and RIP and RFLAGS are told, too.
 */
export interface SecondStageFault {
  gpa: number;
  linearLow: number;
  linearHigh: number;
  write: boolean;
  fetch: boolean;
  final: boolean;
  code: number;
  ripLow: number;
  ripHigh: number;
  rflags: number;
}
export const secondStageFault = (): SecondStageFault => ({
  ...{ gpa: 0, linearLow: 0, linearHigh: 0, write: false, fetch: false, final: false, code: 0 },
  ...{ ripLow: 0, ripHigh: 0, rflags: 0 },
});

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
  /** The guest executes PAUSE in a loop; that instruction is done. */
  spin(): Handled;
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
