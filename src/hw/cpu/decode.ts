// The decoder: bytes to one record, driven by tables that src/hw/generate makes from the opcode rows.
//
// Descriptor of a row, 24 bytes:
//   +0  case u16 x 6: [operand size 16, 32, 64][register or plain, memory or repeated]
//   +12 immediate kind   +13 flags (F_*)   +14 kind of ModRM.reg (K_*)   +15 kind of ModRM.rm   +16 more flags (G_*)
//   +17 feature index    +18 side exit
import { FEATURES, RIPB_OFF, ZERO_OFF, MODE_L, MODE_D, MODE_NONFLAT, REGS, ES, CS, SS, DS, FS, GS } from "./state";
import { R_SLOW } from "./record";
import { PRIMARY, MODRM, DESCRIPTORS, CASE_UD, CASE_TOO_LONG, FIRST_SIDE_EXIT, LAST_SIDE_EXIT } from "./generated/tables";

export const F_MODRM: u32 = 1;
export const F_D64: u32 = 2;
export const F_F64: u32 = 4;
export const F_I64: u32 = 8;
export const F_O64: u32 = 16;
export const F_LOCK: u32 = 32;
export const F_END: u32 = 64;
export const F_REP: u32 = 128;
export const G_PLUSR: u32 = 1; // +r register goes to b
export const G_ACC: u32 = 2; // fixed accumulator goes to b (offset 0)
export const G_INFO: u32 = 4; // a = address size | rep << 4
export const G_NO66: u32 = 8; // 66 selects the row and is not an operand size
export const G_REGONLY: u32 = 16; // mod is ignored (MOV CR, DR)
export const G_NOREXB: u32 = 32; // 90 with REX.B is XCHG
export const G_MEMONLY: u32 = 64;

/** The last decoded instruction ends its block. */
export let endsBlock: bool = false;
let limit: u32 = 0;
let base: usize = 0;
let pos: u32 = 0;
let short: bool = false;

@inline function u8at(): u32 {
  if (pos >= limit) { short = true; return 0; }
  return <u32>load<u8>(base + pos++);
}
function u16at(): u32 { const a = u8at(); return a | (u8at() << 8); }
function u32at(): u32 {
  if (pos + 4 <= limit) { const v = load<u32>(base + pos); pos += 4; return v; }
  const a = u16at();
  return a | (u16at() << 16);
}
/** A record that leaves its block on one side. */
@inline export function sideExit(rec: usize): bool {
  const c = <u32>load<u16>(rec);
  return c >= FIRST_SIDE_EXIT && c <= LAST_SIDE_EXIT;
}
/** Byte offset of a general register as an 8-bit operand. */
@inline function byteOffset(r: u32, rex: bool): u32 { return !rex && r >= 4 && r < 8 ? ((r - 4) << 3) + 1 : r << 3; }
@inline function offsetOf(kind: u32, r: u32, rex: bool): u32 {
  switch (kind) {
    case 1: return byteOffset(r, rex);
    case 2: return r << 3;
    case 3: return r << 4;
    case 4: return (r & 7) << 4;
    default: return r;
  }
}
function ud(out: usize, offset: u32): u32 {
  if (short) return 0;
  store<u64>(out, <u64>CASE_UD | (<u64>offset << 16) | (<u64>1 << 28));
  store<u64>(out, 0, 8);
  endsBlock = true;
  return 1;
}
/** Decode the instruction at `at` (linear memory) with `available` bytes into a record at `out`.
 *  Returns its length, 0 when it runs over the available bytes. An invalid one becomes a #UD record. */
