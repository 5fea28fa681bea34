// VMX state of the processor, at VMX (src/hw/cpu/state.ts), so that it saves and restores with the rest.
//
// The VMCS itself lies in physical memory (fields.ts); what is tested often is copied here by VM entry.
import { VMX, RAM } from "../cpu/state";
import { physEntry, markWritten, KIND_RAM } from "../mmu/phys";
import { fieldOffset } from "./fields";

export const OPERATION: usize = VMX; // u32: 0 outside, 1 root, 2 non-root
export const FAILED_CHECK: usize = VMX + 0x04; // u32: number of the VM-entry check that failed last, see src/isa/vm-entry-checks.ts
export const VMXON_POINTER: usize = VMX + 0x08; // u64
export const CURRENT: usize = VMX + 0x10; // u64: current-VMCS pointer, ~0 for none
export const REGION: usize = VMX + 0x18; // u32: where the current VMCS lies in linear memory, 0 for none
export const PIN: usize = VMX + 0x1c; // u32 each: controls of the guest that runs
export const PROC: usize = VMX + 0x20;
export const PROC2: usize = VMX + 0x24;
export const VIRTUAL_NMI_BLOCKED: usize = VMX + 0x28; // u32
export const MTF_STATE: usize = VMX + 0x2c; // u32: 0 off, 1 armed, 2 waiting for progress, 3 due
export const MTF_T: usize = VMX + 0x30; // i64: clock when the trap was armed
export const MTF_RIP: usize = VMX + 0x38; // u64
export const DEADLINE: usize = VMX + 0x40; // i64: clock at which the preemption timer is 0
export const TSC_ADDED: usize = VMX + 0x48; // u64: what VM entry added to TSC_OFFSET
export const NEXT_SPACE: usize = VMX + 0x50; // u32: next address-space number
export const TPR_DUE: usize = VMX + 0x54; // u32: TPR is below the threshold right after VM entry
// The exit that a memory access has found, until the loop asks for it.
export const PENDING_REASON: usize = VMX + 0x58; // u32
export const PENDING_QUALIFICATION: usize = VMX + 0x60; // u64
export const PENDING_GPA: usize = VMX + 0x68; // u64
export const PENDING_LINEAR: usize = VMX + 0x70; // u64
export const APIC_PAGE: usize = VMX + 0x78; // u64: APIC-access page, ~0 when not virtualized
export const EPTP: usize = VMX + 0x80; // u64: EPT pointer in force, 0 for none
export const SPACE: usize = VMX + 0x88; // u32: number of the space in use, 0 in root operation
export const KEPT: usize = VMX + 0x8c; // u32: whose state the processor holds in root operation, see kept.ts
export const KEEPS: usize = VMX + 0x90; // u32: 1 when the controls of the guest that runs let it stay
export const PLE_FIRST: usize = VMX + 0x98; // i64 each: clock of the first PAUSE of a loop, and of the last PAUSE
export const PLE_LAST: usize = VMX + 0xa0;
export const SPACE_TABLE: usize = VMX + 0x100; // 32 x {EPTP u64, VPID u32, number u32}
export const SPACES: u32 = 32;
export const KEY_TABLE: usize = VMX + 0x300; // 32 x u64: translationKey() that the space was last used with

export const OUTSIDE: u32 = 0;
export const ROOT: u32 = 1;
export const NON_ROOT: u32 = 2;
export const REVISION: u32 = 0x17;

