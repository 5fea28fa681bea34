// Nested paging ("Nested Paging" in the APM): guest-physical to system-physical through the tables at nCR3, in the paging mode
// that the host had at VMRUN. Every access counts as a user access, a guest's page-table access as a user write.
//
//   EXITINFO1  33 guest page-table access  32 final address  4 fetch  3 reserved bit  2 user  1 write  0 present
import { N_WALK_REFS, fault } from "../cpu/state";
import { secondStageFault } from "../cpu/intercept";
import { physRead32, physRead64, physWrite32, physWrite64 } from "../mmu/phys";
import { physBits } from "../mmu/walk";
import { P_S2W, P_S2X } from "../mmu/tlb";
import { setStage2Result } from "../mmu/stage2";
import { NESTED, N_CR3, PENDING_CODE, PENDING_INFO1, PENDING_INFO2 } from "./state";
import { EXIT_NPF } from "./vmcb";

const ADDRESS: u64 = 0x000ffffffffff000;
const E_P: u64 = 1;
const E_W: u64 = 2;
const E_U: u64 = 4;
const E_A: u64 = 0x20;
const E_D: u64 = 0x40;
const E_PS: u64 = 0x80;
const E_NX: u64 = 0x8000000000000000;
const NX: u32 = 0x100;
const PSE: u32 = 0x200;
const SMEP: u32 = 0x400;
// Addresses and values of the entries of the walk in hand.
const AT = memory.data(64, 8);

function nestedFault(code: u64, gpa: u64, final: bool): u64 {
  if (fault) return 0;
  store<u64>(PENDING_CODE, EXIT_NPF);
  store<u64>(PENDING_INFO1, code | (final ? (<u64>1) << 32 : (<u64>1) << 33));
  store<u64>(PENDING_INFO2, gpa);
  secondStageFault();
  return 0;
}
/** Reserved bits of a present entry. @param wide entries of 8 bytes */
function reservedBits(e: u64, level: u32, leaf: bool, wide: bool, levels: u32, nx: bool): bool {
  if (!wide) return leaf && level == 2 && (e & 0x200000) != 0;
  let bad: u64 = (ADDRESS & ~(((<u64>1) << physBits) - 1)) | (nx ? 0 : E_NX);
  if (levels == 3) bad |= level == 3 ? 0xfff00000000001e6 : 0x7ff0000000000000;
  if (level == 4) bad |= 0x180;
  if (level == 3 && leaf) bad |= 0x3fffe000;
  if (level == 2 && leaf) bad |= 0x1fe000;
  return (e & bad) != 0;
}
/** The hook behind src/hw/mmu/stage2.ts. */
export function translateNested(gpa: u64, access: u32, final: u32, la: u64): u64 {
  const mode = load<u32>(NESTED), levels = mode & 7, nx = (mode & NX) != 0, wide = levels > 2;
  const write = !final || (access & 2) != 0, fetch = final && (access & 4) != 0;
  const code: u64 = 4 | (write ? 2 : 0) | (fetch && mode & (NX | SMEP) ? 16 : 0);
  if (levels == 2 ? gpa >> 32 : levels == 3 ? gpa >> 39 : gpa >> 48) return nestedFault(code, gpa, final != 0);
  let table = load<u64>(N_CR3) & (levels == 3 ? 0xffffffe0 : wide ? ADDRESS : 0xfffff000);
  let writable = true, executable = true, dirty = true, depth = 0, pa: u64 = 0;
  for (let level = levels; ; level--) {
    const shift = <u64>(wide ? 3 + 9 * level : 2 + 10 * level);
    const at = wide ? table + ((gpa >> shift) & 511) * 8 : table + ((gpa >> shift) & 1023) * 4;
    const e = wide ? physRead64(at) : <u64>physRead32(at);
    store<u64>(N_WALK_REFS, load<u64>(N_WALK_REFS) + 1);
    if (!(e & E_P)) return nestedFault(code, gpa, final != 0);
    const big = wide ? level == 2 || (level == 3 && levels == 4) : level == 2 && (mode & PSE) != 0;
    const leaf = level == 1 || (big && (e & E_PS) != 0);
    if (reservedBits(e, level, leaf, wide, levels, nx)) return nestedFault(code | 9, gpa, final != 0);
    // The top entries of a three-level table carry no permissions.
    if (!(levels == 3 && level == 3)) {
      if (!(e & E_U)) return nestedFault(code | 1, gpa, final != 0);
      if (!(e & E_W)) writable = false;
      if (nx && (e & E_NX)) executable = false;
      store<u64>(AT + (depth << 4), at);
      store<u64>(AT + (depth << 4), e, 8);
      depth++;
    }
    if (leaf) {
      const size = (<u64>1) << shift;
      if (wide || level == 1) pa = (e & ADDRESS & ~(size - 1)) | (gpa & (size - 1));
      else pa = (e & 0xffc00000) | ((e & 0x1fe000) << 19) | (gpa & 0x3fffff);
      dirty = (e & E_D) != 0;
      break;
    }
    table = wide ? e & ADDRESS : e & 0xfffff000;
  }
  if ((write && !writable) || (fetch && !executable)) return nestedFault(code | 1, gpa, final != 0);
  for (let i = 0; i < depth; i++) {
    const at = load<u64>(AT + (i << 4)), e = load<u64>(AT + (i << 4), 8);
    const bits: u64 = i == depth - 1 && write ? E_A | E_D : E_A;
    if ((e & bits) == bits) continue;
    if (wide) physWrite64(at, e | bits); else physWrite32(at, <u32>(e | bits));
  }
  // Cached translations are of 4 KiB whatever the nested page: INVLPGA needs to drop one.
  setStage2Result((writable && (dirty || write) ? P_S2W : 0) | (executable ? P_S2X : 0), false);
  return pa;
}
