/**
 * 128-bit unsigned arithmetic for the numeric libraries. Results of two words go to `wHi:wLo`.
 */

/** The two words of the last result. */
export let wHi: u64 = 0;
export let wLo: u64 = 0;

@inline
export function setWide(hi: u64, lo: u64): void {
  wHi = hi;
  wLo = lo;
}

/** wHi:wLo = a * b. */
export function mul64(a: u64, b: u64): void {
  const al = a & 0xffffffff, ah = a >> 32;
  const bl = b & 0xffffffff, bh = b >> 32;
  const ll = al * bl;
  const m1 = ah * bl + (ll >> 32);
  const m2 = al * bh + (m1 & 0xffffffff);
  wHi = ah * bh + (m1 >> 32) + (m2 >> 32);
  wLo = (m2 << 32) | (ll & 0xffffffff);
}

/** High word of a * b. */
export function mulHigh64(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32;
  const bl = b & 0xffffffff, bh = b >> 32;
  const m1 = ah * bl + ((al * bl) >> 32);
  const m2 = al * bh + (m1 & 0xffffffff);
  return ah * bh + (m1 >> 32) + (m2 >> 32);
}

/** wHi:wLo = hi:lo >> n, every bit shifted out ored into bit 0. */
export function shiftRightJam(hi: u64, lo: u64, n: i32): void {
  if (n <= 0) return setWide(hi, lo);
  if (n < 64) {
    const lost = lo << (64 - n);
    return setWide(hi >> n, (hi << (64 - n)) | (lo >> n) | u64(lost != 0));
  }
  if (n == 64) return setWide(0, hi | u64(lo != 0));
  if (n < 128) {
    const lost = (hi << (128 - n)) | lo;
    return setWide(0, (hi >> (n - 64)) | u64(lost != 0));
  }
  setWide(0, u64((hi | lo) != 0));
}

/** wHi:wLo = hi:lo << n, 0 <= n < 128. */
export function shiftLeft(hi: u64, lo: u64, n: i32): void {
  if (n == 0) setWide(hi, lo);
  else if (n < 64) setWide((hi << n) | (lo >> (64 - n)), lo << n);
  else setWide(lo << (n - 64), 0);
}

/** Number of leading zero bits of hi:lo, 128 for zero. */
@inline
export function clz128(hi: u64, lo: u64): i32 {
  return hi ? i32(clz(hi)) : 64 + i32(clz(lo));
}

/** One 32-bit quotient digit of (r * 2^32 + next) / d, with d normalised and r < d; remainder in wLo. */
function digit(r: u64, next: u64, d: u64): u64 {
  const dh = d >> 32, dl = d & 0xffffffff;
  let q = r / dh;
  let rest = r - q * dh;
  while (q > 0xffffffff || q * dl > ((rest << 32) | next)) {
    q--;
    rest += dh;
    if (rest > 0xffffffff) break;
  }
  wLo = ((r << 32) | next) - q * d;
  return q;
}

/** hi:lo / d for d with its top bit set and hi < d; the remainder is in wLo. */
export function div128(hi: u64, lo: u64, d: u64): u64 {
  const q1 = digit(hi, lo >> 32, d);
  const q0 = digit(wLo, lo & 0xffffffff, d);
  return (q1 << 32) | q0;
}

/** wHi:wLo = upper 128 bits of the 256-bit product, at most 3 units too small. */
export function mulHigh128(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  mul64(aHi, bHi);
  let hi = wHi, lo = wLo;
  const x = mulHigh64(aHi, bLo), y = mulHigh64(aLo, bHi);
  lo += x;
  hi += u64(lo < x);
  lo += y;
  hi += u64(lo < y);
  setWide(hi, lo);
}

/**
 * wHi:wLo = n * 2^128 / d for n < d and d with its top bit set; the last bit is sticky. Restoring division:
 * only the transcendental functions come here, and a short loop is easier to trust than a multi-word
 * estimate.
 */
export function divFraction(nHi: u64, nLo: u64, dHi: u64, dLo: u64): void {
  let qHi: u64 = 0, qLo: u64 = 0;
  for (let i = 0; i < 128; i++) {
    const carry = nHi >> 63;
    nHi = (nHi << 1) | (nLo >> 63);
    nLo <<= 1;
    qHi = (qHi << 1) | (qLo >> 63);
    qLo <<= 1;
    if (carry || nHi > dHi || (nHi == dHi && nLo >= dLo)) {
      nHi = nHi - dHi - u64(nLo < dLo);
      nLo -= dLo;
      qLo |= 1;
    }
  }
  setWide(qHi, qLo | u64((nHi | nLo) != 0));
}
