// Integer arithmetic and logic: values in, value out, flags on the side.
import { setCarries, setCarriesIn, setLogic, setResult, cfBit, setCfOf, setZf, setArithmeticFlags, signExtend } from "./flags";
import { LF_AUX, RAX, RDX, get, put, exception } from "./state";

@inline export function add<T>(a: T, b: T): T { return sum<T>(a, b, 0); }
@inline export function adc<T>(a: T, b: T): T { return sum<T>(a, b, cfBit()); }
@inline export function sub<T>(a: T, b: T): T { return difference<T>(a, b, 0); }
@inline export function sbb<T>(a: T, b: T): T { return difference<T>(a, b, cfBit()); }
@inline function sum<T>(a: T, b: T, carry: u64): T {
  if (sizeof<T>() < 8) {
    const wide = <u64>a + <u64>b + carry, r = <T>wide;
    setCarriesIn<T>(r, wide ^ <u64>a ^ <u64>b);
    return r;
  }
  const r = <T>(a + b + <T>carry);
  setCarries<T>(r, <T>((a & b) | ((a | b) & ~r)));
  return r;
}
@inline function difference<T>(a: T, b: T, borrow: u64): T {
  if (sizeof<T>() < 8) {
    const wide = <u64>a - <u64>b - borrow, r = <T>wide;
    setCarriesIn<T>(r, wide ^ <u64>a ^ <u64>b);
    return r;
  }
  const r = <T>(a - b - <T>borrow);
  setCarries<T>(r, <T>((~a & b) | ((~a | b) & r)));
  return r;
}
@inline export function cmp<T>(a: T, b: T): void { sub<T>(a, b); }
@inline export function and<T>(a: T, b: T): T { const r = <T>(a & b); setLogic<T>(r); return r; }
@inline export function or<T>(a: T, b: T): T { const r = <T>(a | b); setLogic<T>(r); return r; }
@inline export function xor<T>(a: T, b: T): T { const r = <T>(a ^ b); setLogic<T>(r); return r; }
@inline export function test<T>(a: T, b: T): void { setLogic<T>(<T>(a & b)); }
@inline function keepCarry(old: u64): void {
  const now = load<u64>(LF_AUX);
  store<u64>(LF_AUX, now ^ (<u64>(<i64>(old ^ now) >> 63) & 0xc000000000000000));
}
@inline export function inc<T>(a: T): T {
  const old = load<u64>(LF_AUX), r = <T>(a + <T>1);
  setCarries<T>(r, <T>(a & ~r));
  keepCarry(old);
  return r;
}
@inline export function dec<T>(a: T): T {
  const old = load<u64>(LF_AUX), r = <T>(a - <T>1);
  setCarries<T>(r, <T>(~a & r));
  keepCarry(old);
  return r;
}
@inline export function neg<T>(a: T): T { return sub<T>(<T>0, a); }
@inline export function not<T>(a: T): T { return <T>~a; }
@inline export function mov<T>(a: T): T { return a; }

// --- shifts and rotates; the count is masked by the caller's width ---------------------------------------------

@inline function bits<T>(): u32 { return 8 * sizeof<T>(); }
@inline function mask<T>(): u32 { return sizeof<T>() == 8 ? 63 : 31; }

