// What a hypervisor has asked to be told: bits that VM entry sets and the CPU tests. The CPU knows no VMX and no SVM:
// a set bit calls the hook of whichever virtualization extension is in use, and that decides in detail.
//
//   body:  if (intercepts & I_CPUID) { const pc = intercept(I_CPUID, rec, 0, 0); if (pc) return pc; }
import { setFault, FAULT_VMEXIT } from "./state";
import { dropStep } from "./flow";

export const I_CPUID: u64 = 1 << 0;
export const I_HLT: u64 = 1 << 1;
export const I_INVLPG: u64 = 1 << 2; // info: linear address
export const I_RDPMC: u64 = 1 << 3;
export const I_RDTSC: u64 = 1 << 4;
export const I_RDTSCP: u64 = 1 << 5;
export const I_CR_WRITE: u64 = 1 << 6; // info: CR number | register << 4; extra: value
export const I_CR_READ: u64 = 1 << 7; // info: CR number | register << 4
export const I_CLTS: u64 = 1 << 8;
export const I_LMSW: u64 = 1 << 9; // info: 1 if memory operand; extra: value
export const I_DR: u64 = 1 << 10; // info: DR number | direction (1 read) << 4 | register << 8
export const I_IO: u64 = 1 << 11; // info: port; extra: size | in << 3 | string << 4 | rep << 5 | immediate << 6 | address size log2 << 8 | segment << 16
export const I_MSR_READ: u64 = 1 << 12; // info: MSR
export const I_MSR_WRITE: u64 = 1 << 13;
export const I_EXCEPTION: u64 = 1 << 14; // info: vector; extra: error code (CR2 in faultAddress)
export const I_INTR: u64 = 1 << 15; // external interrupt
export const I_NMI: u64 = 1 << 16;
export const I_INTR_WINDOW: u64 = 1 << 17;
export const I_NMI_WINDOW: u64 = 1 << 18;
export const I_TASK_SWITCH: u64 = 1 << 19; // info: selector; extra: source (0 CALL, 1 IRET, 2 JMP, 3 gate)
export const I_GDTR_IDTR: u64 = 1 << 20; // extra: 0 SGDT 1 SIDT 2 LGDT 3 LIDT
export const I_LDTR_TR: u64 = 1 << 21; // extra: 0 SLDT 1 STR 2 LLDT 3 LTR
export const I_INVD: u64 = 1 << 22;
export const I_WBINVD: u64 = 1 << 23;
export const I_PAUSE: u64 = 1 << 24;
export const I_MONITOR: u64 = 1 << 25;
export const I_MWAIT: u64 = 1 << 26;
export const I_XSETBV: u64 = 1 << 27;
export const I_INVPCID: u64 = 1 << 28;
export const I_RDRAND: u64 = 1 << 29;
export const I_RDSEED: u64 = 1 << 30;
export const I_TRIPLE_FAULT: u64 = 1 << 31;
export const I_INIT: u64 = (<u64>1) << 32;
export const I_SIPI: u64 = (<u64>1) << 33;
export const I_BOUNDARY: u64 = (<u64>1) << 34; // at every boundary; info: 0 before debug traps (MTF, TPR threshold), 1 before NMIs (preemption timer)
export const I_IRET: u64 = (<u64>1) << 35; // virtual NMIs: IRET ends blocking
export const I_VMX: u64 = (<u64>1) << 36; // any VMX instruction in non-root operation
export const I_MOV_CR8: u64 = (<u64>1) << 37; // info: 1 read; extra: value (TPR shadow lives in the hook)
export const I_STACK2: u64 = (<u64>1) << 38; // second-stage fault pending in the hook's own state
export const I_RSM: u64 = (<u64>1) << 39;
export const I_PUSHF_POPF_INTN: u64 = (<u64>1) << 40; // SVM; extra: 0 PUSHF, 1 POPF, 2 INT n (info: vector)

export const I_SMI: u64 = (<u64>1) << 41;

/** 0 outside guest mode. */
export let intercepts: u64 = 0;
export function setIntercepts(bits: u64): void { intercepts = bits; }
let hook: i32 = 0;
/** @param index table index of a function (kind: u64, rec: usize, info: u64, extra: u64): usize that returns the next
 *  record when it exited, 0 when the instruction goes on. `rec` is 0 when no instruction is being executed. */
export function setInterceptHook(index: i32): void { hook = index; }
export function intercept(kind: u64, rec: usize, info: u64, extra: u64): usize {
  const pc = call_indirect<usize>(hook, kind, rec, info, extra);
  if (pc) dropStep();
  return pc;
}
let virtualInstruction: i32 = 0;
/** @param index of (number: u32, rec: usize, operand: u64): usize that executes VMX or SVM instructions. */
export function setVirtualInstructionHook(index: i32): void { virtualInstruction = index; }
export function virtualInstructionHook(number: u32, rec: usize, operand: u64): usize {
  const before = intercepts, pc = call_indirect<usize>(virtualInstruction, number, rec, operand);
  if (~before & intercepts & I_VMX) dropStep(); // VM entry: what the host steps over is no trap of the guest
  return pc;
}
let secureInstruction: i32 = -1;
/** @param index of (number: u32, rec: usize): usize that executes the SVM instructions. */
export function setSecureInstructionHook(index: i32): void { secureInstruction = index; }
export function secureInstructionHook(number: u32, rec: usize): usize {
  return call_indirect<usize>(secureInstruction, number, rec);
}
/** Abandon the access in hand: the second stage has recorded an exit. */
export function secondStageFault(): void { setFault(FAULT_VMEXIT); }
