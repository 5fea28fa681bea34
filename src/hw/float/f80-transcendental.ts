/**
 * The x87 transcendental instructions, within one unit of the 64-bit significand: 128-bit fixed point, tables at
 * sixteenths, Taylor series on what is left. They ignore precision control and round by RC; C1 of real processors is
 * not reproduced. "Transcendental Instructions", "Approximation of Pi", and the operand tables of each instruction.
 */
import {
  DENORMAL, denormalStops, f80class, f80exponent, f80significand, INFINITY, J_BIT, propagateOne, propagateTwo, QNAN, rSE,
  roundPackBits, setInvalid, setResult, ZERO,
} from "./f80-core";
import { mask, PE, raise, setC1, UE, ZE } from "./status";
import { clz128, mulHigh128, shiftLeft, shiftRightJam, wHi, wLo } from "./wide";
import { kExp, kHi, kLo, normalise, oddSeries, quotient, scaleBy, series, toFixed } from "./series";
import {
  ATAN_AT, COS, EXP, EXP2_AT, HALF_PI_HI, HALF_PI_LO, LN2_HI, LN2_LO, LOG2_AT, ODD, PI_HI, PI_LO, QUARTER_PI_HI,
  QUARTER_PI_LO, SIN, THREE_QUARTER_PI_HI, THREE_QUARTER_PI_LO, TWO_OVER_LN2_HI, TWO_OVER_LN2_LO,
} from "./transcendental-tables";

/** Round the number to 64 bits as an inexact result. */
function finish(sign: i32): void {
  raise(PE);
  roundPackBits(sign, kExp, kHi, kLo | 1, 64);
}

/**
 * Round a number that may be exact. Hardware calls these results inexact always, so a denormal one is an underflow.
 */
function finishNear(sign: i32): void {
  raise(PE);
  roundPackBits(sign, kExp, kHi, kLo, 64);
  if ((rSE & 0x7fff) == 0 && (mask & UE)) raise(UE);
}

// ---- FSIN, FCOS, FSINCOS, FPTAN ----

/** pi/2 in units of 2^-65: the 66 bits of pi that "Approximation of Pi" gives for argument reduction. */
const PI66_HI: u64 = 3;
const PI66_LO: u64 = 0x243f6a8885a308d3;

let quadrant: i32 = 0;
let reducedSign: i32 = 0;
let reducedExp: i32 = 0;
let reducedHi: u64 = 0;
let reducedLo: u64 = 0;

/** |x| = quadrant * pi/2 + reduced, |reduced| <= pi/4, exact for the 66-bit pi. */
function reduce(e: i32, m: u64): void {
  quadrant = 0;
  reducedSign = 0;
  if (e < 16382) {
    reducedExp = e;
    reducedHi = m;
    reducedLo = 0;
    return;
  }
  let hi: u64 = 0, lo = m;
  for (let i = e - 16381; i > 0; i--) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    quadrant <<= 1;
    if (hi > PI66_HI || (hi == PI66_HI && lo >= PI66_LO)) {
      hi = hi - PI66_HI - u64(lo < PI66_LO);
      lo -= PI66_LO;
      quadrant |= 1;
    }
  }
  const restLo = PI66_LO - lo;
  const restHi = PI66_HI - hi - u64(PI66_LO < lo);
  if (hi > restHi || (hi == restHi && lo > restLo)) {
    hi = restHi;
    lo = restLo;
    quadrant++;
    reducedSign = 1;
  }
  normalise(16383 + 62, hi, lo);
  reducedExp = kExp;
  reducedHi = kHi;
  reducedLo = kLo;
}

/** The number = sin |reduced|. */
function sinOfReduced(): void {
  normalise(reducedExp, reducedHi, reducedLo);
  oddSeries(SIN, 12, true);
}

/** The number = cos(reduced). */
function cosOfReduced(): void {
  normalise(reducedExp, reducedHi, reducedLo);
  toFixed(0);
  mulHigh128(wHi, wLo, wHi, wLo);
  const yHi = wHi, yLo = wLo;
  series(COS, 13, yHi, yLo, true);
  mulHigh128(wHi, wLo, yHi, yLo);
  if ((wHi | wLo) == 0) normalise(16383, J_BIT, 0);
  else normalise(16382, ~wHi + u64(wLo == 0), 0 - wLo);
}

