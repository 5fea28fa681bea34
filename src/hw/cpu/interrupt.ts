// Delivery of interrupts and exceptions ("Interrupt and Exception Handling", "Interrupts and Exceptions in 64-bit
// Mode", "20.3 Interrupt and Exception Handling in Virtual-8086 Mode" in the SDM), INT n and IRET.
//
//   deliver(vector, code, kind, rip): usize   an event at a boundary or a fault; consults I_EXCEPTION
//   inject(vector, code, kind, rip, length)   VM entry event injection: consults nothing
//   deliverDebugTrap(): usize                 #DB with the DR6 bits in DB_PENDING
//   int(rec, vector), int3(rec), into(rec), int1(rec), iret(rec, size): usize
//   kind: VMX event type: 0 external, 2 NMI, 3 hardware exception, 4 INT n, 5 INT1, 6 INT3 and INTO
import {
  REGS, RIP, RSP, CPL, EFLAGS, PMODE, REAL, VM86, LONG, MODE, MODE_L, CS, SS, DS, ES, FS, GS, TR, IDT_BASE,
  IDT_LIMIT, CR2, DR6, DR7, DB_PENDING, DEBUGCTL, NMI_BLOCKED, ACTIVITY, ALONE_BLOCK, STOP_SHUTDOWN,
  N_EXCEPTION, fault, faultVector, faultCode, faultAddress, FAULT_VMEXIT, clearFault, exception, setBlock,
} from "./state";
import { flags, ofBit, TF, IF, NT, VM, RF, AC, IOPL } from "./flags";
import { ripOf, ripAfter } from "./record";
import { canonical } from "../mmu/access";
import { setImplicit } from "../mmu/walk";
import { setInflight } from "../mmu/phys";
import {
  intercepts, intercept, I_EXCEPTION, I_TRIPLE_FAULT, I_STACK2, I_IRET, I_PUSHF_POPF_INTN,
} from "./intercept";
import {
  descriptor, descriptorAttr, descriptorBase, descriptorLimit, fetchDescriptor, setAccessed, checkStack,
  readSystem, setSegment, setSegmentReal, setNull, dropInnerSegments, selectorOf, baseOf, limitOf, attrOf,
  updateMode,
} from "./segment";
import {
  openCurrent, openInner, openLong, push, peek, stackPointer, setStackPointer, advance, setFlags,
} from "./frame";
import { taskSwitch, taskExit, takeTaskExit, SOURCE_IRET, SOURCE_GATE } from "./task";
import { next, resume, raise, stop, dropStep } from "./flow";

export const KIND_EXTERNAL: i32 = 0;
export const KIND_NMI: i32 = 2;
export const KIND_EXCEPTION: i32 = 3;
export const KIND_INT: i32 = 4;
export const KIND_INT1: i32 = 5;
export const KIND_INT3: i32 = 6;

/** The event being delivered, for the IDT-vectoring information of an exit that its delivery causes. */
export let vectoring: bool = false;
export let vectoringKind: i32 = 0;
export let vectoringVector: i32 = 0;
export let vectoringCode: i32 = -1;
/** Length of the instruction whose software interrupt is being delivered. */
export let vectoringLength: u32 = 0;
export function clearVectoring(): void { vectoring = false; }
/** Type (VMX numbering) and length of the event that I_EXCEPTION asks about; DR6 bits when it is #DB. */
export let eventKind: i32 = 3;
export let eventLength: u32 = 0;
export let debugPayload: u64 = 0;
export function setDebugPayload(v: u64): void { debugPayload = v; }
/** IRET has just ended NMI blocking and has not completed ("NMI unblocking due to IRET"). */
export let unblockedByIret: bool = false;
export function clearUnblockedByIret(): void { unblockedByIret = false; }

@inline function record(vector: i32, code: i32, kind: i32, length: u32): void {
  vectoring = true; vectoringKind = kind; vectoringVector = vector; vectoringCode = code; vectoringLength = length;
}
@inline function software(kind: i32): bool { return kind == KIND_INT || kind == KIND_INT3; }
/** Exceptions reported with RF set in the pushed flags: faults other than #DB. */
@inline function isFault(vector: i32, kind: i32): bool {
  return kind == KIND_EXCEPTION && vector != 1 && vector != 3 && vector != 4 && vector != 8 && vector != 18;
}
@inline function contributory(vector: i32): bool { return vector == 0 || (vector >= 10 && vector <= 13); }

