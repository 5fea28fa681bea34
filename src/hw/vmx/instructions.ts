// The VMX instructions ("VMX Instruction Reference" in the SDM), for guest code: called through virtualInstructionHook().
// What they do to the VMCS is in operations.ts, which the embedder calls directly.
import {
  REGS, RAX, CR0, CR4, CPL, EFER, EFLAGS, FEATURE_CONTROL, MODE, MODE_L, PMODE, VM86, REAL, LONG, fault, exception,
} from "../cpu/state";
import { cr4Mask } from "../cpu/control";
import { setArithmeticFlags, VM } from "../cpu/flags";
import { clockNow, movSsUntil, next, raise } from "../cpu/flow";
import { A, B, ea } from "../cpu/record";
import { rd, wr, wrSlow } from "../mmu/access";
import { canonical } from "../mmu/access";
import { CR0_FIXED0, CR4_FIXED0, CR0_FIXED1 } from "./capability";
import { displacement, memoryInfo } from "./information";
import { enter, entryPc, ENTERED, EXITED, NO_VMCS } from "./entry";
import { vmExit, setInstruction } from "./exit";
import { vmOn, vmxOff, vmClear, vmPtrld, fieldError, invEpt, invVpid, setInstructionError } from "./operations";
import * as S from "./state";

/** Numbers that the instruction rows pass. `operand` is 1 when the ModRM.rm operand lies in memory. */
export const VMCALL: u32 = 0;
export const VMLAUNCH: u32 = 1;
export const VMRESUME: u32 = 2;
export const VMXOFF: u32 = 3;
export const VMFUNC: u32 = 4;
export const VMREAD: u32 = 5;
export const VMWRITE: u32 = 6;
export const VMPTRLD: u32 = 7;
export const VMCLEAR: u32 = 8;
export const VMXON: u32 = 9;
export const VMPTRST: u32 = 10;
export const INVEPT: u32 = 11;
export const INVVPID: u32 = 12;
export const GETSEC: u32 = 13;

function exitReason(number: u32): u32 {
  switch (number) {
    case VMCALL: return 18;
    case VMCLEAR: return 19;
    case VMLAUNCH: return 20;
    case VMPTRLD: return 21;
    case VMPTRST: return 22;
    case VMREAD: return 23;
    case VMRESUME: return 24;
    case VMWRITE: return 25;
    case VMXOFF: return 26;
    case VMXON: return 27;
    case INVEPT: return 50;
    default: return 53;
  }
}
@inline function undefined(rec: usize): usize { exception(6, -1); return raise(rec); }
@inline function gp(rec: usize): usize { exception(13, 0); return raise(rec); }
/** Real-address, virtual-8086 or compatibility mode. */
function wrongMode(): bool {
  const m = load<u32>(PMODE);
  return m == REAL || m == VM86 || (load<u32>(EFLAGS) & VM) != 0 || (m == LONG && !(load<u32>(MODE) & MODE_L));
}
/** VMsucceed, VMfailInvalid or VMfailValid ("Conventions"). @param error 0, NO_VMCS, or a VM-instruction error */
function conclude(rec: usize, error: i32): usize {
  if (error > 0 && load<u64>(S.CURRENT) != ~0) {
    setInstructionError(error);
    setArithmeticFlags(0x40);
  } else setArithmeticFlags(error ? 1 : 0);
  return next(rec);
}
function leave(number: u32, rec: usize, memory: bool): usize {
  let q: u64 = 0, info: u32 = 0;
  if (number >= VMREAD) {
    if (memory) {
      info = memoryInfo(rec);
      q = displacement(rec);
    } else info = 0x400 | (<u32>(B(rec) >> 3) << 3);
    if (number == VMREAD || number == VMWRITE || number >= INVEPT) info |= <u32>(A(rec) >> 3) << 28;
  }
  setInstruction(info);
  return vmExit(exitReason(number), q, rec);
}

