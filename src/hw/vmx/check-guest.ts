// "Checks on the Guest State Area": registers. Non-register state is in check-guest-other.ts.
import { canonical } from "../mmu/access";
import { physBits } from "../mmu/walk";
import * as C from "./capability";
import * as F from "./fields";
import * as S from "./state";
import { patValid, eferValid, cr4Valid } from "./check-host";

const UNUSABLE: u32 = 0x10000;
@inline function selector(s: u32): u32 { return S.r16(F.GUEST_ES_SELECTOR + s * 2); }
@inline function base(s: u32): u64 { return S.r64(F.GUEST_ES_BASE + s * 2); }
@inline function limit(s: u32): u32 { return S.r32(F.GUEST_ES_LIMIT + s * 2); }
@inline function rights(s: u32): u32 { return S.r32(F.GUEST_ES_RIGHTS + s * 2); }

export function checkGuest(): u32 {
  let n = checkControlRegisters();
  if (n) return n;
  n = checkSegments();
  if (n) return n;
  if (!canonical(S.r64(F.GUEST_GDTR_BASE)) || !canonical(S.r64(F.GUEST_IDTR_BASE))) return 360;
  if ((S.r32(F.GUEST_GDTR_LIMIT) | S.r32(F.GUEST_IDTR_LIMIT)) >> 16) return 361;
  return checkRip();
}
function checkControlRegisters(): u32 {
  const entry = S.r32(F.ENTRY_CONTROLS), long = (entry & S.N_IA32E) != 0;
  const cr0 = S.r64(F.GUEST_CR0), cr4 = S.r64(F.GUEST_CR4);
  const fixed = S.secondary() & S.S_UNRESTRICTED ? C.CR0_FIXED0 & ~0x80000001 : C.CR0_FIXED0;
  if ((cr0 & fixed) != fixed || cr0 & ~C.CR0_FIXED1) return 301;
  if ((cr0 & 0x80000001) == 0x80000000) return 302;
  if (!cr4Valid(cr4)) return 303;
  if ((entry & S.N_LOAD_DEBUG) && (S.r64(F.GUEST_DEBUGCTL) & ~3)) return 304;
  if (long && (!(cr0 >> 31) || !(cr4 & 0x20))) return 305;
  if (!long && (cr4 & 0x20000)) return 306;
  if (S.r64(F.GUEST_CR3) >> physBits) return 307;
  if ((entry & S.N_LOAD_DEBUG) && S.r64(F.GUEST_DR7) >> 32) return 308;
  if (!canonical(S.r64(F.GUEST_SYSENTER_ESP)) || !canonical(S.r64(F.GUEST_SYSENTER_EIP))) return 309;
  if ((entry & S.N_LOAD_PAT) && !patValid(S.r64(F.GUEST_PAT))) return 310;
  if (entry & S.N_LOAD_EFER) {
    const efer = S.r64(F.GUEST_EFER), lma = (efer & 0x400) != 0;
    if (!eferValid(efer)) return 311;
    if (lma != long || ((cr0 >> 31) != 0 && lma != ((efer & 0x100) != 0))) return 312;
  }
  return 0;
}
/** Limit and granularity agree: G clear needs 31:20 clear, G set needs 11:0 set. */
function granular(s: u32): bool {
  const l = limit(s);
  return rights(s) & 0x8000 ? (l & 0xfff) == 0xfff : !(l >> 20);
}
function checkSegments(): u32 {
  const v86 = (S.r64(F.GUEST_RFLAGS) & 0x20000) != 0, unrestricted = (S.secondary() & S.S_UNRESTRICTED) != 0;
  const ldtr = !(rights(6) & UNUSABLE);
  if (selector(7) & 4) return 320;
  if (ldtr && (selector(6) & 4)) return 321;
  if (!v86 && !unrestricted && ((selector(2) ^ selector(1)) & 3)) return 322;
  if (v86) for (let s: u32 = 0; s < 6; s++) if (base(s) != <u64>selector(s) << 4) return 323;
  if (!canonical(base(7)) || !canonical(base(4)) || !canonical(base(5)) || (ldtr && !canonical(base(6)))) return 324;
  if (base(1) >> 32) return 325;
  for (let s: u32 = 0; s < 4; s++) if (s != 1 && !(rights(s) & UNUSABLE) && base(s) >> 32) return 326;
  if (v86) {
    for (let s: u32 = 0; s < 6; s++) {
      if (limit(s) != 0xffff) return 327;
      if (rights(s) != 0xf3) return 328;
    }
  } else {
    const n = checkRights(unrestricted);
    if (n) return n;
  }
  const tr = rights(7), long = (S.r32(F.ENTRY_CONTROLS) & S.N_IA32E) != 0;
  if ((tr & 15) != 11 && ((tr & 15) != 3 || long)) return 350;
  if (tr & 0x10) return 351;
  if (!(tr & 0x80)) return 352;
  if (tr & 0xfffe0f00) return 353;
  if (!granular(7)) return 354;
  if (tr & UNUSABLE) return 355;
  if (ldtr) {
    const a = rights(6);
    if ((a & 0x1f) != 2 || !(a & 0x80) || (a & 0xfffe0f00)) return 356;
    if (!granular(6)) return 357;
  }
  return 0;
}
/** Access rights of ES CS SS DS FS GS outside virtual-8086 mode. */
function checkRights(unrestricted: bool): u32 {
  const cs = rights(1), ss = rights(2), csType = cs & 15, pe = (S.r64(F.GUEST_CR0) & 1) != 0;
  if (!((csType & 9) == 9 || (csType == 3 && unrestricted))) return 330;
  if (!(ss & UNUSABLE) && (ss & 15) != 3 && (ss & 15) != 7) return 331;
  for (let s: u32 = 0; s < 6; s++) {
    const a = rights(s);
    if (s == 1 || s == 2 || (a & UNUSABLE)) continue;
    if (!(a & 1) || (a & 10) == 8) return 332;
  }
  for (let s: u32 = 0; s < 6; s++) if ((s == 1 || !(rights(s) & UNUSABLE)) && !(rights(s) & 0x10)) return 333;
  const csDpl = (cs >> 5) & 3, ssDpl = (ss >> 5) & 3;
  if (csType == 3 ? csDpl != 0 : csType < 12 ? csDpl != ssDpl : csDpl > ssDpl) return 334;
  if (!unrestricted && ssDpl != (selector(2) & 3)) return 335;
  if ((csType == 3 || !pe) && ssDpl != 0) return 335;
  if (!unrestricted) {
    for (let s: u32 = 0; s < 6; s++) {
      const a = rights(s);
      if (s == 1 || s == 2 || (a & UNUSABLE) || (a & 15) > 11) continue;
      if (((a >> 5) & 3) < (selector(s) & 3)) return 336;
    }
  }
  for (let s: u32 = 0; s < 6; s++) {
    const a = rights(s);
    if (s != 1 && (a & UNUSABLE)) continue;
    if (!(a & 0x80)) return 337;
    if (a & 0xfffe0f00) return 338;
  }
  if ((S.r32(F.ENTRY_CONTROLS) & S.N_IA32E) && (cs & 0x6000) == 0x6000) return 339;
  for (let s: u32 = 0; s < 6; s++) if ((s == 1 || !(rights(s) & UNUSABLE)) && !granular(s)) return 340;
  return 0;
}
export function checkRip(): u32 {
  const rip = S.r64(F.GUEST_RIP), f = S.r64(F.GUEST_RFLAGS), long = (S.r32(F.ENTRY_CONTROLS) & S.N_IA32E) != 0;
  if (!(long && (rights(1) & 0x2000))) { if (rip >> 32) return 370; }
  else if (<i64>rip >> 48 != 0 && <i64>rip >> 48 != -1) return 371; // bit 47 may differ from them
  if ((f & ~0x3f7fd5) != 2) return 372;
  if ((f & 0x20000) && (long || !(S.r64(F.GUEST_CR0) & 1))) return 373;
  const info = S.r32(F.ENTRY_INTERRUPTION);
  if ((info & 0x80000700) == 0x80000000 && !(f & 0x200)) return 374;
  return 0;
}
