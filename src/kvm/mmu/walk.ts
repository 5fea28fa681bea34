/*
 * The guest's own page tables, walked in software for the instruction emulator ("Paging" in the SDM): 2-level, PAE and
 * 4-level. Accessed and dirty bits are set as the processor would set them.
 */
export interface PagingState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly rflags: bigint;
  readonly user: boolean;
  /** Asked only in PAE paging outside long mode. */
  readonly pdptes: () => readonly bigint[];
  readonly physBits: number;
}

/** Guest-physical memory as the walker needs it; addresses that are no memory read as ones. */
export interface GuestTables {
  read64(gpa: number): bigint;
  read32(gpa: number): number;
  write64(gpa: number, value: bigint): void;
  write32(gpa: number, value: number): void;
}

export type Access = "read" | "write" | "fetch";
/** A guest-physical address, or the error code of the page fault. */
export type Walked = { readonly gpa: number; readonly fault?: undefined } | { readonly fault: number };

const P = 1n,
  W = 2n,
  U = 4n,
  A = 0x20n,
  D = 0x40n,
  PS = 0x80n,
  NX = 1n << 63n;
const ADDRESS = 0xffffffffff000n;

export function walk(tables: GuestTables, s: PagingState, la: bigint, access: Access): Walked {
  if (s.cr0 >> 31n === 0n) return { gpa: Number(la) };
  const wide = (s.cr4 & 0x20n) !== 0n,
    long = (s.efer & 0x400n) !== 0n,
    nxe = (s.efer & 0x800n) !== 0n;
  const code =
    (s.user ? 4 : 0) |
    (access === "write" ? 2 : 0) |
    (access === "fetch" && ((s.cr4 & 0x100000n) !== 0n || (nxe && wide)) ? 16 : 0);
  let level = wide ? (long ? 4 : 3) : 2;
  let table = s.cr3 & (wide ? (long ? ADDRESS : 0xffffffe0n) : 0xfffff000n);
  let reserved = 0n;
  if (wide)
    reserved =
      (ADDRESS & ~((1n << BigInt(s.physBits)) - 1n)) | (nxe ? 0n : NX) | (long ? 0n : 0x7ff0000000000000n);
  if (level === 3) {
    const e = s.pdptes()[Number((la >> 30n) & 3n)] ?? 0n;
    if ((e & P) === 0n) return { fault: code };
    table = e & ADDRESS;
    level = 2;
  }
  let rights = W | U,
    executable = true;
  const trail: { at: number; entry: bigint }[] = [];
  for (;;) {
    const shift = BigInt(wide ? 12 + 9 * (level - 1) : 12 + 10 * (level - 1));
    const at = Number(table) + (wide ? Number((la >> shift) & 511n) * 8 : Number((la >> shift) & 1023n) * 4);
    const e = wide ? tables.read64(at) : BigInt(tables.read32(at) >>> 0);
    if ((e & P) === 0n) return { fault: code };
    trail.push({ at, entry: e });
    rights &= e;
    if (wide && nxe && (e & NX) !== 0n) executable = false;
    const size = 1n << shift,
      large = level > 1 && (e & PS) !== 0n && (wide || (s.cr4 & 0x10n) !== 0n);
    let bad = (e & reserved) !== 0n || (wide && level === 4 && (e & PS) !== 0n);
    if (large) bad ||= wide ? (e & (size - 1n) & ~0x1fffn) !== 0n : (e & 0x200000n) !== 0n;
    if (bad) return { fault: code | 9 };
    if (level > 1 && !large) {
      table = e & (wide ? ADDRESS : 0xfffff000n);
      level--;
      continue;
    }
    if (!allowed(s, rights, executable, access)) return { fault: code | 1 };
    for (let i = 0; i < trail.length; i++) {
      const { at: where, entry } = trail[i] as { at: number; entry: bigint },
        bits = i === trail.length - 1 && access === "write" ? A | D : A;
      if ((entry & bits) === bits) continue;
      if (wide) tables.write64(where, entry | bits);
      else tables.write32(where, Number(entry | bits));
    }
    if (!large) return { gpa: Number((e & (wide ? ADDRESS : 0xfffff000n)) | (la & 0xfffn)) };
    if (wide) return { gpa: Number((e & ADDRESS & ~(size - 1n)) | (la & (size - 1n))) };
    return { gpa: Number((e & 0xffc00000n) | ((e & 0x1fe000n) << 19n) | (la & 0x3fffffn)) };
  }
}

/** "Determination of Access Rights". */
function allowed(s: PagingState, rights: bigint, executable: boolean, access: Access): boolean {
  const user = (rights & U) !== 0n,
    writable = (rights & W) !== 0n;
  if (s.user) {
    if (!user) return false;
    return access === "write" ? writable : access === "read" || executable;
  }
  if (user && access === "fetch" && (s.cr4 & 0x100000n) !== 0n) return false;
  if (user && access !== "fetch" && (s.cr4 & 0x200000n) !== 0n && (s.rflags & 0x40000n) === 0n) return false;
  if (access === "write") return writable || (s.cr0 & 0x10000n) === 0n;
  return access === "read" || executable;
}
