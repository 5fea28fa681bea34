// What the intercept vectors of a VMCB ask the CPU to report, and what each report becomes ("Instruction Intercepts" and
// "Exception Intercepts" in the APM).
import { CR0, DR6, DR7, RIP, EFLAGS, TSC_OFFSET, MODE, MODE_L, MODE_D, faultAddress, exception, fault } from "../cpu/state";
import { RF } from "../cpu/flags";
import * as I from "../cpu/intercept";
import { clockNow, next, raise } from "../cpu/flow";
import { B, ripAfter } from "../cpu/record";
import { eventKind, debugPayload, vectoring, vectoringKind, vectoringCode, KIND_EXCEPTION, KIND_INT1 } from "../cpu/interrupt";
import { writeCr0, writeCr3, writeCr4 } from "../cpu/control";
import { writeMsr, msrFault, setHostInitiated } from "../cpu/msr";
import { physRead8 } from "../mmu/phys";
import { vmexit } from "./exit";
import { physicalInterrupt, virtualInterrupt, virtualPending, taskPriority, V_INTR_MASKING } from "./events";
import * as V from "./vmcb";
import * as S from "./state";

const MOV: u64 = 0x8000000000000000; // decode assist: the access was a MOV, bits 3..0 name its register
function when(on: bool, bits: u64): u64 { return on ? bits : 0; }
@inline function bit(code: u32, bits: u64): u64 { return S.intercepted(code) ? bits : 0; }

