// Extended page tables ("The Extended Page Table Mechanism" in the SDM) and the tags of cached translations (VPID).
//
//   entry   51..12 address   9 D  8 A  7 leaf  6 ignore PAT  5..3 memory type  2 X  1 W  0 R
import { FAULT_VMEXIT, N_WALK_REFS, fault, setFault } from "../cpu/state";
import { physRead64, physWrite64 } from "../mmu/phys";
import { physBits } from "../mmu/walk";
import { P_S2NR, P_S2W, P_S2X, flushAll } from "../mmu/tlb";
import { setStage2Result } from "../mmu/stage2";
import { secondStageFault } from "../cpu/intercept";
import * as F from "./fields";
import { apicAccess } from "./apic";
import { findMapping, forgetMappings, keepMapping, mappedPage, mappedRights } from "./ept-cache";
import {
  EPTP, PENDING_REASON, PENDING_QUALIFICATION, PENDING_GPA, PENDING_LINEAR, PROC2, S_PML, SPACE_TABLE, SPACES, NEXT_SPACE,
  r16, r64, w16,
} from "./state";

const ADDRESS: u64 = 0x000ffffffffff000;

/** Abandon the access in hand for a VM exit. */
export function record(reason: u32, qualification: u64, gpa: u64, la: u64): u64 {
  if (fault) return 0;
  store<u32>(PENDING_REASON, reason);
  store<u64>(PENDING_QUALIFICATION, qualification);
  store<u64>(PENDING_GPA, gpa);
  store<u64>(PENDING_LINEAR, la);
  secondStageFault();
  return 0;
}
/** Is a present entry malformed ("EPT Misconfigurations")? Level 4 is the root table. */
function misconfigured(e: u64, level: u32, leaf: bool): bool {
  if ((e & 3) == 2) return true; // writable but not readable
  if (e & ADDRESS & ~(((<u64>1) << physBits) - 1)) return true;
  if (!leaf) return (e & (level == 4 ? 0xf8 : 0x78)) != 0;
  const type = (e >> 3) & 7;
  if (type == 2 || type == 3 || type == 7) return true;
  return level > 1 && (e & (((<u64>1) << (3 + 9 * level)) - 1) & ADDRESS) != 0;
}
/** Qualification bits that do not depend on the tables. */
function accessBits(access: u32, final: bool, la: u64): u64 {
  let q: u64 = access;
  if (final) q |= 0x180;
  else if (la) q |= 0x80;
  return q;
}
/** What a TLB entry may allow: a write only where no dirty flag is to be set. */
@inline function allowedNow(perms: u64, dirty: bool): u32 {
  return (perms & 2 && dirty ? P_S2W : 0) | (perms & 4 ? P_S2X : 0) | (perms & 1 ? 0 : P_S2NR);
}
// Addresses and values of the entries of the walk in hand.
const AT = memory.data(64, 8);