export function shl<T>(a: T, count: u8): T {
  const n = <u32>count & mask<T>();
  if (n == 0) return a;
  const w = bits<T>(), wide = <u64>a;
  const r = n >= w ? <T>0 : <T>(a << <T>n);
  const c: u64 = n > w ? 0 : (wide >> (w - n)) & 1;
  setResult<T>(r, c, c ^ ((<u64>r >> (w - 1)) & 1));
  return r;
}
export function shr<T>(a: T, count: u8): T {
  const n = <u32>count & mask<T>();
  if (n == 0) return a;
  const w = bits<T>(), wide = <u64>a;
  const r = n >= w ? <T>0 : <T>(wide >> n);
  const c: u64 = n > w ? 0 : (wide >> (n - 1)) & 1;
  setResult<T>(r, c, (wide >> (w - 1)) & 1);
  return r;
}
export function sar<T>(a: T, count: u8): T {
  const n = <u32>count & mask<T>();
  if (n == 0) return a;
  const s = signExtend<T>(a);
  const r = <T>(s >> <i64>min<u32>(n, 63));
  setResult<T>(r, <u64>(s >> <i64>min<u32>(n - 1, 63)) & 1, 0);
  return r;
}
export function rol<T>(a: T, count: u8): T {
  const n = <u32>count & mask<T>();
  if (n == 0) return a;
  const w = bits<T>(), k = n & (w - 1), wide = <u64>a;
  const r = k == 0 ? a : <T>((wide << k) | (wide >> (w - k)));
  const c = <u64>r & 1;
  setCfOf(c, c ^ ((<u64>r >> (w - 1)) & 1));
  return r;
}
export function ror<T>(a: T, count: u8): T {
  const n = <u32>count & mask<T>();
  if (n == 0) return a;
  const w = bits<T>(), k = n & (w - 1), wide = <u64>a;
  const r = k == 0 ? a : <T>((wide >> k) | (wide << (w - k)));
  const c = (<u64>r >> (w - 1)) & 1;
  setCfOf(c, c ^ ((<u64>r >> (w - 2)) & 1));
  return r;
}
export function rcl<T>(a: T, count: u8): T {
  const w = bits<T>();
  let n = <u32>count & mask<T>();
  if (w < 32) n %= w + 1;
  if (n == 0) return a;
  let c = cfBit(), v = <u64>a;
  for (; n > 0; n--) {
    const out = (v >> (w - 1)) & 1;
    v = (v << 1) | c;
    c = out;
  }
  const r = <T>v;
  setCfOf(c, c ^ ((<u64>r >> (w - 1)) & 1));
  return r;
}
export function rcr<T>(a: T, count: u8): T {
  const w = bits<T>();
  let n = <u32>count & mask<T>();
  if (w < 32) n %= w + 1;
  if (n == 0) return a;
  let c = cfBit(), v = <u64>a;
  for (; n > 0; n--) {
    const out = v & 1;
    v = (v >> 1) | (c << (w - 1));
    c = out;
  }
  const r = <T>v;
  setCfOf(c, ((<u64>r >> (w - 1)) ^ (<u64>r >> (w - 2))) & 1);
  return r;
}
export function shld<T>(a: T, b: T, count: u8): T {
  const n = <u32>count & mask<T>(), w = bits<T>();
  if (n == 0) return a;
  let r: u64, c: u64;
  if (w == 16) { // counts above 16 shift the pair a:b:a on
    const pair = (<u64>a << 32) | (<u64>b << 16) | <u64>a;
    r = (pair >> (32 - n)) & 0xffff;
    c = (pair >> (48 - n)) & 1;
  } else {
    r = (<u64>a << n) | (<u64>b >> (w - n));
    c = (<u64>a >> (w - n)) & 1;
  }
  const v = <T>r;
  setResult<T>(v, c, ((<u64>a ^ <u64>v) >> (w - 1)) & 1);
  return v;
}
export function shrd<T>(a: T, b: T, count: u8): T {
  const n = <u32>count & mask<T>(), w = bits<T>();
  if (n == 0) return a;
  let r: u64, c: u64;
  if (w == 16) {
    const pair = (<u64>a << 32) | (<u64>b << 16) | <u64>a;
    r = (pair >> n) & 0xffff;
    c = (pair >> (n - 1)) & 1;
  } else {
    r = (<u64>a >> n) | (<u64>b << (w - n));
    c = (<u64>a >> (n - 1)) & 1;
  }
  const v = <T>r;
  setResult<T>(v, c, ((<u64>a ^ <u64>v) >> (w - 1)) & 1);
  return v;
}

// --- multiplication and division -------------------------------------------------------------------------------

