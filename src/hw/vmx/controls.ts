// VMX non-root operation: which intercepts the controls ask for, and what each does ("Instructions That Cause VM Exits",
// "Other Causes of VM Exits", "Changes to Instruction Behavior in VMX Non-Root Operation").
import {
  RIP, CR0, CR4, TSC_OFFSET, EFLAGS, SHADOW, NMI, NMI_BLOCKED, ACTIVITY, INIT, SIPI, CPL, DB_PENDING, faultAddress, exception, setFault,
} from "../cpu/state";
import { IF } from "../cpu/flags";
import * as I from "../cpu/intercept";
import { clockNow, next, raise } from "../cpu/flow";
import { B, length, ripAfter } from "../cpu/record";
import { eventKind, eventLength, debugPayload, unblockedByIret } from "../cpu/interrupt";
import { writeMsr, setHostInitiated } from "../cpu/msr";
import { crValue, setCrValue, setCrHandled } from "../cpu/control";
import { physRead8, physWrite32 } from "../mmu/phys";
import { boundSlice } from "./entry";
import { vmExit, setInterruption, setInstruction, setLinear, setPhysical, setLength, setBlockNmi } from "./exit";
import { displacement, memoryInfo, stringLinear, scan, scannedMemory, scannedSize, scannedReg } from "./information";
import * as F from "./fields";
import * as S from "./state";

@external("env", "intAck") declare function envIntAck(): i32;

/** Load the CPU's intercept bits from the controls of the current VMCS. */
export function applyIntercepts(): void {
  const pin = load<u32>(S.PIN), p = load<u32>(S.PROC), s = load<u32>(S.PROC2);
  let b: u64 = I.I_CPUID | I.I_INVD | I.I_XSETBV | I.I_TASK_SWITCH | I.I_VMX | I.I_TRIPLE_FAULT | I.I_INIT | I.I_SIPI | I.I_STACK2
    | I.I_CR_WRITE | I.I_MSR_READ | I.I_MSR_WRITE;
  const bitmap = S.r32(F.EXCEPTION_BITMAP), mask = S.r32(F.PF_MASK), match = S.r32(F.PF_MATCH);
  if (bitmap | mask | match) b |= I.I_EXCEPTION;
  if (pin & S.PIN_INTR) b |= I.I_INTR;
  if (pin & S.PIN_NMI) b |= I.I_NMI;
  if (pin & (S.PIN_VNMI | S.PIN_NMI)) b |= I.I_IRET;
  if ((pin & S.PIN_TIMER) || (p & S.P_MTF) || load<u32>(S.MTF_STATE) || load<u32>(S.TPR_DUE)) b |= I.I_BOUNDARY;
  if (p & S.P_INTR_WINDOW) b |= I.I_INTR_WINDOW;
  if (p & S.P_NMI_WINDOW) b |= I.I_NMI_WINDOW;
  if (p & S.P_HLT) b |= I.I_HLT;
  if (p & S.P_INVLPG) b |= I.I_INVLPG;
  if (p & S.P_MWAIT) b |= I.I_MWAIT;
  if (p & S.P_MONITOR) b |= I.I_MONITOR;
  if ((p & S.P_PAUSE) || (s & S.S_PLE)) b |= I.I_PAUSE;
  if (p & S.P_RDPMC) b |= I.I_RDPMC;
  if (p & S.P_RDTSC) b |= I.I_RDTSC;
  if ((p & S.P_RDTSC) || !(s & S.S_RDTSCP)) b |= I.I_RDTSCP;
  if ((p & S.P_INVLPG) || !(s & S.S_INVPCID)) b |= I.I_INVPCID;
  const mask0 = S.r64(F.CR0_MASK);
  if ((p & S.P_CR3_STORE) || mask0 || S.r64(F.CR4_MASK)) b |= I.I_CR_READ;
  if (mask0 & 15) b |= I.I_CLTS | I.I_LMSW;
  if (p & (S.P_CR8_LOAD | S.P_CR8_STORE | S.P_TPR_SHADOW)) b |= I.I_MOV_CR8;
  if (p & S.P_MOV_DR) b |= I.I_DR;
  if (p & (S.P_IO | S.P_IO_BITMAPS)) b |= I.I_IO;
  if (s & S.S_TABLES) b |= I.I_GDTR_IDTR | I.I_LDTR_TR;
  if (s & S.S_WBINVD) b |= I.I_WBINVD;
  if (s & S.S_RDRAND) b |= I.I_RDRAND;
  if (s & S.S_RDSEED) b |= I.I_RDSEED;
  I.setIntercepts(b);
}
@inline function undefined(rec: usize): usize { exception(6, -1); return raise(rec); }
/** IRET that ended NMI blocking, for "NMI unblocking due to IRET". */
let iretRecord: usize = 0;
let iretUnblocked: bool = false;
function unblocking(rec: usize): bool { return unblockedByIret || (iretUnblocked && rec != 0 && rec == iretRecord); }

