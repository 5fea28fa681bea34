// VM-exit instruction information ("Information for VM Exits Due to Instruction Execution" in the SDM), read off the record.
//
//   1..0 scale  6..3 register  9..7 address size  10 register form  17..15 segment  21..18 index  22 no index
//   26..23 base  27 no base  31..28 second register or identity
import {
  REGS, RIPB_OFF, ZERO_OFF, RIPMASK, SEG_EBASE, MODE, MODE_L, MODE_D, CS, ES, fault, clearFault, RSI, RDI,
} from "../cpu/state";
import { seg, ripOf, ripAfter, disp, pageOffset, ea, length, segmented, addressMask } from "../cpu/record";
import { rdSlow } from "../mmu/access";
import { implicit, setImplicit } from "../mmu/walk";

/** Scale, address size, segment, index and base of the memory operand. */
export function memoryInfo(rec: usize): u32 {
  const s = <u32>load<u8>(rec, 7), b = <u32>load<u8>(rec, 5), x = <u32>load<u8>(rec, 6);
  let width = s >> 6;
  if (!width) width = load<u32>(MODE) & MODE_L ? 3 : load<u32>(MODE) & MODE_D ? 2 : 1;
  let info = ((s >> 3) & 3) | ((width - 1) << 7) | ((s & 7) << 15);
  info |= x < 0x80 ? (x >> 3) << 18 : 1 << 22;
  info |= b < 0x80 ? (b >> 3) << 23 : 1 << 27;
  return info;
}
/** Exit qualification: the displacement; for RIP-relative operands the address itself. */
export function displacement(rec: usize): u64 {
  const d = <u64><i64>disp(rec);
  return load<u8>(rec, 5) == <u8>RIPB_OFF ? load<u64>(REGS + RIPB_OFF) + d : d;
}
/** Linear address of what an instruction names. @param which 0 its memory operand, 1 ES:rDI, 2 seg:rSI */
export function stringLinear(rec: usize, which: u32, width: u32): u64 {
  let la: u64;
  if (which == 0) la = ea(rec);
  else if (which == 1) la = segmented(ES, load<u64>(REGS + RDI) & addressMask(width), true, false);
  else la = segmented(seg(rec), load<u64>(REGS + RSI) & addressMask(width), false, false);
  if (fault) clearFault();
  return la;
}

// What scan() found.
export let scannedMemory: bool = false;
export let scannedReg: u32 = 0;
/** Operand size in bytes. */
export let scannedSize: u32 = 4;
function byteAt(la: u64): u32 { return <u32>rdSlow(load<u32>(MODE) & MODE_L ? la : la & 0xffffffff, 1, 0) & 0xff; }

/** Read the prefixes and ModRM of the instruction from its bytes: the record does not keep them. False when unreadable. */
export function scan(rec: usize): bool {
  const was = implicit, n = length(rec), mode = load<u32>(MODE);
  let la = ripOf(rec) + load<u64>(SEG_EBASE + (CS << 3)), op16 = false, rex: u32 = 0, i: u32 = 0, found = false;
  setImplicit(true);
  for (; i < n; i++) {
    const c = byteAt(la + i);
    if (fault) break;
    if (c == 0x66) op16 = true;
    else if ((c & 0xf0) == 0x40 && (mode & MODE_L)) rex = c;
    else if (c == 0x0f) {
      let at = i + 2;
      const second = byteAt(la + i + 1);
      if (!fault && (second == 0x38 || second == 0x3a)) at++;
      const modrm = fault ? 0 : byteAt(la + at);
      if (fault) break;
      scannedMemory = modrm < 0xc0;
      scannedReg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      scannedSize = rex & 8 ? 8 : op16 == ((mode & (MODE_L | MODE_D)) != 0) ? 2 : 4;
      found = true;
      break;
    }
  }
  setImplicit(was);
  if (fault) clearFault();
  return found;
}
