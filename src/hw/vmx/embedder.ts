// An embedder that is the host itself (KVM in TypeScript) has no code at HOST_RIP: it needs a processor that looks like
// that of a 64-bit kernel, and host-state fields that pass the checks.
import { CR0, CR3, CR4, EFER, EFLAGS, CPL, DR7, FEATURE_CONTROL, PAT, STOP_ON_EXIT } from "../cpu/state";
import { setSegment, updateMode, UNUSABLE } from "../cpu/segment";
import { updateDebug } from "../cpu/debug";
import { settle } from "./kept";
import * as F from "./fields";
import * as S from "./state";

const HOST_CR0_VALUE: u64 = 0x80050033;
const HOST_CR4_VALUE: u64 = 0x2020;
const PAT_RESET: u64 = 0x0007040600070406;

/** Put the processor in the mode of a 64-bit kernel, ready for vmOn(); exits stop run() from now on. */
export function vmxBecomeHost(): void {
  settle();
  store<u64>(CR0, HOST_CR0_VALUE);
  store<u64>(CR3, 0);
  store<u64>(CR4, HOST_CR4_VALUE);
  store<u64>(EFER, 0xd00);
  store<u32>(EFLAGS, 2);
  store<u32>(CPL, 0);
  store<u64>(DR7, 0x400);
  store<u64>(PAT, PAT_RESET);
  store<u64>(FEATURE_CONTROL, 5);
  for (let s = 0; s < 6; s++) setSegment(s, s == 1 ? 8 : 0, 0, ~0, s == 1 ? 0xa09b : UNUSABLE | 0xc093);
  setSegment(6, 0, 0, 0, UNUSABLE);
  setSegment(7, 0x10, 0, 0x67, 0x8b);
  store<u32>(STOP_ON_EXIT, 1);
  updateMode();
  updateDebug();
}
/** Fill the host-state area of the current VMCS accordingly. */
export function vmxHostFields(): void {
  settle();
  for (let f: u32 = 0; f < 0x18; f += 2) S.w64(F.HOST_CR0 + f, 0);
  for (let f: u32 = 0; f <= 0xc; f += 2) S.w16(F.HOST_ES_SELECTOR + f, 0);
  S.w64(F.HOST_CR0, HOST_CR0_VALUE);
  S.w64(F.HOST_CR4, HOST_CR4_VALUE);
  S.w64(F.HOST_EFER, 0xd00);
  S.w64(F.HOST_PAT, PAT_RESET);
  S.w16(F.HOST_ES_SELECTOR + 2, 8);
  S.w16(F.HOST_TR_SELECTOR, 0x10);
  S.w32(F.HOST_SYSENTER_CS, 0);
  S.touchRegion();
}
/** Words of EXIT, in the order of their numbers: what an exit tells, and where the guest is. */
const EXIT = memory.data(64, 8);
@inline function word(n: usize, v: u32): void { store<u32>(EXIT + (n << 2), v); }
/** VMREAD of the fields that are read at every exit, in one call: reason, vectoring information, length, interruption information, then as
 *  two words each qualification, guest-physical and guest-linear address, RIP, RFLAGS. @returns where the words are */
export function vmReadExit(): usize {
  word(0, S.r32(F.EXIT_REASON));
  word(1, S.r32(F.IDT_VECTORING));
  word(2, S.r32(F.EXIT_LENGTH));
  word(3, S.r32(F.EXIT_INTERRUPTION));
  store<u64>(EXIT, S.r64(F.QUALIFICATION), 16);
  store<u64>(EXIT, S.r64(F.GUEST_PHYSICAL), 24);
  store<u64>(EXIT, S.r64(F.GUEST_LINEAR), 32);
  store<u64>(EXIT, S.r64(F.GUEST_RIP), 40);
  store<u64>(EXIT, S.r64(F.GUEST_RFLAGS), 48);
  return EXIT;
}
/** The VMREADs and VMWRITEs with which a hypervisor completes an instruction: RIP behind it, the interrupt shadow ends, a single step traps.
 *  @param length of the instruction in bytes, 0 for that of the exit */
export function vmxRetire(length: u32): void {
  const cs = S.r32(F.GUEST_ES_RIGHTS + 2), long = (cs & 0x2000) != 0 && (S.r64(F.GUEST_EFER) & 0x400) != 0;
  const next = S.r64(F.GUEST_RIP) + <u64>(length ? length : S.r32(F.EXIT_LENGTH));
  S.w64(F.GUEST_RIP, long ? next : next & (cs & 0x4000 ? 0xffffffff : 0xffff));
  const blocking = S.r32(F.GUEST_INTERRUPTIBILITY);
  if (blocking & 3) S.w32(F.GUEST_INTERRUPTIBILITY, blocking & ~3);
  if (S.r64(F.GUEST_RFLAGS) & 0x100) S.w64(F.GUEST_PENDING_DEBUG, S.r64(F.GUEST_PENDING_DEBUG) | 0x4000);
  S.touchRegion();
}
/** Ends what is between the two: for an embedder that reads or writes registers of the processor itself. */
export function vmxSettle(): void { settle(); }
