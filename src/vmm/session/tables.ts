import type { GuestMemory, SecondStage } from "../../base/index.ts";
import { eptFlags, eptFrame, eptIsLeaf } from "./ept.ts";
import { flagLetters, frameOf, isLeaf, levelsOf, pagingMode, type PagingMode, type PagingState, shape } from "./paging.ts";

/** Which tables: the guest's own, or those below it. */
export type Stage = "guest" | "ept";

/** A present entry of a table, or a run of leaf entries that map successive frames with the same flags. */
export interface TableRow {
  readonly index: number;
  readonly count: number;
  /** The first address that the entry translates. */
  readonly from: bigint;
  readonly value: bigint;
  readonly target: bigint;
  readonly pageSize: number;
  readonly leaf: boolean;
  readonly flags: string;
}

export interface TableView {
  readonly stage: Stage;
  readonly table: bigint;
  readonly level: number;
  readonly rows: readonly TableRow[];
}

function signExtended(mode: PagingMode, gva: bigint): bigint {
  return mode === "4-level" ? BigInt.asUintN(64, BigInt.asIntN(48, gva)) : BigInt.asUintN(32, gva);
}

/** What fold makes of one entry; undefined when it is not present. */
type Entry = Pick<TableRow, "target" | "leaf" | "flags">;

function fold(values: readonly bigint[], size: bigint, entry: (value: bigint) => Entry | undefined, from: (offset: bigint) => bigint): TableRow[] {
  const rows: TableRow[] = [];
  values.forEach((value, index) => {
    const now = entry(value);
    if (!now) return;
    const last = rows.at(-1);
    const joins = now.leaf && last?.leaf && last.index + last.count === index && last.flags === now.flags &&
      last.target + size * BigInt(last.count) === now.target;
    if (joins) rows[rows.length - 1] = { ...last, count: last.count + 1 };
    else rows.push({ index, count: 1, from: from(size * BigInt(index)), value, pageSize: Number(size), ...now });
  });
  return rows;
}

/** The present entries of one of the guest's tables. */
export function tableRows(memory: GuestMemory, s: PagingState, table: bigint, level: number, base: bigint): TableView {
  const mode = pagingMode(s);
  if (mode === "off" || level < 1 || level > levelsOf(mode)) return { stage: "guest", table, level, rows: [] };
  const { shift, count, bytes } = shape(mode, level);
  const raw = new Uint8Array(count * bytes);
  memory.read(Number(table), raw);
  const view = new DataView(raw.buffer);
  const values = Array.from({ length: count }, (_, i) =>
    bytes === 8 ? view.getBigUint64(i * 8, true) : BigInt(view.getUint32(i * 4, true)));
  const rows = fold(values, 1n << shift, (value) => {
    if (!(value & 1n)) return undefined;
    const leaf = isLeaf(mode, level, value, s.cr4);
    return { leaf, target: leaf ? frameOf(mode, level, value) : value & 0x000ffffffffff000n, flags: flagLetters(value, leaf, bytes === 8) };
  }, (offset) => signExtended(mode, base + offset));
  return { stage: "guest", table, level, rows };
}

/** The present entries of one EPT table, from host memory. */
export function eptRows(second: SecondStage, table: bigint, level: number, base: bigint): TableView {
  const raw = new Uint8Array(4096);
  second.readHost(Number(table), raw);
  const view = new DataView(raw.buffer);
  const values = Array.from({ length: 512 }, (_, i) => view.getBigUint64(i * 8, true));
  const rows = fold(values, 1n << BigInt(3 + 9 * level), (value) => {
    if (!(value & 7n)) return undefined;
    const leaf = eptIsLeaf(level, value);
    return { leaf, target: eptFrame(level, value, leaf), flags: eptFlags(value, leaf) };
  }, (offset) => base + offset);
  return { stage: "ept", table, level, rows };
}
