/**
 * Software path of SSE scalar arithmetic for single (p = 24) and double (p = 53), every rounding mode, DAZ,
 * FZ and every exception. A lane travels as u64; single in the low 32 bits.
 *
 * "SIMD Floating-Point Exceptions", "Rules for Handling NaNs", "MXCSR Control and Status Register":
 *
 *     15   14:13  12..7             6     5..0
 *     FZ | RC   | PM UM OM ZM DM IM | DAZ | PE UE OE ZE DE IE
 *
 * Nothing here writes the flags of `mxcsr`; they gather in `excFlags` until `sseCommit`.
 */
import { clearFlags, DE, excFlags, IE, PE, raise, RC_DOWN, roundsUp, UE, ZE } from "./status";
import { packNarrow } from "./f80-convert";
import { addUnpacked, divUnpacked, mulUnpacked, sqrtUnpacked, uExp, uHi, uLo, uSign } from "./unpacked";

/** The control half of MXCSR as the running program set it, with the sticky flags merged by `sseCommit`. */
export let mxcsr: i32 = 0x1f80;

export const FZ: i32 = 0x8000;
export const DAZ: i32 = 0x40;
export const UM: i32 = 0x800;

export const C_ZERO: i32 = 0;
export const C_NORMAL: i32 = 1;
export const C_DENORMAL: i32 = 2;
export const C_INFINITY: i32 = 3;
export const C_QNAN: i32 = 4;
export const C_SNAN: i32 = 5;

/** LDMXCSR. */
export function setMxcsr(value: i32): void {
  mxcsr = value;
}

/**
 * End of an instruction: fold its exceptions into MXCSR and clear them. Non-zero means #XM, with the
 * destination left alone. When a pre-computation exception (IE, DE, ZE) of any lane is unmasked, OE, UE and
 * PE are not reported.
 */
export function sseCommit(): i32 {
  let raised = excFlags;
  if (raised == 0) return 0;
  const open = ~(mxcsr >> 7) & 63;
  if (raised & open & 7) raised &= 7;
  clearFlags();
  mxcsr |= raised;
  return raised & open;
}

@inline
export function rc(): i32 {
  return (mxcsr >> 13) & 3;
}

/** True when IE, DE or ZE was raised unmasked: the instruction ends before it computes. */
@inline
export function sseStopped(): bool {
  return (excFlags & ~(mxcsr >> 7) & 7) != 0;
}

@inline
export function signBitOf(p: i32): u64 {
  return p == 24 ? 0x80000000 : 0x8000000000000000;
}

@inline
export function infinityOf(p: i32): u64 {
  return p == 24 ? 0x7f800000 : 0x7ff0000000000000;
}

@inline
export function quietBitOf(p: i32): u64 {
  return p == 24 ? 0x400000 : 0x8000000000000;
}

/** Class of a lane. */
export function laneClass(x: u64, p: i32): i32 {
  const magnitude = x & (signBitOf(p) - 1);
  if (magnitude == 0) return C_ZERO;
  const infinity = infinityOf(p);
  if (magnitude < (quietBitOf(p) << 1)) return C_DENORMAL;
  if (magnitude < infinity) return C_NORMAL;
  if (magnitude == infinity) return C_INFINITY;
  return x & quietBitOf(p) ? C_QNAN : C_SNAN;
}

/** Sign of a lane as 0 or 1. */
@inline
export function laneSign(x: u64, p: i32): i32 {
  return i32(x >> (p == 24 ? 31 : 63)) & 1;
}

/** Unbounded exponent of a finite non-zero lane in the bias of the 80-bit format. */
export function laneExp(x: u64, p: i32): i32 {
  const bias = p == 24 ? 127 : 1023;
  const e = i32(x >> (p - 1)) & (bias * 2 + 1);
  if (e) return e - bias + 16383;
  return 1 - bias + 16383 - i32(clz((x & ((1 << u64(p - 1)) - 1)) << (64 - p)));
}

