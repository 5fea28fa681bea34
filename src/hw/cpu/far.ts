// Far transfers: "CALL—Call Procedure", "JMP—Jump", "RET—Return From Procedure" (far forms), "SYSCALL", "SYSRET",
// "SYSENTER", "SYSEXIT" in the SDM.
//
//   call_far(rec, size, selector, offset), jmp_far(rec, size, selector, offset): usize
//       Ap: offset = u32 at +12, selector = u16 at +8 (16-bit size: the generator need not mask)
//   call_far_mem(rec, size), jmp_far_mem(rec, size): usize     Mp: reads the pointer itself
//   ret_far(rec, size, release): usize                         release: immediate, or 0
//   readFarPointer(rec, size): bool, farOffset, farSelector    for LDS.. and the above
//   syscall(rec), sysret(rec, size), sysenter(rec), sysexit(rec, size): usize
import {
  REGS, RIP, RCX, RDX, RSP, R11, CPL, EFER, PMODE, LONG, MODE, MODE_L, CS, SS, TR, STAR, LSTAR, CSTAR, SFMASK,
  SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, CR0, fault, exception,
} from "./state";
import { flags, IF, RF, VM } from "./flags";
import { ea, ripAfter } from "./record";
import { rd, canonical } from "../mmu/access";
import {
  descriptor, descriptorHigh, descriptorAttr, descriptorBase, descriptorLimit, fetchDescriptor, fetchHigh,
  setAccessed, readSystem, setSegment, setSegmentReal, setNull, selectorOf, baseOf, limitOf, updateMode,
  inProtected,
} from "./segment";
import {
  openCurrent, openInner, openLong, push, peek, stackPointer, setStackPointer, advance, setFlags,
} from "./frame";
import { innerStack, innerSelector, returnTo } from "./interrupt";
import { taskSwitch, taskExit, takeTaskExit, SOURCE_CALL, SOURCE_JMP } from "./task";
import { vendorIsAmd } from "./cpuid";
import { resume, raise, stepByFlag } from "./flow";

