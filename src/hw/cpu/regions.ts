// Where translated regions (src/hw/jit) meet the interpreter.
//
// CASE_COUNT stands in for the first case of a block until the block has run often enough, CASE_REGION once a region can
// be entered there. Both lead to the decoded case, which lies in the block's header, so neither costs a block without it.
//
// A region is run(left, context, entry) -> record | how:
//   0  go on at this record, in JIT_BLOCK                   2  go to the address in RIP
//   1  follow the branch of this record                     3  enter the block of this first record
// and leaves the budget in JIT_LEFT. Bit 2 with 0: what was asked of memory for several accesses at once crosses into another page.
import {
  JIT_THRESHOLD, JIT_LEFT, JIT_BLOCK, JIT_QUEUE, JIT_QUEUED, JIT_BATCH, JIT_REGIONS, JIT_CHANGES, JIT_CHANGED, N_TRANSLATED, N_RETURN,
  REGS, RIPB_OFF, RIP, SEG_EBASE, CS, left, setLeft, setBlock,
} from "./state";
import { CASE_REGION } from "./generated/tables";
import { count, uncount, SHARED } from "./blocks";
import { enter, jump, follow } from "./flow";
import { pageOffset } from "./record";
import { context } from "../mmu/tlb";

@external("env", "translateHot") declare function envTranslate(): void;

const QUEUE_ENTRIES: u32 = 64;

/** One run of a block that is counted; returns its decoded case. */
export function counted(pc: usize): u32 {
  const b = pc - 32, op = load<u16>(b, 24), n = load<u16>(b, 30) - 1;
  store<u16>(b, n, 30);
  if (!(n & ~SHARED)) queue(b);
  return op;
}
/** Linear address of a block on the code page in force. */
function linearOf(b: usize): u64 { return load<u64>(REGS + RIPB_OFF) + load<u64>(SEG_EBASE + (CS << 3)) + pageOffset(b + 32); }
function queue(b: usize): void {
  uncount(b);
  const n = load<u32>(JIT_QUEUED);
  if (n >= QUEUE_ENTRIES) { count(b); return; }
  const e = JIT_QUEUE + (n << 4);
  store<u32>(e, <u32>b);
  store<u64>(e, linearOf(b), 8);
  store<u32>(JIT_QUEUED, n + 1);
  if (n + 1 >= load<u32>(JIT_BATCH)) envTranslate();
}

/** One in 1,024 changes from region to region is noted: those that lead to one another often become one. */
const SAMPLE: u64 = 1023;
const CHANGES: u32 = 32;
/** One in 64 accesses that cross is noted, as a change from this number plus the region's. */
const CROSSED: u32 = 0x10000;
const CROSSED_SAMPLE: u64 = 63;
function changed(from: u32, b: usize): void {
  const n = load<u32>(JIT_CHANGED);
  if (n >= CHANGES) return;
  const e = JIT_CHANGES + (n << 4);
  store<u32>(e, <u32>b);
  store<u32>(e, from, 4);
  store<u64>(e, linearOf(b), 8);
  store<u32>(JIT_CHANGED, n + 1);
}

/** The decoded case to go on with behind enterRegion(), 0 for the one in the record. */
export let enteredCase: u32 = 0;

/** Run the region of a block that was entered, and the regions that it leads to; returns the record to go on with. */
export function enterRegion(pc: usize): usize {
  let from: u32 = 0;
  enteredCase = 0;
  do {
    const b = pc - 32, region = <u32>load<u16>(b, 28), slot = load<u32>(JIT_REGIONS + (<usize>region << 2));
    if (slot == 0) { count(b); enteredCase = <u32>load<u16>(b, 24); return pc; }
    if (from) changed(from, b);
    const before = left + load<i32>(b);
    const to = call_indirect<usize>(slot, before, context, <u32>load<u16>(b, 26));
    const after = load<i32>(JIT_LEFT), how = to & 3, returned = N_RETURN + (how << 3), n = load<u64>(returned) + 1, at: usize = load<u32>(JIT_BLOCK);
    setLeft(after);
    setBlock(at);
    store<u64>(returned, n);
    from = n & SAMPLE ? 0 : region;
    pc = to & ~15;
    let ran = before - after;
    if (how == 0) {
      // The rest of the block is paid for, and still to be run.
      const i = <i32>(pc - at - 32) >> 4, size = load<i32>(at);
      if (i >= 0 && i <= size) ran -= size - i;
      store<u64>(N_TRANSLATED, load<u64>(N_TRANSLATED) + ran);
      if ((to & 4) && !(n & CROSSED_SAMPLE)) changed(CROSSED + region, at);
      if (pc == at + 32) enteredCase = <u32>load<u16>(at, 24);
      return pc;
    }
    store<u64>(N_TRANSLATED, load<u64>(N_TRANSLATED) + ran);
    pc = how == 1 ? follow(pc) : how == 2 ? jump(load<u64>(RIP)) : enter(pc - 32);
  } while (load<u16>(pc) == CASE_REGION);
  return pc;
}
