/**
 * FYL2X, FYL2XP1 and F2XM1. The operand tables of each instruction.
 */
import {
  DENORMAL, denormalStops, f80class, f80exponent, f80significand, INFINITY, J_BIT, propagateOne,
  propagateTwo, QNAN, setInvalid, setResult, ZERO,
} from "./f80-core";
import { PE, raise, setC1, ZE } from "./status";
import { clz128, mulHigh128, shiftLeft, shiftRightJam, wHi, wLo } from "./wide";
import { kExp, kHi, kLo, normalise, oddSeries, quotient, scaleBy, series, toFixed } from "./series";
import {
  EXP, EXP2_AT, LN2_HI, LN2_LO, LOG2_AT, ODD, TWO_OVER_LN2_HI, TWO_OVER_LN2_LO,
} from "./transcendental-tables";
import { finish, finishNear } from "./f80-transcendental";

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
    if (e > 16383 || x != J_BIT) {
      raise(PE);
      return setResult(se, m);
    }
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
