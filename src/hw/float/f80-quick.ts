/**
 * Addition, multiplication and division of the x87 for normal numbers and zeros, rounded to nearest and to 64 bits.
 * Each returns false for what needs an exception other than PE; otherwise qSE:qM is the result and qFlags has
 * PE and C1 in status word positions.
 */
import { clz128, div128, mul64, shiftLeft, shiftRightJam, wHi, wLo } from "./wide";

export let qSE: u32 = 0;
export let qM: u64 = 0;
export let qFlags: u32 = 0;

const J_BIT: u64 = 0x8000000000000000;
const INEXACT: u32 = 0x20;
const INEXACT_UP: u32 = 0x220;

function exactly(se: u32, m: u64): bool {
  qSE = se;
  qM = m;
  qFlags = 0;
  return true;
}
/** Round hi:lo, bit 63 of hi set, lo ending in a sticky bit. */
function rounded(sign: u32, e: i32, hi: u64, lo: u64): bool {
  if (<u32>(e - 1) >= 0x7ffd) return false;
  let flags: u32 = 0;
  if (lo) {
    flags = INEXACT;
    if (lo > J_BIT || (lo == J_BIT && (hi & 1))) {
      flags = INEXACT_UP;
      if (++hi == 0) {
        hi = J_BIT;
        e++;
      }
    }
  }
  qSE = sign | <u32>e;
  qM = hi;
  qFlags = flags;
  return true;
}

/** a + b. */
export function add80(aSE: u32, aM: u64, bSE: u32, bM: u64): bool {
  if (!bM) return aM ? exactly(aSE, aM) : exactly(aSE & bSE, 0);
  if (!aM) return exactly(bSE, bM);
  let aE = <i32>(aSE & 0x7fff), bE = <i32>(bSE & 0x7fff), sign = aSE & 0x8000;
  const differ = (aSE ^ bSE) & 0x8000;
  if (aE < bE || (aE == bE && aM < bM)) {
    const e = aE, m = aM;
    aE = bE; aM = bM;
    bE = e; bM = m;
    sign ^= differ;
  }
  shiftRightJam(bM, 0, aE - bE);
  const hi = wHi, lo = wLo;
  if (!differ) {
    const sum = aM + hi;
    return sum < aM ? rounded(sign, aE + 1, (sum >> 1) | J_BIT, (sum << 63) | (lo >> 1) | (lo & 1)) : rounded(sign, aE, sum, lo);
  }
  const dLo = 0 - lo, dHi = aM - hi - u64(lo != 0);
  if (!(dHi | dLo)) return exactly(0, 0);
  const n = clz128(dHi, dLo);
  shiftLeft(dHi, dLo, n);
  return rounded(sign, aE - n, wHi, wLo);
}

/** a * b. */
export function mul80(aSE: u32, aM: u64, bSE: u32, bM: u64): bool {
  const sign = (aSE ^ bSE) & 0x8000;
  if (!aM || !bM) return exactly(sign, 0);
  mul64(aM, bM);
  const e = <i32>(aSE & 0x7fff) + <i32>(bSE & 0x7fff) - 16382, hi = wHi, lo = wLo;
  return <i64>hi < 0 ? rounded(sign, e, hi, lo) : rounded(sign, e - 1, (hi << 1) | (lo >> 63), lo << 1);
}

/** a / b. */
export function div80(aSE: u32, aM: u64, bSE: u32, bM: u64): bool {
  if (!bM) return false;
  const sign = (aSE ^ bSE) & 0x8000;
  if (!aM) return exactly(sign, 0);
  const e = <i32>(aSE & 0x7fff) - <i32>(bSE & 0x7fff) + 16383, less = aM < bM;
  const q = div128(less ? aM : aM >> 1, less ? 0 : aM << 63, bM), rest = wLo, other = bM - rest;
  const lo: u64 = rest == 0 ? 0 : rest < other ? 1 : rest == other ? J_BIT : J_BIT | 1;
  return rounded(sign, less ? e - 1 : e, q, lo);
}
