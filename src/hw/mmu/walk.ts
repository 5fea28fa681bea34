// Page walks ("Paging" in the SDM, volume 3): 2-level, PAE and 4-level, permissions, accessed and dirty bits.
import {
  CR0, CR3, CR4, EFER, CPL, EFLAGS, PMODE, LONG, PDPTE, N_TLB_MISS, N_WALK_REFS,
  fault, pageFault,
} from "../cpu/state";
import { AC } from "../cpu/flags";
import { physRead32, physRead64, physWrite32, physWrite64, a20 } from "./phys";
import { findEntry, enterEntry, P_D, P_G, P_HUGE, P_LARGE, P_S2NR, P_S2W, P_S2X, P_U, P_W, P_X } from "./tlb";
import { stage2, s2Perms, s2Large } from "./stage2";
import { imported, translateOutside } from "./imported";

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const FETCH: u32 = 2;

const E_P: u64 = 1;
const E_W: u64 = 2;
const E_U: u64 = 4;
const E_A: u64 = 0x20;
const E_D: u64 = 0x40;
const E_PS: u64 = 0x80;
const E_G: u64 = 0x100;
const E_NX: u64 = 0x8000000000000000;
const ADDRESS: u64 = 0x000ffffffffff000;

/** Physical address bits offered by CPUID (leaf 80000008h); above them lie reserved bits. */
export let physBits: u64 = 40;
export function setPhysBits(n: u32): void { physBits = n; }

const PDPTE_RESERVED: u64 = 0x1e6;
/** Are PAE directory-pointer entries read by every walk, as under AMD's nested paging, and not kept in registers? */
export let pdptesInMemory: bool = false;
export function setPdptesInMemory(v: bool): void { pdptesInMemory = v; }

/** Error code bits that do not depend on the entry. */
@inline function codeOf(access: u32, user: bool): i32 {
  let c = user ? 4 : 0;
  if (access == WRITE) c |= 2;
  if (access == FETCH && ((load<u32>(CR4) & (1 << 20)) || (load<u64>(EFER) & 0x800 && load<u32>(CR4) & 0x20))) c |= 16;
  return c;
}
/** Does an entry with these permissions allow the access? */
export function allowed(perms: u32, access: u32, user: bool): bool {
  if (user) {
    if (!(perms & P_U)) return false;
    if (access == WRITE) return (perms & P_W) != 0;
    return access == READ || (perms & P_X) != 0;
  }
  const cr4 = load<u32>(CR4);
  if (perms & P_U) {
    if (access == FETCH) return (perms & P_X) != 0 && !(cr4 & (1 << 20));
    if ((cr4 & (1 << 21)) && (implicit || !(load<u32>(EFLAGS) & AC))) return false;
  }
  if (access == WRITE) return (perms & P_W) != 0 || !(load<u64>(CR0) & 0x10000);
  return access == READ || (perms & P_X) != 0;
}
/** 1 while the processor itself accesses a system structure: supervisor whatever the CPL, SMAP without AC. */
export let implicit: bool = false;
export function setImplicit(v: bool): void { implicit = v; }

// Addresses and values of the entries of the walk in progress, for the accessed bits.
let a0: u64 = 0; let a1: u64 = 0; let a2: u64 = 0; let a3: u64 = 0;
let v0: u64 = 0; let v1: u64 = 0; let v2: u64 = 0; let v3: u64 = 0;

function readEntry(gpa: u64, la: u64, wide: bool): u64 {
  const pa = stage2(a20(gpa), 1, false, la);
  if (fault) return 0;
  store<u64>(N_WALK_REFS, load<u64>(N_WALK_REFS) + 1);
  return wide ? physRead64(pa) : <u64>physRead32(pa);
}
function setBits(gpa: u64, value: u64, bits: u64, la: u64, wide: bool): void {
  if ((value & bits) == bits || fault) return;
  const pa = stage2(a20(gpa), 3, false, la);
  if (fault) return;
  if (wide) physWrite64(pa, value | bits); else physWrite32(pa, <u32>(value | bits));
}

/** The TLB entry that translates `la` for this access, or 0 with fault set. */
export function translate(la: u64, access: u32, user: bool): usize {
  const t = findEntry(la);
  if (t) {
    const perms = load<u32>(t, 16);
    if (allowed(perms, access, user) && (access != WRITE || (perms & (P_D | P_S2W)) == (P_D | P_S2W))
      && (access != FETCH || perms & P_S2X) && (access != READ || !(perms & P_S2NR))) return t;
  }
  return walk(la, access, user);
}
/** User privilege of an ordinary data access or fetch. */
@inline export function userNow(): bool { return !implicit && load<u32>(CPL) == 3; }

