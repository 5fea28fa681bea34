// Address-space identifiers ("TLB Control" in the APM): translations of a guest are tagged with a number that stands for its ASID.
import { CR0, CR3, CR4, EFER } from "../cpu/state";
import { setSpaceTag, globalTag } from "../cpu/control";
import { flushPage, switchSpace } from "../mmu/tlb";
import { SPACE, NEXT_SPACE, SPACE_TABLE, SPACES, HOST_STALE, HOST_KEY, inGuest } from "./state";

/** What cached translations depend on besides the tables. */
export function translationKey(): u64 {
  return (load<u64>(CR0) & 0x80010001) | ((load<u64>(CR4) & 0x3000b0) << 32) | ((load<u64>(EFER) & 0xd00) << 8);
}
/** Slot of an ASID; the oldest one when it has none, its number then 0. */
function slotOf(asid: u32): usize {
  let free = SPACE_TABLE;
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u32>(s, 4) && load<u32>(s) == asid) return s;
    if (load<u32>(s, 4) < load<u32>(free, 4)) free = s;
  }
  store<u32>(free, asid);
  store<u32>(free, 0, 4);
  return free;
}
function tagNow(n: u32, flush: bool): void {
  setSpaceTag(<u64>n << 12);
  switchSpace((<u64>n << 12) | (load<u64>(CR4) & 0x20000 ? load<u64>(CR3) & 0xfff : 0), globalTag(), flush);
}
/** VMRUN: CR0, CR3, CR4 and EFER are the guest's. @param tlbControl 0 nothing, 1 everything, 3 this ASID, 7 this ASID but global ones */
export function enterGuestSpace(asid: u32, tlbControl: u32): void {
  if (tlbControl == 1) forgetAll();
  const slot = slotOf(asid), key = translationKey();
  // A hypervisor may have changed CR0.WP, CR4.PGE.. of a guest whose translations are cached under the old rules.
  if (tlbControl & 3 || !load<u32>(slot, 4) || load<u64>(slot, 8) != key) {
    const n = load<u32>(NEXT_SPACE) + 1;
    store<u32>(NEXT_SPACE, n);
    store<u32>(slot, n, 4);
  }
  store<u64>(slot, key, 8);
  store<u32>(SPACE, load<u32>(slot, 4));
  tagNow(load<u32>(slot, 4), false);
}
/** #VMEXIT, the control registers still the guest's: remember what its translations depend on. */
export function leaveGuestSpace(): void {
  const n = load<u32>(SPACE), key = translationKey();
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u32>(s, 4) == n) store<u64>(s, key, 8);
  }
  store<u32>(SPACE, 0);
}
/** The host's control registers are back. */
export function enterHostSpace(): void {
  tagNow(0, load<u32>(HOST_STALE) != 0 || load<u64>(HOST_KEY) != translationKey());
  store<u32>(HOST_STALE, 0);
}
/** After the state was restored: take up the space in use. */
export function resumeSpace(): void { tagNow(load<u32>(SPACE), true); }
function forgetAll(): void {
  memory.fill(SPACE_TABLE, 0, <usize>SPACES << 4);
  store<u32>(HOST_STALE, 1);
}
/** INVLPGA. ASID 0 is the host. Another ASID than the current one loses all of its translations. */
export function forgetPage(la: u64, asid: u32): void {
  const guest = inGuest();
  if (asid == 0 && !guest) { flushPage(la); return; }
  if (asid == 0) { store<u32>(HOST_STALE, 1); return; }
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u32>(s) != asid) continue;
    if (guest && load<u32>(s, 4) == load<u32>(SPACE)) flushPage(la);
    else store<u32>(s, 0, 4);
  }
}
