// PUSHF, POPF, BOUND and PAUSE.
import { EFLAGS, fault, clearFault, exception, PAUSE_YIELDS, PAUSE_FIRST, PAUSE_LAST, PAUSE_GAP, PAUSE_WINDOW, STOP_YIELD } from "./state";
import { IF, RF, TF, VM, flags } from "./flags";
import { push, peek, drop } from "./stack";
import { pushfAllowed, popFlags } from "./control";
import { clockNow, next, raise, stop } from "./flow";
import { eaBytes } from "./record";
import { rd } from "../mmu/access";
import { intercepts, intercept, secondStageFault, I_PAUSE, I_PUSHF_POPF_INTN } from "./intercept";

export function pushf(size: u32): void {
  if (!pushfAllowed()) return;
  // In the middle of a block: the exit goes the way of a second-stage fault, recorded by the hook.
  if ((intercepts & I_PUSHF_POPF_INTN) && intercept(I_PUSHF_POPF_INTN, 0, 0, 0)) { secondStageFault(); return; }
  const f = flags() & ~(RF | VM);
  if (size == 8) push<u64>(<u64>f);
  else if (size == 4) push<u32>(f);
  else push<u16>(<u16>f);
}
export function popf(rec: usize, size: u32): usize {
  if (!pushfAllowed()) return raise(rec);
  if (intercepts & I_PUSHF_POPF_INTN) { const pc = intercept(I_PUSHF_POPF_INTN, rec, 0, 1); if (pc) return pc; }
  const v = size == 8 ? <u32>peek<u64>(0) : size == 4 ? peek<u32>(0) : <u32>peek<u16>(0);
  if (fault) return raise(rec);
  drop(size);
  const before = load<u32>(EFLAGS);
  popFlags(v, size);
  // Interrupts that it lets in, and the trap of a single step, are the boundary's.
  return load<u32>(EFLAGS) & (TF | (IF & ~before)) ? next(rec) : rec + 16;
}
/** A PAUSE while other CPUs wait for their turn is done; the embedder says so of one that has exited. @returns is the turn over? */
export function countPause(): bool {
  if (!load<u32>(PAUSE_YIELDS)) return false;
  const t = clockNow();
  if (t - load<i64>(PAUSE_LAST) > <i64>PAUSE_GAP) store<i64>(PAUSE_FIRST, t);
  store<i64>(PAUSE_LAST, t);
  return t - load<i64>(PAUSE_FIRST) >= <i64>PAUSE_WINDOW;
}
/** Writing `fault`, here without effect, is what translated code leaves at. */
function pauseLoop(rec: usize): usize {
  clearFault();
  if (!countPause()) return rec + 16;
  next(rec);
  return stop(STOP_YIELD);
}
export function pause(rec: usize): usize {
  if (intercepts & I_PAUSE) { const pc = intercept(I_PAUSE, rec, 0, 0); if (pc) return pc; }
  if (load<u32>(PAUSE_YIELDS)) return pauseLoop(rec);
  return rec + 16;
}
/** BOUND: #BR when the signed index lies outside the pair in memory. */
export function bound(rec: usize, size: u32, index: u64): void {
  const la = eaBytes(rec, size == 2 ? 4 : 8, false);
  if (fault) return;
  const lower: i64 = size == 2 ? <i64><i16>rd<u16>(la, rec) : <i64><i32>rd<u32>(la, rec);
  if (fault) return;
  const upper: i64 = size == 2 ? <i64><i16>rd<u16>((la + 2) & 0xffffffff, rec) : <i64><i32>rd<u32>((la + 4) & 0xffffffff, rec);
  if (fault) return;
  const i: i64 = size == 2 ? <i64><i16>index : <i64><i32>index;
  if (i < lower || i > upper) exception(5, -1);
}
