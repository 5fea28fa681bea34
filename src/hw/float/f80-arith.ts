/**
 * x87 arithmetic: add, subtract, multiply, divide, square root, partial remainder, scale, extract, round,
 * compare. Each function sets rSE:rM, c1 and ors into excFlags. When IE, DE or ZE is raised unmasked the
 * result is meaningless and the caller leaves the registers alone.
 */
import {
  DENORMAL, denormalStops, f80class, f80exponent, f80significand, INFINITY, J_BIT, NORMAL, packUnpacked,
  propagateOne, propagateTwo, QNAN, roundPack, roundPackBits, setInvalid, setResult, SNAN, UNSUPPORTED,
  ZERO,
} from "./f80-core";
import { IE, PE, raise, rounding, RC_DOWN, roundsUp, setC1, ZE } from "./status";
import { addUnpacked, divUnpacked, mulUnpacked, sqrtUnpacked, uExp, uHi, uLo, uSign } from "./unpacked";

/** Both operands normal numbers. */
@inline
function bothNormal(aSE: i32, aM: u64, bSE: i32, bM: u64): bool {
  return (u32((aSE & 0x7fff) - 1) < 0x7ffe) & (u32((bSE & 0x7fff) - 1) < 0x7ffe) & (i64(aM & bM) < 0);
}

function addSpecial(aSE: i32, aM: u64, bSE: i32, bM: u64, flip: i32): void {
  const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
  if (aC >= QNAN || bC >= QNAN) return propagateTwo(aSE, aM, aC, bSE, bM, bC);
  bSE ^= flip;
  if (aC == INFINITY && bC == INFINITY && aSE != bSE) return setInvalid();
  if ((aC == DENORMAL || bC == DENORMAL) && denormalStops()) return;
  if (aC == INFINITY) return setResult(aSE, aM);
  if (bC == INFINITY) return setResult(bSE, bM);
  if (aC == ZERO) {
    if (bC != ZERO) return roundPack(bSE >> 15, f80exponent(bSE, bM), f80significand(bM), 0);
    return setResult(aSE == bSE ? aSE : rounding == RC_DOWN ? 0x8000 : 0, 0);
  }
  if (bC == ZERO) return roundPack(aSE >> 15, f80exponent(aSE, aM), f80significand(aM), 0);
  addUnpacked(
    aSE >> 15, f80exponent(aSE, aM), f80significand(aM), bSE >> 15, f80exponent(bSE, bM), f80significand(bM));
  packUnpacked();
}

/** FADD: a + b. */
export function f80add(aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  setC1(false);
  if (!bothNormal(aSE, aM, bSE, bM)) return addSpecial(aSE, aM, bSE, bM, 0);
  addUnpacked(aSE >> 15, aSE & 0x7fff, aM, bSE >> 15, bSE & 0x7fff, bM);
  packUnpacked();
}

/** FSUB: a - b. A NaN b keeps its sign. */
export function f80sub(aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  setC1(false);
  if (!bothNormal(aSE, aM, bSE, bM)) return addSpecial(aSE, aM, bSE, bM, 0x8000);
  addUnpacked(aSE >> 15, aSE & 0x7fff, aM, (bSE >> 15) ^ 1, bSE & 0x7fff, bM);
  packUnpacked();
}

/** FMUL: a * b. */
export function f80mul(aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  setC1(false);
  if (!bothNormal(aSE, aM, bSE, bM)) {
    const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
    if (aC >= QNAN || bC >= QNAN) return propagateTwo(aSE, aM, aC, bSE, bM, bC);
    if (aC == INFINITY ? bC == ZERO : bC == INFINITY && aC == ZERO) return setInvalid();
    if ((aC == DENORMAL || bC == DENORMAL) && denormalStops()) return;
    const sign = (aSE ^ bSE) & 0x8000;
    if (aC == INFINITY || bC == INFINITY) return setResult(sign | 0x7fff, J_BIT);
    if (aC == ZERO || bC == ZERO) return setResult(sign, 0);
  }
  mulUnpacked(
    aSE >> 15, f80exponent(aSE, aM), f80significand(aM), bSE >> 15, f80exponent(bSE, bM), f80significand(bM));
  roundPack(uSign, uExp, uHi, uLo);
}

