// The decode cache: blocks of records keyed by physical address and mode, so they survive CR3 and VM switches.
//
//   block  +0 n instructions (DEAD when dropped)  +4 physical address  +8 mode  +12 next of page  +16 next in hash
//          +20 bytes covered   +24 case of the first record while CASE_COUNT or CASE_REGION stands in for it, else 0 (u16)
//          +26 entry in its region (u16)   +28 region, 0 for none (u16)   +30 runs until it is hot, SHARED and RESTLESS (u16)
//          +32 records, then a NEXT record
//   code page (32 bytes)  +0 bitmap of 64-byte granules that hold decoded code  +8 first block
//          +12 stores beside its code (u16)   +14 how often it was cleared for them (u8)   +15 translated code lost (u8)   +16 clock then
//
// A store to a code page misses the fast TLB and looks at the bitmap. Where data lies beside code that runs no more (a page that
// was given to something else), that would never end: after DATA_STORES such stores the page is cleared, and is an ordinary page
// until code on it runs again; each time it takes twice as many. Where translated code is rewritten again and again, the page's
// blocks become RESTLESS, for good unless it holds still for QUIET instructions: the interpreter runs them, and no region has them.
import {
  ARENA, ARENA_END, BLOCK_HASH, CODE_PAGES, FRAME_FLAGS, N_DECODED, N_CLEARED, RAM, JIT_THRESHOLD, JIT_REGIONS, JIT_QUEUED, JIT_CHANGED, JIT_FLUSHES, block,
} from "./state";
import { decode, endsBlock, sideExit } from "./decode";
import { CASE_NEXT, CASE_COUNT } from "./generated/tables";
import { FRAME_CODE, frameOf, physEntry } from "../mmu/phys";
import { clockNow } from "./flow";
import { flushJumps, forbidFastWrites } from "../mmu/tlb";

/** Regions that hold a copy of this block are dead. */
@external("env", "copyDropped") declare function envCopyDropped(b: usize): void;

export const MAX_RECORDS: u32 = 64;
export const DEAD: i32 = 0x7fffffff;
/** In the count of runs: regions hold copies of the block besides the one that it belongs to. */
export const SHARED: u16 = 0x8000;
/** In the count of runs: the block's page is rewritten too often for translated code. */
export const RESTLESS: u16 = 0x4000;
const DATA_STORES: u32 = 512;
const MAX_CLEARED: u32 = 6;
const LOST: u32 = 8;
const QUIET: i64 = 1000000000;
const HASH_MASK: u32 = 0xffff;
const MAX_BLOCK: usize = 32 + (64 + 1) * 16;

let top: usize = ARENA;

/** Eight bytes of code to a slot: what lies together in a page of code shares lines of the cache here, too. */
@inline function hashOf(pa: u32, mode: u32): usize { return BLOCK_HASH + (<usize>(((pa >> 3) ^ (pa >> 19) ^ (mode << 12)) & HASH_MASK) << 2); }

/** Drop everything decoded: CPUID changed, the arena is full, RAM was replaced. */
export function flushCode(): void {
  top = ARENA;
  memory.fill(BLOCK_HASH, 0, 0x40000);
  const pages = <usize>memory.size(), frames = pages > RAM >> 16 ? (pages - (RAM >> 16)) << 4 : 0;
  for (let f: usize = 0; f < frames; f++) {
    if (load<u32>(CODE_PAGES + (f << 2))) {
      store<u32>(CODE_PAGES + (f << 2), 0);
      store<u8>(FRAME_FLAGS + f, load<u8>(FRAME_FLAGS + f) & <u8>~FRAME_CODE);
    }
  }
  if (load<u32>(JIT_THRESHOLD)) {
    memory.fill(JIT_REGIONS, 0, 0x40000);
    store<u32>(JIT_QUEUED, 0);
    store<u32>(JIT_CHANGED, 0);
    store<u32>(JIT_FLUSHES, load<u32>(JIT_FLUSHES) + 1);
  }
  flushJumps();
}
export function arenaUsed(): u32 { return <u32>(top - ARENA); }

export function findBlock(pa: u32, mode: u32): usize {
  let b: usize = load<u32>(hashOf(pa, mode));
  while (b) {
    if (load<u32>(b, 4) == pa && load<u32>(b, 8) == mode) return b;
    b = load<u32>(b, 16);
  }
  return 0;
}
/** Decode from `offset` of the frame at `page` (linear memory) whose physical address is `framePa`.
 *  0 when the first instruction runs over the end of the page. */
