/**
 * The double extended-precision format: classes, rounding and packing, NaN rules.
 *
 *     79 78        64 63 62                        0
 *     S | exponent   | J | fraction                      se = bits 79:64, m = bits 63:0
 *
 * "Double Extended-Precision Floating-Point Format Encodings", "Unsupported Double Extended-Precision
 * Floating-Point Encodings and Pseudo-Denormals", "Rules for Handling NaNs".
 */
import {
  DE, excFlags, IE, mask, OE, PE, precision, raise, rounding, RC_DOWN, RC_NEAREST, RC_UP, roundsUp, setC1,
  UE,
} from "./status";
import { shiftRightJam, wHi, wLo } from "./wide";
import { uExp, uHi, uLo, uSign } from "./unpacked";

/** The 80-bit result of the last operation. */
export let rSE: i32 = 0;
export let rM: u64 = 0;

export const ZERO: i32 = 0;
export const NORMAL: i32 = 1;
export const DENORMAL: i32 = 2; // with the pseudo-denormals
export const INFINITY: i32 = 3;
export const QNAN: i32 = 4;
export const SNAN: i32 = 5;
export const UNSUPPORTED: i32 = 6; // unnormal, pseudo-infinity, pseudo-NaN

export const J_BIT: u64 = 0x8000000000000000;
export const QUIET_BIT: u64 = 0x4000000000000000;

/** Exponent bias adjustment of an unmasked overflow or underflow with a register destination: 3 * 2^13. */
export const BIAS_ADJUST: i32 = 24576;

/** Set the result. */
@inline
export function setResult(se: i32, m: u64): void {
  rSE = se;
  rM = m;
}

/** Class of an encoding. */
export function f80class(se: i32, m: u64): i32 {
  const e = se & 0x7fff;
  if (e == 0) return m ? DENORMAL : ZERO;
  if (!(m & J_BIT)) return UNSUPPORTED;
  if (e != 0x7fff) return NORMAL;
  if (m == J_BIT) return INFINITY;
  return m & QUIET_BIT ? QNAN : SNAN;
}

/** Unbounded biased exponent of a finite non-zero number. */
@inline
export function f80exponent(se: i32, m: u64): i32 {
  const e = se & 0x7fff;
  return e ? e : 1 - i32(clz(m));
}

/** Significand of a finite non-zero number shifted up to have bit 63 set. */
@inline
export function f80significand(m: u64): u64 {
  return m << clz(m);
}

/** IE and the default NaN ("QNaN floating-point indefinite"). */
export function setInvalid(): void {
  raise(IE);
  setResult(0xffff, J_BIT | QUIET_BIT);
}

/** Result of a one-operand operation on a NaN or an unsupported encoding of class `c`. */
export function propagateOne(se: i32, m: u64, c: i32): void {
  if (c == UNSUPPORTED) return setInvalid();
  if (c == SNAN) raise(IE);
  setResult(se, m | QUIET_BIT);
}

/** Result of a two-operand operation of which at least one operand is a NaN or unsupported. */
export function propagateTwo(aSE: i32, aM: u64, aC: i32, bSE: i32, bM: u64, bC: i32): void {
  if (aC == UNSUPPORTED || bC == UNSUPPORTED) return setInvalid();
  if (aC == SNAN || bC == SNAN) raise(IE);
  let first: bool;
  if (aC < QNAN) first = false;
  else if (bC < QNAN) first = true;
  else if (aC != bC) first = aC == QNAN; // a quiet NaN is preferred over a signalling one
  else first = aM != bM ? aM > bM : (aSE & 0x8000) == 0;
  if (first) setResult(aSE, aM | QUIET_BIT);
  else setResult(bSE, bM | QUIET_BIT);
}

/** Raise DE; true when it is unmasked, so that the operation must stop here and leave its operands alone. */
export function denormalStops(): bool {
  raise(DE);
  return (mask & DE) == 0;
}

