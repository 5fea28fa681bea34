// The CPUs of one computer. They share memory, the caches and the decoded code, and take turns: the state of the one that is
// selected lies where state.ts says, that of the others is kept here. Selecting another one is no event of either.
//
//   state     |REGS ... T_END) SEED ... A20| STOP_REASON .. BREAK_ON | EVENTS_HELD, SMI | VMX, SVM ... 0x1400|
//   shared     the clock, A20, the counters, what belongs to the translator
//   behind it  what modules keep in globals: address spaces (40 bytes), then six words
import { REGS, T_END, SEED, A20, STOP_REASON, N_TLB_MISS, EVENTS_HELD, JIT_THRESHOLD, VMX, SVM, APIC_ID } from "./state";
import { spaceTag, setSpaceTag, fixedCr0, fixedCr4, setFixedBits } from "./control";
import { dataBreakpoints, setDataBreakpoints } from "./debug";
import { intercepts, setIntercepts } from "./intercept";
import { movSsUntil, setMovSsUntil } from "./flow";
import { pdptesInMemory, setPdptesInMemory } from "../mmu/walk";
import { firstSpaces, loadSpaces, storeSpaces } from "../mmu/tlb";
import { vmxReset } from "../vmx/public";

export const MAX_CPUS: u32 = 8;
const STATE_END: usize = SVM + 0x400;
const SPACES: usize = STATE_END - REGS;
const WORDS: usize = SPACES + 40;
const SIZE: usize = WORDS + 48;
const KEPT = memory.data(0x1400 * 8, 16);
let selected: u32 = 0;
/** CPUs that have been selected before, one bit each. */
let known: u32 = 1;

@inline function kept(cpu: u32): usize { return KEPT + <usize>cpu * SIZE; }
@inline function part(save: bool, at: usize, from: usize, to: usize): void {
  if (save) memory.copy(at + (from - REGS), from, to - from);
  else memory.copy(from, at + (from - REGS), to - from);
}
@inline function state(save: bool, at: usize): void {
  part(save, at, REGS, T_END);
  part(save, at, SEED, A20);
  part(save, at, STOP_REASON, N_TLB_MISS);
  part(save, at, EVENTS_HELD, JIT_THRESHOLD);
  part(save, at, VMX, STATE_END);
}
function keep(at: usize): void {
  state(true, at);
  storeSpaces(at + SPACES);
  const w = at + WORDS;
  store<u64>(w, spaceTag);
  store<u64>(w, fixedCr0, 8);
  store<u64>(w, fixedCr4, 16);
  store<u64>(w, intercepts, 24);
  store<i64>(w, movSsUntil, 32);
  store<u32>(w, (dataBreakpoints ? 1 : 0) | (pdptesInMemory ? 2 : 0), 40);
}
/** Not while run() is on its way. A CPU that was never selected is there afterwards, with nothing but its number. */
export function selectCpu(cpu: u32): void {
  if (cpu == selected || cpu >= MAX_CPUS) return;
  keep(kept(selected));
  selected = cpu;
  const at = kept(cpu), w = at + WORDS;
  state(false, at);
  setSpaceTag(load<u64>(w));
  setFixedBits(load<u64>(w, 8), load<u64>(w, 16));
  setIntercepts(load<u64>(w, 24));
  setMovSsUntil(load<i64>(w, 32));
  setDataBreakpoints((load<u32>(w, 40) & 1) != 0);
  setPdptesInMemory((load<u32>(w, 40) & 2) != 0);
  if ((known >> cpu) & 1) { loadSpaces(at + SPACES, cpu); return; }
  known |= 1 << cpu;
  setMovSsUntil(-1);
  firstSpaces(cpu);
  vmxReset();
  store<u32>(APIC_ID, cpu);
}
export function selectedCpu(): u32 { return selected; }
/** Where a word of a CPU's state lies now. */
export function stateOf(cpu: u32, word: usize): usize { return cpu == selected ? word : kept(cpu) + (word - REGS); }