/** Significand of a finite non-zero lane with bit 63 set. */
export function laneSignificand(x: u64, p: i32): u64 {
  const fraction = x & (((<u64>1) << (p - 1)) - 1);
  const bias = p == 24 ? 127 : 1023;
  const m = fraction << (64 - p);
  if (i32(x >> (p - 1)) & (bias * 2 + 1)) return m | 0x8000000000000000;
  return m << clz(m);
}

/** "Real indefinite": the default NaN. */
export function invalid(p: i32): u64 {
  raise(IE);
  return signBitOf(p) | infinityOf(p) | quietBitOf(p);
}

/** Result when one operand at least is a NaN: the first NaN, quieted. */
export function nanOf(a: u64, aC: i32, b: u64, bC: i32, p: i32): u64 {
  if (aC == C_SNAN || bC == C_SNAN) raise(IE);
  return (aC >= C_QNAN ? a : b) | quietBitOf(p);
}

/** A denormal operand under DAZ is a zero of its sign. */
@inline
export function denormalsAreZero(x: u64, p: i32): u64 {
  return (mxcsr & DAZ) && laneClass(x, p) == C_DENORMAL ? x & signBitOf(p) : x;
}

/**
 * Round and pack an unpacked magnitude by MXCSR, flushing a tiny result when FZ is set and underflow
 * masked.
 */
export function pack(sign: i32, exp: i32, hi: u64, lo: u64, p: i32): u64 {
  if ((mxcsr & (FZ | UM)) == (FZ | UM)) {
    const least = p == 24 ? 16383 - 126 : 16383 - 1022;
    if (exp < least) {
      const unit: u64 = (<u64>1) << (64 - p);
      const becomesNormal = exp == least - 1 && (hi | (unit - 1)) == 0xffffffffffffffff
        && roundsUp(rc(), sign, true, (hi << p) | u64(lo != 0));
      if (!becomesNormal) {
        raise(UE | PE);
        return sign ? signBitOf(p) : 0;
      }
    }
  }
  return packNarrow(sign, exp, hi, lo, p, rc(), (mxcsr >> 7) & 63);
}

function packResult(p: i32): u64 {
  if (uHi == 0) return rc() == RC_DOWN ? signBitOf(p) : 0;
  return pack(uSign, uExp, uHi, uLo, p);
}

/** a + (b with its sign flipped by `flip`). */
export function softAdd(a: u64, b: u64, flip: i32, p: i32): u64 {
  a = denormalsAreZero(a, p);
  b = denormalsAreZero(b, p);
  const aC = laneClass(a, p), bC = laneClass(b, p);
  if (aC >= C_QNAN || bC >= C_QNAN) return nanOf(a, aC, b, bC, p);
  const aS = laneSign(a, p), bS = laneSign(b, p) ^ flip;
  if (aC == C_INFINITY && bC == C_INFINITY && aS != bS) return invalid(p);
  if (aC == C_DENORMAL || bC == C_DENORMAL) {
    raise(DE);
    if (sseStopped()) return 0;
  }
  if (aC == C_INFINITY) return a;
  const bFlipped = flip ? b ^ signBitOf(p) : b;
  if (bC == C_INFINITY) return bFlipped;
  if (aC == C_ZERO && bC == C_ZERO) return aS == bS ? a : rc() == RC_DOWN ? signBitOf(p) : 0;
  if (aC == C_ZERO) return pack(bS, laneExp(b, p), laneSignificand(b, p), 0, p);
  if (bC == C_ZERO) return pack(aS, laneExp(a, p), laneSignificand(a, p), 0, p);
  addUnpacked(aS, laneExp(a, p), laneSignificand(a, p), bS, laneExp(b, p), laneSignificand(b, p));
  return packResult(p);
}

