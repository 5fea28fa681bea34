// Leaving straight-line execution: the next block, the boundary between instructions, faults.
//
// A body that changes the flow returns the next record. Two fixed records stand for the rest of the world:
// STOP leaves run(); RESUME looks for interrupts and goes on at RIP, in the loop and not by recursion.
import {
  REGS, RIP, RIPB_OFF, RIPMASK, MODE, MODE_L, SEG_EBASE, SEG_LIMIT, CS, CPL, EFLAGS, JUMP_CACHE, JUMP_MASK, ALONE_BLOCK, SCRATCH_BLOCK,
  STRADDLE_BLOCK, STOP, RESUME, STOP_REASON, STOP_BUDGET, STOP_REQUEST, STOP_HALT, STOP_SHUTDOWN, STOP_VMEXIT, STOP_WAIT_SIPI, STOP_INIT, ACTIVITY, SHADOW, INTR, NMI,
  NMI_BLOCKED, EVENTS_HELD, DB_PENDING, BREAK_ON, INIT, SMI, SIPI, T_END, N_INTERRUPT,
  left, setLeft, block, setBlock, fault, clearFault, faultVector, faultCode, faultAddress, exception,
  FAULT_ALONE, FAULT_VMEXIT, FAULT_FETCH, STOP_FAULT,
} from "./state";
import { IF, TF, RF } from "./flags";
import { findBlock, makeBlock, finish, uncount, DEAD } from "./blocks";
import { decode, sideExit } from "./decode";
import { CASE_STOP, CASE_RESUME, CASE_NEXT } from "./generated/tables";
import { ripOf, ripAfter, pageOffset, length } from "./record";
import { yanked, yank, unyank, inflight, setInflight, physEntry } from "../mmu/phys";
import { context, noteJump, P_G } from "../mmu/tlb";
import { translate, FETCH, setImplicit } from "../mmu/walk";
import { imported } from "../mmu/imported";
import { canonical } from "../mmu/access";
import { intercepts, intercept, I_BOUNDARY, I_INTR, I_NMI, I_INTR_WINDOW, I_NMI_WINDOW, I_INIT, I_SMI, I_SIPI, I_STACK2 } from "./intercept";
import { deliver, deliverDebugTrap } from "./interrupt";
import { checkFetch } from "./debug";
import { vendorIsAmd } from "./cpuid";

@external("env", "intAck") declare function envIntAck(): i32;

/** Deliveries since an instruction last retired; a guest that only faults must not keep the embedder waiting. */
let barren: u32 = 0;
let barrenAt: i64 = 0;
const MAX_BARREN: u32 = 10000;
/** A single-stepped instruction runs: its end is a trap. */
let stepping: bool = false;
/** RF was set when the instruction in hand began: its end clears it ("Resume Flag (RF)"). */
let resuming: bool = false;
/** The instruction in hand writes RF itself, or is one iteration of several. */
export function keepRf(): void { resuming = false; }
/** The instruction in hand has ended in an event or an exit, which takes the place of the trap. */
export function dropStep(): void { stepping = false; resuming = false; }
/** From TF as it is now: SYSCALL and SYSRET trap if it is set when they end, whatever it was before. */
export function stepByFlag(): void { stepping = (load<u32>(EFLAGS) & TF) != 0; }
/** What the end of an instruction that ran alone brings. Nothing of it may outlive run(): it is not saved. */
export function completed(): void {
  if (stepping) { stepping = false; store<u32>(DB_PENDING, load<u32>(DB_PENDING) | BS); }
  if (resuming) { resuming = false; store<u32>(EFLAGS, load<u32>(EFLAGS) & ~RF); }
}
/** Debug traps that waited when the instruction in hand began: one that faults has met no breakpoint. */
let waiting: u32 = 0;
/** DR6.BS */
const BS: u32 = 0x4000;

