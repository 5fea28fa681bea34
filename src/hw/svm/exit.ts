// #VMEXIT ("#VMEXIT" in the APM): save the guest to its VMCB, say why, reload the host.
//
// An instruction that exits instead of executing has been counted in t; one abandoned by a fault has not.
import {
  REGS, RSP, RAX, RIP, CR0, CR2, CR3, CR4, EFER, DR6, DR7, CPL, PAT, SHADOW,
  SEG_EBASE, MODE, MODE_L, CS, fault, clearFault,
} from "../cpu/state";
import { flags } from "../cpu/flags";
import { ripOf, ripAfter } from "../cpu/record";
import { vectoring, vectoringKind, vectoringVector, vectoringCode } from "../cpu/interrupt";
import { rdSlow } from "../mmu/access";
import { implicit, setImplicit } from "../mmu/walk";
import { saveTablesAndSegments } from "./segments";
import { leaveGuestSpace } from "./spaces";
import { toHost } from "./host";
import * as V from "./vmcb";
import * as S from "./state";

/** Leave the guest. @param rec the instruction that exits, 0 when RIP already tells @returns the record to continue at */
export function vmexit(code: u64, info1: u64, info2: u64, rec: usize): usize {
  if (rec) store<u64>(RIP, ripOf(rec));
  const at = S.vmcb();
  saveGuest(at);
  let event: u64 = 0;
  if (vectoring) {
    // INT1, INT3 and INTO are exceptions here.
    event = <u64>vectoringVector | (<u64>(vectoringKind > 4 ? 3 : vectoringKind) << 8) | 0x80000000;
    if (vectoringCode >= 0) event |= 0x800 | (<u64><u32>vectoringCode << 32);
  }
  store<u64>(at, event, V.EXITINTINFO);
  const instruction = rec != 0 && !vectoring && ofInstruction(code);
  if (S.hasFeature(S.NRIP_SAVE)) store<u64>(at, instruction ? ripAfter(rec) : 0, V.NRIP);
  if (S.hasFeature(S.DECODE_ASSISTS)) fetchBytes(at, !vectoring && (code == 0x4e || (code == V.EXIT_NPF && rec != 0)) && !(info1 & 16));
  report(at, code, info1, info2);
  leaveGuestSpace();
  return toHost();
}
/** VMEXIT_INVALID: nothing of the guest has been loaded. */
export function refuse(): usize {
  const at = S.vmcb();
  store<u64>(at, 0, V.EXITINTINFO);
  report(at, V.EXIT_INVALID, 0, 0);
  return toHost();
}
function report(at: usize, code: u64, info1: u64, info2: u64): void {
  store<u64>(at, code, V.EXITCODE);
  store<u64>(at, info1, V.EXITINFO1);
  store<u64>(at, info2, V.EXITINFO2);
  store<u32>(at, load<u32>(at, V.EVENTINJ) & 0x7fffffff, V.EVENTINJ);
  S.touch(at);
}
/** Does the exit stand for an instruction, which nRIP then follows? */
function ofInstruction(code: u64): bool {
  return code < 0x40 || (code >= 0x65 && code < 0xc0 && code != 0x7d && code != 0x7e && code != 0x7f);
}
function saveGuest(at: usize): void {
  saveTablesAndSegments(at);
  store<u64>(at, load<u64>(EFER), V.EFER_AT);
  store<u64>(at, load<u64>(CR4), V.CR4_AT);
  store<u64>(at, load<u64>(CR3), V.CR3_AT);
  store<u64>(at, load<u64>(CR2), V.CR2_AT);
  store<u64>(at, load<u64>(CR0), V.CR0_AT);
  store<u64>(at, load<u64>(DR7), V.DR7_AT);
  store<u64>(at, load<u64>(DR6), V.DR6_AT);
  store<u64>(at, <u64>flags(), V.RFLAGS_AT);
  store<u64>(at, load<u64>(RIP), V.RIP_AT);
  store<u64>(at, load<u64>(REGS + RSP), V.RSP_AT);
  store<u64>(at, load<u64>(REGS + RAX), V.RAX_AT);
  store<u8>(at, <u8>load<u32>(CPL), V.CPL_AT);
  if (load<u32>(S.NESTED)) store<u64>(at, load<u64>(PAT), V.G_PAT);
  store<u64>(at, load<u32>(SHADOW) ? 1 : 0, V.INT_STATE);
  // V_TPR, V_IRQ and V_GIF are the processor's; the rest of the field is the hypervisor's.
  store<u32>(at, (load<u32>(at, V.INT_CTL) & ~0x3ff) | (S.control32(V.INT_CTL) & 0x3ff), V.INT_CTL);
}
/** "Decode Assists": the bytes of the instruction that a data access abandoned, as far as they can be read. */
function fetchBytes(at: usize, wanted: bool): void {
  let n: u32 = 0;
  if (wanted) {
    const was = implicit, rip = load<u64>(RIP), long = (load<u32>(MODE) & MODE_L) != 0;
    setImplicit(true);
    for (; n < 15; n++) {
      const la = rip + n + load<u64>(SEG_EBASE + (CS << 3));
      const b = <u8>rdSlow(long ? la : la & 0xffffffff, 1, 0);
      if (fault) break;
      store<u8>(at + V.FETCHED + n, b, 1);
    }
    setImplicit(was);
    clearFault();
  }
  store<u8>(at, <u8>n, V.FETCHED);
}
