import type { PagingRegisters } from "../registers.ts";

/*
 * The role of a shadow page: under which rules its table was read. Two pages may shadow one guest table with different roles.
 *
 *   15 long  14 CR4.PSE (entries of 4 bytes)  13 SMAP without WP  12 SMEP without WP  11 CR0.WP  10 EFER.NXE
 *   9..7 access of the entries above: X U W   6 direct   5..4 quadrant   3 entries of 4 bytes   2..0 level
 */
export const NARROW = 8,
  DIRECT = 0x40,
  ACCESS_W = 0x80,
  ACCESS_U = 0x100,
  ACCESS_X = 0x200,
  ACCESS_ALL = 0x380;
const QUADRANT = 4,
  NXE = 0x400,
  WP = 0x800,
  SMEP_NOT_WP = 0x1000,
  SMAP_NOT_WP = 0x2000,
  PSE = 0x4000;
export const LONG = 0x8000;
const ROLES = 0x10000;
const CR4_PSE = 0x10;

/** The part of a role that the guest's registers decide. */
export function rulesOf(guest: PagingRegisters): number {
  const { writeProtect, format } = guest;
  return (
    (guest.nx ? NXE : 0) |
    (writeProtect ? WP : 0) |
    (guest.smep && !writeProtect ? SMEP_NOT_WP : 0) |
    (guest.smap && !writeProtect ? SMAP_NOT_WP : 0) |
    (format === 2 ? NARROW | ((guest.cr4 & CR4_PSE) !== 0 ? PSE : 0) : 0) |
    (format === 4 ? LONG : 0)
  );
}
export const quadrant = (n: number): number => n << QUADRANT;
/** W and U of an entry, and X, as a role has them. */
export const accessOf = (rights: number, executable: boolean): number =>
  ((rights & 6) << 6) | (executable ? ACCESS_X : 0);

/** One table of shadow entries ("struct kvm_mmu_page"). */
export class ShadowPage {
  /** The guest's table, or with DIRECT the first page of the range that is mapped. */
  readonly gfn: number;
  readonly role: number;
  readonly frame: number;
  /** A small number of its own: with the number of an entry it names a shadow entry. */
  readonly slot: number;
  /** Shadow entries that lead here, by name. */
  readonly parents: number[] = [];
  /** Guest page of each leaf; made with the first one. */
  gfns: Int32Array | undefined;
  /** The next leaf that maps the same guest page, by name + 1. */
  next: Int32Array | undefined;
  /** The guest writes its table without KVM seeing it. */
  unsync = false;
  /** vCPUs whose CR3 leads here. */
  roots = 0;
  /** Emulated writes since a fault last came through. */
  writes = 0;

  constructor(gfn: number, role: number, frame: number, slot: number) {
    this.gfn = gfn;
    this.role = role;
    this.frame = frame;
    this.slot = slot;
  }
  get level(): number {
    return this.role & 7;
  }
  get direct(): boolean {
    return (this.role & DIRECT) !== 0;
  }
  get narrow(): boolean {
    return (this.role & NARROW) !== 0;
  }
  get quadrant(): number {
    return (this.role >> QUADRANT) & 3;
  }
  get writeProtect(): boolean {
    return (this.role & WP) !== 0;
  }
  get nx(): boolean {
    return (this.role & NXE) !== 0;
  }
  get key(): number {
    return keyOf(this.gfn, this.role);
  }
  /** Guest-physical address of the guest's entry that a shadow entry stands for. */
  entryGpa(i: number): number {
    const table = this.gfn * 4096;
    if (!this.narrow) return table + i * 8;
    return this.level === 1 ? table + this.quadrant * 2048 + i * 4 : table + this.quadrant * 1024 + (i >> 1) * 4;
  }
}
export const keyOf = (gfn: number, role: number): number => gfn * ROLES + role;
