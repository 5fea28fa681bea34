/*
 * The guest's own page tables, walked in software for the instruction emulator ("Paging" in the SDM): 2-level, PAE and
 * 4-level. Accessed and dirty bits are set as the processor would set them. Entries are two words, low and high: this
 * runs for every access that is emulated, and BigInt would be most of its time.
 */
export interface PagingState {
  cr0: number;
  cr3Low: number;
  cr3High: number;
  cr4: number;
  efer: number;
  rflags: number;
  /** The four PDPTE registers, low and high words; of use in PAE paging outside long mode. */
  pdptes: Uint32Array;
  /** Above 32. */
  physBits: number;
}

/** Guest-physical memory as the walker needs it; addresses that are no memory read as ones. */
export interface GuestTables {
  read32(gpa: number): number;
  write32(gpa: number, value: number): void;
}

export const Access = { Read: 0, Write: 1, Fetch: 2 } as const;

const P = 1,
  W = 2,
  U = 4,
  A = 0x20,
  D = 0x40,
  PS = 0x80,
  NX = 0x80000000;
const [CR0_WP, CR4_PSE, CR4_PAE, CR4_SMEP, CR4_SMAP] = [0x10000, 0x10, 0x20, 0x100000, 0x200000];
const [EFER_LME, EFER_NXE] = [0x400, 0x800];
const AC = 0x40000;
const WORD = 0x100000000;

/** What the last walk has seen, for whoever builds shadow entries from it; of use after it has succeeded. */
export const walked = {
  /** Entries read from memory, the top one first: where they lie, and their words. */
  at: new Float64Array(4),
  low: new Uint32Array(4),
  high: new Uint32Array(4),
  depth: 0,
  /** Level of the leaf: 1 a page of 4 KiB, 2 of 2 or 4 MiB, 3 of 1 GiB. */
  level: 0,
  /** Rights of all entries together, as in an entry: W and U. */
  rights: 0,
  executable: true,
  /** The leaf's dirty flag, as the walk has left it. */
  dirty: false,
};
const { at, low: low32, high: high32 } = walked;
function found(depth: number, level: number, rights: number, executable: boolean, access: number): void {
  walked.depth = depth;
  walked.level = level;
  walked.rights = rights;
  walked.executable = executable;
  walked.dirty = access === Access.Write || ((low32[depth - 1] ?? 0) & D) !== 0;
}

/**
 * Translates a linear address, given as two words.
 * @param user the access has user privilege
 * @param implicit the processor's own access to a system structure: SMAP holds whatever RFLAGS.AC says
 * @returns the guest-physical address, or -1 - error code of the page fault
 */
export function walk(
  tables: GuestTables,
  s: PagingState,
  low: number,
  high: number,
  access: number,
  user: boolean,
  implicit: boolean,
): number {
  if ((s.cr0 & 0x80000000) === 0) return low;
  const pae = (s.cr4 & CR4_PAE) !== 0,
    nxe = (s.efer & EFER_NXE) !== 0;
  let code = (user ? 4 : 0) | (access === Access.Write ? 2 : 0);
  if (access === Access.Fetch && ((s.cr4 & CR4_SMEP) !== 0 || (nxe && pae))) code |= 16;
  return pae
    ? walkWide(tables, s, low, high, access, user, implicit, code, nxe)
    : walkNarrow(tables, s, low, access, user, implicit, code);
}

/** 32-bit paging: two levels of 4-byte entries. */
function walkNarrow(
  tables: GuestTables,
  s: PagingState,
  low: number,
  access: number,
  user: boolean,
  implicit: boolean,
  code: number,
): number {
  const where = (s.cr3Low & 0xfffff000) >>> 0;
  at[0] = where + (low >>> 22) * 4;
  const directory = tables.read32(at[0]);
  low32[0] = directory;
  if ((directory & P) === 0) return -1 - code;
  if ((directory & PS) !== 0 && (s.cr4 & CR4_PSE) !== 0) {
    if ((directory & 0x200000) !== 0) return -1 - (code | 9);
    if (!allowed(s, directory & (W | U), true, access, user, implicit)) return -1 - (code | 1);
    mark(tables, 1, access);
    found(1, 2, directory & (W | U), true, access);
    return ((directory >>> 13) & 0xff) * WORD + ((directory & 0xffc00000) >>> 0) + (low & 0x3fffff);
  }
  at[1] = ((directory & 0xfffff000) >>> 0) + ((low >>> 12) & 1023) * 4;
  const entry = tables.read32(at[1]);
  low32[1] = entry;
  if ((entry & P) === 0) return -1 - code;
  if (!allowed(s, directory & entry & (W | U), true, access, user, implicit)) return -1 - (code | 1);
  mark(tables, 2, access);
  found(2, 1, directory & entry & (W | U), true, access);
  return ((entry & 0xfffff000) >>> 0) + (low & 0xfff);
}

