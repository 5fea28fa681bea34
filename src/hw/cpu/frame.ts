// Stacks that are filled before they become current: interrupt frames, call gates, far calls, and reading them back.
//
//   openCurrent(code) | openInner(...) | openLong(...)   then push(size, value)...   then stackPointer()
//   peek(offset, size): a value `offset` bytes above the current stack pointer
import {
  REGS, RSP, SS, CPL, EFLAGS, MODE, MODE_L, MODE_SSB, SPMASK, SEG_EBASE, BREAK_ON, DR7, fault, exception,
} from "./state";
import { ARITH, TF, RF, VM, setArithmeticFlags } from "./flags";
import { rdSlow, wrSlow, wr, rd, canonical } from "../mmu/access";
import { implicit, setImplicit } from "../mmu/walk";
import { updateContext } from "../mmu/tlb";
import { spanAllowed } from "./record";
import { attrOf, limitOf } from "./segment";
import { keepRf } from "./flow";

let base: u64 = 0;
let mask: u64 = 0;
let sp: u64 = 0;
let limit: u32 = 0;
let attr: u32 = 0;
let long: bool = false;
let supervisor: bool = false;
let current: bool = false;
let errorCode: i32 = 0;

/** Push on the current stack; a violation is #SS with this error code. */
export function openCurrent(code: i32): void {
  long = (load<u32>(MODE) & MODE_L) != 0;
  base = load<u64>(SEG_EBASE, SS << 3);
  mask = load<u64>(SPMASK);
  sp = load<u64>(REGS + RSP);
  limit = limitOf(SS);
  attr = attrOf(SS);
  supervisor = false;
  current = true;
  errorCode = code;
}
/** Push on the stack of an inner level whose segment is known only from its descriptor. */
export function openInner(segBase: u64, segLimit: u32, segAttr: u32, start: u64, code: i32): void {
  long = false;
  base = segBase;
  mask = segAttr & 0x4000 ? 0xffffffff : 0xffff;
  sp = start;
  limit = segLimit;
  attr = segAttr;
  supervisor = load<u32>(CPL) == 3;
  current = false;
  errorCode = code;
}
/** Push on a 64-bit stack. @param inner the privilege level becomes more privileged */
export function openLong(start: u64, inner: bool, code: i32): void {
  long = true;
  base = 0;
  mask = ~0;
  sp = start;
  supervisor = inner && load<u32>(CPL) == 3;
  current = false;
  errorCode = code;
}
export function stackPointer(): u64 { return sp; }

@inline function inside(offset: u32, size: u32): bool {
  if (current) return spanAllowed(SS, offset, size, true);
  const last = <u64>offset + size - 1;
  if (attr & 4) return offset > limit && last <= <u64>(attr & 0x4000 ? 0xffffffff : 0xffff);
  return last <= limit;
}
export function push(size: u32, value: u64): void {
  if (fault) return;
  const to = (sp - size) & mask;
  if (long) {
    if (!canonical(to) || !canonical(to + size - 1)) { exception(12, errorCode); return; }
    const mode = load<u32>(MODE);
    store<u32>(MODE, mode | MODE_L);
    if (supervisor) {
      const was = implicit;
      setImplicit(true);
      wrSlow(to, size, value, 0);
      setImplicit(was);
    } else if (size == 8) wr<u64>(to, value, 0);
    else wrSlow(to, size, value, 0);
    store<u32>(MODE, mode);
  } else {
    if (!inside(<u32>to, size)) { exception(12, errorCode); return; }
    const was = implicit;
    setImplicit(was || supervisor);
    wrSlow((base + to) & 0xffffffff, size, value, 0);
    setImplicit(was);
  }
  if (!fault) sp = (sp & ~mask) | to;
}
/** Read the current stack, `offset` bytes above the stack pointer. */
export function peek(offset: u32, size: u32): u64 {
  if (fault) return 0;
  const at = (load<u64>(REGS + RSP) + offset) & load<u64>(SPMASK);
  if (load<u32>(MODE) & MODE_L) return size == 8 ? rd<u64>(at, 0) : rdSlow(at, size, 0);
  if (!spanAllowed(SS, <u32>at, size, false)) { exception(12, 0); return 0; }
  return rdSlow((load<u64>(SEG_EBASE, SS << 3) + at) & 0xffffffff, size, 0);
}
/** RSP after a change of stack: all of it with a 64 or 32-bit stack, SP alone with a 16-bit one. */
export function setStackPointer(value: u64): void {
  if (load<u32>(MODE) & (MODE_L | MODE_SSB)) store<u64>(REGS + RSP, value & load<u64>(SPMASK));
  else store<u16>(REGS + RSP, <u16>value);
}
/** Pop bytes without reading them. */
export function advance(bytes: u64): void { setStackPointer(load<u64>(REGS + RSP) + bytes); }

/** Flags that exist: what a write can set. */
const EXISTING: u32 = 0x3f7fd5;
/** Write the bits of RFLAGS in `which`; TF, RF and AC take effect. updateMode() must follow a change of VM. */
export function setFlags(value: u32, which: u32): void {
  const m = which & EXISTING;
  if (m & ARITH) setArithmeticFlags(value);
  if (m & RF) keepRf();
  const old = load<u32>(EFLAGS);
  let now = ((old & ~m) | (value & m)) & ~ARITH;
  // RF matters to instruction breakpoints only: without one it is not kept past this boundary.
  if ((now & RF) && !executionBreakpoints()) now &= ~RF;
  store<u32>(EFLAGS, now);
  if ((old ^ now) & (1 << 18)) updateContext();
  updateBreak();
}
/** Is a breakpoint of type "instruction execution" enabled in DR7? */
export function executionBreakpoints(): bool {
  const d = load<u32>(DR7);
  return ((d & 3) != 0 && !(d & 0x30000)) || ((d & 0xc) != 0 && !(d & 0x300000))
    || ((d & 0x30) != 0 && !(d & 0x3000000)) || ((d & 0xc0) != 0 && !(d & 0x30000000));
}
/** Bit 0 of BREAK_ON belongs to the CPU: TF or an instruction breakpoint. */
export function updateBreak(): void {
  const on: u32 = (load<u32>(EFLAGS) & TF) || executionBreakpoints() ? 1 : 0;
  store<u32>(BREAK_ON, (load<u32>(BREAK_ON) & ~1) | on);
}