/** An exception of `vector` has met `second` while it was being delivered: 0 serially, 1 double fault, 2 shutdown. */
function escalation(vector: i32, kind: i32, second: i32): i32 {
  if (kind != KIND_EXCEPTION) return 0;
  if (vector == 8) return contributory(second) || second == 14 ? 2 : 0;
  if (contributory(vector)) return contributory(second) ? 1 : 0;
  if (vector == 14) return contributory(second) || second == 14 ? 1 : 0;
  return 0;
}
/** Side effects that an exception has when it is delivered and not intercepted. */
function commitException(vector: i32): void {
  if (vector == 14) store<u64>(CR2, faultAddress);
  else if (vector == 1) {
    store<u64>(DR6, (load<u64>(DR6) & ~0xf) | debugPayload);
    store<u64>(DR7, load<u64>(DR7) & ~0x2000);
    store<u64>(DEBUGCTL, load<u64>(DEBUGCTL) & ~1);
    debugPayload = 0;
  }
}
/** The whole of "delivery": exceptions met on the way, double faults, shutdown. RIP is what the handler returns to. */
export function deliver(vector: i32, code: i32, kind: i32, rip: u64): usize {
  prepare();
  store<u64>(RIP, rip);
  if (kind == KIND_EXCEPTION) {
    const pc = ask(vector, code, kind, 0, 0);
    if (pc) return pc;
    commitException(vector);
  }
  store<u32>(ACTIVITY, 0); // an event that exits leaves HLT only behind the exit
  record(vector, code, kind, 0);
  return run(vector, code, kind, rip, rip);
}
/** Event injection by VM entry: not asked about, CR2 and DR6 unchanged. `rip` goes on the stack; faults met report RIP. */
export function inject(vector: i32, code: i32, kind: i32, rip: u64, length: u32): usize {
  prepare();
  record(vector, code, kind, length);
  return run(vector, code, kind, rip, load<u64>(RIP));
}
function prepare(): void {
  setBlock(ALONE_BLOCK); // what delivery writes may be a device or decoded code
  setImplicit(false);
  setInflight(0);
  clearFault();
}
function ask(vector: i32, code: i32, kind: i32, length: u32, rec: usize): usize {
  if (!(intercepts & I_EXCEPTION)) return 0;
  eventKind = kind;
  eventLength = length;
  const pc = intercept(I_EXCEPTION, rec, <u64>vector, <u64><i64>code);
  if (pc) vectoring = false;
  return pc;
}
function run(vector: i32, code: i32, kind: i32, rip: u64, at: u64): usize {
  for (;;) {
    if (kind == KIND_EXCEPTION) store<u64>(N_EXCEPTION, load<u64>(N_EXCEPTION) + 1);
    attempt(vector, code, kind, rip);
    if (!fault) {
      vectoring = false;
      return taskExit ? takeTaskExit() : resume();
    }
    const what = fault;
    clearFault();
    setImplicit(false);
    store<u64>(RIP, at);
    if (what == FAULT_VMEXIT) {
      const pc = intercept(I_STACK2, 0, 0, 0);
      vectoring = false;
      return pc;
    }
    // The second exception may exit as itself, before the two become a double fault.
    const second = faultVector, secondCode = faultCode;
    let pc = ask(second, secondCode, KIND_EXCEPTION, 0, 0);
    if (pc) return pc;
    // The address is there from the moment the fault is met, whatever becomes of it: a handler of double faults reads it.
    if (second == 14) store<u64>(CR2, faultAddress);
    const e = escalation(vector, kind, second);
    if (e == 2) return tripleFault();
    kind = KIND_EXCEPTION;
    rip = at;
    if (e == 1) {
      vector = 8;
      code = 0;
      pc = ask(vector, code, kind, 0, 0);
      if (pc) return pc;
    } else {
      vector = second;
      code = secondCode;
    }
    commitException(vector);
    record(vector, code, kind, 0);
  }
  return 0;
}
function tripleFault(): usize {
  if (intercepts & I_TRIPLE_FAULT) {
    const pc = intercept(I_TRIPLE_FAULT, 0, 0, 0);
    if (pc) return pc;
  }
  vectoring = false;
  store<u32>(ACTIVITY, 2);
  return stop(STOP_SHUTDOWN);
}
/** #DB for what DB_PENDING holds: single step, data breakpoints, task switches. */
export function deliverDebugTrap(): usize {
  debugPayload = <u64>load<u32>(DB_PENDING) & 0xe00f;
  store<u32>(DB_PENDING, 0);
  return deliver(1, -1, KIND_EXCEPTION, load<u64>(RIP));
}