/** The intercept hook: see src/hw/cpu/intercept.ts. @returns the next record after a VM exit, 0 to go on */
export function nonRootIntercept(kind: u64, rec: usize, info: u64, extra: u64): usize {
  if (load<u32>(S.OPERATION) != S.NON_ROOT) return 0; // INIT and SIPI are blocked in root operation
  const p = load<u32>(S.PROC), s = load<u32>(S.PROC2);
  if (kind < (<u64>1 << 14)) {
    switch (<u32>kind) {
      case <u32>I.I_CPUID: return vmExit(10, 0, rec);
      case <u32>I.I_HLT: return vmExit(12, 0, rec);
      case <u32>I.I_INVLPG: return vmExit(14, info, rec);
      case <u32>I.I_RDPMC: return vmExit(15, 0, rec);
      case <u32>I.I_RDTSC: return vmExit(16, 0, rec);
      case <u32>I.I_RDTSCP: return s & S.S_RDTSCP ? vmExit(51, 0, rec) : undefined(rec);
      case <u32>I.I_CR_WRITE: return crWrite(rec, <u32>info & 15, <u64>(<u32>info >> 4), extra);
      case <u32>I.I_CR_READ: return crRead(rec, <u32>info);
      case <u32>I.I_CLTS: return clts(rec);
      case <u32>I.I_LMSW: return lmsw(rec, extra);
      case <u32>I.I_DR: return vmExit(29, info & 0xf17, rec);
      case <u32>I.I_IO: return io(rec, <u32>info, extra);
      case <u32>I.I_MSR_READ: return msrAllowed(<u32>info, 0) ? 0 : vmExit(31, 0, rec);
      default:
        if (!msrAllowed(<u32>info, 0x800)) return vmExit(32, 0, rec);
        return <u32>info == 0x10 ? writeTsc(rec, extra) : 0;
    }
  }
  if (kind == I.I_EXCEPTION) return exceptionExit(rec, <u32>info, <i32>extra);
  if (kind == I.I_STACK2) return memoryExit(rec);
  if (kind == I.I_INTR) return externalInterrupt();
  if (kind == I.I_BOUNDARY) return info ? timerExit() : trapExit();
  if (kind == I.I_INTR_WINDOW) return windowExit(7);
  if (kind == I.I_NMI_WINDOW) {
    return (load<u32>(S.PIN) & S.PIN_VNMI) && load<u32>(S.VIRTUAL_NMI_BLOCKED) ? 0 : windowExit(8);
  }
  if (kind == I.I_NMI) {
    store<u32>(NMI, 0);
    setBlockNmi();
    setInterruption(0x80000202, 0);
    return vmExit(0, 0, 0);
  }
  if (kind == I.I_IRET) {
    iretRecord = rec;
    const virtualNmi = (load<u32>(S.PIN) & S.PIN_VNMI) != 0;
    iretUnblocked = virtualNmi && load<u32>(S.VIRTUAL_NMI_BLOCKED) != 0;
    if (virtualNmi) store<u32>(S.VIRTUAL_NMI_BLOCKED, 0);
    return 0;
  }
  if (kind == I.I_MOV_CR8) return cr8(rec, info != 0, p);
  if (kind == I.I_TASK_SWITCH) return vmExit(9, (info & 0xffff) | (extra << 30), rec);
  if (kind == I.I_GDTR_IDTR) {
    setInstruction(memoryInfo(rec) | (scan(rec) && scannedSize == 2 ? 0 : 0x800) | (<u32>extra << 28));
    return vmExit(46, displacement(rec), rec);
  }
  if (kind == I.I_LDTR_TR) return taskRegister(rec, <u32>extra);
  if (kind == I.I_INVD) return vmExit(13, 0, rec);
  if (kind == I.I_WBINVD) return vmExit(54, 0, rec);
  if (kind == I.I_PAUSE) return (p & S.P_PAUSE) || pauseLoop() ? vmExit(40, 0, rec) : 0;
  if (kind == I.I_MONITOR) return vmExit(39, 0, rec);
  if (kind == I.I_MWAIT) return vmExit(36, 0, rec);
  if (kind == I.I_XSETBV) return vmExit(55, 0, rec);
  if (kind == I.I_INVPCID) {
    if (!(s & S.S_INVPCID)) return undefined(rec);
    scan(rec);
    setInstruction(memoryInfo(rec) | (scannedReg << 28));
    return vmExit(58, displacement(rec), rec);
  }
  if (kind == I.I_RDRAND || kind == I.I_RDSEED) {
    scan(rec);
    setInstruction((<u32>B(rec) << 0) | ((scannedSize >> 2) << 11));
    return vmExit(kind == I.I_RDRAND ? 57 : 61, 0, rec);
  }
  if (kind == I.I_TRIPLE_FAULT) return vmExit(2, 0, 0);
  if (kind == I.I_INIT) {
    store<u32>(INIT, 0);
    return vmExit(3, 0, 0);
  }
  if (kind == I.I_SIPI) {
    store<u32>(SIPI, 0);
    return vmExit(4, info & 0xff, 0);
  }
  return 0;
}
/** "PAUSE-loop exiting": PAUSEs at CPL 0 no further apart than PLE_Gap have gone on for longer than PLE_Window. */
function pauseLoop(): bool {
  if (load<u32>(CPL)) return false;
  const t = clockNow();
  if (t - load<i64>(S.PLE_LAST) > <i64>S.r32(F.PLE_GAP)) store<i64>(S.PLE_FIRST, t);
  store<i64>(S.PLE_LAST, t);
  return t - load<i64>(S.PLE_FIRST) > <i64>S.r32(F.PLE_WINDOW);
}
/** Exception bitmap with the page-fault error-code mask and match. */
function exceptionExit(rec: usize, vector: u32, code: i32): usize {
  let exits = ((S.r32(F.EXCEPTION_BITMAP) >> vector) & 1) != 0;
  if (vector == 14 && (<u32>code & S.r32(F.PF_MASK)) != S.r32(F.PF_MATCH)) exits = !exits;
  if (!exits) return 0;
  let info = vector | (<u32>eventKind << 8) | 0x80000000;
  if (code >= 0) info |= 0x800;
  if (vector != 8 && unblocking(rec)) info |= 0x1000;
  setInterruption(info, code >= 0 ? <u32>code : 0);
  if (eventLength) setLength(eventLength);
  return vmExit(0, vector == 14 ? faultAddress : vector == 1 ? debugPayload & 0x600f : 0, rec);
}
/** What the second stage has recorded: EPT violation or misconfiguration, full modification log, APIC access. */
function memoryExit(rec: usize): usize {
  const reason = load<u32>(S.PENDING_REASON);
  let q = load<u64>(S.PENDING_QUALIFICATION);
  if (reason != 44) {
    if (reason != 62) setPhysical(load<u64>(S.PENDING_GPA));
    if (reason != 49 && unblocking(rec)) q |= 0x1000;
    if (q & 0x80) setLinear(load<u64>(S.PENDING_LINEAR));
  } else setLinear(load<u64>(S.PENDING_LINEAR));
  return vmExit(reason, q, rec);
}
function externalInterrupt(): usize {
  if (S.r32(F.EXIT_CONTROLS) & S.X_ACK_INTR) {
    const vector = envIntAck();
    if (vector < 0) return 0;
    setInterruption(<u32>vector | 0x80000000, 0);
  }
  return vmExit(1, 0, 0);
}
/** An interrupt or NMI window is open: it also ends HLT, and the activity state saved is still HLT. */
function windowExit(reason: u32): usize { return vmExit(reason, 0, 0); }

