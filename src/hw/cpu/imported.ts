// One operation at a time on a processor whose memory operations are imported (../mmu/imported.ts). The embedder has
// written the register block and takes it back afterwards, when it likes the outcome; EFLAGS holds all of RFLAGS there.
//
//   step(length)                            the instruction whose bytes lie in STEP_BYTES; an exception is not delivered
//   stepMove(place, length, size)           a MOV whose operand of `size` bytes in memory is in MAILBOX; what has changed since the last
//                                           operation is general registers and RIP. Length 0: as decoded before, under `place` (0 to 63)
//   deliverEvent(vector, code, kind, length)   an event, as VM entry injects it, with every exception that it meets
import {
  ALONE_BLOCK, CPL, CR0, EFLAGS, MODE, MODE_L, REGS, RIP, RIPB_OFF, SEG_EBASE, SS, CS, STOP_BUDGET, STOP_REASON, STOP,
  SHADOW, ACTIVITY, DB_PENDING, NMI_BLOCKED, clearFault, setBlock, setLeft,
} from "./state";
import { decode } from "./decode";
import { updateDebug } from "./debug";
import { flags, setArithmeticFlags } from "./flags";
import { inject } from "./interrupt";
import { interpret } from "./generated/run";
import { completed, dropStep, stepByFlag } from "./flow";
import { ripAfter } from "./record";
import { attrOf, updateMode } from "./segment";
import { finish } from "./blocks";
import { moved, setMoving } from "../mmu/imported";
import { setImplicit } from "../mmu/walk";
import { unyank } from "../mmu/phys";

/** The instruction's bytes, as many as could be fetched. */
export const STEP_BYTES = memory.data(16, 16);

function begin(): void {
  const f = load<u32>(EFLAGS);
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3f7700) | 2);
  store<u32>(CPL, load<u64>(CR0) & 1 ? (attrOf(SS) >> 5) & 3 : 0);
  clearFault();
  setImplicit(false);
  updateMode();
  updateDebug();
  unyank();
  setLeft(0);
}
/** @returns STOP_BUDGET done (DR6.BS is pending where TF was set and nothing has taken the place of the trap), STOP_FAULT an exception, STOP_FETCH bytes are missing, or what else run() returns */
function end(reason: u32): u32 {
  if (reason == STOP_BUDGET) completed(); else dropStep();
  store<u32>(EFLAGS, flags());
  return reason;
}
export function step(length: u32): u32 {
  begin();
  const rip = load<u64>(RIP), base = load<u64>(SEG_EBASE + (CS << 3));
  const la = load<u32>(MODE) & MODE_L ? rip : (rip + base) & 0xffffffff;
  const rec = ALONE_BLOCK + 32, offset = <u32>la & 0xfff;
  const n = decode(STEP_BYTES, length, rec, offset, load<u32>(MODE));
  if (n == 0) return end(0);
  store<u64>(REGS + RIPB_OFF, (la & ~0xfff) - base);
  finish(ALONE_BLOCK, 1, offset + n);
  // Straight-line code runs into the record that stops.
  memory.copy(rec + 16, STOP, 16);
  store<u64>(RIP, ripAfter(rec));
  store<u32>(SHADOW, 0);
  store<u32>(STOP_REASON, STOP_BUDGET);
  setBlock(ALONE_BLOCK);
  stepByFlag();
  interpret(rec);
  return end(load<u32>(STOP_REASON));
}
/** Moves that step() has decoded, by place: the record, and RIPB. */
const MOVES = memory.data(64 * 24, 16);
/** @returns 1 when it has run, with that one access; otherwise nothing is worth anything */
export function stepMove(place: u32, length: u32, size: u32): u32 {
  const kept = MOVES + <usize>place * 24, rec = ALONE_BLOCK + 32;
  setMoving(size);
  const stop = length ? step(length) : again(kept, rec);
  const done = moved == 1;
  setMoving(0);
  if (stop != STOP_BUDGET || !done) return 0;
  if (length) {
    memory.copy(kept, rec, 16);
    store<u64>(kept, load<u64>(REGS + RIPB_OFF), 16);
  }
  return 1;
}
function again(kept: usize, rec: usize): u32 {
  memory.copy(rec, kept, 16);
  store<u64>(REGS + RIPB_OFF, load<u64>(kept, 16));
  clearFault();
  unyank();
  setLeft(0);
  store<u64>(RIP, ripAfter(rec));
  store<u32>(STOP_REASON, STOP_BUDGET);
  setBlock(ALONE_BLOCK);
  interpret(rec);
  return load<u32>(STOP_REASON);
}
export function deliverEvent(vector: i32, code: i32, kind: i32, length: u32): u32 {
  begin();
  store<u32>(STOP_REASON, STOP_BUDGET);
  store<u32>(ACTIVITY, 0);
  store<u32>(SHADOW, 0);
  store<u32>(DB_PENDING, 0);
  if (kind == 2) store<u32>(NMI_BLOCKED, 1);
  inject(vector, code, kind, load<u64>(RIP) + <u64>length, length);
  return end(load<u32>(STOP_REASON));
}
