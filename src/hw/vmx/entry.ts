// VM entry ("VM Entries" in the SDM): checks, loading of guest state and MSRs, event injection.
//
// t counts VMLAUNCH and VMRESUME as retired instructions when guest code executes them; the embedder's calls cost none.
import {
  REGS, RSP, RIP, CR0, CR3, CR4, EFER, DR7, EFLAGS, CPL, PDPTE, STAGE2, SEG_SEL, SEG_BASE, SEG_LIMIT, SEG_ATTR,
  GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, PAT, DEBUGCTL, TSC_OFFSET, T_END,
  SHADOW, NMI_BLOCKED, ACTIVITY, DB_PENDING, BREAK_ON,
} from "../cpu/state";
import { setArithmeticFlags } from "../cpu/flags";
import { clockNow, resume } from "../cpu/flow";
import { inject, clearVectoring } from "../cpu/interrupt";
import { updateMode } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { writeMsr, msrFault, setHostInitiated } from "../cpu/msr";
import { setSpaceTag, globalTag, setFixedBits } from "../cpu/control";
import { switchSpace, flushAll } from "../mmu/tlb";
import { physRead64, physRead32, physRead8, shortenBy, yank } from "../mmu/phys";
import { CR0_FIXED0, CR4_FIXED0 } from "./capability";
import * as C from "./capability";
import { checkExecutionControls, checkExitControls, checkEntryControls } from "./check-controls";
import { checkHost } from "./check-host";
import { checkGuest, checkRip } from "./check-guest";
import { passedBefore, keepPassed } from "./checked";
import { checkActivity, checkInterruptibility, checkPendingDebug, checkLink, checkPdptes, usesPae } from "./check-guest-other";
import { spaceNumber, freshSpace } from "./ept";
import { forgetMappings } from "./ept-cache";
import { failEntry } from "./exit";
import { applyIntercepts } from "./controls";
import { decideToKeep, isKept, reload, sameMode, settle, share } from "./kept";
import * as F from "./fields";
import * as S from "./state";

/** Record to continue at after enter() has returned ENTERED or EXITED. */
export let entryPc: usize = 0;
export const ENTERED: i32 = 0;
/** VMfailInvalid: there is no current VMCS. */
export const NO_VMCS: i32 = -1;
/** Guest state was refused (exit reason with bit 31), or delivery of the injected event caused a VM exit. */
export const EXITED: i32 = -2;

/** Before any clock. */
const LONG_AGO: i64 = -0x4000000000000000;

@inline function note(n: u32): u32 { store<u32>(S.FAILED_CHECK, n); return n; }

