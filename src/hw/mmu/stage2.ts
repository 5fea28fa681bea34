// Second-stage translation: guest-physical to host-physical, through EPT when VMX non-root operation has it on.
import { STAGE2 } from "../cpu/state";
import { P_S2W, P_S2X } from "./tlb";
import { eptTranslate } from "../vmx/ept";

/** Permissions (P_S2W, P_S2X) and page size of the last stage2() call. */
export let s2Perms: u32 = P_S2W | P_S2X;
export let s2Large: bool = false;
export function setStage2Result(perms: u32, large: bool): void { s2Perms = perms; s2Large = large; }

/** @param access 1 read, 2 write, 4 fetch; @param final false for a guest paging-structure access.
 *  Sets fault = FAULT_VMEXIT on an EPT violation or misconfiguration. */
// @ts-ignore
@inline export function stage2(gpa: u64, access: u32, final: bool, la: u64): u64 {
  if (!load<u32>(STAGE2)) { s2Perms = P_S2W | P_S2X; s2Large = false; return gpa; }
  return eptTranslate(gpa, access, final, la);
}
