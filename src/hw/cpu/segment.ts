// Segmentation ("Protected-Mode Memory Management" and "Segment Loading Instructions in IA-32e Mode" in the SDM).
//
//   updateMode()                         recompute MODE, masks, SEG_EBASE and PMODE after anything they depend on
//   loadSegment(s, selector)             MOV/POP/LDS.. to ES SS DS FS GS; sets fault, commits last
//   mov_to_seg(rec, s, selector): usize  row MOV Sw,Ew        mov_from_seg(s): u32  row MOV RvMw,Sw
//   load_far(rec, size, a, s): usize     LES LDS LSS LFS LGS: a is the byte offset of the register
//   sldt, str(rec, size, mem, b), lldt, ltr(rec, selector): usize      b: byte offset of the register
//   verr, verw(selector): void           lar, lsl(old, selector): u64
//   fetchDescriptor, loadCode, loadStackDescriptor: for far.ts, interrupt.ts, task.ts
import {
  SEG_BASE, SEG_EBASE, SEG_LIMIT, SEG_ATTR, SEG_SEL, GDT_BASE, GDT_LIMIT, MODE, MODE_L, MODE_D, MODE_SSB,
  MODE_NONFLAT, AMASK, SPMASK, RIPMASK, PMODE, REAL, PROTECTED, VM86, LONG, CR0, CR4, EFER, EFLAGS, CPL, ES,
  CS, SS, DS, LDTR, TR, SHADOW, fault, exception, put,
} from "./state";
import { VM, setZf } from "./flags";
import { rd, wr, rdSlow, wrSlow, canonical } from "../mmu/access";
import { implicit, setImplicit } from "../mmu/walk";
import { updateContext } from "../mmu/tlb";
import { intercepts, intercept, I_LDTR_TR } from "./intercept";
import { ea } from "./record";
import { next, raise } from "./flow";

export const UNUSABLE: u32 = 0x10000;
const A_P: u32 = 0x80;
const A_S: u32 = 0x10;

@inline export function selectorOf(s: i32): u32 { return load<u32>(SEG_SEL + (s << 2)); }
@inline export function baseOf(s: i32): u64 { return load<u64>(SEG_BASE + (s << 3)); }
@inline export function limitOf(s: i32): u32 { return load<u32>(SEG_LIMIT + (s << 2)); }
@inline export function attrOf(s: i32): u32 { return load<u32>(SEG_ATTR + (s << 2)); }
@inline export function in64(): bool { return (load<u32>(MODE) & MODE_L) != 0; }
/** Protected mode proper: neither real nor virtual-8086 mode. */
@inline export function inProtected(): bool { const m = load<u32>(PMODE); return m == PROTECTED || m == LONG; }

