// MMX registers are the significands of the x87 registers ("Programming with Intel MMX Technology" in the SDM).
// Bodies take and give v128 values of which the low quadword counts; most are those of the XMM forms.
import { CR0, FPR, FSW, FTW, fault, exception, REGS, RDI } from "./state";
import { palignr as palignrX, phaddd, phaddsw, phaddw, phsubd, phsubsw, phsubw, pshufb as pshufbX } from "./simd-more";
import { punpcklbw, punpckldq, punpcklqdq, punpcklwd } from "./simd";
import { addressMask, segmented } from "./record";
import { wr } from "../mmu/access";

/** May MMX instructions run? Sets #UD, #NM or #MF. */
export function mmxOff(): bool {
  const cr0 = load<u32>(CR0);
  if (cr0 & 4) exception(6, -1);
  else if (cr0 & 8) exception(7, -1);
  else if ((load<u32>(FSW) & 0x80) && (cr0 & 0x20)) exception(16, -1);
  else return false;
  return true;
}
/** Every MMX instruction makes all tags valid and TOP 0. */
export function enterMmx(): void {
  store<u32>(FSW, load<u32>(FSW) & ~0x3800);
  store<u32>(FTW, 0xff);
}
export function emms(): void {
  if (mmxOff()) return;
  store<u32>(FSW, load<u32>(FSW) & ~0x3800);
  store<u32>(FTW, 0);
}
/** A write sets sign and exponent to all ones. */
export function putMmx(at: usize, v: u64): void {
  store<u64>(FPR + at, v);
  store<u64>(FPR + at, 0xffff, 8);
}
@inline export function lowOf(v: v128): u64 { return <u64>i64x2.extract_lane(v, 0); }
/** Upper quadword to the lower: the high half of an interleave of eight bytes. */
@inline function high(v: v128): v128 { return i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15); }
export function mmxPunpckhbw(a: v128, b: v128): v128 { return high(punpcklbw(a, b)); }
export function mmxPunpckhwd(a: v128, b: v128): v128 { return high(punpcklwd(a, b)); }
export function mmxPunpckhdq(a: v128, b: v128): v128 { return high(punpckldq(a, b)); }
// Instructions that join both operands see them side by side in one register.
export function mmxPacksswb(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return i8x16.narrow_i16x8_s(j, j); }
export function mmxPackuswb(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return i8x16.narrow_i16x8_u(j, j); }
export function mmxPackssdw(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return i16x8.narrow_i32x4_s(j, j); }
export function mmxPhaddw(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phaddw(j, j); }
export function mmxPhaddd(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phaddd(j, j); }
export function mmxPhaddsw(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phaddsw(j, j); }
export function mmxPhsubw(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phsubw(j, j); }
export function mmxPhsubd(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phsubd(j, j); }
export function mmxPhsubsw(a: v128, b: v128): v128 { const j = punpcklqdq(a, b); return phsubsw(j, j); }
export function mmxPshufb(a: v128, b: v128): v128 { return pshufbX(a, v128.and(b, i8x16.splat(<i8>0x87))); }
export function mmxPalignr(a: v128, b: v128, k: u32): v128 {
  const zero = i64x2.splat(0);
  return k > 15 ? zero : palignrX(zero, punpcklqdq(b, a), k);
}
/** MASKMOVQ and MASKMOVDQU: bytes of the value at `from` whose mask byte is negative go to DS:rDI. */
export function maskedStore(rec: usize, from: usize, mask: usize, size: u32): void {
  const shape = <u32>load<u8>(rec, 7);
  const width = addressMask(shape >> 6);
  for (let i: u32 = 0; i < size; i++) {
    if (!(load<u8>(mask + i) & 0x80)) continue;
    const la = segmented(<i32>(shape & 7), (load<u64>(REGS + RDI) + i) & width, true, true);
    if (fault) return;
    wr<u8>(la, load<u8>(from + i), rec);
    if (fault) return;
  }
}
