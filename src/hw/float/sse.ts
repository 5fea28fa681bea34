/**
 * Door of the SSE library: one scalar lane per call, bits in, bits out. Packed instructions call it once
 * per lane and `sseCommit` once at the end.
 *
 * Fast path ("Numerics" in the contracts): once PE is set and masked, with RC to nearest and neither DAZ
 * nor FZ, a Wasm operation on operands that are not denormal gives x86's bits and needs no flags whenever
 * its result is a normal number above the smallest binade; there the rounding cannot have hidden an
 * underflow. Everything else is software.
 *
 * DPPS and DPPD: multiply the chosen lanes (f32mul; an unchosen product is +0.0), then add as
 * (p0 + p1) + (p2 + p3) with f32add, DPPD p0 + p1; the sum goes to the chosen lanes, +0.0 to the others.
 * MXCSR must be committed after the multiplications: their unmasked exceptions come before any addition.
 */
import {
  mxcsr, rc, softAdd, softCompare, softConvert, softDiv, softFromInt, softMinMax, softMul, softRound,
  softSqrt, softToInt,
} from "./sse-core";
import { RC_ZERO } from "./status";

export { mxcsr, setMxcsr, sseCommit } from "./sse-core";

/** MXCSR bits that decide, and their value, for the fast path: PM and PE set; FZ, RC and DAZ clear. */
const FAST_BITS: i32 = 0xf060;
const FAST: i32 = 0x1020;

@inline
function fast(): bool {
  return (mxcsr & FAST_BITS) == FAST;
}

/** Zero, normal, infinity or NaN: not denormal. */
@inline
function plain64(x: u64): bool {
  return (x << 1) - 1 >= 0x001fffffffffffff;
}

@inline
function plain32(x: u32): bool {
  return (x << 1) - 1 >= 0x00ffffff;
}

/** A normal number above the smallest binade. */
@inline
function safe64(x: u64): bool {
  return (x << 1) - 0x0040000000000000 < 0xffe0000000000000 - 0x0040000000000000;
}

@inline
function safe32(x: u32): bool {
  return (x << 1) - 0x02000000 < <u32>0xff000000 - 0x02000000;
}

/** ADDSD. */
export function f64add(a: u64, b: u64): u64 {
  if (fast() && plain64(a) && plain64(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b));
    if (safe64(r)) return r;
  }
  return softAdd(a, b, 0, 53);
}

/** SUBSD. */
export function f64sub(a: u64, b: u64): u64 {
  if (fast() && plain64(a) && plain64(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) - reinterpret<f64>(b));
    if (safe64(r)) return r;
  }
  return softAdd(a, b, 1, 53);
}

/** MULSD. */
export function f64mul(a: u64, b: u64): u64 {
  if (fast() && plain64(a) && plain64(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b));
    if (safe64(r)) return r;
  }
  return softMul(a, b, 53);
}

/** DIVSD. */
export function f64div(a: u64, b: u64): u64 {
  if (fast() && plain64(a) && plain64(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b));
    if (safe64(r)) return r;
  }
  return softDiv(a, b, 53);
}

/** SQRTSD. */
export function f64sqrt(a: u64): u64 {
  if (fast() && plain64(a)) {
    const r = reinterpret<u64>(sqrt<f64>(reinterpret<f64>(a)));
    if (safe64(r)) return r;
  }
  return softSqrt(a, 53);
}

/** ADDSS. */
export function f32add(a: u32, b: u32): u32 {
  if (fast() && plain32(a) && plain32(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) + reinterpret<f32>(b));
    if (safe32(r)) return r;
  }
  return u32(softAdd(a, b, 0, 24));
}

/** SUBSS. */
export function f32sub(a: u32, b: u32): u32 {
  if (fast() && plain32(a) && plain32(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) - reinterpret<f32>(b));
    if (safe32(r)) return r;
  }
  return u32(softAdd(a, b, 1, 24));
}