/** Write the hidden part of a segment register; updateMode() must follow. */
export function setSegment(s: i32, selector: u32, base: u64, limit: u32, attr: u32): void {
  store<u32>(SEG_SEL + (s << 2), selector);
  store<u64>(SEG_BASE + (s << 3), base);
  store<u32>(SEG_LIMIT + (s << 2), limit);
  store<u32>(SEG_ATTR + (s << 2), attr);
}
/** A null selector: the register is unusable. */
export function setNull(s: i32, selector: u32): void {
  setSegment(s, selector, 0, 0, UNUSABLE | (s == SS ? load<u32>(CPL) << 5 : 0));
}
/** Real-address and virtual-8086 mode: the base is the selector times 16; real mode keeps limit and rights. */
export function setSegmentReal(s: i32, selector: u32): void {
  store<u32>(SEG_SEL + (s << 2), selector);
  store<u64>(SEG_BASE + (s << 3), <u64>selector << 4);
  if (load<u32>(PMODE) == VM86) {
    store<u32>(SEG_LIMIT + (s << 2), 0xffff);
    store<u32>(SEG_ATTR + (s << 2), 0xf3);
  } else {
    const attr = attrOf(s);
    if (attr & UNUSABLE || !(attr & A_P)) {
      store<u32>(SEG_LIMIT + (s << 2), 0xffff);
      store<u32>(SEG_ATTR + (s << 2), 0x93);
    }
  }
}
/** Present, writable, expand-up data over all of 4 GiB, in the one mask-and-compare form. */
@inline function flat(s: i32, real: bool): bool {
  return limitOf(s) == 0xffffffff && (attrOf(s) & (real ? 0xc : UNUSABLE | 0x1e)) == (real ? (attrOf(s) & 8) : 0x12);
}
/** Recompute everything derived from CR0, EFER, RFLAGS.VM, CPL and the segment registers. */
export function updateMode(): void {
  const pm: u32 = !(load<u32>(CR0) & 1) ? REAL : load<u64>(EFER) & 0x400 ? LONG : load<u32>(EFLAGS) & VM ? VM86 : PROTECTED;
  store<u32>(PMODE, pm);
  const cs = attrOf(CS);
  let mode: u32 = 0;
  if (pm == LONG && cs & 0x2000) {
    mode = MODE_L;
    store<u64>(AMASK, ~0);
    store<u64>(SPMASK, ~0);
    store<u64>(RIPMASK, ~0);
    store<u64>(SEG_EBASE, 0);
    store<u64>(SEG_EBASE, 0, 8);
    store<u64>(SEG_EBASE, 0, 16);
    store<u64>(SEG_EBASE, 0, 24);
  } else {
    if (cs & 0x4000) mode = MODE_D;
    if (attrOf(SS) & 0x4000) mode |= MODE_SSB;
    const real = pm == REAL;
    if (!flat(ES, real) || !flat(DS, real) || !flat(SS, real)) mode |= MODE_NONFLAT;
    store<u64>(AMASK, 0xffffffff);
    store<u64>(SPMASK, mode & MODE_SSB ? 0xffffffff : 0xffff);
    // EIP runs past FFFFh in a 16-bit segment that is larger; branches with 16-bit operands cut it, sequence does not.
    store<u64>(RIPMASK, mode & MODE_D || limitOf(CS) > 0xffff ? 0xffffffff : 0xffff);
    store<u64>(SEG_EBASE, load<u64>(SEG_BASE));
    store<u64>(SEG_EBASE, load<u64>(SEG_BASE, 8), 8);
    store<u64>(SEG_EBASE, load<u64>(SEG_BASE, 16), 16);
    store<u64>(SEG_EBASE, load<u64>(SEG_BASE, 24), 24);
  }
  store<u64>(SEG_EBASE, load<u64>(SEG_BASE, 32), 32);
  store<u64>(SEG_EBASE, load<u64>(SEG_BASE, 40), 40);
  store<u64>(SEG_EBASE, 0, 48);
  store<u32>(MODE, mode);
  updateContext();
}

/** Read a system structure (descriptor table, TSS): a supervisor access whatever the CPL. */
export function readSystem(la: u64, size: u32): u64 {
  if (fault) return 0;
  const mode = load<u32>(MODE), was = implicit;
  if (load<u32>(PMODE) != LONG) la &= 0xffffffff;
  else if (canonical(la) && canonical(la + size - 1)) store<u32>(MODE, mode | MODE_L);
  else { exception(13, 0); return 0; }
  setImplicit(true);
  const v = rdSlow(la, size, 0);
  setImplicit(was);
  store<u32>(MODE, mode);
  return v;
}
/** Write a system structure. */
export function writeSystem(la: u64, size: u32, v: u64): void {
  const mode = load<u32>(MODE), was = implicit;
  if (load<u32>(PMODE) != LONG) la &= 0xffffffff;
  else if (canonical(la) && canonical(la + size - 1)) store<u32>(MODE, mode | MODE_L);
  else { exception(13, 0); return; }
  setImplicit(true);
  wrSlow(la, size, v, 0);
  setImplicit(was);
  store<u32>(MODE, mode);
}

