// Physical memory: a map of 4 KiB pages, and the one door through which every write that is not the CPU's passes.
//
//   map entry   31                  12        1..0
//               | offset of the frame in |    | kind |    0 device or nothing, 1 RAM, 2 ROM, 3 RAM seen as device on write
//               | linear memory          |
import { PHYS_MAP, FRAME_FLAGS, CODE_PAGES, RAM, MAILBOX, A20, T_END, left, setLeft } from "../cpu/state";
import { invalidateCode } from "../cpu/blocks";
import { CLAIMED, claimedAccess } from "./stage2";
import { imported, moving, movingLoad, movingStore } from "./imported";

export const KIND_DEVICE: u32 = 0;
export const KIND_RAM: u32 = 1;
export const KIND_ROM: u32 = 2;

export const FRAME_CODE: u32 = 1; // decoded code lies on the frame
export const FRAME_DIRTY_VIEW: u32 = 2; // written since the observer last looked
export const FRAME_ACCESSED_VIEW: u32 = 4; // touched since the observer last looked
export const FRAME_HASH_STALE: u32 = 8; // written since its digest was taken
export const FRAME_DIRTY_USER: u32 = 16; // written since the user-space (migration) bitmap was last read
export const FRAME_DIRTY_REGION: u32 = 32; // written since a display last read its region
export const FRAME_WRITTEN: u32 = FRAME_DIRTY_REGION | FRAME_DIRTY_VIEW | FRAME_ACCESSED_VIEW | FRAME_HASH_STALE | FRAME_DIRTY_USER;

@external("env", "mmioRead") declare function envMmioRead(low: u32, high: u32, size: u32): void;
@external("env", "mmioWrite") declare function envMmioWrite(low: u32, high: u32, size: u32): void;

/** Instructions taken out of `left` so that the next block entry looks for interrupts. */
export let yanked: i32 = 0;
export function yank(): void { yanked += left; setLeft(0); }
export function unyank(): void { setLeft(left + yanked); yanked = 0; }
/** End the slice `cut` instructions earlier; only after yank(). */
export function shortenBy(cut: i32): void {
  const n = min(cut, yanked);
  yanked -= n;
  store<i64>(T_END, load<i64>(T_END) - <i64>n);
}
/** 1 while an instruction that counts is not yet counted in the clock (device access sees t before its own tick). */
export let inflight: i32 = 0;
export function setInflight(v: i32): void { inflight = v; }

/** Map entry of a physical address; 0 above 4 GiB. */
@inline export function physEntry(pa: u64): u32 {
  return pa >> 32 ? 0 : load<u32>(PHYS_MAP + (<usize>(pa >> 12) << 2));
}
@inline export function frameOf(offset: usize): usize { return (offset - RAM) >> 12; }

@inline export function a20(pa: u64): u64 { return load<u32>(A20) ? pa : pa & ~0x100000; }

/** Part of an operand that a page boundary has cut: the largest power of two that is aligned and fits. */
function part(pa: u64, rest: u32): u32 {
  let n: u32 = 4;
  while (n > rest || (pa & (n - 1))) n >>= 1;
  return n;
}
/** @param size any from 1 to 8; the device is asked for 1, 2, 4 or 8 bytes */
export function deviceRead(pa: u64, size: u32): u64 {
  if (pa >= CLAIMED) return claimedAccess(pa, size, 0, 0);
  if (size & (size - 1)) {
    const n = part(pa, size), low = deviceRead(pa, n);
    return low | (deviceRead(pa + n, size - n) << (n << 3));
  }
  if (moving) return movingLoad(size);
  inflight = 1;
  envMmioRead(<u32>pa, <u32>(pa >> 32), size);
  inflight = 0;
  yank();
  return load<u64>(MAILBOX);
}
export function deviceWrite(pa: u64, size: u32, value: u64): void {
  if (pa >= CLAIMED) { claimedAccess(pa, size, 1, value); yank(); return; }
  if (size & (size - 1)) {
    const n = part(pa, size);
    deviceWrite(pa, n, value & ((<u64>1 << (n << 3)) - 1));
    deviceWrite(pa + n, size - n, value >> (n << 3));
    return;
  }
  if (moving) { movingStore(size, value); return; }
  store<u64>(MAILBOX, value);
  inflight = 1;
  envMmioWrite(<u32>pa, <u32>(pa >> 32), size);
  inflight = 0;
  yank();
}
/** Mark a frame written by anything: the CPU's slow path, a device, KVM, a loader. */
@inline export function markWritten(offset: usize): void {
  const f = FRAME_FLAGS + frameOf(offset);
  store<u8>(f, load<u8>(f) | <u8>FRAME_WRITTEN);
}
/** Read a table entry or structure field; device memory reads as all ones. No page crossing. */
export function physRead64(pa: u64): u64 {
  const e = physEntry(pa);
  if (e & 3) return load<u64>(<usize>(e & ~0xfff) + <usize>(pa & 0xfff));
  return imported ? deviceRead(pa, 8) : ~0;
}
export function physRead32(pa: u64): u32 {
  const e = physEntry(pa);
  return e & 3 ? load<u32>(<usize>(e & ~0xfff) + <usize>(pa & 0xfff)) : ~0;
}
export function physRead8(pa: u64): u32 {
  const e = physEntry(pa);
  return e & 3 ? <u32>load<u8>(<usize>(e & ~0xfff) + <usize>(pa & 0xfff)) : 0xff;
}
@inline function target(pa: u64, size: u32): usize {
  const e = physEntry(pa);
  if ((e & 3) != KIND_RAM) return 0;
  const at = <usize>(e & ~0xfff) + <usize>(pa & 0xfff);
  physWritten(at, size);
  return at;
}
export function physWrite64(pa: u64, v: u64): void { const at = target(pa, 8); if (at) store<u64>(at, v); }
export function physWrite32(pa: u64, v: u32): void { const at = target(pa, 4); if (at) store<u32>(at, v); }
export function physWrite8(pa: u64, v: u32): void { const at = target(pa, 1); if (at) store<u8>(at, <u8>v); }
/** Bytes [at, at+size) of linear RAM are about to change, or have just changed: drop code decoded from them, mark the frames. */
export function physWritten(at: usize, size: u32): void {
  let page = at & ~0xfff;
  const end = at + size;
  for (; page < end; page += 4096) {
    const frame = frameOf(page), flags = <u32>load<u8>(FRAME_FLAGS + frame);
    if (flags & FRAME_CODE) invalidateCode(page, max(at, page), min(end, page + 4096));
    store<u8>(FRAME_FLAGS + frame, <u8>(flags & FRAME_CODE ? <u32>load<u8>(FRAME_FLAGS + frame) | FRAME_WRITTEN : flags | FRAME_WRITTEN));
  }
}
/** True when decoded code lies in [at, at+size) of one page. */
export function holdsCode(at: usize, size: u32): bool {
  const p = load<u32>(CODE_PAGES + (frameOf(at) << 2));
  if (p == 0) return false;
  const first = (at & 0xfff) >> 6, last = ((at & 0xfff) + size - 1) >> 6;
  const bits = load<u64>(p);
  for (let g = first; g <= min<usize>(last, 63); g++) if (bits & (<u64>1 << <u64>g)) return true;
  return false;
}
