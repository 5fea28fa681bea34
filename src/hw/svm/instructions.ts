// The SVM instructions ("System Instructions" in the APM, volume 3), called through secureInstructionHook().
import {
  REGS, RAX, RCX, CPL, EFER, EFLAGS, PMODE, REAL, VM86, STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE,
  SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, EVENTS_HELD, FS, GS, LDTR, TR, exception,
} from "../cpu/state";
import { VM } from "../cpu/flags";
import { next, raise } from "../cpu/flow";
import { ripAfter, addressSize, addressMask } from "../cpu/record";
import { updateMode } from "../cpu/segment";
import { physBits } from "../mmu/walk";
import { enter } from "./run";
import { vmexit } from "./exit";
import { setVirtualGif } from "./events";
import { canonicalized, loadSegmentFrom, saveSegmentTo } from "./segments";
import { forgetPage } from "./spaces";
import * as V from "./vmcb";
import * as S from "./state";

/** Numbers that the instruction rows pass. */
export const VMRUN: u32 = 0;
export const VMMCALL: u32 = 1;
export const VMLOAD: u32 = 2;
export const VMSAVE: u32 = 3;
export const STGI: u32 = 4;
export const CLGI: u32 = 5;
export const SKINIT: u32 = 6;
export const INVLPGA: u32 = 7;

@inline function undefined(rec: usize): usize { exception(6, -1); return raise(rec); }
@inline function gp(rec: usize): usize { exception(13, 0); return raise(rec); }
@inline function unsupported(pa: u64): bool { return (pa & 0xfff) != 0 || (pa >> physBits) != 0; }

/** Execute instruction `number`. @returns the next record */
export function secureInstruction(number: u32, rec: usize): usize {
  const guest = S.inGuest();
  if (number == VMMCALL) return guest && S.intercepted(0x81) ? vmexit(0x81, 0, 0, rec) : undefined(rec);
  if (number == SKINIT || !(load<u64>(EFER) & S.EFER_SVME)) return undefined(rec);
  const mode = load<u32>(PMODE);
  if (mode == REAL || mode == VM86 || (load<u32>(EFLAGS) & VM)) return undefined(rec);
  if (load<u32>(CPL)) return gp(rec);
  const operand = load<u64>(REGS + RAX) & addressMask(addressSize(rec));
  if ((number == VMRUN || number == VMLOAD || number == VMSAVE) && unsupported(operand)) return gp(rec);
  const code: u32 = number == INVLPGA ? 0x7a : 0x80 + number;
  if (guest && S.intercepted(code)) return vmexit(code, 0, 0, rec);
  switch (number) {
    case VMRUN: return enter(operand, ripAfter(rec));
    case VMLOAD: vmload(operand); break;
    case VMSAVE: vmsave(operand); break;
    case INVLPGA: forgetPage(operand, load<u32>(REGS + RCX)); break;
    default: // STGI, CLGI
      if (!guest || !setVirtualGif(number == STGI)) store<u32>(EVENTS_HELD, number == STGI ? 0 : 1);
  }
  return next(rec);
}
/** FS, GS, TR and LDTR with their hidden parts, and the MSRs of SYSCALL, SYSENTER and SWAPGS. */
export function vmload(pa: u64): void {
  const at = S.pageOrNowhere(pa);
  loadSegmentFrom(FS, at + V.FS_AT);
  loadSegmentFrom(GS, at + V.GS_AT);
  loadSegmentFrom(TR, at + V.TR_AT);
  loadSegmentFrom(LDTR, at + V.LDTR_AT);
  store<u64>(KERNEL_GS_BASE, canonicalized(load<u64>(at, V.KERNEL_GS_BASE_AT)));
  store<u64>(STAR, load<u64>(at, V.STAR_AT));
  store<u64>(LSTAR, canonicalized(load<u64>(at, V.LSTAR_AT)));
  store<u64>(CSTAR, canonicalized(load<u64>(at, V.CSTAR_AT)));
  store<u64>(SFMASK, load<u64>(at, V.SFMASK_AT));
  store<u64>(SYSENTER_CS, load<u64>(at, V.SYSENTER_CS_AT));
  store<u64>(SYSENTER_ESP, canonicalized(load<u64>(at, V.SYSENTER_ESP_AT)));
  store<u64>(SYSENTER_EIP, canonicalized(load<u64>(at, V.SYSENTER_EIP_AT)));
  updateMode();
}
export function vmsave(pa: u64): void {
  const at = S.pageOrNowhere(pa);
  saveSegmentTo(FS, at + V.FS_AT);
  saveSegmentTo(GS, at + V.GS_AT);
  saveSegmentTo(TR, at + V.TR_AT);
  saveSegmentTo(LDTR, at + V.LDTR_AT);
  store<u64>(at, load<u64>(KERNEL_GS_BASE), V.KERNEL_GS_BASE_AT);
  store<u64>(at, load<u64>(STAR), V.STAR_AT);
  store<u64>(at, load<u64>(LSTAR), V.LSTAR_AT);
  store<u64>(at, load<u64>(CSTAR), V.CSTAR_AT);
  store<u64>(at, load<u64>(SFMASK), V.SFMASK_AT);
  store<u64>(at, load<u64>(SYSENTER_CS), V.SYSENTER_CS_AT);
  store<u64>(at, load<u64>(SYSENTER_ESP), V.SYSENTER_ESP_AT);
  store<u64>(at, load<u64>(SYSENTER_EIP), V.SYSENTER_EIP_AT);
  S.touch(at);
}