/** Specials of the four; true when the result (or the refusal) is decided. */
function trigSpecial(se: i32, m: u64, cosine: bool): bool {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) propagateOne(se, m, c);
  else if (c == INFINITY) setInvalid();
  else if (c == ZERO) {
    if (cosine) setResult(16383, J_BIT);
    else setResult(se, m);
  } else return c == DENORMAL && denormalStops();
  return true;
}

/** |x| >= 2^63: the instruction sets C2 and leaves its operand. */
// @ts-ignore: decorator
@inline
function outOfRange(se: i32, m: u64): bool {
  const e = se & 0x7fff;
  return e >= 16383 + 63 && e < 0x7fff && (m & J_BIT) != 0;
}

/** FSIN; returns true for C2 (operand out of range, rSE:rM = operand). FSINCOS is this and `f80cos`. */
export function f80sin(se: i32, m: u64): bool {
  if (outOfRange(se, m)) {
    setC1(false);
    setResult(se, m);
    return true;
  }
  if (trigSpecial(se, m, false)) return false;
  reduce(f80exponent(se, m), f80significand(m));
  const sign = (se >> 15) ^ ((quadrant >> 1) & 1);
  if (quadrant & 1) {
    cosOfReduced();
    finish(sign);
  } else {
    sinOfReduced();
    finish(sign ^ reducedSign);
  }
  return false;
}

/** FCOS; returns true for C2. */
export function f80cos(se: i32, m: u64): bool {
  if (outOfRange(se, m)) {
    setC1(false);
    setResult(se, m);
    return true;
  }
  if (trigSpecial(se, m, true)) return false;
  reduce(f80exponent(se, m), f80significand(m));
  const sign = ((quadrant + 1) >> 1) & 1;
  if (quadrant & 1) {
    sinOfReduced();
    finish(sign ^ reducedSign);
  } else {
    cosOfReduced();
    finish(sign);
  }
  return false;
}

/** FPTAN, the tangent; returns true for C2. The caller pushes 1.0 (0x3fff:0x8000000000000000), or the NaN again. */
export function f80tan(se: i32, m: u64): bool {
  if (outOfRange(se, m)) {
    setC1(false);
    setResult(se, m);
    return true;
  }
  if (trigSpecial(se, m, false)) return false;
  reduce(f80exponent(se, m), f80significand(m));
  const odd = quadrant & 1;
  sinOfReduced();
  const sExp = kExp, sHi = kHi, sLo = kLo;
  cosOfReduced();
  if (odd) quotient(kExp, kHi, kLo, sExp, sHi, sLo);
  else quotient(sExp, sHi, sLo, kExp, kHi, kLo);
  finish((se >> 15) ^ reducedSign ^ odd);
  return false;
}

// ---- FPATAN ----

function angle(sign: i32, hi: u64, lo: u64): void {
  normalise(16384, hi, lo);
  finish(sign);
}

/** The number = atan(s / b) for 0 < s <= b. */
function atanOfRatio(sExp: i32, s: u64, bExp: i32, b: u64): void {
  const distance = bExp - sExp;
  let i = 0;
  if (distance < 6) i = i32(f64(s) / f64(b) * 16.0 / f64(1 << distance) + 0.5);
  if (i == 0) {
    quotient(sExp, s, 0, bExp, b, 0);
    return oddSeries(ODD, 9, true);
  }
  // atan(s/b) = atan(i/16) + atan((16 s - i b) / (16 b + i s)); the terms are exact integers below 2^75.
  shiftLeft(0, b, distance);
  const bHi = wHi, bLo = wLo;
  const isLo = u64(i) * s;
  const ibHi = bHi * u64(i) + ((u64(i) * (bLo >> 32) + ((u64(i) * (bLo & 0xffffffff)) >> 32)) >> 32);
  const ibLo = bLo * u64(i);
  const isHiFull = (u64(i) * (s >> 32) + ((u64(i) * (s & 0xffffffff)) >> 32)) >> 32;
  const dLo0 = bLo << 4;
  const dLo = dLo0 + isLo;
  const dHi = ((bHi << 4) | (bLo >> 60)) + isHiFull + u64(dLo < dLo0);
  const sLo = s << 4, sHi = s >> 60;
  let nLo = sLo - ibLo;
  let nHi = sHi - ibHi - u64(sLo < ibLo);
  const below = i64(nHi) < 0;
  if (below) {
    nHi = ~nHi + u64(nLo == 0);
    nLo = 0 - nLo;
  }
  const at = ATAN_AT + (usize(i) << 4);
  let hi = load<u64>(at), lo = load<u64>(at, 8);
  if (nHi | nLo) {
    const nShift = clz128(nHi, nLo);
    shiftLeft(nHi, nLo, nShift);
    nHi = wHi;
    nLo = wLo;
    const dShift = clz128(dHi, dLo);
    shiftLeft(dHi, dLo, dShift);
    quotient(16383 - nShift, nHi, nLo, 16383 - dShift, wHi, wLo);
    oddSeries(ODD, 9, true);
    toFixed(0);
    if (below) {
      const t = lo - wLo;
      hi = hi - wHi - u64(lo < wLo);
      lo = t;
    } else {
      lo += wLo;
      hi += wHi + u64(lo < wLo);
    }
  }
  normalise(16382, hi, lo);
}

