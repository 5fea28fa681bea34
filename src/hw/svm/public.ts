// The door of svm: registration of its hooks, what an embedder that is the host calls, and what observers may ask.
import {
  CR0, CR3, CR4, EFER, EFLAGS, CPL, DR7, PAT, RIP, STOP_ON_EXIT, SVM, VM_HSAVE_PA, EVENTS_HELD, STAGE2,
} from "../cpu/state";
import { setSecureInstructionHook, setIntercepts } from "../cpu/intercept";
import { setSegment, updateMode, UNUSABLE } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { setPdptesInMemory } from "../mmu/walk";
import { secureInstruction, vmload, vmsave } from "./instructions";
import { applyIntercepts } from "./intercepts";
import { enter, useHooks } from "./run";
import { forgetPage, resumeSpace } from "./spaces";
import * as S from "./state";
export { svmGuestImage, svmSetGuestImage } from "./image";

/** Once after instantiation. */
export function svmInit(): void { setSecureInstructionHook(secureInstruction.index); }
/** RESET: no guest, the global interrupt flag set, VM_CR and VM_HSAVE_PA 0. */
export function svmReset(): void {
  if (S.inGuest()) {
    setIntercepts(0);
    setPdptesInMemory(false);
  }
  memory.fill(SVM, 0, S.SVM_SIZE);
  store<u32>(EVENTS_HELD, 0);
}
/** The state at SVM has been restored: derive again what is kept elsewhere. Follow with updateMode() and flushTlb(). */
export function svmRestored(): void {
  if (!S.inGuest()) return;
  // A saved state may be anything: the walk of nested tables has room for 2 to 4 levels.
  const levels = load<u32>(S.NESTED) & 7;
  if (levels < 2 || levels > 4) store<u32>(S.NESTED, 0);
  store<u32>(STAGE2, load<u32>(S.NESTED) ? 1 : 0);
  useHooks();
  applyIntercepts();
  setPdptesInMemory(load<u32>(S.NESTED) != 0);
  resumeSpace();
}
/** 1 between VMRUN and #VMEXIT. */
export function svmGuest(): u32 { return load<u32>(S.GUEST); }
/** Number of the check that made the last VMRUN exit with VMEXIT_INVALID, 0 for none: see src/isa/svm-checks.ts. */
export function svmFailedCheck(): u32 { return load<u32>(S.FAILED_CHECK); }

/** Put the processor in the mode of a 64-bit kernel with EFER.SVME and a host save area; exits stop run() from now on. */
export function svmBecomeHost(saveArea: u64): void {
  store<u64>(CR0, 0x80050033);
  store<u64>(CR3, 0);
  store<u64>(CR4, 0x20);
  store<u64>(EFER, 0xd00 | S.EFER_SVME);
  store<u32>(EFLAGS, 2);
  store<u32>(CPL, 0);
  store<u64>(DR7, 0x400);
  store<u64>(PAT, 0x0007040600070406);
  store<u64>(VM_HSAVE_PA, saveArea);
  for (let s = 0; s < 6; s++) setSegment(s, s == 1 ? 8 : 0, 0, ~0, s == 1 ? 0xa09b : UNUSABLE | 0xc093);
  setSegment(6, 0, 0, 0, UNUSABLE);
  setSegment(7, 0x10, 0, 0x67, 0x8b);
  store<u32>(STOP_ON_EXIT, 1);
  store<u32>(EVENTS_HELD, 1);
  updateMode();
  updateDebug();
}
/** VMRUN as the embedder's instruction. @returns 1 when the guest runs, 0 when it has exited already (VMEXIT_INVALID too) */
export function svmRun(pa: u64): u32 {
  enter(pa, load<u64>(RIP));
  return load<u32>(S.GUEST);
}
export function svmLoad(pa: u64): void { vmload(pa); }
export function svmSave(pa: u64): void { vmsave(pa); }
/** INVLPGA. */
export function svmInvalidate(la: u64, asid: u32): void { forgetPage(la, asid); }
