import type { SecondStage } from "../../base/index.ts";
import type { Reference } from "./paging.ts";

/*
 * A reader's walk of the extended page tables ("The Extended Page Table Mechanism" in the SDM), from their bytes in
 * host memory. It sets no accessed bit and causes no violation.
 *
 *   entry   51..12 frame   9 D  8 A   7 leaf   5..3 memory type   2 X  1 W  0 R
 */
const ADDRESS = 0x000ffffffffff000n;
const names = ["", "EPT PT", "EPT PD", "EPT PDPT", "EPT PML4"] as const;
const types = ["UC", "WC", "?2", "?3", "WT", "WP", "WB", "?7"] as const;

export interface EptWalk {
  readonly references: readonly Reference[];
  /** Host-physical; undefined where an entry is not present: an access would be an EPT violation. */
  readonly hpa: bigint | undefined;
  readonly pageSize: number;
  /** Rights over all levels, such as "rwx". */
  readonly access: string;
}

export const eptIsLeaf = (level: number, value: bigint): boolean => level === 1 || (level < 4 && (value & 0x80n) !== 0n);

/** The frame of a leaf, or the table below. */
export function eptFrame(level: number, value: bigint, leaf: boolean): bigint {
  return leaf ? value & ADDRESS & ~((1n << BigInt(3 + 9 * level)) - 1n) : value & ADDRESS;
}

/** Letters of the bits an entry has set, and a leaf's memory type. */
export function eptFlags(value: bigint, leaf: boolean): string {
  const on = (bit: bigint): boolean => ((value >> bit) & 1n) === 1n;
  const words = [on(0n) ? "R" : "", on(1n) ? "W" : "", on(2n) ? "X" : "", on(8n) ? "A" : ""];
  if (leaf) words.push(on(9n) ? "D" : "", on(7n) ? "PS" : "", types[Number((value >> 3n) & 7n)] ?? "");
  return words.filter((w) => w !== "").join(" ");
}

export function readEntry(second: SecondStage, hpa: bigint): bigint {
  const bytes = new Uint8Array(8);
  second.readHost(Number(hpa), bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

/** Every reference of the second translation of one guest-physical address. */
export function walkEpt(second: SecondStage, gpa: bigint): EptWalk {
  const references: Reference[] = [];
  let table = second.root;
  let rights = 7n;
  for (let level = 4; level > 0; level--) {
    const shift = BigInt(3 + 9 * level);
    const index = Number((gpa >> shift) & 511n);
    const address = table + BigInt(index * 8);
    const value = readEntry(second, address);
    const leaf = eptIsLeaf(level, value);
    references.push({ level, name: names[level] ?? "", table, index, address, value, flags: (value & 7n) === 0n ? "" : eptFlags(value, leaf) });
    if ((value & 7n) === 0n) break;
    rights &= value;
    if (leaf) {
      const size = 1n << shift;
      const access = ["r", "w", "x"].map((letter, bit) => ((rights >> BigInt(bit)) & 1n ? letter : "-")).join("");
      return { references, hpa: eptFrame(level, value, true) | (gpa & (size - 1n)), pageSize: Number(size), access };
    }
    table = value & ADDRESS;
  }
  return { references, hpa: undefined, pageSize: 0, access: "" };
}