export function prepareFixedRecords(): void {
  store<u64>(STOP, <u64>CASE_STOP);
  store<u64>(RESUME, <u64>CASE_RESUME);
}
/** The clock before the instruction in hand: it does not count yet. */
export function now(): u64 { return <u64>(load<i64>(T_END) - <i64>left - <i64>yanked - 1); }
/** The clock as the embedder sees it, also while a device access is in hand. */
export function clockNow(): i64 { return load<i64>(T_END) - <i64>left - <i64>yanked - <i64>inflight; }

export function stop(reason: u32): usize {
  if (reason == STOP_VMEXIT) dropStep(); else completed();
  store<u32>(STOP_REASON, reason);
  return STOP;
}
export function resume(): usize { return RESUME; }
/** Continue after this record, looking for interrupts first. */
export function next(rec: usize): usize {
  store<u64>(RIP, ripAfter(rec));
  return RESUME;
}
/** Enter a block. Its RIP is known from RIPB. */
export function enter(b: usize): usize {
  const l = left - load<i32>(b);
  if (l < 0) return enterSlow(b);
  setLeft(l);
  setBlock(b);
  return b + 32;
}
/** Enter a block whose instructions do not all fit in the slice, or which is dead, or after a yank. */
export function enterSlow(b: usize): usize {
  store<u64>(RIP, ripOf(b + 32));
  if (yanked || load<i32>(b) == DEAD) return RESUME;
  if (left == 0) return stop(STOP_BUDGET);
  return enterPart(b, left);
}
function enterPart(b: usize, n: u32): usize {
  const last = b + 32 + ((n - 1) << 4);
  memory.copy(SCRATCH_BLOCK, b, 32 + (n << 4));
  uncount(SCRATCH_BLOCK);
  finish(SCRATCH_BLOCK, n, pageOffset(last) + length(last));
  setLeft(0);
  setBlock(SCRATCH_BLOCK);
  return SCRATCH_BLOCK + 32;
}
/** The block that the jump cache has for an address of the current code segment, whose page is the code page now; 0 for none. */
@inline function known(rip: u64): usize {
  const base = load<u64>(SEG_EBASE + (CS << 3)), mode = load<u32>(MODE);
  const la = mode & MODE_L ? rip : (rip + base) & 0xffffffff;
  const e = JUMP_CACHE + (<usize>((<u32>la ^ <u32>(la >> 12)) & JUMP_MASK) << 4);
  if (load<u64>(e) != la || load<u32>(e, 8) != (<u32>context | (mode << 12))) return 0;
  store<u64>(REGS + RIPB_OFF, (la & ~0xfff) - base);
  return load<u32>(e, 12);
}
/** Go to an effective address in the current code segment. */
export function jump(rip: u64): usize {
  const b = known(rip);
  if (b) return enter(b);
  store<u64>(RIP, rip);
  // A trap of an instruction that ran alone comes before the fetch of the next one, whatever comes of that.
  return yanked ? RESUME : go();
}
/** Follow a direct branch or NEXT record. */
@inline export function follow(rec: usize): usize {
  const b: usize = load<u32>(rec, 8);
  if (b) {
    const l = left - load<i32>(b);
    if (l >= 0) { setLeft(l); setBlock(b); return b + 32; }
    return enterSlow(b);
  }
  return link(rec);
}
/** A direct branch with 16-bit operand size: IP wraps at 64 KiB. */
export function jumpShort(rec: usize): usize {
  const rip = (load<u64>(REGS + RIPB_OFF) + <u64><i64>load<i32>(rec, 12)) & 0xffff;
  return outside(rip) ? stray(rec) : jump(rip);
}
/** After a segment register was loaded: MOV SS and POP SS hold off interrupts for one instruction. */
export function afterSegment(rec: usize, s: u32): usize {
  if (s == 2) store<u32>(SHADOW, 2);
  return next(rec);
}
/** May execution go on at an effective address? #GP when it is not canonical or beyond the limit of CS. */
@inline export function outside(rip: u64): bool {
  return load<u32>(MODE) & MODE_L ? !canonical(rip) && deny() : rip > <u64>load<u32>(SEG_LIMIT + (CS << 2)) && deny();
}
function deny(): bool { exception(13, 0); return true; }
/** Target of a direct branch of 32 or 64 bits: not cut to 16 bits in a 16-bit segment. */
function targetOf(rec: usize): u64 {
  const rip = load<u64>(REGS + RIPB_OFF) + <u64><i64>load<i32>(rec, 12);
  return load<u32>(MODE) & MODE_L ? rip : rip & 0xffffffff;
}
/** The same question for a direct branch: a linked one has been asked before. */
@inline export function strays(rec: usize): bool { return load<u32>(rec, 8) == 0 && outside(targetOf(rec)); }
/** A branch whose target is outside: it has not happened. */
function stray(rec: usize): usize {
  if (rec == block + 32) uncount(block);
  if (sideExit(rec)) setLeft(left - <i32>load<u8>(rec, 4));
  return raise(rec);
}
export function invalidOpcode(rec: usize): usize { exception(6, -1); return raise(rec); }
export function tooLong(rec: usize): usize { exception(13, 0); return raise(rec); }
/** Take the link of a branch or NEXT record: the target is imm bytes from the page base. */
export function link(rec: usize): usize {
  const target = load<i32>(rec, 12), branch = <u32>load<u16>(rec) != CASE_NEXT;
  const rip = branch ? targetOf(rec) : (load<u64>(REGS + RIPB_OFF) + <u64><i64>target) & load<u64>(RIPMASK);
  if (branch && outside(rip)) return stray(rec);
  if (<u32>target < 4096 && !load<u32>(BREAK_ON) && rip == load<u64>(REGS + RIPB_OFF) + <u64>target && !yanked) {
    const pa = (load<u32>(block, 4) & ~0xfff) + <u32>target, mode = load<u32>(MODE);
    let b = findBlock(pa, mode);
    if (b == 0) {
      store<u64>(RIP, rip);
      b = resolve();
      if (fault) return raiseHere();
      if (b == STRADDLE_BLOCK || load<u32>(b, 4) != pa) return enter(b);
    }
    store<u32>(rec, <u32>b, 8);
    return enter(b);
  }
  return jump(rip);
}
/** Continue at RIP without looking for interrupts. */
function go(): usize {
  // Nothing of the next instruction, its fetch included, happens before the slice that runs it.
  if (left == 0 && !yanked) return stop(STOP_BUDGET);
  const rip = load<u64>(RIP);
  if (load<u32>(MODE) & MODE_L ? !load<u32>(BREAK_ON) : !load<u32>(BREAK_ON) && rip <= <u64>load<u32>(SEG_LIMIT + (CS << 2))) {
    const b = known(rip);
    if (b && load<i32>(b) != DEAD) return enter(b);
  }
  const b = resolve();
  return fault ? raiseHere() : enter(b);
}
/** The block at RIP, decoded if need be; sets fault when the fetch fails. Enters it in the jump cache. */
function resolve(): usize {
  const rip = load<u64>(RIP), base = load<u64>(SEG_EBASE + (CS << 3)), mode = load<u32>(MODE);
  const la = mode & MODE_L ? rip : (rip + base) & 0xffffffff;
  if (mode & MODE_L ? !canonical(la) : rip > <u64>load<u32>(SEG_LIMIT + (CS << 2))) { exception(13, 0); return 0; }
  const user = load<u32>(CPL) == 3;
  const t = translate(la, FETCH, user);
  if (t == 0) return 0;
  const pa = load<u64>(t, 8), e = physEntry(pa), offset = <u32>la & 0xfff;
  if (!(e & 3)) { exception(6, -1); return 0; }
  store<u64>(REGS + RIPB_OFF, (la & ~0xfff) - base);
  let b = findBlock(<u32>pa + offset, mode);
  if (b == 0) b = makeBlock(<u32>pa, <usize>(e & ~0xfff), offset, mode);
  if (b == 0) return straddle(<u32>pa, <usize>(e & ~0xfff), la, mode, user);
  if (!load<u32>(BREAK_ON)) {
    const j = JUMP_CACHE + (<usize>((<u32>la ^ <u32>(la >> 12)) & JUMP_MASK) << 4);
    store<u64>(j, la);
    store<u32>(j, <u32>context | (mode << 12), 8);
    store<u32>(j, <u32>b, 12);
    noteJump(la, j, (load<u32>(t, 16) & P_G) != 0);
  }
  return b;
}
const BYTES = memory.data(32, 8);
/** The block of the one instruction that crosses a page: never cached. */
function straddle(pa: u32, page: usize, la: u64, mode: u32, user: bool): usize {
  const offset = <u32>la & 0xfff, head = 4096 - offset;
  const following = mode & MODE_L ? (la & ~0xfff) + 4096 : ((la & ~0xfff) + 4096) & 0xffffffff;
  const t = translate(following, FETCH, user);
  if (t == 0) return 0;
  const e = physEntry(load<u64>(t, 8));
  if (!(e & 3)) { exception(6, -1); return 0; }
  memory.copy(BYTES, page + offset, head);
  memory.copy(BYTES + head, <usize>(e & ~0xfff), 16);
  const n = decode(BYTES, 15, STRADDLE_BLOCK + 32, offset, mode);
  store<u32>(STRADDLE_BLOCK, pa + offset, 4);
  store<u32>(STRADDLE_BLOCK, mode, 8);
  finish(STRADDLE_BLOCK, 1, offset + n);
  return STRADDLE_BLOCK;
}
/** Run the instruction at RIP in a block of its own, then come back to the boundary. */
function runAlone(): usize {
  const b = resolve();
  if (fault) return raiseHere();
  // The step is still to be made: a single-step trap must not come of it.
  if (left + yanked < 1) { dropStep(); unyank(); return stop(STOP_BUDGET); }
  waiting = load<u32>(DB_PENDING);
  memory.copy(ALONE_BLOCK, b, 48);
  uncount(ALONE_BLOCK);
  const rec = ALONE_BLOCK + 32;
  finish(ALONE_BLOCK, 1, pageOffset(rec) + length(rec));
  unyank();
  setLeft(left - 1);
  store<u32>(SHADOW, 0);
  setBlock(ALONE_BLOCK);
  yank();
  return rec;
}
/** The record in hand cannot complete: give back the budget of what did not run and deal with the reason. */
export function raise(rec: usize): usize {
  const done = <i32>((rec - block - 32) >> 4);
  setLeft(left + load<i32>(block) - done);
  store<u64>(RIP, ripOf(rec));
  if (block == ALONE_BLOCK) store<u32>(DB_PENDING, waiting);
  return dispose(rec);
}
function raiseHere(): usize { return dispose(0); }
function dispose(rec: usize): usize {
  const kind = fault;
  clearFault();
  setImplicit(false);
  setInflight(0);
  if (kind == FAULT_ALONE && !imported) return runAlone();
  dropStep();
  if (imported) return stop(kind == FAULT_FETCH ? STOP_BUDGET : STOP_FAULT);
  const t = clockNow();
  if (t != barrenAt) { barrenAt = t; barren = 0; }
  if (++barren > MAX_BARREN) { barren = 0; unyank(); return stop(STOP_REQUEST); }
  if (kind == FAULT_VMEXIT) return intercept(I_STACK2, rec, 0, 0);
  return deliver(faultVector, faultCode, 3, load<u64>(RIP));
}
/** Clock after the instruction that MOV SS or POP SS shields: VM entry is refused to it. */
export let movSsUntil: i64 = -1;
export function setMovSsUntil(t: i64): void { movSsUntil = t; }
/** The boundary between two instructions: "Relative Priority of Faults and VM Exits", then on at RIP. Most often there is nothing:
 *  one test, in which each of INTR, ACTIVITY and SIPI stands for itself and the word behind it (NMI, INIT, DB_PENDING). */
