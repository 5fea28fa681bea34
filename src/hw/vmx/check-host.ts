// "Checks on the Host-State Area": control registers and MSRs, segments and tables, address-space size.
import { EFER } from "../cpu/state";
import { canonical } from "../mmu/access";
import { physBits } from "../mmu/walk";
import * as C from "./capability";
import * as F from "./fields";
import * as S from "./state";

const EFER_KNOWN: u64 = 0xd01;
/** Memory types that a PAT entry may hold. */
export function patValid(v: u64): bool {
  for (let i: u64 = 0; i < 64; i += 8) {
    const t = (v >> i) & 0xff;
    if (t == 2 || t == 3 || t > 7) return false;
  }
  return true;
}
export function eferValid(v: u64): bool { return !(v & ~EFER_KNOWN); }
export function cr4Valid(v: u64): bool { return (v & C.CR4_FIXED0) == C.CR4_FIXED0 && !(v & ~C.cr4Fixed1()); }

export function checkHost(): u32 {
  const exit = S.r32(F.EXIT_CONTROLS), entry = S.r32(F.ENTRY_CONTROLS), long = (exit & S.X_HOST64) != 0;
  const cr0 = S.r64(F.HOST_CR0), cr4 = S.r64(F.HOST_CR4);
  if ((cr0 & C.CR0_FIXED0) != C.CR0_FIXED0 || cr0 & ~C.CR0_FIXED1) return 201;
  if (!cr4Valid(cr4)) return 202;
  if (S.r64(F.HOST_CR3) >> physBits) return 203;
  if (!canonical(S.r64(F.HOST_SYSENTER_ESP)) || !canonical(S.r64(F.HOST_SYSENTER_EIP))) return 204;
  if ((exit & S.X_LOAD_PAT) && !patValid(S.r64(F.HOST_PAT))) return 205;
  if (exit & S.X_LOAD_EFER) {
    const efer = S.r64(F.HOST_EFER);
    if (!eferValid(efer)) return 206;
    if (((efer & 0x400) != 0) != long || ((efer & 0x100) != 0) != long) return 207;
  }
  for (let f = F.HOST_ES_SELECTOR; f <= F.HOST_TR_SELECTOR; f += 2) if (S.r16(f) & 7) return 210;
  if (!S.r16(F.HOST_ES_SELECTOR + 2)) return 211;
  if (!S.r16(F.HOST_TR_SELECTOR)) return 212;
  if (!long && !S.r16(F.HOST_ES_SELECTOR + 4)) return 213;
  for (let f = F.HOST_FS_BASE; f <= F.HOST_IDTR_BASE; f += 2) if (!canonical(S.r64(f))) return 214;
  const rip = S.r64(F.HOST_RIP);
  if (!(load<u64>(EFER) & 0x400)) { if (long || (entry & S.N_IA32E)) return 220; }
  else if (!long) return 221;
  if (!long) { if ((entry & S.N_IA32E) || (cr4 & 0x20000) || rip >> 32) return 222; }
  else if (!(cr4 & 0x20) || !canonical(rip)) return 223;
  return 0;
}
