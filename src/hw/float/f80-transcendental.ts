/**
 * The x87 transcendental instructions, within one unit of the 64-bit significand: 128-bit fixed point,
 * tables at sixteenths, Taylor series on what is left. They ignore precision control and round by RC; C1 of
 * real processors is not reproduced. "Transcendental Instructions", "Approximation of Pi", and the operand
 * tables of each instruction.
 */
import { rSE, roundPackBits } from "./f80-core";
import { mask, PE, raise, UE } from "./status";
import { kExp, kHi, kLo } from "./series";

/** Round the number to 64 bits as an inexact result. */
export function finish(sign: i32): void {
  raise(PE);
  roundPackBits(sign, kExp, kHi, kLo | 1, 64);
}

/**
 * Round a number that may be exact. Hardware calls these results inexact always, so a denormal one is an
 * underflow.
 */
export function finishNear(sign: i32): void {
  raise(PE);
  roundPackBits(sign, kExp, kHi, kLo, 64);
  if ((rSE & 0x7fff) == 0 && (mask & UE)) raise(UE);
}