export let farOffset: u64 = 0;
export let farSelector: u32 = 0;
/** Read m16:16, m16:32 or m16:64 at the record's operand. */
export function readFarPointer(rec: usize, size: u32): bool {
  const la = ea(rec);
  if (fault) return false;
  const wrap: u64 = load<u32>(MODE) & MODE_L ? ~0 : 0xffffffff;
  farOffset = size == 8 ? rd<u64>(la, rec) : size == 4 ? <u64>rd<u32>(la, rec) : <u64>rd<u16>(la, rec);
  if (fault) return false;
  farSelector = rd<u16>((la + size) & wrap, rec);
  return !fault;
}
export function call_far_mem(rec: usize, size: u32): usize {
  return readFarPointer(rec, size) ? call_far(rec, size, farSelector, farOffset) : raise(rec);
}
export function jmp_far_mem(rec: usize, size: u32): usize {
  return readFarPointer(rec, size) ? jmp_far(rec, size, farSelector, farOffset) : raise(rec);
}
@inline function failWith(vector: i32, selector: u32): bool {
  exception(vector, <i32>(selector & 0xfffc));
  return false;
}
/** Is the new RIP within the code segment with this descriptor? Else #GP(0). */
function targetAllowed(rip: u64, limit: u32, attr: u32): bool {
  const ok = load<u32>(PMODE) == LONG && (attr & 0x2000) ? canonical(rip) : (rip & ~0xffffffff) == 0 && rip <= <u64>limit;
  if (!ok) exception(13, 0);
  return ok;
}
export function call_far(rec: usize, size: u32, selector: u32, offset: u64): usize {
  selector &= 0xffff;
  if (size == 2) offset &= 0xffff;
  else if (size == 4) offset &= 0xffffffff;
  if (inProtected()) callProtected(rec, size, selector, offset);
  else {
    openCurrent(0);
    push(size, selectorOf(CS));
    push(size, ripAfter(rec));
    if (!fault && offset > <u64>limitOf(CS)) exception(13, 0);
    if (fault) return raise(rec);
    setStackPointer(stackPointer());
    setSegmentReal(CS, selector);
    store<u64>(RIP, offset);
    updateMode();
  }
  if (fault) return raise(rec);
  return taskExit ? takeTaskExit() : resume();
}
export function jmp_far(rec: usize, size: u32, selector: u32, offset: u64): usize {
  selector &= 0xffff;
  if (size == 2) offset &= 0xffff;
  else if (size == 4) offset &= 0xffffffff;
  if (inProtected()) jumpProtected(rec, selector, offset);
  else if (offset > <u64>limitOf(CS)) exception(13, 0);
  else {
    setSegmentReal(CS, selector);
    store<u64>(RIP, offset);
    updateMode();
  }
  if (fault) return raise(rec);
  return taskExit ? takeTaskExit() : resume();
}
/** Checks of a code segment named directly by CALL or JMP; the CPL does not change. */
function directCode(selector: u32): bool {
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3, cpl = load<u32>(CPL);
  if (load<u32>(PMODE) == LONG && (attr & 0x6000) == 0x6000) return failWith(13, selector);
  if (attr & 4 ? dpl > cpl : (selector & 3) > cpl || dpl != cpl) return failWith(13, selector);
  if (!(attr & 0x80)) return failWith(11, selector);
  setAccessed();
  return !fault;
}
/** Selector and offset of the call gate in hand. */
let gateSelector: u32 = 0;
let gateOffset: u64 = 0;
let gateType: u32 = 0;
let gateCount: u32 = 0;
/** Checks of the call gate in `descriptor` and of the code segment it names, whose descriptor it leaves in hand. */
function openGate(selector: u32): bool {
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3, long = load<u32>(PMODE) == LONG;
  if (dpl < load<u32>(CPL) || dpl < (selector & 3)) return failWith(13, selector);
  if (!(attr & 0x80)) return failWith(11, selector);
  gateType = attr & 0x1f;
  gateSelector = <u32>(descriptor >> 16) & 0xffff;
  gateOffset = (descriptor & 0xffff) | (gateType == 4 ? 0 : (descriptor >> 32) & 0xffff0000);
  gateCount = <u32>(descriptor >> 32) & 31;
  if (long) {
    if (!fetchHigh(selector, 13, 0)) return false;
    if ((descriptorHigh >> 40) & 0x1f) return failWith(13, selector);
    gateOffset |= descriptorHigh << 32;
  }
  if (!(gateSelector & 0xfffc)) { exception(13, 0); return false; }
  if (!fetchDescriptor(gateSelector, 13, 0)) return false;
  const code = descriptorAttr();
  if ((code & 0x18) != 0x18 || ((code >> 5) & 3) > load<u32>(CPL)) return failWith(13, gateSelector);
  if (long && (code & 0x6000) != 0x2000) return failWith(13, gateSelector);
  if (!(code & 0x80)) return failWith(11, gateSelector);
  return true;
}
/** 1 code, 2 call gate, 3 TSS, 4 task gate, 0 fault. */
function kindOf(selector: u32): i32 {
  if (!(selector & 0xfffc)) { exception(13, 0); return 0; }
  if (!fetchDescriptor(selector, 13, 0)) return 0;
  const type = descriptorAttr() & 0x1f, long = load<u32>(PMODE) == LONG;
  if ((type & 0x18) == 0x18) return 1;
  if (type == 12 || (type == 4 && !long)) return 2;
  if ((type == 9 || type == 1) && !long) return 3;
  if (type == 5 && !long) return 4;
  failWith(13, selector);
  return 0;
}
/** CALL or JMP to a TSS or a task gate. */
function toTask(rec: usize, kind: i32, selector: u32, source: u32): void {
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3;
  if (dpl < load<u32>(CPL) || dpl < (selector & 3)) { failWith(13, selector); return; }
  if (!(attr & 0x80)) { failWith(11, selector); return; }
  taskSwitch(rec, kind == 4 ? <u32>(descriptor >> 16) & 0xffff : selector, source, ripAfter(rec), -1, 0);
}
function jumpProtected(rec: usize, selector: u32, offset: u64): void {
  const kind = kindOf(selector);
  if (kind == 0) return;
  if (kind > 2) { toTask(rec, kind, selector, SOURCE_JMP); return; }
  const cpl = load<u32>(CPL);
  if (kind == 2) {
    if (!openGate(selector)) return;
    const attr = descriptorAttr();
    if (!(attr & 4) && ((attr >> 5) & 3) != cpl) { failWith(13, gateSelector); return; }
    setAccessed();
    if (fault) return;
    selector = gateSelector;
    offset = gateOffset;
  } else if (!directCode(selector)) return;
  const limit = descriptorLimit(), attr = descriptorAttr();
  if (!targetAllowed(offset, limit, attr)) return;
  setSegment(CS, (selector & ~3) | cpl, descriptorBase(), limit, attr);
  store<u64>(RIP, offset);
  updateMode();
}
function callProtected(rec: usize, size: u32, selector: u32, offset: u64): void {
  const kind = kindOf(selector);
  if (kind == 0) return;
  if (kind > 2) { toTask(rec, kind, selector, SOURCE_CALL); return; }
  if (kind == 2) { callGate(rec, selector); return; }
  if (!directCode(selector)) return;
  const base = descriptorBase(), limit = descriptorLimit(), attr = descriptorAttr();
  openCurrent(0);
  push(size, selectorOf(CS));
  push(size, ripAfter(rec));
  if (fault || !targetAllowed(offset, limit, attr)) return;
  setStackPointer(stackPointer());
  setSegment(CS, (selector & ~3) | load<u32>(CPL), base, limit, attr);
  store<u64>(RIP, offset);
  updateMode();
}
function callGate(rec: usize, selector: u32): void {
  if (!openGate(selector)) return;
  setAccessed();
  if (fault) return;
  const base = descriptorBase(), limit = descriptorLimit(), attr = descriptorAttr();
  const cpl = load<u32>(CPL), dpl = (attr >> 5) & 3, long = load<u32>(PMODE) == LONG;
  const inner = !(attr & 4) && dpl < cpl, size: u32 = long ? 8 : gateType == 12 ? 4 : 2;
  const target = size == 2 ? gateOffset & 0xffff : gateOffset, to = gateSelector, count = gateCount;
  let ss: u32 = 0, ssBase: u64 = 0, ssLimit: u32 = 0, ssAttr: u32 = 0;
  if (!targetAllowed(target, limit, attr)) return;
  if (!inner) {
    if (long) openLong(load<u64>(REGS + RSP), false, 0); else openCurrent(0);
  } else if (long) {
    if (dpl * 8 + 11 > limitOf(TR)) { failWith(10, selectorOf(TR)); return; }
    const rsp = readSystem(baseOf(TR) + 4 + dpl * 8, 8);
    if (fault) return;
    openLong(rsp, true, 0);
    push(8, selectorOf(SS));
    push(8, load<u64>(REGS + RSP));
  } else {
    const esp = innerStack(dpl, 0);
    if (fault) return;
    ss = innerSelector;
    ssBase = descriptorBase();
    ssLimit = descriptorLimit();
    ssAttr = descriptorAttr();
    openInner(ssBase, ssLimit, ssAttr, esp, <i32>(ss & 0xfffc));
    push(size, selectorOf(SS));
    push(size, load<u64>(REGS + RSP));
    for (let i = count; i > 0; i--) push(size, peek((i - 1) * size, size));
  }
  push(size, selectorOf(CS));
  push(size, ripAfter(rec));
  if (fault) return;
  if (inner) {
    store<u32>(CPL, dpl);
    if (long) setNull(SS, dpl);
    else setSegment(SS, ss, ssBase, ssLimit, ssAttr);
    store<u64>(REGS + RSP, stackPointer());
  } else if (long) store<u64>(REGS + RSP, stackPointer());
  else setStackPointer(stackPointer());
  setSegment(CS, (to & ~3) | load<u32>(CPL), base, limit, attr);
  store<u64>(RIP, target);
  updateMode();
}
export function ret_far(rec: usize, size: u32, release: u32): usize {
  const rip = peek(0, size), cs = <u32>peek(size, size) & 0xffff;
  if (fault) return raise(rec);
  release &= 0xffff;
  if (!inProtected()) {
    if (rip > <u64>limitOf(CS)) { exception(13, 0); return raise(rec); }
    advance(size * 2 + release);
    setSegmentReal(CS, cs);
    store<u64>(RIP, rip);
    updateMode();
    return resume();
  }
  const outer = (cs & 3) > load<u32>(CPL);
  let rsp: u64 = 0, ss: u32 = 0;
  if (outer) {
    rsp = peek(size * 2 + release, size);
    ss = <u32>peek(size * 3 + release, size) & 0xffff;
    if (fault) return raise(rec);
  }
  returnTo(cs, rip, outer, ss, rsp, size, 0, 0, size * 2 + release, release);
  return fault ? raise(rec) : resume();
}

