// VM exit ("VM Exits" in the SDM): record why, save guest state and MSRs, load host state.
//
// An instruction that exits instead of executing has been counted in t; one abandoned by a fault has not.
import {
  REGS, RSP, RIP, CR0, CR3, CR4, EFER, DR7, EFLAGS, CPL, PDPTE, STAGE2, SEG_SEL, SEG_BASE, SEG_LIMIT, SEG_ATTR,
  GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, PAT, DEBUGCTL, TSC_OFFSET,
  SHADOW, NMI_BLOCKED, ACTIVITY, DB_PENDING, BREAK_ON, STOP_ON_EXIT, STOP_VMEXIT, STOP_SHUTDOWN, clearFault,
} from "../cpu/state";
import { flags, setArithmeticFlags } from "../cpu/flags";
import { clockNow, resume, stop } from "../cpu/flow";
import { ripOf, length } from "../cpu/record";
import { vectoring, vectoringKind, vectoringVector, vectoringCode, vectoringLength, clearVectoring, clearUnblockedByIret } from "../cpu/interrupt";
import { setSegment, updateMode, UNUSABLE } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { readMsr, msrFault, setHostInitiated } from "../cpu/msr";
import { setSpaceTag, globalTag, setFixedBits } from "../cpu/control";
import { setIntercepts, I_INIT, I_SIPI } from "../cpu/intercept";
import { setImplicit } from "../mmu/walk";
import { switchSpace } from "../mmu/tlb";
import { physRead32, physRead64, physWrite32, physWrite64 } from "../mmu/phys";
import { physBits } from "../mmu/walk";
import { CR0_FIXED0, CR4_FIXED0, TIMER_RATE, MAX_MSR_COUNT } from "./capability";
import { loadMsrs, translationKey, hostTscOffset } from "./entry";
import { keep, mayKeep } from "./kept";
import * as F from "./fields";
import * as S from "./state";

// Details of the exit being prepared; vmExit() records and clears them.
let interruption: u32 = 0;
let errorCode: u32 = 0;
let instruction: u32 = 0;
let linear: u64 = 0;
let physical: u64 = 0;
let explicitLength: u32 = 0;
let blockNmi: bool = false;
export function setInterruption(info: u32, code: u32): void { interruption = info; errorCode = code; }
export function setInstruction(info: u32): void { instruction = info; }
export function setLinear(la: u64): void { linear = la; }
export function setPhysical(gpa: u64): void { physical = gpa; }
export function setLength(n: u32): void { explicitLength = n; }
export function setBlockNmi(): void { blockNmi = true; }

/** Leave VMX non-root operation. @param rec the instruction that exits, 0 when RIP already tells
 *  @returns the record to continue at: host code, or out of run() when the embedder is the host */
export function vmExit(reason: u32, qualification: u64, rec: usize): usize {
  if (rec) store<u64>(RIP, ripOf(rec));
  let n: u32 = explicitLength;
  if (!n && rec) n = length(rec);
  w(F.IDT_VECTORING, 0);
  const duringDelivery = vectoring && reason != 2 && !(reason == 0 && (interruption & 0x7ff) == 0x308);
  if (duringDelivery) {
    const code = vectoringCode >= 0;
    w(F.IDT_VECTORING, <u32>vectoringVector | (<u32>vectoringKind << 8) | (code ? 0x800 : 0) | 0x80000000);
    if (code) w(F.IDT_ERROR_CODE, <u32>vectoringCode);
    if (vectoringKind >= 4) n = vectoringLength;
  }
  w(F.EXIT_REASON, reason);
  S.w64(F.QUALIFICATION, qualification);
  w(F.EXIT_INTERRUPTION, interruption);
  w(F.EXIT_ERROR_CODE, errorCode);
  w(F.EXIT_INSTRUCTION, instruction);
  w(F.EXIT_LENGTH, n);
  S.w64(F.GUEST_LINEAR, linear);
  S.w64(F.GUEST_PHYSICAL, physical);
  interruption = 0; errorCode = 0; instruction = 0; linear = 0; physical = 0; explicitLength = 0;
  if (reason != 2 && !blockNmi && mayKeep()) {
    saveShort();
    w(F.ENTRY_INTERRUPTION, S.r32(F.ENTRY_INTERRUPTION) & 0x7fffffff);
    clearVectoring();
    clearUnblockedByIret();
    setImplicit(false);
    clearFault();
    S.touchRegion();
    return keep();
  }
  saveShort();
  saveRest();
  saveTimer();
  dropTscOffset();
  w(F.ENTRY_INTERRUPTION, S.r32(F.ENTRY_INTERRUPTION) & 0x7fffffff);
  if (!storeMsrs()) return abort(1);
  return toHost();
}
/** VM-entry failure during or after loading guest state: exit reason with bit 31; guest state is not saved. */
export function failEntry(reason: u32, qualification: u64): usize {
  w(F.EXIT_REASON, reason | 0x80000000);
  S.w64(F.QUALIFICATION, qualification);
  w(F.IDT_VECTORING, 0);
  w(F.EXIT_INTERRUPTION, 0);
  return toHost();
}
@inline function w(field: u32, v: u32): void { S.w32(field, v); }

