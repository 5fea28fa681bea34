import type { HostMemory } from "../../../host/index.ts";

/*
 * A shadow entry ("spte") is an entry of the processor's own tables, two words:
 *
 *   high   31 NX                                  low   31..12 frame   11 KVM: present   9 KVM: the page may be written,
 *          frames lie below 4 GiB                       if the entry may   7 leaf above level 1   6 D  5 A   2 U  1 W  0 P
 *
 * Accessed and dirty are set from the start: the flags that the guest sees are its own entries', which KVM's walk sets, and the
 * processor writes nothing into these tables.
 */
export const P = 1,
  W = 2,
  U = 4,
  A = 0x20,
  D = 0x40,
  PS = 0x80,
  /** The page itself may be written: slot, host page and the guest's entry allow it, and its dirty flag is set. */
  WRITABLE = 0x200,
  PRESENT = 0x800,
  NX = 0x80000000;
const FRAME = 0xfffff000;

/** A table below: rights are decided at the leaf. */
export const TABLE = P | W | U | A | PRESENT;
/** An entry of the four at the top of PAE paging has neither rights nor an accessed flag. */
export const PAE_TOP = P | PRESENT;

export const frameOf = (low: number): number => (low & FRAME) >>> 0;

/** The high word first: an entry that is seen half-written is not present. */
export function writeEntry(memory: HostMemory, at: number, low: number, high: number): void {
  memory.write32(at + 4, high);
  memory.write32(at, low);
}

/** Bits of a linear address that choose the entry at a level. */
export function index(low: number, high: number, level: number): number {
  if (level === 1) return (low >>> 12) & 511;
  if (level === 2) return (low >>> 21) & 511;
  if (level === 3) return ((low >>> 30) | (high << 2)) & 511;
  return (high >>> 7) & 511;
}