/** FPATAN: the angle of the point (x = ST(0), y = ST(1)). */
export function f80patan(xSE: i32, xM: u64, ySE: i32, yM: u64): void {
  setC1(false);
  const xC = f80class(xSE, xM), yC = f80class(ySE, yM);
  if (xC >= QNAN || yC >= QNAN) return propagateTwo(xSE, xM, xC, ySE, yM, yC);
  if ((xC == DENORMAL || yC == DENORMAL) && denormalStops()) return;
  const sign = ySE >> 15;
  const left = (xSE & 0x8000) != 0;
  if (yC == INFINITY) {
    if (xC != INFINITY) return angle(sign, HALF_PI_HI, HALF_PI_LO);
    return left ? angle(sign, THREE_QUARTER_PI_HI, THREE_QUARTER_PI_LO) : angle(sign, QUARTER_PI_HI, QUARTER_PI_LO);
  }
  if (yC == ZERO || xC == INFINITY) return left ? angle(sign, PI_HI, PI_LO) : setResult(ySE & 0x8000, 0);
  if (xC == ZERO) return angle(sign, HALF_PI_HI, HALF_PI_LO);
  const xE = f80exponent(xSE, xM), yE = f80exponent(ySE, yM);
  const x = f80significand(xM), y = f80significand(yM);
  const steep = yE > xE || (yE == xE && y > x);
  if (steep) atanOfRatio(xE, x, yE, y);
  else atanOfRatio(yE, y, xE, x);
  if (!steep && !left) {
    return finishNear(sign);
  }
  toFixed(2);
  const baseHi = steep ? HALF_PI_HI : PI_HI, baseLo = steep ? HALF_PI_LO : PI_LO;
  if (steep && left) {
    const lo = baseLo + wLo;
    angle(sign, baseHi + wHi + u64(lo < wLo), lo);
  } else {
    angle(sign, baseHi - wHi - u64(baseLo < wLo), baseLo - wLo);
  }
}

// ---- FYL2X, FYL2XP1 ----

let logSign: i32 = 0;

/** The number and logSign = log2(hi:lo / 2^127 * 2^k), 1 <= hi:lo / 2^127 < 2; false when it is zero. */
function log2Of(hi: u64, lo: u64, k: i32): bool {
  // 16 v with 122 fraction bits, v brought to [1/sqrt 2, sqrt 2).
  const upper = hi >= 0xb504f333f9de6484;
  if (upper) k++;
  shiftRightJam(hi, lo, upper ? 2 : 1);
  const vHi = wHi, vLo = wLo;
  let i = u64((vHi + (<u64>1 << 57)) >> 58);
  if (i < 11) i = 11;
  if (i > 23) i = 23;
  let nHi = vHi - (i << 58), nLo = vLo;
  const below = i64(nHi) < 0;
  if (below) {
    nHi = ~nHi + u64(nLo == 0);
    nLo = 0 - nLo;
  }
  const none = (nHi | nLo) == 0;
  if (!none) {
    // log2(16 v / i) = 2/ln 2 * atanh((16 v - i) / (16 v + i)).
    const nShift = clz128(nHi, nLo);
    shiftLeft(nHi, nLo, nShift);
    nHi = wHi;
    nLo = wLo;
    const dHi = vHi + (i << 58);
    const dShift = clz128(dHi, vLo);
    shiftLeft(dHi, vLo, dShift);
    quotient(16383 - nShift, nHi, nLo, 16383 - dShift, wHi, wLo);
    oddSeries(ODD, 9, false);
    timesTwoOverLn2();
  }
  if (i == 16 && k == 0) {
    logSign = i32(below);
    return !none;
  }
  const at = LOG2_AT + ((usize(i) - 11) << 4);
  let sumHi = load<u64>(at) + (u64(i64(k)) << 48), sumLo = load<u64>(at, 8);
  if (!none) {
    toFixed(16);
    if (below) {
      const t = sumLo - wLo;
      sumHi = sumHi - wHi - u64(sumLo < wLo);
      sumLo = t;
    } else {
      sumLo += wLo;
      sumHi += wHi + u64(sumLo < wLo);
    }
  }
  logSign = i32(sumHi >> 63);
  if (logSign) {
    sumHi = ~sumHi + u64(sumLo == 0);
    sumLo = 0 - sumLo;
  }
  normalise(16383 + 15, sumHi, sumLo);
  return true;
}

