// The x87 register stack, its words, and when its exceptions are delivered ("Programming with the x87 FPU" in the SDM).
//
// FPR holds physical registers, TOP lies in FSW bits 11 to 13, FTW has a bit for every register that is not empty. Each
// instruction starts with begin() (or beginControl()) and ends with finish(). An unmasked exception sets ES and B; the
// next waiting instruction raises #MF. With CR0.NE = 0 the processor would report it through FERR#, which no
// interrupt controller of ours listens to: execution goes on.
import {
  FPR, FCW, FSW, FTW, FOP, FIP, FDP, FCS, FDS, CR0, SEG_SEL, CS, fault, exception,
} from "./state";
import { c1, clearFlags, excFlags, mask, raise, rM, rSE, setC1, setControlWord } from "../float/f80";
import { A, eaOffset, ripOf, seg } from "./record";

export const IE: i32 = 1;
export const DE: i32 = 2;
/** Stack fault flag of the status word. */
export const SF: u32 = 0x40;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;
export const CONDITION: u32 = 0x4700;
const ES_B: u32 = 0x8080;
const INDEFINITE: u64 = 0xc000000000000000;

@inline export function top(): u32 { return (load<u32>(FSW) >> 11) & 7; }
export function setTop(t: u32): void { store<u32>(FSW, (load<u32>(FSW) & ~0x3800) | ((t & 7) << 11)); }
/** Address of ST(i). */
@inline export function st(i: u32): usize { return FPR + (<usize>((top() + i) & 7) << 4); }
@inline export function stSE(i: u32): i32 { return <i32>load<u16>(st(i), 8); }
@inline export function stM(i: u32): u64 { return load<u64>(st(i)); }
@inline export function empty(i: u32): bool { return !((load<u32>(FTW) >> ((top() + i) & 7)) & 1); }
/** Write ST(i) and mark it valid. */
export function put80(i: u32, se: i32, m: u64): void {
  const p = st(i);
  store<u64>(p, m);
  store<u64>(p, <u64>(se & 0xffff), 8);
  store<u32>(FTW, load<u32>(FTW) | (1 << ((top() + i) & 7)));
}
/** Write the library's result to ST(i). */
@inline export function putResult(i: u32): void { put80(i, rSE, rM); }
export function putIndefinite(i: u32): void { put80(i, 0xffff, INDEFINITE); }
export function free(i: u32): void { store<u32>(FTW, load<u32>(FTW) & ~(1 << ((top() + i) & 7))); }
export function pop(): void { free(0); setTop(top() + 1); }
export function pushResult(): void { setTop(top() - 1); putResult(0); }
export function setConditions(bits: u32): void { store<u32>(FSW, (load<u32>(FSW) & ~CONDITION) | bits); }

/** #NM and #MF; true when the instruction must not run. */
export function waiting(): bool {
  const cr0 = load<u32>(CR0);
  if (cr0 & 0xc) { exception(7, -1); return true; }
  if ((load<u32>(FSW) & 0x80) && (cr0 & 0x20)) { exception(16, -1); return true; }
  return false;
}
let stackFault: bool = false;
let c1Kept: bool = false;
/** Start an instruction that computes. */
export function begin(): bool {
  if (waiting()) return false;
  clearFlags();
  setC1(false);
  stackFault = false;
  c1Kept = false;
  setControlWord(<i32>load<u32>(FCW));
  return true;
}
/** FCMOVcc and FCOMI change C1 only at a stack underflow. */
export function keepC1(): void { c1Kept = true; }
/** Record the last instruction and, for a memory operand, where it lies. `opcode`: low bits of the first byte. */
export function noteInstruction(rec: usize, opcode: u32, memory: bool): void {
  store<u32>(FOP, (opcode << 8) | <u32>A(rec));
  store<u64>(FIP, ripOf(rec));
  store<u32>(FCS, load<u32>(SEG_SEL + (CS << 2)));
  if (memory) {
    store<u64>(FDP, eaOffset(rec));
    store<u32>(FDS, load<u32>(SEG_SEL + (seg(rec) << 2)));
  }
}
/** Merge the exceptions and C1 of this instruction into the status word. */
export function finish(rec: usize, opcode: u32, memory: bool): void {
  if (fault) return;
  let w = load<u32>(FSW) | <u32>excFlags;
  if (!c1Kept) w = (w & ~C1) | (c1 ? C1 : 0);
  if (stackFault) w |= SF;
  if (excFlags & ~mask & 63) w |= ES_B;
  store<u32>(FSW, w);
  noteInstruction(rec, opcode, memory);
}
/** A register that should hold a value is empty. True when masked: the caller then writes the indefinite. */
export function underflow(): bool {
  raise(IE);
  setC1(false);
  c1Kept = false;
  stackFault = true;
  return (mask & IE) != 0;
}
/** A push onto a register that is not empty. */
export function overflow(): bool {
  raise(IE);
  setC1(true);
  stackFault = true;
  return (mask & IE) != 0;
}
/** IE, DE or ZE unmasked: the destination keeps its value and nothing is popped. */
@inline export function halted(): bool { return (excFlags & ~mask & 7) != 0; }
/** ES and B after the control or the status word was loaded. */
export function recomputePending(): void {
  const w = load<u32>(FSW) & ~ES_B;
  store<u32>(FSW, w & ~load<u32>(FCW) & 63 ? w | ES_B : w);
}
