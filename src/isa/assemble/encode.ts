/**
 * Instructions to bytes: every row of the mnemonic that takes the operands is encoded, and the shortest encoding
 * wins; among equals, the first row.
 */
import type { Row } from "../row.ts";
import { emit } from "./emit.ts";
import { AssembleError } from "./error.ts";
import { constant, isPlain, type Scope } from "./expression.ts";
import {
  type Context,
  type Instruction,
  lettersFor,
  matchOperand,
  mayMatch,
  operandSizes,
  type Parts,
  type Resolved,
} from "./match.ts";
import { findName } from "./names.ts";
import type { Operand } from "./operand.ts";
import type { Register } from "./registers.ts";

export type { Instruction } from "./match.ts";

interface Candidate {
  readonly bytes: number[];
  readonly memorySize: number;
  readonly unsized: boolean;
  readonly rank: number;
}

const PREFIX_BYTES: Readonly<Record<string, number>> = {
  lock: 0xf0,
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
  es: 0x26,
  cs: 0x2e,
  ss: 0x36,
  ds: 0x3e,
  fs: 0x64,
  gs: 0x65,
};

export const PREFIXES: ReadonlySet<string> = new Set([
  ...Object.keys(PREFIX_BYTES),
  "o16",
  "o32",
  "o64",
  "a16",
  "a32",
  "a64",
  "wait",
]);
/** NASM's choice for a 64-bit MOV of an immediate: 4 bytes zero-extended, 4 sign-extended, then 8. */
function refuseMove(row: Row, size: number, operands: readonly Resolved[]): boolean {
  const [to, from] = operands;
  if (row.mnemonic !== "MOV" || size !== 8 || to?.kind !== "register" || from?.kind !== "immediate")
    return false;
  if (row.opcode === 0xc7) return !(from.size === 4 || (from.size === 0 && isPlain(from.value)));
  return row.opcode === 0xb8 && from.size === 4;
}

function candidatesOf(row: Row, operands: readonly Resolved[], c: Context): Candidate[] {
  const found: Candidate[] = [];
  const { bits } = c.instruction;
  for (const letters of lettersFor(row, operands.length)) {
    if (!letters.every((letter, i) => mayMatch(letter, operands[i] as Resolved))) continue;
    for (const size of operandSizes(row, c)) {
      if (refuseMove(row, size, operands)) continue;
      const p: Parts = {
        reg: 0,
        regRex: false,
        rm: undefined,
        memory: undefined,
        memorySize: 0,
        plus: 0,
        immediates: [],
        offsetSize: 0,
        high: false,
        needsRex: false,
      };
      if (!letters.every((letter, i) => matchOperand(letter, operands[i] as Resolved, size, p, c, row)))
        continue;
      if ((row.mod === "mem" && !p.memory) || (row.mod === "reg" && p.memory)) continue;
      // 90 does nothing: it does not clear the upper half.
      if (row.opcode === 0x90 && row.plusR && bits === 64 && size === 4 && p.plus === 0) continue;
      let used = size;
      const immediate = p.immediates[0];
      if (row.mnemonic === "MOV" && row.opcode === 0xb8 && size === 8 && immediate) {
        const source = operands[1];
        if (
          source?.kind === "immediate" &&
          isPlain(source.value) &&
          source.size === 0 &&
          immediate.value >= 0n &&
          immediate.value < 1n << 32n
        ) {
          used = 4;
          immediate.size = 4;
        }
      }
      // A register wider than a selector needs no prefix; a selector read into one is zero-extended anyway.
      if (row.opcode === 0x8e && bits !== 64) used = bits / 8;
      if ((row.body === "mov_from_seg" || row.body === "sldt") && size === 8) used = 4;
      const bytes = emit(row, used, p, c);
      if (!bytes) continue;
      const unsized = p.memory !== undefined && p.memory.size === 0;
      const first = letters.includes("sIb") || (letters.length === 2 && letters[0] === "STi");
      const rank = first ? 0 : row.names.length > 1 ? 2 : 1;
      found.push({ bytes, memorySize: p.memorySize, unsized, rank });
    }
  }
  return found;
}

function choose(found: readonly Candidate[], c: Context): Candidate | undefined {
  const sizes = new Set(found.filter((f) => f.unsized).map((f) => f.memorySize));
  let list = found;
  if (sizes.size > 1) {
    const { bits } = c.instruction;
    const jump = c.name.text === "jmp" || c.name.text === "call";
    if (!jump)
      throw new AssembleError(
        c.instruction.line,
        "operation size not specified",
        "write byte, word, dword or qword before the [",
      );
    list = found.filter((f) => f.memorySize === bits / 8);
  }
  let best: Candidate | undefined;
  for (const f of list) {
    const better =
      !best ||
      f.bytes.length < best.bytes.length ||
      (f.bytes.length === best.bytes.length && f.rank < best.rank);
    if (better) best = f;
  }
  return best;
}

function resolve(o: Operand, scope: Scope): Resolved {
  if (o.kind === "register") return o;
  if (o.kind === "far") return { ...o, to: o.offset(scope), segmentValue: o.selector(scope) };
  return { ...o, value: o.expression(scope) };
}

