// Where translated regions (src/hw/jit) meet the interpreter.
//
// CASE_COUNT stands in for the first case of a block until the block has run often enough, CASE_REGION once a region can
// be entered there. Both lead to the decoded case, which lies in the block's header, so neither costs a block without it.
//
// A region is run(left, context, entry) -> record | how:
//   0  go on at this record, in JIT_BLOCK                   2  go to the address in RIP
//   1  follow the branch of this record                     3  enter the block of this first record
// and leaves the budget in JIT_LEFT.
import {
  JIT_THRESHOLD, JIT_LEFT, JIT_BLOCK, JIT_QUEUE, JIT_QUEUED, JIT_BATCH, JIT_REGIONS, N_TRANSLATED, N_REGION, N_RETURN,
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
function queue(b: usize): void {
  uncount(b);
  const n = load<u32>(JIT_QUEUED);
  if (n >= QUEUE_ENTRIES) { count(b); return; }
  const e = JIT_QUEUE + (n << 4);
  store<u32>(e, <u32>b);
  store<u64>(e, load<u64>(REGS + RIPB_OFF) + load<u64>(SEG_EBASE + (CS << 3)) + pageOffset(b + 32), 8);
  store<u32>(JIT_QUEUED, n + 1);
  if (n + 1 >= load<u32>(JIT_BATCH)) envTranslate();
}

/** The decoded case to go on with behind enterRegion(), 0 for the one in the record. */
export let enteredCase: u32 = 0;

/** Run the region of a block that was entered, and the regions that it leads to; returns the record to go on with. */
export function enterRegion(pc: usize): usize {
  do {
    const b = pc - 32, slot = load<u32>(JIT_REGIONS + (<usize>load<u16>(b, 28) << 2));
    enteredCase = 0;
    if (slot == 0) { count(b); enteredCase = <u32>load<u16>(b, 24); return pc; }
    const before = left + load<i32>(b);
    const to = call_indirect<usize>(slot, before, context, <u32>load<u16>(b, 26));
    const after = load<i32>(JIT_LEFT), how = to & 3;
    setLeft(after);
    store<u64>(N_REGION, load<u64>(N_REGION) + 1);
    store<u64>(N_RETURN + (how << 3), load<u64>(N_RETURN + (how << 3)) + 1);
    setBlock(load<u32>(JIT_BLOCK));
    pc = to & ~15;
    let ran = before - after;
    // The rest of the block is paid for, and still to be run.
    if (how == 0) {
      const i = <i32>(pc - load<u32>(JIT_BLOCK) - 32) >> 4, n = load<i32>(load<u32>(JIT_BLOCK));
      ran = i >= 0 && i <= n ? ran - (n - i) : 0;
    }
    store<u64>(N_TRANSLATED, load<u64>(N_TRANSLATED) + ran);
    if (how == 0) {
      if (pc == load<u32>(JIT_BLOCK) + 32 && load<u16>(pc - 32, 24)) enteredCase = <u32>load<u16>(pc - 32, 24);
      return pc;
    }
    pc = how == 1 ? follow(pc) : how == 2 ? jump(load<u64>(RIP)) : enter(pc - 32);
  } while (load<u16>(pc) == CASE_REGION);
  return pc;
}