function timesTwoOverLn2(): void {
  mulHigh128(kHi, kLo, TWO_OVER_LN2_HI, TWO_OVER_LN2_LO);
  normalise(kExp + 2, wHi, wLo);
}

/** Result = the number times y, whose sign bit is in `sign` already. */
function timesY(sign: i32, ySE: i32, yM: u64): void {
  const exp = kExp + f80exponent(ySE, yM) - 16382;
  mulHigh128(kHi, kLo, f80significand(yM), 0);
  normalise(exp, wHi, wLo);
  finishNear(sign);
}

/** FYL2X: ST(1) * log2(ST(0)) for x = ST(0), y = ST(1). */
export function f80yl2x(xSE: i32, xM: u64, ySE: i32, yM: u64): void {
  setC1(false);
  const xC = f80class(xSE, xM), yC = f80class(ySE, yM);
  if (xC >= QNAN || yC >= QNAN) return propagateTwo(xSE, xM, xC, ySE, yM, yC);
  const ySign = ySE & 0x8000;
  if (xC != ZERO && xSE & 0x8000) return setInvalid();
  if (xC == ZERO) {
    if (yC == ZERO) return setInvalid();
    if (yC != INFINITY) raise(ZE);
    return setResult(0x7fff | (ySign ^ 0x8000), J_BIT);
  }
  const isOne = xSE == 16383 && xM == J_BIT;
  if ((xC == INFINITY && yC == ZERO) || (yC == INFINITY && isOne)) return setInvalid();
  if ((xC == DENORMAL || yC == DENORMAL) && denormalStops()) return;
  const flip = xSE < 16383 ? 0x8000 : 0;
  if (xC == INFINITY || yC == INFINITY) return setResult(0x7fff | (ySign ^ flip), J_BIT);
  if (yC == ZERO) return setResult(ySign ^ flip, 0);
  if (!log2Of(f80significand(xM), 0, f80exponent(xSE, xM) - 16383)) return setResult(ySign, 0);
  timesY((ySE >> 15) ^ logSign, ySE, yM);
}

