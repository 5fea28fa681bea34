// x87 control instructions and the environment ("X87 FPU Control Instructions" in the SDM).
import {
  FPR, FCW, FSW, FTW, FOP, FIP, FDP, FCS, FDS, CR0, PMODE, REAL, VM86, REGS, RAX, fault, exception,
} from "./state";
import { f80class } from "../float/f80";
import { eaBytes, eaIn, eaOut } from "./record";
import { rd, wr, wrFrom, writableSpan, rdPtr } from "../mmu/access";
import { C1, recomputePending, setTop, st, stM, stSE, top, waiting, free } from "./x87-state";

/** #NM alone: what the instructions without a wait check. */
function notAvailable(): bool {
  if (!(load<u32>(CR0) & 0xc)) return false;
  exception(7, -1);
  return true;
}
/** WAIT: CR0.TS matters only together with MP. */
export function fwait(): void {
  const cr0 = load<u32>(CR0);
  if ((cr0 & 0xa) == 0xa) { exception(7, -1); return; }
  if ((load<u32>(FSW) & 0x80) && (cr0 & 0x20)) exception(16, -1);
}
export function fnop(): void { waiting(); }
export function fnopNoWait(): void { notAvailable(); }
function reset(): void {
  store<u32>(FCW, 0x37f);
  store<u32>(FSW, 0);
  store<u32>(FTW, 0);
  store<u32>(FOP, 0);
  store<u64>(FIP, 0);
  store<u64>(FDP, 0);
  store<u32>(FCS, 0);
  store<u32>(FDS, 0);
}
export function finit(): void { if (!notAvailable()) reset(); }
export function fclex(): void { if (!notAvailable()) store<u32>(FSW, load<u32>(FSW) & 0x7f00); }
export function fldcw(rec: usize): void {
  if (waiting()) return;
  const v = rd<u16>(eaIn<u16>(rec), rec);
  if (fault) return;
  store<u32>(FCW, (<u32>v & 0x1f3f) | 0x40);
  recomputePending();
}
export function fstcw(rec: usize): void { if (!notAvailable()) wr<u16>(eaOut<u16>(rec), <u16>load<u32>(FCW), rec); }
export function fstsw(rec: usize): void { if (!notAvailable()) wr<u16>(eaOut<u16>(rec), <u16>load<u32>(FSW), rec); }
export function fstswAx(): void { if (!notAvailable()) store<u16>(REGS + RAX, <u16>load<u32>(FSW)); }
export function fincstp(): void { if (!waiting()) { setTop(top() + 1); store<u32>(FSW, load<u32>(FSW) & ~C1); } }
export function fdecstp(): void { if (!waiting()) { setTop(top() - 1); store<u32>(FSW, load<u32>(FSW) & ~C1); } }
export function ffree(i: u32): void { if (!waiting()) free(i & 7); }
export function ffreep(i: u32): void {
  if (waiting()) return;
  free(i & 7);
  setTop(top() + 1);
}

