// Which flags a case leaves undefined. Source: Intel SDM volume 2, the "Flags Affected" section of each instruction.

import type { Builder } from "./build.ts";

const bit: Readonly<Record<string, number>> = { C: 1, P: 4, A: 0x10, Z: 0x40, S: 0x80, O: 0x800 };
const arithmetic = 0x8d5;

/** The count a shift or rotate uses, after masking. */
function countOf(b: Builder): number {
  const { encoding, name, size } = b.t,
    mask = size === 64 ? 63 : 31;
  if (name.includes(",CL")) return Number(b.state.gpr[1]! & BigInt(mask));
  if (encoding.immediates.length) return Number(b.immediates[0]! & BigInt(mask));
  return 1;
}

/** True for SHLD and SHRD of 16 bits by more than 16, whose result is undefined. */
export function undefinedResult(b: Builder): boolean {
  return b.t.undefinedFlags === "double" && b.t.size === 16 && countOf(b) > 16;
}

function shift(b: Builder): number {
  const count = countOf(b),
    rotate = /^r/.test(b.t.name);
  if (count === 0) return 0;
  const overflow = count === 1 ? 0 : bit.O!;
  if (rotate) return overflow;
  const carry = count >= b.t.size && !b.t.name.startsWith("sar") ? bit.C! : 0;
  return bit.A! | overflow | carry;
}

/** RFLAGS bits not to compare for this case, given the vector it ended with (-1: none). */
export function undefinedFlags(b: Builder, vector: number): number {
  const rule = b.t.undefinedFlags;
  if (vector >= 0) return b.t.hook === "rep" && /cmps|scas/.test(b.t.name) ? arithmetic : 0;
  if (rule === "shift") return shift(b);
  if (rule === "double") {
    const count = countOf(b);
    return count === 0 ? 0 : bit.A! | (count === 1 ? 0 : bit.O!);
  }
  return [...rule].reduce((mask, letter) => mask | bit[letter]!, 0);
}