/** a * b. */
export function softMul(a: u64, b: u64, p: i32): u64 {
  a = denormalsAreZero(a, p);
  b = denormalsAreZero(b, p);
  const aC = laneClass(a, p), bC = laneClass(b, p);
  if (aC >= C_QNAN || bC >= C_QNAN) return nanOf(a, aC, b, bC, p);
  if ((aC == C_INFINITY && bC == C_ZERO) || (aC == C_ZERO && bC == C_INFINITY)) return invalid(p);
  if (aC == C_DENORMAL || bC == C_DENORMAL) {
    raise(DE);
    if (sseStopped()) return 0;
  }
  const sign = laneSign(a, p) ^ laneSign(b, p);
  const signBit: u64 = sign ? signBitOf(p) : 0;
  if (aC == C_INFINITY || bC == C_INFINITY) return signBit | infinityOf(p);
  if (aC == C_ZERO || bC == C_ZERO) return signBit;
  mulUnpacked(sign, laneExp(a, p), laneSignificand(a, p), 0, laneExp(b, p), laneSignificand(b, p));
  return packResult(p);
}

/** a / b. */
export function softDiv(a: u64, b: u64, p: i32): u64 {
  a = denormalsAreZero(a, p);
  b = denormalsAreZero(b, p);
  const aC = laneClass(a, p), bC = laneClass(b, p);
  if (aC >= C_QNAN || bC >= C_QNAN) return nanOf(a, aC, b, bC, p);
  if (aC == bC && (aC == C_INFINITY || aC == C_ZERO)) return invalid(p);
  const sign = laneSign(a, p) ^ laneSign(b, p);
  const signBit: u64 = sign ? signBitOf(p) : 0;
  if (bC == C_ZERO) {
    if (aC != C_INFINITY) raise(ZE);
    return signBit | infinityOf(p);
  }
  if (aC == C_DENORMAL || bC == C_DENORMAL) {
    raise(DE);
    if (sseStopped()) return 0;
  }
  if (aC == C_INFINITY) return signBit | infinityOf(p);
  if (aC == C_ZERO || bC == C_INFINITY) return signBit;
  divUnpacked(sign, laneExp(a, p), laneSignificand(a, p), 0, laneExp(b, p), laneSignificand(b, p));
  return packResult(p);
}

/** Square root. */
export function softSqrt(a: u64, p: i32): u64 {
  a = denormalsAreZero(a, p);
  const c = laneClass(a, p);
  if (c >= C_QNAN) return nanOf(a, c, a, c, p);
  if (c == C_ZERO) return a;
  if (laneSign(a, p)) return invalid(p);
  if (c == C_INFINITY) return a;
  if (c == C_DENORMAL) {
    raise(DE);
    if (sseStopped()) return 0;
  }
  sqrtUnpacked(laneExp(a, p), laneSignificand(a, p));
  return packResult(p);
}

/** MIN (max = false) and MAX: the second operand unless the first is strictly beyond it. */
export function softMinMax(a: u64, b: u64, max: bool, p: i32): u64 {
  a = denormalsAreZero(a, p);
  b = denormalsAreZero(b, p);
  const aC = laneClass(a, p), bC = laneClass(b, p);
  if (aC >= C_QNAN || bC >= C_QNAN) {
    raise(IE);
    return b;
  }
  if (aC == C_DENORMAL || bC == C_DENORMAL) raise(DE);
  return (max ? laneOrder(b, p) < laneOrder(a, p) : laneOrder(a, p) < laneOrder(b, p)) ? a : b;
}

/** An integer that orders lanes which are not NaN as their values, both zeros alike. */
export function laneOrder(x: u64, p: i32): i64 {
  const magnitude = i64(x & (signBitOf(p) - 1));
  return laneSign(x, p) ? -magnitude : magnitude;
}

/**
 * Compare: -1 less, 0 equal, 1 greater, 2 unordered. IE for a signalling NaN, and for a quiet one when
 * `signalling`.
 */
export function softCompare(a: u64, b: u64, signalling: bool, p: i32): i32 {
  a = denormalsAreZero(a, p);
  b = denormalsAreZero(b, p);
  const aC = laneClass(a, p), bC = laneClass(b, p);
  if (aC >= C_QNAN || bC >= C_QNAN) {
    if (signalling || aC == C_SNAN || bC == C_SNAN) raise(IE);
    return 2;
  }
  if (aC == C_DENORMAL || bC == C_DENORMAL) raise(DE);
  const x = laneOrder(a, p), y = laneOrder(b, p);
  return x < y ? -1 : i32(x > y);
}