// Pin-based controls.
export const PIN_INTR: u32 = 1 << 0;
export const PIN_NMI: u32 = 1 << 3;
export const PIN_VNMI: u32 = 1 << 5;
export const PIN_TIMER: u32 = 1 << 6;
// Primary processor-based controls.
export const P_INTR_WINDOW: u32 = 1 << 2;
export const P_TSC_OFFSET: u32 = 1 << 3;
export const P_HLT: u32 = 1 << 7;
export const P_INVLPG: u32 = 1 << 9;
export const P_MWAIT: u32 = 1 << 10;
export const P_RDPMC: u32 = 1 << 11;
export const P_RDTSC: u32 = 1 << 12;
export const P_CR3_LOAD: u32 = 1 << 15;
export const P_CR3_STORE: u32 = 1 << 16;
export const P_CR8_LOAD: u32 = 1 << 19;
export const P_CR8_STORE: u32 = 1 << 20;
export const P_TPR_SHADOW: u32 = 1 << 21;
export const P_NMI_WINDOW: u32 = 1 << 22;
export const P_MOV_DR: u32 = 1 << 23;
export const P_IO: u32 = 1 << 24;
export const P_IO_BITMAPS: u32 = 1 << 25;
export const P_MTF: u32 = 1 << 27;
export const P_MSR_BITMAPS: u32 = 1 << 28;
export const P_MONITOR: u32 = 1 << 29;
export const P_PAUSE: u32 = 1 << 30;
export const P_SECONDARY: u32 = 1 << 31;
// Secondary processor-based controls.
export const S_APIC_ACCESS: u32 = 1 << 0;
export const S_EPT: u32 = 1 << 1;
export const S_TABLES: u32 = 1 << 2;
export const S_RDTSCP: u32 = 1 << 3;
export const S_VPID: u32 = 1 << 5;
export const S_WBINVD: u32 = 1 << 6;
export const S_UNRESTRICTED: u32 = 1 << 7;
export const S_PLE: u32 = 1 << 10;
export const S_RDRAND: u32 = 1 << 11;
export const S_INVPCID: u32 = 1 << 12;
export const S_RDSEED: u32 = 1 << 16;
export const S_PML: u32 = 1 << 17;
// VM-exit controls.
export const X_SAVE_DEBUG: u32 = 1 << 2;
export const X_HOST64: u32 = 1 << 9;
export const X_ACK_INTR: u32 = 1 << 15;
export const X_SAVE_PAT: u32 = 1 << 18;
export const X_LOAD_PAT: u32 = 1 << 19;
export const X_SAVE_EFER: u32 = 1 << 20;
export const X_LOAD_EFER: u32 = 1 << 21;
export const X_SAVE_TIMER: u32 = 1 << 22;
// VM-entry controls.
export const N_LOAD_DEBUG: u32 = 1 << 2;
export const N_IA32E: u32 = 1 << 9;
export const N_SMM: u32 = 1 << 10;
export const N_DUAL_MONITOR: u32 = 1 << 11;
export const N_LOAD_PAT: u32 = 1 << 14;
export const N_LOAD_EFER: u32 = 1 << 15;

/** Offset in linear memory of a physical page in RAM, 0 when there is none. */
export function ramPage(pa: u64): usize {
  const e = physEntry(pa);
  return (e & 3) == KIND_RAM ? <usize>(e & ~0xfff) : 0;
}
@inline export function region(): usize { return <usize>load<u32>(REGION); }
@inline export function r16(field: u32): u32 { return <u32>load<u16>(region() + fieldOffset(field)); }
@inline export function r32(field: u32): u32 { return load<u32>(region() + fieldOffset(field)); }
@inline export function r64(field: u32): u64 { return load<u64>(region() + fieldOffset(field)); }
@inline export function w16(field: u32, v: u32): void { store<u16>(region() + fieldOffset(field), <u16>v); }
@inline export function w32(field: u32, v: u32): void { store<u32>(region() + fieldOffset(field), v); }
@inline export function w64(field: u32, v: u64): void { store<u64>(region() + fieldOffset(field), v); }
/** The processor has written the current VMCS: mark its frame. */
export function touchRegion(): void { if (region() >= RAM) markWritten(region()); }

/** Any field by encoding, zero-extended. The field must exist. */
export function readField(field: u32): u64 {
  const at = region() + fieldOffset(field);
  switch ((field >> 13) & 3) {
    case 0: return <u64>load<u16>(at);
    case 1: return field & 1 ? load<u64>(at) >> 32 : load<u64>(at);
    case 2: return <u64>load<u32>(at);
    default: return load<u64>(at);
  }
}
export function writeField(field: u32, v: u64): void {
  const at = region() + fieldOffset(field);
  switch ((field >> 13) & 3) {
    case 0: store<u16>(at, <u16>v); break;
    case 1: if (field & 1) store<u32>(at, <u32>v, 4); else store<u64>(at, v); break;
    case 2: store<u32>(at, <u32>v); break;
    default: store<u64>(at, v);
  }
  touchRegion();
}
/** Primary and secondary controls as they act: without "activate secondary controls" the latter are all 0. */
export function secondary(): u32 { return r32(0x4002) & P_SECONDARY ? r32(0x401e) : 0; }

/** Slot of the translation key of an address-space number. */
export function keySlot(n: u32): usize {
  for (let i: u32 = 0; i < SPACES; i++) if (load<u32>(SPACE_TABLE + (i << 4), 12) == n) return KEY_TABLE + (i << 3);
  return KEY_TABLE;
}
/** Give the space of a number a new one, which nothing is cached under. */
export function renew(n: u32): u32 {
  const fresh = load<u32>(NEXT_SPACE) + 1;
  store<u32>(NEXT_SPACE, fresh);
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u32>(s, 12) == n) store<u32>(s, fresh, 12);
  }
  return fresh;
}
/** Offset of a field in the VMCS region, for observers. */
export function offsetOf(field: u32): usize { return fieldOffset(field); }
