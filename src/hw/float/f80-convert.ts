/**
 * Conversions between the 80-bit format and integers, single, double and packed decimal.
 */
import {
  denormalStops, f80class, f80exponent, f80significand, INFINITY, J_BIT, QNAN, QUIET_BIT, setResult, SNAN,
  UNSUPPORTED, ZERO,
} from "./f80-core";
import {
  IE, mask, OE, PE, raise, rounding, RC_DOWN, RC_NEAREST, RC_UP, RC_ZERO, roundsUp, setC1, UE,
} from "./status";
import { shiftRightJam, wHi, wLo } from "./wide";

/** FILD: any signed integer up to 64 bits, exact. */
export function f80fromI64(value: i64): void {
  setC1(false);
  if (value == 0) return setResult(0, 0);
  const magnitude = value < 0 ? u64(0) - u64(value) : u64(value);
  const n = i32(clz(magnitude));
  setResult((value < 0 ? 0x8000 : 0) | (16383 + 63 - n), magnitude << n);
}

/** Magnitude of |x| rounded to an integer into wHi (1 = it does not fit 64 bits) : wLo; PE and C1. */
function roundToInteger(se: i32, m: u64, rc: i32): bool {
  const e = f80exponent(se, m) - 16383;
  if (e > 63) return false;
  const sig = f80significand(m);
  let whole: u64 = 0, rest: u64 = 0;
  if (e == 63) whole = sig;
  else if (e >= 0) {
    whole = sig >> (63 - e);
    rest = sig << (e + 1);
  } else rest = e == -1 ? sig : 1;
  pendingUp = roundsUp(rc, se >> 15, (whole & 1) != 0, rest);
  pendingInexact = rest != 0;
  if (pendingUp && ++whole == 0) return false;
  pendingWhole = whole;
  return true;
}

let pendingUp: bool = false;
let pendingInexact: bool = false;
let pendingWhole: u64 = 0;

function integerIndefinite(bits: i32): i64 {
  raise(IE);
  return <i64>-1 << (bits - 1);
}

/**
 * FIST, FISTTP to `bits` = 16, 32 or 64 (sign-extended). Out of range, NaN and unsupported give IE and the
 * integer indefinite; when IE is unmasked the caller does not store.
 */
export function f80toInt(se: i32, m: u64, bits: i32, truncate: bool): i64 {
  setC1(false);
  const c = f80class(se, m);
  if (c == ZERO) return 0;
  if (c >= INFINITY) return integerIndefinite(bits);
  if (!roundToInteger(se, m, truncate ? RC_ZERO : rounding)) return integerIndefinite(bits);
  const negative = (se & 0x8000) != 0;
  const limit: u64 = 1 << u64(bits - 1);
  if (pendingWhole > limit || (pendingWhole == limit && !negative)) return integerIndefinite(bits);
  if (pendingInexact) raise(PE);
  setC1(pendingUp);
  return negative ? 0 - i64(pendingWhole) : i64(pendingWhole);
}

/** FLD m32fp. */
export function f80fromF32(bits: u32): void {
  setC1(false);
  const sign = i32(bits >> 31) << 15;
  const e = i32(bits >> 23) & 0xff;
  const m = u64(bits & 0x7fffff) << 40;
  fromNarrow(sign, e, m, 0xff, 127);
}

/** FLD m64fp. */
export function f80fromF64(bits: u64): void {
  setC1(false);
  const sign = i32(bits >> 63) << 15;
  const e = i32(bits >> 52) & 0x7ff;
  const m = (bits & 0xfffffffffffff) << 11;
  fromNarrow(sign, e, m, 0x7ff, 1023);
}

function fromNarrow(sign: i32, e: i32, m: u64, eMax: i32, bias: i32): void {
  if (e == eMax) {
    if (m == 0) return setResult(sign | 0x7fff, J_BIT);
    if (!(m & QUIET_BIT)) raise(IE);
    return setResult(sign | 0x7fff, m | J_BIT | QUIET_BIT);
  }
  if (e == 0) {
    if (m == 0) return setResult(sign, 0);
    if (denormalStops()) return;
    const n = i32(clz(m));
    return setResult(sign | (1 - n + 16383 - bias), m << n);
  }
  setResult(sign | (e + 16383 - bias), m | J_BIT);
}

/** Beside the masks given to `packNarrow`: the operation is FST. */
const X87_STORE: i32 = 64;

/**
 * Round a finite non-zero unpacked magnitude to a format of `p` bits (24 or 53) by rounding control `rc`,
 * and give its bits. `masks` as in the x87 control word. Sets C1. An unmasked overflow or underflow to
 * memory stores nothing, so the bits are then meaningless, and only the exceptions are reported.
 */
