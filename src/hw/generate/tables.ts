// The decoder's tables: opcode and mandatory prefix -> descriptor, through a ModRM table where digits or forms differ.
import type { Row } from "../../isa/index.ts";

const F = { modrm: 1, d64: 2, f64: 4, i64: 8, o64: 16, lock: 32, end: 64, rep: 128 } as const;
const G = { plusR: 1, accumulator: 2, info: 4, no66: 8, regOnly: 16, norexb: 32, memOnly: 64 } as const;

function immediateKind(row: Row): number {
  const has = (o: string): boolean => row.operands.includes(o);
  if (has("Iw") && has("Ib")) return 10;
  if (has("Ib") || has("I")) return 1;
  if (has("sIb")) return 2;
  if (has("Iw")) return 3;
  if (has("Iz")) return 4;
  if (has("Iv")) return 5;
  if (has("Jb")) return 6;
  if (has("Jz")) return 7;
  if (has("Ob") || has("Ov")) return 8;
  if (has("Ap")) return 9;
  return 0;
}
/** Register file of a ModRM field: 1 byte registers, 2 general, 3 XMM, 4 MMX, 5 raw number (6: the whole ModRM byte, for FOP). */
function fieldKind(operand: string | undefined): number {
  if (operand === undefined) return 5;
  if (/^[VWU]/.test(operand)) return 3;
  if (/^[PQN]/.test(operand)) return 4;
  if (/^(RdMb|RyMb|RdMw|RyMw|RvMw)/.test(operand)) return 2;
  if (/^[GEZRM]/.test(operand)) return /^[GEZ]b$/.test(operand) ? 1 : 2;
  return 5;
}
const regOperand = (row: Row): string | undefined => row.operands.find((o) => /^[GVPSCD]/.test(o) && !/^(CL|DX|CS|SS|DS|GS)$/.test(o));
const rmOperand = (row: Row): string | undefined => row.operands.find((o) => /^[EWQURNM]/.test(o) || /^Z/.test(o) || o === "STi");

function descriptor(row: Row, cases: readonly number[], features: readonly string[], other: number): number[] {
  const a = row.attributes;
  const reg = regOperand(row);
  let f = 0;
  if (row.modrm) f |= F.modrm;
  if (a.has("d64")) f |= F.d64;
  if (a.has("f64")) f |= F.f64;
  if (a.has("i64")) f |= F.i64;
  if (a.has("o64")) f |= F.o64;
  if (a.has("lock")) f |= F.lock;
  if (a.has("end") && row.body !== "jcc") f |= F.end;
  if (a.has("rep")) f |= F.rep;
  let g = 0;
  if (row.plusR) g |= G.plusR;
  if (row.operands.some((o) => /^(AL|rAX|eAX)$/.test(o)) && !row.operands.some((o) => /^[EMZO]/.test(o))) g |= G.accumulator;
  if (reg === undefined && !row.modrm && row.body !== "jcc") g |= G.info;
  if (row.prefix === "66" || a.has("nosz")) g |= G.no66;
  if (/^0F 2[0-3]/.test(row.text)) g |= G.regOnly;
  if (a.has("norexb")) g |= G.norexb;
  if (row.mod === "mem") g |= G.memOnly;
  const feature = [...a].map((name) => features.indexOf(name)).find((i) => i > 0) ?? 0;
  const slots = cases.flatMap((n) => [n & 255, n >> 8]);
  return [...slots, immediateKind(row), f, a.has("fpu") ? 6 : fieldKind(reg), fieldKind(rmOperand(row)), g, feature, 0, 0, other & 255, other >> 8, 0, 0];
}

/** Is `a` a better match than `b` for one ModRM value? An exact rm beats a digit, a digit beats /r. */
const rank = (r: Row): number => (r.rm >= 0 ? 4 : 0) + (r.digit >= 0 ? 2 : 0) + (r.mod !== "any" ? 1 : 0);

function matches(row: Row, modrm: number): boolean {
  const mod = modrm >> 6, reg = (modrm >> 3) & 7, rm = modrm & 7;
  if (row.digit >= 0 && row.digit !== reg) return false;
  if (row.mod === "reg" && mod !== 3) return false;
  if (row.mod === "mem" && mod === 3) return false;
  return row.rm < 0 || row.rm === rm;
}

export function decoderTables(rows: readonly Row[], cases: ReadonlyMap<Row, readonly number[]>, features: readonly string[]): string {
  // A row for 64-bit mode only and one for the other modes may share an opcode: each names the other.
  const ids = new Map<Row, number>();
  for (const [i, r] of rows.entries()) ids.set(r, i + 1);
  const partner = (row: Row): number => {
    const mine = row.attributes.has("i64") ? "o64" : row.attributes.has("o64") ? "i64" : "";
    if (!mine) return 0;
    const found = rows.find((r) => r !== row && r.attributes.has(mine) && r.map === row.map && r.opcode === row.opcode && r.prefix === row.prefix && (r.digit === row.digit || r.digit < 0 || row.digit < 0));
    return found ? (ids.get(found) ?? 0) : 0;
  };
  const descriptors = [new Array<number>(24).fill(0), ...rows.map((r) => descriptor(r, cases.get(r) ?? [0, 0, 0, 0, 0, 0], features, partner(r)))];
  const primary = new Array<number>(4 * 256 * 4).fill(0);
  const modrmTables: number[][] = [];
  const known = new Map<string, number>();
  const prefixes = ["NP", "66", "F3", "F2"] as const;
  for (let map = 0; map < 4; map++) {
    for (let opcode = 0; opcode < 256; opcode++) {
      const here = rows.filter((r) => r.map === map && (r.plusR ? (opcode & 0xf8) === r.opcode : r.opcode === opcode));
      const exact = here.filter((r) => !r.plusR);
      const candidates = exact.length > 0 ? exact : here;
      prefixes.forEach((prefix, slot) => {
        // F3 and F2 select before 66; a row without a prefix column takes any.
        const selected = candidates.filter((r) => r.prefix === prefix);
        const plain = candidates.filter((r) => r.prefix === "");
        const fallback = slot >= 2 && selected.length === 0 ? candidates.filter((r) => r.prefix === "NP" && plain.length === 0 && false) : [];
        const all = [...selected, ...plain, ...fallback];
        if (all.length === 0) return;
        const choose = (modrm: number): number => {
          const pick = (list: readonly Row[]): Row | undefined =>
            list.filter((r) => matches(r, modrm)).sort((x, y) => rank(y) - rank(x) || Number(x.attributes.has("o64")) - Number(y.attributes.has("o64")))[0];
          const row = pick(selected) ?? pick(plain);
          return row ? (ids.get(row) ?? 0) : 0;
        };
        const table = Array.from({ length: 256 }, (_, m) => choose(m));
        const uniform = all.every((r) => !r.modrm) || (new Set(table).size === 1);
        let entry: number;
        if (uniform) entry = all.every((r) => !r.modrm) ? (ids.get(selected[0] ?? plain[0] ?? all[0]!) ?? 0) : (table[0] ?? 0);
        else {
          const key = table.join();
          const index = known.get(key) ?? modrmTables.push(table) - 1;
          known.set(key, index);
          entry = 0x8000 | index;
        }
        primary[((map << 8) | opcode) * 4 + slot] = entry;
      });
    }
  }
  const data = (name: string, type: string, values: readonly number[]): string => `export const ${name}: usize = memory.data<${type}>([${values.join(",")}]);`;
  return `${data("PRIMARY", "u16", primary)}\n${data("MODRM", "u16", modrmTables.flat())}\n${data("DESCRIPTORS", "u8", descriptors.flat())}\n`;
}
