// XMM bodies of SSSE3, SSE4.1 and SSE4.2: horizontal and signed arithmetic, blends, widening, insertion, extraction.
import { XMM } from "./state";
import { setArithmeticFlags } from "./flags";

@inline function evenWords(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29); }
@inline function oddWords(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31); }
@inline function evenDwords(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27); }
@inline function oddDwords(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31); }
export function phaddw(a: v128, b: v128): v128 { return i16x8.add(evenWords(a, b), oddWords(a, b)); }
export function phaddd(a: v128, b: v128): v128 { return i32x4.add(evenDwords(a, b), oddDwords(a, b)); }
export function phaddsw(a: v128, b: v128): v128 { return i16x8.add_sat_s(evenWords(a, b), oddWords(a, b)); }
export function phsubw(a: v128, b: v128): v128 { return i16x8.sub(evenWords(a, b), oddWords(a, b)); }
export function phsubd(a: v128, b: v128): v128 { return i32x4.sub(evenDwords(a, b), oddDwords(a, b)); }
export function phsubsw(a: v128, b: v128): v128 { return i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b)); }
/** Unsigned bytes of a by signed bytes of b, pairs added with saturation. */
export function pmaddubsw(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}
/** High halves of products, rounded: (a * b + 4000h) >> 15. */
export function pmulhrsw(a: v128, b: v128): v128 {
  const half = i32x4.splat(0x4000);
  const lo = i32x4.shr_s(i32x4.add(i32x4.extmul_low_i16x8_s(a, b), half), 15);
  const hi = i32x4.shr_s(i32x4.add(i32x4.extmul_high_i16x8_s(a, b), half), 15);
  return i8x16.shuffle(lo, hi, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
}
export function psignb(a: v128, b: v128): v128 {
  const negative = i8x16.shr_s(b, 7);
  return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i64x2.splat(0)));
}
export function psignw(a: v128, b: v128): v128 {
  const negative = i16x8.shr_s(b, 15);
  return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i64x2.splat(0)));
}
export function psignd(a: v128, b: v128): v128 {
  const negative = i32x4.shr_s(b, 31);
  return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i64x2.splat(0)));
}
export function pabsb(b: v128): v128 { return i8x16.abs(b); }
export function pabsw(b: v128): v128 { return i16x8.abs(b); }
export function pabsd(b: v128): v128 { return i32x4.abs(b); }
export function pshufb(a: v128, b: v128): v128 { return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f))); }
const BYTES = memory.data(64, 16);
export function palignr(a: v128, b: v128, k: u32): v128 {
  if (k > 31) return i64x2.splat(0);
  v128.store(BYTES, b);
  v128.store(BYTES, a, 16);
  v128.store(BYTES, i64x2.splat(0), 32);
  return v128.load(BYTES + k);
}
export function pmuldq(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_s(evenDwords(a, a), evenDwords(b, b));
}
/** The smallest word and its index. */
export function phminposuw(b: v128): v128 {
  v128.store(BYTES, b);
  let least: u32 = 0x10000, at: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const w = <u32>load<u16>(BYTES + (i << 1));
    if (w < least) { least = w; at = i; }
  }
  return i64x2.replace_lane(i64x2.splat(0), 0, <i64>(least | (at << 16)));
}
export function pblendvb(a: v128, b: v128): v128 { return v128.bitselect(b, a, i8x16.shr_s(v128.load(XMM), 7)); }
export function blendvps(a: v128, b: v128): v128 { return v128.bitselect(b, a, i32x4.shr_s(v128.load(XMM), 31)); }
export function blendvpd(a: v128, b: v128): v128 { return v128.bitselect(b, a, i64x2.shr_s(v128.load(XMM), 63)); }
/** Select `size`-byte lanes of b by the bits of k. */
function blend(a: v128, b: v128, k: u32, size: u32): v128 {
  for (let i: u32 = 0; i < 16; i++) store<u8>(BYTES + i, (k >> (i / size)) & 1 ? 0xff : 0);
  return v128.bitselect(b, a, v128.load(BYTES));
}
export function blendps(a: v128, b: v128, k: u32): v128 { return blend(a, b, k, 4); }
export function blendpd(a: v128, b: v128, k: u32): v128 { return blend(a, b, k, 8); }
export function pblendw(a: v128, b: v128, k: u32): v128 { return blend(a, b, k, 2); }
/** ZF: a & b is zero. CF: b lies within a. */
export function ptest(a: v128, b: v128): void {
  setArithmeticFlags((v128.any_true(v128.and(a, b)) ? 0 : 0x40) | (v128.any_true(v128.andnot(b, a)) ? 0 : 1));
}
@inline export function pmovsxbw(b: v128): v128 { return i16x8.extend_low_i8x16_s(b); }
@inline export function pmovzxbw(b: v128): v128 { return i16x8.extend_low_i8x16_u(b); }
@inline export function pmovsxwd(b: v128): v128 { return i32x4.extend_low_i16x8_s(b); }
@inline export function pmovzxwd(b: v128): v128 { return i32x4.extend_low_i16x8_u(b); }
@inline export function pmovsxdq(b: v128): v128 { return i64x2.extend_low_i32x4_s(b); }
@inline export function pmovzxdq(b: v128): v128 { return i64x2.extend_low_i32x4_u(b); }
export function pmovsxbd(b: v128): v128 { return pmovsxwd(pmovsxbw(b)); }
export function pmovzxbd(b: v128): v128 { return pmovzxwd(pmovzxbw(b)); }
export function pmovsxbq(b: v128): v128 { return pmovsxdq(pmovsxbd(b)); }
export function pmovzxbq(b: v128): v128 { return pmovzxdq(pmovzxbd(b)); }
export function pmovsxwq(b: v128): v128 { return pmovsxdq(pmovsxwd(b)); }
export function pmovzxwq(b: v128): v128 { return pmovzxdq(pmovzxwd(b)); }
/** Eight sums of absolute differences between four bytes of b and sliding groups of a. */
export function mpsadbw(a: v128, b: v128, k: u32): v128 {
  v128.store(BYTES, a);
  v128.store(BYTES, b, 16);
  const from = BYTES + (k & 4), against = BYTES + 16 + ((k & 3) << 2);
  for (let i: u32 = 0; i < 8; i++) {
    let sum: u32 = 0;
    for (let j: u32 = 0; j < 4; j++) {
      const d = <i32>load<u8>(from + i + j) - <i32>load<u8>(against + j);
      sum += d < 0 ? -d : d;
    }
    store<u16>(BYTES + 32 + (i << 1), <u16>sum);
  }
  return v128.load(BYTES, 32);
}
/** INSERTPS; a memory operand arrives in lane 0 and the source field of k is ignored. */
export function insertps(a: v128, b: v128, k: u32): v128 {
  v128.store(BYTES, a);
  v128.store(BYTES, b, 16);
  store<u32>(BYTES + (((k >> 4) & 3) << 2), load<u32>(BYTES + 16 + ((k >> 6) << 2)));
  for (let i: u32 = 0; i < 4; i++) if ((k >> i) & 1) store<u32>(BYTES + (i << 2), 0);
  return v128.load(BYTES);
}
