// The decode cache: blocks of records keyed by physical address and mode, so they survive CR3 and VM switches.
//
//   block  +0 n instructions (DEAD when dropped)  +4 physical address  +8 mode  +12 next of page  +16 next in hash
//          +20 bytes covered   +24 case of the first record while CASE_COUNT or CASE_REGION stands in for it, else 0 (u16)
//          +26 entry in its region (u16)   +28 region, 0 for none (u16)   +30 runs until it is hot, and SHARED (u16)
//          +32 records, then a NEXT record
//   code page (16 bytes)  +0 bitmap of 64-byte granules that hold decoded code  +8 first block
import {
  ARENA, ARENA_END, BLOCK_HASH, CODE_PAGES, FRAME_FLAGS, N_DECODED, RAM, JIT_THRESHOLD, JIT_REGIONS, JIT_QUEUED, JIT_FLUSHES,
} from "./state";
import { decode, endsBlock, sideExit } from "./decode";
import { CASE_NEXT, CASE_COUNT } from "./generated/tables";
import { FRAME_CODE, frameOf } from "../mmu/phys";
import { flushJumps, forbidFastWrites } from "../mmu/tlb";

/** Regions that hold a copy of this block are dead. */
@external("env", "copyDropped") declare function envCopyDropped(b: usize): void;

export const MAX_RECORDS: u32 = 64;
export const DEAD: i32 = 0x7fffffff;
/** In the count of runs: regions hold copies of the block besides the one that it belongs to. */
export const SHARED: u16 = 0x8000;
const HASH_MASK: u32 = 0xffff;
const MAX_BLOCK: usize = 32 + (64 + 1) * 16;

let top: usize = ARENA;

@inline function hashOf(pa: u32, mode: u32): usize { return BLOCK_HASH + (<usize>((pa ^ (pa >> 16) ^ (mode << 12)) & HASH_MASK) << 2); }

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
  notePage(page, b, offset, at);
  if (load<u32>(JIT_THRESHOLD)) count(b);
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
function notePage(page: usize, b: usize, from: u32, to: u32): void {
  const frame = frameOf(page), slot = CODE_PAGES + (frame << 2);
  let p: usize = load<u32>(slot);
  if (p == 0) {
    top = (top + 15) & ~15;
    p = top;
    top += 16;
    store<u64>(p, 0);
    store<u32>(p, 0, 8);
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
}
/** Bytes [from, to) of linear memory, in the frame at `page`, change: drop the blocks that cover any of them. */
export function invalidateCode(page: usize, from: usize, to: usize): void {
  const frame = frameOf(page), slot = CODE_PAGES + (frame << 2), p: usize = load<u32>(slot);
  if (p == 0) return;
  let b: usize = load<u32>(p, 8), keep: usize = 0, bits: u64 = 0;
  const first = <u32>(from - page), last = <u32>(to - page);
  while (b) {
    const following: usize = load<u32>(b, 12);
    const start = load<u32>(b, 4) & 0xfff, end = start + load<u32>(b, 20);
    if (start < last && end > first) drop(b);
    else {
      store<u32>(b, <u32>keep, 12);
      keep = b;
      for (let g = start >> 6; g <= (end - 1) >> 6; g++) bits |= (<u64>1) << <u64>g;
    }
    b = following;
  }
  store<u64>(p, bits);
  store<u32>(p, <u32>keep, 8);
  if (keep == 0) store<u8>(FRAME_FLAGS + frame, load<u8>(FRAME_FLAGS + frame) & <u8>~FRAME_CODE);
}
function drop(b: usize): void {
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
  if (load<u16>(b, 30) & SHARED) envCopyDropped(b);
  store<u16>(b, 0, 28);
}