/** Number of significand bits for a PC field; the reserved encoding acts as 64. */
@inline
export function precisionBits(pc: i32): i32 {
  return pc == 0 ? 24 : pc == 2 ? 53 : 64;
}

function overflow(sign: i32, exp: i32, m: u64, inexact: bool, up: bool, unit: u64): void {
  if (!(mask & OE)) {
    exp -= BIAS_ADJUST;
    if (exp >= 0x7fff) {
      // FSCALE alone can be further out than one adjustment reaches.
      raise(OE | PE);
      setC1(true);
      return setResult((sign << 15) | 0x7fff, J_BIT);
    }
    raise(inexact ? OE | PE : OE);
    setC1(up);
    return setResult((sign << 15) | exp, m);
  }
  raise(OE | PE);
  const toInfinity = rounding == RC_NEAREST || rounding == (sign ? RC_DOWN : RC_UP);
  setC1(toInfinity);
  if (toInfinity) setResult((sign << 15) | 0x7fff, J_BIT);
  else setResult((sign << 15) | 0x7ffe, 0 - unit);
}

/**
 * Round the magnitude hi:lo * 2^(exp - 16383 - 63), bit 63 of hi set, lo ending in a sticky bit, to `bits`
 * significand bits and set the result, C1 and OE, UE, PE. Masked responses as "Numeric Overflow Exception"
 * and "Numeric Underflow Exception" say; when unmasked, the result has its exponent changed by
 * `BIAS_ADJUST`. Tiny is decided after rounding.
 */
export function roundPackBits(sign: i32, exp: i32, hi: u64, lo: u64, bits: i32): void {
  const unit: u64 = 1 << u64(64 - bits);
  let tiny = false;
  if (exp < 1) {
    const rest0 = bits == 64 ? lo : (hi << bits) | u64(lo != 0);
    const becomesNormal = exp == 0 && (hi | (unit - 1)) == 0xffffffffffffffff
      && roundsUp(rounding, sign, true, rest0);
    tiny = !becomesNormal;
    if (mask & UE) {
      shiftRightJam(hi, lo, 1 - exp);
      hi = wHi;
      lo = wLo;
      exp = 0;
    } else if (tiny) {
      raise(UE);
      exp += BIAS_ADJUST;
      if (exp < 1) {
        raise(PE);
        setC1(false);
        return setResult(sign << 15, 0);
      }
    }
  }
  const rest = bits == 64 ? lo : (hi << bits) | u64(lo != 0);
  let m = hi & (0 - unit);
  const up = roundsUp(rounding, sign, (m & unit) != 0, rest);
  if (up) {
    m += unit;
    if (m == 0) {
      m = J_BIT;
      exp++;
    } else if (exp == 0 && m == J_BIT) {
      exp = 1;
    }
  }
  if (exp > 0x7ffe) return overflow(sign, exp, m, rest != 0, up, unit);
  if (rest) raise(tiny && (mask & UE) ? UE | PE : PE);
  setC1(up);
  setResult((sign << 15) | exp, m);
}

/** Round and pack by the precision control. */
export function roundPack(sign: i32, exp: i32, hi: u64, lo: u64): void {
  // The common case: 64 bits, no exception but PE.
  if (precision == 3 && exp >= 1 && exp < 0x7ffe) {
    const up = lo != 0 && roundsUp(rounding, sign, (hi & 1) != 0, lo);
    if (lo) raise(PE);
    setC1(up);
    if (up && ++hi == 0) {
      hi = J_BIT;
      exp++;
    }
    return setResult((sign << 15) | exp, hi);
  }
  roundPackBits(sign, exp, hi, lo, precisionBits(precision));
}

/** Round and pack the unpacked result; an exact zero takes the sign of the rounding mode. */
export function packUnpacked(): void {
  if (uHi) roundPack(uSign, uExp, uHi, uLo);
  else setResult(rounding == RC_DOWN ? 0x8000 : 0, 0);
}

/** True when the exceptions so far forbid the operation to go on (IE, DE or ZE unmasked). */
export function stopped(): bool {
  return (excFlags & ~mask & 7) != 0;
}
