// Second-stage translation: guest-physical to host-physical (EPT, NPT), behind a hook so that the MMU knows neither.
import { STAGE2 } from "../cpu/state";
import { P_S2W, P_S2X } from "./tlb";

/** Permissions (P_S2W, P_S2X) and page size of the last stage2() call. */
export let s2Perms: u32 = P_S2W | P_S2X;
export let s2Large: bool = false;
export function setStage2Result(perms: u32, large: bool): void { s2Perms = perms; s2Large = large; }
let hook: i32 = 0;
/** @param index table index of (gpa: u64, access: u32, final: u32, la: u64): u64. The hook calls setStage2Result();
 *  on a violation it records the exit and calls secondStageFault(). */
export function setStage2Hook(index: i32): void { hook = index; }

/** Physical addresses at and above CLAIMED are accesses that the hook keeps to itself, instruction by instruction: its answer
 *  to a translation is CLAIMED + offset, with permissions (P_S2NR alone) that make the next access ask again. */
export const CLAIMED: u64 = 0xfff0000000000000;
let claimHook: i32 = 0;
/** @param index of (offset: u32, size: u32, write: u32, value: u64): u64, the value read. It may record an exit. */
export function setClaimHook(index: i32): void { claimHook = index; }
export function claimedAccess(pa: u64, size: u32, write: u32, value: u64): u64 {
  return call_indirect<u64>(claimHook, <u32>pa, size, write, value);
}

/** @param access 1 read, 2 write, 4 fetch, 3 read-modify-write of a guest table entry; @param final false for a guest
 *  paging-structure access. STAGE2 != 0 turns it on. */
@inline export function stage2(gpa: u64, access: u32, final: bool, la: u64): u64 {
  if (!load<u32>(STAGE2)) { s2Perms = P_S2W | P_S2X; s2Large = false; return gpa; }
  return call_indirect<u64>(hook, gpa, access, <u32>final, la);
}
