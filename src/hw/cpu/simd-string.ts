// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM ("SSE4.2 Text/String Processing", imm8 control byte, in the SDM).
import { REGS, RAX, RCX, RDX, XMM } from "./state";
import { setArithmeticFlags } from "./flags";

const A = memory.data(16, 16);
const B = memory.data(16, 16);

/** Elements 0 to 15 of an operand, widened by the format in bits 1:0: unsigned or signed, bytes or words. */
@inline function element(at: usize, i: i32, k: u32): i32 {
  if (k & 1) return k & 2 ? <i32>load<i16>(at + (i << 1)) : <i32>load<u16>(at + (i << 1));
  return k & 2 ? <i32>load<i8>(at + i) : <i32>load<u8>(at + i);
}
/** Length up to the first null element. */
function implicitLength(at: usize, k: u32, n: i32): i32 {
  for (let i = 0; i < n; i++) if (element(at, i, k & 1) == 0) return i;
  return n;
}
/** Length in EAX or EDX, or RAX or RDX: its magnitude, at most n. */
function explicitLength(reg: usize, wide: bool, n: i32): i32 {
  let v: i64 = wide ? <i64>load<u64>(REGS + reg) : <i64>load<i32>(REGS + reg);
  if (v < 0) v = 0 - v;
  // The magnitude of the most negative number is taken as unsigned.
  return <u64>v > <u64>n ? n : <i32>v;
}
/** IntRes1 as "Comparison of elements" and "Boolean overrides" define it. */
function aggregate(k: u32, n: i32, la: i32, lb: i32): u32 {
  let r: u32 = 0;
  switch ((k >> 2) & 3) {
    case 0: // equal any
      for (let j = 0; j < lb; j++)
        for (let i = 0; i < la; i++) if (element(A, i, k) == element(B, j, k)) { r |= 1 << j; break; }
      return r;
    case 1: // ranges
      for (let j = 0; j < lb; j++) {
        const b = element(B, j, k);
        for (let i = 0; i + 1 < la; i += 2) if (b >= element(A, i, k) && b <= element(A, i + 1, k)) { r |= 1 << j; break; }
      }
      return r;
    case 2: // equal each
      for (let j = 0; j < n; j++) {
        const va = j < la, vb = j < lb;
        if (va && vb ? element(A, j, k) == element(B, j, k) : !va && !vb) r |= 1 << j;
      }
      return r;
    default: // equal ordered
      for (let j = 0; j < n; j++) {
        let found = true;
        for (let i = 0; i < la && i + j < n; i++) {
          if (i + j >= lb || element(A, i, k) != element(B, i + j, k)) { found = false; break; }
        }
        if (found) r |= 1 << j;
      }
      return r;
  }
}
let lengthA: i32 = 0;
let lengthB: i32 = 0;
/** IntRes2, with CF, ZF, SF and OF set and AF and PF clear. */
function compare(a: v128, b: v128, k: u32, explicit: bool, wide: bool): u32 {
  v128.store(A, a);
  v128.store(B, b);
  const n = k & 1 ? 8 : 16;
  lengthA = explicit ? explicitLength(RAX, wide, n) : implicitLength(A, k, n);
  lengthB = explicit ? explicitLength(RDX, wide, n) : implicitLength(B, k, n);
  let r = aggregate(k, n, lengthA, lengthB);
  if (k & 16) r ^= k & 32 ? (1 << lengthB) - 1 : (1 << n) - 1;
  setArithmeticFlags((r ? 1 : 0) | (lengthB < n ? 0x40 : 0) | (lengthA < n ? 0x80 : 0) | ((r & 1) << 11));
  return r;
}
function index(r: u32, k: u32): void {
  const n: u32 = k & 1 ? 8 : 16;
  store<u64>(REGS + RCX, <u64>(r == 0 ? n : k & 64 ? 31 - <u32>clz<u32>(r) : <u32>ctz<u32>(r)));
}
function bits(r: u32, k: u32): void {
  if (!(k & 64)) { v128.store(XMM, i64x2.replace_lane(i64x2.splat(0), 0, <i64>r)); return; }
  const size: u32 = k & 1 ? 2 : 1;
  for (let i: u32 = 0; i < 16; i++) store<u8>(XMM + i, (r >> (i / size)) & 1 ? 0xff : 0);
}
export function pcmpestri(a: v128, b: v128, k: u32, wide: bool): void { index(compare(a, b, k, true, wide), k); }
export function pcmpestrm(a: v128, b: v128, k: u32, wide: bool): void { bits(compare(a, b, k, true, wide), k); }
export function pcmpistri(a: v128, b: v128, k: u32, wide: bool): void { index(compare(a, b, k, false, wide), k); }
export function pcmpistrm(a: v128, b: v128, k: u32, wide: bool): void { bits(compare(a, b, k, false, wide), k); }
