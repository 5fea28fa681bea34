// Loads and stores by linear address: the inline fast path, and the one slow path behind it.
import {
  FAST_TLB, BOUNCE, BOUNCE_LA, BOUNCE_SIZE, XTEMP, FRAME_FLAGS, PMODE, LONG, MODE, MODE_L, SS, ALONE_BLOCK,
  fault, block, exception, setFault, FAULT_ALONE,
} from "../cpu/state";
import {
  physEntry, frameOf, markWritten, deviceRead, deviceWrite, holdsCode, physWritten,
  KIND_RAM, FRAME_CODE, FRAME_ACCESSED_VIEW, FRAME_WRITTEN,
} from "./phys";
import { context, enterFast } from "./tlb";
import { translate, userNow, implicit, READ, WRITE } from "./walk";
import { watch, checkData } from "../cpu/debug";
import { storeBesideCode } from "../cpu/blocks";

// A miss is what a test asks for: V8's second compiler puts what stands behind a true condition out of the way, and what
// stands behind a false one next.
@inline export function canonical(la: u64): bool { return (<i64>(la << 16) >> 16) == <i64>la; }

/** Does an access of `size` bytes miss the fast TLB? Translated code has a form of its own for this and for hostOf(): it keeps
 *  what it has found, and leaves to the interpreter at a miss (tools/jit/asc.mjs). */
@inline export function missesSpan(la: u64, size: u32, write: bool): bool {
  const e = <usize>(la >> 7) & 0xffe0, tag = ((la + (size - 1)) & ~0xfff) | context;
  return write ? load<u64>(e, FAST_TLB + 8) != tag : load<u64>(e, FAST_TLB) != tag;
}
/** Where an address that does not miss lies in linear memory. */
@inline export function hostOf(la: u64): usize { return <usize>la + load<u32>(<usize>(la >> 7) & 0xffe0, FAST_TLB + 16); }

@inline export function missesRead<T>(la: u64): bool { return missesSpan(la, sizeof<T>(), false); }
@inline export function missesWrite<T>(la: u64): bool { return missesSpan(la, sizeof<T>(), true); }
@inline export function rd<T>(la: u64, rec: usize): T {
  if (missesSpan(la, sizeof<T>(), false)) return <T>rdSlow(la, sizeof<T>(), rec);
  return load<T>(hostOf(la));
}
@inline export function wr<T>(la: u64, v: T, rec: usize): void {
  if (missesSpan(la, sizeof<T>(), true)) wrSlow(la, sizeof<T>(), <u64>v, rec);
  else store<T>(hostOf(la), v);
}
/** Where an operand to be read and written lies: in RAM, or in BOUNCE, and then writeBack() must follow the store. */
@inline export function rmw<T>(la: u64, rec: usize): usize {
  if (missesSpan(la, sizeof<T>(), true)) return rmwSlow(la, sizeof<T>(), rec);
  return hostOf(la);
}
/** The same for 16 bytes, aligned: a device is asked for the halves one after the other. */
export function rmw16(la: u64, rec: usize): usize { return missesSpan(la, 16, true) ? rmwSlow(la, 16, rec) : hostOf(la); }
/** Where an operand of 8 to 64 bytes can be read: in RAM, or copied to XTEMP. 0 on a fault. */
@inline export function rdPtr(la: u64, size: u32, rec: usize): usize {
  if (missesSpan(la, size, false)) return rdPtrSlow(la, size, rec);
  return hostOf(la);
}

/** Segment of the access in hand, for #SS against #GP: a stack access passes no record. */
@inline function segmentOf(rec: usize): i32 { return rec ? <i32>load<u8>(rec, 7) & 7 : SS; }
function addressCheck(la: u64, size: u32, rec: usize): bool {
  if (fault) return false;
  if (load<u32>(PMODE) == LONG && (load<u32>(MODE) & MODE_L) && !(canonical(la) && canonical(la + size - 1))) {
    exception(segmentOf(rec) == SS ? 12 : 13, 0);
    return false;
  }
  if ((context & 3) != 3 || implicit || (la & alignmentMask(size)) == 0) return true;
  exception(17, 0);
  return false;
}
/** Address bits that must be clear under alignment checking ("Alignment Requirements by Data Type"): operands of 2, 4 and 8
 *  bytes by their size, extended real and packed decimal by 8, images by 4; 16-byte operands have rules of their own. */
