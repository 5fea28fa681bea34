/**
 * A plain decoder driven by the rows: "Instruction Format" in the SDM. The disassembler, the labs and the
 * tests use it; the CPU has its own tables generated from the same rows.
 */
import type { Row } from "./row.ts";
import { rows } from "./rows.ts";

export type Bits = 16 | 32 | 64;

export interface Decoded {
  readonly row: Row;
  readonly bits: Bits;
  readonly length: number;
  /** Operand and address size in bytes. */
  readonly operandSize: 2 | 4 | 8;
  readonly addressSize: 2 | 4 | 8;
  /** REX byte, 0 without. */
  readonly rex: number;
  readonly lock: boolean;
  /** 0xF3, 0xF2 or 0: the repeat prefix left over after row selection. */
  readonly rep: number;
  /** ES CS SS DS FS GS as 0..5, -1 without override. */
  readonly segment: number;
  readonly mod: number;
  /** Register fields with their REX bits. */
  readonly reg: number;
  readonly rm: number;
  /** Memory operand: registers are numbers, -1 none, 16 rip. */
  readonly base: number;
  readonly indexRegister: number;
  readonly scale: number;
  readonly displacement: number;
  /** Immediates in operand order: I, sI, J, O, A (offset, then selector). */
  readonly immediates: readonly bigint[];
}

const LONGEST = 15;

/** Rows by map and opcode, the most specific first. */
const table: readonly (readonly (readonly Row[])[])[] = [0, 1, 2, 3].map((map) => {
  const byOpcode: Row[][] = Array.from({ length: 256 }, () => []);
  for (const row of rows) {
    if (row.map !== map) continue;
    for (let r = 0; r < (row.plusR ? 8 : 1); r++) byOpcode[row.opcode + r]?.push(row);
  }
  const rank = (r: Row) => (r.prefix === "" ? 4 : 0) + (r.plusR ? 2 : 0) + (r.rm >= 0 ? 0 : 1);
  for (const list of byOpcode) list.sort((a, b) => rank(a) - rank(b));
  return byOpcode;
});

interface Prefixes {
  opsize: boolean;
  adsize: boolean;
  lock: boolean;
  rep: number;
  segment: number;
  rex: number;
}

function matches(row: Row, bits: Bits, p: Prefixes, modrm: number): boolean {
  if (bits === 64 ? row.attributes.has("i64") : row.attributes.has("o64")) return false;
  if (row.prefix === "NP" && (p.rep !== 0 || p.opsize)) return false;
  if (row.prefix === "66" && (p.rep !== 0 || !p.opsize)) return false;
  if (row.prefix === "F3" && p.rep !== 0xf3) return false;
  if (row.prefix === "F2" && p.rep !== 0xf2) return false;
  if (row.attributes.has("norexb") && (p.rex & 1) !== 0) return false;
  if (!row.modrm) return true;
  if (row.digit >= 0 && ((modrm >> 3) & 7) !== row.digit) return false;
  if (row.mod === "mem" && modrm >= 0xc0) return false;
  if (row.mod === "reg" && modrm < 0xc0) return false;
  return row.rm < 0 || (modrm & 7) === row.rm;
}

/** Bytes of immediate an operand takes from the instruction stream. */
function immediateSize(operand: string, operandSize: number, addressSize: number): number {
  if (operand === "Ib" || operand === "sIb" || operand === "Jb") return 1;
  if (operand === "Iw") return 2;
  if (operand === "Iz" || operand === "Jz") return operandSize === 2 ? 2 : 4;
  if (operand === "Iv") return operandSize;
  if (operand === "Ob" || operand === "Ov") return addressSize;
  return 0;
}

const BASES_16: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

/** Operand size in bytes after prefixes, mode and the row's `d64`/`f64`. */
export function operandSizeOf(row: Row, bits: Bits, opsize: boolean, rexW: boolean): 2 | 4 | 8 {
  if (bits === 64) {
    if (rexW || row.attributes.has("f64")) return 8;
    if (row.prefix === "66") return 4;
    return opsize ? 2 : row.attributes.has("d64") ? 8 : 4;
  }
  const flip = opsize && row.prefix !== "66";
  return (bits === 16) !== flip ? 2 : 4;
}

