// XMM integer, logic and shuffle bodies: v128 values in, a v128 value out ("SSE2 128-Bit SIMD Integer Instructions").
import { CR0, CR4, MXCSR, XMM, exception } from "./state";

/** May XMM instructions run? Sets #UD or #NM. */
@inline export function sseOff(): bool {
  if (!(load<u32>(CR0) & 0xc) && (load<u32>(CR4) & 0x200)) return false;
  return sseFault();
}
function sseFault(): bool {
  exception((load<u32>(CR0) & 4) || !(load<u32>(CR4) & 0x200) ? 6 : 7, -1);
  return true;
}
@inline export function loadWord(p: usize): v128 { return i64x2.replace_lane(i64x2.splat(0), 0, <i64>load<u16>(p)); }
@inline function low(a: v128): u64 { return <u64>i64x2.extract_lane(a, 0); }

@inline export function pand(a: v128, b: v128): v128 { return v128.and(a, b); }
@inline export function pandn(a: v128, b: v128): v128 { return v128.andnot(b, a); }
@inline export function por(a: v128, b: v128): v128 { return v128.or(a, b); }
@inline export function pxor(a: v128, b: v128): v128 { return v128.xor(a, b); }
@inline export function paddb(a: v128, b: v128): v128 { return i8x16.add(a, b); }
@inline export function paddw(a: v128, b: v128): v128 { return i16x8.add(a, b); }
@inline export function paddd(a: v128, b: v128): v128 { return i32x4.add(a, b); }
@inline export function paddq(a: v128, b: v128): v128 { return i64x2.add(a, b); }
@inline export function psubb(a: v128, b: v128): v128 { return i8x16.sub(a, b); }
@inline export function psubw(a: v128, b: v128): v128 { return i16x8.sub(a, b); }
@inline export function psubd(a: v128, b: v128): v128 { return i32x4.sub(a, b); }
@inline export function psubq(a: v128, b: v128): v128 { return i64x2.sub(a, b); }
@inline export function paddsb(a: v128, b: v128): v128 { return i8x16.add_sat_s(a, b); }
@inline export function paddsw(a: v128, b: v128): v128 { return i16x8.add_sat_s(a, b); }
@inline export function paddusb(a: v128, b: v128): v128 { return i8x16.add_sat_u(a, b); }
@inline export function paddusw(a: v128, b: v128): v128 { return i16x8.add_sat_u(a, b); }
@inline export function psubsb(a: v128, b: v128): v128 { return i8x16.sub_sat_s(a, b); }
@inline export function psubsw(a: v128, b: v128): v128 { return i16x8.sub_sat_s(a, b); }
@inline export function psubusb(a: v128, b: v128): v128 { return i8x16.sub_sat_u(a, b); }
@inline export function psubusw(a: v128, b: v128): v128 { return i16x8.sub_sat_u(a, b); }
@inline export function pcmpeqb(a: v128, b: v128): v128 { return i8x16.eq(a, b); }
@inline export function pcmpeqw(a: v128, b: v128): v128 { return i16x8.eq(a, b); }
@inline export function pcmpeqd(a: v128, b: v128): v128 { return i32x4.eq(a, b); }
@inline export function pcmpeqq(a: v128, b: v128): v128 { return i64x2.eq(a, b); }
@inline export function pcmpgtb(a: v128, b: v128): v128 { return i8x16.gt_s(a, b); }
@inline export function pcmpgtw(a: v128, b: v128): v128 { return i16x8.gt_s(a, b); }
@inline export function pcmpgtd(a: v128, b: v128): v128 { return i32x4.gt_s(a, b); }
@inline export function pcmpgtq(a: v128, b: v128): v128 { return i64x2.gt_s(a, b); }
@inline export function pminub(a: v128, b: v128): v128 { return i8x16.min_u(a, b); }
@inline export function pmaxub(a: v128, b: v128): v128 { return i8x16.max_u(a, b); }
@inline export function pminsw(a: v128, b: v128): v128 { return i16x8.min_s(a, b); }
@inline export function pmaxsw(a: v128, b: v128): v128 { return i16x8.max_s(a, b); }
@inline export function pminsb(a: v128, b: v128): v128 { return i8x16.min_s(a, b); }
@inline export function pmaxsb(a: v128, b: v128): v128 { return i8x16.max_s(a, b); }
@inline export function pminuw(a: v128, b: v128): v128 { return i16x8.min_u(a, b); }
@inline export function pmaxuw(a: v128, b: v128): v128 { return i16x8.max_u(a, b); }
@inline export function pminsd(a: v128, b: v128): v128 { return i32x4.min_s(a, b); }
@inline export function pmaxsd(a: v128, b: v128): v128 { return i32x4.max_s(a, b); }
@inline export function pminud(a: v128, b: v128): v128 { return i32x4.min_u(a, b); }
@inline export function pmaxud(a: v128, b: v128): v128 { return i32x4.max_u(a, b); }
@inline export function pavgb(a: v128, b: v128): v128 { return i8x16.avgr_u(a, b); }
@inline export function pavgw(a: v128, b: v128): v128 { return i16x8.avgr_u(a, b); }
@inline export function pmullw(a: v128, b: v128): v128 { return i16x8.mul(a, b); }
@inline export function pmulld(a: v128, b: v128): v128 { return i32x4.mul(a, b); }
@inline export function pmaddwd(a: v128, b: v128): v128 { return i32x4.dot_i16x8_s(a, b); }
/** High halves of eight 16-bit products. */
export function pmulhw(a: v128, b: v128): v128 {
  const lo = i32x4.extmul_low_i16x8_s(a, b), hi = i32x4.extmul_high_i16x8_s(a, b);
  return i8x16.shuffle(lo, hi, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
}
export function pmulhuw(a: v128, b: v128): v128 {
  const lo = i32x4.extmul_low_i16x8_u(a, b), hi = i32x4.extmul_high_i16x8_u(a, b);
  return i8x16.shuffle(lo, hi, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
}
export function pmuludq(a: v128, b: v128): v128 {
  const mask = i64x2.splat(0xffffffff);
  return i64x2.mul(v128.and(a, mask), v128.and(b, mask));
}
export function psadbw(a: v128, b: v128): v128 {
  const d = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const s = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(d));
  const r = i64x2.add(v128.and(s, i64x2.splat(0xffffffff)), i64x2.shr_u(s, 32));
  return r;
}
@inline export function packsswb(a: v128, b: v128): v128 { return i8x16.narrow_i16x8_s(a, b); }
@inline export function packuswb(a: v128, b: v128): v128 { return i8x16.narrow_i16x8_u(a, b); }
@inline export function packssdw(a: v128, b: v128): v128 { return i16x8.narrow_i32x4_s(a, b); }
@inline export function packusdw(a: v128, b: v128): v128 { return i16x8.narrow_i32x4_u(a, b); }
@inline export function punpcklbw(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
@inline export function punpckhbw(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); }
@inline export function punpcklwd(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23); }
@inline export function punpckhwd(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31); }
@inline export function punpckldq(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23); }
@inline export function punpckhdq(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31); }
@inline export function punpcklqdq(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23); }
@inline export function punpckhqdq(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31); }

