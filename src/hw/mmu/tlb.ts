// Two levels of translation cache.
//
// The fast TLB (2,048 entries of 32 bytes, direct-mapped) answers loads and stores inline:
//   +0 read tag   linear page | context, 12 bits        +16 addend: linear address + addend = offset in memory
//   +8 write tag  the same, only if the page is dirty, marked written and free of decoded code
//   context = address-space id << 2 | access mode (0 supervisor, 1 supervisor with SMAP in force, 2 user,
//   3 user with alignment checks: no fast entries, the slow path looks at every address)
// The last byte of the operand is compared, so one compare finds a miss, a page crossing and a changed context.
//
// The TLB proper (4,096 entries of 32 bytes) is the architectural one: what INVLPG and MOV CR3 act on, what tlb_misses counts.
//   +0 linear page | id   +8 physical page   +16 permissions (P_*)
import { FAST_TLB, TLB, JUMP_CACHE, JUMP_MASK, N_FLUSH, CPL, EFLAGS, CR0, CR4, SEG_ATTR, CS } from "../cpu/state";
import { AC } from "../cpu/flags";

export const FAST_ENTRIES: usize = 2048;
export const TLB_ENTRIES: usize = 4096;

export const P_W: u32 = 1; // writable at every level
export const P_U: u32 = 2; // user at every level
export const P_X: u32 = 4; // no NX at any level
export const P_D: u32 = 8; // dirty bit is set (or there is none): a write needs no walk
export const P_G: u32 = 16;
export const P_LARGE: u32 = 32; // part of a page of 2 or 4 MiB, or of 1 GiB with P_HUGE
export const P_HUGE: u32 = 512;
export const P_S2W: u32 = 64; // second stage (EPT, NPT) allows writes
export const P_S2X: u32 = 128;
export const P_S2NR: u32 = 256; // second stage forbids reads (execute-only pages of EPT)

// Several CPUs (cpu/processors.ts) share both, as hardware threads of one core may: each has ids of its own. Where an entry of
// the TLB lies depends on the CPU, too, for kernels map the same pages everywhere.

/** The id of the current address space and of its global entries (1..1022). */
export let id: u32 = 1;
export let globalId: u32 = 2;
let nextId: u32 = 3;
/** What the tags carry: id << 2 | access mode. */
export let context: u64 = 4;
/** Which 4 MiB regions hold parts of large pages, a Bloom filter of 4,096 bits: INVLPG of any part must drop all parts. */
const LARGE_REGIONS = memory.data(512, 8);
/** 1 when a page of 1 GiB has been entered: its parts lie in many regions. */
let huge: u32 = 0;

// A MOV to CR3 drops what is not global. The entries that the current id has made are noted, so that these alone are dropped and
// the id stays: with it the kernel's pages stay in the fast TLB and in the jump cache. An id that was left for another one, or
// has made more than there is room for, gets a successor instead.
const NOTED_PAGES: u32 = 1024;
const NOTED_JUMPS: u32 = 2048;
const PAGES = memory.data(1024 * 4, 8);
const JUMPS = memory.data(2048 * 4, 8);
/** The id all of whose entries are noted; 0 for none. */
let noted: u32 = 0;
let pages: u32 = 0;
let jumps: u32 = 0;

@inline function noteFrom(fresh: u32): void { noted = fresh; pages = 0; jumps = 0; }
@inline function notePage(la: u64): void {
  if (noted != id) return;
  if (pages == NOTED_PAGES) { noted = 0; return; }
  store<u32>(PAGES + (pages++ << 2), <u32>(la >> 12));
}
function dropNoted(): void {
  for (let i: u32 = 0; i < pages; i++) {
    const la = <u64>load<u32>(PAGES + (i << 2)) << 12, f = FAST_TLB + (<usize>(la >> 7) & 0xffe0), t = place(la);
    store<u64>(f, ~0);
    store<u64>(f, ~0, 8);
    if ((load<u32>(t) & 0xfff) == id) store<u64>(t, ~0);
  }
  for (let i: u32 = 0; i < jumps; i++) store<u64>(load<u32>(JUMPS + (i << 2)), ~0);
  noteFrom(id);
}