/** The software interrupt in hand, 0 for other events. */
let attemptRec: usize = 0;
/** One try at delivery: sets fault, or commits the new CS:RIP, SS:RSP and flags. */
function attempt(vector: i32, code: i32, kind: i32, rip: u64): void {
  const mode = load<u32>(PMODE);
  if (mode == LONG) attemptLong(vector, code, kind, rip);
  else if (mode == REAL) attemptReal(vector, rip);
  else attemptProtected(vector, code, kind, rip);
}
function attemptReal(vector: i32, rip: u64): void {
  if (<u32>vector * 4 + 3 > load<u32>(IDT_LIMIT)) {
    exception(13, 0);
    return;
  }
  const entry = <u32>readSystem(load<u64>(IDT_BASE) + <u64>vector * 4, 4);
  if (fault) return;
  openCurrent(0);
  push(2, flags());
  push(2, selectorOf(CS));
  push(2, rip);
  if (fault) return;
  setStackPointer(stackPointer());
  setSegmentReal(CS, entry >> 16);
  setFlags(0, IF | TF | RF | AC);
  store<u64>(RIP, <u64>(entry & 0xffff));
  updateMode();
}
/** Checks of the gate that protected and IA-32e mode share. @returns false with fault set */
function gateAllowed(gate: u64, vector: i32, kind: i32, ext: i32): bool {
  if (software(kind) && (<u32>(gate >> 45) & 3) < load<u32>(CPL)) { exception(13, vector * 8 + 2); return false; }
  if (!((gate >> 47) & 1)) { exception(11, vector * 8 + 2 + ext); return false; }
  return true;
}
/** The code segment a gate names: the descriptor stays in hand. @returns the new CPL, or -1 with fault set */
function gateTarget(selector: u32, ext: i32): i32 {
  if (!(selector & 0xfffc)) { exception(13, ext); return -1; }
  if (!fetchDescriptor(selector, 13, ext)) return -1;
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3, cpl = load<u32>(CPL);
  const bad = (attr & 0x18) != 0x18 || dpl > cpl || (load<u32>(PMODE) == LONG && (attr & 0x6000) != 0x2000);
  if (bad) { exception(13, <i32>(selector & 0xfffc) | ext); return -1; }
  if (!(attr & 0x80)) { exception(11, <i32>(selector & 0xfffc) | ext); return -1; }
  setAccessed();
  if (fault) return -1;
  return <i32>(attr & 4 ? cpl : dpl);
}
function attemptLong(vector: i32, code: i32, kind: i32, rip: u64): void {
  const ext: i32 = software(kind) ? 0 : 1;
  if (<u32>vector * 16 + 15 > load<u32>(IDT_LIMIT)) { exception(13, vector * 8 + 2 + ext); return; }
  const at = load<u64>(IDT_BASE) + <u64>vector * 16;
  const gate = readSystem(at, 8);
  const high = readSystem(at + 8, 8);
  if (fault) return;
  const type = <u32>(gate >> 40) & 0x1f;
  if (type != 14 && type != 15) { exception(13, vector * 8 + 2 + ext); return; }
  if (!gateAllowed(gate, vector, kind, ext)) return;
  const selector = <u32>(gate >> 16) & 0xffff;
  const cpl = gateTarget(selector, ext);
  if (cpl < 0) return;
  const base = descriptorBase(), limit = descriptorLimit(), attr = descriptorAttr();
  const target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (high << 32);
  const ist = <u32>(gate >> 32) & 7, inner = <u32>cpl < load<u32>(CPL);
  let rsp = load<u64>(REGS + RSP);
  if (inner || ist) {
    const offset: u32 = ist ? 0x1c + ist * 8 : 4 + <u32>cpl * 8;
    if (offset + 7 > limitOf(TR)) { exception(10, <i32>(selectorOf(TR) & 0xfffc) | ext); return; }
    rsp = readSystem(baseOf(TR) + offset, 8);
    if (fault) return;
  }
  if (!canonical(rsp)) { exception(12, ext); return; }
  openLong(rsp & ~15, inner, ext);
  const image = isFault(vector, kind) ? flags() | RF : flags();
  push(8, selectorOf(SS));
  push(8, load<u64>(REGS + RSP));
  push(8, image);
  push(8, selectorOf(CS));
  push(8, rip);
  if (code != -1) push(8, <u64><u32>code);
  if (fault) return;
  if (!canonical(target)) { exception(13, ext); return; }
  store<u32>(CPL, <u32>cpl);
  if (inner) setNull(SS, <u32>cpl);
  setSegment(CS, (selector & ~3) | <u32>cpl, base, limit, attr);
  store<u64>(REGS + RSP, stackPointer());
  setFlags(0, TF | NT | RF | VM | (type == 14 ? IF : 0));
  store<u64>(RIP, target);
  updateMode();
}
function attemptProtected(vector: i32, code: i32, kind: i32, rip: u64): void {
  const ext: i32 = software(kind) ? 0 : 1;
  if (<u32>vector * 8 + 7 > load<u32>(IDT_LIMIT)) { exception(13, vector * 8 + 2 + ext); return; }
  const gate = readSystem(load<u64>(IDT_BASE) + <u64>vector * 8, 8);
  if (fault) return;
  const type = <u32>(gate >> 40) & 0x1f;
  if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15) { exception(13, vector * 8 + 2 + ext); return; }
  if (!gateAllowed(gate, vector, kind, ext)) return;
  const selector = <u32>(gate >> 16) & 0xffff;
  if (type == 5) {
    taskSwitch(attemptRec, selector, SOURCE_GATE, rip, code, ext);
    return;
  }
  const target = gateTarget(selector, ext);
  if (target < 0) return;
  const cpl = <u32>target, old = load<u32>(CPL), vm = (load<u32>(EFLAGS) & VM) != 0;
  const base = descriptorBase(), limit = descriptorLimit(), attr = descriptorAttr();
  const size: u32 = type & 8 ? 4 : 2;
  const eip = size == 4 ? (gate & 0xffff) | ((gate >> 32) & 0xffff0000) : gate & 0xffff;
  if (vm && cpl != 0) { exception(13, <i32>(selector & 0xfffc) | ext); return; }
  const inner = cpl < old;
  let ss: u32 = 0, ssBase: u64 = 0, ssLimit: u32 = 0, ssAttr: u32 = 0;
  const image = isFault(vector, kind) ? flags() | RF : flags();
  if (inner) {
    const esp = innerStack(cpl, ext);
    if (fault) return;
    ss = innerSelector;
    ssBase = descriptorBase();
    ssLimit = descriptorLimit();
    ssAttr = descriptorAttr();
    openInner(ssBase, ssLimit, ssAttr, esp, <i32>(ss & 0xfffc) | ext);
    if (vm) {
      push(size, selectorOf(GS));
      push(size, selectorOf(FS));
      push(size, selectorOf(DS));
      push(size, selectorOf(ES));
    }
    push(size, selectorOf(SS));
    push(size, load<u64>(REGS + RSP));
  } else openCurrent(ext);
  push(size, image);
  push(size, selectorOf(CS));
  push(size, rip);
  if (code != -1) push(size, <u64><u32>code);
  if (fault) return;
  if (eip > <u64>limit) { exception(13, ext); return; }
  store<u32>(CPL, cpl);
  if (inner) {
    setSegment(SS, ss, ssBase, ssLimit, ssAttr);
    if (vm) {
      setNull(GS, 0);
      setNull(FS, 0);
      setNull(DS, 0);
      setNull(ES, 0);
    }
    store<u64>(REGS + RSP, stackPointer() & 0xffffffff);
  } else setStackPointer(stackPointer());
  setSegment(CS, (selector & ~3) | cpl, base, limit, attr);
  setFlags(0, TF | NT | RF | VM | (type & 1 ? 0 : IF));
  store<u64>(RIP, eip);
  updateMode();
}
/** Selector that innerStack() read. */
export let innerSelector: u32 = 0;
/** Stack of an inner level from a 16 or 32-bit TSS; its SS descriptor is left in hand. @returns ESP */
export function innerStack(cpl: u32, ext: i32): u64 {
  const wide = (attrOf(TR) & 8) != 0, offset: u32 = wide ? cpl * 8 + 4 : cpl * 4 + 2;
  if (offset + (wide ? 5 : 3) > limitOf(TR)) { exception(10, <i32>(selectorOf(TR) & 0xfffc) | ext); return 0; }
  const esp = readSystem(baseOf(TR) + offset, wide ? 4 : 2);
  innerSelector = <u32>readSystem(baseOf(TR) + offset + (wide ? 4 : 2), 2);
  if (fault) return 0;
  checkStack(innerSelector, cpl, 10, ext);
  return esp;
}

