// What the VMX instructions do, with plain arguments. The embedder (KVM in TypeScript) calls these as its VMX instructions:
// it is the host, the CPU's own state is the guest's between vmLaunch() or vmResume() and the exit.
//
// Results: 0 success, -1 VMfailInvalid, n > 0 VMfailValid with that VM-instruction error; vmLaunch() and vmResume()
// also -2: the VM exit has already happened.
import { STOP_ON_EXIT } from "../cpu/state";
import { setFixedBits, cr4Mask } from "../cpu/control";
import { setIntercepts, I_INIT, I_SIPI } from "../cpu/intercept";
import { canonical } from "../mmu/access";
import { physRead32, physWrite32 } from "../mmu/phys";
import { physBits } from "../mmu/walk";
import { CR0_FIXED0, CR4_FIXED0, setCr4Fixed1 } from "./capability";
import { forgetPassed } from "./checked";
import { enter, NO_VMCS } from "./entry";
import { forgetEpt, forgetVpid } from "./ept";
import { beforeRead, beforeWrite, settle } from "./kept";
import { fieldExists, readOnly, INSTRUCTION_ERROR } from "./fields";
import * as S from "./state";

@inline function badAddress(pa: u64): bool { return (pa & 0xfff) != 0 || (pa >> physBits) != 0; }

export function setInstructionError(error: i32): void {
  S.w32(INSTRUCTION_ERROR, <u32>error);
  S.touchRegion();
}
/** Enter VMX root operation with the VMXON region at `pa`. */
export function vmOn(pa: u64): i32 {
  if (badAddress(pa) || physRead32(pa) != S.REVISION) return NO_VMCS;
  setCr4Fixed1(cr4Mask());
  forgetPassed();
  store<u64>(S.VMXON_POINTER, pa);
  store<u64>(S.CURRENT, ~0);
  store<u32>(S.REGION, 0);
  store<u32>(S.OPERATION, S.ROOT);
  store<u64>(S.APIC_PAGE, ~0);
  store<i64>(S.DEADLINE, i64.MAX_VALUE);
  setIntercepts(I_INIT | I_SIPI);
  if (!load<u32>(STOP_ON_EXIT)) setFixedBits(CR0_FIXED0, CR4_FIXED0);
  return 0;
}
export function vmxOff(): i32 {
  settle();
  store<u32>(S.OPERATION, S.OUTSIDE);
  store<u64>(S.CURRENT, ~0);
  store<u32>(S.REGION, 0);
  setIntercepts(0);
  setFixedBits(0, 0);
  return 0;
}
/** Make the VMCS at `pa` clear; it is no longer current. */
export function vmClear(pa: u64): i32 {
  settle();
  if (badAddress(pa)) return 2;
  if (pa == load<u64>(S.VMXON_POINTER)) return 3;
  physWrite32(pa + 8, 0);
  if (pa == load<u64>(S.CURRENT)) {
    store<u64>(S.CURRENT, ~0);
    store<u32>(S.REGION, 0);
  }
  return 0;
}
/** Make the VMCS at `pa` current. */
export function vmPtrld(pa: u64): i32 {
  settle();
  if (badAddress(pa)) return 9;
  if (pa == load<u64>(S.VMXON_POINTER)) return 10;
  const at = S.ramPage(pa);
  if (!at || load<u32>(at) != S.REVISION) return 11;
  store<u64>(S.CURRENT, pa);
  store<u32>(S.REGION, <u32>at);
  return 0;
}
/** The current-VMCS pointer, ~0 for none. */
export function vmPtrst(): u64 { return load<u64>(S.CURRENT); }
/** May VMREAD or VMWRITE use the field? 0, NO_VMCS, 12 or 13. */
export function fieldError(field: u64, write: bool): i32 {
  if (load<u64>(S.CURRENT) == ~0) return NO_VMCS;
  if (!fieldExists(field)) return 12;
  return write && readOnly(<u32>field) ? 13 : 0;
}
/** Value of a field, 0 when it does not exist. */
export function vmRead(field: u32): u64 {
  if (fieldError(field, false)) return 0;
  beforeRead(field);
  return S.readField(field);
}
export function vmWrite(field: u32, value: u64): i32 {
  const error = fieldError(field, true);
  if (!error) { beforeWrite(field, value); S.writeField(field, value); }
  return failure(error);
}
function failure(error: i32): i32 {
  if (error > 0 && load<u64>(S.CURRENT) != ~0) setInstructionError(error);
  return error;
}
export function vmLaunch(): i32 { return failure(enter(true)); }
export function vmResume(): i32 { return failure(enter(false)); }
/** @param type 1 one EPT pointer, 2 all */
export function invEpt(type: u64, eptp: u64): i32 {
  if (type != 1 && type != 2) return failure(28);
  if (type == 1 && ((eptp & 0xf80) || ((eptp & 7) != 0 && (eptp & 7) != 6) || ((eptp >> 3) & 7) != 3 || eptp >> physBits)) return failure(28);
  settle();
  forgetEpt(eptp, type == 2);
  return 0;
}
/** @param type 0 one address, 1 one VPID, 2 all, 3 one VPID but for global translations */
export function invVpid(type: u64, vpid: u32, la: u64): i32 {
  if (type > 3 || vpid >> 16 || (type != 2 && vpid == 0) || (type == 0 && !canonical(la))) return failure(28);
  settle();
  forgetVpid(vpid, type == 2);
  return 0;
}
