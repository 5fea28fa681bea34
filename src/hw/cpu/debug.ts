// Debug registers ("Debug, Branch Profile, TSC... Features", chapter "Debug Registers" in the SDM).
//
//   watch(page): bool              a data breakpoint may lie on the page: keep it out of the fast TLB
//   checkData(la, size, write)     note a matching data breakpoint (trap, delivered at the boundary); may set fault: run alone
//   checkFetch(): bool             an instruction breakpoint matches RIP: fault is set (#DB)
//   mov_to_dr(rec, dr, reg), mov_from_dr(rec, dr, reg): usize
import {
  ALONE_BLOCK, FAULT_ALONE, block, setFault, REGS, RIP, DR0, DR6, DR7, CR4, CPL, DB_PENDING, MODE, MODE_L, SEG_EBASE, CS, exception,
} from "./state";
import { flushFast } from "../mmu/tlb";
import { intercepts, intercept, I_DR } from "./intercept";
import { setDebugPayload } from "./interrupt";
import { updateBreak } from "./frame";
import { next, raise } from "./flow";

/** Any data or I/O breakpoint enabled? Follows DR7. */
export let dataBreakpoints: bool = false;
export function setDataBreakpoints(v: bool): void { dataBreakpoints = v; }

@inline function enabled(i: u32): bool { return ((load<u32>(DR7) >> (i * 2)) & 3) != 0; }
@inline function typeOf(i: u32): u32 { return (load<u32>(DR7) >> (16 + i * 4)) & 3; }
/** Length in bytes: 1, 2, 8, 4 for LEN 0..3. */
@inline function lengthOf(i: u32): u64 {
  const n = (load<u32>(DR7) >> (18 + i * 4)) & 3;
  return n == 2 ? 8 : <u64>n + 1;
}
/** DR7 has changed, also by VM entry or the embedder. */
export function updateDebug(): void {
  let on = false;
  for (let i: u32 = 0; i < 4; i++) if (enabled(i) && (typeOf(i) & 1)) on = true;
  if (on || dataBreakpoints) flushFast();
  dataBreakpoints = on;
  updateBreak();
}
@inline export function watch(page: u64): bool { return dataBreakpoints && watched(page); }
function watched(page: u64): bool {
  for (let i: u32 = 0; i < 4; i++) {
    if (enabled(i) && (typeOf(i) & 1) && (load<u64>(DR0 + i * 8) & ~0xfff) == page) return true;
  }
  return false;
}
/** Bits of DR6 for breakpoints that [la, la+size) hits; a write hits types 1 and 3, a read type 3. */
function hits(la: u64, size: u32, write: bool): u32 {
  let b: u32 = 0, live = false;
  for (let i: u32 = 0; i < 4; i++) {
    const t = typeOf(i);
    if (t != 3 && !(t == 1 && write)) continue;
    const n = lengthOf(i), from = load<u64>(DR0 + i * 8) & ~(n - 1);
    if (la < from + n && from < la + size) {
      b |= 1 << i;
      if (enabled(i)) live = true;
    }
  }
  return live ? b : 0;
}
export function checkData(la: u64, size: u32, write: bool): void {
  if (!dataBreakpoints) return;
  const b = hits(la, size, write);
  if (!b) return;
  // The trap comes right after the instruction: it must run in a block of its own.
  if (block != ALONE_BLOCK) setFault(FAULT_ALONE);
  else store<u32>(DB_PENDING, load<u32>(DB_PENDING) | b);
}
/** I/O breakpoints (type 2, with CR4.DE). */
export function checkPort(port: u32, size: u32): void {
  if (!(load<u32>(CR4) & 8)) return;
  let b: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    if (!enabled(i) || typeOf(i) != 2) continue;
    const n = lengthOf(i), from = load<u64>(DR0 + i * 8) & ~(n - 1);
    if (<u64>port < from + n && from < <u64>port + size) b |= 1 << i;
  }
  if (b) store<u32>(DB_PENDING, load<u32>(DB_PENDING) | b);
}
/** Instruction breakpoints at RIP; the caller has looked at RFLAGS.RF. */
export function checkFetch(): bool {
  const rip = load<u64>(RIP);
  const la = load<u32>(MODE) & MODE_L ? rip : (rip + load<u64>(SEG_EBASE, CS << 3)) & 0xffffffff;
  let b: u32 = 0, live = false;
  for (let i: u32 = 0; i < 4; i++) {
    if (typeOf(i) == 0 && load<u64>(DR0 + i * 8) == la) {
      b |= 1 << i;
      if (enabled(i)) live = true;
    }
  }
  if (!live) return false;
  setDebugPayload(b);
  exception(1, -1);
  return true;
}
/** Checks of MOV DR in the order of "MOV—Move to/from Debug Registers". @returns the register, or -1 with fault set */
function select(dr: u32): i32 {
  if (load<u32>(CPL) != 0) { exception(13, 0); return -1; }
  if (dr > 7 || ((dr == 4 || dr == 5) && (load<u32>(CR4) & 8))) { exception(6, -1); return -1; }
  return <i32>(dr == 4 || dr == 5 ? dr + 2 : dr);
}
/** DR7.GD: any access is a #DB with DR6.BD. */
function detected(): bool {
  if (!(load<u32>(DR7) & 0x2000)) return false;
  setDebugPayload(0x2000);
  exception(1, -1);
  return true;
}
export function mov_from_dr(rec: usize, dr: u32, reg: u32): usize {
  const n = select(dr);
  if (n < 0) return raise(rec);
  if (intercepts & I_DR) { const pc = intercept(I_DR, rec, <u64>(dr | 0x10 | (reg << 8)), 0); if (pc) return pc; }
  if (detected()) return raise(rec);
  const v = load<u64>(DR0 + (n >= 6 ? n - 2 : n) * 8);
  store<u64>(REGS + (reg << 3), load<u32>(MODE) & MODE_L ? v : v & 0xffffffff);
  return next(rec);
}
export function mov_to_dr(rec: usize, dr: u32, reg: u32): usize {
  const n = select(dr);
  if (n < 0) return raise(rec);
  const long = (load<u32>(MODE) & MODE_L) != 0;
  const value = load<u64>(REGS + (reg << 3)) & (long ? ~0 : 0xffffffff);
  if (intercepts & I_DR) { const pc = intercept(I_DR, rec, <u64>(dr | (reg << 8)), value); if (pc) return pc; }
  if (detected()) return raise(rec);
  if (n >= 6 && value >> 32) { exception(13, 0); return raise(rec); }
  if (n == 6) store<u64>(DR6, (value & 0xe00f) | 0xffff0ff0);
  else if (n == 7) store<u64>(DR7, (value & 0xffff2bff) | 0x400);
  else store<u64>(DR0 + n * 8, value);
  updateDebug();
  return next(rec);
}
