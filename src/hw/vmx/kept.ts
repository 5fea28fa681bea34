// A guest whose exit goes to the embedder stays in the processor: host code, for which the registers would be exchanged, is not
// there. The VMCS is the processor's own between VMPTRLD and VMCLEAR ("Software Use of Virtual-Machine Control Structures"), so
// nobody can tell: whoever asks for something that is not where the manual has it meets settle() or share() first.
//
//             exit: short part saved            VMREAD of the rest: share()
//   non-root ------------------------> GUEST ---------------------------> SHARED
//      ^                                 |  VMWRITE of anything but           |
//      |   entry: short part loaded      |  the fields below, VMPTRLD,        |
//      +---------------------------------+  VMCLEAR, INVEPT, ..: settle() <---+
//                                        v
//                                     HOST: as the manual says; the next entry checks and loads everything
//
// The short part is what saveShort() in exit.ts writes. Of it an entry loads, and may find changed by VMWRITE: RIP, RSP, RFLAGS,
// activity, interruptibility and pending debug exceptions; besides, the event to be injected and the window-exiting controls.
import { EFLAGS, REGS, RSP, RIP, STOP_ON_EXIT, STOP_VMEXIT } from "../cpu/state";
import { setArithmeticFlags, TF, VM } from "../cpu/flags";
import { stop } from "../cpu/flow";
import { updateBreak } from "../cpu/frame";
import { usesPae } from "./check-guest-other";
import { applyIntercepts } from "./controls";
import { loadNonRegister } from "./entry";
import { dropTscOffset, leaveGuest, saveRest } from "./exit";
import * as F from "./fields";
import * as S from "./state";

const GUEST: u32 = 1;
const SHARED: u32 = 2;
const WINDOWS: u32 = S.P_INTR_WINDOW | S.P_NMI_WINDOW;

/**
 * After an entry that has loaded everything: do the controls let the guest stay? What they add to exits and entries is none of it, nor
 * are PDPTEs, which every entry without EPT reads from memory anew.
 */
export function decideToKeep(): void {
  const proc = load<u32>(S.PROC), exit = S.r32(F.EXIT_CONTROLS), saved = S.X_SAVE_EFER | S.X_LOAD_EFER | S.X_SAVE_DEBUG | S.X_HOST64;
  const areas = S.r32(F.EXIT_MSR_STORE_COUNT) | S.r32(F.EXIT_MSR_LOAD_COUNT) | S.r32(F.ENTRY_MSR_LOAD_COUNT);
  const may = load<u32>(STOP_ON_EXIT) && !areas && (load<u32>(S.PROC2) & S.S_VPID) && (load<u32>(S.PIN) & (S.PIN_VNMI | S.PIN_TIMER)) == S.PIN_VNMI
    && !(proc & (S.P_TPR_SHADOW | S.P_MTF)) && (load<u32>(S.PROC2) & S.S_EPT || !usesPae()) && (exit & (saved | S.X_SAVE_TIMER)) == saved && S.r64(F.VMCS_LINK) == ~0;
  store<u32>(S.KEEPS, may ? 1 : 0);
}
@inline export function mayKeep(): bool { return load<u32>(S.KEEPS) != 0 && load<u32>(S.OPERATION) == S.NON_ROOT && load<u32>(S.MTF_STATE) == 0; }
export function keep(): usize {
  store<u32>(S.KEPT, GUEST);
  store<u32>(S.OPERATION, S.ROOT);
  return stop(STOP_VMEXIT);
}
@inline export function isKept(): bool { return load<u32>(S.KEPT) != 0; }

/** The VMCS has all of the guest's state. */
export function share(): void {
  if (load<u32>(S.KEPT) != GUEST) return;
  saveRest();
  store<u32>(S.KEPT, SHARED);
}
/** Processor and VMCS are as the manual's exit leaves them. */
export function settle(): void {
  if (!isKept()) return;
  share();
  store<u32>(S.KEPT, 0);
  dropTscOffset();
  leaveGuest(true);
  S.touchRegion();
}
/** Before VMREAD of a field that exists. */
@inline export function beforeRead(field: u32): void {
  if (load<u32>(S.KEPT) == GUEST && (field & 0xc00) == 0x800 && !short(field)) share();
}
function short(field: u32): bool {
  switch (field) {
    case F.GUEST_RIP: case F.GUEST_RSP: case F.GUEST_RFLAGS: case F.GUEST_INTERRUPTIBILITY: case F.GUEST_ACTIVITY: case F.GUEST_PENDING_DEBUG:
    case F.GUEST_CR0: case F.GUEST_CR3: case F.GUEST_CR4: case F.GUEST_EFER: case F.GUEST_ES_RIGHTS + 2: case F.GUEST_ES_RIGHTS + 4: case F.PML_INDEX:
      return true;
    default:
      return false;
  }
}
/** Before VMWRITE of a field that may be written. */
export function beforeWrite(field: u32, value: u64): void {
  if (!isKept()) return;
  switch (field) {
    case F.GUEST_RIP: case F.GUEST_RSP: case F.GUEST_RFLAGS: case F.GUEST_INTERRUPTIBILITY: case F.GUEST_ACTIVITY: case F.GUEST_PENDING_DEBUG:
    case F.ENTRY_INTERRUPTION: case F.ENTRY_ERROR_CODE: case F.ENTRY_LENGTH: case F.PML_INDEX:
      return;
    case F.PROC_CONTROLS:
      if ((<u32>value ^ S.r32(F.PROC_CONTROLS)) & ~WINDOWS) settle();
      return;
    default:
      settle();
  }
}
/** Before the embedder stores to [at, at+size) of linear memory: fields are not to be written so, but what is stored counts. */
export function beforeStore(at: usize, size: u32): void {
  if (isKept() && at < S.region() + 4096 && at + size > S.region()) settle();
}
/** Has the guest's mode stayed what the processor is in? */
@inline export function sameMode(): bool { return ((<u32>S.r64(F.GUEST_RFLAGS) ^ load<u32>(EFLAGS)) & VM) == 0; }
/** Entry of the guest that is there: what may have been written is loaded. */
export function reload(): void {
  const f = <u32>S.r64(F.GUEST_RFLAGS), proc = S.r32(F.PROC_CONTROLS), stepped = (f ^ load<u32>(EFLAGS)) & TF;
  store<u32>(S.KEPT, 0);
  setArithmeticFlags(f);
  store<u32>(EFLAGS, (f & 0x3f7700) | 2);
  if (stepped) updateBreak();
  store<u64>(REGS + RSP, S.r64(F.GUEST_RSP));
  store<u64>(RIP, S.r64(F.GUEST_RIP));
  loadNonRegister(load<u32>(S.PIN));
  store<u32>(S.OPERATION, S.NON_ROOT);
  if (proc == load<u32>(S.PROC)) return;
  store<u32>(S.PROC, proc);
  applyIntercepts();
}
