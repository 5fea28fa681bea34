// The compiled core: what the embedder (src/hw/index.ts) may call. Everything else it reads and writes in memory.
import {
  STOP_REASON, T_END, REGS, ZERO_OFF, A20, EFLAGS, JIT_LEFT, JIT_BLOCK, left, setLeft, block, setBlock, faultVector, faultCode, faultAddress,
} from "./cpu/state";
import { interpret, cold } from "./cpu/generated/run";
import { boundary, clockNow, prepareFixedRecords } from "./cpu/flow";
import { flushCode as dropCode, arenaUsed, count as countBlock, lend } from "./cpu/blocks";
import { yank, unyank, physWritten, shortenBy } from "./mmu/phys";
import { context, flushAll as flushEverything, flushFast as dropFast } from "./mmu/tlb";
import { flags as allFlags, setArithmeticFlags } from "./cpu/flags";
import { updateMode as recomputeMode } from "./cpu/segment";
import { setPhysBits } from "./mmu/walk";
import { updateBreak } from "./cpu/frame";
import { updateDebug as followDebug } from "./cpu/debug";
import { zeroPage, hashPage, startHash, addToHash, endHash, HASH_OUT, HASH_BUFFER } from "./mmu/digest";
import { readMsr as readRegister, writeMsr as writeRegister, msrFault as registerFault, setHostInitiated } from "./cpu/msr";

export { step, stepMove, deliverEvent } from "./cpu/imported";
export { countPause } from "./cpu/eflags";
export { importMemory } from "./mmu/imported";
export { selectCpu, selectedCpu, stateOf } from "./cpu/processors";
// Variables that translated code reads (src/hw/jit).
export { intercepts } from "./cpu/intercept";
export { yanked } from "./mmu/phys";
export * from "./vmx/public";
import { vmxInit, forgetMappings, forgetPassed, beforeStore } from "./vmx/public";
export * from "./svm/public";
import { svmInit } from "./svm/public";
import { STEP_BYTES } from "./cpu/imported";

/** Once after instantiation. */
export function init(): void {
  prepareFixedRecords();
  vmxInit();
  svmInit();
  store<u64>(REGS + ZERO_OFF, 0);
  store<u32>(A20, 1);
  dropCode();
  flushEverything();
}
/** Run at most `budget` instructions; STOP_REASON says why it returned, clock() where it stands. */
export function run(budget: i32): u32 {
  const t = clockNow();
  store<i64>(T_END, t + budget);
  setLeft(budget);
  store<u32>(STOP_REASON, 0);
  interpret(boundary());
  // Put the clock where it is: nothing is left over.
  unyank();
  const now = clockNow();
  setLeft(0);
  store<i64>(T_END, now);
  return load<u32>(STOP_REASON);
}
/** t, as a float64 (exact below 2^53). */
export function clock(): f64 { return <f64>clockNow(); }
export function setClock(t: f64): void { setLeft(0); store<i64>(T_END, <i64>t); }
/** As setClock(clock() + n). */
export function addClock(n: i32): void { const t = clockNow() + n; setLeft(0); store<i64>(T_END, t); }
/** An alarm was set for `t` during a device access: end the slice there. */
export function shorten(t: f64): void {
  const cut = load<i64>(T_END) - <i64>t;
  if (cut <= 0) return;
  yank();
  shortenBy(<i32>cut);
}
/** Look for interrupts as soon as the instruction in hand is done. */
export function attention(): void { yank(); }
export function updateMode(): void { recomputeMode(); }
export function flushTlb(): void { forgetMappings(); flushEverything(); }
export function flushFast(): void { dropFast(); }
/** CPUID has changed, and with it what may be decoded, and which VMX controls there are. */
export function flushCode(): void { dropCode(); forgetPassed(); }
/** Count the runs of a block (its address in the code arena) from now on: its region is gone. */
export function countRuns(at: usize): void { countBlock(at); }
/** A translated region calls the body of a case that is not inlined. Returns the next record; when that is not the one
 *  behind, JIT_LEFT and JIT_BLOCK say where the interpreter goes on. */
export function callCase(rec: usize, inBlock: usize, budget: i32, op: u32): usize {
  const before = context;
  setBlock(inBlock);
  setLeft(budget);
  lend(true);
  let to = cold(rec, op);
  lend(false);
  // Translated code has the context in a local: one that changed ends it.
  if (context != before) to |= 4;
  store<i32>(JIT_LEFT, left);
  store<u32>(JIT_BLOCK, <u32>block);
  return to;
}
export function codeBytes(): u32 { return arenaUsed(); }
/** Bytes of RAM changed from outside: drop code decoded from them, mark the frames. */
export function written(at: usize, size: u32): void {
  beforeStore(at, size);
  physWritten(at, size);
}
export function rflags(): u32 { return allFlags(); }
export function setRflags(f: u32): void {
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3f7700) | 2);
  updateBreak();
}
export function setPhysicalBits(n: u32): void { setPhysBits(n); }
export function updateDebug(): void { followDebug(); }
/** Is the page at `at` all zero? */
export function isZeroPage(at: usize): i32 { return zeroPage(at) ? 1 : 0; }
/** SHA-256 of the page at `at`, written to digestOut(). */
export function digestPage(at: usize): void { hashPage(at); }
export function digestOut(): usize { return HASH_OUT; }
/** A SHA-256 over pieces: each is placed in hashBuffer(), HASH_BUFFER_SIZE bytes at most. */
export function hashBuffer(): usize { return HASH_BUFFER; }
export function hashStart(): void { startHash(); }
export function hashPiece(length: u32): void { addToHash(length); }
/** The hash is in digestOut() afterwards. */
export function hashEnd(): void { endHash(); }
/** @param host 1 allows what only the embedder may do. */
export function readMsr(n: u32, host: i32): u64 {
  setHostInitiated(host);
  const v = readRegister(n);
  setHostInitiated(0);
  return v;
}
export function writeMsr(n: u32, v: u64, host: i32): void {
  setHostInitiated(host);
  writeRegister(n, v);
  setHostInitiated(0);
}
/** Where step() finds the instruction, 15 bytes at most. */
export function stepBytes(): usize { return STEP_BYTES; }
/** The exception that a step ended with (STOP_FAULT): vector, error code or -1, and CR2 of a page fault. */
export function stepVector(): i32 { return faultVector; }
export function stepCode(): i32 { return faultCode; }
export function stepAddress(): u64 { return faultAddress; }
/** Did the last readMsr() or writeMsr() meet what RDMSR or WRMSR answers with #GP? */
export function msrFault(): i32 { return registerFault(); }