/** MULSS. */
export function f32mul(a: u32, b: u32): u32 {
  if (fast() && plain32(a) && plain32(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) * reinterpret<f32>(b));
    if (safe32(r)) return r;
  }
  return u32(softMul(a, b, 24));
}

/** DIVSS. */
export function f32div(a: u32, b: u32): u32 {
  if (fast() && plain32(a) && plain32(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) / reinterpret<f32>(b));
    if (safe32(r)) return r;
  }
  return u32(softDiv(a, b, 24));
}

/** SQRTSS. */
export function f32sqrt(a: u32): u32 {
  if (fast() && plain32(a)) {
    const r = reinterpret<u32>(sqrt<f32>(reinterpret<f32>(a)));
    if (safe32(r)) return r;
  }
  return u32(softSqrt(a, 24));
}

/** MINSD. */
export function f64min(a: u64, b: u64): u64 {
  if (plain64(a) && plain64(b)) {
    const x = reinterpret<f64>(a), y = reinterpret<f64>(b);
    if (x < y) return a;
    if (x == x && y == y) return b;
  }
  return softMinMax(a, b, false, 53);
}

/** MAXSD. */
export function f64max(a: u64, b: u64): u64 {
  if (plain64(a) && plain64(b)) {
    const x = reinterpret<f64>(a), y = reinterpret<f64>(b);
    if (x > y) return a;
    if (x == x && y == y) return b;
  }
  return softMinMax(a, b, true, 53);
}

/** MINSS. */
export function f32min(a: u32, b: u32): u32 {
  if (plain32(a) && plain32(b)) {
    const x = reinterpret<f32>(a), y = reinterpret<f32>(b);
    if (x < y) return a;
    if (x == x && y == y) return b;
  }
  return u32(softMinMax(a, b, false, 24));
}

/** MAXSS. */
export function f32max(a: u32, b: u32): u32 {
  if (plain32(a) && plain32(b)) {
    const x = reinterpret<f32>(a), y = reinterpret<f32>(b);
    if (x > y) return a;
    if (x == x && y == y) return b;
  }
  return u32(softMinMax(a, b, true, 24));
}

/** EFLAGS bits ZF = 0x40, PF = 4, CF = 1 of COMIS* and UCOMIS* for an order of -1, 0, 1 or 2 (unordered). */
@inline
function flagsOf(order: i32): i32 {
  return order == 2 ? 0x45 : order == 0 ? 0x40 : order < 0 ? 1 : 0;
}

/** COMISD (signalling = true) and UCOMISD: ZF, PF, CF in EFLAGS positions. */
export function f64comi(a: u64, b: u64, signalling: bool): i32 {
  if (plain64(a) && plain64(b)) {
    const x = reinterpret<f64>(a), y = reinterpret<f64>(b);
    if (x < y) return 1;
    if (x > y) return 0;
    if (x == y) return 0x40;
  }
  return flagsOf(softCompare(a, b, signalling, 53));
}

/** COMISS (signalling = true) and UCOMISS. */
export function f32comi(a: u32, b: u32, signalling: bool): i32 {
  if (plain32(a) && plain32(b)) {
    const x = reinterpret<f32>(a), y = reinterpret<f32>(b);
    if (x < y) return 1;
    if (x > y) return 0;
    if (x == y) return 0x40;
  }
  return flagsOf(softCompare(a, b, signalling, 24));
}

/** Predicate 0..7 (EQ LT LE UNORD NEQ NLT NLE ORD) of an order; 4 and up negate. */
@inline
function holds(order: i32, predicate: i32): bool {
  const which = predicate & 3;
  const base = which == 0 ? order == 0 : which == 1 ? order == -1 : which == 2 ? order <= 0 : order == 2;
  return base != (predicate >= 4);
}

/** LT, LE, NLT and NLE signal on a quiet NaN. */
@inline
function signals(predicate: i32): bool {
  return (predicate & 3) == 1 || (predicate & 3) == 2;
}

