// CPUID ("CPUID—CPU Identification" in the SDM): a table written by the embedder, and the bits that follow the state.
//
//   cpuid(rec): usize                                  row CPUID
//   vendorIsAmd(): bool
//   cpuidBit(leaf, subleaf, register): u32             a raw register of the table (0 EAX, 1 EBX, 2 ECX, 3 EDX)
import { REGS, RAX, RCX, RDX, RBX, CPUID_TABLE, CPUID_COUNT, CR4, XCR0, APIC_BASE, APIC_ID } from "./state";
import { intercepts, intercept, I_CPUID } from "./intercept";

/** Table entries that fit below FEATURES. */
const MAX_ENTRIES: u32 = 124;

function find(leaf: u32, subleaf: u32): usize {
  const n = min(load<u32>(CPUID_COUNT), MAX_ENTRIES);
  for (let i: u32 = 0; i < n; i++) {
    const e = CPUID_TABLE + (<usize>i << 5);
    if (load<u32>(e) == leaf && (!(load<u32>(e, 24) & 1) || load<u32>(e, 4) == subleaf)) return e;
  }
  return 0;
}
export function cpuidBit(leaf: u32, subleaf: u32, register: u32): u32 {
  const e = find(leaf, subleaf);
  return e ? load<u32>(e + 8 + (register << 2)) : 0;
}
const AUTHENTIC_AMD: u32 = 0x68747541;
/** Does CPUID name AMD? What the vendors do differently follows it. */
export function vendorIsAmd(): bool { return cpuidBit(0, 0, 1) == AUTHENTIC_AMD; }
/** Size of an XSAVE area with these components, standard or compacted. */
function areaSize(components: u64, compacted: bool): u32 {
  let size: u32 = 576;
  for (let i: u32 = 2; i < 63; i++) {
    if (!((components >> i) & 1)) continue;
    const e = find(13, i);
    if (!e) continue;
    if (compacted) size = ((load<u32>(e, 16) & 2 ? (size + 63) & ~63 : size)) + load<u32>(e, 8);
    else size = max(size, load<u32>(e, 12) + load<u32>(e, 8));
  }
  return size;
}
export function cpuid(rec: usize): usize {
  if (intercepts & I_CPUID) { const pc = intercept(I_CPUID, rec, 0, 0); if (pc) return pc; }
  let leaf = load<u32>(REGS + RAX);
  const subleaf = load<u32>(REGS + RCX);
  // A leaf above the highest basic or extended one answers as the highest basic one; 4000_0000h..: as listed, or zeros.
  const highest = cpuidBit(leaf & 0x80000000, 0, 0);
  if (leaf > highest && leaf >> 28 != 4) leaf = cpuidBit(0, 0, 0);
  const e = find(leaf, subleaf);
  let a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0;
  if (e) { a = load<u32>(e, 8); b = load<u32>(e, 12); c = load<u32>(e, 16); d = load<u32>(e, 20); }
  else if (leaf == 11) c = subleaf & 0xff;
  if (leaf == 11) d = load<u32>(APIC_ID);
  else if (leaf == 1) {
    b = (b & 0xffffff) | (load<u32>(APIC_ID) << 24);
    c = (c & ~(1 << 27)) | (((load<u32>(CR4) >> 18) & 1) << 27);
    if (!(load<u64>(APIC_BASE) & 0x800)) d &= ~(1 << 9);
  } else if (leaf == 13 && e) {
    if (subleaf == 0) b = areaSize(load<u64>(XCR0), false);
    else if (subleaf == 1 && (a & 2)) b = areaSize(load<u64>(XCR0), true);
  }
  store<u64>(REGS + RAX, a);
  store<u64>(REGS + RBX, b);
  store<u64>(REGS + RCX, c);
  store<u64>(REGS + RDX, d);
  return rec + 16;
}
