// Host state at VMRUN and #VMEXIT ("Saving Host State" and "#VMEXIT" in the APM). The area at VM_HSAVE_PA is laid out as a VMCB's
// state save area, hidden parts of the segment registers included.
import {
  REGS, RSP, RAX, RIP, CR0, CR3, CR4, EFER, DR7, EFLAGS, CPL, PAT, STAGE2,
  TSC_OFFSET, SHADOW, ACTIVITY, DB_PENDING, EVENTS_HELD, STOP_ON_EXIT, STOP_VMEXIT, STOP_SHUTDOWN, VM_HSAVE_PA,
  fault, clearFault,
} from "../cpu/state";
import { flags, setArithmeticFlags, IF, TF } from "../cpu/flags";
import { resume, stop, dropStep } from "../cpu/flow";
import { clearVectoring, clearUnblockedByIret } from "../cpu/interrupt";
import { updateMode } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { loadPdptes } from "../cpu/control";
import { setIntercepts } from "../cpu/intercept";
import { setImplicit, setPdptesInMemory } from "../mmu/walk";
import { loadTablesAndSegments, saveTablesAndSegments } from "./segments";
import { enterHostSpace, translationKey } from "./spaces";
import * as V from "./vmcb";
import * as S from "./state";

/** @param next rIP of the instruction after VMRUN */
export function saveHost(next: u64): void {
  const at = S.pageOrNowhere(load<u64>(VM_HSAVE_PA)), f = flags();
  saveTablesAndSegments(at);
  store<u64>(at, load<u64>(EFER), V.EFER_AT);
  store<u64>(at, load<u64>(CR0), V.CR0_AT);
  store<u64>(at, load<u64>(CR3), V.CR3_AT);
  store<u64>(at, load<u64>(CR4), V.CR4_AT);
  store<u64>(at, <u64>f, V.RFLAGS_AT);
  store<u64>(at, next, V.RIP_AT);
  store<u64>(at, load<u64>(REGS + RSP), V.RSP_AT);
  store<u64>(at, load<u64>(REGS + RAX), V.RAX_AT);
  S.touch(at);
  store<u64>(S.HOST_PAT, load<u64>(PAT));
  store<u64>(S.HOST_KEY, translationKey());
  store<u32>(S.HOST_IF, f & IF);
  store<u32>(S.HOST_TRAP, f & TF);
}
/** Reload the host, the global interrupt flag 0, and go on behind VMRUN. What is not in the save area stays the guest's. */
export function toHost(): usize {
  const at = S.pageOrNowhere(load<u64>(VM_HSAVE_PA)), f = <u32>load<u64>(at, V.RFLAGS_AT);
  const cr0 = load<u64>(at, V.CR0_AT) | 0x11, cr4 = load<u64>(at, V.CR4_AT), efer = load<u64>(at, V.EFER_AT), paging = (cr0 >> 31) != 0;
  store<u32>(S.GUEST, 0);
  setIntercepts(0);
  store<u32>(STAGE2, 0);
  store<u64>(STAGE2, 0, 8);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) - load<u64>(S.TSC_ADDED));
  store<u64>(S.TSC_ADDED, 0);
  if (load<u32>(S.NESTED)) store<u64>(PAT, load<u64>(S.HOST_PAT));
  store<u32>(S.NESTED, 0);
  setPdptesInMemory(false);
  clearVectoring();
  clearUnblockedByIret();
  setImplicit(false);
  dropStep();
  clearFault();
  store<u64>(CR0, cr0 & 0xe005003f);
  store<u64>(CR3, load<u64>(at, V.CR3_AT));
  store<u64>(CR4, cr4);
  store<u64>(EFER, (efer & ~0x400) | (paging && (efer & 0x100) ? 0x400 : 0));
  store<u64>(DR7, 0x400);
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3d7700) | 2);
  store<u32>(CPL, 0);
  loadTablesAndSegments(at);
  store<u64>(REGS + RSP, load<u64>(at, V.RSP_AT));
  store<u64>(REGS + RAX, load<u64>(at, V.RAX_AT));
  store<u64>(RIP, load<u64>(at, V.RIP_AT));
  store<u32>(EVENTS_HELD, 1);
  store<u32>(SHADOW, 0);
  store<u32>(ACTIVITY, 0);
  // A trap of the single-stepped VMRUN comes now.
  store<u32>(DB_PENDING, load<u32>(S.HOST_TRAP) ? 0x4000 : 0);
  enterHostSpace();
  updateMode();
  updateDebug();
  const illegal = paging && (efer & 0x100) != 0 && !(cr4 & 0x20);
  if (!illegal && paging && (cr4 & 0x20) && !(efer & 0x100)) loadPdptes(load<u64>(CR3));
  if (fault || illegal) {
    clearFault();
    store<u32>(ACTIVITY, 2);
    return stop(STOP_SHUTDOWN);
  }
  return load<u32>(STOP_ON_EXIT) ? stop(STOP_VMEXIT) : resume();
}
