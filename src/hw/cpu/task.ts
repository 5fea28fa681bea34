// Hardware task switches: "Task Switching" in chapter "Task Management" of the SDM.
//
//   taskSwitch(rec, selector, source, rip, code, ext)
//     rip    saved in the old TSS          code  error code for the new task's stack, or -1
//     before the old task is left a fault is reported as usual; afterwards faults belong to the new task and are delivered here.
//     taskExit != 0 afterwards: continue at that record (a VM exit, or a fault of the new task).
import {
  REGS, RIP, CPL, EFLAGS, CR0, CR3, DB_PENDING, ES, CS, SS, DS, FS, GS, LDTR, TR, fault, faultVector,
  faultCode, clearFault, exception,
} from "./state";
import { flags, NT, VM } from "./flags";
import {
  descriptor, descriptorAt, descriptorAttr, descriptorBase, descriptorLimit, fetchDescriptor, setAccessed,
  checkStack, readSystem, writeSystem, setSegment, setSegmentReal, setFromDescriptor, selectorOf, baseOf,
  limitOf, attrOf, updateMode, loadLdtr, UNUSABLE,
} from "./segment";
import { openCurrent, push, stackPointer, setStackPointer, setFlags } from "./frame";
import { intercepts, intercept, I_TASK_SWITCH } from "./intercept";
import { writeCr3 } from "./control";
import { deliver, KIND_EXCEPTION } from "./interrupt";

export const SOURCE_CALL: u32 = 0;
export const SOURCE_IRET: u32 = 1;
export const SOURCE_JMP: u32 = 2;
export const SOURCE_GATE: u32 = 3;

export let taskExit: usize = 0;
export function takeTaskExit(): usize { const pc = taskExit; taskExit = 0; return pc; }

/** The incoming task: EIP, EFLAGS, 8 registers, ES CS SS DS FS GS, LDTR, CR3, trap flag. */
const IN = memory.data(80, 8);
@inline function incoming(i: u32): u32 { return load<u32>(IN + (i << 2)); }
const I_FLAGS: u32 = 1;
const I_REGS: u32 = 2;
const I_SEGS: u32 = 10;
const I_LDT: u32 = 16;
const I_CR3: u32 = 17;
const I_TRAP: u32 = 18;