/** Before debug traps: the TPR is below its threshold, the monitor trap flag. */
function trapExit(): usize {
  const state = load<u32>(S.MTF_STATE), t = clockNow();
  if (state == 3) return vmExit(37, 0, 0);
  if (state == 1) {
    store<u32>(S.MTF_STATE, 2);
    store<i64>(S.MTF_T, t);
    store<u64>(S.MTF_RIP, load<u64>(RIP));
  } else if (state == 2 && (load<i64>(S.MTF_T) != t || load<u64>(S.MTF_RIP) != load<u64>(RIP))) return vmExit(37, 0, 0);
  if (!load<u32>(S.TPR_DUE)) return 0;
  store<u32>(S.TPR_DUE, 0);
  return vmExit(43, 0, 0);
}
/** Behind debug traps, before NMIs: the preemption timer ("VM Exits Caused by the VMX-Preemption Timer"). */
function timerExit(): usize {
  if (!(load<u32>(S.PIN) & S.PIN_TIMER)) return 0;
  if (clockNow() >= load<i64>(S.DEADLINE)) return vmExit(52, 0, 0);
  boundSlice();
  return 0;
}
function crWrite(rec: usize, cr: u32, reg: u64, value: u64): usize {
  if (cr == 3) {
    if (!(load<u32>(S.PROC) & S.P_CR3_LOAD)) return 0;
    const n = min<u32>(S.r32(F.CR3_TARGET_COUNT), 4);
    for (let i: u32 = 0; i < n; i++) if (S.r64(F.CR3_TARGET0 + i * 2) == value) return 0;
    return vmExit(28, 3 | (reg << 8), rec);
  }
  if (cr == 2) return 0;
  const mask = S.r64(cr == 0 ? F.CR0_MASK : F.CR4_MASK), shadow = S.r64(cr == 0 ? F.CR0_SHADOW : F.CR4_SHADOW);
  if ((value ^ shadow) & mask) return vmExit(28, <u64>cr | (reg << 8), rec);
  setCrValue((value & ~mask) | (load<u64>(cr == 0 ? CR0 : CR4) & mask));
  return 0;
}
function crRead(rec: usize, info: u32): usize {
  const cr = info & 15;
  if (cr == 3) return load<u32>(S.PROC) & S.P_CR3_STORE ? vmExit(28, 0x13 | (<u64>(info >> 4) << 8), rec) : 0;
  if (cr == 0) setCrValue((crValue & ~S.r64(F.CR0_MASK)) | (S.r64(F.CR0_SHADOW) & S.r64(F.CR0_MASK)));
  else if (cr == 4) setCrValue((crValue & ~S.r64(F.CR4_MASK)) | (S.r64(F.CR4_SHADOW) & S.r64(F.CR4_MASK)));
  return 0;
}
function clts(rec: usize): usize {
  if (!(S.r64(F.CR0_MASK) & 8)) return 0;
  // The hypervisor owns TS: a shadow of 1 exits, a shadow of 0 has nothing to clear.
  return S.r64(F.CR0_SHADOW) & 8 ? vmExit(28, 0x20, rec) : next(rec);
}
function lmsw(rec: usize, value: u64): usize {
  const mask = S.r64(F.CR0_MASK), shadow = S.r64(F.CR0_SHADOW), changed = (value ^ shadow) & mask;
  if ((changed & 0xe) || (changed & value & 1)) {
    let q: u64 = 0x30 | ((value & 0xffff) << 16);
    if (scan(rec) && scannedMemory) {
      q |= 0x40;
      setLinear(stringLinear(rec, 0, 0));
    }
    return vmExit(28, q, rec);
  }
  setCrValue((value & ~mask) | (load<u64>(CR0) & mask & 15));
  return 0;
}
/** MOV to and from CR8: exiting, or the virtual task-priority register ("Virtualizing CR8-Based TPR Accesses"). */
function cr8(rec: usize, read: bool, p: u32): usize {
  const reg = <u64>(B(rec) >> 3);
  if (p & (read ? S.P_CR8_STORE : S.P_CR8_LOAD)) return vmExit(28, 8 | (read ? 0x10 : 0) | (reg << 8), rec);
  if (!(p & S.P_TPR_SHADOW) || (!read && crValue > 15)) return 0;
  const at = S.r64(F.VIRTUAL_APIC) + 0x80;
  setCrHandled(true);
  if (read) {
    setCrValue(<u64>(physRead8(at) >> 4));
    return 0;
  }
  const value = <u32>crValue & 15;
  physWrite32(at, value << 4);
  if (value >= S.r32(F.TPR_THRESHOLD)) return 0;
  store<u64>(RIP, ripAfter(rec));
  return vmExit(43, 0, 0);
}
/** I/O bitmaps or unconditional exiting; an access that runs past port FFFFh always exits with bitmaps. */
function io(rec: usize, port: u32, extra: u64): usize {
  const size = <u32>extra & 7;
  if (load<u32>(S.PROC) & S.P_IO_BITMAPS) {
    let hit = port + size > 0x10000;
    for (let i: u32 = 0; i < size && !hit; i++) {
      const n = port + i, page = S.r64(n & 0x8000 ? F.IO_BITMAP_B : F.IO_BITMAP_A);
      hit = ((physRead8(page + ((n & 0x7fff) >> 3)) >> (n & 7)) & 1) != 0;
    }
    if (!hit) return 0;
  }
  const input = (extra & 8) != 0, string = (extra & 16) != 0;
  if (string) {
    const width = max<u32>(<u32>(extra >> 8) & 3, 1), segment = <u32>(extra >> 16) & 7;
    setInstruction(((width - 1) << 7) | (input ? 0 : segment << 15));
    setLinear(stringLinear(rec, input ? 1 : 2, width));
  }
  return vmExit(30, <u64>(size - 1) | (extra & 0x78) | (<u64>port << 16), rec);
}
/** MSR bitmaps. @param half 0 for reads, 800h for writes */
function msrAllowed(n: u32, half: u64): bool {
  if (!(load<u32>(S.PROC) & S.P_MSR_BITMAPS)) return false;
  let at = S.r64(F.MSR_BITMAP) + half;
  if (n >= 0xc0000000 && n <= 0xc0001fff) at += 0x400;
  else if (n > 0x1fff) return false;
  return !((physRead8(at + <u64>((n & 0x1fff) >> 3)) >> (n & 7)) & 1);
}
/** WRMSR of IA32_TSC sets the host's TSC; what the guest reads is that plus the offset. */
function writeTsc(rec: usize, value: u64): usize {
  const added = load<u64>(S.TSC_ADDED);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) - added);
  setHostInitiated(0);
  writeMsr(0x10, value);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + added);
  return next(rec);
}
function taskRegister(rec: usize, which: u32): usize {
  let info = which << 28;
  let q: u64 = 0;
  if (scan(rec) && !scannedMemory) info |= 0x400 | (<u32>(B(rec) >> 3) << 3);
  else {
    info |= memoryInfo(rec);
    q = displacement(rec);
  }
  setInstruction(info);
  return vmExit(47, q, rec);
}