// Shift counts come from the low 64 bits of a vector, or from an immediate; too large a count clears (or fills with the sign).
@inline export function psllwBy(a: v128, n: u64): v128 { return n > 15 ? i64x2.splat(0) : i16x8.shl(a, <i32>n); }
@inline export function pslldBy(a: v128, n: u64): v128 { return n > 31 ? i64x2.splat(0) : i32x4.shl(a, <i32>n); }
@inline export function psllqBy(a: v128, n: u64): v128 { return n > 63 ? i64x2.splat(0) : i64x2.shl(a, <i32>n); }
@inline export function psrlwBy(a: v128, n: u64): v128 { return n > 15 ? i64x2.splat(0) : i16x8.shr_u(a, <i32>n); }
@inline export function psrldBy(a: v128, n: u64): v128 { return n > 31 ? i64x2.splat(0) : i32x4.shr_u(a, <i32>n); }
@inline export function psrlqBy(a: v128, n: u64): v128 { return n > 63 ? i64x2.splat(0) : i64x2.shr_u(a, <i32>n); }
@inline export function psrawBy(a: v128, n: u64): v128 { return i16x8.shr_s(a, n > 15 ? 15 : <i32>n); }
@inline export function psradBy(a: v128, n: u64): v128 { return i32x4.shr_s(a, n > 31 ? 31 : <i32>n); }
@inline export function psllw(a: v128, b: v128): v128 { return psllwBy(a, low(b)); }
@inline export function pslld(a: v128, b: v128): v128 { return pslldBy(a, low(b)); }
@inline export function psllq(a: v128, b: v128): v128 { return psllqBy(a, low(b)); }
@inline export function psrlw(a: v128, b: v128): v128 { return psrlwBy(a, low(b)); }
@inline export function psrld(a: v128, b: v128): v128 { return psrldBy(a, low(b)); }
@inline export function psrlq(a: v128, b: v128): v128 { return psrlqBy(a, low(b)); }
@inline export function psraw(a: v128, b: v128): v128 { return psrawBy(a, low(b)); }
@inline export function psrad(a: v128, b: v128): v128 { return psradBy(a, low(b)); }