export function decode(at: usize, available: u32, out: usize, offset: u32, mode: u32): u32 {
  base = at;
  limit = min<u32>(available, 15);
  pos = 0;
  short = false;
  endsBlock = false;
  const r = decodeOne(out, offset, mode);
  if (short) {
    if (available >= 15) { // longer than 15 bytes: #GP
      store<u64>(out, <u64>CASE_TOO_LONG | (<u64>offset << 16) | (<u64>1 << 28));
      store<u64>(out, 0, 8);
      endsBlock = true;
      return 1;
    }
    return 0;
  }
  return r;
}
function decodeOne(out: usize, offset: u32, mode: u32): u32 {
  const long = (mode & MODE_L) != 0;
  let rex: u32 = 0, p66 = false, p67 = false, repeat: u32 = 0, lock = false, segment: i32 = -1;
  let op: u32 = 0;
  for (;;) { // prefixes; REX counts only directly before the opcode
    op = u8at();
    if (short) return 0;
    if (op == 0x66) p66 = true;
    else if (op == 0x67) p67 = true;
    else if (op == 0xf0) lock = true;
    else if (op == 0xf2) repeat = 2;
    else if (op == 0xf3) repeat = 3;
    else if (op == 0x2e) { if (!long) segment = CS; }
    else if (op == 0x36) { if (!long) segment = SS; }
    else if (op == 0x3e) { if (!long) segment = DS; }
    else if (op == 0x26) { if (!long) segment = ES; }
    else if (op == 0x64) segment = FS;
    else if (op == 0x65) segment = GS;
    else if (long && (op & 0xf0) == 0x40) { rex = op; continue; }
    else break;
    rex = 0;
  }
  let map: u32 = 0;
  if (op == 0x0f) {
    map = 1;
    op = u8at();
    if (op == 0x38) { map = 2; op = u8at(); } else if (op == 0x3a) { map = 3; op = u8at(); }
  }
  if (short) return 0;
  // The slot of the mandatory prefix; a row without one fills all four.
  const row = PRIMARY + (((map << 8) | op) << 3);
  let slot: u32 = repeat == 3 ? 2 : repeat == 2 ? 3 : p66 ? 1 : 0;
  let entry = <u32>load<u16>(row + (slot << 1));
  let modrm: u32 = 0, haveModrm = false;
  if (entry & 0x8000) {
    modrm = u8at();
    haveModrm = true;
    if (short) return 0;
    entry = <u32>load<u16>(MODRM + ((entry & 0x7fff) << 9) + (modrm << 1));
  }
  if (entry == 0) return ud(out, offset);
  let d = DESCRIPTORS + entry * 24;
  let flags = <u32>load<u8>(d, 13), more = <u32>load<u8>(d, 16);
  if ((more & G_NOREXB) && (rex & 1)) { // NOP becomes XCHG r8, rAX: the entry of 91 serves
    d = DESCRIPTORS + <u32>load<u16>(PRIMARY + (0x91 << 3)) * 24;
    flags = <u32>load<u8>(d, 13);
    more = <u32>load<u8>(d, 16);
  }
  // MOVSXD / ARPL share 63: rows for the other mode are found through the second table half.
  if (long ? flags & F_I64 : flags & F_O64) {
    const other = <u32>load<u16>(d, 20);
    if (other == 0) return ud(out, offset);
    d = DESCRIPTORS + other * 24;
    flags = <u32>load<u8>(d, 13);
    more = <u32>load<u8>(d, 16);
  }
  const feature = <u32>load<u8>(d, 17);
  if (feature && !load<u8>(FEATURES + feature)) return ud(out, offset);
  if ((flags & F_MODRM) && !haveModrm) {
    modrm = u8at();
    if (short) return 0;
  }
  // Operand size index 0, 1, 2 for 16, 32, 64 bits.
  const small = p66 && !(more & G_NO66);
  let size: u32;
  if (long) size = rex & 8 ? 2 : flags & F_F64 ? 2 : small ? 0 : flags & F_D64 ? 2 : 1;
  else size = ((mode & MODE_D) != 0) != small ? 1 : 0;
  const asize: u32 = long ? (p67 ? 2 : 3) : ((mode & MODE_D) != 0) != p67 ? 2 : 1;
  let memory: u32 = 0, b: u32 = 0, x: u32 = ZERO_OFF, a: u32 = 0, shape: u32 = 0, disp: i32 = 0, relative = false;
  let seg: i32 = segment >= 0 ? segment : DS;
  if (flags & F_MODRM) {
    const mod = modrm >> 6, rm = modrm & 7;
    a = load<u8>(d, 14) == 6 ? modrm : offsetOf(load<u8>(d, 14), ((modrm >> 3) & 7) | ((rex & 4) << 1), rex != 0);
    if (mod == 3 || (more & G_REGONLY)) {
      if (more & G_MEMONLY) return ud(out, offset);
      b = offsetOf(load<u8>(d, 15), rm | ((rex & 1) << 3), rex != 0);
    } else {
      memory = 1;
      b = ZERO_OFF;
      let stack = false;
      if (asize == 1) {
        switch (rm) {
          case 0: b = 24; x = 48; break;
          case 1: b = 24; x = 56; break;
          case 2: b = 40; x = 48; stack = true; break;
          case 3: b = 40; x = 56; stack = true; break;
          case 4: b = 48; break;
          case 5: b = 56; break;
          case 6: if (mod != 0) { b = 40; stack = true; } break;
          default: b = 24; break;
        }
        if (mod == 1) disp = <i32><i8>u8at();
        else if (mod == 2 || rm == 6 && mod == 0) disp = <i32><i16>u16at();
      } else {
        let baseless = false;
        if (rm == 4) {
          const sib = u8at(), index = ((sib >> 3) & 7) | ((rex & 2) << 2), br = (sib & 7) | ((rex & 1) << 3);
          if (index != 4) { x = index << 3; shape |= (sib >> 6) << 3; }
          if ((sib & 7) == 5 && mod == 0) baseless = true;
          else { b = br << 3; stack = br == 4 || br == 5; }
        } else if (rm == 5 && mod == 0) {
          baseless = true;
          if (long) { b = RIPB_OFF; relative = true; }
        } else {
          const br = rm | ((rex & 1) << 3);
          b = br << 3;
          stack = br == 5;
        }
        if (mod == 1) disp = <i32><i8>u8at();
        else if (mod == 2 || baseless) disp = <i32>u32at();
      }
      if (segment < 0 && stack) seg = SS;
    }
  } else if (more & G_PLUSR) b = offsetOf(load<u8>(d, 15), (op & 7) | ((rex & 1) << 3), rex != 0);
  if (more & G_INFO) a = asize | (repeat << 4);
  shape |= <u32>seg | (asize << 6);
  // Outside flat 64-bit and 32-bit addressing the effective address goes the checked way.
  if (long) { if (asize != 3) shape |= R_SLOW; }
  else if (asize != 2 || !(mode & MODE_D) || (mode & MODE_NONFLAT) || seg >= FS || seg == CS) shape |= R_SLOW;
  let imm: i32 = 0, wide: u64 = 0, useWide = false;
  switch (<u32>load<u8>(d, 12)) {
    case 0: break;
    case 1: imm = <i32>u8at(); break; // Ib
    case 2: imm = <i32><i8>u8at(); break; // sIb
    case 3: imm = <i32>u16at(); break; // Iw
    case 4: imm = size == 0 ? <i32><i16>u16at() : <i32>u32at(); break; // Iz
    case 5: // Iv
      if (size == 2) { wide = <u64>u32at(); wide |= <u64>u32at() << 32; useWide = true; }
      else imm = size == 0 ? <i32><i16>u16at() : <i32>u32at();
      break;
    case 6: imm = <i32><i8>u8at(); break; // Jb
    case 7: imm = size == 0 ? <i32><i16>u16at() : <i32>u32at(); break; // Jz
    case 8: // Ob Ov
      memory = 1;
      wide = asize == 1 ? <u64>u16at() : <u64>u32at();
      if (asize == 3) wide |= <u64>u32at() << 32;
      useWide = true;
      break;
    case 9: imm = size == 0 ? <i32>u16at() : <i32>u32at(); disp = <i32>u16at(); break; // Ap
    default: imm = <i32>u16at(); imm |= <i32>u8at() << 16; break; // Iw, Ib
  }
  if (short) return 0;
  const length = pos;
  if (lock && !((flags & F_LOCK) && memory)) return ud(out, offset);
  const kind = <u32>load<u8>(d, 12);
  if (kind == 6 || kind == 7) imm += <i32>(offset + length);
  if (relative) disp += <i32>(offset + length);
  const repeated = (flags & F_REP) && repeat != 0;
  const variant = (flags & F_REP) ? <u32>repeated : memory;
  store<u16>(out, load<u16>(d + (((size << 1) | variant) << 1)));
  store<u16>(out, <u16>(offset | (length << 12)), 2);
  store<u8>(out, <u8>a, 4);
  store<u8>(out, <u8>b, 5);
  store<u8>(out, <u8>x, 6);
  store<u8>(out, <u8>shape, 7);
  if (useWide) store<u64>(out, wide, 8);
  else { store<i32>(out, disp, 8); store<i32>(out, imm, 12); }
  if (load<u16>(out) == 0) return ud(out, offset);
  endsBlock = (flags & F_END) != 0 || repeated;
  return length;
}