/** PAE and 4-level paging: 8-byte entries. */
function walkWide(
  tables: GuestTables,
  s: PagingState,
  low: number,
  high: number,
  access: number,
  user: boolean,
  implicit: boolean,
  code: number,
  nxe: boolean,
): number {
  const long = (s.efer & EFER_LME) !== 0;
  let level = 4,
    table = (s.cr3High & 0xfffff) * WORD + ((s.cr3Low & 0xfffff000) >>> 0);
  if (!long) {
    const i = low >>> 30,
      e = s.pdptes[2 * i] ?? 0;
    if ((e & P) === 0) return -1 - code;
    table = ((s.pdptes[2 * i + 1] ?? 0) & 0xfffff) * WORD + ((e & 0xfffff000) >>> 0);
    level = 2;
  }
  const reserved = (0xfffff & ~(2 ** (s.physBits - 32) - 1)) | (nxe ? 0 : NX) | (long ? 0 : 0x7ff00000);
  let rights = W | U,
    executable = true;
  for (let depth = 0; ; depth++, level--) {
    const entry = table + index(low, high, level) * 8,
      e = tables.read32(entry),
      eHigh = tables.read32(entry + 4);
    if ((e & P) === 0) return -1 - code;
    at[depth] = entry;
    low32[depth] = e;
    high32[depth] = eHigh;
    rights &= e;
    if (nxe && (eHigh & NX) !== 0) executable = false;
    const large = level > 1 && (e & PS) !== 0;
    const misaligned = level === 3 ? 0x3fffe000 : 0x1fe000;
    if ((eHigh & reserved) !== 0 || (large && (level === 4 || (e & misaligned) !== 0))) return -1 - (code | 9);
    table = (eHigh & 0xfffff) * WORD + ((e & 0xfffff000) >>> 0);
    if (level > 1 && !large) continue;
    if (!allowed(s, rights, executable, access, user, implicit)) return -1 - (code | 1);
    mark(tables, depth + 1, access);
    found(depth + 1, level, rights & (W | U), executable, access);
    const inside = level === 1 ? 0xfff : level === 2 ? 0x1fffff : 0x3fffffff;
    // Bit 12 of a large leaf is PAT.
    return table - (level === 1 ? 0 : e & inside & 0xfffff000) + (low & inside);
  }
}

/** Nine bits of the linear address that choose the entry at a level. */
function index(low: number, high: number, level: number): number {
  if (level === 1) return (low >>> 12) & 511;
  if (level === 2) return (low >>> 21) & 511;
  if (level === 3) return ((low >>> 30) | (high << 2)) & 511;
  return (high >>> 7) & 511;
}

/** Accessed bits of `depth` entries, the dirty bit of the last on a write. */
function mark(tables: GuestTables, depth: number, access: number): void {
  for (let i = 0; i < depth; i++) {
    const e = low32[i] ?? 0,
      bits = i === depth - 1 && access === Access.Write ? A | D : A;
    if ((e & bits) !== bits) tables.write32(at[i] ?? 0, (e | bits) >>> 0);
  }
}

/** "Determination of Access Rights". */
function allowed(
  s: PagingState,
  rights: number,
  executable: boolean,
  access: number,
  user: boolean,
  implicit: boolean,
): boolean {
  const userPage = (rights & U) !== 0,
    writable = (rights & W) !== 0;
  if (user) {
    if (!userPage) return false;
    return access === Access.Write ? writable : access === Access.Read || executable;
  }
  if (userPage && access === Access.Fetch && (s.cr4 & CR4_SMEP) !== 0) return false;
  if (userPage && access !== Access.Fetch && (s.cr4 & CR4_SMAP) !== 0 && (implicit || (s.rflags & AC) === 0))
    return false;
  if (access === Access.Write) return writable || (s.cr0 & CR0_WP) === 0;
  return access === Access.Read || executable;
}