const SHIFT = memory.data(64, 16);
export function psrldqBy(a: v128, n: u64): v128 {
  if (n > 15) return i64x2.splat(0);
  v128.store(SHIFT, a);
  v128.store(SHIFT, i64x2.splat(0), 16);
  return v128.load(SHIFT + <usize>n);
}
export function pslldqBy(a: v128, n: u64): v128 {
  if (n > 15) return i64x2.splat(0);
  v128.store(SHIFT, i64x2.splat(0));
  v128.store(SHIFT, a, 16);
  return v128.load(SHIFT + 16 - <usize>n);
}
export function pshufd(b: v128, k: u32): v128 {
  v128.store(SHIFT, b);
  let r = i32x4.splat(load<i32>(SHIFT + ((k & 3) << 2)));
  r = i32x4.replace_lane(r, 1, load<i32>(SHIFT + (((k >> 2) & 3) << 2)));
  r = i32x4.replace_lane(r, 2, load<i32>(SHIFT + (((k >> 4) & 3) << 2)));
  return i32x4.replace_lane(r, 3, load<i32>(SHIFT + ((k >> 6) << 2)));
}
function shuffleWords(at: usize, k: u32): u64 {
  return <u64>load<u16>(at + ((k & 3) << 1)) | (<u64>load<u16>(at + (((k >> 2) & 3) << 1)) << 16)
    | (<u64>load<u16>(at + (((k >> 4) & 3) << 1)) << 32) | (<u64>load<u16>(at + ((k >> 6) << 1)) << 48);
}
export function pshuflw(b: v128, k: u32): v128 {
  v128.store(SHIFT, b);
  return i64x2.replace_lane(b, 0, <i64>shuffleWords(SHIFT, k));
}
export function pshufhw(b: v128, k: u32): v128 {
  v128.store(SHIFT, b);
  return i64x2.replace_lane(b, 1, <i64>shuffleWords(SHIFT + 8, k));
}
export function shufps(a: v128, b: v128, k: u32): v128 {
  v128.store(SHIFT, a);
  v128.store(SHIFT, b, 16);
  let r = i32x4.splat(load<i32>(SHIFT + ((k & 3) << 2)));
  r = i32x4.replace_lane(r, 1, load<i32>(SHIFT + (((k >> 2) & 3) << 2)));
  r = i32x4.replace_lane(r, 2, load<i32>(SHIFT + 16 + (((k >> 4) & 3) << 2)));
  return i32x4.replace_lane(r, 3, load<i32>(SHIFT + 16 + ((k >> 6) << 2)));
}
export function shufpd(a: v128, b: v128, k: u32): v128 {
  const x = k & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const y = k & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  return i64x2.replace_lane(i64x2.splat(x), 1, y);
}
// Moves between halves.
@inline export function movhlps(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 24, 25, 26, 27, 28, 29, 30, 31, 8, 9, 10, 11, 12, 13, 14, 15); }
@inline export function movlhps(a: v128, b: v128): v128 { return punpcklqdq(a, b); }
@inline export function movhp_load(a: v128, b: v128): v128 { return punpcklqdq(a, b); }
/** The low quadword of b, the high one of a. */
@inline export function movlp(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 16, 17, 18, 19, 20, 21, 22, 23, 8, 9, 10, 11, 12, 13, 14, 15); }
@inline export function movsd(a: v128, b: v128): v128 { return movlp(a, b); }
@inline export function movss(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 16, 17, 18, 19, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
@inline export function movddup(b: v128): v128 { return punpcklqdq(b, b); }
@inline export function movsldup(b: v128): v128 { return i8x16.shuffle(b, b, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11); }
@inline export function movshdup(b: v128): v128 { return i8x16.shuffle(b, b, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15); }
/** A load that clears what it does not fill: MOVSS, MOVSD, MOVQ, MOVDQA. */
@inline export function same(b: v128): v128 { return b; }
/** MOVQ between registers clears the upper quadword. */
@inline export function lowQuad(b: v128): v128 { return i64x2.replace_lane(b, 1, 0); }