/** The descriptor fetchDescriptor() read, its second half (16-byte system descriptors), and where it lies. */
export let descriptor: u64 = 0;
export let descriptorHigh: u64 = 0;
export let descriptorAt: u64 = 0;
@inline export function descriptorAttr(): u32 { return <u32>(descriptor >> 40) & 0xf0ff; }
@inline export function descriptorDpl(): u32 { return <u32>(descriptor >> 45) & 3; }
export function descriptorLimit(): u32 {
  const limit = (<u32>descriptor & 0xffff) | (<u32>(descriptor >> 32) & 0xf0000);
  return descriptor & ((<u64>1) << 55) ? (limit << 12) | 0xfff : limit;
}
export function descriptorBase(): u64 {
  return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000);
}
/** Byte offset of a selector's descriptor in its table, or -1 when `size` bytes do not lie within the limit. */
function locate(selector: u32, size: u32): bool {
  const last = (selector & 0xfff8) + size - 1;
  if (selector & 4) {
    if (attrOf(LDTR) & UNUSABLE || last > limitOf(LDTR)) return false;
    descriptorAt = baseOf(LDTR) + (selector & 0xfff8);
  } else {
    if (last > load<u32>(GDT_LIMIT)) return false;
    descriptorAt = load<u64>(GDT_BASE) + (selector & 0xfff8);
  }
  return true;
}
/** Read a selector's descriptor into `descriptor`; outside the table: exception `vector` with the selector and `ext`. */
export function fetchDescriptor(selector: u32, vector: i32, ext: i32): bool {
  if (!locate(selector, 8)) {
    exception(vector, <i32>(selector & 0xfffc) | ext);
    return false;
  }
  descriptor = readSystem(descriptorAt, 8);
  return !fault;
}
/** The second half of a 16-byte system descriptor. */
export function fetchHigh(selector: u32, vector: i32, ext: i32): bool {
  if (!locate(selector, 16)) {
    exception(vector, <i32>(selector & 0xfffc) | ext);
    return false;
  }
  descriptorHigh = readSystem(descriptorAt + 8, 8);
  return !fault;
}
/** Set the accessed bit of the descriptor in hand. */
export function setAccessed(): void {
  if (descriptor & ((<u64>1) << 40)) return;
  descriptor |= (<u64>1) << 40;
  writeSystem(descriptorAt + 5, 1, (descriptor >> 40) & 0xff);
}
/** Load a code or data segment register from the descriptor in hand. */
export function setFromDescriptor(s: i32, selector: u32): void {
  setSegment(s, selector, descriptorBase(), descriptorLimit(), descriptorAttr());
}
@inline function fail(vector: i32, selector: u32, ext: i32): bool {
  exception(vector, <i32>(selector & 0xfffc) | ext);
  return false;
}
/** Checks of a stack segment for privilege level `cpl`: `vector` for a bad selector, #SS when absent.
 *  The descriptor is left in hand, marked accessed. */
export function checkStack(selector: u32, cpl: u32, vector: i32, ext: i32): bool {
  if (!(selector & 0xfffc)) { exception(vector, ext); return false; }
  if (!fetchDescriptor(selector, vector, ext)) return false;
  const attr = descriptorAttr();
  if ((selector & 3) != cpl || ((attr >> 5) & 3) != cpl || (attr & 0x1a) != 0x12) return fail(vector, selector, ext);
  if (!(attr & A_P)) return fail(12, selector, ext);
  setAccessed();
  return !fault;
}

/** MOV, POP and LxS to ES, SS, DS, FS or GS ("MOV—Move", Operation). Sets fault; nothing is changed then. */
export function loadSegment(s: i32, selector: u32): void {
  selector &= 0xffff;
  if (!inProtected()) {
    setSegmentReal(s, selector);
    updateMode();
    return;
  }
  const cpl = load<u32>(CPL);
  if (s == SS) {
    if (!(selector & 0xfffc)) {
      if (!in64() || cpl == 3 || (selector & 3) != cpl) { exception(13, 0); return; }
      setNull(SS, selector);
    } else {
      if (!checkStack(selector, cpl, 13, 0)) return;
      setFromDescriptor(SS, selector);
    }
    updateMode();
    return;
  }
  if (!(selector & 0xfffc)) {
    setNull(s, selector);
    updateMode();
    return;
  }
  if (!fetchDescriptor(selector, 13, 0)) return;
  const attr = descriptorAttr(), dpl = (attr >> 5) & 3;
  if (!(attr & A_S) || (attr & 0xa) == 8) { fail(13, selector, 0); return; }
  if ((attr & 0xc) != 0xc && (dpl < (selector & 3) || dpl < cpl)) { fail(13, selector, 0); return; }
  if (!(attr & A_P)) { fail(11, selector, 0); return; }
  setAccessed();
  if (fault) return;
  setFromDescriptor(s, selector);
  updateMode();
}
/** After a return to an outer level: data segments that the new level may not use become null. */
export function dropInnerSegments(cpl: u32): void {
  for (let s = ES; s <= 5; s++) {
    if (s == CS || s == SS) continue;
    const attr = attrOf(s);
    if (attr & UNUSABLE) { if (!(selectorOf(s) & 0xfffc)) store<u32>(SEG_SEL + (s << 2), 0); continue; }
    if ((attr & 0x1c) != 0x1c && ((attr >> 5) & 3) < cpl) {
      // The selector becomes null, the hidden base stays: FS and GS have theirs from WRMSR. Null is not present: a VMCB has no other word for it.
      if (load<u32>(PMODE) == LONG) setSegment(s, 0, baseOf(s), limitOf(s), (attr & ~A_P) | UNUSABLE);
      else setNull(s, 0);
    }
  }
}
/** MOV Sw,Ew. CS is not loadable this way. */
export function mov_to_seg(rec: usize, s: u32, selector: u64): usize {
  if (s == <u32>CS || s > 5) { exception(6, -1); return raise(rec); }
  loadSegment(<i32>s, <u32>selector);
  if (fault) return raise(rec);
  if (s == <u32>SS) store<u32>(SHADOW, 2);
  return next(rec);
}
/** LES, LDS, LSS, LFS, LGS: offset first, then selector; the register is written when the segment has been loaded. */
export function load_far(rec: usize, size: u32, a: u32, s: i32): usize {
  const la = ea(rec);
  const offset = size == 8 ? rd<u64>(la, rec) : size == 4 ? <u64>rd<u32>(la, rec) : <u64>rd<u16>(la, rec);
  if (fault) return raise(rec);
  const selector = rd<u16>((la + size) & load<u64>(AMASK), rec);
  if (!fault) loadSegment(s, selector);
  if (fault) return raise(rec);
  if (size == 2) put<u16>(a, <u16>offset);
  else if (size == 4) put<u32>(a, <u32>offset);
  else put<u64>(a, offset);
  return next(rec);
}
export function load_far_es(rec: usize, size: u32, a: u32): usize { return load_far(rec, size, a, ES); }
export function load_far_ss(rec: usize, size: u32, a: u32): usize { return load_far(rec, size, a, SS); }
export function load_far_ds(rec: usize, size: u32, a: u32): usize { return load_far(rec, size, a, DS); }
export function load_far_fs(rec: usize, size: u32, a: u32): usize { return load_far(rec, size, a, 4); }
export function load_far_gs(rec: usize, size: u32, a: u32): usize { return load_far(rec, size, a, 5); }
@inline export function mov_from_seg(s: u32): u32 { return selectorOf(<i32>s); }

