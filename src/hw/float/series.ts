/**
 * Numbers with a 128-bit significand for the transcendental functions: kHi:kLo with bit 127 set, worth
 * kHi:kLo / 2^127 * 2^(kExp - 16383), and series and quotients of them.
 */
import { clz128, divFraction, mulHigh128, setWide, shiftLeft, shiftRightJam, wHi, wLo } from "./wide";

export let kExp: i32 = 0;
export let kHi: u64 = 0;
export let kLo: u64 = 0;

/** Set the number from a non-zero magnitude whose bit 127 is worth 2^(exp - 16383), normalising it. */
export function normalise(exp: i32, hi: u64, lo: u64): void {
  const n = clz128(hi, lo);
  shiftLeft(hi, lo, n & 127);
  kHi = wHi;
  kLo = wLo;
  kExp = exp - n;
}

/** wHi:wLo = the number as a fraction of 2^point: for point = 0 all 128 bits are below one. */
export function toFixed(point: i32): void {
  shiftRightJam(kHi, kLo, 16382 + point - kExp);
}

/**
 * wHi:wLo = c0 -+ y (c1 -+ y (c2 ...)), alternating when `minus`; every partial sum is between zero and
 * one.
 */
export function series(table: usize, terms: i32, yHi: u64, yLo: u64, minus: bool): void {
  let at = table + (usize(terms - 1) << 4);
  let hi = load<u64>(at), lo = load<u64>(at, 8);
  while (at > table) {
    at -= 16;
    mulHigh128(hi, lo, yHi, yLo);
    const cHi = load<u64>(at), cLo = load<u64>(at, 8);
    if (minus) {
      lo = cLo - wLo;
      hi = cHi - wHi - u64(cLo < wLo);
    } else {
      lo = cLo + wLo;
      hi = cHi + wHi + u64(lo < cLo);
    }
  }
  setWide(hi, lo);
}

/** The number times a fraction hi:lo of one. */
export function scaleBy(hi: u64, lo: u64): void {
  mulHigh128(kHi, kLo, hi, lo);
  normalise(kExp, wHi, wLo);
}

/** The number = n / d, both normalised with their exponents. */
export function quotient(nExp: i32, nHi: u64, nLo: u64, dExp: i32, dHi: u64, dLo: u64): void {
  let exp = nExp - dExp + 16382;
  if (nHi > dHi || (nHi == dHi && nLo >= dLo)) {
    shiftRightJam(nHi, nLo, 1);
    nHi = wHi;
    nLo = wLo;
    exp++;
  }
  divFraction(nHi, nLo, dHi, dLo);
  normalise(exp, wHi, wLo);
}

/**
 * The number x becomes x (1 -+ y table(-+y)) with y = x^2, for |x| < 1: the shape of sin, atan (minus) and
 * atanh. A fraction that rounds to one leaves x as it is.
 */
export function oddSeries(table: usize, terms: i32, minus: bool): void {
  toFixed(0);
  mulHigh128(wHi, wLo, wHi, wLo);
  const yHi = wHi, yLo = wLo;
  series(table, terms, yHi, yLo, minus);
  mulHigh128(wHi, wLo, yHi, yLo);
  if ((wHi | wLo) == 0) return;
  if (minus) return scaleBy(~wHi + u64(wLo == 0), 0 - wLo);
  mulHigh128(kHi, kLo, wHi, wLo);
  const lo = kLo + wLo;
  const carry = u64(lo < kLo);
  const hi = kHi + wHi + carry;
  if (hi < kHi) {
    kExp++;
    kLo = (lo >> 1) | (hi << 63);
    kHi = (hi >> 1) | 0x8000000000000000;
  } else {
    kHi = hi;
    kLo = lo;
  }
}