/** A software interrupt: faults that it meets are faults of the instruction. */
function softwareInterrupt(rec: usize, vector: i32, kind: i32): usize {
  const length = <u32>(ripAfter(rec) - ripOf(rec)) & 15;
  if (kind != KIND_INT) {
    if (intercepts & I_EXCEPTION) {
      store<u64>(RIP, ripOf(rec));
      if (vector == 1) debugPayload = 0;
      const pc = ask(vector, -1, kind, length, rec);
      if (pc) return pc;
    }
    if (vector == 1) store<u64>(DR7, load<u64>(DR7) & ~0x2000);
  }
  record(vector, -1, kind, length);
  attemptRec = rec;
  attempt(vector, -1, kind, ripAfter(rec));
  attemptRec = 0;
  if (fault) {
    // Nothing has been delivered if the instruction is only run again.
    if (fault != FAULT_VMEXIT && fault != 1) vectoring = false;
    return raise(rec);
  }
  vectoring = false;
  dropStep();
  // INT1 is the debug exception itself: what MOV SS has held back comes with it.
  if (kind == KIND_INT1) {
    store<u64>(DR6, load<u64>(DR6) | (load<u32>(DB_PENDING) & 0xf));
    store<u32>(DB_PENDING, 0);
  }
  return taskExit ? takeTaskExit() : resume();
}
export function int(rec: usize, vector: u32): usize {
  if (load<u32>(PMODE) == VM86 && (load<u32>(EFLAGS) & IOPL) != IOPL) { exception(13, 0); return raise(rec); }
  if (intercepts & I_PUSHF_POPF_INTN) { const pc = intercept(I_PUSHF_POPF_INTN, rec, <u64>vector, 2); if (pc) return pc; }
  return softwareInterrupt(rec, <i32>(vector & 0xff), KIND_INT);
}
export function int3(rec: usize): usize { return softwareInterrupt(rec, 3, KIND_INT3); }
export function int1(rec: usize): usize { return softwareInterrupt(rec, 1, KIND_INT1); }
export function into(rec: usize): usize { return ofBit() ? softwareInterrupt(rec, 4, KIND_INT3) : next(rec); }

