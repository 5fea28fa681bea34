// Control registers and privileged state ("Control Registers", "Invalidation of TLBs and Paging-Structure Caches",
// "System Instructions" in the SDM). All but xgetbv are flow bodies.
//
//   mov_to_cr(rec, cr, reg)  mov_from_cr(rec, cr, reg)   reg: register number
//   lmsw(rec, value)  smsw(rec, size, mem, b)  clts(rec)  sgdt/sidt(rec)  lgdt/lidt(rec, size)
//   invlpg(rec)  invpcid(rec, type)  xsetbv(rec)  xgetbv(rec)  swapgs(rec)  rdfsbase/rdgsbase(rec): u64
//   wrfsbase/wrgsbase(rec, value)  stac clac hlt cli sti pushfAllowed popfMask monitor mwait invd wbinvd rsm rdpmc
//   rdtsc rdtscp (rec)
import {
  REGS, RAX, RCX, RDX, CR0, CR2, CR3, CR4, XCR0, EFER, EFLAGS, CPL, MODE, MODE_L, PMODE, LONG, VM86, PDPTE,
  SEG_BASE, GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT, KERNEL_GS_BASE, TSC_OFFSET, TSC_AUX, SHADOW, ACTIVITY,
  CS, FS, GS, TR, fault, exception,
} from "./state";
import { IF, IOPL, RF, VM, AC } from "./flags";
import { ea, addressSize, addressMask, seg, segmented } from "./record";
import { rd, wrFrom, canonical } from "../mmu/access";
import { physBits, pdptesInMemory } from "../mmu/walk";
import { physRead64, yank, setInflight } from "../mmu/phys";
import { flushSpace, flushPage, flushFast, flushAll, switchSpace, updateContext } from "../mmu/tlb";
import { stage2 } from "../mmu/stage2";
import {
  intercepts, intercept, I_CR_WRITE, I_CR_READ, I_MOV_CR8, I_CLTS, I_LMSW, I_GDTR_IDTR, I_INVLPG, I_INVPCID,
  I_XSETBV, I_RSM, I_HLT, I_MONITOR, I_MWAIT, I_INVD, I_WBINVD, I_RDPMC, I_RDTSC, I_RDTSCP,
} from "./intercept";
import { updateMode, attrOf, storeWord } from "./segment";
import { setFlags } from "./frame";
import { cpuidBit } from "./cpuid";
import { next, raise, now } from "./flow";

@external("env", "tprRead") declare function envTprRead(): u32;
@external("env", "tprWrite") declare function envTprWrite(value: u32): void;

/** Value an intercept hook may replace: guest/host masks and read shadows. */
export let crValue: u64 = 0;
export function setCrValue(v: u64): void { crValue = v; }
/** The hook has carried out a CR8 access itself (TPR shadow). */
export let crHandled: bool = false;
export function setCrHandled(v: bool): void { crHandled = v; }
/** Bits of CR0 and CR4 that must stay 1 (VMX operation). */
export let fixedCr0: u64 = 0;
export let fixedCr4: u64 = 0;
export function setFixedBits(cr0: u64, cr4: u64): void { fixedCr0 = cr0; fixedCr4 = cr4; }
/** Tag of the current address spaces above the 12 bits of the PCID (VPID, EPTP generation). */
export let spaceTag: u64 = 0;
export function setSpaceTag(v: u64): void { spaceTag = v; }
export function globalTag(): u64 { return spaceTag | 0x8000000000000000; }

@inline function gp(rec: usize): usize { exception(13, 0); return raise(rec); }
@inline function ud(rec: usize): usize { exception(6, -1); return raise(rec); }
@inline function supervisor(): bool { return load<u32>(CPL) == 0; }

