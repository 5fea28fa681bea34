// The APIC-access page ("Virtualizing Memory-Mapped APIC Accesses" in the SDM): accesses exit, but for those to the task-priority
// register under a TPR shadow, which reach the virtual-APIC page.
//
//   qualification   15..12 type: 0 read, 1 write, 2 fetch, 3 event delivery, 10 and 15 guest-physical   11..0 offset
import { vectoring } from "../cpu/interrupt";
import { intercepts, setIntercepts, I_BOUNDARY } from "../cpu/intercept";
import { physRead8, physRead32, physWrite32 } from "../mmu/phys";
import { CLAIMED, setStage2Result } from "../mmu/stage2";
import { P_S2NR } from "../mmu/tlb";
import { record } from "./ept";
import * as F from "./fields";
import * as S from "./state";

/** Offset of the task-priority register, here and on the virtual-APIC page. */
const TPR: u32 = 0x80;
// The access that was let through to claimedTpr(), for the exit if it turns out too wide.
let claimedType: u64 = 0;
let claimedGpa: u64 = 0;
let claimedLinear: u64 = 0;

/** `pa`, unless it lies in the APIC-access page: then an exit is recorded, or the access is claimed. */
export function apicAccess(pa: u64, gpa: u64, access: u32, final: bool, la: u64): u64 {
  if ((pa & ~0xfff) != load<u64>(S.APIC_PAGE)) return pa;
  const offset = <u32>pa & 0xfff;
  let type: u64 = access & 2 ? 1 : access & 4 ? 2 : 0;
  if (final && !vectoring && type != 2 && offset >> 2 == TPR >> 2 && (load<u32>(S.PROC) & S.P_TPR_SHADOW)) {
    claimedType = type;
    claimedGpa = gpa;
    claimedLinear = la;
    setStage2Result(P_S2NR, false);
    return CLAIMED | offset;
  }
  if (vectoring) type = final ? 3 : 10;
  else if (!final) type = 15;
  return record(44, (final ? offset : 0) | (type << 12), gpa, la);
}
/** A claimed access: within the four bytes of the register it is virtualized ("TPR Virtualization"), else it exits. */
export function claimedTpr(offset: u32, size: u32, write: u32, value: u64): u64 {
  if (offset + size > TPR + 4) return record(44, <u64>offset | (claimedType << 12), claimedGpa, claimedLinear);
  const page = S.r64(F.VIRTUAL_APIC), at = page + TPR;
  if (!write) {
    const v = <u64>(physRead32(at) >> ((offset - TPR) << 3));
    return size == 4 ? v : v & ((<u64>1 << (size << 3)) - 1);
  }
  const tpr = offset == TPR ? <u32>value & 0xff : physRead8(at);
  physWrite32(at, tpr);
  if (S.r32(F.TPR_THRESHOLD) > tpr >> 4) {
    store<u32>(S.TPR_DUE, 1);
    setIntercepts(intercepts | I_BOUNDARY);
  }
  return 0;
}