/** Store a 16-bit system value: SLDT, STR, SMSW. A register takes the operand size, memory always 16 bits. */
export function storeWord(rec: usize, size: u32, mem: u32, b: u32, v: u64): usize {
  if (mem) {
    wr<u16>(ea(rec), <u16>v, rec);
    if (fault) return raise(rec);
  } else if (size == 2) put<u16>(b, <u16>v);
  else if (size == 4) put<u32>(b, <u32>v);
  else put<u64>(b, v);
  return next(rec);
}
/** #UD outside protected mode, #GP(0) for CR4.UMIP, then the intercept. */
function storeSelector(rec: usize, size: u32, mem: u32, b: u32, s: i32, which: u64): usize {
  if (!inProtected()) { exception(6, -1); return raise(rec); }
  if (load<u32>(CPL) != 0 && load<u32>(CR4) & 0x800) { exception(13, 0); return raise(rec); }
  if (intercepts & I_LDTR_TR) { const pc = intercept(I_LDTR_TR, rec, 0, which); if (pc) return pc; }
  return storeWord(rec, size, mem, b, <u64>selectorOf(s));
}
export function sldt(rec: usize, size: u32, mem: u32, b: u32): usize { return storeSelector(rec, size, mem, b, LDTR, 0); }
export function str(rec: usize, size: u32, mem: u32, b: u32): usize { return storeSelector(rec, size, mem, b, TR, 1); }