export function makeBlock(framePa: u32, page: usize, offset: u32, mode: u32): usize {
  if (top + MAX_BLOCK + 64 > ARENA_END) flushCode();
  const b = top;
  let n: u32 = 0, at = offset, out = b + 32, ended = false;
  while (n < MAX_RECORDS && at < 4096) {
    const length = decode(page + at, 4096 - at, out, at, mode);
    if (length == 0) break;
    n++;
    at += length;
    out += 16;
    if (endsBlock) { ended = true; break; }
  }
  if (n == 0) return 0;
  store<u64>(N_DECODED, load<u64>(N_DECODED) + n);
  finish(b, n, at);
  store<u32>(b, framePa + offset, 4);
  store<u32>(b, mode, 8);
  store<u32>(b, at - offset, 20);
  store<u64>(b, 0, 24);
  top = out + 16;
  const h = hashOf(framePa + offset, mode);
  store<u32>(b, load<u32>(h), 16);
  store<u32>(h, <u32>b);
  const p = notePage(page, b, offset, at);
  if (load<u32>(JIT_THRESHOLD)) {
    if (<u32>load<u8>(p, 15) < LOST || clockNow() - load<i64>(p, 16) > QUIET) count(b);
    else store<u16>(b, RESTLESS, 30);
  }
  return b;
}
/** From here on the runs of a block are counted: CASE_COUNT stands in for its first case. */
export function count(b: usize): void {
  if (!load<u16>(b, 24)) store<u16>(b, load<u16>(b, 32), 24);
  store<u16>(b, CASE_COUNT, 32);
  store<u16>(b, 0, 28);
  store<u16>(b, (load<u16>(b, 30) & SHARED) | <u16>load<u32>(JIT_THRESHOLD), 30);
}
/** The first record of a block, or of a copy of it, is the decoded one again. */
export function uncount(b: usize): void {
  const op = load<u16>(b, 24);
  if (op) store<u16>(b, op, 32);
}
/** Close a block of n records: the NEXT record, and what each side exit gives back. */
export function finish(b: usize, n: u32, nextOffset: u32): void {
  store<u32>(b, n);
  for (let i: u32 = 0; i < n; i++) {
    const rec = b + 32 + (i << 4);
    if (sideExit(rec)) store<u8>(rec, <u8>(n - 1 - i), 4);
  }
  const end = b + 32 + (n << 4);
  store<u64>(end, <u64>CASE_NEXT);
  store<u32>(end, 0, 8);
  store<u32>(end, nextOffset, 12);
}
function notePage(page: usize, b: usize, from: u32, to: u32): usize {
  const frame = frameOf(page), slot = CODE_PAGES + (frame << 2);
  let p: usize = load<u32>(slot);
  if (p == 0) {
    top = (top + 15) & ~15;
    p = top;
    top += 32;
    store<u64>(p, 0);
    store<u64>(p, 0, 8);
    store<u64>(p, 0, 16);
    store<u32>(slot, <u32>p);
  }
  let bits = load<u64>(p);
  for (let g = from >> 6; g <= (to - 1) >> 6; g++) bits |= (<u64>1) << <u64>g;
  store<u64>(p, bits);
  store<u32>(b, load<u32>(p, 8), 12);
  store<u32>(p, <u32>b, 8);
  const flags = FRAME_FLAGS + frame;
  if (!(load<u8>(flags) & <u8>FRAME_CODE)) {
    store<u8>(flags, load<u8>(flags) | <u8>FRAME_CODE);
    forbidFastWrites(page);
  }
  return p;
}
/** Translated code has called the interpreter: it may go on with blocks of any page. */
let lent: bool = false;
export function lend(v: bool): void { lent = v; }
/** A store has hit a code page, but none of its code. The page of the block in hand is not cleared. */
export function storeBesideCode(page: usize): void {
  const p: usize = load<u32>(CODE_PAGES + (frameOf(page) << 2)), n = <u32>load<u16>(p, 12) + 1, cleared = <u32>load<u8>(p, 14);
  if (cleared == MAX_CLEARED) return;
  if (n < DATA_STORES << cleared) { store<u16>(p, <u16>n, 12); return; }
  if (lent || <usize>(physEntry(<u64>load<u32>(block, 4)) & ~0xfff) == page) return;
  store<u16>(p, 0, 12);
  store<u8>(p, <u8>(cleared + 1), 14);
  store<u64>(N_CLEARED, load<u64>(N_CLEARED) + 1);
  invalidateCode(page, page, page + 4096);
}
/** Bytes [from, to) of linear memory, in the frame at `page`, change: drop the blocks that cover any of them. */
export function invalidateCode(page: usize, from: usize, to: usize): void {
  const frame = frameOf(page), slot = CODE_PAGES + (frame << 2), p: usize = load<u32>(slot);
  if (p == 0) return;
  let b: usize = load<u32>(p, 8), keep: usize = 0, bits: u64 = 0;
  const first = <u32>(from - page), last = <u32>(to - page);
  let lost = false;
  while (b) {
    const following: usize = load<u32>(b, 12);
    const start = load<u32>(b, 4) & 0xfff, end = start + load<u32>(b, 20);
    if (start < last && end > first) lost = drop(b) || lost;
    else {
      store<u32>(b, <u32>keep, 12);
      keep = b;
      for (let g = start >> 6; g <= (end - 1) >> 6; g++) bits |= (<u64>1) << <u64>g;
    }
    b = following;
  }
  store<u64>(p, bits);
  store<u32>(p, <u32>keep, 8);
  if (lost) {
    const now = clockNow(), before = now - load<i64>(p, 16) > QUIET ? 0 : <u32>load<u8>(p, 15);
    store<u8>(p, <u8>min<u32>(before + 1, LOST), 15);
    store<i64>(p, now, 16);
  }
  if (keep == 0) store<u8>(FRAME_FLAGS + frame, load<u8>(FRAME_FLAGS + frame) & <u8>~FRAME_CODE);
}
/** Returns whether there was translated code of it. */
function drop(b: usize): bool {
  const h = hashOf(load<u32>(b, 4), load<u32>(b, 8));
  let p = h, q: usize = load<u32>(h);
  while (q) {
    if (q == b) { store<u32>(p, load<u32>(b, 16)); break; }
    p = q + 16;
    q = load<u32>(q, 16);
  }
  store<i32>(b, DEAD);
  // A region is dead with any of its blocks.
  const region = <u32>load<u16>(b, 28);
  if (region) store<u32>(JIT_REGIONS + (region << 2), 0);
  const shared = (load<u16>(b, 30) & SHARED) != 0;
  if (shared) envCopyDropped(b);
  store<u16>(b, 0, 28);
  return region != 0 || shared;
}
