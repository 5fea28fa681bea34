/**
 * The status and control words the numeric libraries share (AssemblyScript, compiled into the core).
 *
 * Flags stand in the order of the x87 status word and of MXCSR:
 *
 *     5    4    3    2    1    0
 *     PE | UE | OE | ZE | DE | IE
 *
 * `excFlags` only ever gains bits; the caller clears it before an instruction and merges it afterwards.
 */
export const IE: i32 = 1;
export const DE: i32 = 2;
export const ZE: i32 = 4;
export const OE: i32 = 8;
export const UE: i32 = 16;
export const PE: i32 = 32;

/** Rounding control (RC): to nearest even, down, up, towards zero. */
export const RC_NEAREST: i32 = 0;
export const RC_DOWN: i32 = 1;
export const RC_UP: i32 = 2;
export const RC_ZERO: i32 = 3;

/** Exceptions raised since the caller cleared this. */
export let excFlags: i32 = 0;
/** RC for the x87 library. The SSE library has its own, inside `mxcsr`. */
export let rounding: i32 = 0;
/** x87 precision control as encoded in the control word: 0 = 24 bits, 2 = 53 bits, 3 = 64 bits. */
export let precision: i32 = 3;
/** x87 exception masks, 1 = masked, in the order of the flags. */
export let mask: i32 = 63;
/** C1 of the last x87 operation: the result was rounded away from zero. */
export let c1: i32 = 0;

/** Or exceptions into `excFlags`. */
@inline
export function raise(flags: i32): void {
  excFlags |= flags;
}

/** Forget the exceptions of earlier instructions. */
export function clearFlags(): void {
  excFlags = 0;
}

/** True when some exception raised by this instruction is one of `flags` and is unmasked. */
@inline
export function unmasked(flags: i32): bool {
  return (excFlags & ~mask & flags) != 0;
}

/** Take over an x87 control word: masks in 5:0, PC in 9:8, RC in 11:10 ("x87 FPU Control Word"). */
export function setControlWord(cw: i32): void {
  mask = cw & 63;
  precision = (cw >> 8) & 3;
  rounding = (cw >> 10) & 3;
}

export function setC1(value: bool): void {
  c1 = value ? 1 : 0;
}

/** Whether cutting `rest` (top bit = one half) off a magnitude makes it one unit larger. */
@inline
export function roundsUp(rc: i32, sign: i32, odd: bool, rest: u64): bool {
  if (rc == RC_NEAREST) return rest > 0x8000000000000000 || (rest == 0x8000000000000000 && odd);
  if (rc == RC_ZERO) return false;
  return rest != 0 && (rc == RC_DOWN) == (sign != 0);
}