export function boundary(): usize {
  unyank();
  completed();
  // A checkpoint lies before any event of its instant is taken, however the slices are cut.
  if (left <= 0) return stop(STOP_BUDGET);
  if (!(<u64>load<u32>(SHADOW) | load<u64>(INTR) | load<u64>(ACTIVITY) | load<u64>(SIPI) | <u64>load<u32>(SMI) | <u64>load<u32>(BREAK_ON)
    | (intercepts & (I_BOUNDARY | I_INTR_WINDOW | I_NMI_WINDOW)))) return go();
  const shadow = load<u32>(SHADOW), held = load<u32>(EVENTS_HELD);
  if (load<u32>(INIT) && !held) {
    if (intercepts & I_INIT) { const pc = intercept(I_INIT, 0, 0, 0); if (pc) return pc; }
    else return stop(STOP_INIT);
  }
  if (load<u32>(SMI) && !held) {
    if (intercepts & I_SMI) { const pc = intercept(I_SMI, 0, 0, 0); if (pc) return pc; }
    store<u32>(SMI, 0);
  }
  if (intercepts & I_BOUNDARY) { const pc = intercept(I_BOUNDARY, 0, 0, 0); if (pc) return pc; }
  if (shadow == 2) movSsUntil = clockNow() + 1;
  const activity = load<u32>(ACTIVITY);
  if (activity == 3) {
    if (load<u32>(SIPI) && (intercepts & I_SIPI)) { const pc = intercept(I_SIPI, 0, load<u32>(SIPI) - 1, 0); if (pc) return pc; }
    return stop(STOP_WAIT_SIPI);
  }
  if (load<u32>(DB_PENDING) && shadow != 2 && activity != 2) return deliverDebugTrap();
  if (intercepts & I_BOUNDARY) { const pc = intercept(I_BOUNDARY, 0, 1, 0); if (pc) return pc; }
  if (load<u32>(NMI) && !load<u32>(NMI_BLOCKED) && shadow != 2 && !held) {
    if (intercepts & I_NMI) { const pc = intercept(I_NMI, 0, 0, 0); if (pc) return pc; }
    store<u32>(NMI, 0);
    store<u32>(NMI_BLOCKED, 1);
    return deliver(2, -1, 2, load<u64>(RIP));
  }
  if (activity == 2) return stop(STOP_SHUTDOWN);
  if ((intercepts & I_NMI_WINDOW) && !load<u32>(NMI_BLOCKED) && !shadow) {
    const pc = intercept(I_NMI_WINDOW, 0, 0, 0);
    if (pc) return pc;
  }
  if (!shadow && !held) {
    const open = (load<u32>(EFLAGS) & IF) != 0;
    if ((intercepts & I_INTR_WINDOW) && open) {
      const pc = intercept(I_INTR_WINDOW, 0, 0, 0);
      if (pc) return pc;
    }
    if (load<u32>(INTR)) {
      if (intercepts & I_INTR) { const pc = intercept(I_INTR, 0, 0, 0); if (pc) return pc; }
      else if (open) {
        const vector = envIntAck();
        if (vector >= 0) {
          store<u64>(N_INTERRUPT, load<u64>(N_INTERRUPT) + 1);
          return deliver(vector, -1, 0, load<u64>(RIP));
        }
      }
    }
  }
  if (activity == 1) return stop(STOP_HALT);
  const single = (load<u32>(EFLAGS) & TF) != 0;
  if (load<u32>(BREAK_ON)) {
    const rf = (load<u32>(EFLAGS) & RF) != 0;
    if (!rf && (shadow != 2 || vendorIsAmd()) && checkFetch()) return raiseHere();
    // Intel's MOV SS holds off instruction breakpoints, too, and with both vendors the trap of its own is not made up for: the next
    // instruction makes one, or ends in an event that takes its place.
    if (shadow == 2) store<u32>(DB_PENDING, load<u32>(DB_PENDING) & ~BS);
    stepping = single;
    resuming = rf;
    return runAlone();
  }
  if (shadow) {
    // Nothing is looked for before the next instruction has run.
    if (load<u32>(INTR) | load<u32>(NMI) | load<u32>(DB_PENDING)) return runAlone();
    if (intercepts & (I_INTR_WINDOW | I_NMI_WINDOW)) return runAlone();
    if (left > 0) store<u32>(SHADOW, 0);
  }
  return go();
}
