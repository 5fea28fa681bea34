// A decoded instruction: 16 bytes.
//
//   +0 case u16   +2 page offset:12 | length:4   +4 a   +5 b   +6 x   +7 seg:3 scale:2 slow:1 address size:2
//   +8 disp i32   +12 imm i32
//
//   a  ModRM.reg as byte offset into its register file; for rows without one: address size log2 | rep << 4
//   b  ModRM.rm register, or the base register; x  the index register (byte offsets, ZERO_OFF when absent)
//   RIP-relative: b = RIPB_OFF and disp counts from the page base. 64-bit immediates take +8..+15.
//   Branches: imm = target as an offset from the page base, disp = linked block, a = instructions left in the block.
import {
  REGS, RIPB_OFF, AMASK, RIPMASK, SEG_EBASE, SEG_BASE, SEG_LIMIT, SEG_ATTR, MODE, MODE_L, PMODE, REAL, VM86, SS, exception,
} from "./state";

/** What a refused address becomes: no fast TLB entry is for it, and the slow path sees the fault. */
const NOWHERE: u64 = 0x8000000000000000;
export const R_SLOW: u32 = 0x20; // the effective address needs eaSlow()

@inline export function A(rec: usize): usize { return <usize>load<u8>(rec, 4); }
@inline export function B(rec: usize): usize { return <usize>load<u8>(rec, 5); }
@inline export function imm<T>(rec: usize): T {
  // A 4-byte operand is loaded in its own type: asc would widen <u32>load<i32> with the sign.
  if (sizeof<T>() == 4) return load<T>(rec, 12);
  return <T><i64>load<i32>(rec, 12);
}
@inline export function imm64(rec: usize): u64 { return load<u64>(rec, 8); }
@inline export function disp(rec: usize): i32 { return load<i32>(rec, 8); }
@inline export function pageOffset(rec: usize): u32 { return <u32>load<u16>(rec, 2) & 0xfff; }
@inline export function length(rec: usize): u32 { return <u32>load<u8>(rec, 3) >> 4; }
/** Address size of a record without a ModRM.reg operand: 1, 2, 3 for 16, 32, 64 bits. */
@inline export function addressSize(rec: usize): u32 { return <u32>load<u8>(rec, 4) & 15; }
/** 0, 2 (F2) or 3 (F3). */
@inline export function rep(rec: usize): u32 { return <u32>load<u8>(rec, 4) >> 4; }
/** Segment of the memory operand (encoding order). */
@inline export function seg(rec: usize): i32 { return <i32>load<u8>(rec, 7) & 7; }
export function ripOf(rec: usize): u64 { return (load<u64>(REGS + RIPB_OFF) + pageOffset(rec)) & load<u64>(RIPMASK); }
export function ripAfter(rec: usize): u64 { return (load<u64>(REGS + RIPB_OFF) + pageOffset(rec) + length(rec)) & load<u64>(RIPMASK); }
/** @param size 1, 2, 3 for 16, 32, 64 bits */
export function addressMask(size: u32): u64 { return size == 3 ? ~0 : size == 2 ? 0xffffffff : 0xffff; }

