// Parses the rows of the form tables: `name | encoding | options`.

import type { Flavour, Mode, Units } from "../../src/hw/cpu/fixtures/state.ts";

export interface Encoding {
  readonly prefixes: readonly number[];
  readonly opcode: readonly number[];
  /** "r" for a register field, 0..7 for an opcode extension, null for no ModRM. */
  readonly modrm: "r" | number | null;
  readonly plusRegister: boolean;
  readonly immediates: readonly ("ib" | "iw" | "iz" | "iv" | "O")[];
}

export interface Template {
  readonly name: string;
  readonly encoding: Encoding;
  /** Operand size in bits; 0 where the form has none to choose. */
  readonly size: number;
  readonly operand: "reg" | "mem" | "both";
  readonly memory: number;
  readonly alignment: number;
  readonly lockable: boolean;
  readonly hook: string;
  readonly undefinedFlags: string;
  readonly fswIgnored: number;
  readonly approximate: "none" | "reciprocal" | "transcendental";
  readonly background: Flavour;
  readonly units: Units;
}

function parseEncoding(text: string): Encoding {
  const prefixes: number[] = [],
    opcode: number[] = [],
    immediates: Encoding["immediates"][number][] = [];
  let modrm: Encoding["modrm"] = null,
    plusRegister = false;
  const words = text.trim().split(/\s+/);
  words.forEach((word, i) => {
    if (word === "+r") plusRegister = true;
    else if (word === "/r") modrm = "r";
    else if (word[0] === "/") modrm = Number(word[1]);
    else if (/^(i[bwzv]|O)$/.test(word)) immediates.push(word as "ib");
    else if (opcode.length === 0 && i < words.length - 1 && /^(66|f[023])$/.test(word))
      prefixes.push(parseInt(word, 16));
    else opcode.push(parseInt(word, 16));
  });
  return { prefixes, opcode, modrm, plusRegister, immediates };
}

/** The operand sizes a row stands for in a mode, and whether the mode has the row at all. */
function sizesOf(words: ReadonlySet<string>, mode: Mode): number[] {
  if ((words.has("no64") && mode === 64) || (words.has("only64") && mode !== 64)) return [];
  const long = mode === 64 ? [64] : [];
  if (words.has("v")) return [16, 32, ...long];
  if (words.has("y")) return [32, ...long];
  if (words.has("s")) return mode === 64 ? [16, 64] : [16, 32];
  if (words.has("j")) return mode === 64 ? [64] : [16, 32];
  if (words.has("q")) return long;
  if (words.has("b")) return [8];
  if (words.has("w")) return [16];
  return [words.has("d") ? 32 : 0];
}

export function parseRow(row: string, mode: Mode): Template[] {
  const [name, encodingText, optionText] = row.split("|").map((s) => s.trim()) as [string, string, string];
  const list = optionText.split(/\s+/),
    words = new Set(list);
  const value = (key: string): string =>
    list.find((w) => w.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
  const encoding = parseEncoding(encodingText);
  const flavour = value("bg") as Flavour | "",
    m = value("m");
  const x87 = words.has("f")
    ? flavour && flavour !== "int" && flavour !== "bcd"
      ? flavour
      : "f80"
    : words.has("mm")
      ? "mmx"
      : null;
  return sizesOf(words, mode).map((size) => ({
    name: size ? `${name} ${size}` : name,
    encoding,
    size,
    operand: words.has("reg") ? "reg" : words.has("mem") ? "mem" : "both",
    memory: m.endsWith("x") ? (parseInt(m, 10) * size) / 8 : m ? Number(m) : Math.max(size / 8, 1),
    alignment: Number(value("al") || 1),
    lockable: words.has("lock"),
    hook: value("h"),
    undefinedFlags: value("u"),
    fswIgnored: parseInt(value("c") || "0", 16),
    approximate: (value("approx") || "none") as "none",
    background: flavour || "int",
    units: {
      xmm: words.has("x") ? flavour || "int" : null,
      x87: x87 === "f32" || x87 === "f64" ? "f80" : x87,
    },
  }));
}