/** High half of an unsigned 64 x 64 product. */
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const ll = al * bl, lh = al * bh, hl = ah * bl;
  const mid = (ll >> 32) + (lh & 0xffffffff) + (hl & 0xffffffff);
  return ah * bh + (lh >> 32) + (hl >> 32) + (mid >> 32);
}
/** High half of a signed 64 x 64 product. */
export function imulHigh(a: i64, b: i64): i64 {
  return <i64>mulHigh(<u64>a, <u64>b) - ((a >> 63) & b) - ((b >> 63) & a);
}
/** IMUL, two and three operands: CF = OF = the product does not fit. */
@inline export function imul<T>(a: T, b: T): T {
  if (sizeof<T>() == 8) {
    const low = <i64>a * <i64>b;
    const over = <u64>(imulHigh(<i64>a, <i64>b) != low >> 63);
    setResult<T>(<T>low, over, over);
    return <T>low;
  }
  const p = signExtend<T>(a) * signExtend<T>(b);
  const over = <u64>(signExtend<T>(<T>p) != p);
  setResult<T>(<T>p, over, over);
  return <T>p;
}
export function mulWide<T>(b: T): void {
  if (sizeof<T>() == 1) {
    const p = <u32>get<u8>(RAX) * <u32>b;
    put<u16>(RAX, <u16>p);
    const c = <u64>(p > 0xff);
    setResult<u8>(<u8>p, c, c);
  } else if (sizeof<T>() == 8) {
    const a = get<u64>(RAX), low = a * <u64>b, high = mulHigh(a, <u64>b);
    put<u64>(RAX, low);
    put<u64>(RDX, high);
    setResult<u64>(low, <u64>(high != 0), <u64>(high != 0));
  } else {
    const p = <u64>get<T>(RAX) * <u64>b, high = <T>(p >> (8 * sizeof<T>()));
    put<T>(RAX, <T>p);
    put<T>(RDX, high);
    setResult<T>(<T>p, <u64>(high != 0), <u64>(high != 0));
  }
}
export function imulWide<T>(b: T): void {
  if (sizeof<T>() == 1) {
    const p = <i32><i8>get<u8>(RAX) * <i32><i8>b;
    put<u16>(RAX, <u16>p);
    const c = <u64>(<i32><i8>p != p);
    setResult<u8>(<u8>p, c, c);
  } else if (sizeof<T>() == 8) {
    const a = get<i64>(RAX), low = a * <i64>b, high = imulHigh(a, <i64>b);
    put<u64>(RAX, <u64>low);
    put<u64>(RDX, <u64>high);
    const c = <u64>(high != low >> 63);
    setResult<u64>(<u64>low, c, c);
  } else {
    const p = signExtend<T>(get<T>(RAX)) * signExtend<T>(b);
    put<T>(RAX, <T>p);
    put<T>(RDX, <T>(p >> (8 * sizeof<T>())));
    const c = <u64>(signExtend<T>(<T>p) != p);
    setResult<T>(<T>p, c, c);
  }
}
let quotient: u64 = 0;
let remainder: u64 = 0;
/** 128 / 64 unsigned by shift and subtract; the caller has checked high < d. */
function divide128(high: u64, low: u64, d: u64): void {
  if (high == 0) { quotient = low / d; remainder = low % d; return; }
  let r = high, q: u64 = 0;
  for (let i = 63; i >= 0; i--) {
    const top = r >> 63;
    r = (r << 1) | ((low >> i) & 1);
    q <<= 1;
    if (top || r >= d) { r -= d; q |= 1; }
  }
  quotient = q;
  remainder = r;
}
/** DIV: #DE when the divisor is 0 or the quotient does not fit. */
export function div<T>(d: T): void {
  if (d == 0) { exception(0, -1); return; }
  if (sizeof<T>() == 1) {
    const n = <u32>get<u16>(RAX), q = n / <u32>d;
    if (q > 0xff) { exception(0, -1); return; }
    put<u16>(RAX, <u16>(q | ((n % <u32>d) << 8)));
  } else if (sizeof<T>() == 8) {
    const high = get<u64>(RDX);
    if (high >= <u64>d) { exception(0, -1); return; }
    divide128(high, get<u64>(RAX), <u64>d);
    put<u64>(RAX, quotient);
    put<u64>(RDX, remainder);
  } else {
    const w = 8 * sizeof<T>(), n = (<u64>get<T>(RDX) << w) | <u64>get<T>(RAX), q = n / <u64>d;
    if (q >> w) { exception(0, -1); return; }
    put<T>(RAX, <T>q);
    put<T>(RDX, <T>(n % <u64>d));
  }
}
export function idiv<T>(d: T): void {
  if (d == 0) { exception(0, -1); return; }
  if (sizeof<T>() == 1) {
    const n = <i32>get<i16>(RAX), q = n / <i32><i8>d;
    if (q != <i32><i8>q) { exception(0, -1); return; }
    put<u16>(RAX, <u16>((q & 0xff) | ((n % <i32><i8>d) << 8)));
  } else if (sizeof<T>() == 8) {
    let high = get<u64>(RDX), low = get<u64>(RAX);
    const negative = <i64>high < 0, dn = <i64>d < 0;
    if (negative) { low = -low; high = ~high + <u64>(low == 0); }
    const ad = dn ? <u64>-(<i64>d) : <u64>d;
    if (high >= ad) { exception(0, -1); return; }
    divide128(high, low, ad);
    const q = negative != dn ? -quotient : quotient;
    if (quotient != 0 && (<i64>q < 0) != (negative != dn)) { exception(0, -1); return; }
    put<u64>(RAX, q);
    put<u64>(RDX, negative ? -remainder : remainder);
  } else {
    const w = 8 * sizeof<T>(), n = <i64>((<u64>get<T>(RDX) << w) | <u64>get<T>(RAX));
    const wide = sizeof<T>() == 2 ? <i64><i32>n : n, s = signExtend<T>(d);
    if (sizeof<T>() == 4 && wide == i64.MIN_VALUE && s == -1) { exception(0, -1); return; }
    const q = wide / s;
    if (q != signExtend<T>(<T>q)) { exception(0, -1); return; }
    put<T>(RAX, <T>q);
    put<T>(RDX, <T>(wide % s));
  }
}

// --- bit scans and counts --------------------------------------------------------------------------------------

/** POPCNT: ZF by the source, the rest cleared (PF too, which a plain logic result would not clear). */
export function popcount<T>(a: T): T {
  setArithmeticFlags(a == <T>0 ? 0x40 : 0);
  return <T>popcnt<u64>(<u64>a);
}
/** BSF and BSR leave the destination alone when the source is 0, as today's processors do. */
@inline export function bsf<T>(d: T, v: T): T {
  setZf(v == <T>0 ? 1 : 0);
  return v == <T>0 ? d : <T>ctz<u64>(<u64>v);
}
@inline export function bsr<T>(d: T, v: T): T {
  setZf(v == <T>0 ? 1 : 0);
  return v == <T>0 ? d : <T>(63 - clz<u64>(<u64>v));
}
@inline export function byteSwap<T>(v: T): T {
  if (sizeof<T>() == 2) return <T>(((<u32>v & 0xff) << 8) | (<u32>v >> 8));
  if (sizeof<T>() == 4) return <T>bswap<u32>(<u32>v);
  return <T>bswap<u64>(<u64>v);
}
