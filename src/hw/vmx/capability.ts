// VMX capability MSRs 480h..491h ("VMX Capability Reporting Facility" in the SDM). What is not implemented is
// not offered: a bit that may be 1 here has its effect somewhere in this folder.
import { cr4Mask } from "../cpu/control";
import { cpuidBit } from "../cpu/cpuid";
import * as S from "./state";

export const PIN_ONES: u32 = 0x16; // default1
export const PIN_ALLOWED: u32 = PIN_ONES | S.PIN_INTR | S.PIN_NMI | S.PIN_VNMI | S.PIN_TIMER;
export const PROC_ONES: u32 = 0x0401e172; // default1
export const PROC_TRUE_ONES: u32 = 0x04006172; // CR3 load and store exiting may be 0
export const PROC_ALLOWED: u32 = PROC_ONES | S.P_INTR_WINDOW | S.P_TSC_OFFSET | S.P_HLT | S.P_INVLPG | S.P_MWAIT | S.P_RDPMC
  | S.P_RDTSC | S.P_CR3_LOAD | S.P_CR3_STORE | S.P_CR8_LOAD | S.P_CR8_STORE | S.P_TPR_SHADOW | S.P_NMI_WINDOW | S.P_MOV_DR
  | S.P_IO | S.P_IO_BITMAPS | S.P_MTF | S.P_MSR_BITMAPS | S.P_MONITOR | S.P_PAUSE | S.P_SECONDARY;
const PROC2_OFFERED: u32 = S.S_APIC_ACCESS | S.S_EPT | S.S_TABLES | S.S_RDTSCP | S.S_VPID | S.S_WBINVD | S.S_UNRESTRICTED
  | S.S_PLE | S.S_INVPCID | S.S_PML;
/** Secondary controls that may be 1: exiting only for instructions that CPUID offers. */
export function secondaryAllowed(): u32 {
  const random = cpuidBit(1, 0, 2) & (1 << 30), seed = cpuidBit(7, 0, 1) & (1 << 18);
  return PROC2_OFFERED | (random ? S.S_RDRAND : 0) | (seed ? S.S_RDSEED : 0);
}
export const EXIT_ONES: u32 = 0x36dff; // default1
export const EXIT_TRUE_ONES: u32 = 0x36dfb; // saving the debug controls may be 0
export const EXIT_ALLOWED: u32 = EXIT_ONES | S.X_HOST64 | S.X_ACK_INTR | S.X_SAVE_PAT | S.X_LOAD_PAT | S.X_SAVE_EFER
  | S.X_LOAD_EFER | S.X_SAVE_TIMER;
export const ENTRY_ONES: u32 = 0x11ff; // default1
export const ENTRY_TRUE_ONES: u32 = 0x11fb; // loading the debug controls may be 0
export const ENTRY_ALLOWED: u32 = ENTRY_ONES | S.N_IA32E | S.N_LOAD_PAT | S.N_LOAD_EFER;
export const CR0_FIXED0: u64 = 0x80000021; // PG, NE, PE
export const CR0_FIXED1: u64 = 0xffffffff;
export const CR4_FIXED0: u64 = 0x2000; // VMXE
/** The preemption timer counts changes of this bit of the TSC. Real ones have 5; a tick is an instruction here, and 32 of them are long. */
export const TIMER_RATE: i64 = 0;
export const MAX_MSR_COUNT: u32 = 512;
let cr4Known: u64 = 0x3727ff;
/** CR4_FIXED1: the bits that CPUID offers. */
export function setCr4Fixed1(v: u64): void { cr4Known = v | 0x2000; }
export function cr4Fixed1(): u64 { return cr4Known; }

@inline function pair(zeros: u32, ones: u32): u64 { return <u64>zeros | (<u64>ones << 32); }
/** Value of a capability MSR (480h..491h). */
export function vmxCapability(n: u32): u64 {
  switch (n) {
    // revision, region size 4096, write-back memory, INS/OUTS information, true controls
    case 0x480: return <u64>S.REVISION | ((<u64>0x1000) << 32) | ((<u64>6) << 50) | ((<u64>1) << 54) | ((<u64>1) << 55);
    case 0x481: case 0x48d: return pair(PIN_ONES, PIN_ALLOWED);
    case 0x482: return pair(PROC_ONES, PROC_ALLOWED);
    case 0x483: return pair(EXIT_ONES, EXIT_ALLOWED);
    case 0x484: return pair(ENTRY_ONES, ENTRY_ALLOWED);
    // timer rate, LMA stored on exit, activity states HLT, shutdown, wait-for-SIPI, 4 CR3 targets, injection of length 0
    case 0x485: return <u64>TIMER_RATE | 0x20 | 0x1c0 | (4 << 16) | (1 << 30);
    case 0x486: return CR0_FIXED0;
    case 0x487: return CR0_FIXED1;
    case 0x488: return CR4_FIXED0;
    case 0x489: return cr4Mask() | 0x2000;
    case 0x48a: return 0x2e; // highest index 17h
    case 0x48b: return pair(0, secondaryAllowed());
    // EPT: execute-only, 4 levels, UC and WB, 2M, 1G, INVEPT, A/D bits, its two types; INVVPID, its four types
    case 0x48c: return 0x1 | 0x40 | 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x100000 | 0x200000 | 0x2000000 | 0x4000000
      | ((<u64>0xf01) << 32);
    case 0x48e: return pair(PROC_TRUE_ONES, PROC_ALLOWED);
    case 0x48f: return pair(EXIT_TRUE_ONES, EXIT_ALLOWED);
    case 0x490: return pair(ENTRY_TRUE_ONES, ENTRY_ALLOWED);
    default: return 0; // 491h: no VM functions
  }
}