/** Execute instruction `number`. @returns the next record */
export function virtualInstruction(number: u32, rec: usize, operand: u64): usize {
  const memory = operand != 0, operation = load<u32>(S.OPERATION);
  if (number == GETSEC) return undefined(rec); // CR4.SMXE cannot be set
  if (number == VMFUNC) return undefined(rec); // "enable VM functions" is not offered
  if (number == VMXON) return vmxon(rec);
  if (operation == S.OUTSIDE) return undefined(rec);
  if (number == VMCALL) {
    if (operation == S.NON_ROOT) return leave(number, rec, false);
    if (wrongMode()) return undefined(rec);
    if (load<u32>(CPL)) return gp(rec);
    return conclude(rec, 1);
  }
  if (wrongMode()) return undefined(rec);
  if (operation == S.NON_ROOT) return leave(number, rec, memory);
  if (load<u32>(CPL)) return gp(rec);
  switch (number) {
    case VMLAUNCH: return launch(rec, true);
    case VMRESUME: return launch(rec, false);
    case VMXOFF:
      vmxOff();
      return conclude(rec, 0);
    case VMREAD: return vmread(rec, memory);
    case VMWRITE: return vmwrite(rec, memory);
    case VMPTRST: {
      const la = ea(rec);
      if (fault) return raise(rec);
      wr<u64>(la, load<u64>(S.CURRENT), rec);
      return fault ? raise(rec) : conclude(rec, 0);
    }
    case INVEPT: case INVVPID: return invalidate(rec, number == INVEPT);
    default: break;
  }
  const la = ea(rec);
  if (fault) return raise(rec);
  const pa = rd<u64>(la, rec);
  if (fault) return raise(rec);
  return conclude(rec, number == VMPTRLD ? vmPtrld(pa) : vmClear(pa));
}
function launch(rec: usize, first: bool): usize {
  if (clockNow() == movSsUntil) return conclude(rec, load<u64>(S.CURRENT) == ~0 ? NO_VMCS : 26);
  const r = enter(first);
  return r == ENTERED || r == EXITED ? entryPc : conclude(rec, r);
}
function vmxon(rec: usize): usize {
  const cr0 = load<u64>(CR0), cr4 = load<u64>(CR4);
  if (wrongMode() || !(cr4 & 0x2000)) return undefined(rec);
  const operation = load<u32>(S.OPERATION);
  if (operation == S.NON_ROOT) return leave(VMXON, rec, true);
  if (load<u32>(CPL)) return gp(rec);
  if (operation == S.OUTSIDE) {
    if ((cr0 & CR0_FIXED0) != CR0_FIXED0 || cr0 & ~CR0_FIXED1 || (cr4 & CR4_FIXED0) != CR4_FIXED0 || cr4 & ~(cr4Mask() | CR4_FIXED0)
      || (load<u64>(FEATURE_CONTROL) & 5) != 5) return gp(rec);
  }
  const la = ea(rec);
  if (fault) return raise(rec);
  const pa = rd<u64>(la, rec);
  if (fault) return raise(rec);
  return conclude(rec, operation == S.ROOT ? 15 : vmOn(pa));
}
function vmread(rec: usize, memory: bool): usize {
  const long = (load<u32>(MODE) & MODE_L) != 0, reg = load<u64>(REGS + A(rec)), field = long ? reg : reg & 0xffffffff;
  const error = fieldError(field, false);
  if (error) return conclude(rec, error);
  const v = S.readField(<u32>field);
  if (memory) {
    const la = ea(rec);
    if (fault) return raise(rec);
    wrSlow(la, long ? 8 : 4, v, rec);
    if (fault) return raise(rec);
  } else store<u64>(REGS + B(rec), long ? v : v & 0xffffffff);
  return conclude(rec, 0);
}
function vmwrite(rec: usize, memory: bool): usize {
  const long = (load<u32>(MODE) & MODE_L) != 0, reg = load<u64>(REGS + A(rec)), field = long ? reg : reg & 0xffffffff;
  if (load<u64>(S.CURRENT) == ~0) return conclude(rec, NO_VMCS);
  let v: u64;
  if (memory) {
    const la = ea(rec);
    if (fault) return raise(rec);
    v = long ? rd<u64>(la, rec) : <u64>rd<u32>(la, rec);
    if (fault) return raise(rec);
  } else v = long ? load<u64>(REGS + B(rec)) : <u64>load<u32>(REGS + B(rec));
  const error = fieldError(field, true);
  if (error) return conclude(rec, error);
  S.writeField(<u32>field, v);
  return conclude(rec, 0);
}
function invalidate(rec: usize, ept: bool): usize {
  const type = load<u32>(MODE) & MODE_L ? load<u64>(REGS + A(rec)) : <u64>load<u32>(REGS + A(rec));
  const la = ea(rec);
  if (fault) return raise(rec);
  const low = rd<u64>(la, rec);
  if (fault) return raise(rec);
  const high = rd<u64>(la + 8, rec);
  if (fault) return raise(rec);
  if (ept) return conclude(rec, invEpt(type, low));
  if (type <= 3 && low >> 16) return conclude(rec, 28);
  return conclude(rec, invVpid(type, <u32>low, high));
}