/** FDIV: a / b. */
export function f80div(aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  setC1(false);
  if (!bothNormal(aSE, aM, bSE, bM)) {
    const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
    if (aC >= QNAN || bC >= QNAN) return propagateTwo(aSE, aM, aC, bSE, bM, bC);
    if (aC == bC && (aC == INFINITY || aC == ZERO)) return setInvalid();
    const sign = (aSE ^ bSE) & 0x8000;
    if (bC == ZERO) {
      if (aC != INFINITY) raise(ZE);
      return setResult(sign | 0x7fff, J_BIT);
    }
    if ((aC == DENORMAL || bC == DENORMAL) && denormalStops()) return;
    if (aC == INFINITY) return setResult(sign | 0x7fff, J_BIT);
    if (aC == ZERO || bC == INFINITY) return setResult(sign, 0);
  }
  divUnpacked(
    aSE >> 15, f80exponent(aSE, aM), f80significand(aM), bSE >> 15, f80exponent(bSE, bM), f80significand(bM));
  roundPack(uSign, uExp, uHi, uLo);
}

/** FSQRT. */
export function f80sqrt(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) return propagateOne(se, m, c);
  if (c == ZERO) return setResult(se, m);
  if (se & 0x8000) return setInvalid();
  if (c == INFINITY) return setResult(se, m);
  if (c == DENORMAL && denormalStops()) return;
  sqrtUnpacked(f80exponent(se, m), f80significand(m));
  roundPack(uSign, uExp, uHi, uLo);
}

/**
 * FPREM (nearest = false) and FPREM1 (nearest = true): one step of the remainder of a by b. Returns the
 * condition code in status word positions: C2 when the reduction is partial, otherwise C0, C3, C1 = bits 2,
 * 1, 0 of the quotient. A partial step lowers the exponent difference D by 32 to 63, the number the manual
 * leaves to the implementation.
 */
export function f80rem(aSE: i32, aM: u64, bSE: i32, bM: u64, nearest: bool): i32 {
  setC1(false);
  const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
  if (aC >= QNAN || bC >= QNAN) {
    propagateTwo(aSE, aM, aC, bSE, bM, bC);
    return 0;
  }
  if (aC == INFINITY || bC == ZERO) {
    setInvalid();
    return 0;
  }
  if ((aC == DENORMAL || bC == DENORMAL) && denormalStops()) return 0;
  if (aC == ZERO) {
    setResult(aSE, aM);
    return 0;
  }
  let sign = aSE >> 15;
  const aE = f80exponent(aSE, aM), d = f80significand(bM);
  let bE = f80exponent(bSE, bM);
  let r = f80significand(aM);
  let q: u64 = 0;
  let distance = aE - bE;
  if (bC == INFINITY || distance < -1) {
    roundPackBits(sign, aE, r, 0, 64);
    return 0;
  }
  let condition = 0;
  if (distance >= 64) {
    const step = 32 + (distance & 31);
    condition = 0x400;
    bE = aE - step;
    distance = step;
    nearest = false;
    // The quotient is a multiple of 2^(D - step): divide by b scaled up that far.
  }
  if (distance >= 0) {
    if (r >= d) {
      r -= d;
      q = 1;
    }
    for (let i = 0; i < distance; i++) {
      const carry = r >> 63;
      r <<= 1;
      q <<= 1;
      if (carry || r >= d) {
        r -= d;
        q |= 1;
      }
    }
    if (nearest) {
      const other = d - r;
      if (r > other || (r == other && q & 1)) {
        r = other;
        sign ^= 1;
        q++;
      }
    }
  } else if (nearest && r > d) {
    // a is between b/2 and b: the nearest multiple is b itself, and b - a = (2d - r) / 2.
    r = d - (r - d);
    sign ^= 1;
    q = 1;
    bE = aE;
  } else {
    bE = aE;
  }
  if (r == 0) {
    setResult(sign << 15, 0);
  } else {
    const n = i32(clz(r));
    roundPackBits(sign, bE - n, r << n, 0, 64);
  }
  if (condition) return condition;
  setC1((q & 1) != 0);
  return (i32(q & 4) << 6) | (i32(q & 2) << 13) | (i32(q & 1) << 9);
}

/** FSCALE: a * 2^trunc(b). */
export function f80scale(aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  setC1(false);
  const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
  if (aC >= QNAN || bC >= QNAN) return propagateTwo(aSE, aM, aC, bSE, bM, bC);
  const negative = (bSE & 0x8000) != 0;
  if (bC == INFINITY && aC == (negative ? INFINITY : ZERO)) return setInvalid();
  if ((aC == DENORMAL || bC == DENORMAL) && denormalStops()) return;
  const sign = aSE & 0x8000;
  if (bC == INFINITY) return negative ? setResult(sign, 0) : setResult(sign | 0x7fff, J_BIT);
  if (aC == INFINITY || aC == ZERO) return setResult(aSE, aM);
  const e = (bSE & 0x7fff) - 16383;
  let n = 0;
  if (e > 16) n = 0x20000;
  else if (e >= 0) n = i32(bM >> (63 - e));
  roundPackBits(sign >> 15, f80exponent(aSE, aM) + (negative ? -n : n), f80significand(aM), 0, 64);
}