/** Prefixes written before the mnemonic, in the order NASM emits them. */
function writtenPrefixes(i: Instruction): { bytes: number[]; wanted: number; otherAddressSize: boolean } {
  const group = (list: readonly string[]) => i.prefixes.filter((p) => list.includes(p));
  const bytes: number[] = [];
  let [wanted, otherAddressSize] = [0, false];
  if (i.prefixes.includes("wait")) bytes.push(0x9b);
  for (const p of group(["rep", "repe", "repz", "repne", "repnz"])) bytes.push(PREFIX_BYTES[p] ?? 0);
  if (i.prefixes.includes("lock")) bytes.push(0xf0);
  for (const p of group(["es", "cs", "ss", "ds", "fs", "gs"])) bytes.push(PREFIX_BYTES[p] ?? 0);
  for (const p of group(["o16", "o32", "o64"])) {
    wanted = Number(p.slice(1)) / 8;
    if (wanted === 8 ? i.bits !== 64 : i.bits === 64 && wanted === 4)
      throw new AssembleError(i.line, `${p} in ${i.bits}-bit mode`);
    if (wanted !== 8 && wanted !== Math.min(4, i.bits / 8)) bytes.push(0x66);
  }
  for (const p of group(["a16", "a32", "a64"])) {
    const size = Number(p.slice(1));
    if ((size === 64) !== (i.bits === 64) && !(i.bits === 64 && size === 32))
      throw new AssembleError(i.line, `${p} in ${i.bits}-bit mode`);
    otherAddressSize = size !== i.bits;
  }
  return { bytes, wanted, otherAddressSize };
}

/** Bytes of one instruction at `scope.here`. */
export function encodeInstruction(i: Instruction, scope: Scope, final: boolean): readonly number[] {
  const operands = i.operands.map((o) => resolve(o, scope));
  const values = operands.flatMap((o) =>
    o.kind === "register" ? [] : o.kind === "far" ? [o.to, o.segmentValue] : [o.value],
  );
  // Without a label or a jump in it an instruction is the same in every pass.
  const fixed = values.every((v) => v.known && v.base === 0) && !/^(j|call|loop)/i.test(i.mnemonic);
  const here = fixed ? "" : `${final} ${scope.here} ${i.long} ${values.map((v) => `${v.value} ${v.known}`)}`;
  const key = `${here} ${fixed ? values.map((v) => v.value) : ""}`;
  if (i.last?.key !== key) i.last = { key, bytes: encodeResolved(i, operands, scope, final || fixed) };
  return i.last.bytes;
}

function encodeResolved(i: Instruction, operands: Resolved[], scope: Scope, final: boolean): number[] {
  const name = findName(i.mnemonic, i.bits);
  if (!name)
    throw new AssembleError(i.line, `unknown instruction ${i.mnemonic}`, "write a mnemonic of the manual");
  const { bytes: lead, wanted, otherAddressSize } = writtenPrefixes(i);
  if (name.wait) lead.push(0x9b);
  const c: Context = { instruction: i, scope, name, final, lead: lead.length, wanted, otherAddressSize };
  const written = (value: number): Resolved => ({
    kind: "immediate",
    expression: () => constant(BigInt(value)),
    size: 0,
    distance: "",
    strict: false,
    value: constant(BigInt(value)),
  });
  if (name.predicate >= 0) operands.push(written(name.predicate));
  if ((name.text === "aam" || name.text === "aad") && operands.length === 0) operands.push(written(10));
  for (const fill of completions(name.text, operands)) {
    const found = name.rows.flatMap((row) => candidatesOf(row, fill, c));
    const best = choose(found, c);
    if (best) return [...lead, ...best.bytes];
  }
  const immediate = operands.find((o) => o.kind === "immediate");
  const value =
    immediate?.kind === "immediate" && isPlain(immediate.value) ? ` (value ${immediate.value.value})` : "";
  throw new AssembleError(
    i.line,
    `no form of ${i.mnemonic} takes these operands in ${i.bits}-bit mode${value}`,
    "check sizes and registers",
  );
}

/** Operand lists a short spelling stands for, the likeliest first. */
function completions(name: string, operands: readonly Resolved[]): (readonly Resolved[])[] {
  const [a, b] = operands;
  const swapped = a && b && operands.length === 2 ? [b, a] : undefined;
  const st1: Register = {
    kind: "register",
    name: "st1",
    class: "st",
    number: 1,
    size: 10,
    high: false,
    needsRex: false,
  };
  if (name === "xchg" && swapped) {
    const accumulator = (o: Resolved) => o.kind === "register" && o.number === 0 && o.size > 1;
    const both = accumulator(a as Resolved) && accumulator(b as Resolved);
    const short = !both && (accumulator(a as Resolved) || accumulator(b as Resolved));
    // 90+r names the other register, whichever was written first.
    if (both) return [operands, swapped];
    return short ? [accumulator(b as Resolved) ? operands : swapped, swapped, operands] : [swapped, operands];
  }
  if (name === "test" && swapped && b?.kind === "memory") return [swapped];
  if (name === "imul" && a && b?.kind === "immediate" && operands.length === 2) return [[a, a, b]];
  if (/^f/.test(name) && operands.length === 0) return [operands, [st1]];
  return [operands];
}