/** Decodes the instruction at `start`; undefined when no row matches or the bytes end or exceed 15. */
export function decode(bytes: Uint8Array, bits: Bits, start = 0): Decoded | undefined {
  let at = start;
  const end = Math.min(bytes.length, start + LONGEST);
  let short = false;
  const byte = (): number => {
    if (at >= end) short = true;
    return bytes[at++] ?? 0;
  };
  const p: Prefixes = { opsize: false, adsize: false, lock: false, rep: 0, segment: -1, rex: 0 };
  let op = 0;
  for (;;) {
    op = byte();
    if (short) return undefined;
    if (op === 0x66) p.opsize = true;
    else if (op === 0x67) p.adsize = true;
    else if (op === 0xf0) p.lock = true;
    else if (op === 0xf2 || op === 0xf3) p.rep = op;
    else if ((op & 0xe7) === 0x26) p.segment = bits === 64 ? p.segment : (op >> 3) & 3;
    else if (op === 0x64 || op === 0x65) p.segment = op - 0x60;
    else if (bits === 64 && (op & 0xf0) === 0x40) {
      p.rex = op;
      continue;
    } else break;
    p.rex = 0;
  }
  let map = 0;
  if (op === 0x0f) {
    map = 1;
    op = byte();
    if (op === 0x38 || op === 0x3a) {
      map = op === 0x38 ? 2 : 3;
      op = byte();
    }
  }
  const modrm = bytes[at] ?? 0;
  const row = table[map]?.[op]?.find((r) => matches(r, bits, p, modrm));
  if (!row) return undefined;
  const operandSize = operandSizeOf(row, bits, p.opsize, (p.rex & 8) !== 0);
  const addressSize = bits === 64 ? (p.adsize ? 4 : 8) : (bits === 16) !== p.adsize ? 2 : 4;
  const little = (size: number): bigint => {
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(byte()) << BigInt(8 * i);
    return value;
  };
  let [mod, reg, rm, base, indexRegister, scale, displacement] = [3, 0, op & 7, -1, -1, 1, 0];
  if (row.plusR) rm |= (p.rex & 1) << 3;
  if (row.modrm) {
    at++;
    mod = modrm >> 6;
    if (row.operands.includes("Rn")) mod = 3;
    reg = ((modrm >> 3) & 7) | ((p.rex & 4) << 1);
    rm = (modrm & 7) | ((p.rex & 1) << 3);
    let dispSize = mod === 1 ? 1 : mod === 2 ? 4 : 0;
    if (mod !== 3 && addressSize === 2) {
      [base, indexRegister] = BASES_16[modrm & 7] ?? [-1, -1];
      if (mod === 2) dispSize = 2;
      if (mod === 0 && (modrm & 7) === 6) [base, dispSize] = [-1, 2];
    } else if (mod !== 3) {
      base = rm;
      if ((modrm & 7) === 4) {
        const sib = byte();
        base = (sib & 7) | ((p.rex & 1) << 3);
        indexRegister = ((sib >> 3) & 7) | ((p.rex & 2) << 2);
        if (indexRegister === 4) indexRegister = -1;
        scale = 1 << (sib >> 6);
        if ((sib & 7) === 5 && mod === 0) [base, dispSize] = [-1, 4];
      } else if ((modrm & 7) === 5 && mod === 0) [base, dispSize] = [bits === 64 ? 16 : -1, 4];
    }
    displacement = Number(BigInt.asIntN(8 * dispSize, little(dispSize)));
  }
  const immediates: bigint[] = [];
  for (const operand of row.operands) {
    if (operand === "Ap") {
      immediates.push(little(operandSize));
      immediates.push(little(2));
      continue;
    }
    const size = immediateSize(operand, operandSize, addressSize);
    if (size === 0) continue;
    const raw = little(size);
    const signed = operand === "sIb" || operand[0] === "J" || (operand === "Iz" && size === 4);
    immediates.push(signed ? BigInt.asIntN(8 * size, raw) : raw);
  }
  if (short || at > end) return undefined;
  const usedRep = row.prefix === "F3" || row.prefix === "F2";
  return {
    row,
    bits,
    length: at - start,
    operandSize,
    addressSize,
    rex: p.rex,
    lock: p.lock,
    rep: usedRep ? 0 : p.rep,
    segment: p.segment,
    mod,
    reg,
    rm,
    base,
    indexRegister,
    scale,
    displacement,
    immediates,
  };
}
