// MXCSR, FXSAVE and XSAVE ("FXSAVE and FXRSTOR Instructions", "Managing State Using the XSAVE Feature Set" in the SDM).
// Images are put together in IMAGE and stored piece by piece; loads copy the whole image before anything is committed.
import {
  XMM, FPR, FCW, FSW, FTW, FOP, FIP, FDP, FCS, FDS, MXCSR, CR0, CR4, XCR0, MODE, MODE_L, REGS, RAX, RDX, fault, exception,
} from "./state";
import { eaBytes, eaIn, eaOut } from "./record";
import { rd, wr, wrFrom, writableSpan, rdPtr } from "../mmu/access";
import { cpuidBit } from "./cpuid";
import { sseOff } from "./simd";
import { recomputePending } from "./x87-state";

/** MXCSR_MASK: every defined bit, with DAZ. */
const MXCSR_MASK: u32 = 0xffff;
const X87: u64 = 1;
const SSE: u64 = 2;
const IMAGE = memory.data(576, 16);

export function ldmxcsr(rec: usize): void {
  if (sseOff()) return;
  const v = rd<u32>(eaIn<u32>(rec), rec);
  if (fault) return;
  if (v & ~MXCSR_MASK) { exception(13, 0); return; }
  store<u32>(MXCSR, v);
}
export function stmxcsr(rec: usize): void {
  if (!sseOff()) wr<u32>(eaOut<u32>(rec), load<u32>(MXCSR), rec);
}
@inline function in64(): bool { return (load<u32>(MODE) & MODE_L) != 0; }
/** XMM8 to XMM15 exist in 64-bit mode only; elsewhere they are neither stored nor loaded. */
@inline function xmmBytes(): u32 { return in64() ? 256 : 128; }

