// A processor whose memory operations are imported: the embedder translates every linear address, and every physical
// address is a device to it. A software emulator of instructions is such a processor; nothing is ever cached in it.
import { fault, pageFault, setFault, FAULT_FETCH, MAILBOX } from "../cpu/state";

/** @param how access (0 read, 1 write, 2 fetch) | user << 2 | implicit supervisor access << 3
 *  @returns the physical address, or -1 - error code of the page fault */
@external("env", "translate") declare function envTranslate(low: u32, high: u32, how: u32): f64;

/** Fixed for the life of the instance. */
export let imported: bool = false;
export function importMemory(): void { imported = true; }

/** Shaped like an entry of the TLB, with the physical page at +8. */
const ENTRY = memory.data(32, 8);

/** Bytes of the one operand in memory that the instruction in hand has: it is what MAILBOX holds or takes, wherever it lies. 0: memory is the
 *  embedder's. And accesses made to it; one of another size counts double. */
export let moving: u32 = 0;
export let moved: u32 = 0;
export function setMoving(size: u32): void { moving = size; moved = 0; }
@inline function meet(size: u32): void { moved += size == moving ? 1 : 2; }
export function movingLoad(size: u32): u64 { meet(size); return load<u64>(MAILBOX); }
export function movingStore(size: u32, value: u64): void { meet(size); store<u64>(MAILBOX, value); }

/** What walk() is elsewhere. A fetch ends the one instruction that was asked for. */
export function translateOutside(la: u64, access: u32, user: bool, implicit: bool): usize {
  if (fault) return 0;
  if (access == 2) { setFault(FAULT_FETCH); return 0; }
  if (moving) { store<u64>(ENTRY, 0, 8); return ENTRY; }
  const pa = envTranslate(<u32>la, <u32>(la >> 32), access | (<u32>user << 2) | (<u32>implicit << 3));
  if (pa < 0) { pageFault(la, <i32>(-1 - pa)); return 0; }
  store<u64>(ENTRY, <u64>pa & ~0xfff, 8);
  return ENTRY;
}
