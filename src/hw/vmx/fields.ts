// VMCS field encodings ("Field Encoding in VMCS" in the SDM) and where each lies in the VMCS region.
//
//   encoding   14..13  12  11..10  9..1   0
//              width   0   type    index  high half of a 64-bit field
//   region     0x000 revision  0x004 abort indicator  0x008 launch state (0 clear, 1 launched)
//              0x100 16-bit    0x200 64-bit    0x600 32-bit    0x800 natural width
//              each: (type * 32 + index) * size, types control, read-only, guest, host

export const VPID: u32 = 0x0000;
export const GUEST_ES_SELECTOR: u32 = 0x0800; // ES CS SS DS FS GS LDTR TR, two apart
export const GUEST_CS_SELECTOR: u32 = 0x0802;
export const PML_INDEX: u32 = 0x0812;
export const HOST_ES_SELECTOR: u32 = 0x0c00; // ES CS SS DS FS GS TR
export const HOST_TR_SELECTOR: u32 = 0x0c0c;

export const IO_BITMAP_A: u32 = 0x2000;
export const IO_BITMAP_B: u32 = 0x2002;
export const MSR_BITMAP: u32 = 0x2004;
export const EXIT_MSR_STORE: u32 = 0x2006;
export const EXIT_MSR_LOAD: u32 = 0x2008;
export const ENTRY_MSR_LOAD: u32 = 0x200a;
export const PML_ADDRESS: u32 = 0x200e;
export const TSC_OFFSET_FIELD: u32 = 0x2010;
export const VIRTUAL_APIC: u32 = 0x2012;
export const APIC_ACCESS: u32 = 0x2014;
export const EPT_POINTER: u32 = 0x201a;
export const GUEST_PHYSICAL: u32 = 0x2400;
export const VMCS_LINK: u32 = 0x2800;
export const GUEST_DEBUGCTL: u32 = 0x2802;
export const GUEST_PAT: u32 = 0x2804;
export const GUEST_EFER: u32 = 0x2806;
export const GUEST_PDPTE0: u32 = 0x280a;
export const HOST_PAT: u32 = 0x2c00;
export const HOST_EFER: u32 = 0x2c02;

export const PIN_CONTROLS: u32 = 0x4000;
export const PROC_CONTROLS: u32 = 0x4002;
export const EXCEPTION_BITMAP: u32 = 0x4004;
export const PF_MASK: u32 = 0x4006;
export const PF_MATCH: u32 = 0x4008;
export const CR3_TARGET_COUNT: u32 = 0x400a;
export const EXIT_CONTROLS: u32 = 0x400c;
export const EXIT_MSR_STORE_COUNT: u32 = 0x400e;
export const EXIT_MSR_LOAD_COUNT: u32 = 0x4010;
export const ENTRY_CONTROLS: u32 = 0x4012;
export const ENTRY_MSR_LOAD_COUNT: u32 = 0x4014;
export const ENTRY_INTERRUPTION: u32 = 0x4016;
export const ENTRY_ERROR_CODE: u32 = 0x4018;
export const ENTRY_LENGTH: u32 = 0x401a;
export const TPR_THRESHOLD: u32 = 0x401c;
export const PROC_CONTROLS2: u32 = 0x401e;
export const PLE_GAP: u32 = 0x4020;
export const PLE_WINDOW: u32 = 0x4022;
export const INSTRUCTION_ERROR: u32 = 0x4400;
export const EXIT_REASON: u32 = 0x4402;
export const EXIT_INTERRUPTION: u32 = 0x4404;
export const EXIT_ERROR_CODE: u32 = 0x4406;
export const IDT_VECTORING: u32 = 0x4408;
export const IDT_ERROR_CODE: u32 = 0x440a;
export const EXIT_LENGTH: u32 = 0x440c;
export const EXIT_INSTRUCTION: u32 = 0x440e;
export const GUEST_ES_LIMIT: u32 = 0x4800;
export const GUEST_GDTR_LIMIT: u32 = 0x4810;
export const GUEST_IDTR_LIMIT: u32 = 0x4812;
export const GUEST_ES_RIGHTS: u32 = 0x4814;
export const GUEST_INTERRUPTIBILITY: u32 = 0x4824;
export const GUEST_ACTIVITY: u32 = 0x4826;
export const GUEST_SYSENTER_CS: u32 = 0x482a;
export const PREEMPTION_TIMER: u32 = 0x482e;
export const HOST_SYSENTER_CS: u32 = 0x4c00;

