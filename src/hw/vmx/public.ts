// The door of vmx: registration of its hooks, the embedder's VMX instructions, and what observers may ask.
import { setInterceptHook, setVirtualInstructionHook } from "../cpu/intercept";
import { setIntercepts, I_INIT, I_SIPI } from "../cpu/intercept";
import { setStage2Hook, setClaimHook } from "../mmu/stage2";
import { setVmxMsrHook } from "../cpu/msr";
import { setFixedBits, setSpaceTag, globalTag, cr4Mask } from "../cpu/control";
import { CR3, CR4 } from "../cpu/state";
import { switchSpace } from "../mmu/tlb";
import { CR0_FIXED0, CR4_FIXED0, setCr4Fixed1, vmxCapability } from "./capability";
import { claimedTpr } from "./apic";
import { translateGuestPhysical } from "./ept";
import { nonRootIntercept, applyIntercepts } from "./controls";
import { virtualInstruction } from "./instructions";
import * as S from "./state";
export { vmOn, vmxOff, vmClear, vmPtrld, vmPtrst, vmRead, vmWrite, vmLaunch, vmResume, invEpt, invVpid } from "./operations";
export { vmxBecomeHost, vmxHostFields, vmReadExit, vmxRetire, vmxSettle } from "./embedder";
export { vmxGuestImage, vmxSetGuestImage, vmxSameImage, vmReadWord, vmWriteWords } from "./image";
export { beforeStore } from "./kept";
export { vmxCapability } from "./capability";
import { forgetMappings } from "./ept-cache";
export { forgetMappings } from "./ept-cache";
import { forgetPassed } from "./checked";
export { forgetPassed } from "./checked";

/** Once after instantiation, when the CPU has VMX: register the hooks. */
export function vmxInit(): void {
  setInterceptHook(nonRootIntercept.index);
  setVirtualInstructionHook(virtualInstruction.index);
  setStage2Hook(translateGuestPhysical.index);
  setClaimHook(claimedTpr.index);
  setVmxMsrHook(vmxCapability.index);
  vmxReset();
}
/** RESET: outside VMX operation, nothing current. FEATURE_CONTROL is the embedder's (a real BIOS locks it). */
export function vmxReset(): void {
  forgetMappings();
  memory.fill(S.OPERATION, 0, 0x600);
  store<u64>(S.CURRENT, ~0);
  store<u64>(S.VMXON_POINTER, ~0);
  store<u64>(S.APIC_PAGE, ~0);
  store<i64>(S.DEADLINE, i64.MAX_VALUE);
  setIntercepts(0);
  setFixedBits(0, 0);
  setSpaceTag(0);
}
/** The state at VMX has been restored: derive again what is kept elsewhere. Follow with updateMode() and flushTlb(). */
export function vmxRestored(): void {
  setCr4Fixed1(cr4Mask());
  forgetPassed();
  const operation = load<u32>(S.OPERATION);
  store<u32>(S.REGION, load<u64>(S.CURRENT) == ~0 ? 0 : <u32>S.ramPage(load<u64>(S.CURRENT)));
  if (operation == S.NON_ROOT) applyIntercepts();
  else setIntercepts(operation == S.ROOT ? I_INIT | I_SIPI : 0);
  if (operation == S.OUTSIDE) setFixedBits(0, 0);
  else setFixedBits(operation == S.NON_ROOT && load<u32>(S.PROC2) & S.S_UNRESTRICTED ? CR0_FIXED0 & ~0x80000001 : CR0_FIXED0, CR4_FIXED0);
  const n = load<u32>(S.SPACE), tag = <u64>n << 12;
  setSpaceTag(tag);
  switchSpace(tag | (load<u64>(CR4) & 0x20000 ? load<u64>(CR3) & 0xfff : 0), globalTag(), true);
}
/** 0 outside VMX operation, 1 root, 2 non-root. */
export function vmxOperation(): u32 { return load<u32>(S.OPERATION); }
/** Number of the VM-entry check that failed last, 0 for none: see src/isa/vm-entry-checks.ts. */
export function vmxFailedCheck(): u32 { return load<u32>(S.FAILED_CHECK); }
/** Clock at which the preemption timer expires, 2^63 when it is off. */
export function vmxDeadline(): f64 { return <f64>load<i64>(S.DEADLINE); }
/** Offset of a field in the VMCS region. */
export function vmxOffset(field: u32): u32 { return <u32>S.offsetOf(field); }