/** Bits of CR4 that this CPU has, from CPUID. */
export function cr4Mask(): u64 {
  const d = cpuidBit(1, 0, 3), c = cpuidBit(1, 0, 2), b = cpuidBit(7, 0, 1), c7 = cpuidBit(7, 0, 2);
  let m: u64 = 0x100; // PCE
  if (d & 2) m |= 3;
  if (d & 4) m |= 8;
  if (d & 8) m |= 0x10;
  if (d & 0x10) m |= 4;
  if (d & 0x40) m |= 0x20;
  if (d & 0x80) m |= 0x40;
  if (d & 0x2000) m |= 0x80;
  if (d & (1 << 24)) m |= 0x200;
  if (d & (1 << 25)) m |= 0x400;
  if (c & 0x20) m |= 0x2000;
  if (c & (1 << 17)) m |= 0x20000;
  if (c & (1 << 26)) m |= 0x40000;
  if (b & 1) m |= 0x10000;
  if (b & 0x80) m |= 0x100000;
  if (b & (1 << 20)) m |= 0x200000;
  if (c7 & 4) m |= 0x800;
  return m;
}
const PDPTE_RESERVED: u64 = 0x1e6;
/** Load the four PAE directory-pointer registers; false with fault set when one has reserved bits. */
export function loadPdptes(cr3: u64): bool {
  if (pdptesInMemory) return true;
  const at = cr3 & 0xffffffe0, pa = stage2(at, 1, false, 0);
  if (fault) return false;
  const high = ~(((<u64>1) << physBits) - 1);
  for (let i = 0; i < 4; i++) {
    const e = physRead64(pa + i * 8);
    if ((e & 1) && (e & (PDPTE_RESERVED | high))) { exception(13, 0); return false; }
  }
  for (let i = 0; i < 4; i++) store<u64>(PDPTE + i * 8, physRead64(pa + i * 8));
  return true;
}
/** MOV to CR0, LMSW, CLTS. Sets fault and changes nothing when the value is not allowed. */
export function writeCr0(value: u64): void {
  if (value >> 32) { exception(13, 0); return; }
  const old = load<u64>(CR0), v = (value & 0xe005003f) | 0x10;
  const pg = (v & 0x80000000) != 0, pe = (v & 1) != 0;
  if ((pg && !pe) || ((v & 0x20000000) && !(v & 0x40000000)) || (v & fixedCr0) != fixedCr0) { exception(13, 0); return; }
  const efer = load<u64>(EFER), cr4 = load<u64>(CR4), wasPg = (old & 0x80000000) != 0;
  let lma = efer & 0x400;
  if (pg && !wasPg && (efer & 0x100)) {
    if (!(cr4 & 0x20) || (attrOf(CS) & 0x2000) || !(attrOf(TR) & 8)) { exception(13, 0); return; }
    lma = 0x400;
  } else if (!pg && wasPg) {
    if ((load<u32>(MODE) & MODE_L) || (cr4 & 0x20000)) { exception(13, 0); return; }
    lma = 0;
  }
  if (pg && (cr4 & 0x20) && !lma && ((v ^ old) & 0xe0000000) && !loadPdptes(load<u64>(CR3))) return;
  store<u64>(CR0, v);
  store<u64>(EFER, (efer & ~0x400) | lma);
  if ((v ^ old) & 0x80000000) flushSpace(true);
  else if ((v ^ old) & 0x10000) flushFast();
  if ((v ^ old) & 0x80000001) {
    // Leaving protected mode: privilege goes with it; the hidden parts stay.
    if (!pe) store<u32>(CPL, 0);
    updateMode();
  } else if ((v ^ old) & 0x40000) updateContext();
}
/** MOV to CR3. */
export function writeCr3(value: u64): void {
  const cr4 = load<u64>(CR4), pcide = (cr4 & 0x20000) != 0, keep = pcide && (value >> 63) != 0;
  const v = pcide ? value & ~0x8000000000000000 : value;
  if (load<u32>(PMODE) == LONG) {
    if (v & ~(((<u64>1) << physBits) - 1)) { exception(13, 0); return; }
  } else if ((load<u64>(CR0) >> 31) && (cr4 & 0x20) && !loadPdptes(v)) return;
  store<u64>(CR3, v);
  if (pcide) switchSpace(spaceTag | (v & 0xfff), ~0, !keep);
  else flushSpace(false);
}
export function writeCr4(value: u64): void {
  const old = load<u64>(CR4), changed = old ^ value;
  if ((value & ~cr4Mask()) || (value & fixedCr4) != fixedCr4) { exception(13, 0); return; }
  const long = (load<u64>(EFER) & 0x400) != 0, paging = (load<u64>(CR0) >> 31) != 0;
  if (long && !(value & 0x20)) { exception(13, 0); return; }
  if ((changed & value & 0x20000) && (!long || (load<u64>(CR3) & 0xfff))) { exception(13, 0); return; }
  if (paging && (value & 0x20) && !long && (changed & 0x1000b0)) {
    if (!loadPdptes(load<u64>(CR3))) return;
  }
  store<u64>(CR4, value);
  if (changed & 0x1200b0) {
    flushSpace(true);
    // What other PCIDs left behind may be global, too: none of it survives.
    if ((changed & 0x20000) && (value & 0x20000)) switchSpace(spaceTag | (load<u64>(CR3) & 0xfff), ~0, true);
    else if ((changed & 0x20080) && (old & 0x20000)) flushAll();
  }
  if (changed & 0x300000) flushFast();
  updateContext();
}
export function mov_to_cr(rec: usize, cr: u32, reg: u32): usize {
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) return ud(rec);
  if (!supervisor()) return gp(rec);
  crValue = load<u64>(REGS + (reg << 3)) & (load<u32>(MODE) & MODE_L ? ~0 : 0xffffffff);
  if (cr == 8) return writeCr8(rec);
  if (intercepts & I_CR_WRITE) {
    const pc = intercept(I_CR_WRITE, rec, <u64>(cr | (reg << 4)), crValue);
    if (pc) return pc;
  }
  if (cr == 0) writeCr0(crValue);
  else if (cr == 2) store<u64>(CR2, crValue);
  else if (cr == 3) writeCr3(crValue);
  else writeCr4(crValue);
  return fault ? raise(rec) : next(rec);
}
function writeCr8(rec: usize): usize {
  if (intercepts & I_MOV_CR8) {
    crHandled = false;
    const pc = intercept(I_MOV_CR8, rec, 0, crValue);
    if (pc) return pc;
    if (crHandled) return next(rec);
  }
  if (crValue & ~15) return gp(rec);
  setInflight(1);
  envTprWrite(<u32>crValue);
  setInflight(0);
  yank();
  return next(rec);
}
export function mov_from_cr(rec: usize, cr: u32, reg: u32): usize {
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) return ud(rec);
  if (!supervisor()) return gp(rec);
  if (cr == 8) {
    crHandled = false;
    if (intercepts & I_MOV_CR8) {
      const pc = intercept(I_MOV_CR8, rec, 1, <u64>reg << 4);
      if (pc) return pc;
    }
    if (!crHandled) {
      setInflight(1);
      crValue = <u64>envTprRead();
      setInflight(0);
    }
  } else {
    crValue = load<u64>(CR0 + (cr << 3));
    if (intercepts & I_CR_READ) {
      const pc = intercept(I_CR_READ, rec, <u64>(cr | (reg << 4)), 0);
      if (pc) return pc;
    }
  }
  store<u64>(REGS + (reg << 3), load<u32>(MODE) & MODE_L ? crValue : crValue & 0xffffffff);
  return rec + 16;
}
export function clts(rec: usize): usize {
  if (!supervisor()) return gp(rec);
  if (intercepts & I_CLTS) { const pc = intercept(I_CLTS, rec, 0, 0); if (pc) return pc; }
  store<u64>(CR0, load<u64>(CR0) & ~8);
  return next(rec);
}
export function lmsw(rec: usize, value: u64): usize {
  if (!supervisor()) return gp(rec);
  crValue = value & 0xffff;
  if (intercepts & I_LMSW) { const pc = intercept(I_LMSW, rec, 0, crValue); if (pc) return pc; }
  const old = load<u64>(CR0);
  // LMSW can set PE but not clear it.
  writeCr0((old & ~0xe) | (crValue & 0xf) | (old & 1));
  return fault ? raise(rec) : next(rec);
}
export function smsw(rec: usize, size: u32, mem: u32, b: u32): usize {
  if (load<u32>(CPL) != 0 && (load<u32>(CR4) & 0x800)) return gp(rec);
  crValue = load<u64>(CR0);
  if (intercepts & I_CR_READ) { const pc = intercept(I_CR_READ, rec, 0x100, 0); if (pc) return pc; }
  return storeWord(rec, size, mem, b, crValue);
}
/** Pseudo-descriptor base width: 8 bytes in 64-bit mode, else 4 (24 bits used with 16-bit operands when loading). */
function storeTable(rec: usize, base: usize, limit: usize, which: u64): usize {
  if (load<u32>(CPL) != 0 && (load<u32>(CR4) & 0x800)) return gp(rec);
  if (intercepts & I_GDTR_IDTR) { const pc = intercept(I_GDTR_IDTR, rec, 0, which); if (pc) return pc; }
  const la = ea(rec);
  if (fault) return raise(rec);
  const n: u32 = load<u32>(MODE) & MODE_L ? 8 : 4;
  store<u16>(PSEUDO, <u16>load<u32>(limit));
  store<u64>(PSEUDO, load<u64>(base), 2);
  wrFrom(la, PSEUDO, n + 2, rec);
  return fault ? raise(rec) : next(rec);
}
const PSEUDO = memory.data(16, 8);
function loadTable(rec: usize, size: u32, base: usize, limit: usize, which: u64): usize {
  if (!supervisor()) return gp(rec);
  if (intercepts & I_GDTR_IDTR) { const pc = intercept(I_GDTR_IDTR, rec, 0, which); if (pc) return pc; }
  const la = ea(rec);
  if (fault) return raise(rec);
  const long = (load<u32>(MODE) & MODE_L) != 0;
  const l = rd<u16>(la, rec);
  if (fault) return raise(rec);
  let b = long ? rd<u64>(la + 2, rec) : <u64>rd<u32>((la + 2) & 0xffffffff, rec);
  if (fault) return raise(rec);
  if (!long && size == 2) b &= 0xffffff;
  if (long && !canonical(b)) return gp(rec);
  store<u64>(base, b);
  store<u32>(limit, l);
  return next(rec);
}
export function sgdt(rec: usize): usize { return storeTable(rec, GDT_BASE, GDT_LIMIT, 0); }
export function sidt(rec: usize): usize { return storeTable(rec, IDT_BASE, IDT_LIMIT, 1); }
export function lgdt(rec: usize, size: u32): usize { return loadTable(rec, size, GDT_BASE, GDT_LIMIT, 2); }
export function lidt(rec: usize, size: u32): usize { return loadTable(rec, size, IDT_BASE, IDT_LIMIT, 3); }