/** "Saving Guest State": what hypervisors read at most exits, and what they change without changing the guest's mode (kept.ts). */
function saveShort(): void {
  const exit = S.r32(F.EXIT_CONTROLS), entry = S.r32(F.ENTRY_CONTROLS), efer = load<u64>(EFER);
  S.w64(F.GUEST_CR0, load<u64>(CR0));
  S.w64(F.GUEST_CR3, load<u64>(CR3));
  S.w64(F.GUEST_CR4, load<u64>(CR4));
  if (exit & S.X_SAVE_EFER) S.w64(F.GUEST_EFER, efer);
  w(F.ENTRY_CONTROLS, efer & 0x400 ? entry | S.N_IA32E : entry & ~S.N_IA32E);
  // The DPL of SS is the CPL, whatever the descriptor said.
  w(F.GUEST_ES_RIGHTS + 2, load<u32>(SEG_ATTR + 4) & 0x1f0ff);
  w(F.GUEST_ES_RIGHTS + 4, (load<u32>(SEG_ATTR + 8) & 0x1f09f) | (load<u32>(CPL) << 5));
  S.w64(F.GUEST_RSP, load<u64>(REGS + RSP));
  S.w64(F.GUEST_RIP, load<u64>(RIP));
  S.w64(F.GUEST_RFLAGS, <u64>flags());
  w(F.GUEST_ACTIVITY, load<u32>(ACTIVITY));
  const nmi = load<u32>(S.PIN) & S.PIN_VNMI ? load<u32>(S.VIRTUAL_NMI_BLOCKED) : load<u32>(NMI_BLOCKED);
  w(F.GUEST_INTERRUPTIBILITY, (load<u32>(SHADOW) & 3) | (nmi ? 8 : 0));
  const pending = load<u32>(DB_PENDING) & 0x400f;
  S.w64(F.GUEST_PENDING_DEBUG, <u64>(pending & 15 ? pending | 0x1000 : pending));
}
/** The rest of it, from the registers that still hold it. */
export function saveRest(): void {
  const exit = S.r32(F.EXIT_CONTROLS);
  if (exit & S.X_SAVE_DEBUG) {
    S.w64(F.GUEST_DR7, load<u64>(DR7));
    S.w64(F.GUEST_DEBUGCTL, load<u64>(DEBUGCTL));
  }
  w(F.GUEST_SYSENTER_CS, <u32>load<u64>(SYSENTER_CS));
  S.w64(F.GUEST_SYSENTER_ESP, load<u64>(SYSENTER_ESP));
  S.w64(F.GUEST_SYSENTER_EIP, load<u64>(SYSENTER_EIP));
  if (exit & S.X_SAVE_PAT) S.w64(F.GUEST_PAT, load<u64>(PAT));
  for (let s: u32 = 0; s < 8; s++) {
    S.w16(F.GUEST_ES_SELECTOR + s * 2, load<u32>(SEG_SEL + (s << 2)));
    S.w64(F.GUEST_ES_BASE + s * 2, load<u64>(SEG_BASE + (s << 3)));
    S.w32(F.GUEST_ES_LIMIT + s * 2, load<u32>(SEG_LIMIT + (s << 2)));
    if (s != 1 && s != 2) S.w32(F.GUEST_ES_RIGHTS + s * 2, load<u32>(SEG_ATTR + (s << 2)) & 0x1f0ff);
  }
  S.w64(F.GUEST_GDTR_BASE, load<u64>(GDT_BASE));
  w(F.GUEST_GDTR_LIMIT, load<u32>(GDT_LIMIT));
  S.w64(F.GUEST_IDTR_BASE, load<u64>(IDT_BASE));
  w(F.GUEST_IDTR_LIMIT, load<u32>(IDT_LIMIT));
  if (load<u32>(S.PROC2) & S.S_EPT && load<u64>(CR0) >> 31 && (load<u64>(CR4) & 0x20) && !(load<u64>(EFER) & 0x400)) {
    for (let i = 0; i < 4; i++) S.w64(F.GUEST_PDPTE0 + i * 2, load<u64>(PDPTE + i * 8));
  }
}
function saveTimer(): void {
  if (!(S.r32(F.EXIT_CONTROLS) & S.X_SAVE_TIMER)) return;
  const offset = hostTscOffset();
  const left = ((load<i64>(S.DEADLINE) + offset) >> TIMER_RATE) - ((clockNow() + offset) >> TIMER_RATE);
  w(F.PREEMPTION_TIMER, left <= 0 ? 0 : <u32>left);
}
/** The TSC is the host's again, also in the MSR-store area. */
export function dropTscOffset(): void {
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) - load<u64>(S.TSC_ADDED));
  store<u64>(S.TSC_ADDED, 0);
}
/** "Saving MSRs": false when one cannot be read. */
function storeMsrs(): bool {
  const count = S.r32(F.EXIT_MSR_STORE_COUNT);
  if (count > MAX_MSR_COUNT) return false;
  let at = S.r64(F.EXIT_MSR_STORE);
  setHostInitiated(0);
  for (let i: u32 = 0; i < count; i++, at += 16) {
    const n = physRead32(at);
    if (physRead32(at + 4) || n >> 8 == 8) return false;
    const v = readMsr(n);
    if (msrFault()) return false;
    physWrite64(at + 8, v);
  }
  return true;
}
/** "Loading Host State" and on at HOST_RIP. */
function toHost(): usize {
  const long = (S.r32(F.EXIT_CONTROLS) & S.X_HOST64) != 0;
  leaveGuest(load<u32>(S.OPERATION) == S.NON_ROOT);
  S.touchRegion();
  if (!long && load<u64>(CR4) & 0x20 && !loadHostPdptes()) return abort(2);
  if (loadMsrs(F.EXIT_MSR_LOAD, F.EXIT_MSR_LOAD_COUNT)) return abort(4);
  return load<u32>(STOP_ON_EXIT) ? stop(STOP_VMEXIT) : resume();
}
/** The processor is the host's again. */
export function leaveGuest(wasGuest: bool): void {
  const exit = S.r32(F.EXIT_CONTROLS), long = (exit & S.X_HOST64) != 0;
  const vpid = (S.secondary() & S.S_VPID) != 0;
  if (load<u32>(S.SPACE)) {
    store<u64>(S.keySlot(load<u32>(S.SPACE)), translationKey());
    store<u32>(S.SPACE, 0);
  }
  store<u32>(S.OPERATION, S.ROOT);
  setIntercepts(I_INIT | I_SIPI);
  setFixedBits(CR0_FIXED0, CR4_FIXED0);
  store<u32>(STAGE2, 0);
  store<u64>(STAGE2, 0, 8);
  store<u64>(S.EPTP, 0);
  store<u64>(S.APIC_PAGE, ~0);
  dropTscOffset();
  store<u32>(S.MTF_STATE, 0);
  store<i64>(S.DEADLINE, i64.MAX_VALUE);
  if (wasGuest && (load<u32>(S.PIN) & S.PIN_VNMI)) store<u32>(NMI_BLOCKED, 0);
  if (blockNmi) store<u32>(NMI_BLOCKED, 1);
  blockNmi = false;
  store<u32>(S.VIRTUAL_NMI_BLOCKED, 0);
  clearVectoring();
  clearUnblockedByIret();
  setImplicit(false);
  clearFault();
  loadHost(exit, long, vpid);
}
function loadHost(exit: u32, long: bool, vpid: bool): void {
  const cr3 = S.r64(F.HOST_CR3), cr4 = (S.r64(F.HOST_CR4) & (long ? ~0 : ~0x20000)) | (long ? 0x20 : 0);
  store<u64>(CR0, (S.r64(F.HOST_CR0) & 0x8005002f) | (load<u64>(CR0) & 0x60000000) | 0x10);
  store<u64>(CR3, cr3);
  store<u64>(CR4, cr4);
  store<u64>(DR7, 0x400);
  store<u64>(DEBUGCTL, 0);
  store<u64>(SYSENTER_CS, <u64>S.r32(F.HOST_SYSENTER_CS));
  store<u64>(SYSENTER_ESP, S.r64(F.HOST_SYSENTER_ESP));
  store<u64>(SYSENTER_EIP, S.r64(F.HOST_SYSENTER_EIP));
  if (exit & S.X_LOAD_EFER) store<u64>(EFER, S.r64(F.HOST_EFER));
  else store<u64>(EFER, (load<u64>(EFER) & ~0x500) | (long ? 0x500 : 0));
  if (exit & S.X_LOAD_PAT) store<u64>(PAT, S.r64(F.HOST_PAT));
  setArithmeticFlags(0);
  store<u32>(EFLAGS, 2);
  store<u32>(CPL, 0);
  for (let s = 0; s < 6; s++) {
    const selector = S.r16(F.HOST_ES_SELECTOR + s * 2);
    if (s == 1) setSegment(s, selector, 0, ~0, long ? 0xa09b : 0xc09b);
    else setSegment(s, selector, s == 4 ? S.r64(F.HOST_FS_BASE) : s == 5 ? S.r64(F.HOST_GS_BASE) : 0, ~0, selector ? 0xc093 : UNUSABLE | 0xc093);
  }
  setSegment(6, 0, 0, 0, UNUSABLE);
  setSegment(7, S.r16(F.HOST_TR_SELECTOR), S.r64(F.HOST_TR_BASE), 0x67, 0x8b);
  store<u64>(GDT_BASE, S.r64(F.HOST_GDTR_BASE));
  store<u32>(GDT_LIMIT, 0xffff);
  store<u64>(IDT_BASE, S.r64(F.HOST_IDTR_BASE));
  store<u32>(IDT_LIMIT, 0xffff);
  store<u64>(REGS + RSP, S.r64(F.HOST_RSP));
  store<u64>(RIP, S.r64(F.HOST_RIP));
  store<u32>(SHADOW, 0);
  store<u32>(ACTIVITY, 0);
  store<u32>(DB_PENDING, 0);
  store<u32>(BREAK_ON, load<u32>(BREAK_ON) & ~0x100);
  setSpaceTag(0);
  switchSpace(cr4 & 0x20000 ? cr3 & 0xfff : 0, globalTag(), !vpid);
  updateMode();
  updateDebug();
}
function loadHostPdptes(): bool {
  const at = load<u64>(CR3) & 0xffffffe0, reserved = 0x1e6 | ~(((<u64>1) << physBits) - 1);
  for (let i = 0; i < 4; i++) {
    const e = physRead64(at + i * 8);
    if ((e & 1) && (e & reserved)) return false;
    store<u64>(PDPTE + i * 8, e);
  }
  return true;
}
/** "VMX Aborts": the indicator goes to the VMCS region, the processor shuts down. */
function abort(indicator: u32): usize {
  physWrite32(load<u64>(S.CURRENT) + 4, indicator);
  store<u32>(ACTIVITY, 2);
  return stop(STOP_SHUTDOWN);
}