const AREA = memory.data(112, 16);
/** The tag word of the environment: two bits for each register, 0 valid, 1 zero, 2 special, 3 empty. */
function tagWord(): u32 {
  let w: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let tag: u32 = 3;
    if ((load<u32>(FTW) >> i) & 1) {
      const p = FPR + (<usize>i << 4), c = f80class(<i32>load<u16>(p, 8), load<u64>(p));
      tag = c == 0 ? 1 : c == 1 ? 0 : 2;
    }
    w |= tag << (i << 1);
  }
  return w;
}
@inline function segmented(): bool { const m = load<u32>(PMODE); return m != REAL && m != VM86; }
/** The environment in AREA; returns its length. */
function putEnvironment(size: u32): u32 {
  // Real-address and virtual-8086 mode store linear addresses.
  const real = !segmented();
  const ip = <u32>load<u64>(FIP) + (real ? load<u32>(FCS) << 4 : 0), dp = <u32>load<u64>(FDP) + (real ? load<u32>(FDS) << 4 : 0);
  const op = load<u32>(FOP) & 0x7ff;
  if (size == 2) {
    store<u16>(AREA, <u16>load<u32>(FCW));
    store<u16>(AREA, <u16>load<u32>(FSW), 2);
    store<u16>(AREA, <u16>tagWord(), 4);
    store<u16>(AREA, <u16>ip, 6);
    store<u16>(AREA, <u16>(segmented() ? load<u32>(FCS) : ((ip >> 4) & 0xf000) | op), 8);
    store<u16>(AREA, <u16>dp, 10);
    store<u16>(AREA, <u16>(segmented() ? load<u32>(FDS) : (dp >> 4) & 0xf000), 12);
    return 14;
  }
  store<u32>(AREA, load<u32>(FCW) | 0xffff0000);
  store<u32>(AREA, load<u32>(FSW) | 0xffff0000, 4);
  store<u32>(AREA, tagWord() | 0xffff0000, 8);
  if (segmented()) {
    store<u32>(AREA, ip, 12);
    store<u32>(AREA, (load<u32>(FCS) & 0xffff) | (op << 16), 16);
    store<u32>(AREA, dp, 20);
    store<u32>(AREA, (load<u32>(FDS) & 0xffff) | 0xffff0000, 24);
  } else {
    store<u32>(AREA, (ip & 0xffff) | 0xffff0000, 12);
    store<u32>(AREA, ((ip >> 4) & 0x0ffff000) | op, 16);
    store<u32>(AREA, (dp & 0xffff) | 0xffff0000, 20);
    store<u32>(AREA, (dp >> 4) & 0x0ffff000, 24);
  }
  return 28;
}
function takeEnvironment(size: u32): void {
  let cw: u32, sw: u32, tw: u32;
  if (size == 2) {
    cw = <u32>load<u16>(AREA);
    sw = <u32>load<u16>(AREA, 2);
    tw = <u32>load<u16>(AREA, 4);
    let ip = <u32>load<u16>(AREA, 6), dp = <u32>load<u16>(AREA, 10);
    const high = <u32>load<u16>(AREA, 8), dataHigh = <u32>load<u16>(AREA, 12);
    if (segmented()) {
      store<u32>(FCS, high);
      store<u32>(FDS, dataHigh);
    } else {
      store<u32>(FCS, 0);
      store<u32>(FDS, 0);
      ip |= (high & 0xf000) << 4;
      dp |= (dataHigh & 0xf000) << 4;
      store<u32>(FOP, high & 0x7ff);
    }
    store<u64>(FIP, <u64>ip);
    store<u64>(FDP, <u64>dp);
  } else {
    cw = load<u32>(AREA);
    sw = load<u32>(AREA, 4);
    tw = load<u32>(AREA, 8);
    const high = load<u32>(AREA, 16);
    if (segmented()) {
      store<u64>(FIP, <u64>load<u32>(AREA, 12));
      store<u32>(FCS, high & 0xffff);
      store<u32>(FOP, (high >> 16) & 0x7ff);
      store<u64>(FDP, <u64>load<u32>(AREA, 20));
      store<u32>(FDS, <u32>load<u16>(AREA, 24));
    } else {
      store<u32>(FCS, 0);
      store<u32>(FDS, 0);
      store<u64>(FIP, <u64>(<u32>load<u16>(AREA, 12) | ((high & 0x0ffff000) << 4)));
      store<u32>(FOP, high & 0x7ff);
      store<u64>(FDP, <u64>(<u32>load<u16>(AREA, 20) | ((load<u32>(AREA, 24) & 0x0ffff000) << 4)));
    }
  }
  store<u32>(FCW, (cw & 0x1f3f) | 0x40);
  store<u32>(FSW, sw & 0xffff);
  let valid: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) if (((tw >> (i << 1)) & 3) != 3) valid |= 1 << i;
  store<u32>(FTW, valid);
  recomputePending();
}
export function fstenv(rec: usize, size: u32): void {
  if (notAvailable()) return;
  const n = putEnvironment(size);
  storeArea(rec, n);
  if (fault) return;
  // All exceptions are masked once the environment is stored.
  store<u32>(FCW, load<u32>(FCW) | 0x3f);
  recomputePending();
}
/** Copy `size` bytes from AREA to the guest. As processors do, the ends are looked at first. */
function storeArea(rec: usize, size: u32): void {
  const la = eaOut<u16>(rec);
  if (fault) return;
  writableSpan(la, 1, rec);
  if (fault) return;
  eaBytes(rec, size, true);
  if (!fault) writableSpan(la + size - 1, 1, rec);
  if (!fault) wrFrom(la, AREA, size, rec);
}
/** Copy `size` bytes from the guest to AREA. */
function fetchArea(rec: usize, size: u32): bool {
  const la = eaIn<u16>(rec);
  if (fault) return false;
  rd<u8>(la, rec);
  if (fault) return false;
  eaBytes(rec, size, false);
  if (fault) return false;
  rd<u8>(la + size - 1, rec);
  if (fault) return false;
  for (let i: u32 = 0; i < size; ) {
    const n = min<u32>(size - i, 32), p = rdPtr(la + i, n, rec);
    if (fault) return false;
    memory.copy(AREA + i, p, n);
    i += n;
  }
  return true;
}
export function fldenv(rec: usize, size: u32): void {
  if (waiting() || !fetchArea(rec, size == 2 ? 14 : 28)) return;
  takeEnvironment(size);
}
export function fsave(rec: usize, size: u32): void {
  if (notAvailable()) return;
  const n = putEnvironment(size);
  for (let i: u32 = 0; i < 8; i++) {
    const p = AREA + n + i * 10;
    store<u64>(p, stM(i));
    store<u16>(p, <u16>stSE(i), 8);
  }
  storeArea(rec, n + 80);
  if (!fault) reset();
}
export function frstor(rec: usize, size: u32): void {
  const n: u32 = size == 2 ? 14 : 28;
  if (waiting() || !fetchArea(rec, n + 80)) return;
  takeEnvironment(size);
  for (let i: u32 = 0; i < 8; i++) {
    const p = AREA + n + i * 10, r = st(i);
    store<u64>(r, load<u64>(p));
    store<u64>(r, <u64>load<u16>(p, 8), 8);
  }
}
