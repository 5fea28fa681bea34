// VMRUN ("VMRUN Instruction" in the APM): save the host, check the VMCB, load the guest, inject an event.
import {
  REGS, RSP, RAX, RIP, CR0, CR2, CR3, CR4, EFER, DR6, DR7, EFLAGS, CPL, PAT,
  STAGE2, TSC_OFFSET, SHADOW, ACTIVITY, DB_PENDING, EVENTS_HELD, clearFault,
} from "../cpu/state";
import { setArithmeticFlags, VM } from "../cpu/flags";
import { resume, dropStep } from "../cpu/flow";
import { inject, clearVectoring } from "../cpu/interrupt";
import { updateMode } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { setInterceptHook } from "../cpu/intercept";
import { loadPdptes } from "../cpu/control";
import { setPdptesInMemory } from "../mmu/walk";
import { setStage2Hook } from "../mmu/stage2";
import { checkVmcb } from "./check";
import { saveHost } from "./host";
import { refuse } from "./exit";
import { guestIntercept, applyIntercepts } from "./intercepts";
import { translateNested } from "./nested-paging";
import { loadTablesAndSegments } from "./segments";
import { enterGuestSpace } from "./spaces";
import * as V from "./vmcb";
import * as S from "./state";

/** @param pa the VMCB; @param next rIP of the instruction after VMRUN @returns the record to continue at */
export function enter(pa: u64, next: u64): usize {
  store<u64>(S.VMCB_PA, pa);
  const at = S.vmcb();
  saveHost(next);
  dropStep();
  memory.copy(S.CONTROL, at, 0x100);
  store<u32>(S.NESTED, 0);
  const failed = checkVmcb(at);
  store<u32>(S.FAILED_CHECK, failed);
  if (failed) return refuse();
  useHooks();
  loadControl();
  loadGuest(at);
  store<u32>(S.GUEST, 1);
  applyIntercepts();
  if (usesPae() && !loadPdptes(load<u64>(CR3))) {
    clearFault();
    store<u32>(S.FAILED_CHECK, 20);
    return refuse();
  }
  return event();
}
/** The hooks of the CPU and the MMU are this folder's from now on. */
export function useHooks(): void {
  setInterceptHook(guestIntercept.index);
  setStage2Hook(translateNested.index);
}
/** Everything that VMRUN takes from the control area and the host's paging mode. */
function loadControl(): void {
  const np = (S.control64(V.NP_ENABLE) & 1) != 0, cr4 = load<u64>(CR4), efer = load<u64>(EFER);
  let mode: u32 = 0;
  if (np) {
    mode = efer & 0x400 ? 4 : cr4 & 0x20 ? 3 : 2;
    if (mode > 2 && (efer & 0x800)) mode |= 0x100;
    if (cr4 & 0x10) mode |= 0x200;
    if (cr4 & 0x100000) mode |= 0x400;
  }
  store<u32>(S.NESTED, mode);
  setPdptesInMemory(np);
  store<u64>(S.N_CR3, S.control64(V.N_CR3_FIELD));
  store<u32>(STAGE2, np ? 1 : 0);
  store<u64>(STAGE2, np ? S.control64(V.N_CR3_FIELD) : 0, 8);
  const added = S.control64(V.TSC_OFFSET_FIELD);
  store<u64>(S.TSC_ADDED, added);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + added);
  store<u32>(S.PAUSES_LEFT, load<u16>(S.CONTROL + V.PAUSE_FILTER_COUNT));
  store<i64>(S.LAST_PAUSE, 0);
}
function loadGuest(at: usize): void {
  const cr0 = load<u64>(at, V.CR0_AT), efer = load<u64>(at, V.EFER_AT), paging = (cr0 >> 31) != 0, f = <u32>load<u64>(at, V.RFLAGS_AT);
  loadTablesAndSegments(at);
  store<u64>(CR0, (cr0 & 0xe005003f) | 0x10);
  store<u64>(CR2, load<u64>(at, V.CR2_AT));
  store<u64>(CR3, load<u64>(at, V.CR3_AT));
  store<u64>(CR4, load<u64>(at, V.CR4_AT));
  store<u64>(EFER, (efer & ~0x400) | (paging && (efer & 0x100) ? 0x400 : 0));
  store<u64>(DR6, (load<u64>(at, V.DR6_AT) & 0xe00f) | 0xffff0ff0);
  store<u64>(DR7, (load<u64>(at, V.DR7_AT) & 0xffff2fff) | 0x400);
  if (load<u32>(S.NESTED)) store<u64>(PAT, load<u64>(at, V.G_PAT));
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3f7700) | 2);
  store<u64>(RIP, load<u64>(at, V.RIP_AT));
  store<u64>(REGS + RSP, load<u64>(at, V.RSP_AT));
  store<u64>(REGS + RAX, load<u64>(at, V.RAX_AT));
  store<u32>(CPL, !(cr0 & 1) ? 0 : f & VM ? 3 : <u32>load<u8>(at, V.CPL_AT) & 3);
  store<u32>(SHADOW, <u32>load<u64>(at, V.INT_STATE) & 1);
  store<u32>(ACTIVITY, 0);
  store<u32>(DB_PENDING, 0);
  store<u32>(EVENTS_HELD, 0);
  clearVectoring();
  enterGuestSpace(S.control32(V.GUEST_ASID), load<u8>(S.CONTROL + V.TLB_CONTROL));
  updateMode();
  updateDebug();
}
function usesPae(): bool { return (load<u64>(CR0) >> 31) != 0 && (load<u64>(CR4) & 0x20) != 0 && !(load<u64>(EFER) & 0x400); }
/** "Event Injection": the event of EVENTINJ is delivered before the first instruction, without being intercepted itself. */
function event(): usize {
  const e = S.control64(V.EVENTINJ);
  if (!(e & 0x80000000)) return resume();
  const kind = <i32>(e >> 8) & 7, vector = <i32>e & 0xff;
  store<u32>(SHADOW, 0);
  // The return address of a software interrupt is behind the instruction, which nRIP tells.
  const soft = kind == 4 || (kind == 3 && (vector == 3 || vector == 4));
  const rip = soft && S.hasFeature(S.NRIP_SAVE) ? S.control64(V.NRIP) : load<u64>(RIP);
  return inject(vector, e & 0x800 ? <i32>(e >> 32) : -1, kind, rip, 0);
}
