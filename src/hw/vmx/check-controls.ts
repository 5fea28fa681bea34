// "Checks on VMX Controls": VM-execution, VM-exit and VM-entry control fields, in the manual's order.
// Each function returns the number of the first check that fails (src/isa/vm-entry-checks.ts), 0 when all hold.
import { physBits } from "../mmu/walk";
import { physRead8 } from "../mmu/phys";
import * as C from "./capability";
import * as F from "./fields";
import * as S from "./state";

/** All default1 bits set and no bit that may not be. */
@inline export function permitted(v: u32, ones: u32, allowed: u32): bool { return (v & ones) == ones && !(v & ~allowed); }
/** Aligned as told and within the physical-address width. */
@inline export function address(pa: u64, alignment: u64): bool { return !(pa & (alignment - 1)) && !(pa >> physBits); }
@inline function pointer(field: u32): bool { return address(S.r64(field), 4096); }
function msrArea(count: u32, field: u32): bool {
  if (!count) return true;
  const at = S.r64(field);
  return address(at, 16) && !((at + (<u64>count << 4) - 1) >> physBits);
}

export function checkExecutionControls(): u32 {
  const pin = S.r32(F.PIN_CONTROLS), proc = S.r32(F.PROC_CONTROLS), proc2 = S.secondary();
  if (!permitted(pin, C.PIN_ONES, C.PIN_ALLOWED)) return 101;
  if (!permitted(proc, C.PROC_TRUE_ONES, C.PROC_ALLOWED)) return 102;
  if (proc2 & ~C.secondaryAllowed()) return 103;
  if (S.r32(F.CR3_TARGET_COUNT) > 4) return 104;
  if ((proc & S.P_IO_BITMAPS) && !(pointer(F.IO_BITMAP_A) && pointer(F.IO_BITMAP_B))) return 105;
  if ((proc & S.P_MSR_BITMAPS) && !pointer(F.MSR_BITMAP)) return 106;
  if (proc & S.P_TPR_SHADOW) {
    if (!pointer(F.VIRTUAL_APIC)) return 107;
    const threshold = S.r32(F.TPR_THRESHOLD);
    if (threshold >> 4) return 108;
    if (!(proc2 & S.S_APIC_ACCESS) && threshold > physRead8(S.r64(F.VIRTUAL_APIC) + 0x80) >> 4) return 109;
  }
  if (!(pin & S.PIN_NMI) && (pin & S.PIN_VNMI)) return 111;
  if (!(pin & S.PIN_VNMI) && (proc & S.P_NMI_WINDOW)) return 112;
  if ((proc2 & S.S_APIC_ACCESS) && !pointer(F.APIC_ACCESS)) return 113;
  if ((proc2 & S.S_VPID) && !S.r16(F.VPID)) return 115;
  if (proc2 & S.S_EPT) {
    const eptp = S.r64(F.EPT_POINTER), type = eptp & 7;
    if (type != 0 && type != 6) return 116;
    if (((eptp >> 3) & 7) != 3) return 117;
    if ((eptp & 0xf80) || eptp >> physBits) return 118;
  }
  if ((proc2 & S.S_PML) && !((proc2 & S.S_EPT) && pointer(F.PML_ADDRESS))) return 119;
  if ((proc2 & S.S_UNRESTRICTED) && !(proc2 & S.S_EPT)) return 120;
  return 0;
}
export function checkExitControls(): u32 {
  const exit = S.r32(F.EXIT_CONTROLS);
  if (!permitted(exit, C.EXIT_TRUE_ONES, C.EXIT_ALLOWED)) return 130;
  if (!(S.r32(F.PIN_CONTROLS) & S.PIN_TIMER) && (exit & S.X_SAVE_TIMER)) return 131;
  if (!msrArea(S.r32(F.EXIT_MSR_STORE_COUNT), F.EXIT_MSR_STORE)) return 132;
  if (!msrArea(S.r32(F.EXIT_MSR_LOAD_COUNT), F.EXIT_MSR_LOAD)) return 133;
  return 0;
}
/** Exceptions that push an error code. */
function pushesCode(vector: u32): bool { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

export function checkEntryControls(): u32 {
  const entry = S.r32(F.ENTRY_CONTROLS);
  if (!permitted(entry & ~(S.N_SMM | S.N_DUAL_MONITOR), C.ENTRY_TRUE_ONES, C.ENTRY_ALLOWED)) return 140;
  const info = S.r32(F.ENTRY_INTERRUPTION);
  if (info >> 31) {
    const vector = info & 0xff, type = (info >> 8) & 7;
    if (type == 1) return 141;
    if ((type == 2 && vector != 2) || (type == 3 && vector > 31) || (type == 7 && vector != 0)) return 142;
    const real = (S.secondary() & S.S_UNRESTRICTED) != 0 && !(S.r64(F.GUEST_CR0) & 1);
    const code = (info & 0x800) != 0;
    if (code != (!real && type == 3 && pushesCode(vector))) return 143;
    if (info & 0x7ffff000) return 144;
    if (code && S.r32(F.ENTRY_ERROR_CODE) >> 16) return 145;
    if (type >= 4 && type <= 6 && S.r32(F.ENTRY_LENGTH) > 15) return 146;
  }
  if (!msrArea(S.r32(F.ENTRY_MSR_LOAD_COUNT), F.ENTRY_MSR_LOAD)) return 147;
  if (entry & (S.N_SMM | S.N_DUAL_MONITOR)) return 148; // never in SMM
  return 0;
}
