/** Mnemonics NASM knows, and the rows behind them. */
import type { Bits } from "../decode.ts";
import type { Row } from "../row.ts";
import { rows } from "../rows.ts";

const byName = new Map<string, Row[]>();
for (const row of rows) {
  if (row.attributes.has("alias")) continue;
  for (const name of new Set(row.names)) {
    const list = byName.get(name.toLowerCase());
    if (list) list.push(row);
    else byName.set(name.toLowerCase(), [row]);
  }
}

const CONDITIONS: Readonly<Record<string, string>> = {
  c: "b",
  nae: "b",
  nb: "ae",
  nc: "ae",
  z: "e",
  nz: "ne",
  na: "be",
  nbe: "a",
  pe: "p",
  po: "np",
  nge: "l",
  nl: "ge",
  ng: "le",
  nle: "g",
};

const OTHER: Readonly<Record<string, string>> = {
  sal: "shl",
  loopz: "loope",
  loopnz: "loopne",
  fwait: "wait",
  retn: "ret",
  xlat: "xlatb",
  icebp: "int1",
  int01: "int1",
  int03: "int3",
  sysret: "sysretd",
  sysexit: "sysexitd",
  ud2a: "ud2",
};

/** Mnemonics without a size: the mode's own. */
const BY_MODE: Readonly<Record<string, readonly [string, string, string]>> = {
  pusha: ["pushaw", "pushad", "pushad"],
  popa: ["popaw", "popad", "popad"],
  pushf: ["pushfw", "pushfd", "pushfq"],
  popf: ["popfw", "popfd", "popfq"],
  iret: ["iretw", "iretd", "iretd"],
};

/** x87 instructions that wait first: 9B, then the form without the wait. */
const WAITING: Readonly<Record<string, string>> = {
  finit: "fninit",
  fclex: "fnclex",
  fstcw: "fnstcw",
  fstsw: "fnstsw",
  fstenv: "fnstenv",
  fsave: "fnsave",
};

const PREDICATES = ["eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"];

export interface Name {
  /** As the rows spell it, in lower case. */
  readonly text: string;
  readonly rows: readonly Row[];
  /** An x87 WAIT comes first. */
  readonly wait: boolean;
  /** Predicate of CMPEQPS and its kind, an immediate the source does not write; else -1. */
  readonly predicate: number;
}

const known = new Map<string, Name>();

/** What a mnemonic means in a mode; undefined when there is none of that name. */
export function findName(mnemonic: string, bits: Bits): Name | undefined {
  const key = `${bits} ${mnemonic}`;
  const before = known.get(key);
  if (before) return before;
  const name = lookUp(mnemonic, bits);
  if (name) known.set(key, name);
  return name;
}

function lookUp(mnemonic: string, bits: Bits): Name | undefined {
  const lower = mnemonic.toLowerCase();
  const found = (text: string, more: Partial<Name> = {}): Name | undefined => {
    const list = byName.get(text)?.filter((r) => !r.attributes.has(bits === 64 ? "i64" : "o64"));
    return list ? { text, rows: list, wait: false, predicate: -1, ...more } : undefined;
  };
  const waited = WAITING[lower];
  if (waited) return found(waited, { wait: true });
  const byMode = BY_MODE[lower]?.[bits === 16 ? 0 : bits === 32 ? 1 : 2];
  if (byMode) return found(byMode);
  const direct = found(OTHER[lower] ?? lower);
  if (direct) {
    const signed = lower === "movsx" ? found("movsxd") : undefined;
    return signed ? { ...direct, rows: [...direct.rows, ...signed.rows] } : direct;
  }
  const condition = /^(j|set|cmov)([a-z]+)$/.exec(lower);
  const same = CONDITIONS[condition?.[2] ?? ""];
  if (condition && same) return found(`${condition[1]}${same}`);
  const compare = /^cmp([a-z]+)([ps][sd])$/.exec(lower);
  const predicate = PREDICATES.indexOf(compare?.[1] ?? "");
  return compare && predicate >= 0 ? found(`cmp${compare[2]}`, { predicate }) : undefined;
}
