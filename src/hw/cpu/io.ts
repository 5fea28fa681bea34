// Port input and output ("Input/Output", volume 1 of the SDM).
//
//   port_in(rec, size, port, immediate), port_out(rec, size, port, immediate): usize     size 1, 2, 4
//   ins(rec, size), outs(rec, size): usize     one element per execution; a repeated one stays at its RIP until rCX is 0
import {
  REGS, RAX, RCX, RDX, RSI, RDI, CPL, EFLAGS, PMODE, VM86, REAL, MODE, MODE_L, ES, TR, BOUNCE, fault,
  exception, get, put,
} from "./state";
import { DF } from "./flags";
import { rep, addressSize, addressMask, seg, segmented, spanAllowed, ripOf } from "./record";
import { rd, rmw, writeBack } from "../mmu/access";
import { yank, setInflight } from "../mmu/phys";
import { intercepts, intercept, I_IO } from "./intercept";
import { attrOf, baseOf, limitOf, readSystem, UNUSABLE } from "./segment";
import { checkPort } from "./debug";
import { next, jump, raise, keepRf } from "./flow";

@external("env", "portRead") declare function envPortRead(port: u32, size: u32): u32;
@external("env", "portWrite") declare function envPortWrite(port: u32, size: u32, value: u32): void;

/** "I/O Privilege Level" and "I/O Permission Bit Map": sets fault (#GP(0)) when the access is not allowed. */
export function portAllowed(port: u32, size: u32): bool {
  const mode = load<u32>(PMODE);
  if (mode == REAL) return true;
  if (mode != VM86 && load<u32>(CPL) <= ((load<u32>(EFLAGS) >> 12) & 3)) return true;
  const tr = attrOf(TR), limit = limitOf(TR);
  if (!(tr & UNUSABLE) && (tr & 0xd) == 9 && limit >= 103) {
    const map = <u32>readSystem(baseOf(TR) + 102, 2), at = map + (port >> 3);
    if (fault) return false;
    if (at + 1 <= limit) {
      const bits = <u32>readSystem(baseOf(TR) + at, 2);
      if (fault) return false;
      if (!((bits >> (port & 7)) & ((1 << size) - 1))) return true;
    }
  }
  exception(13, 0);
  return false;
}
function readPort(port: u32, size: u32): u32 {
  setInflight(1);
  const v = envPortRead(port, size);
  setInflight(0);
  yank();
  checkPort(port, size);
  return v;
}
function writePort(port: u32, size: u32, v: u32): void {
  setInflight(1);
  envPortWrite(port, size, v);
  setInflight(0);
  yank();
  checkPort(port, size);
}
/** What the intercept is told besides the port. */
@inline function detail(size: u32, input: u32, string: u32, repeated: u32, immediate: u32): u64 {
  return <u64>(size | (input << 3) | (string << 4) | (repeated << 5) | (immediate << 6));
}
export function port_in(rec: usize, size: u32, port: u32, immediate: u32): usize {
  if (!portAllowed(port, size)) return raise(rec);
  if (intercepts & I_IO) { const pc = intercept(I_IO, rec, <u64>port, detail(size, 1, 0, 0, immediate)); if (pc) return pc; }
  const v = readPort(port, size);
  if (size == 1) put<u8>(RAX, <u8>v);
  else if (size == 2) put<u16>(RAX, <u16>v);
  else put<u32>(RAX, v);
  return next(rec);
}
export function port_out(rec: usize, size: u32, port: u32, immediate: u32): usize {
  if (!portAllowed(port, size)) return raise(rec);
  if (intercepts & I_IO) { const pc = intercept(I_IO, rec, <u64>port, detail(size, 0, 0, 0, immediate)); if (pc) return pc; }
  writePort(port, size, load<u32>(REGS + RAX) & (size == 4 ? ~0 : (<u32>1 << (size * 8)) - 1));
  return next(rec);
}
/** Write a register with the address size: 16 bits merge, 32 bits zero-extend. */
function putAddress(off: i32, v: u64, asize: u32): void {
  if (asize == 1) put<u16>(off, <u16>v);
  else if (asize == 2) put<u32>(off, <u32>v);
  else put<u64>(off, v);
}
/** Move the index register on and count down; where execution continues. */
function advanceString(rec: usize, index: i32, size: u32, asize: u32): usize {
  const mask = addressMask(asize);
  putAddress(index, load<u32>(EFLAGS) & DF ? get<u64>(index) - size : get<u64>(index) + size, asize);
  if (!rep(rec)) return next(rec);
  const left = (get<u64>(RCX) - 1) & mask;
  putAddress(RCX, left, asize);
  if (!left) return next(rec);
  keepRf();
  return jump(ripOf(rec));
}
export function ins(rec: usize, size: u32): usize {
  const asize = addressSize(rec), mask = addressMask(asize), port = load<u32>(REGS + RDX) & 0xffff, repeated = rep(rec);
  if (repeated && !(get<u64>(RCX) & mask)) return next(rec);
  if (!portAllowed(port, size)) return raise(rec);
  const offset = get<u64>(RDI) & mask;
  if (!(load<u32>(MODE) & MODE_L) && !spanAllowed(ES, <u32>offset, size, true)) { exception(13, 0); return raise(rec); }
  const la = segmented(ES, offset, true, false);
  if (intercepts & I_IO) {
    const more = detail(size, 1, 1, repeated ? 1 : 0, 0) | <u64>(asize << 8) | (<u64>ES << 16);
    const pc = intercept(I_IO, rec, <u64>port, more);
    if (pc) return pc;
  }
  // The destination is found writable before the port is read: reading cannot be undone.
  const p = size == 1 ? rmw<u8>(la, rec) : size == 2 ? rmw<u16>(la, rec) : rmw<u32>(la, rec);
  if (fault) return raise(rec);
  const v = readPort(port, size);
  if (size == 1) store<u8>(p, <u8>v);
  else if (size == 2) store<u16>(p, <u16>v);
  else store<u32>(p, v);
  if (p == BOUNCE) writeBack();
  if (fault) return raise(rec);
  return advanceString(rec, RDI, size, asize);
}
export function outs(rec: usize, size: u32): usize {
  const asize = addressSize(rec), mask = addressMask(asize), port = load<u32>(REGS + RDX) & 0xffff, repeated = rep(rec), s = seg(rec);
  if (repeated && !(get<u64>(RCX) & mask)) return next(rec);
  if (!portAllowed(port, size)) return raise(rec);
  const offset = get<u64>(RSI) & mask;
  if (!(load<u32>(MODE) & MODE_L) && !spanAllowed(s, <u32>offset, size, false)) { exception(s == 2 ? 12 : 13, 0); return raise(rec); }
  const la = segmented(s, offset, false, false);
  if (intercepts & I_IO) {
    const more = detail(size, 0, 1, repeated ? 1 : 0, 0) | <u64>(asize << 8) | (<u64>s << 16);
    const pc = intercept(I_IO, rec, <u64>port, more);
    if (pc) return pc;
  }
  const v = size == 1 ? <u32>rd<u8>(la, rec) : size == 2 ? <u32>rd<u16>(la, rec) : rd<u32>(la, rec);
  if (fault) return raise(rec);
  writePort(port, size, v);
  return advanceString(rec, RSI, size, asize);
}