/** FXTRACT, the exponent as a number (ST(1) afterwards). The significand comes from `f80significandOf`. */
export function f80exponentOf(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) return propagateOne(se, m, c);
  if (c == INFINITY) return setResult(0x7fff, m);
  if (c == ZERO) {
    raise(ZE);
    return setResult(0xffff, J_BIT);
  }
  if (c == DENORMAL && denormalStops()) return;
  const e = f80exponent(se, m) - 16383;
  if (e == 0) return setResult(0, 0);
  const magnitude = u64(e < 0 ? -e : e);
  const n = i32(clz(magnitude));
  setResult((e < 0 ? 0x8000 : 0) | (16383 + 63 - n), magnitude << n);
}

/** FXTRACT, the significand (ST(0) afterwards). */
export function f80significandOf(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) return propagateOne(se, m, c);
  if (c == ZERO) raise(ZE);
  if (c == INFINITY || c == ZERO) return setResult(se, m);
  if (c == DENORMAL && denormalStops()) return;
  setResult((se & 0x8000) | 16383, f80significand(m));
}

/** FRNDINT. */
export function f80rndint(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) return propagateOne(se, m, c);
  if (c == DENORMAL && denormalStops()) return;
  if (c == ZERO || c == INFINITY) return setResult(se, m);
  const sign = se >> 15;
  const e = f80exponent(se, m) - 16383;
  if (e >= 63) return setResult(se, m);
  if (e < 0) {
    const half: u64 = e == -1 ? f80significand(m) : 1;
    const up = roundsUp(rounding, sign, false, half);
    raise(PE);
    setC1(up);
    return up ? setResult((sign << 15) | 16383, J_BIT) : setResult(sign << 15, 0);
  }
  const rest = m << (e + 1);
  if (rest == 0) return setResult(se, m);
  const unit: u64 = 1 << u64(63 - e);
  const cut = m & (0 - unit);
  const up = roundsUp(rounding, sign, (cut & unit) != 0, rest);
  raise(PE);
  setC1(up);
  if (!up) return setResult(se, cut);
  const sum = cut + unit;
  if (sum == 0) setResult(se + 1, J_BIT);
  else setResult(se, sum);
}

/**
 * FCOM (quiet = false) and FUCOM (quiet = true). Returns CF = 1, PF = 4, ZF = 0x40 as FCOMI sets them;
 * shifted left by 8 they are C0, C2, C3 of the status word.
 */
export function f80compare(aSE: i32, aM: u64, bSE: i32, bM: u64, quiet: bool): i32 {
  setC1(false);
  const aC = f80class(aSE, aM), bC = f80class(bSE, bM);
  if (aC >= QNAN || bC >= QNAN) {
    if (!quiet || aC >= SNAN || bC >= SNAN) raise(IE);
    return 0x45;
  }
  if (aC == DENORMAL || bC == DENORMAL) denormalStops();
  if (aC == ZERO && bC == ZERO) return 0x40;
  const aS = aSE >> 15, bS = bSE >> 15;
  if (aC == ZERO) return bS ? 0 : 1;
  if (bC == ZERO || aS != bS) return aS ? 1 : 0;
  const aE = f80exponent(aSE, aM), bE = f80exponent(bSE, bM);
  const x = f80significand(aM), y = f80significand(bM);
  if (aE == bE && x == y) return 0x40;
  const less = aE < bE || (aE == bE && x < y);
  return i32(less != (aS != 0));
}

/** FTST: a against +0. */
export function f80test(se: i32, m: u64): i32 {
  return f80compare(se, m, 0, 0, false);
}

/**
 * FXAM: class and sign as C3, C2, C0 and C1 in status word positions ("Floating-Point Instructions", FXAM).
 */
export function f80examine(se: i32, m: u64): i32 {
  const c = f80class(se, m);
  const sign = (se & 0x8000) >> 6;
  if (c == ZERO) return sign | 0x4000;
  if (c == DENORMAL) return sign | 0x4400;
  if (c == NORMAL) return sign | 0x0400;
  if (c == INFINITY) return sign | 0x0500;
  return c == UNSUPPORTED ? sign : sign | 0x0100;
}