export function packNarrow(sign: i32, exp: i32, hi: u64, lo: u64, p: i32, rc: i32, masks: i32): u64 {
  const bias = p == 24 ? 127 : 1023, eMax = bias * 2;
  const signBit = u64(sign) << (p == 24 ? 31 : 63);
  const unit: u64 = 1 << u64(64 - p);
  exp += bias - 16383;
  let tiny = false;
  if (exp < 1) {
    tiny = !(exp == 0 && (hi | (unit - 1)) == 0xffffffffffffffff
      && roundsUp(rc, sign, true, (hi << p) | u64(lo != 0)));
    if (tiny && !(masks & UE)) {
      // The result that the handler would see has an unbounded exponent, and PE speaks of that one.
      // A store from the x87 reports UE (or OE, below) alone.
      raise(!(masks & X87_STORE) && ((hi << p) | lo) ? UE | PE : UE);
      return signBit;
    }
    shiftRightJam(hi, lo, 1 - exp);
    hi = wHi;
    lo = wLo;
    exp = 0;
  }
  const rest = (hi << p) | u64(lo != 0);
  const up = roundsUp(rc, sign, (hi & unit) != 0, rest);
  hi &= 0 - unit;
  if (up) {
    hi += unit;
    if (hi == 0) {
      hi = J_BIT;
      exp++;
    } else if (exp == 0 && hi == J_BIT) exp = 1;
  }
  if (exp > eMax) {
    const toInfinity = rc == RC_NEAREST || rc == (sign ? RC_DOWN : RC_UP);
    raise(masks & OE || (rest && !(masks & X87_STORE)) ? OE | PE : OE);
    setC1(masks & OE ? toInfinity : up);
    const infinity = u64(eMax + 1) << (p - 1);
    return signBit | (toInfinity ? infinity : infinity - 1);
  }
  if (rest) raise(tiny ? UE | PE : PE);
  setC1(up);
  return signBit | (u64(exp) << (p - 1)) | ((hi & (J_BIT - 1)) >> (64 - p));
}

function toNarrow(se: i32, m: u64, p: i32): u64 {
  setC1(false);
  const c = f80class(se, m);
  const sign = se >> 15;
  const signBit = u64(sign) << (p == 24 ? 31 : 63);
  const infinity = p == 24 ? 0x7f800000 : 0x7ff0000000000000;
  const quiet: u64 = 1 << u64(p - 2);
  if (c == ZERO) return signBit;
  if (c == INFINITY) return signBit | infinity;
  if (c == UNSUPPORTED) {
    raise(IE);
    return (p == 24 ? 0x80000000 : 0x8000000000000000) | infinity | quiet;
  }
  if (c >= QNAN) {
    if (c == SNAN) raise(IE);
    return signBit | infinity | quiet | ((m & (J_BIT - 1)) >> (64 - p));
  }
  return packNarrow(sign, f80exponent(se, m), f80significand(m), 0, p, rounding, mask | X87_STORE);
}

/** FST m32fp. */
export function f80toF32(se: i32, m: u64): u32 {
  return u32(toNarrow(se, m, 24));
}

/** FST m64fp. */
export function f80toF64(se: i32, m: u64): u64 {
  return toNarrow(se, m, 53);
}

/**
 * FBLD: 18 packed decimal digits, lo = bytes 7:0, hi = bytes 9:8 (bit 15 the sign). Digits above 9 are not
 * checked.
 */
export function f80fromBcd(lo: u64, hi: i32): void {
  let value: u64 = 0;
  value = u64((hi >> 4) & 15) * 10 + u64(hi & 15);
  for (let i = 60; i >= 0; i -= 4) value = value * 10 + ((lo >> u64(i)) & 15);
  f80fromI64(i64(value));
  setResultSign(hi & 0x8000, value);
}

function setResultSign(sign: i32, value: u64): void {
  if (value == 0) return setResult(sign, 0);
  const n = i32(clz(value));
  setResult(sign | (16383 + 63 - n), value << n);
}

/** The ten bytes of the last `f80toBcd`. */
export let bcdLo: u64 = 0;
export let bcdHi: i32 = 0;

/**
 * FBSTP into bcdLo and bcdHi; out of range, NaN and unsupported give IE and the packed decimal indefinite.
 */
export function f80toBcd(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  bcdLo = 0;
  bcdHi = se & 0x8000;
  if (c == ZERO) return;
  if (c >= INFINITY || !roundToInteger(se, m, rounding) || pendingWhole > 999999999999999999) {
    raise(IE);
    bcdLo = 0xc000000000000000;
    bcdHi = 0xffff;
    return;
  }
  if (pendingInexact) raise(PE);
  setC1(pendingUp);
  let value = pendingWhole;
  for (let i: u64 = 0; i < 64; i += 4) {
    bcdLo |= value % 10 << i;
    value /= 10;
  }
  bcdHi |= i32((value / 10) << 4) | i32(value % 10);
}
