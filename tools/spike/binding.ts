// The second binding of the interpreter's bodies: what the names that they use become in translated code.

/** Why a stencil cannot be spliced. */
export class Refused extends Error {}

/** What surrounds the copied code: the translator of a region (translate.ts). */
export interface Site {
  readonly record: number;
  /** A fact at a constant address: a byte of the record, a mask that the decode mode fixes. */
  constant(address: number, bytes: number): bigint | undefined;
  /** Emit an access to state that lives in a local; false when the address is plain memory. */
  loadSlot(address: number, op: number): boolean;
  isSlot(address: number): boolean;
  storeSlot(address: number, op: number): void;
  /** Leave to the interpreter at this instruction. */
  exit(): void;
  /** The direct branch of this record is taken. */
  follow(): void;
  /** Indirect branch: the target is on the stack. */
  jump(): void;
  /** Local that stands for a global of the core, a constant, or undefined when the body may not use it. */
  global(name: string, type: number): { local: number } | { value: number } | undefined;
}

/** Slow paths: the interpreter runs the instruction again and does what is right. */
export const EXITS = new Set([
  "rdSlow",
  "wrSlow",
  "rmwSlow",
  "rdPtrSlow",
  "wrFrom",
  "raise",
  "exception",
  "pageFault",
  "setFault",
  "mayTouchDevice",
]);
/** Globals that a failing access sets. */
export const FAULTS = new Set(["fault", "faultVector", "faultCode", "faultAddress"]);
/** Unreachable behind an access that took the fast path. */
export const NEVER = new Set(["writeBack"]);
/** Bodies that need the interpreter's loop around them. */
export const SYSTEM = new Set([
  "next",
  "resume",
  "stop",
  "boundary",
  "intercept",
  "jumpShort", // may fault when part of the budget has been given back
  "afterSegment",
  "deliver",
  "undefined",
  "tooLong",
]);