/** IRET, IRETD, IRETQ. @param size operand size in bytes */
export function iret(rec: usize, size: u32): usize {
  if (intercepts & I_IRET) { const pc = intercept(I_IRET, rec, 0, 0); if (pc) return pc; }
  else if (load<u32>(NMI_BLOCKED)) { store<u32>(NMI_BLOCKED, 0); unblockedByIret = true; }
  const mode = load<u32>(PMODE);
  if (mode == REAL) iretReal(size);
  else if (mode == VM86) iretVm86(size);
  else if (load<u32>(EFLAGS) & NT) {
    if (mode == LONG) exception(13, 0);
    else {
      const link = <u32>readSystem(baseOf(TR), 2);
      if (!fault) taskSwitch(rec, link, SOURCE_IRET, ripAfter(rec), -1, 0);
    }
  } else iretProtected(size);
  if (fault) return raise(rec);
  unblockedByIret = false;
  return taskExit ? takeTaskExit() : resume();
}
function iretReal(size: u32): void {
  const ip = peek(0, size), cs = <u32>peek(size, size) & 0xffff, f = <u32>peek(size * 2, size);
  if (fault) return;
  if (ip > <u64>limitOf(CS)) { exception(13, 0); return; }
  advance(size * 3);
  setSegmentReal(CS, cs);
  setFlags(f, size == 2 ? 0xffff : 0x257fd5);
  store<u64>(RIP, ip);
  updateMode();
}
function iretVm86(size: u32): void {
  if ((load<u32>(EFLAGS) & IOPL) != IOPL) { exception(13, 0); return; }
  const ip = peek(0, size), cs = <u32>peek(size, size) & 0xffff, f = <u32>peek(size * 2, size);
  if (fault) return;
  if (ip > 0xffff) { exception(13, 0); return; }
  advance(size * 3);
  setSegmentReal(CS, cs);
  setFlags(f, (size == 2 ? 0xffff : 0x257fd5) & ~IOPL);
  store<u64>(RIP, ip);
  updateMode();
}
/** Flags that IRET may change at this privilege level. */
function returnFlags(size: u32, cpl: u32): u32 {
  let m: u32 = 0x254dd5 & ~IF;
  if (cpl == 0) m |= IOPL | 0x180000;
  if (cpl <= ((load<u32>(EFLAGS) >> 12) & 3)) m |= IF;
  return size == 2 ? m & 0xffff : m;
}
/** The code segment of a far return: checks, accessed bit; the descriptor stays in hand. */
export function checkReturnCode(selector: u32): bool {
  if (!(selector & 0xfffc)) { exception(13, 0); return false; }
  if (!fetchDescriptor(selector, 13, 0)) return false;
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3, rpl = selector & 3;
  const bad = (attr & 0x18) != 0x18 || rpl < load<u32>(CPL) || (attr & 4 ? dpl > rpl : dpl != rpl)
    || (load<u32>(PMODE) == LONG && (attr & 0x6000) == 0x6000);
  if (bad) { exception(13, <i32>(selector & 0xfffc)); return false; }
  if (!(attr & 0x80)) { exception(11, <i32>(selector & 0xfffc)); return false; }
  setAccessed();
  return !fault;
}
/** Return to CS:RIP and, when `outer`, SS:RSP (IRET and RET far). Nothing is written when it sets fault.
 *  @param drop bytes released from the old stack when the stack is not switched, from the new one when it is */