function saveOutgoing(rip: u64, image: u32): void {
  const base = baseOf(TR);
  if (attrOf(TR) & 8) {
    writeSystem(base + 0x20, 4, rip);
    writeSystem(base + 0x24, 4, image);
    for (let i = 0; i < 8; i++) if (!fault) writeSystem(base + 0x28 + i * 4, 4, load<u32>(REGS + (i << 3)));
    for (let s = ES; s <= GS; s++) if (!fault) writeSystem(base + 0x48 + s * 4, 2, selectorOf(s));
  } else {
    writeSystem(base + 0x0e, 2, rip);
    writeSystem(base + 0x10, 2, image);
    for (let i = 0; i < 8; i++) if (!fault) writeSystem(base + 0x12 + i * 2, 2, load<u32>(REGS + (i << 3)));
    for (let s = ES; s <= DS; s++) if (!fault) writeSystem(base + 0x22 + s * 2, 2, selectorOf(s));
  }
}
function readIncoming(base: u64, wide: bool): void {
  memory.fill(IN, 0, 80);
  const n: u32 = wide ? 4 : 2, first: u32 = wide ? 0x20 : 0x0e;
  for (let i: u32 = 0; i < 10; i++) store<u32>(IN + (i << 2), <u32>readSystem(base + first + i * n, n));
  const count: u32 = wide ? 6 : 4;
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(IN + ((I_SEGS + i) << 2), <u32>readSystem(base + (wide ? 0x48 : 0x22) + i * n, 2));
  }
  store<u32>(IN + (I_LDT << 2), <u32>readSystem(base + (wide ? 0x60 : 0x2a), 2));
  if (wide) {
    store<u32>(IN + (I_CR3 << 2), <u32>readSystem(base + 0x1c, 4));
    store<u32>(IN + (I_TRAP << 2), <u32>readSystem(base + 0x64, 2) & 1);
  }
}
/** Set or clear the busy bit of the TSS descriptor at `at`. */
function setBusy(at: u64, on: bool): void {
  const b = readSystem(at + 5, 1);
  writeSystem(at + 5, 1, on ? b | 2 : b & ~2);
}
export function taskSwitch(rec: usize, selector: u32, source: u32, rip: u64, code: i32, ext: i32): void {
  taskExit = 0;
  const bad: i32 = source == SOURCE_IRET ? 10 : 13, name = <i32>(selector & 0xfffc) | ext;
  if (selector & 4 || !(selector & 0xfffc)) { exception(bad, name); return; }
  if (!fetchDescriptor(selector, bad, ext)) return;
  const attr = descriptorAttr(), type = attr & 0x1f, at = descriptorAt;
  if (source == SOURCE_IRET ? type != 11 && type != 3 : type != 9 && type != 1) { exception(bad, name); return; }
  if (!(attr & 0x80)) { exception(11, name); return; }
  if (intercepts & I_TASK_SWITCH) {
    taskExit = intercept(I_TASK_SWITCH, rec, <u64>selector, <u64>source);
    if (taskExit) return;
  }
  const wide = (type & 8) != 0, base = descriptorBase(), limit = descriptorLimit();
  const least: u32 = wide ? 0x67 : 0x2b;
  if (limit < least) { exception(10, name); return; }
  // Everything that can fault in the old task comes first.
  const old = selectorOf(TR), nested = source == SOURCE_CALL || source == SOURCE_GATE;
  readIncoming(base, wide);
  if (fault) return;
  saveOutgoing(rip, source == SOURCE_IRET ? flags() & ~NT : flags());
  if (!fault && nested) writeSystem(base, 2, old);
  if (!fault && source != SOURCE_IRET) setBusy(at, true);
  if (!fault && !nested && fetchDescriptor(old, 10, ext)) setBusy(descriptorAt, false);
  if (fault) return;
  setSegment(TR, selector, base, limit, attr | 2);
  enterTask(wide, nested, code, ext);
  if (fault) {
    clearFault();
    taskExit = deliver(faultVector, faultCode, KIND_EXCEPTION, load<u64>(RIP));
  }
}
/** The new task is current: what goes wrong from here on is its own fault. */
function enterTask(wide: bool, nested: bool, code: i32, ext: i32): void {
  store<u64>(CR0, load<u64>(CR0) | 8);
  store<u64>(RIP, incoming(0));
  for (let i: u32 = 0; i < 8; i++) {
    if (wide) store<u64>(REGS + (i << 3), incoming(I_REGS + i));
    else store<u16>(REGS + (i << 3), <u16>incoming(I_REGS + i));
  }
  const image = incoming(I_FLAGS) | (nested ? NT : 0);
  setFlags(image, wide ? 0x3f7fd5 : 0x7fd5);
  if (!wide) store<u32>(EFLAGS, load<u32>(EFLAGS) & ~VM);
  for (let s = ES; s <= GS; s++) setSegment(s, incoming(I_SEGS + s), 0, 0, UNUSABLE);
  setSegment(LDTR, incoming(I_LDT), 0, 0, UNUSABLE);
  const vm = wide && (image & VM) != 0;
  store<u32>(CPL, vm ? 3 : incoming(I_SEGS + CS) & 3);
  updateMode();
  if (wide && (load<u64>(CR0) >> 31)) writeCr3(incoming(I_CR3));
  if (fault) return;
  loadLdtr(incoming(I_LDT), 10, ext);
  if (fault) return;
  if (vm) {
    for (let s = ES; s <= GS; s++) setSegmentReal(s, incoming(I_SEGS + s));
    updateMode();
  } else loadSegments(ext);
  if (fault) return;
  if (code != -1) {
    openCurrent(ext);
    push(wide ? 4 : 2, <u64><u32>code);
    if (fault) return;
    setStackPointer(stackPointer());
  }
  if (load<u64>(RIP) > <u64>limitOf(CS)) { exception(13, ext); return; }
  if (incoming(I_TRAP)) store<u32>(DB_PENDING, load<u32>(DB_PENDING) | 0x8000);
}
function loadSegments(ext: i32): void {
  const cs = incoming(I_SEGS + CS), cpl = cs & 3;
  if (!(cs & 0xfffc)) { exception(10, ext); return; }
  if (!fetchDescriptor(cs, 10, ext)) return;
  const code = descriptorAttr(), dpl = (code >> 5) & 3;
  if ((code & 0x18) != 0x18 || (code & 4 ? dpl > cpl : dpl != cpl)) { exception(10, <i32>(cs & 0xfffc) | ext); return; }
  if (!(code & 0x80)) { exception(11, <i32>(cs & 0xfffc) | ext); return; }
  setAccessed();
  if (fault) return;
  setFromDescriptor(CS, cs);
  updateMode();
  const ss = incoming(I_SEGS + SS);
  if (!checkStack(ss, cpl, 10, ext)) return;
  setFromDescriptor(SS, ss);
  updateMode();
  for (let s = ES; s <= GS; s++) {
    const selector = incoming(I_SEGS + s);
    if (s == CS || s == SS || !(selector & 0xfffc)) continue;
    if (!fetchDescriptor(selector, 10, ext)) return;
    const attr = descriptorAttr(), name = <i32>(selector & 0xfffc) | ext, level = (attr >> 5) & 3;
    const outside = (attr & 0xc) != 0xc && (level < cpl || level < (selector & 3));
    if (!(attr & 0x10) || (attr & 0xa) == 8 || outside) { exception(10, name); return; }
    if (!(attr & 0x80)) { exception(11, name); return; }
    setAccessed();
    if (fault) return;
    setFromDescriptor(s, selector);
  }
  updateMode();
}
