import type { GuestMemory, Sregs } from "../../base/index.ts";

/*
 * Page walks read from guest memory ("Paging" in the SDM, volume 3). A reader's walk: it sets no accessed bit and asks
 * no TLB, so it shows what the tables say now.
 */
export type PagingMode = "off" | "2-level" | "PAE" | "4-level";

export interface PagingState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** One reference of a walk: which entry of which table was read and what it held. */
export interface Reference {
  /** 4 PML4, 3 page-directory pointers, 2 page directory, 1 page table. */
  readonly level: number;
  readonly name: string;
  readonly table: bigint;
  readonly index: number;
  /** Guest-physical address of the entry. */
  readonly address: bigint;
  readonly value: bigint;
  /** Letters of the bits that are set: P R/W U/S A D PS G NX. */
  readonly flags: string;
}

export interface Walk {
  readonly gva: bigint;
  readonly mode: PagingMode;
  readonly references: readonly Reference[];
  /** undefined when the walk ends at an entry that is not present. */
  readonly gpa: bigint | undefined;
  readonly pageSize: number;
  /** Permissions over all levels, such as "rw- user". */
  readonly access: string;
  /** Why there is no translation. */
  readonly fault: string | undefined;
}

const ADDRESS = 0x000ffffffffff000n;
const names: Readonly<Record<PagingMode, readonly string[]>> = {
  off: [],
  "2-level": ["", "PT", "PD"],
  PAE: ["", "PT", "PD", "PDPT"],
  "4-level": ["", "PT", "PD", "PDPT", "PML4"],
};

/** The paging mode in force: CR0.PG, CR4.PAE, EFER.LMA. */
export function pagingMode(s: PagingState): PagingMode {
  if (!((s.cr0 >> 31n) & 1n)) return "off";
  if (!((s.cr4 >> 5n) & 1n)) return "2-level";
  return (s.efer >> 10n) & 1n ? "4-level" : "PAE";
}

/** Levels of a paging mode; 0 when paging is off. */
export function levelsOf(mode: PagingMode): number {
  return Math.max(0, names[mode].length - 1);
}

/** Where the walk begins. */
export function rootTable(s: Pick<Sregs, "cr0" | "cr3" | "cr4" | "efer">): bigint {
  const mode = pagingMode(s);
  return s.cr3 & (mode === "PAE" ? 0xffffffe0n : mode === "2-level" ? 0xfffff000n : ADDRESS);
}

/** How a level cuts an address, and how large its tables are. */
export function shape(mode: PagingMode, level: number): { shift: bigint; count: number; bytes: number } {
  if (mode === "2-level") return { shift: 12n + 10n * BigInt(level - 1), count: 1024, bytes: 4 };
  return { shift: 12n + 9n * BigInt(level - 1), count: mode === "PAE" && level === 3 ? 4 : 512, bytes: 8 };
}

export function isLeaf(mode: PagingMode, level: number, value: bigint, cr4: bigint): boolean {
  if (level === 1) return true;
  if (!(value & 0x80n)) return false;
  if (mode === "2-level") return ((cr4 >> 4n) & 1n) === 1n;
  return level === 2 || (level === 3 && mode === "4-level");
}

export function frameOf(mode: PagingMode, level: number, value: bigint): bigint {
  const { shift } = shape(mode, level);
  // PSE-36: bits 13 to 20 of a 4 MiB entry are address bits 32 to 39.
  if (mode === "2-level" && level === 2) return (value & 0xffc00000n) | (((value >> 13n) & 0xffn) << 32n);
  return value & ADDRESS & ~((1n << shift) - 1n);
}

/** Letters of the bits an entry has set. */
export function flagLetters(value: bigint, leaf: boolean, wide: boolean): string {
  const on = (bit: bigint): boolean => ((value >> bit) & 1n) === 1n;
  const words = [on(0n) ? "P" : "", on(1n) ? "W" : "R", on(2n) ? "U" : "S", on(5n) ? "A" : ""];
  if (leaf) words.push(on(6n) ? "D" : "", on(8n) ? "G" : "");
  if (leaf && on(7n)) words.push("PS");
  if (wide && on(63n)) words.push("NX");
  return words.filter((w) => w !== "").join(" ");
}

function entryAt(memory: GuestMemory, address: bigint, bytes: number): bigint {
  const at = Number(address);
  return bytes === 8 ? memory.readU64(at) : BigInt(memory.readU32(at));
}

/** Every reference of the translation of one linear address. */
export function walkPages(memory: GuestMemory, s: PagingState, linear: bigint): Walk {
  const mode = pagingMode(s);
  const gva = BigInt.asUintN(mode === "4-level" ? 64 : 32, linear);
  const none = { gva, mode, references: [], pageSize: 0, access: "", gpa: undefined };
  if (mode === "off") return { ...none, gpa: gva, pageSize: 4096, access: "rwx", fault: undefined };
  if (mode === "4-level" && BigInt.asUintN(64, BigInt.asIntN(48, gva)) !== gva) {
    return { ...none, fault: "the address is not canonical: #GP, no walk" };
  }
  const references: Reference[] = [];
  let table = rootTable(s);
  let write = true;
  let user = true;
  let execute = true;
  for (let level = levelsOf(mode); level > 0; level--) {
    const { shift, count, bytes } = shape(mode, level);
    const index = Number((gva >> shift) & BigInt(count - 1));
    const address = table + BigInt(index * bytes);
    const value = entryAt(memory, address, bytes);
    const leaf = isLeaf(mode, level, value, s.cr4);
    const name = names[mode][level] ?? "";
    references.push({ level, name, table, index, address, value, flags: flagLetters(value, leaf, bytes === 8) });
    if (!(value & 1n)) {
      return { ...none, references, fault: `${name} entry ${index} is not present: page fault` };
    }
    // A PAE page-directory pointer has no permission bits.
    if (!(mode === "PAE" && level === 3)) {
      write &&= (value & 2n) !== 0n;
      user &&= (value & 4n) !== 0n;
    }
    if (bytes === 8 && (s.efer >> 11n) & 1n) execute &&= !((value >> 63n) & 1n);
    if (leaf) {
      const size = 1n << shift;
      const access = `r${write ? "w" : "-"}${execute ? "x" : "-"} ${user ? "user" : "supervisor"}`;
      const gpa = frameOf(mode, level, value) | (gva & (size - 1n));
      return { gva, mode, references, gpa, pageSize: Number(size), access, fault: undefined };
    }
    table = value & ADDRESS & (mode === "2-level" ? 0xfffff000n : ADDRESS);
  }
  return { ...none, references, fault: "the walk found no leaf" };
}