/** CVTSS2SD and CVTSD2SS: from p to q significand bits. */
export function softConvert(a: u64, p: i32, q: i32): u64 {
  a = denormalsAreZero(a, p);
  const c = laneClass(a, p);
  const sign = laneSign(a, p);
  const signBit: u64 = sign ? signBitOf(q) : 0;
  if (c == C_ZERO) return signBit;
  if (c == C_INFINITY) return signBit | infinityOf(q);
  if (c >= C_QNAN) {
    if (c == C_SNAN) raise(IE);
    const fraction = (a << (65 - p)) >> 1;
    return signBit | infinityOf(q) | quietBitOf(q) | ((fraction & 0x7fffffffffffffff) >> (64 - q));
  }
  if (c == C_DENORMAL) {
    raise(DE);
    if (sseStopped()) return 0;
  }
  return pack(sign, laneExp(a, p), laneSignificand(a, p), 0, q);
}

/**
 * To a signed integer of 32 or 64 bits; the integer indefinite (top bit alone) with IE when it does not
 * fit.
 */
export function softToInt(a: u64, p: i32, bits: i32, mode: i32): i64 {
  a = denormalsAreZero(a, p);
  const c = laneClass(a, p);
  if (c == C_ZERO) return 0;
  const indefinite = <i64>-1 << (bits - 1);
  const e = c >= C_INFINITY ? 64 : laneExp(a, p) - 16383;
  if (e > 63) {
    raise(IE);
    return indefinite;
  }
  const m = laneSignificand(a, p), sign = laneSign(a, p);
  let whole: u64 = 0, rest: u64 = 1;
  if (e == 63) {
    whole = m;
    rest = 0;
  } else if (e >= 0) {
    whole = m >> (63 - e);
    rest = m << (e + 1);
  } else if (e == -1) rest = m;
  if (roundsUp(mode, sign, (whole & 1) != 0, rest)) whole++;
  const limit: u64 = (<u64>1) << (bits - 1);
  if (whole > limit || (whole == limit && !sign)) {
    raise(IE);
    return indefinite;
  }
  if (rest) raise(PE);
  return sign ? 0 - i64(whole) : i64(whole);
}

/** From a signed integer. */
export function softFromInt(value: i64, p: i32): u64 {
  if (value == 0) return 0;
  const magnitude = value < 0 ? u64(0) - u64(value) : u64(value);
  const n = i32(clz(magnitude));
  return packNarrow(i32(value < 0), 16383 + 63 - n, magnitude << n, 0, p, rc(), (mxcsr >> 7) & 63);
}

/** ROUNDSS, ROUNDSD: imm bits 1:0 = mode, bit 2 = take MXCSR.RC instead, bit 3 = do not report PE. No DE. */
export function softRound(a: u64, imm: i32, p: i32): u64 {
  a = denormalsAreZero(a, p);
  const c = laneClass(a, p);
  if (c >= C_QNAN) return nanOf(a, c, a, c, p);
  if (c == C_ZERO || c == C_INFINITY) return a;
  const mode = imm & 4 ? rc() : imm & 3;
  const e = laneExp(a, p) - 16383;
  if (e >= p - 1) return a;
  const sign = laneSign(a, p);
  const signBit: u64 = sign ? signBitOf(p) : 0;
  if (e < 0) {
    const up = roundsUp(mode, sign, false, e == -1 ? laneSignificand(a, p) : 1);
    if (!(imm & 8)) raise(PE);
    return up ? signBit | (p == 24 ? 0x3f800000 : 0x3ff0000000000000) : signBit;
  }
  const unit: u64 = (<u64>1) << (p - 1 - e);
  const rest = a & (unit - 1);
  if (rest == 0) return a;
  if (!(imm & 8)) raise(PE);
  const cut = a - rest;
  // A carry runs into the exponent field, which is right.
  const odd = e == 0 ? true : (a & unit) != 0;
  return roundsUp(mode, sign, odd, rest << (65 - p + e)) ? cut + unit : cut;
}