function clearAll(): void {
  memory.fill(FAST_TLB, 0xff, FAST_ENTRIES * 32);
  memory.fill(TLB, 0xff, TLB_ENTRIES * 32);
  flushJumps();
  memory.fill(SPACES, 0, 256 * 16);
  memory.fill(LARGE_REGIONS, 0, 512);
  huge = 0;
  noted = 0;
  nextId = 1;
  epoch++;
}
/** A fresh id: everything tagged with the old one is gone. */
function freshId(): u32 {
  if (nextId >= 1022) { clearAll(); id = nextId++; globalId = nextId++; }
  return nextId++;
}
/** Address spaces by (VPID, EPTP generation, PCID): 256 slots {tag u64, id u32, global id u32}. */
const SPACES = memory.data(256 * 16, 16);

let currentTag: u64 = 0;
let currentGlobalTag: u64 = ~0;
/** How often everything was dropped: ids of CPUs that were not selected then are void. */
let epoch: u32 = 0;
/** The CPU in the tags of its address spaces, bits 56 to 58, and in the places of its TLB entries. */
let cpuTag: u64 = 0;
let spread: usize = 0;
@inline function slotOf(tag: u64): usize { return SPACES + (<usize>((tag ^ (tag >> 12) ^ (tag >> 24) ^ (tag >> 51)) & 255) << 4); }
@inline function globalSlotOf(tag: u64): usize { return slotOf(tag ^ 0x80); }
@inline function place(la: u64): usize { return TLB + ((<usize>(la >> 7) & 0x1ffe0) ^ spread); }
/** A flush has given the current space a new id: coming back to its tag must not find the old one. */
function renewSlot(slot: usize, tag: u64, now: u32): void {
  if (load<u64>(slot) == tag + 1) store<u32>(slot, now, 8);
}

/** Drop the fast entries only: observation marks or permission rules have changed. */
export function flushFast(): void { memory.fill(FAST_TLB, 0xff, FAST_ENTRIES * 32); }
/** Which pages have entries in the jump cache, a Bloom filter of 4,096 bits. */
const JUMP_PAGES = memory.data(512, 8);
export function flushJumps(): void {
  memory.fill(JUMP_CACHE, 0xff, (<usize>JUMP_MASK + 1) << 4);
  memory.fill(JUMP_PAGES, 0, 512);
}
/** @param at entry of the jump cache that was made for an address
 *  @param everywhere the page is global */