function loadAllowed(): bool {
  if (!inProtected()) { exception(6, -1); return false; }
  if (load<u32>(CPL) != 0) { exception(13, 0); return false; }
  return true;
}
/** Base of the system descriptor in hand, 64 bits wide in IA-32e mode. */
function systemBase(): u64 {
  return load<u32>(PMODE) == LONG ? descriptorBase() | (descriptorHigh << 32) : descriptorBase();
}
/** LDTR from a selector; also used by task switches (vector #TS). */
export function loadLdtr(selector: u32, vector: i32, ext: i32): void {
  if (!(selector & 0xfffc)) { setSegment(LDTR, selector, 0, 0, UNUSABLE); return; }
  if (selector & 4) { fail(vector, selector, ext); return; }
  if (!fetchDescriptor(selector, vector, ext)) return;
  const long = load<u32>(PMODE) == LONG;
  if (long && !fetchHigh(selector, vector, ext)) return;
  const attr = descriptorAttr();
  if ((attr & 0x1f) != 2) { fail(vector, selector, ext); return; }
  if (!(attr & A_P)) { fail(vector == 13 ? 11 : vector, selector, ext); return; }
  if (long && !canonical(systemBase())) { fail(13, selector, 0); return; }
  setSegment(LDTR, selector, systemBase(), descriptorLimit(), attr);
}
export function lldt(rec: usize, value: u64): usize {
  if (!loadAllowed()) return raise(rec);
  if (intercepts & I_LDTR_TR) { const pc = intercept(I_LDTR_TR, rec, 0, 2); if (pc) return pc; }
  loadLdtr(<u32>value & 0xffff, 13, 0);
  return fault ? raise(rec) : next(rec);
}
export function ltr(rec: usize, value: u64): usize {
  if (!loadAllowed()) return raise(rec);
  if (intercepts & I_LDTR_TR) { const pc = intercept(I_LDTR_TR, rec, 0, 3); if (pc) return pc; }
  const selector = <u32>value & 0xffff;
  if (!(selector & 0xfffc)) { exception(13, 0); return raise(rec); }
  if (selector & 4) { fail(13, selector, 0); return raise(rec); }
  if (!fetchDescriptor(selector, 13, 0)) return raise(rec);
  const long = load<u32>(PMODE) == LONG, attr = descriptorAttr(), type = attr & 0x1f;
  if (type != 9 && (type != 1 || long)) { fail(13, selector, 0); return raise(rec); }
  if (!(attr & A_P)) { fail(11, selector, 0); return raise(rec); }
  if (long && (!fetchHigh(selector, 13, 0) || !canonical(systemBase()))) { fail(13, selector, 0); return raise(rec); }
  writeSystem(descriptorAt + 5, 1, ((descriptor >> 40) & 0xff) | 2);
  if (fault) return raise(rec);
  setSegment(TR, selector, systemBase(), descriptorLimit(), attr | 2);
  return next(rec);
}

/** Descriptor for LAR, LSL, VERR, VERW: false without an exception when it may not be seen. */
function visible(selector: u32): bool {
  if (!(selector & 0xfffc) || !locate(selector, 8)) return false;
  descriptor = readSystem(descriptorAt, 8);
  return !fault;
}
@inline function privileged(selector: u32, attr: u32): bool {
  const dpl = (attr >> 5) & 3;
  return dpl < load<u32>(CPL) || dpl < (selector & 3);
}
function verify(selector: u32, write: bool): void {
  if (!inProtected()) { exception(6, -1); return; }
  let ok = false;
  if (visible(selector)) {
    const attr = descriptorAttr();
    ok = (attr & A_S) != 0 && (write ? (attr & 0xa) == 2 : (attr & 0xa) != 8)
      && ((attr & 0xc) == 0xc || !privileged(selector, attr));
  }
  if (!fault) setZf(ok ? 1 : 0);
}
export function verr(selector: u64): void { verify(<u32>selector & 0xffff, false); }
export function verw(selector: u64): void { verify(<u32>selector & 0xffff, true); }
/** May LAR (or LSL) report a system descriptor of this type? */
function reportable(type: u32, forLimit: bool): bool {
  if (load<u32>(PMODE) == LONG) return type == 2 || type == 9 || type == 11 || (type == 12 && !forLimit);
  if (type == 1 || type == 2 || type == 3 || type == 9 || type == 11) return true;
  return !forLimit && (type == 4 || type == 5 || type == 12);
}
function examine(value: u64, forLimit: bool): bool {
  const selector = <u32>value & 0xffff;
  if (!inProtected()) { exception(6, -1); return false; }
  let ok = false;
  if (visible(selector)) {
    const attr = descriptorAttr();
    if (attr & A_S) ok = (attr & 0xc) == 0xc || !privileged(selector, attr);
    else ok = reportable(attr & 0xf, forLimit) && !privileged(selector, attr);
  }
  if (fault) return false;
  setZf(ok ? 1 : 0);
  return ok;
}
/** New value of the destination; the caller writes it with the operand size unless fault is set. */
export function lar(old: u64, selector: u64): u64 {
  return examine(selector, false) ? (descriptor >> 32) & 0xffff00 : old;
}
export function lsl(old: u64, selector: u64): u64 {
  return examine(selector, true) ? <u64>descriptorLimit() : old;
}
/** MOV from a segment register; a number above 5 is #UD. */
export function selectorValue(s: u32): u64 {
  if (s > 5) { exception(6, -1); return 0; }
  return <u64>load<u32>(SEG_SEL + (s << 2));
}
