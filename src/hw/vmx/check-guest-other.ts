// "Checks on Guest Non-Register State" and "Checks on Guest Page-Directory-Pointer-Table Entries".
import { physRead32, physRead64 } from "../mmu/phys";
import { physBits } from "../mmu/walk";
import * as F from "./fields";
import * as S from "./state";
import { address } from "./check-controls";

const BLOCK_STI: u32 = 1;
const BLOCK_MOV_SS: u32 = 2;
const BLOCK_SMI: u32 = 4;
const BLOCK_NMI: u32 = 8;

export function checkActivity(): u32 {
  const activity = S.r32(F.GUEST_ACTIVITY), blocking = S.r32(F.GUEST_INTERRUPTIBILITY);
  const info = S.r32(F.ENTRY_INTERRUPTION), type = (info >> 8) & 7, vector = info & 0xff;
  if (activity > 3) return 380;
  if (activity == 1 && ((S.r32(F.GUEST_ES_RIGHTS + 4) >> 5) & 3) != 0) return 381;
  if (activity != 0 && (blocking & (BLOCK_STI | BLOCK_MOV_SS))) return 382;
  if (info >> 31) {
    if (activity == 1 && !(type == 0 || type == 2 || (type == 3 && (vector == 1 || vector == 18)) || type == 7)) return 383;
    if (activity == 2 && !(type == 2 || (type == 3 && vector == 18))) return 383;
    if (activity == 3) return 383;
  }
  return 0;
}
export function checkInterruptibility(): u32 {
  const blocking = S.r32(F.GUEST_INTERRUPTIBILITY), f = S.r64(F.GUEST_RFLAGS);
  const info = S.r32(F.ENTRY_INTERRUPTION), valid = info >> 31 != 0, type = (info >> 8) & 7;
  if (blocking & ~0x1f) return 390;
  if ((blocking & 3) == 3) return 391;
  if ((blocking & BLOCK_STI) && !(f & 0x200)) return 392;
  if (valid && type == 0 && (blocking & 3)) return 393;
  if (valid && type == 2 && (blocking & BLOCK_MOV_SS)) return 394;
  if (blocking & BLOCK_SMI) return 395;
  if (valid && type == 2 && (S.r32(F.PIN_CONTROLS) & S.PIN_VNMI) && (blocking & BLOCK_NMI)) return 396;
  if (blocking & 0x10) return 397; // no enclaves
  return 0;
}
export function checkPendingDebug(): u32 {
  const p = S.r64(F.GUEST_PENDING_DEBUG);
  if (p & ~0x1500f) return 400;
  if ((S.r32(F.GUEST_INTERRUPTIBILITY) & 3) || S.r32(F.GUEST_ACTIVITY) == 1) {
    const step = (S.r64(F.GUEST_RFLAGS) & 0x100) != 0 && !(S.r64(F.GUEST_DEBUGCTL) & 2);
    if (((p & 0x4000) != 0) != step) return 401;
  }
  if (p & 0x10000) return 402; // no restricted transactional memory
  return 0;
}
export function checkLink(): u32 {
  const link = S.r64(F.VMCS_LINK);
  if (link == ~0) return 0;
  if (!address(link, 4096)) return 410;
  if (physRead32(link) != S.REVISION) return 411;
  if (link == load<u64>(S.CURRENT)) return 412;
  return 0;
}
/** Does the guest use PAE paging? */
export function usesPae(): bool {
  return S.r64(F.GUEST_CR0) >> 31 != 0 && (S.r64(F.GUEST_CR4) & 0x20) != 0 && !(S.r32(F.ENTRY_CONTROLS) & S.N_IA32E);
}
export function checkPdptes(): u32 {
  if (!usesPae()) return 0;
  const ept = (S.secondary() & S.S_EPT) != 0, cr3 = S.r64(F.GUEST_CR3) & 0xffffffe0;
  for (let i = 0; i < 4; i++) {
    const e = ept ? S.r64(F.GUEST_PDPTE0 + i * 2) : physRead64(cr3 + i * 8);
    if ((e & 1) && (e & (0x1e6 | ~(((<u64>1) << physBits) - 1)))) return 420;
  }
  return 0;
}
