// SVM state of the processor, at SVM (src/hw/cpu/state.ts), so that it saves and restores with the rest.
//
// The VMCB lies in physical memory. VMRUN copies what controls the guest here: as on silicon, writes to the VMCB take
// effect at the next VMRUN. The global interrupt flag is EVENTS_HELD of the CPU, inverted.
import { SVM, RAM } from "../cpu/state";
import { physEntry, markWritten, KIND_RAM } from "../mmu/phys";
import { cpuidBit } from "../cpu/cpuid";

export const GUEST: usize = SVM + 0x10; // u32: 1 between VMRUN and #VMEXIT
export const FAILED_CHECK: usize = SVM + 0x14; // u32: number of the check that made the last VMRUN exit with VMEXIT_INVALID
export const VMCB_PA: usize = SVM + 0x18; // u64: VMCB of the guest that runs
export const TSC_ADDED: usize = SVM + 0x20; // u64: what VMRUN added to TSC_OFFSET
export const HOST_IF: usize = SVM + 0x28; // u32: RFLAGS.IF of the host at VMRUN
export const HOST_TRAP: usize = SVM + 0x2c; // u32: VMRUN was single-stepped, the trap waits for #VMEXIT
export const HOST_PAT: usize = SVM + 0x30; // u64
export const HOST_KEY: usize = SVM + 0x38; // u64: translationKey() of the host
export const HOST_STALE: usize = SVM + 0x40; // u32: TLB_CONTROL has flushed the host's translations, too
export const NESTED: usize = SVM + 0x44; // u32: 0 no nested paging, else levels of the nested tables | NX << 8 | PSE << 9 | SMEP << 10
export const N_CR3: usize = SVM + 0x48; // u64
export const PAUSES_LEFT: usize = SVM + 0x50; // u32: internal counter of the PAUSE filter
export const LAST_PAUSE: usize = SVM + 0x58; // i64: clock of the last PAUSE
// The exit that a memory access or an instruction amid a block has found, until the loop asks for it.
export const PENDING_CODE: usize = SVM + 0x60; // u64
export const PENDING_INFO1: usize = SVM + 0x68;
export const PENDING_INFO2: usize = SVM + 0x70;
export const SPACE: usize = SVM + 0x78; // u32: number of the address space in use, 0 for the host
export const NEXT_SPACE: usize = SVM + 0x7c; // u32
export const CONTROL: usize = SVM + 0x100; // the first 100h bytes of the VMCB as VMRUN found them; V_TPR and V_IRQ live
export const SPACE_TABLE: usize = SVM + 0x200; // 32 x {ASID u32, number u32, translationKey() u64}
export const SPACES: u32 = 32;
export const SVM_SIZE: usize = 0x400;
export const EFER_SVME: u64 = 0x1000;

/** Offset in linear memory of a physical page in RAM, 0 when there is none. */
export function ramPage(pa: u64): usize {
  const e = physEntry(pa);
  return (e & 3) == KIND_RAM ? <usize>(e & ~0xfff) : 0;
}
const NOWHERE = memory.data(4096, 16);
/** The same; a page of zeros where there is no RAM, and what is written to it is lost. */
export function pageOrNowhere(pa: u64): usize {
  const at = ramPage(pa);
  if (at) return at;
  memory.fill(NOWHERE, 0, 4096);
  return NOWHERE;
}
/** The VMCB of the guest that runs, in linear memory. */
@inline export function vmcb(): usize { return pageOrNowhere(load<u64>(VMCB_PA)); }
/** The processor has written a page: mark its frame. */
export function touch(page: usize): void { if (page >= RAM) markWritten(page); }
@inline export function control32(at: usize): u32 { return load<u32>(CONTROL + at); }
@inline export function control64(at: usize): u64 { return load<u64>(CONTROL + at); }
/** Is the intercept with exit code 60h to BFh set? */
@inline export function intercepted(code: u32): bool {
  return ((load<u32>(CONTROL + 0xc + ((code - 0x60) >> 5) * 4) >> (code & 31)) & 1) != 0;
}
@inline export function inGuest(): bool { return load<u32>(GUEST) != 0; }

// SVM feature bits of CPUID 8000_000Ah, EDX.
export const NPT: u32 = 1 << 0;
export const NRIP_SAVE: u32 = 1 << 3;
export const DECODE_ASSISTS: u32 = 1 << 7;
export const PAUSE_FILTER: u32 = 1 << 10;
export const PAUSE_THRESHOLD: u32 = 1 << 12;
export function hasFeature(bit: u32): bool { return (cpuidBit(0x8000000a, 0, 3) & bit) != 0; }