export function returnTo(cs: u32, rip: u64, outer: bool, ss: u32, rsp: u64, size: u32, f: u32, fmask: u32, same: u64, drop: u64): void {
  if (!checkReturnCode(cs)) return;
  const base = descriptorBase(), limit = descriptorLimit(), attr = descriptorAttr(), cpl = cs & 3;
  const old = load<u32>(CPL), to64 = load<u32>(PMODE) == LONG && (attr & 0x2000) != 0;
  if (to64 ? !canonical(rip) : (rip & 0xffffffff) > <u64>limit) { exception(13, 0); return; }
  let nullStack = false;
  if (outer) {
    if (!(ss & 0xfffc)) {
      if (!to64 || cpl == 3 || (ss & 3) != cpl) { exception(13, 0); return; }
      nullStack = true;
    } else if (!checkStack(ss, cpl, 13, 0)) return;
  }
  store<u32>(CPL, cpl);
  setSegment(CS, cs, base, limit, attr);
  if (outer) {
    if (nullStack) setNull(SS, ss);
    else setSegment(SS, ss, descriptorBase(), descriptorLimit(), descriptorAttr());
    updateMode();
    if (size == 8) store<u64>(REGS + RSP, rsp + drop);
    else setStackPointer(rsp + drop);
  } else {
    advance(same);
    updateMode();
  }
  if (fmask) setFlags(f, fmask);
  store<u64>(RIP, to64 ? rip : rip & 0xffffffff);
  if (cpl > old) {
    dropInnerSegments(cpl);
    updateMode();
  }
}
function iretProtected(size: u32): void {
  const rip = peek(0, size), cs = <u32>peek(size, size) & 0xffff, f = <u32>peek(size * 2, size);
  if (fault) return;
  const cpl = load<u32>(CPL), mode = load<u32>(PMODE);
  if (size == 4 && (f & VM) && cpl == 0 && mode != LONG) { iretToVm86(rip, cs, f); return; }
  const outer = (cs & 3) > cpl || (load<u32>(MODE) & MODE_L) != 0;
  let rsp: u64 = 0, ss: u32 = 0;
  if (outer) {
    rsp = peek(size * 3, size);
    ss = <u32>peek(size * 4, size) & 0xffff;
    if (fault) return;
  }
  returnTo(cs, rip, outer, ss, rsp, size, f, returnFlags(size, cpl), size * 3, 0);
}
function iretToVm86(eip: u64, cs: u32, f: u32): void {
  const esp = peek(12, 4), ss = <u32>peek(16, 4), es = <u32>peek(20, 4), ds = <u32>peek(24, 4);
  const fs = <u32>peek(28, 4), gs = <u32>peek(32, 4);
  if (fault) return;
  if (eip > 0xffff) { exception(13, 0); return; }
  setFlags(f, 0x3f7fd5);
  store<u32>(CPL, 3);
  store<u32>(PMODE, VM86);
  setSegmentReal(CS, cs & 0xffff);
  setSegmentReal(SS, ss & 0xffff);
  setSegmentReal(ES, es & 0xffff);
  setSegmentReal(DS, ds & 0xffff);
  setSegmentReal(FS, fs & 0xffff);
  setSegmentReal(GS, gs & 0xffff);
  store<u64>(REGS + RSP, esp & 0xffffffff);
  store<u64>(RIP, eip);
  updateMode();
}