/** Load the CPU's intercept bits from the control area that VMRUN copied. */
export function applyIntercepts(): void {
  const cr = S.control32(V.INTERCEPT_CR), traps = S.control32(V.INTERCEPT_4) >> 16, masking = S.control32(V.INT_CTL) & V_INTR_MASKING;
  let b: u64 = I.I_STACK2 | I.I_MOV_CR8;
  b |= when((cr & 0xfeff) != 0, I.I_CR_READ) | when((cr >> 16) != 0 || traps != 0 || S.intercepted(0x65), I.I_CR_WRITE);
  b |= when((cr & 0x10000) != 0 || (traps & 1) != 0 || S.intercepted(0x65), I.I_LMSW | I.I_CLTS);
  b |= when(S.control32(V.INTERCEPT_DR) != 0, I.I_DR) | when(S.control32(V.INTERCEPT_EXCEPTIONS) != 0 || S.intercepted(0x88), I.I_EXCEPTION);
  b |= when(masking != 0 || S.intercepted(0x60), I.I_INTR) | bit(0x61, I.I_NMI) | bit(0x62, I.I_SMI) | bit(0x63, I.I_INIT) | when(virtualPending(), I.I_INTR_WINDOW);
  b |= bit(0x66, I.I_GDTR_IDTR) | bit(0x67, I.I_GDTR_IDTR) | bit(0x6a, I.I_GDTR_IDTR) | bit(0x6b, I.I_GDTR_IDTR);
  b |= bit(0x68, I.I_LDTR_TR) | bit(0x69, I.I_LDTR_TR) | bit(0x6c, I.I_LDTR_TR) | bit(0x6d, I.I_LDTR_TR);
  b |= bit(0x6e, I.I_RDTSC) | bit(0x6f, I.I_RDPMC) | bit(0x70, I.I_PUSHF_POPF_INTN) | bit(0x71, I.I_PUSHF_POPF_INTN) | bit(0x75, I.I_PUSHF_POPF_INTN);
  b |= bit(0x72, I.I_CPUID) | bit(0x73, I.I_RSM) | bit(0x74, I.I_IRET) | bit(0x76, I.I_INVD) | bit(0x77, I.I_PAUSE) | bit(0x78, I.I_HLT);
  b |= bit(0x79, I.I_INVLPG) | bit(0x7b, I.I_IO) | bit(0x7c, I.I_MSR_READ) | bit(0x7d, I.I_TASK_SWITCH) | bit(0x7f, I.I_TRIPLE_FAULT);
  b |= bit(0x87, I.I_RDTSCP) | bit(0x89, I.I_WBINVD) | bit(0x8a, I.I_MONITOR) | bit(0x8b, I.I_MWAIT) | bit(0x8c, I.I_MWAIT);
  b |= bit(0x8d, I.I_XSETBV) | I.I_MSR_WRITE | bit(0xa2, I.I_INVPCID);
  I.setIntercepts(b);
}
/** The intercept hook: see src/hw/cpu/intercept.ts. @returns the next record after #VMEXIT, 0 to go on */
export function guestIntercept(kind: u64, rec: usize, info: u64, extra: u64): usize {
  if (!S.inGuest()) return 0;
  if (kind == I.I_STACK2) return vmexit(load<u64>(S.PENDING_CODE), load<u64>(S.PENDING_INFO1), load<u64>(S.PENDING_INFO2), rec);
  if (kind == I.I_EXCEPTION) return exceptionExit(rec, <u32>info, <i32>extra);
  if (kind == I.I_INTR) return physicalInterrupt();
  if (kind == I.I_INTR_WINDOW) return virtualInterrupt();
  if (kind == I.I_IO) return io(rec, <u32>info, extra);
  if (kind == I.I_MSR_READ) return S.intercepted(0x7c) && msrIntercepted(<u32>info, 0) ? vmexit(0x7c, 0, 0, rec) : 0;
  if (kind == I.I_MSR_WRITE) return msrWrite(rec, <u32>info, extra);
  if (kind == I.I_CR_WRITE) return crWrite(rec, <u32>info & 15, (info >> 4) & 15, extra);
  if (kind == I.I_CR_READ) return crRead(rec, <u32>info);
  if (kind == I.I_CLTS) return clts(rec);
  if (kind == I.I_LMSW) return lmsw(rec, extra);
  if (kind == I.I_MOV_CR8) return cr8(rec, info != 0);
  if (kind == I.I_DR) return dr(rec, <u32>info);
  if (kind == I.I_PUSHF_POPF_INTN) return stackInstruction(rec, info, <u32>extra);
  if (kind == I.I_PAUSE) return pause(rec);
  if (kind == I.I_TASK_SWITCH) return taskSwitch(rec, info, <u32>extra);
  // NMI, SMI and INIT stay pending: the global interrupt flag holds them back until the hypervisor's STGI.
  if (kind == I.I_NMI) return vmexit(0x61, 0, 0, 0);
  if (kind == I.I_SMI) return vmexit(0x62, 0, 0, 0);
  if (kind == I.I_INIT) return vmexit(0x63, 0, 0, 0);
  if (kind == I.I_TRIPLE_FAULT) return vmexit(0x7f, 0, 0, 0);
  if (kind == I.I_MWAIT) return vmexit(S.intercepted(0x8b) ? 0x8b : 0x8c, 0, 0, rec);
  if (kind == I.I_GDTR_IDTR) return plain(rec, tableCode(<u32>extra), 0);
  if (kind == I.I_LDTR_TR) return plain(rec, 0x68 + (<u32>extra & 1) + (<u32>extra & 2) * 2, 0);
  return plain(rec, codeOf(kind), kind == I.I_INVLPG && S.hasFeature(S.DECODE_ASSISTS) ? info : 0);
}
function plain(rec: usize, code: u32, info1: u64): usize { return S.intercepted(code) ? vmexit(code, info1, 0, rec) : 0; }
/** SGDT SIDT LGDT LIDT: 67h 66h 6Bh 6Ah. */
function tableCode(which: u32): u32 { return (which & 2 ? 0x6b : 0x67) - (which & 1); }
function codeOf(kind: u64): u32 {
  if (kind == I.I_CPUID) return 0x72;
  if (kind == I.I_HLT) return 0x78;
  if (kind == I.I_INVLPG) return 0x79;
  if (kind == I.I_RDTSC) return 0x6e;
  if (kind == I.I_RDTSCP) return 0x87;
  if (kind == I.I_RDPMC) return 0x6f;
  if (kind == I.I_RSM) return 0x73;
  if (kind == I.I_IRET) return 0x74;
  if (kind == I.I_INVD) return 0x76;
  if (kind == I.I_WBINVD) return 0x89;
  if (kind == I.I_MONITOR) return 0x8a;
  if (kind == I.I_XSETBV) return 0x8d;
  return 0xa2; // INVPCID
}
/** #PF leaves CR2 alone: the address goes to EXITINFO2. #DB has its DR6 and DR7 as a handler would see them. */
function exceptionExit(rec: usize, vector: u32, code: i32): usize {
  if (eventKind == KIND_INT1 && S.intercepted(0x88)) return vmexit(0x88, 0, 0, rec);
  if (!((S.control32(V.INTERCEPT_EXCEPTIONS) >> vector) & 1)) return 0;
  if (vector == 1 && eventKind == KIND_EXCEPTION) {
    store<u64>(DR6, (load<u64>(DR6) & ~0xf) | debugPayload);
    store<u64>(DR7, load<u64>(DR7) & ~0x2000);
  }
  return vmexit(0x40 + vector, code >= 0 ? <u64><u32>code : 0, vector == 14 ? faultAddress : 0, rec);
}
function register(reg: u64): u64 { return S.hasFeature(S.DECODE_ASSISTS) ? MOV | reg : 0; }
function crWrite(rec: usize, cr: u32, reg: u64, value: u64): usize {
  if ((S.control32(V.INTERCEPT_CR) >> (16 + cr)) & 1) return vmexit(0x10 + cr, register(reg), 0, rec);
  // Selective: a bit other than CR0.TS and CR0.MP changes.
  if (cr == 0 && S.intercepted(0x65) && ((value ^ load<u64>(CR0)) & ~0xa)) return vmexit(V.EXIT_CR0_SEL_WRITE, register(reg), 0, rec);
  return S.intercepted(0x90 + cr) ? trap(rec, cr, value) : 0;
}
/** A write intercept that comes after the write. */
function trap(rec: usize, cr: u32, value: u64): usize {
  if (cr == 0) writeCr0(value);
  else if (cr == 3) writeCr3(value);
  else if (cr == 4) writeCr4(value);
  else return 0;
  if (fault) return raise(rec);
  store<u64>(RIP, ripAfter(rec));
  return vmexit(0x90 + cr, 0, 0, 0);
}
/** MOV from CR0..CR4 (info: number, register << 4) and SMSW (100h). */
function crRead(rec: usize, info: u32): usize {
  const cr = info & 15;
  if (!((S.control32(V.INTERCEPT_CR) >> cr) & 1)) return 0;
  return vmexit(cr, info == 0x100 ? 0 : register(<u64>(info >> 4) & 15), 0, rec);
}
function clts(rec: usize): usize {
  if (S.control32(V.INTERCEPT_CR) & 0x10000) return vmexit(0x10, 0, 0, rec);
  return S.intercepted(0x90) ? trap(rec, 0, load<u64>(CR0) & ~8) : 0;
}
/** The selective intercept takes any LMSW, whatever it writes. */
function lmsw(rec: usize, value: u64): usize {
  if (S.control32(V.INTERCEPT_CR) & 0x10000) return vmexit(0x10, 0, 0, rec);
  if (S.intercepted(0x65)) return vmexit(V.EXIT_CR0_SEL_WRITE, 0, 0, rec);
  const old = load<u64>(CR0);
  return S.intercepted(0x90) ? trap(rec, 0, (old & ~0xe) | (value & 15) | (old & 1)) : 0;
}
function cr8(rec: usize, read: bool): usize {
  const code: u32 = read ? 8 : 0x18;
  if ((S.control32(V.INTERCEPT_CR) >> code) & 1) return vmexit(code, register(<u64>(B(rec) >> 3)), 0, rec);
  return taskPriority(rec, read);
}
function dr(rec: usize, info: u32): usize {
  const n = info & 15, code = info & 0x10 ? 0x20 + n : 0x30 + n;
  if (!((S.control32(V.INTERCEPT_DR) >> (code - 0x20)) & 1)) return 0;
  return vmexit(code, register(<u64>(info >> 8) & 15), 0, rec);
}
/** PUSHF stands amid a block and has no record here: its exit is recorded, and the loop comes back for it. */
function stackInstruction(rec: usize, vector: u64, which: u32): usize {
  const code: u32 = which == 2 ? 0x75 : 0x70 + which;
  if (!S.intercepted(code)) return 0;
  if (which) return vmexit(code, which == 2 && S.hasFeature(S.DECODE_ASSISTS) ? vector & 0xff : 0, 0, rec);
  store<u64>(S.PENDING_CODE, code);
  store<u64>(S.PENDING_INFO1, 0);
  store<u64>(S.PENDING_INFO2, 0);
  return 1;
}
/** "PAUSE Intercept Filtering": PAUSEs are counted down; after a long time without one the counter starts anew. */
function pause(rec: usize): usize {
  const count = load<u16>(S.CONTROL + V.PAUSE_FILTER_COUNT), threshold = load<u16>(S.CONTROL + V.PAUSE_FILTER_THRESHOLD);
  if (!count || !S.hasFeature(S.PAUSE_FILTER)) return vmexit(0x77, 0, 0, rec);
  const t = clockNow();
  let left = load<u32>(S.PAUSES_LEFT);
  if (threshold && S.hasFeature(S.PAUSE_THRESHOLD) && t - load<i64>(S.LAST_PAUSE) > <i64>threshold) left = count;
  store<i64>(S.LAST_PAUSE, t);
  if (left == 0) return vmexit(0x77, 0, 0, rec);
  store<u32>(S.PAUSES_LEFT, left - 1);
  return 0;
}
/** EXITINFO2: 48 RFLAGS.RF  44 error code in 31..0  38 JMP  36 IRET. @param source 0 CALL, 1 IRET, 2 JMP, 3 gate */
function taskSwitch(rec: usize, selector: u64, source: u32): usize {
  let info2: u64 = load<u32>(EFLAGS) & RF ? (<u64>1) << 48 : 0;
  if (source == 1) info2 |= (<u64>1) << 36;
  else if (source == 2) info2 |= (<u64>1) << 38;
  if (vectoring && vectoringKind == KIND_EXCEPTION && vectoringCode >= 0) info2 |= ((<u64>1) << 44) | <u64><u32>vectoringCode;
  return vmexit(0x7d, selector & 0xffff, info2, rec);
}
/** EXITINFO1: 31..16 port  12..10 segment  9..7 address size  6..4 size  3 REP  2 string  0 IN. EXITINFO2: the next rIP. */
function io(rec: usize, port: u32, extra: u64): usize {
  const size = <u32>extra & 7, base = S.control64(V.IOPM_BASE_PA) & ~0xfff;
  let hit = false;
  for (let n = port; n < port + size && !hit; n++) hit = ((physRead8(base + (n >> 3)) >> (n & 7)) & 1) != 0;
  if (!hit) return 0;
  const string = (extra & 16) != 0, input = (extra & 8) != 0, mode = load<u32>(MODE);
  let width = string ? <u32>(extra >> 8) & 3 : 0;
  if (!width) width = mode & MODE_L ? 3 : mode & MODE_D ? 2 : 1;
  let info: u64 = (<u64>port << 16) | (input ? 1 : 0) | ((extra & 16) >> 2) | ((extra & 32) >> 2) | (<u64>size << 4) | ((<u64>64) << <u64>width);
  if (string && S.hasFeature(S.DECODE_ASSISTS)) info |= ((extra >> 16) & 7) << 10;
  return vmexit(0x7b, info, ripAfter(rec), rec);
}
/** Two bits for each MSR of three ranges; every other MSR is intercepted. @param write 1 for WRMSR */
function msrIntercepted(n: u32, write: u32): bool {
  const low = n & 0x1fff, range = n & ~0x1fff;
  const at: u64 = range == 0 ? 0 : range == 0xc0000000 ? 0x800 : range == 0xc0010000 ? 0x1000 : ~0;
  if (at == ~0) return true;
  const bits = physRead8((S.control64(V.MSRPM_BASE_PA) & ~0xfff) + at + (low >> 2));
  return ((bits >> ((low & 3) * 2 + write)) & 1) != 0;
}
/** WRMSR of the TSC sets the host's; what the guest reads is that plus TSC_OFFSET. */
function writeTsc(rec: usize, value: u64): usize {
  const added = load<u64>(S.TSC_ADDED);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) - added);
  setHostInitiated(0);
  writeMsr(0x10, value);
  store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + added);
  return next(rec);
}
function msrWrite(rec: usize, n: u32, value: u64): usize {
  if (S.intercepted(0x7c) && msrIntercepted(n, 1)) return vmexit(0x7c, 1, 0, rec);
  if (n == 0x10) return writeTsc(rec, value);
  if (n != 0xc0000080 || !S.intercepted(0x8f)) return 0;
  writeMsr(n, value);
  if (msrFault()) { exception(13, 0); return raise(rec); }
  store<u64>(RIP, ripAfter(rec));
  return vmexit(0x8f, 0, 0, 0);
}