/** Guest-physical to physical: the hook behind src/hw/mmu/stage2.ts. */
export function translateGuestPhysical(gpa: u64, access: u32, final: u32, la: u64): u64 {
  const eptp = load<u64>(EPTP);
  if (!eptp) {
    setStage2Result(P_S2W | P_S2X, false);
    return apicAccess(gpa, gpa, access, final != 0, la);
  }
  const ad = (eptp & 0x40) != 0;
  // With accessed and dirty flags the processor's own walk of guest tables counts as a write.
  const wanted: u32 = !final && ad ? access | 2 : access;
  if (gpa >> 48) return record(48, accessBits(wanted, final != 0, la), gpa, la);
  const cached = findMapping(gpa, eptp, <u64>wanted);
  if (cached) {
    const rights = mappedRights(cached);
    setStage2Result(allowedNow(rights, (rights & 8) != 0), false);
    return apicAccess(mappedPage(cached) | (gpa & 0xfff), gpa, access, final != 0, la);
  }
  let table = eptp & ADDRESS, perms: u64 = 7, pa: u64 = 0, depth = 0, dirty = true;
  for (let level: u32 = 4; ; level--) {
    const shift = <u64>(3 + 9 * level), at = table + ((gpa >> shift) & 511) * 8;
    const e = physRead64(at);
    store<u64>(N_WALK_REFS, load<u64>(N_WALK_REFS) + 1);
    if (!(e & 7)) return record(48, accessBits(wanted, final != 0, la), gpa, la);
    const leaf = level == 1 || (level < 4 && (e & 0x80) != 0);
    if (misconfigured(e, level, leaf)) return record(49, 0, gpa, la);
    perms &= e;
    store<u64>(AT + (depth << 4), at);
    store<u64>(AT + (depth << 4), e, 8);
    depth++;
    if (leaf) {
      const size = (<u64>1) << shift;
      pa = (e & ADDRESS & ~(size - 1)) | (gpa & (size - 1));
      dirty = (e & 0x200) != 0;
      break;
    }
    table = e & ADDRESS;
  }
  if ((<u64>wanted & perms) != <u64>wanted) {
    return record(48, accessBits(wanted, final != 0, la) | (perms << 3), gpa, la);
  }
  if (ad) {
    const logs = (load<u32>(PROC2) & S_PML) != 0;
    for (let i = 0; i < depth; i++) {
      const e = load<u64>(AT + (i << 4), 8);
      const bits: u64 = i == depth - 1 && wanted & 2 ? 0x300 : 0x100;
      if ((e & bits) == bits) continue;
      // The log must have room before any flag is set; nothing has been set when it has none.
      if (logs && r16(F.PML_INDEX) > 511) return record(62, 0, gpa, la);
      physWrite64(load<u64>(AT + (i << 4)), e | bits);
    }
    if (wanted & 2) {
      if (logs && !dirty) logPage(gpa);
      dirty = true;
    }
  } else dirty = true;
  keepMapping(gpa, eptp, pa, perms, dirty, <u32>depth);
  // Cached translations are of 4 KiB whatever the EPT page: INVLPG needs to drop one, INVEPT drops them all.
  setStage2Result(allowedNow(perms, dirty), false);
  return apicAccess(pa, gpa, access, final != 0, la);
}
/** A dirty flag has gone from 0 to 1 ("Page-Modification Logging"): the page's address goes into the log, which fills downwards. */
function logPage(gpa: u64): void {
  const index = r16(F.PML_INDEX);
  physWrite64(r64(F.PML_ADDRESS) + (<u64>index << 3), gpa & ~0xfff);
  w16(F.PML_INDEX, index - 1);
}
/** What translating a guest-physical address would give, without exits, accessed bits or counters; ~0 when it faults.
 *  For the processor's own use of guest memory outside an instruction. */
export function probeGuestPhysical(gpa: u64): u64 {
  if (!load<u64>(EPTP)) return gpa;
  const pa = translateGuestPhysical(gpa, 1, 0, 0);
  if (!fault) return pa;
  setFault(0);
  return ~0;
}
/** Has a fault of the second stage been recorded? */
export function secondStagePending(): bool { return fault == FAULT_VMEXIT; }

/** Number of the address space (EPTP, VPID), above the PCID in the tags of the TLB; a fresh one when unknown. */
export function spaceNumber(eptp: u64, vpid: u32): u32 {
  const root = eptp & ~0xfff;
  let free = SPACE_TABLE;
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u32>(s, 12) && load<u64>(s) == root && load<u32>(s, 8) == vpid) return load<u32>(s, 12);
    if (load<u32>(s, 12) < load<u32>(free, 12)) free = s; // the oldest number, 0 when the slot is empty
  }
  const n = load<u32>(NEXT_SPACE) + 1;
  store<u32>(NEXT_SPACE, n);
  store<u64>(free, root);
  store<u32>(free, vpid, 8);
  store<u32>(free, n, 12);
  return n;
}
/** A number that nothing has been cached under. */
export function freshSpace(): u32 {
  const n = load<u32>(NEXT_SPACE) + 1;
  store<u32>(NEXT_SPACE, n);
  return n;
}
/** INVEPT: forget the spaces of one EPTP, or of all. */
export function forgetEpt(eptp: u64, all: bool): void {
  forgetMappings();
  if (all) { flushAll(); memory.fill(SPACE_TABLE, 0, <usize>SPACES << 4); return; }
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (load<u64>(s) == (eptp & ~0xfff)) store<u32>(s, 0, 12);
  }
}
/** INVVPID: forget the spaces of one VPID, or of all but 0. */
export function forgetVpid(vpid: u32, all: bool): void {
  for (let i: u32 = 0; i < SPACES; i++) {
    const s = SPACE_TABLE + (i << 4);
    if (all || load<u32>(s, 8) == vpid) store<u32>(s, 0, 12);
  }
}