/** Linear address of the memory operand. May set fault (segment violations); the caller checks after the access. */
@inline export function ea(rec: usize): u64 {
  const s = <u32>load<u8>(rec, 7);
  if (s & R_SLOW) return eaSlow(rec);
  return flat(rec);
}
/** Linear address of a memory operand of type T that is only read: checked over its whole size where segments matter. */
@inline export function eaIn<T>(rec: usize): u64 { return eaBytes(rec, sizeof<T>(), false); }
/** The same for an operand that is written. */
@inline export function eaOut<T>(rec: usize): u64 { return eaBytes(rec, sizeof<T>(), true); }
@inline export function eaBytes(rec: usize, size: u32, write: bool): u64 {
  const s = <u32>load<u8>(rec, 7);
  if (s & R_SLOW) return eaSpan(rec, size, write);
  return flat(rec);
}
/** Does the address of the memory operand need eaSlow()? */
@inline export function segmentsMatter(rec: usize): bool { return (load<u8>(rec, 7) & <u8>R_SLOW) != 0; }
/** That address when it does not. */
@inline export function flat(rec: usize): u64 {
  const s = <u32>load<u8>(rec, 7);
  return (load<u64>(SEG_EBASE + ((s & 7) << 3)) + load<u64>(REGS + load<u8>(rec, 5))
    + (load<u64>(REGS + load<u8>(rec, 6)) << <u64>((s >> 3) & 3)) + <u64><i64>load<i32>(rec, 8)) & load<u64>(AMASK);
}
function eaSpan(rec: usize, size: u32, write: bool): u64 {
  return segmentedSpan(seg(rec), eaOffset(rec), size, write);
}
/** Effective address without the segment: LEA, and the slow path. */
export function eaOffset(rec: usize): u64 {
  const s = <u32>load<u8>(rec, 7);
  const v = load<u64>(REGS + load<u8>(rec, 5)) + (load<u64>(REGS + load<u8>(rec, 6)) << <u64>((s >> 3) & 3)) + <u64><i64>load<i32>(rec, 8);
  return v & addressMask(s >> 6);
}
/** Segmented address with every check: 16-bit and overridden address sizes, FS and GS outside 64-bit mode, limits. */
export function eaSlow(rec: usize): u64 { return segmented(seg(rec), eaOffset(rec), false, true); }

/** LEA: the offset, without a segment; the value is truncated to the operand. */
@inline export function effective(rec: usize): u64 {
  const s = <u32>load<u8>(rec, 7);
  if (s & R_SLOW) return eaOffset(rec);
  return load<u64>(REGS + load<u8>(rec, 5)) + (load<u64>(REGS + load<u8>(rec, 6)) << <u64>((s >> 3) & 3)) + <u64><i64>load<i32>(rec, 8);
}
/** Linear address of an absolute-offset operand (A0..A3). */
export function moffs(rec: usize, size: u32, write: bool): u64 { return segmentedSpan(seg(rec), imm64(rec), size, write); }

/** Linear address of segment:offset, checked for reading (or writing) one byte; sets fault on a violation.
 *  The limit check covers the first byte; operands that run over the limit are caught by segmentSpan(). */
export function segmented(s: i32, offset: u64, write: bool, check: bool): u64 {
  if (load<u32>(MODE) & MODE_L) return load<u64>(SEG_EBASE + (s << 3)) + offset;
  const at = (load<u64>(SEG_BASE + (s << 3)) + offset) & 0xffffffff;
  if (check && !spanAllowed(s, <u32>offset, 1, write)) {
    exception(s == SS ? 12 : 13, 0);
    return NOWHERE;
  }
  return at;
}
/** The same, checked for all `size` bytes. */
export function segmentedSpan(s: i32, offset: u64, size: u32, write: bool): u64 {
  if (load<u32>(MODE) & MODE_L) return load<u64>(SEG_EBASE + (s << 3)) + offset;
  if (!spanAllowed(s, <u32>offset, size, write)) {
    exception(s == SS ? 12 : 13, 0);
    return NOWHERE;
  }
  return (load<u64>(SEG_BASE + (s << 3)) + offset) & 0xffffffff;
}
/** May `size` bytes at `offset` be accessed through segment `s` ("Segment Limit Checking", "Type Checking")? */
export function spanAllowed(s: i32, offset: u32, size: u32, write: bool): bool {
  const attr = load<u32>(SEG_ATTR + (s << 2)), limit = load<u32>(SEG_LIMIT + (s << 2)), mode = load<u32>(PMODE);
  const last = <u64>offset + size - 1;
  if (mode != REAL && mode != VM86) {
    if (attr & 0x10000) return false;
    const code = attr & 8;
    if (write ? code || !(attr & 2) : code && !(attr & 2)) return false;
    if (!code && (attr & 4)) return offset > limit && last <= <u64>(attr & 0x4000 ? 0xffffffff : 0xffff);
  }
  return last <= limit;
}
