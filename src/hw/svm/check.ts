// The consistency checks of VMRUN in the APM's order ("Canonicalization and Consistency Checks"). A failing one is named by its
// number, see src/isa/svm-checks.ts.
import { cr4Mask } from "../cpu/control";
import { cpuidBit } from "../cpu/cpuid";
import { physBits } from "../mmu/walk";
import * as V from "./vmcb";
import { EFER_SVME } from "./state";

/** Bits of EFER that this processor has. */
function eferMask(): u64 {
  const d = cpuidBit(0x80000001, 0, 3);
  let m: u64 = EFER_SVME;
  if (d & (1 << 11)) m |= 1;
  if (d & (1 << 20)) m |= 0x800;
  if (d & (1 << 29)) m |= 0x500;
  return m;
}
/** @param at the VMCB in linear memory @returns number of the first check that fails, 0 when none does */
export function checkVmcb(at: usize): u32 {
  const efer = load<u64>(at, V.EFER_AT), cr0 = load<u64>(at, V.CR0_AT), cr3 = load<u64>(at, V.CR3_AT), cr4 = load<u64>(at, V.CR4_AT);
  const longMode = (cpuidBit(0x80000001, 0, 3) & (1 << 29)) != 0, paging = (cr0 >> 31) != 0;
  const long = (efer & 0x100) != 0 && paging, cs = <u32>load<u16>(at, V.CS_AT + 2);
  if (!(efer & EFER_SVME)) return 1;
  if (!(cr0 & 0x40000000) && (cr0 & 0x20000000)) return 2;
  if (cr0 >> 32) return 3;
  if (cr3 >> physBits) return 4;
  if (cr4 & ~cr4Mask()) return 5;
  if (load<u64>(at, V.DR6_AT) >> 32) return 6;
  if (load<u64>(at, V.DR7_AT) >> 32) return 7;
  if (efer & ~(eferMask() | 0x500)) return 8;
  if ((efer & 0x500) && !longMode) return 9;
  if (long && !(cr4 & 0x20)) return 10;
  if (long && !(cr0 & 1)) return 11;
  if (long && (cr4 & 0x20) && (cs & 0x200) && (cs & 0x400)) return 12;
  if (!(load<u32>(at, V.INTERCEPT_4) & 1)) return 13;
  // The low 12 bits of both addresses are ignored. The last byte of the 12 KiB of the I/O map may lie at the limit, the end
  // of the 8 KiB of the MSR map may not: so the KVM tests have it.
  if (((load<u64>(at, V.MSRPM_BASE_PA) & ~0xfff) + 0x2000) >> physBits) return 14;
  if (((load<u64>(at, V.IOPM_BASE_PA) & ~0xfff) + 0x2fff) >> physBits) return 15;
  if (!load<u32>(at, V.GUEST_ASID)) return 17;
  const event = checkEvent(load<u32>(at, V.EVENTINJ), long && (cs & 0x200) != 0);
  if (event) return event;
  if (load<u64>(at, V.NP_ENABLE) & 1) {
    const pat = load<u64>(at, V.G_PAT);
    for (let i: u64 = 0; i < 64; i += 8) {
      const type = (pat >> i) & 0xff;
      if (type > 7 || type == 2 || type == 3) return 18;
    }
    if ((load<u64>(at, V.N_CR3_FIELD) & ~0xfff) >> physBits) return 19;
  }
  return 0;
}
/** "Event Injection": types that do not exist, exceptions that do not exist or cannot happen in the guest's mode. */
function checkEvent(event: u32, in64: bool): u32 {
  if (!(event >> 31)) return 0;
  const type = (event >> 8) & 7, vector = event & 0xff;
  if (type == 1 || type > 4) return 16;
  if (type != 3) return 0;
  if (vector == 2 || vector > 31) return 16;
  return in64 && (vector == 4 || vector == 5) ? 16 : 0;
}