/** FYL2XP1: ST(1) * log2(ST(0) + 1). Defined for |x| < 1 - sqrt(1/2); here right for every x > -1. */
export function f80yl2xp1(xSE: i32, xM: u64, ySE: i32, yM: u64): void {
  setC1(false);
  const xC = f80class(xSE, xM), yC = f80class(ySE, yM);
  if (xC >= QNAN || yC >= QNAN) return propagateTwo(xSE, xM, xC, ySE, yM, yC);
  const sign = (xSE ^ ySE) & 0x8000;
  const negative = (xSE & 0x8000) != 0;
  if ((xC == ZERO && yC == INFINITY) || (xC == INFINITY && (negative || yC == ZERO))) return setInvalid();
  if ((xC == DENORMAL || yC == DENORMAL) && denormalStops()) return;
  const e = xC == ZERO || xC == INFINITY ? 0 : f80exponent(xSE, xM);
  if (negative && e >= 16383) return setInvalid();
  if (xC == INFINITY || yC == INFINITY) return setResult(0x7fff | sign, J_BIT);
  if (xC == ZERO || yC == ZERO) return setResult(sign, 0);
  const x = f80significand(xM);
  if (e < 16383 - 5) {
    // log2(1 + x) = 2/ln 2 * atanh(x / (2 + x)) keeps every digit of a small x.
    shiftRightJam(x, 0, 16383 + 1 - e);
    let dHi = wHi, dLo = wLo, dExp = 16384;
    if (negative) {
      dHi = J_BIT - wHi - u64(wLo != 0);
      dLo = 0 - wLo;
      const n = clz128(dHi, dLo);
      shiftLeft(dHi, dLo, n);
      dHi = wHi;
      dLo = wLo;
      dExp -= n;
    } else dHi |= J_BIT;
    quotient(e, x, 0, dExp, dHi, dLo);
    oddSeries(ODD, 9, false);
    timesTwoOverLn2();
    return timesY(sign >> 15, ySE, yM);
  }
  // 1 + x as a normalised 128-bit number.
  let hi: u64, lo: u64, top: i32;
  if (e >= 16383) {
    top = e;
    shiftRightJam(J_BIT, 0, e - 16383);
    lo = wLo;
    hi = x + wHi;
    if (hi < x) {
      lo = (lo >> 1) | (hi << 63);
      hi = (hi >> 1) | J_BIT;
      top++;
    }
  } else {
    top = 16383;
    shiftRightJam(x, 0, 16383 - e);
    if (negative) {
      hi = J_BIT - wHi - u64(wLo != 0);
      lo = 0 - wLo;
      const n = clz128(hi, lo);
      shiftLeft(hi, lo, n);
      hi = wHi;
      lo = wLo;
      top -= n;
    } else {
      hi = J_BIT + wHi;
      lo = wLo;
    }
  }
  if (!log2Of(hi, lo, top - 16383)) return setResult(sign, 0);
  timesY((ySE >> 15) ^ logSign, ySE, yM);
}

// ---- F2XM1 ----

/** F2XM1: 2^x - 1 for |x| <= 1. Beyond, where the result is undefined, x is returned unchanged. */
export function f80f2xm1(se: i32, m: u64): void {
  setC1(false);
  const c = f80class(se, m);
  if (c >= QNAN) return propagateOne(se, m, c);
  const negative = (se & 0x8000) != 0;
  if (c == INFINITY) return negative ? setResult(0xbfff, J_BIT) : setResult(se, m);
  if (c == ZERO) return setResult(se, m);
  if (c == DENORMAL && denormalStops()) return;
  const e = f80exponent(se, m);
  const x = f80significand(m);
  if (e >= 16383) {
    if (e > 16383 || x != J_BIT) return setResult(se, m);
    return negative ? setResult(0xbffe, J_BIT) : setResult(se, m);
  }
  normalise(e, x, 0);
  toFixed(0);
  const i = i32((wHi + (<u64>1 << 59) >= wHi ? (wHi + (<u64>1 << 59)) >> 60 : 16));
  let below = negative;
  if (i) {
    let hi = i == 16 ? wHi : wHi - (u64(i) << 60), lo = wLo;
    if (i64(hi) < 0) {
      hi = ~hi + u64(lo == 0);
      lo = 0 - lo;
      below = !below;
    }
    if ((hi | lo) == 0) return exp2Sum(negative ? -i : i, 0, 0, false);
    normalise(16382, hi, lo);
  }
  toFixed(0);
  const tHi = wHi, tLo = wLo;
  series(EXP, 12, tHi, tLo, below);
  mulHigh128(wHi, wLo, tHi, tLo);
  if (below) scaleBy(LN2_HI - wHi - u64(LN2_LO < wLo), LN2_LO - wLo);
  else scaleBy(LN2_HI + wHi + u64(LN2_LO + wLo < wLo), LN2_LO + wLo);
  if (i == 0) {
    return finishNear(se >> 15);
  }
  toFixed(0);
  exp2Sum(negative ? -i : i, wHi, wLo, below);
}

/** Result = 2^(i/16) (1 -+ u) - 1. */
function exp2Sum(i: i32, uHi: u64, uLo: u64, minus: bool): void {
  const at = EXP2_AT + (usize(i + 16) << 4);
  let hi = load<u64>(at), lo = load<u64>(at, 8);
  mulHigh128(hi, lo, uHi, uLo);
  if (minus) {
    const t = lo - wLo;
    hi = hi - wHi - u64(lo < wLo);
    lo = t;
  } else {
    lo += wLo;
    hi += wHi + u64(lo < wLo);
  }
  hi -= <u64>1 << 62;
  const sign = i32(hi >> 63);
  if (sign) {
    hi = ~hi + u64(lo == 0);
    lo = 0 - lo;
  }
  normalise(16384, hi, lo);
  finish(sign);
}