/** x87 part of the image: bytes 0 to 23 and 32 to 159. `wide`: 64-bit pointers without selectors. */
function putX87(wide: bool): void {
  store<u16>(IMAGE, <u16>load<u32>(FCW));
  store<u16>(IMAGE, <u16>load<u32>(FSW), 2);
  store<u16>(IMAGE, <u16>load<u32>(FTW), 4);
  store<u16>(IMAGE, <u16>load<u32>(FOP), 6);
  if (wide) {
    store<u64>(IMAGE, load<u64>(FIP), 8);
    store<u64>(IMAGE, load<u64>(FDP), 16);
  } else {
    store<u64>(IMAGE, (load<u64>(FIP) & 0xffffffff) | (<u64>load<u16>(FCS) << 32), 8);
    store<u64>(IMAGE, (load<u64>(FDP) & 0xffffffff) | (<u64>load<u16>(FDS) << 32), 16);
  }
  const top = load<u32>(FSW) >> 11;
  for (let i: u32 = 0; i < 8; i++) {
    const from = FPR + (<usize>((top + i) & 7) << 4), to = IMAGE + 32 + (<usize>i << 4);
    store<u64>(to, load<u64>(from));
    store<u64>(to, <u64>load<u16>(from, 8), 8);
  }
}
function takeX87(wide: bool): void {
  store<u32>(FCW, (<u32>load<u16>(IMAGE) & 0x1f3f) | 0x40);
  store<u32>(FSW, <u32>load<u16>(IMAGE, 2));
  store<u32>(FTW, <u32>load<u8>(IMAGE, 4));
  store<u32>(FOP, <u32>load<u16>(IMAGE, 6) & 0x7ff);
  if (wide) {
    store<u64>(FIP, load<u64>(IMAGE, 8));
    store<u64>(FDP, load<u64>(IMAGE, 16));
    store<u32>(FCS, 0);
    store<u32>(FDS, 0);
  } else {
    store<u64>(FIP, <u64>load<u32>(IMAGE, 8));
    store<u64>(FDP, <u64>load<u32>(IMAGE, 16));
    store<u32>(FCS, <u32>load<u16>(IMAGE, 12));
    store<u32>(FDS, <u32>load<u16>(IMAGE, 20));
  }
  const top = load<u32>(FSW) >> 11;
  for (let i: u32 = 0; i < 8; i++) {
    const to = FPR + (<usize>((top + i) & 7) << 4), from = IMAGE + 32 + (<usize>i << 4);
    store<u64>(to, load<u64>(from));
    store<u64>(to, <u64>load<u16>(from, 8), 8);
  }
  recomputePending();
}
function initX87(): void {
  store<u32>(FCW, 0x37f);
  store<u32>(FSW, 0);
  store<u32>(FTW, 0);
  store<u32>(FOP, 0);
  store<u64>(FIP, 0);
  store<u64>(FDP, 0);
  store<u32>(FCS, 0);
  store<u32>(FDS, 0);
  memory.fill(FPR, 0, 128);
}
/** #NM, or the address when it is aligned; misalignment is #GP. */
function areaOf(rec: usize, alignment: u64, write: bool): u64 {
  const la = eaBytes(rec, 512, write);
  if (!fault && (la & (alignment - 1))) exception(13, 0);
  return la;
}
export function fxsave(rec: usize, size: u32): void {
  if (load<u32>(CR0) & 0xc) { exception(7, -1); return; }
  const la = areaOf(rec, 16, true);
  if (fault) return;
  putX87(size == 8);
  store<u32>(IMAGE, load<u32>(MXCSR), 24);
  store<u32>(IMAGE, MXCSR_MASK, 28);
  memory.copy(IMAGE + 160, XMM, 256);
  // As processors do, the last byte of the area is looked at first.
  writableSpan(la + 511, 1, rec);
  if (fault) return;
  wrFrom(la, IMAGE, load<u32>(CR4) & 0x200 ? 160 + xmmBytes() : 160, rec);
}
export function fxrstor(rec: usize, size: u32): void {
  if (load<u32>(CR0) & 0xc) { exception(7, -1); return; }
  const la = areaOf(rec, 16, false);
  if (fault || !fetchImage(la, 512, rec)) return;
  if (load<u32>(IMAGE, 24) & ~MXCSR_MASK) { exception(13, 0); return; }
  takeX87(size == 8);
  if (load<u32>(CR4) & 0x200) {
    store<u32>(MXCSR, load<u32>(IMAGE, 24));
    memory.copy(XMM, IMAGE + 160, xmmBytes());
  }
}
function fetchImage(la: u64, size: u32, rec: usize): bool {
  for (let i: u32 = 0; i < size; i += 64) {
    const p = rdPtr(la + i, 64, rec);
    if (fault) return false;
    memory.copy(IMAGE + i, p, 64);
  }
  return true;
}
/** #UD and #NM of the XSAVE family, then the address. */
function xsaveArea(rec: usize, write: bool): u64 {
  if (!(load<u32>(CR4) & (1 << 18))) { exception(6, -1); return 0; }
  if (load<u32>(CR0) & 8) { exception(7, -1); return 0; }
  return areaOf(rec, 64, write);
}
@inline function requested(): u64 {
  return ((<u64>load<u32>(REGS + RDX) << 32) | <u64>load<u32>(REGS + RAX)) & load<u64>(XCR0);
}
/** XSAVE and XSAVEOPT: every requested component is written, as if always in use and always modified. */
export function xsave(rec: usize, size: u32): void {
  const la = xsaveArea(rec, true);
  if (fault) return;
  const mask = requested();
  const old = rd<u64>(la + 512, rec);
  if (fault) return;
  if (!storeComponents(la, mask, size == 8, rec)) return;
  wr<u64>(la + 512, (old & ~mask) | mask, rec);
}
/** XSAVEC: x87 and SSE state lie where the standard format has them. */
export function xsavec(rec: usize, size: u32): void {
  const la = xsaveArea(rec, true);
  if (fault) return;
  const mask = requested();
  if (!storeComponents(la, mask, size == 8, rec)) return;
  wr<u64>(la + 512, mask, rec);
  if (!fault) wr<u64>(la + 520, mask | 0x8000000000000000, rec);
}
function storeComponents(la: u64, mask: u64, wide: bool, rec: usize): bool {
  putX87(wide);
  store<u32>(IMAGE, load<u32>(MXCSR), 24);
  store<u32>(IMAGE, MXCSR_MASK, 28);
  if (mask & X87) {
    wrFrom(la, IMAGE, 24, rec);
    if (fault) return false;
    wrFrom(la + 32, IMAGE + 32, 128, rec);
    if (fault) return false;
  }
  if (mask & SSE) {
    wrFrom(la + 24, IMAGE + 24, 8, rec);
    if (fault) return false;
    wrFrom(la + 160, XMM, xmmBytes(), rec);
    if (fault) return false;
  }
  return true;
}
/** XRSTOR, standard form, and the compacted one where XSAVEC is offered. */
export function xrstor(rec: usize, size: u32): void {
  const la = xsaveArea(rec, false);
  if (fault || !fetchImage(la, 576, rec)) return;
  const mask = requested(), present = load<u64>(IMAGE, 512), compaction = load<u64>(IMAGE, 520);
  const compacted = (compaction >> 63) != 0;
  if (compacted) {
    const components = compaction & 0x7fffffffffffffff;
    if (!(cpuidBit(13, 1, 0) & 2) || (components & ~load<u64>(XCR0)) || (present & ~components)) { exception(13, 0); return; }
    for (let i: usize = 528; i < 576; i += 8) if (load<u64>(IMAGE + i)) { exception(13, 0); return; }
  } else if ((present & ~load<u64>(XCR0)) || compaction || load<u64>(IMAGE, 528)) { exception(13, 0); return; }
  // MXCSR belongs to SSE state, but the standard form loads it whether or not XSTATE_BV says so.
  const loadsMxcsr = (mask & SSE) && (!compacted || (present & SSE));
  if (loadsMxcsr && (load<u32>(IMAGE, 24) & ~MXCSR_MASK)) { exception(13, 0); return; }
  if (mask & X87) { if (present & X87) takeX87(size == 8); else initX87(); }
  if (mask & SSE) {
    store<u32>(MXCSR, loadsMxcsr ? load<u32>(IMAGE, 24) : 0x1f80);
    if (present & SSE) memory.copy(XMM, IMAGE + 160, xmmBytes());
    else memory.fill(XMM, 0, xmmBytes());
  }
}
