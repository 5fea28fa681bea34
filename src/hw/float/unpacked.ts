/**
 * Arithmetic on unpacked numbers, shared by the x87 and the SSE library.
 *
 * A non-zero magnitude is  m * 2^(e - 16383 - 63)  with bit 63 of m set: e is the biased exponent of the
 * 80-bit format, unbounded. Results are uSign, uExp, uHi:uLo with a further word of fraction whose bit 0 is
 * sticky, so that one rounding at the end is exact. A result of exactly zero has uHi = 0.
 */
import { div128, mul64, setWide, shiftLeft, shiftRightJam, clz128, wHi, wLo } from "./wide";

export let uSign: i32 = 0;
export let uExp: i32 = 0;
export let uHi: u64 = 0;
export let uLo: u64 = 0;

/** Set the unpacked result. */
export function setUnpacked(sign: i32, exp: i32, hi: u64, lo: u64): void {
  uSign = sign;
  uExp = exp;
  uHi = hi;
  uLo = lo;
}

/** Sum of two non-zero numbers; uHi = 0 when they cancel. */
export function addUnpacked(aS: i32, aE: i32, aM: u64, bS: i32, bE: i32, bM: u64): void {
  if (aE < bE || (aE == bE && aM < bM)) {
    const s = aS, e = aE, m = aM;
    aS = bS; aE = bE; aM = bM;
    bS = s; bE = e; bM = m;
  }
  uSign = aS;
  shiftRightJam(bM, 0, aE - bE);
  const hi = wHi, lo = wLo;
  if (aS == bS) {
    const sum = aM + hi;
    if (sum < aM) {
      uHi = (sum >> 1) | 0x8000000000000000;
      uLo = (sum << 63) | (lo >> 1) | (lo & 1);
      uExp = aE + 1;
    } else {
      uHi = sum;
      uLo = lo;
      uExp = aE;
    }
    return;
  }
  const dLo = 0 - lo;
  const dHi = aM - hi - u64(lo != 0);
  if ((dHi | dLo) == 0) {
    uHi = uLo = 0;
    return;
  }
  const n = clz128(dHi, dLo);
  shiftLeft(dHi, dLo, n);
  uHi = wHi;
  uLo = wLo;
  uExp = aE - n;
}

/** Product of two non-zero numbers. */
export function mulUnpacked(aS: i32, aE: i32, aM: u64, bS: i32, bE: i32, bM: u64): void {
  mul64(aM, bM);
  uSign = aS ^ bS;
  uExp = aE + bE - 16382;
  if (wHi >> 63) {
    uHi = wHi;
    uLo = wLo;
  } else {
    uHi = (wHi << 1) | (wLo >> 63);
    uLo = wLo << 1;
    uExp--;
  }
}

/** Half-and-sticky word of a quotient whose last step left `rest` of `d`. */
@inline
function fractionOf(rest: u64, d: u64): u64 {
  if (rest == 0) return 0;
  const other = d - rest;
  return rest < other ? 1 : rest == other ? 0x8000000000000000 : 0x8000000000000001;
}

/** Quotient of two non-zero numbers. */
export function divUnpacked(aS: i32, aE: i32, aM: u64, bS: i32, bE: i32, bM: u64): void {
  uSign = aS ^ bS;
  uExp = aE - bE + 16383;
  if (aM < bM) {
    uExp--;
    uHi = div128(aM, 0, bM);
  } else {
    uHi = div128(aM >> 1, aM << 63, bM);
  }
  uLo = fractionOf(wLo, bM);
}

/** Square root of a positive number. */
export function sqrtUnpacked(e: i32, m: u64): void {
  // The root of an even power of two times n, 2^126 <= n < 2^128, is a 64-bit integer q with its top bit set.
  const odd = (e - 16383) & 1;
  const nHi = odd ? m : m >> 1;
  const nLo = odd ? 0 : m << 63;
  uSign = 0;
  uExp = ((e - 16383 - odd) >> 1) + 16383;
  // The hardware root of the upper word is right to about 50 bits; made slightly too large, one Newton step
  // from above gives q or q + 1.
  const guess = sqrt<f64>(<f64>(nHi >> 1) * 2.0) * 4294967296.0 + 65536.0;
  let q: u64 = guess >= 18446744073709551615.0 ? 0xffffffffffffffff : <u64>guess;
  if (q > nHi) {
    const quotient = div128(nHi, nLo, q);
    q = (q >> 1) + (quotient >> 1) + ((q & quotient) & 1);
  }
  mul64(q, q);
  while (wHi > nHi || (wHi == nHi && wLo > nLo)) {
    q--;
    mul64(q, q);
  }
  const restLo = nLo - wLo;
  const restHi = nHi - wHi - u64(nLo < wLo);
  uHi = q;
  uLo = restHi || restLo > q ? 0x8000000000000001 : u64(restLo != 0);
  setWide(restHi, restLo);
}