function walk(la: u64, access: u32, user: bool): usize {
  if (imported) return translateOutside(la, access, user, implicit);
  store<u64>(N_TLB_MISS, load<u64>(N_TLB_MISS) + 1);
  const s2access: u32 = access == WRITE ? 2 : access == FETCH ? 4 : 1;
  if (!(load<u64>(CR0) >> 31)) {
    const pa = stage2(a20(la), s2access, true, la);
    if (fault) return 0;
    return enterEntry(la, pa, P_W | P_U | P_X | P_D | s2Perms | (s2Large ? P_LARGE : 0));
  }
  const cr4 = load<u32>(CR4), nxe = (load<u64>(EFER) & 0x800) != 0;
  const wide = (cr4 & 0x20) != 0;
  let levels = wide ? (load<u32>(PMODE) == LONG ? 4 : 3) : 2;
  let table = load<u64>(CR3) & (wide ? levels == 3 ? 0xffffffe0 : ADDRESS : 0xfffff000);
  const reserved: u64 = wide ? (ADDRESS & ~(((<u64>1) << physBits) - 1)) | (nxe ? 0 : E_NX) | (levels == 3 ? 0x7ff0000000000000 : 0) : 0;
  let perms: u32 = P_W | P_U | P_X;
  let pa: u64 = 0, leaf: u64 = 0, depth = 0, level = levels;
  if (levels == 3) { // PDPTE registers: loaded by MOV CR3
    const i = <usize>(la >> 30) & 3, e = pdptesInMemory ? readEntry(table + i * 8, la, true) : load<u64>(PDPTE + i * 8);
    if (fault) return 0;
    if (!(e & E_P)) { pageFault(la, codeOf(access, user)); return 0; }
    if (pdptesInMemory && (e & (PDPTE_RESERVED | ~(((<u64>1) << physBits) - 1)))) { pageFault(la, codeOf(access, user) | 9); return 0; }
    table = e & ADDRESS;
    level = 2;
  }
  for (;;) {
    const shift = wide ? <u64>(12 + 9 * (level - 1)) : <u64>(12 + 10 * (level - 1));
    const at = wide ? table + ((la >> shift) & 511) * 8 : table + ((la >> shift) & 1023) * 4;
    const e = readEntry(at, la, wide);
    if (fault) return 0;
    if (!(e & E_P)) { pageFault(la, codeOf(access, user)); return 0; }
    let bad = (e & reserved) != 0;
    if (depth == 0) { a0 = at; v0 = e; } else if (depth == 1) { a1 = at; v1 = e; } else if (depth == 2) { a2 = at; v2 = e; } else { a3 = at; v3 = e; }
    depth++;
    if (!(e & E_W)) perms &= ~P_W;
    if (!(e & E_U)) perms &= ~P_U;
    if (wide && nxe && (e & E_NX)) perms &= ~P_X;
    if (level == 1) { leaf = e; pa = (e & ADDRESS) | (la & 0xfff); }
    else if ((e & E_PS) && (wide ? level <= 3 : (cr4 & 0x10) != 0)) {
      if (wide && level == 4) bad = true;
      const size = (<u64>1) << shift;
      if (wide) {
        bad = bad || (e & (size - 1) & 0xffffffffffffe000) != 0;
        pa = (e & ADDRESS & ~(size - 1)) | (la & (size - 1));
      } else {
        bad = bad || (e & 0x200000) != 0;
        pa = (e & 0xffc00000) | ((e & 0x1fe000) << 19) | (la & 0x3fffff);
      }
      leaf = e;
      perms |= wide && level == 3 ? P_LARGE | P_HUGE : P_LARGE;
    } else if (wide && level == 4 && (e & E_PS)) bad = true;
    if (bad) { pageFault(la, codeOf(access, user) | 9); return 0; }
    if (leaf) break;
    table = wide ? e & ADDRESS : e & 0xfffff000;
    level--;
  }
  if (!allowed(perms, access, user)) { pageFault(la, codeOf(access, user) | 1); return 0; }
  if (!wide) pa &= 0xffffffffff;
  // Accessed bits of every level, dirty bit of the leaf: before the second stage, which may have no memory there but a device.
  const last: u64 = access == WRITE ? E_A | E_D : E_A;
  setBits(a0, v0, depth == 1 ? last : E_A, la, wide);
  if (depth > 1) setBits(a1, v1, depth == 2 ? last : E_A, la, wide);
  if (depth > 2) setBits(a2, v2, depth == 3 ? last : E_A, la, wide);
  if (depth > 3) setBits(a3, v3, last, la, wide);
  if (fault) return 0;
  const hpa = stage2(a20(pa), s2access, true, la);
  if (fault) return 0;
  if (access == WRITE || (leaf & E_D)) perms |= P_D;
  if ((leaf & E_G) && (cr4 & 0x80)) perms |= P_G;
  if (s2Large) perms |= P_LARGE;
  return enterEntry(la, hpa, perms | s2Perms);
}