/** CMPSD with predicate 0..7: all ones or zero. */
export function f64cmp(a: u64, b: u64, predicate: i32): u64 {
  return holds(softCompare(a, b, signals(predicate), 53), predicate) ? 0xffffffffffffffff : 0;
}

/** CMPSS with predicate 0..7: 32 ones or zero. */
export function f32cmp(a: u32, b: u32, predicate: i32): u32 {
  return holds(softCompare(a, b, signals(predicate), 24), predicate) ? 0xffffffff : 0;
}

/** CVTSS2SD. */
export function f32toF64(a: u32): u64 {
  if (plain32(a) && (a & 0x7f800000) != 0x7f800000) return reinterpret<u64>(f64(reinterpret<f32>(a)));
  return softConvert(a, 24, 53);
}

/** CVTSD2SS. */
export function f64toF32(a: u64): u32 {
  if (fast() && plain64(a)) {
    const r = reinterpret<u32>(f32(reinterpret<f64>(a)));
    if (safe32(r)) return r;
  }
  return u32(softConvert(a, 53, 24));
}

/** CVTSD2SI and, truncating, CVTTSD2SI, 32 bits. */
export function f64toI32(a: u64, truncate: bool): i32 {
  if (fast()) {
    const x = truncate ? reinterpret<f64>(a) : nearest<f64>(reinterpret<f64>(a));
    if (x > -2147483648.0 && x < 2147483648.0) return i32(x);
  }
  return i32(softToInt(a, 53, 32, truncate ? RC_ZERO : rc()));
}

/** CVTSD2SI and, truncating, CVTTSD2SI, 64 bits. */
export function f64toI64(a: u64, truncate: bool): i64 {
  if (fast()) {
    const x = truncate ? reinterpret<f64>(a) : nearest<f64>(reinterpret<f64>(a));
    if (x > -9223372036854775808.0 && x < 9223372036854775808.0) return i64(x);
  }
  return softToInt(a, 53, 64, truncate ? RC_ZERO : rc());
}

/** CVTSS2SI and, truncating, CVTTSS2SI, 32 bits. */
export function f32toI32(a: u32, truncate: bool): i32 {
  if (fast()) {
    const x = truncate ? reinterpret<f32>(a) : nearest<f32>(reinterpret<f32>(a));
    if (x > -2147483648.0 && x < 2147483648.0) return i32(x);
  }
  return i32(softToInt(a, 24, 32, truncate ? RC_ZERO : rc()));
}

/** CVTSS2SI and, truncating, CVTTSS2SI, 64 bits. */
export function f32toI64(a: u32, truncate: bool): i64 {
  if (fast()) {
    const x = truncate ? reinterpret<f32>(a) : nearest<f32>(reinterpret<f32>(a));
    if (x > -9223372036854775808.0 && x < 9223372036854775808.0) return i64(x);
  }
  return softToInt(a, 24, 64, truncate ? RC_ZERO : rc());
}

/** CVTSI2SD from 32 bits, exact. */
export function i32toF64(a: i32): u64 {
  return reinterpret<u64>(f64(a));
}

/** CVTSI2SD from 64 bits. */
export function i64toF64(a: i64): u64 {
  if (fast()) return reinterpret<u64>(f64(a));
  return softFromInt(a, 53);
}

/** CVTSI2SS from 32 bits. */
export function i32toF32(a: i32): u32 {
  if (fast()) return reinterpret<u32>(f32(a));
  return u32(softFromInt(i64(a), 24));
}

/** CVTSI2SS from 64 bits. */
export function i64toF32(a: i64): u32 {
  if (fast()) return reinterpret<u32>(f32(a));
  return u32(softFromInt(a, 24));
}

/** ROUNDSD. */
export function f64round(a: u64, imm: i32): u64 {
  return softRound(a, imm, 53);
}

/** ROUNDSS. */
export function f32round(a: u32, imm: i32): u32 {
  return u32(softRound(a, imm, 24));
}