/** VMLAUNCH or VMRESUME. @returns ENTERED, EXITED, NO_VMCS or the VM-instruction error (VMfailValid). */
export function enter(launch: bool): i32 {
  note(0);
  if (load<u64>(S.CURRENT) == ~0) return NO_VMCS;
  const state = load<u32>(S.region(), 8);
  if (launch && state != 0) return 4;
  if (!launch && state != 1) return 5;
  if (isKept()) {
    if (!launch && sameMode()) return again();
    settle();
  }
  const passed = passedBefore();
  if (!passed && (note(checkExecutionControls()) || note(checkExitControls()))) return 7;
  if (note(checkEntryControls())) return 7;
  if (!passed && note(checkHost())) return 8;
  let qualification: u64 = 0, n = note(passed ? checkRip() : checkGuest());
  if (!n) n = note(checkActivity());
  if (!n) n = note(checkInterruptibility());
  if (!n) n = note(checkPendingDebug());
  if (!n) { n = note(checkLink()); if (n) qualification = 4; }
  if (!n) { n = note(checkPdptes()); if (n) qualification = 2; }
  if (n) {
    entryPc = failEntry(33, qualification);
    return EXITED;
  }
  if (!passed) keepPassed();
  loadGuest();
  const failed = loadMsrs(F.ENTRY_MSR_LOAD, F.ENTRY_MSR_LOAD_COUNT);
  if (failed) {
    entryPc = failEntry(34, failed);
    return EXITED;
  }
  startClocks();
  if (launch) store<u32>(S.region(), 1, 8);
  S.touchRegion();
  store<u32>(S.OPERATION, S.NON_ROOT);
  decideToKeep();
  applyIntercepts();
  entryPc = event();
  return load<u32>(S.OPERATION) == S.NON_ROOT ? ENTERED : EXITED;
}
/** VMRESUME of the guest that has stayed in the processor: what has been written since is checked and loaded. */
function again(): i32 {
  if (S.r32(F.ENTRY_INTERRUPTION) >> 31 && note(checkEntryControls())) return 7;
  if (S.r64(F.GUEST_RFLAGS) & 0x100) share(); // a check looks at DEBUGCTL
  if (note(checkRip()) || note(checkActivity()) || note(checkInterruptibility()) || note(checkPendingDebug())) {
    settle();
    entryPc = failEntry(33, 0);
    return EXITED;
  }
  reload();
  S.touchRegion();
  entryPc = event();
  return load<u32>(S.OPERATION) == S.NON_ROOT ? ENTERED : EXITED;
}
/** Load MSRs from an area ("Loading MSRs"). @returns 0, or the number (from 1) of the entry that cannot be loaded */
export function loadMsrs(field: u32, countField: u32): u64 {
  const count = S.r32(countField);
  setHostInitiated(0);
  let at = S.r64(field);
  for (let i: u32 = 1; i <= count; i++, at += 16) {
    if (i > C.MAX_MSR_COUNT) return <u64>i;
    const n = physRead32(at);
    if (physRead32(at + 4) || n == 0xc0000100 || n == 0xc0000101 || n >> 8 == 8 || n == 0x9e || n == 0x9b) return <u64>i;
    writeMsr(n, physRead64(at + 8));
    if (msrFault()) return <u64>i;
  }
  return 0;
}
/** What cached translations and fast entries of a space depend on besides the tables. */
export function translationKey(): u64 {
  return (load<u64>(CR0) & 0x80010001) | ((load<u64>(CR4) & 0x3000b0) << 32) | ((load<u64>(EFER) & 0xd00) << 8);
}
function loadGuest(): void {
  const pin = S.r32(F.PIN_CONTROLS), proc = S.r32(F.PROC_CONTROLS), proc2 = S.secondary(), entry = S.r32(F.ENTRY_CONTROLS);
  store<u32>(S.PIN, pin);
  store<u32>(S.PROC, proc);
  store<u32>(S.PROC2, proc2);
  const cr0 = (S.r64(F.GUEST_CR0) & 0x8005002f) | (load<u64>(CR0) & 0x60000000) | 0x10;
  const cr3 = S.r64(F.GUEST_CR3), cr4 = S.r64(F.GUEST_CR4);
  store<u64>(CR0, cr0);
  store<u64>(CR3, cr3);
  store<u64>(CR4, cr4);
  if (entry & S.N_LOAD_DEBUG) {
    store<u64>(DR7, (S.r64(F.GUEST_DR7) & 0xffff2fff) | 0x400);
    store<u64>(DEBUGCTL, S.r64(F.GUEST_DEBUGCTL));
  }
  store<u64>(SYSENTER_CS, <u64>S.r32(F.GUEST_SYSENTER_CS));
  store<u64>(SYSENTER_ESP, S.r64(F.GUEST_SYSENTER_ESP));
  store<u64>(SYSENTER_EIP, S.r64(F.GUEST_SYSENTER_EIP));
  if (entry & S.N_LOAD_EFER) store<u64>(EFER, S.r64(F.GUEST_EFER));
  else {
    const long: u64 = entry & S.N_IA32E ? 0x500 : 0, changed: u64 = cr0 >> 31 ? 0x500 : 0x400;
    store<u64>(EFER, (load<u64>(EFER) & ~changed) | (long & changed));
  }
  if (entry & S.N_LOAD_PAT) store<u64>(PAT, S.r64(F.GUEST_PAT));
  const f = <u32>S.r64(F.GUEST_RFLAGS);
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3f7700) | 2);
  for (let s: u32 = 0; s < 8; s++) {
    store<u32>(SEG_SEL + (s << 2), S.r16(F.GUEST_ES_SELECTOR + s * 2));
    store<u64>(SEG_BASE + (s << 3), S.r64(F.GUEST_ES_BASE + s * 2));
    store<u32>(SEG_LIMIT + (s << 2), S.r32(F.GUEST_ES_LIMIT + s * 2));
    store<u32>(SEG_ATTR + (s << 2), S.r32(F.GUEST_ES_RIGHTS + s * 2) & 0x1f0ff);
  }
  store<u32>(CPL, (S.r32(F.GUEST_ES_RIGHTS + 4) >> 5) & 3);
  store<u64>(GDT_BASE, S.r64(F.GUEST_GDTR_BASE));
  store<u32>(GDT_LIMIT, S.r32(F.GUEST_GDTR_LIMIT));
  store<u64>(IDT_BASE, S.r64(F.GUEST_IDTR_BASE));
  store<u32>(IDT_LIMIT, S.r32(F.GUEST_IDTR_LIMIT));
  store<u64>(REGS + RSP, S.r64(F.GUEST_RSP));
  store<u64>(RIP, S.r64(F.GUEST_RIP));
  loadNonRegister(pin);
  const ept = (proc2 & S.S_EPT) != 0;
  if (usesPae()) {
    for (let i = 0; i < 4; i++) {
      store<u64>(PDPTE + i * 8, ept ? S.r64(F.GUEST_PDPTE0 + i * 2) : physRead64((cr3 & 0xffffffe0) + i * 8));
    }
  }
  const eptp: u64 = ept ? S.r64(F.EPT_POINTER) : 0;
  store<u64>(S.EPTP, eptp);
  store<u64>(S.APIC_PAGE, proc2 & S.S_APIC_ACCESS ? S.r64(F.APIC_ACCESS) : ~0);
  store<u32>(STAGE2, ept || (proc2 & S.S_APIC_ACCESS) ? 1 : 0);
  store<u64>(STAGE2, eptp, 8);
  enterSpace(eptp, proc2);
  setFixedBits(proc2 & S.S_UNRESTRICTED ? CR0_FIXED0 & ~0x80000001 : CR0_FIXED0, CR4_FIXED0);
  updateMode();
  updateDebug();
  store<u32>(S.MTF_STATE, proc & S.P_MTF ? 1 : 0);
  store<u32>(BREAK_ON, (load<u32>(BREAK_ON) & ~0x100) | (proc & S.P_MTF ? 0x100 : 0));
  store<u32>(S.TPR_DUE, (proc & S.P_TPR_SHADOW) && (proc2 & S.S_APIC_ACCESS)
    && S.r32(F.TPR_THRESHOLD) > physRead8(S.r64(F.VIRTUAL_APIC) + 0x80) >> 4 ? 1 : 0);
}
/** TSC offset and preemption timer, after the MSR area, which may set the TSC. */
function startClocks(): void {
  const added: u64 = load<u32>(S.PROC) & S.P_TSC_OFFSET ? S.r64(F.TSC_OFFSET_FIELD) : 0;
  store<i64>(S.DEADLINE, load<u32>(S.PIN) & S.PIN_TIMER ? deadline(<i64>S.r32(F.PREEMPTION_TIMER)) : i64.MAX_VALUE);
  store<u64>(S.TSC_ADDED, added);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + added);
}
/** The preemption timer counts changes of a bit of the host's TSC, which is t plus this. */
export function hostTscOffset(): i64 { return load<i64>(TSC_OFFSET) - load<i64>(S.TSC_ADDED); }
function deadline(count: i64): i64 {
  const offset = hostTscOffset();
  return ((((clockNow() + offset) >> C.TIMER_RATE) + count) << C.TIMER_RATE) - offset;
}
/** Choose the tags of cached translations: those of (EPTP, VPID), or new ones when VPID is off. */
function enterSpace(eptp: u64, proc2: u32): void {
  const cr4 = load<u64>(CR4), cr3 = load<u64>(CR3), key = translationKey();
  let n: u32;
  if (!(proc2 & S.S_VPID)) {
    n = freshSpace();
    // Guest-physical mappings may go at any time: hypervisors without VPIDs clear flags of the EPT between two entries and count on it.
    forgetMappings();
  }
  else {
    n = spaceNumber(eptp, S.r16(F.VPID));
    // The hypervisor may have changed CR0.WP, CR4.PGE.. of a guest whose translations are cached under the old rules.
    const slot = S.keySlot(n);
    if (load<u64>(slot) != key) {
      n = S.renew(n);
      store<u64>(S.keySlot(n), key);
    }
  }
  store<u32>(S.SPACE, n);
  setSpaceTag(<u64>n << 12);
  switchSpace((<u64>n << 12) | (cr4 & 0x20000 ? cr3 & 0xfff : 0), globalTag(), false);
}
export function loadNonRegister(pin: u32): void {
  // The first PAUSE behind a VM entry is the first one of a loop.
  if (load<u32>(S.PROC2) & S.S_PLE) store<i64>(S.PLE_LAST, LONG_AGO);
  const blocking = S.r32(F.GUEST_INTERRUPTIBILITY), pending = <u32>S.r64(F.GUEST_PENDING_DEBUG);
  store<u32>(SHADOW, blocking & 3);
  const nmi: u32 = (blocking >> 3) & 1;
  if (pin & S.PIN_VNMI) {
    store<u32>(S.VIRTUAL_NMI_BLOCKED, nmi);
    store<u32>(NMI_BLOCKED, 0);
  } else {
    store<u32>(S.VIRTUAL_NMI_BLOCKED, 0);
    store<u32>(NMI_BLOCKED, nmi);
  }
  store<u32>(ACTIVITY, S.r32(F.GUEST_ACTIVITY));
  store<u32>(DB_PENDING, pending & 0x5000 ? pending & 0x400f : 0);
  clearVectoring();
}
/** "Event Injection": deliver the event of the VM-entry interruption-information field, if any. */
function event(): usize {
  const info = S.r32(F.ENTRY_INTERRUPTION);
  if (!(info >> 31)) return resume();
  const kind = <i32>(info >> 8) & 7, vector = <i32>info & 0xff;
  if (kind == 7) { // a pending monitor trap flag exit
    store<u32>(S.MTF_STATE, 3);
    applyIntercepts();
    return resume();
  }
  if (load<u32>(S.MTF_STATE)) store<u32>(S.MTF_STATE, 3);
  store<u32>(ACTIVITY, 0);
  store<u32>(SHADOW, 0);
  store<u32>(DB_PENDING, 0);
  if (kind == 2) {
    if (load<u32>(S.PIN) & S.PIN_VNMI) store<u32>(S.VIRTUAL_NMI_BLOCKED, 1);
    else store<u32>(NMI_BLOCKED, 1);
  }
  const length: u32 = kind >= 4 ? S.r32(F.ENTRY_LENGTH) : 0;
  return inject(vector, info & 0x800 ? <i32>S.r32(F.ENTRY_ERROR_CODE) : -1, kind, load<u64>(RIP) + length, length);
}
/** End the slice in hand where the preemption timer expires. Called at boundaries. */
export function boundSlice(): void {
  const cut = load<i64>(T_END) - load<i64>(S.DEADLINE);
  if (cut <= 0) return;
  yank();
  shortenBy(<i32>min<i64>(cut, 0x7fffffff));
}
/** Forget every cached translation, as reset and VMXON do. */
export function forgetTranslations(): void { flushAll(); }