export function invlpg(rec: usize): usize {
  if (!supervisor()) return gp(rec);
  const la = ea(rec);
  if (fault) return raise(rec);
  if (intercepts & I_INVLPG) { const pc = intercept(I_INVLPG, rec, la, 0); if (pc) return pc; }
  if (!(load<u32>(MODE) & MODE_L) || canonical(la)) flushPage(la);
  return next(rec);
}
export function invpcid(rec: usize, type: u64): usize {
  if (load<u32>(PMODE) == VM86 || !supervisor()) return gp(rec);
  const la = ea(rec);
  if (fault) return raise(rec);
  if (intercepts & I_INVPCID) { const pc = intercept(I_INVPCID, rec, la, type); if (pc) return pc; }
  const low = rd<u64>(la, rec);
  if (fault) return raise(rec);
  const address = rd<u64>(la + 8, rec);
  if (fault) return raise(rec);
  const pcid = low & 0xfff, pcide = (load<u64>(CR4) & 0x20000) != 0;
  if (type > 3 || low >> 12) return gp(rec);
  if (type < 2 && !pcide && pcid) return gp(rec);
  if (type == 0) {
    if (!canonical(address)) return gp(rec);
    if (!pcide || pcid == (load<u64>(CR3) & 0xfff)) flushPage(address);
    else forgetPcid(pcid);
  } else if (type == 1) {
    if (!pcide || pcid == (load<u64>(CR3) & 0xfff)) {
      if (pcide) switchSpace(spaceTag | pcid, ~0, true);
      else flushSpace(false);
    } else forgetPcid(pcid);
  } else if (pcide) flushAll();
  else flushSpace(type == 2);
  return next(rec);
}
/** Drop what another PCID has: give it a fresh id, then come back. */
function forgetPcid(pcid: u64): void {
  switchSpace(spaceTag | pcid, ~0, true);
  switchSpace(spaceTag | (load<u64>(CR3) & 0xfff), ~0, false);
}
/** Value of XCR0 from EDX:EAX; also used by the embedder. */
export function writeXcr0(v: u64): bool {
  const offered = <u64>cpuidBit(13, 0, 0) | (<u64>cpuidBit(13, 0, 3) << 32);
  if (!(v & 1) || (v & ~offered) || ((v & 4) && !(v & 2))) return false;
  store<u64>(XCR0, v);
  return true;
}
export function xsetbv(rec: usize): usize {
  if (!(load<u32>(CR4) & (1 << 18))) return ud(rec);
  if (!supervisor()) return gp(rec);
  if (intercepts & I_XSETBV) { const pc = intercept(I_XSETBV, rec, 0, 0); if (pc) return pc; }
  if (load<u32>(REGS + RCX)) return gp(rec);
  if (!writeXcr0(<u64>load<u32>(REGS + RAX) | (<u64>load<u32>(REGS + RDX) << 32))) return gp(rec);
  return next(rec);
}
/** Rec body: sets fault or EDX:EAX. */
export function xgetbv(rec: usize): void {
  if (!(load<u32>(CR4) & (1 << 18))) { exception(6, -1); return; }
  const n = load<u32>(REGS + RCX);
  if (n > 1 || (n == 1 && !(cpuidBit(13, 1, 0) & 4))) { exception(13, 0); return; }
  // Index 1: the state components in use; XINUSE is taken to be all that are enabled.
  store<u64>(REGS + RAX, load<u64>(XCR0) & 0xffffffff);
  store<u64>(REGS + RDX, load<u64>(XCR0) >> 32);
}
export function swapgs(rec: usize): usize {
  if (!(load<u32>(MODE) & MODE_L)) return ud(rec);
  if (!supervisor()) return gp(rec);
  const b = load<u64>(SEG_BASE, GS << 3);
  store<u64>(SEG_BASE, load<u64>(KERNEL_GS_BASE), GS << 3);
  store<u64>(KERNEL_GS_BASE, b);
  updateMode();
  return next(rec);
}
function baseAllowed(): bool {
  if ((load<u32>(CR4) & 0x10000) && (load<u32>(MODE) & MODE_L)) return true;
  exception(6, -1);
  return false;
}
export function rdfsbase(rec: usize): u64 { return baseAllowed() ? load<u64>(SEG_BASE, FS << 3) : 0; }
export function rdgsbase(rec: usize): u64 { return baseAllowed() ? load<u64>(SEG_BASE, GS << 3) : 0; }
function writeBase(rec: usize, s: i32, v: u64): usize {
  if (!baseAllowed()) return raise(rec);
  if (!canonical(v)) return gp(rec);
  store<u64>(SEG_BASE + (s << 3), v);
  updateMode();
  return next(rec);
}
export function wrfsbase(rec: usize, v: u64): usize { return writeBase(rec, FS, v); }
export function wrgsbase(rec: usize, v: u64): usize { return writeBase(rec, GS, v); }