export const CR0_MASK: u32 = 0x6000;
export const CR4_MASK: u32 = 0x6002;
export const CR0_SHADOW: u32 = 0x6004;
export const CR4_SHADOW: u32 = 0x6006;
export const CR3_TARGET0: u32 = 0x6008;
export const QUALIFICATION: u32 = 0x6400;
export const IO_RCX: u32 = 0x6402;
export const GUEST_LINEAR: u32 = 0x640a;
export const GUEST_CR0: u32 = 0x6800;
export const GUEST_CR3: u32 = 0x6802;
export const GUEST_CR4: u32 = 0x6804;
export const GUEST_ES_BASE: u32 = 0x6806;
export const GUEST_GDTR_BASE: u32 = 0x6816;
export const GUEST_IDTR_BASE: u32 = 0x6818;
export const GUEST_DR7: u32 = 0x681a;
export const GUEST_RSP: u32 = 0x681c;
export const GUEST_RIP: u32 = 0x681e;
export const GUEST_RFLAGS: u32 = 0x6820;
export const GUEST_PENDING_DEBUG: u32 = 0x6822;
export const GUEST_SYSENTER_ESP: u32 = 0x6824;
export const GUEST_SYSENTER_EIP: u32 = 0x6826;
export const HOST_CR0: u32 = 0x6c00;
export const HOST_CR3: u32 = 0x6c02;
export const HOST_CR4: u32 = 0x6c04;
export const HOST_FS_BASE: u32 = 0x6c06;
export const HOST_GS_BASE: u32 = 0x6c08;
export const HOST_TR_BASE: u32 = 0x6c0a;
export const HOST_GDTR_BASE: u32 = 0x6c0c;
export const HOST_IDTR_BASE: u32 = 0x6c0e;
export const HOST_SYSENTER_ESP: u32 = 0x6c10;
export const HOST_SYSENTER_EIP: u32 = 0x6c12;
export const HOST_RSP: u32 = 0x6c14;
export const HOST_RIP: u32 = 0x6c16;

/** Offset of a field in the VMCS region; both halves of a 64-bit field give the same. */
@inline export function fieldOffset(field: u32): usize {
  const slot = <usize>(((field >> 5) & 0x60) | ((field >> 1) & 31)), width = (field >> 13) & 3;
  return width == 0 ? 0x100 + slot * 2 : width == 1 ? 0x200 + slot * 8 : width == 2 ? 0x600 + slot * 4 : 0x800 + slot * 8;
}
/** Highest index in use per group (width * 4 + type), -1 for none. */
function lastIndex(group: u32): i32 {
  switch (group) {
    case 0: return 0; // VPID
    case 2: return 9;
    case 3: return 6;
    case 4: return 13;
    case 5: return 0;
    case 6: return 8;
    case 7: return 1;
    case 8: return 17;
    case 9: return 7;
    case 10: return 23;
    case 11: return 0;
    case 12: return 7;
    case 13: return 5;
    case 14: return 19;
    case 15: return 11;
    default: return -1;
  }
}
/** Does this processor have the field? */
export function fieldExists(field: u64): bool {
  if (field >> 15 || field & 0x1000) return false;
  const f = <u32>field, width = f >> 13, group = (width << 2) | ((f >> 10) & 3), index = <i32>((f >> 1) & 0x1ff);
  if ((f & 1) && width != 1) return false;
  if (index > lastIndex(group)) return false;
  switch (f & ~1) {
    case 0x0810: case 0x200c: case 0x2016: case 0x2018: case 0x2808: case 0x482c: // interrupt status, executive pointer, posted interrupts, functions, perf
      return false;
    default: return true;
  }
}
@inline export function readOnly(field: u32): bool { return ((field >> 10) & 3) == 1; }