export function noteJump(la: u64, at: usize, everywhere: bool): void {
  if (!everywhere && noted == id) {
    if (jumps == NOTED_JUMPS) noted = 0;
    else store<u32>(JUMPS + (jumps++ << 2), <u32>at);
  }
  const b = <usize>(la >> 12) & 4095;
  store<u8>(JUMP_PAGES + (b >> 3), load<u8>(JUMP_PAGES + (b >> 3)) | <u8>((<u32>1) << (<u32>b & 7)));
}
/** Take the access mode from CPL, CR4.SMAP and EFLAGS.AC into the context. */
export function updateContext(): void {
  const ac = load<u32>(EFLAGS) & AC;
  const mode: u32 = load<u32>(CPL) == 3 ? (ac && (load<u32>(CR0) & 0x40000) ? 3 : 2) : (load<u32>(CR4) & (1 << 21)) && !ac ? 1 : 0;
  context = <u64>((id << 2) | mode);
}
/** Flush the current address space; its global entries too when `all`. */
export function flushSpace(all: bool): void {
  store<u64>(N_FLUSH, load<u64>(N_FLUSH) + 1);
  if (!all && noted == id) { dropNoted(); return; }
  id = freshId();
  noteFrom(id);
  renewSlot(slotOf(currentTag), currentTag, id);
  if (all) {
    globalId = freshId();
    if (currentGlobalTag != ~0) renewSlot(globalSlotOf(currentGlobalTag), currentGlobalTag, globalId);
  }
  updateContext();
}
/** Everything, every tag. */
export function flushAll(): void {
  clearAll();
  id = nextId++;
  globalId = nextId++;
  updateContext();
}
/** Switch to the address space of `tag` (PCID, VPID, EPTP), keeping what it had; a fresh one when `flush` or unknown. */
export function switchSpace(tag: u64, globalTag: u64, flush: bool): void {
  tag |= cpuTag;
  if (globalTag != ~0) globalTag |= cpuTag;
  const slot = slotOf(tag);
  currentTag = tag;
  if (load<u64>(slot) == tag + 1 && !flush) id = load<u32>(slot, 8);
  else { id = freshId(); noteFrom(id); store<u64>(slot, tag + 1); store<u32>(slot, id, 8); }
  if (globalTag != ~0) {
    const g = globalSlotOf(globalTag);
    currentGlobalTag = globalTag;
    if (load<u64>(g) == globalTag + 1) globalId = load<u32>(g, 8);
    else { globalId = freshId(); store<u64>(g, globalTag + 1); store<u32>(g, globalId, 8); }
  }
  updateContext();
}
/** Drop the translations of one page in the current address space. */
export function flushPage(la: u64): void {
  const region = <usize>(la >> 22) & 4095;
  if (huge || (load<u8>(LARGE_REGIONS + (region >> 3)) & <u8>((<u32>1) << (<u32>region & 7)))) { flushSpace(true); return; }
  const f = FAST_TLB + (<usize>(la >> 7) & 0xffe0);
  store<u64>(f, ~0); store<u64>(f, ~0, 8);
  const t = place(la), k = load<u64>(t);
  if (k >> 12 == la >> 12) store<u64>(t, ~0);
  const b = <usize>(la >> 12) & 4095;
  if (load<u8>(JUMP_PAGES + (b >> 3)) & <u8>((<u32>1) << (<u32>b & 7))) flushJumps();
}
/** Find the entry of a page, 0 when absent. */
@inline export function findEntry(la: u64): usize {
  const t = place(la), k = load<u64>(t), page = la & ~0xfff;
  return k == (page | <u64>id) || k == (page | <u64>globalId) ? t : 0;
}
export function enterEntry(la: u64, pa: u64, perms: u32): usize {
  const t = place(la);
  store<u64>(t, (la & ~0xfff) | <u64>(perms & P_G ? globalId : id));
  store<u64>(t, pa & ~0xfff, 8);
  store<u32>(t, perms, 16);
  if (!(perms & P_G)) notePage(la);
  if (perms & P_LARGE) {
    const region = <usize>(la >> 22) & 4095;
    store<u8>(LARGE_REGIONS + (region >> 3), load<u8>(LARGE_REGIONS + (region >> 3)) | <u8>((<u32>1) << (<u32>region & 7)));
    if (perms & P_HUGE) huge = 1;
  }
  return t;
}
/** Enter a page in the fast TLB. `offset` is where the page starts in linear memory. */
export function enterFast(la: u64, offset: usize, read: bool, write: bool): void {
  if ((context & 3) == 3) return;
  const f = FAST_TLB + (<usize>(la >> 7) & 0xffe0), tag = (la & ~0xfff) | context;
  const addend = <u32>offset - (<u32>la & ~0xfff);
  if (load<u32>(f, 16) != addend) { store<u64>(f, ~0); store<u64>(f, ~0, 8); }
  // The two tags may belong to different contexts of one page only if both contexts may use them.
  if (read) store<u64>(f, tag);
  else if (load<u64>(f) != tag) store<u64>(f, ~0);
  if (write) store<u64>(f, tag, 8);
  else if (load<u64>(f, 8) != tag) store<u64>(f, ~0, 8);
  store<u32>(f, addend, 16);
}
/** A frame has become code: no fast entry may write to it any more. */
export function forbidFastWrites(offset: usize): void {
  for (let f = FAST_TLB; f < FAST_TLB + FAST_ENTRIES * 32; f += 32) {
    const tag = load<u64>(f, 8);
    if (tag != ~0 && ((<u32>(tag & ~0xfff) + load<u32>(f, 16)) & ~0xfff) == <u32>offset) store<u64>(f, ~0, 8);
  }
}

/** What a CPU that is not selected keeps of its address spaces, 40 bytes. */
export function storeSpaces(at: usize): void {
  store<u32>(at, id);
  store<u32>(at, globalId, 4);
  store<u64>(at, context, 8);
  store<u64>(at, currentTag, 16);
  store<u64>(at, currentGlobalTag, 24);
  store<u32>(at, epoch, 32);
}
export function loadSpaces(at: usize, cpu: u32): void {
  cpuTag = <u64>cpu << 56;
  spread = <usize>cpu << 14;
  currentTag = load<u64>(at, 16);
  currentGlobalTag = load<u64>(at, 24);
  id = load<u32>(at);
  globalId = load<u32>(at, 4);
  context = load<u64>(at, 8);
  if (load<u32>(at, 32) == epoch) return;
  id = freshId();
  globalId = freshId();
  updateContext();
}
/** A CPU that is selected for the first time. */
export function firstSpaces(cpu: u32): void {
  cpuTag = <u64>cpu << 56;
  spread = <usize>cpu << 14;
  currentTag = cpuTag;
  currentGlobalTag = ~0;
  id = freshId();
  globalId = freshId();
  updateContext();
}