function setAc(rec: usize, on: bool): usize {
  if (!supervisor()) return ud(rec);
  store<u32>(EFLAGS, on ? load<u32>(EFLAGS) | AC : load<u32>(EFLAGS) & ~AC);
  updateContext();
  return rec + 16;
}
export function stac(rec: usize): usize { return setAc(rec, true); }
export function clac(rec: usize): usize { return setAc(rec, false); }

/** The boundary after HLT finds ACTIVITY: an interrupt ends it at once, else run() stops. */
export function hlt(rec: usize): usize {
  if (!supervisor()) return gp(rec);
  if (intercepts & I_HLT) { const pc = intercept(I_HLT, rec, 0, 0); if (pc) return pc; }
  store<u32>(ACTIVITY, 1);
  return next(rec);
}
/** CLI and STI need CPL <= IOPL; there is no VME and no PVI. In virtual-8086 mode CPL is 3. */
@inline export function ioplAllows(): bool { return load<u32>(CPL) <= ((load<u32>(EFLAGS) >> 12) & 3); }
export function cli(rec: usize): usize {
  if (!ioplAllows()) return gp(rec);
  store<u32>(EFLAGS, load<u32>(EFLAGS) & ~IF);
  return rec + 16;
}
export function sti(rec: usize): usize {
  if (!ioplAllows()) return gp(rec);
  const f = load<u32>(EFLAGS);
  if (!(f & IF)) {
    store<u32>(EFLAGS, f | IF);
    store<u32>(SHADOW, 1);
  }
  return next(rec);
}
/** PUSHF and POPF in virtual-8086 mode need IOPL 3; otherwise #GP(0): sets fault. */
export function pushfAllowed(): bool {
  if ((load<u32>(EFLAGS) & VM) && (load<u32>(EFLAGS) & IOPL) != IOPL) { exception(13, 0); return false; }
  return true;
}
/** Commit POPF: the bits that this privilege level may change. Call pushfAllowed() and read the operand first. */
export function popFlags(value: u32, size: u32): void {
  let m: u32 = 0x244dd5 & ~IF;
  if (!(load<u32>(EFLAGS) & VM) && load<u32>(CPL) == 0) m |= IOPL;
  if (ioplAllows()) m |= IF;
  setFlags(value & ~RF, (size == 2 ? m & 0xffff : m) | RF);
}
export function monitor(rec: usize): usize {
  if (!supervisor()) return ud(rec);
  if (intercepts & I_MONITOR) { const pc = intercept(I_MONITOR, rec, 0, 0); if (pc) return pc; }
  if (load<u32>(REGS + RCX)) return gp(rec);
  const la = segmented(seg(rec), load<u64>(REGS + RAX) & addressMask(addressSize(rec)), false, true);
  if (fault) return raise(rec);
  rd<u8>(la, rec);
  return fault ? raise(rec) : next(rec);
}
/** MWAIT is a NOP: no store by another processor could be waited for, and it may end at any time. */
export function mwait(rec: usize): usize {
  if (!supervisor()) return ud(rec);
  if (intercepts & I_MWAIT) { const pc = intercept(I_MWAIT, rec, 0, 0); if (pc) return pc; }
  if (load<u32>(REGS + RCX) & ~1) return gp(rec);
  return next(rec);
}
export function invd(rec: usize): usize {
  if (!supervisor()) return gp(rec);
  if (intercepts & I_INVD) { const pc = intercept(I_INVD, rec, 0, 0); if (pc) return pc; }
  return next(rec);
}
export function wbinvd(rec: usize): usize {
  if (!supervisor()) return gp(rec);
  if (intercepts & I_WBINVD) { const pc = intercept(I_WBINVD, rec, 0, 0); if (pc) return pc; }
  return next(rec);
}
/** Outside SMM, where this CPU never is. */
export function rsm(rec: usize): usize {
  if (intercepts & I_RSM) { const pc = intercept(I_RSM, rec, 0, 0); if (pc) return pc; }
  return ud(rec);
}
/** No counters: every index is out of range. */
export function rdpmc(rec: usize): usize {
  if (!supervisor() && !(load<u32>(CR4) & 0x100)) return gp(rec);
  if (intercepts & I_RDPMC) { const pc = intercept(I_RDPMC, rec, 0, 0); if (pc) return pc; }
  return gp(rec);
}
/** The time-stamp counter as the guest sees it. */
@inline export function readTsc(): u64 { return now() + load<u64>(TSC_OFFSET); }
function timeStamp(rec: usize): void {
  const v = readTsc();
  store<u64>(REGS + RAX, v & 0xffffffff);
  store<u64>(REGS + RDX, v >> 32);
}
/** It ends its block, so that the clock is exact here; nothing becomes possible that was not before. */
export function rdtsc(rec: usize): usize {
  if ((load<u32>(CR4) & 4) && !supervisor()) return gp(rec);
  if (intercepts & I_RDTSC) { const pc = intercept(I_RDTSC, rec, 0, 0); if (pc) return pc; }
  timeStamp(rec);
  return rec + 16;
}
export function rdtscp(rec: usize): usize {
  if ((load<u32>(CR4) & 4) && !supervisor()) return gp(rec);
  if (intercepts & I_RDTSCP) { const pc = intercept(I_RDTSCP, rec, 0, 0); if (pc) return pc; }
  timeStamp(rec);
  store<u64>(REGS + RCX, load<u64>(TSC_AUX) & 0xffffffff);
  return rec + 16;
}