const FLAT64: u32 = 0xa09b; // present, code, execute-read, accessed, G, L
const FLAT32: u32 = 0xc09b;
const STACK: u32 = 0xc093;
function enterFlat(cs: u32, csAttr: u32, ss: u32, cpl: u32): void {
  store<u32>(CPL, cpl);
  const dpl = cpl << 5;
  setSegment(CS, (cs & 0xfffc) | cpl, 0, 0xffffffff, csAttr | dpl);
  setSegment(SS, (ss & 0xfffc) | cpl, 0, 0xffffffff, STACK | dpl);
}
/** SYSCALL and SYSRET outside 64-bit mode are AMD's: #UD elsewhere, and without EFER.SCE. */
function systemCalls(): bool {
  const offered = load<u32>(MODE) & MODE_L || (load<u32>(PMODE) & 1 && vendorIsAmd());
  if (offered && load<u64>(EFER) & 1) return true;
  exception(6, -1);
  return false;
}
export function syscall(rec: usize): usize {
  if (!systemCalls()) return raise(rec);
  const f = flags(), star = load<u64>(STAR), selector = <u32>(star >> 32) & 0xffff, long = load<u32>(PMODE) == LONG;
  const from64 = (load<u32>(MODE) & MODE_L) != 0;
  store<u64>(REGS + RCX, ripAfter(rec));
  if (long) store<u64>(REGS + R11, <u64>(f & ~RF));
  enterFlat(selector, long ? FLAT64 : FLAT32, selector + 8, 0);
  setFlags(0, long ? <u32>load<u64>(SFMASK) | RF : VM | IF | RF);
  store<u64>(RIP, from64 ? load<u64>(LSTAR) : long ? load<u64>(CSTAR) : star & 0xffffffff);
  updateMode();
  stepByFlag();
  return resume();
}
export function sysret(rec: usize, size: u32): usize {
  if (!systemCalls()) return raise(rec);
  const rip = size == 8 ? load<u64>(REGS + RCX) : load<u64>(REGS + RCX) & 0xffffffff, long = load<u32>(PMODE) == LONG;
  if (load<u32>(CPL) != 0 || !canonical(rip)) { exception(13, 0); return raise(rec); }
  const selector = <u32>(load<u64>(STAR) >> 48);
  enterFlat(size == 8 ? selector + 16 : selector, size == 8 ? FLAT64 : FLAT32, selector + 8, 3);
  if (long) setFlags(<u32>load<u64>(REGS + R11), 0x3c7fd7 & ~RF);
  else setFlags(IF, IF);
  store<u64>(RIP, rip);
  updateMode();
  stepByFlag();
  return resume();
}
export function sysenter(rec: usize): usize {
  const cs = <u32>load<u64>(SYSENTER_CS) & 0xffff, long = (load<u64>(EFER) & 0x400) != 0;
  if (!(load<u64>(CR0) & 1) || !(cs & 0xfffc)) { exception(13, 0); return raise(rec); }
  enterFlat(cs, long ? FLAT64 : FLAT32, cs + 8, 0);
  setFlags(0, VM | IF | RF);
  store<u64>(REGS + RSP, long ? load<u64>(SYSENTER_ESP) : load<u64>(SYSENTER_ESP) & 0xffffffff);
  store<u64>(RIP, long ? load<u64>(SYSENTER_EIP) : load<u64>(SYSENTER_EIP) & 0xffffffff);
  updateMode();
  return resume();
}
export function sysexit(rec: usize, size: u32): usize {
  const cs = <u32>load<u64>(SYSENTER_CS) & 0xffff;
  if (!(load<u64>(CR0) & 1) || !(cs & 0xfffc) || load<u32>(CPL) != 0) { exception(13, 0); return raise(rec); }
  const rip = load<u64>(REGS + RDX), rsp = load<u64>(REGS + RCX);
  if (size == 8) {
    if (!canonical(rip) || !canonical(rsp)) { exception(13, 0); return raise(rec); }
    enterFlat(cs + 32, FLAT64, cs + 40, 3);
  } else enterFlat(cs + 16, FLAT32, cs + 24, 3);
  store<u64>(REGS + RSP, size == 8 ? rsp : rsp & 0xffffffff);
  store<u64>(RIP, size == 8 ? rip : rip & 0xffffffff);
  updateMode();
  return resume();
}