function alignmentMask(size: u32): u64 {
  if (size == 2 || size == 4 || size == 8) return <u64>size - 1;
  return size == 10 ? 7 : 0;
}
/** Device access is only allowed to an instruction that runs in a block of its own. */
@inline function mayTouchDevice(): bool {
  if (block == ALONE_BLOCK) return true;
  setFault(FAULT_ALONE);
  return false;
}
/** Data breakpoints on an operand: a page that holds one never gets into the fast TLB. */
@inline function watchData(la: u64, size: u32, write: bool): bool {
  if (!implicit && (watch(la & ~0xfff) || ((la & 0xfff) + size > 4096 && watch(wrap((la + size - 1) & ~0xfff))))) checkData(la, size, write);
  return !fault;
}
@inline function wrap(la: u64): u64 { return load<u32>(MODE) & MODE_L ? la : la & 0xffffffff; }

/** Linear-memory offset of a byte that may be read, entering the fast TLB; 0: a device at devicePa, or a fault. */
let devicePa: u64 = 0;
function readable(la: u64): usize {
  const t = translate(la, READ, userNow());
  if (t == 0) return 0;
  const pa = load<u64>(t, 8) | (la & 0xfff), e = physEntry(pa);
  if (!(e & 3)) { devicePa = pa; return 0; }
  const page = <usize>(e & ~0xfff);
  const f = FRAME_FLAGS + frameOf(page);
  store<u8>(f, load<u8>(f) | <u8>FRAME_ACCESSED_VIEW);
  if (!implicit && !watch(la & ~0xfff)) enterFast(la, page, true, false);
  return page + <usize>(la & 0xfff);
}
/** The same for writing `size` bytes in one page; code that they hit is dropped only when `commit`. */
function writable(la: u64, size: u32): usize {
  const t = translate(la, WRITE, userNow());
  if (t == 0) return 0;
  const pa = load<u64>(t, 8) | (la & 0xfff), e = physEntry(pa);
  if ((e & 3) != KIND_RAM) { devicePa = pa; return 0; }
  const page = <usize>(e & ~0xfff), at = page + <usize>(la & 0xfff);
  const f = FRAME_FLAGS + frameOf(page);
  if (load<u8>(f) & <u8>FRAME_CODE) {
    if (holdsCode(at, size)) {
      if (!mayTouchDevice()) return 0;
      physWritten(at, size);
    } else storeBesideCode(page);
    markWritten(page);
  } else {
    markWritten(page);
    if (!implicit && !watch(la & ~0xfff)) enterFast(la, page, true, true);
  }
  return at;
}
export function rdSlow(la: u64, size: u32, rec: usize): u64 {
  if (!watchData(la, size, false) || !addressCheck(la, size, rec)) return 0;
  if ((la & 0xfff) + size > 4096) {
    const n = 4096 - <u32>(la & 0xfff);
    const low = rdSlow(la, n, rec);
    if (fault) return 0;
    const high = rdSlow(wrap(la + n), size - n, rec);
    return low | (high << (n * 8));
  }
  const at = readable(la);
  if (at == 0) {
    if (fault || !mayTouchDevice()) return 0;
    return deviceRead(devicePa, size);
  }
  return gather(at, size);
}
@inline function gather(at: usize, size: u32): u64 {
  if (size == 4) return load<u32>(at);
  if (size == 8) return load<u64>(at);
  if (size == 1) return load<u8>(at);
  if (size == 2) return load<u16>(at);
  let v: u64 = 0;
  for (let i: u32 = 0; i < size; i++) v |= <u64>load<u8>(at + i) << (i * 8);
  return v;
}
@inline function scatter(at: usize, size: u32, v: u64): void {
  if (size == 4) store<u32>(at, <u32>v);
  else if (size == 8) store<u64>(at, v);
  else if (size == 1) store<u8>(at, <u8>v);
  else if (size == 2) store<u16>(at, <u16>v);
  else for (let i: u32 = 0; i < size; i++) store<u8>(at + i, <u8>(v >> (i * 8)));
}
export function wrSlow(la: u64, size: u32, v: u64, rec: usize): void {
  if (!watchData(la, size, true) || !addressCheck(la, size, rec)) return;
  if ((la & 0xfff) + size > 4096) {
    const n = 4096 - <u32>(la & 0xfff), next = wrap(la + n);
    // Both pages are probed before either is written.
    const first = writable(la, n), firstDevice = devicePa;
    if (fault) return;
    const second = writable(next, size - n), secondDevice = devicePa;
    if (fault || ((!first || !second) && !mayTouchDevice())) return;
    if (first) scatter(first, n, v); else deviceWrite(firstDevice, n, v);
    const rest = v >> (n * 8);
    if (second) scatter(second, size - n, rest); else deviceWrite(secondDevice, size - n, rest);
    return;
  }
  const at = writable(la, size);
  if (at == 0) {
    if (fault || !mayTouchDevice()) return;
    deviceWrite(devicePa, size, v);
    return;
  }
  scatter(at, size, v);
}
let bounceRec: usize = 0;
export function rmwSlow(la: u64, size: u32, rec: usize): usize {
  if (!watchData(la, size, true) || !addressCheck(la, size, rec)) return 0;
  if ((la & 0xfff) + size <= 4096) {
    const at = writable(la, size);
    if (at || fault) return at;
    if (!mayTouchDevice()) return 0;
    const pa = devicePa;
    store<u64>(BOUNCE, deviceRead(pa, min<u32>(size, 8)));
    if (size == 16) store<u64>(BOUNCE, deviceRead(pa + 8, 8), 8);
  } else {
    const n = 4096 - <u32>(la & 0xfff), next = wrap(la + n);
    writable(la, n);
    if (fault) return 0;
    writable(next, size - n);
    if (fault) return 0;
    // The operand may be in a device on either side: reading it then needs a block of its own.
    if (size <= 8) store<u64>(BOUNCE, rdSlow(la, size, rec));
    else { store<u64>(BOUNCE, rdSlow(la, 8, rec)); store<u64>(BOUNCE, rdSlow(wrap(la + 8), 8, rec), 8); }
    if (fault) return 0;
  }
  store<u64>(BOUNCE_LA, la);
  store<u32>(BOUNCE_SIZE, size);
  bounceRec = rec;
  return BOUNCE;
}
export function writeBack(): void {
  const size = load<u32>(BOUNCE_SIZE), la = load<u64>(BOUNCE_LA);
  if (size <= 8) wrSlow(la, size, load<u64>(BOUNCE), bounceRec);
  else { wrSlow(la, 8, load<u64>(BOUNCE), bounceRec); wrSlow(wrap(la + 8), 8, load<u64>(BOUNCE, 8), bounceRec); }
}
export function rdPtrSlow(la: u64, size: u32, rec: usize): usize {
  if (!watchData(la, size, false) || !addressCheck(la, size, rec)) return 0;
  if ((la & 0xfff) + size <= 4096) {
    const at = readable(la);
    if (at || fault) return at;
  }
  for (let i: u32 = 0; i < size; ) {
    const n = min<u32>(8, size - i);
    store<u64>(XTEMP + i, rdSlow(wrap(la + i), n, rec));
    if (fault) return 0;
    i += n;
  }
  return XTEMP;
}
/** Would a store of `size` bytes be allowed? Sets fault when not; nothing is stored. */
export function writableSpan(la: u64, size: u32, rec: usize): void {
  if (!addressCheck(la, size, rec)) return;
  const n = 4096 - <u32>(la & 0xfff);
  writable(la, min<u32>(n, size));
  if (!fault && <u32>n < size) writable(wrap(la + n), size - n);
}
/** Store `size` bytes (8 to 512) from memory at `from`; all pages are probed first. */
export function wrFrom(la: u64, from: usize, size: u32, rec: usize): void {
  if (!addressCheck(la, size, rec)) return;
  for (let at = la & ~0xfff; at < la + size; at += 4096) {
    const start = max(at, la);
    writable(wrap(start), <u32>min<u64>(at + 4096 - start, la + size - start));
    if (fault) return;
  }
  for (let i: u32 = 0; i < size; ) {
    const n = min<u32>(8, size - i);
    wrSlow(wrap(la + i), n, gather(from + i, n), rec);
    if (fault) return;
    i += n;
  }
}
/** Store 16 bytes from memory at `from`. */
@inline export function wr128(la: u64, from: usize, rec: usize): void {
  if (missesSpan(la, 16, true)) wrFrom(la, from, 16, rec);
  else v128.store(hostOf(la), v128.load(from));
}
