/**
 * FSIN, FCOS, FSINCOS, FPTAN and FPATAN. "Approximation of Pi" and the operand tables of each instruction.
 */
import {
  DENORMAL, denormalStops, f80class, f80exponent, f80significand, INFINITY, J_BIT, propagateOne,
  propagateTwo, QNAN, setInvalid, setResult, ZERO,
} from "./f80-core";
import { setC1 } from "./status";
import { clz128, mulHigh128, shiftLeft, wHi, wLo } from "./wide";
import { kExp, kHi, kLo, normalise, oddSeries, quotient, series, toFixed } from "./series";
import {
  ATAN_AT, COS, HALF_PI_HI, HALF_PI_LO, ODD, PI_HI, PI_LO, QUARTER_PI_HI, QUARTER_PI_LO, SIN,
  THREE_QUARTER_PI_HI, THREE_QUARTER_PI_LO,
} from "./transcendental-tables";
import { finish, finishNear } from "./f80-transcendental";

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

/**
 * FPTAN, the tangent; returns true for C2. The caller pushes 1.0 (0x3fff:0x8000000000000000), or the NaN
 * again.
 */
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
    if (left) return angle(sign, THREE_QUARTER_PI_HI, THREE_QUARTER_PI_LO);
    return angle(sign, QUARTER_PI_HI, QUARTER_PI_LO);
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
