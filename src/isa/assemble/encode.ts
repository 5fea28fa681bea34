/**
 * Instructions to bytes: every row of the mnemonic that takes the operands is encoded, and the shortest encoding
 * wins; among equals, the first row. "Instruction Format" in the SDM gives the order of the parts.
 */
import type { Bits } from "../decode.ts";
import { operandBytes } from "../disassemble.ts";
import type { Row } from "../row.ts";
import { type Address, encodeAddress } from "./address.ts";
import { AssembleError } from "./error.ts";
import { constant, isPlain, type Scope, type Value } from "./expression.ts";
import { findName, type Name } from "./names.ts";
import type { FarPointer, Immediate, Memory, Operand } from "./operand.ts";
import type { Register } from "./registers.ts";

export interface Instruction {
  readonly line: number;
  readonly bits: Bits;
  readonly prefixes: readonly string[];
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  /** `default rel` */
  readonly relative: boolean;
  /** A jump that turned out too far for the byte form keeps the long one. */
  long: boolean;
  /** What the last pass made of it, and from what. */
  last?: { readonly key: string; readonly bytes: readonly number[] };
}

type Resolved =
  | Register
  | (Immediate & { readonly value: Value })
  | (Memory & { readonly value: Value })
  | (FarPointer & { readonly to: Value; readonly segmentValue: Value });

interface Context {
  readonly instruction: Instruction;
  readonly scope: Scope;
  readonly name: Name;
  /** The last pass: what does not fit is an error. */
  readonly final: boolean;
  /** Bytes before the instruction itself: prefixes written out. */
  readonly lead: number;
  /** Operand size in bytes asked for by o16, o32 or o64; 0 without. */
  readonly wanted: number;
  /** a16, a32 or a64 asks for the address size that is not the mode's own. */
  readonly otherAddressSize: boolean;
}

/** Parts one row's operands give. */
interface Parts {
  reg: number;
  regRex: boolean;
  rm: Register | undefined;
  memory: (Memory & { value: Value }) | undefined;
  /** Size the row gives the memory operand. */
  memorySize: number;
  plus: number;
  immediates: { value: bigint; size: number; relative: boolean; known: boolean }[];
  offsetSize: number;
  high: boolean;
  needsRex: boolean;
}

interface Candidate {
  readonly bytes: number[];
  readonly memorySize: number;
  readonly unsized: boolean;
  readonly rank: number;
}

const SIZE_LETTER = /^[A-Za-z]*?(v|z|y|qdq|p)$|^rAX$|^eAX$|^Rv|^sIb$/;
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
const SEGMENT_BYTES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

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

function fits(value: bigint, size: number, signedOnly: boolean): boolean {
  if (size === 8) return true;
  const bits = BigInt(8 * size);
  return value >= -(1n << (bits - 1n)) && value < 1n << (signedOnly ? bits - 1n : bits);
}

/** Operand sizes worth trying for a row, the mode's own first. */
function operandSizes(row: Row, c: Context): number[] {
  const { bits } = c.instruction;
  const { attributes } = row;
  if (c.wanted !== 0) return [c.wanted];
  if (bits === 64 && attributes.has("f64")) return [8];
  const own = bits === 64 ? (attributes.has("d64") ? 8 : 4) : bits / 8;
  if (row.names.length > 1 && !attributes.has("asz")) {
    const sizes = row.names.flatMap((n, i) => (n.toLowerCase() === c.name.text ? [2 << i] : []));
    const possible = sizes.filter((s) => (s !== 8 || bits === 64) && !(s === 4 && own === 8));
    // A name that stands for two sizes means the mode's own.
    const best = possible.includes(own) ? [own] : possible;
    return row.prefix === "NP" || row.prefix === "66" ? best.filter((s) => s === own || s === 8) : best;
  }
  if (!row.operands.some((o) => SIZE_LETTER.test(o))) return [own];
  const fixed = row.prefix === "NP" || row.prefix === "66";
  if (bits === 64) return fixed ? [4, 8] : attributes.has("d64") ? [8, 2] : [4, 8, 2];
  return fixed ? [own] : [own, 6 - own];
}

const formsOfRow = new Map<number, readonly (readonly string[])[]>();

/** Operand letters to match against, for a source that wrote `count` operands. */
function lettersFor(row: Row, count: number): readonly (readonly string[])[] {
  const key = row.index * 8 + Math.min(count, 7);
  const before = formsOfRow.get(key);
  if (before) return before;
  const forms = findForms(row, count);
  formsOfRow.set(key, forms);
  return forms;
}

function findForms(row: Row, count: number): readonly (readonly string[])[] {
  const { operands } = row;
  if (row.attributes.has("rep") && row.map === 0) return count === 0 ? [[]] : [];
  const forms: string[][] = [];
  if (operands.length === count) forms.push([...operands]);
  if (operands.length === count + 1) {
    // ST0 goes without saying, and so does XMM0.
    if (operands[0] === "ST0") forms.push(operands.slice(1));
    if (operands.at(-1) === "ST0") forms.push(operands.slice(0, -1).filter(() => /P$/.test(row.mnemonic)));
    if (operands.at(-1) === "XMM0") forms.push(operands.slice(0, -1));
  }
  return forms.filter((f) => f.length === count);
}

/** A glance that spares most rows the full match. */
function mayMatch(letter: string, o: Resolved): boolean {
  switch (letter[0]) {
    case "I":
    case "s":
    case "J":
      return o.kind === "immediate";
    case "G":
    case "Z":
    case "V":
    case "P":
    case "U":
    case "N":
      return o.kind === "register";
    case "E":
    case "W":
    case "Q":
      return o.kind === "register" || o.kind === "memory";
    case "M":
    case "O":
      return o.kind === "memory";
    default:
      return true;
  }
}

const isGeneral = (o: Resolved): o is Register => o.kind === "register" && o.class === "general";

function matchImmediate(letter: string, o: Resolved, size: number, p: Parts, c: Context): boolean {
  if (o.kind !== "immediate" || o.distance === "far") return false;
  const { value } = o;
  if (value.registers.length > 0) return false;
  if (letter === "sIb") {
    if (o.strict && o.size !== 1) return false;
    if (o.size !== 0 && o.size !== 1 && o.size !== size && !(o.size === 4 && size === 8)) return false;
    if ((!isPlain(value) && o.size !== 1) || pushesOther(o, size, c)) return false;
    const signed = BigInt.asIntN(8 * size, value.value);
    if (!fits(value.value, size, false)) return false;
    if ((signed < -128n || signed > 127n) && (o.size !== 1 || c.final)) return false;
    p.immediates.push({ value: signed, size: 1, relative: false, known: true });
    return true;
  }
  if (pushesOther(o, size, c)) return false;
  const width = operandBytes(letter, size, c.instruction.bits, false);
  if (o.size !== 0 && o.size !== width && o.size !== size) return false;
  if (c.final && !fits(value.value, width, letter === "Iz" && size === 8)) {
    // A negative 64-bit pattern written without its sign.
    return false;
  }
  p.immediates.push({ value: value.value, size: width, relative: false, known: true });
  return true;
}

/** PUSH of a number without a size word, or of a byte, pushes the mode's own size. */
function pushesOther(o: Immediate, size: number, c: Context): boolean {
  return c.name.text === "push" && o.size < 2 && c.wanted === 0 && size !== c.instruction.bits / 8;
}

function matchJump(letter: string, o: Resolved, size: number, p: Parts, c: Context): boolean {
  if (o.kind !== "immediate" || o.distance === "far" || o.value.registers.length > 0) return false;
  const i = c.instruction;
  if (letter === "Jb") {
    const optional = /^j/i.test(c.name.text) && !/cxz$/.test(c.name.text);
    if (optional && o.distance !== "short") {
      if (o.distance === "near" || i.long || o.size !== 0) return false;
      if (o.value.known && o.value.base !== 1) return false;
    }
    p.immediates.push({ value: o.value.value, size: 1, relative: true, known: o.value.known });
    return true;
  }
  if (o.distance === "short") return false;
  if (o.size !== 0 && o.size !== size && !(size === 8 && o.size === 4)) return false;
  if (i.bits !== 64 && o.size === 0 && c.wanted === 0 && size !== i.bits / 8) return false;
  p.immediates.push({ value: o.value.value, size: size === 2 ? 2 : 4, relative: true, known: o.value.known });
  return true;
}

function takeRegister(r: Register, p: Parts): Register {
  p.high ||= r.high;
  p.needsRex ||= r.needsRex;
  return r;
}

function takeMemory(o: Resolved, size: number, p: Parts, offsetOnly = false): boolean {
  if (o.kind !== "memory" || (o.far && !offsetOnly)) return false;
  if (!offsetOnly && size !== 0 && o.size !== 0 && o.size !== size) return false;
  // A 64-bit absolute address exists in MOV's own forms alone.
  if (o.width === 8) return false;
  p.memory = o;
  p.memorySize = size;
  return true;
}

function matchMoffs(letter: string, o: Resolved, size: number, p: Parts, c: Context): boolean {
  if (o.kind !== "memory" || o.value.registers.length > 0 || o.far) return false;
  const width = letter === "Ob" ? 1 : size;
  if (o.size !== 0 && o.size !== width) return false;
  const { bits } = c.instruction;
  if (bits === 64 && o.width !== 8) return false;
  p.memory = o;
  p.memorySize = width;
  p.offsetSize = bits === 64 ? 8 : o.width === 2 || o.width === 4 ? o.width : bits / 8;
  return true;
}

function matchFixed(letter: string, o: Resolved, size: number): boolean {
  if (letter === "1")
    return o.kind === "immediate" && o.size <= 1 && isPlain(o.value) && o.value.value === 1n;
  if (o.kind !== "register") return false;
  if (letter === "rAX" || letter === "eAX") {
    return (
      o.class === "general" && o.number === 0 && o.size === (letter === "eAX" ? Math.min(size, 4) : size)
    );
  }
  return o.name === (letter === "ST0" ? "st0" : letter.toLowerCase());
}

/** Tries one operand against one letter, and notes what it gives the encoding. */
function matchOperand(letter: string, o: Resolved, size: number, p: Parts, c: Context, row: Row): boolean {
  const { bits } = c.instruction;
  if (/^(AL|CL|AX|DX|1|rAX|eAX|[ECSDFG]S|XMM0|ST0)$/.test(letter)) return matchFixed(letter, o, size);
  const split = /^R([vd])M([bw])$/.exec(letter);
  if (split) {
    if (!isGeneral(o)) return takeMemory(o, split[2] === "b" ? 1 : 2, p);
    if (o.size !== (split[1] === "v" ? size : 4)) return false;
    p.rm = takeRegister(o, p);
    return true;
  }
  const bytes = operandBytes(letter, size, bits, size === 8);
  const register = (kind: string, into: "reg" | "rm"): boolean => {
    if (o.kind !== "register" || o.class !== kind) return false;
    if (into === "rm") p.rm = o;
    else p.reg = o.number;
    return true;
  };
  switch (letter[0]) {
    case "s":
    case "I":
      return matchImmediate(letter, o, size, p, c);
    case "J":
      return matchJump(letter, o, size, p, c);
    case "O":
      return matchMoffs(letter, o, size, p, c);
    case "E":
    case "R":
      if (letter === "STi" || !isGeneral(o)) return letter[0] === "E" && takeMemory(o, bytes, p);
      // Loads of a selector take any register wide enough.
      if (
        o.size !== bytes &&
        !(letter === "Ew" && o.size > 2 && /^(mov|lldt|ltr|verr|verw|lmsw)$/.test(c.name.text))
      )
        return false;
      p.rm = takeRegister(o, p);
      return true;
    case "G":
      if (!isGeneral(o) || o.size !== bytes) return false;
      p.reg = takeRegister(o, p).number;
      return true;
    case "Z":
      if (!isGeneral(o) || o.size !== bytes) return false;
      p.plus = takeRegister(o, p).number;
      return true;
    case "M":
      if (letter === "Mp") {
        if (o.kind !== "memory" || row.operands.length > 1 === o.far) return false;
        if (row.operands.length === 1 && (o.size === 0 ? size !== bits / 8 : o.size !== size)) return false;
        return takeMemory(o, 0, p, true);
      }
      return takeMemory(o, bytes, p);
    case "S":
      if (letter === "STi") return register("st", "rm");
      return register("segment", "reg");
    case "C":
      return register("control", "reg");
    case "D":
      return register("debug", "reg");
    case "V":
      return register("xmm", "reg");
    case "P":
      return register("mmx", "reg");
    case "U":
      return register("xmm", "rm");
    case "N":
      return register("mmx", "rm");
    case "W":
      return register("xmm", "rm") || takeMemory(o, bytes, p);
    case "Q":
      return register("mmx", "rm") || takeMemory(o, bytes, p);
    case "A": {
      if (o.kind !== "far" || (o.size === 0 ? size !== bits / 8 : o.size !== size)) return false;
      p.immediates.push({ value: o.to.value, size, relative: false, known: true });
      p.immediates.push({ value: o.segmentValue.value, size: 2, relative: false, known: true });
      return true;
    }
    default:
      return false;
  }
}

function little(out: number[], value: bigint, size: number): void {
  for (let i = 0; i < size; i++) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
}

/** REX byte for the parts, 0 when none is needed, -1 when one is needed and cannot be. */
function rexOf(row: Row, size: number, p: Parts, address: Address | undefined, bits: Bits): number {
  const w = bits === 64 && size === 8 && !row.attributes.has("f64") && !row.attributes.has("d64");
  const b = (p.rm?.number ?? 0) > 7 || p.plus > 7 ? 1 : 0;
  const rex = (w ? 8 : 0) | (p.reg > 7 ? 4 : 0) | b | (address?.rex ?? 0);
  if (rex === 0 && !p.needsRex) return 0;
  return bits !== 64 || p.high ? -1 : 0x40 | rex;
}

/** Bytes of the row with these parts, or undefined when the mode cannot express them. */
function emit(row: Row, size: number, p: Parts, c: Context): number[] | undefined {
  const { bits, line } = c.instruction;
  const out: number[] = [];
  const m = p.memory;
  const relative =
    m !== undefined &&
    (m.relative === "rel" || (m.relative === "" && c.instruction.relative && m.segment < 4));
  const address = m && p.offsetSize === 0 ? encodeAddress(m, m.value, bits, relative, line) : undefined;
  if (m && m.segment >= 0) out.push(SEGMENT_BYTES[m.segment] ?? 0);
  const asz =
    row.names.length > 1 && row.attributes.has("asz")
      ? row.names.findIndex((n) => n.toLowerCase() === c.name.text)
      : -1;
  const addressSize =
    address?.addressSize ?? (p.offsetSize !== 0 ? p.offsetSize : asz >= 0 ? 2 << asz : bits / 8);
  if (bits === 64 ? addressSize === 2 : addressSize === 8) return undefined;
  const natural = bits === 64 ? (size === 8 ? 8 : 4) : bits / 8;
  const prefixed = row.prefix === "NP" || row.prefix === "66" || (bits === 64 && row.attributes.has("f64"));
  if (!prefixed && size !== natural && c.wanted === 0) out.push(0x66);
  if (addressSize !== bits / 8 || c.otherAddressSize) out.push(0x67);
  if (row.prefix !== "" && row.prefix !== "NP") out.push(Number.parseInt(row.prefix, 16));
  const rex = rexOf(row, size, p, address, bits);
  if (rex < 0) return undefined;
  if (rex > 0) out.push(rex);
  if (row.map > 0) out.push(0x0f);
  if (row.map > 1) out.push(row.map === 2 ? 0x38 : 0x3a);
  out.push(row.opcode | (row.plusR ? p.plus & 7 : 0));
  let relativeAt = -1;
  if (row.modrm) {
    const reg = row.digit >= 0 ? row.digit : p.reg & 7;
    if (address) {
      out.push((address.mod << 6) | (reg << 3) | address.rm);
      if (address.sib >= 0) out.push(address.sib);
      if (address.ripRelative) relativeAt = out.length;
      if (address.displacementSize > 0 && c.final) checkDisplacement(address, line);
      little(out, address.displacement, address.displacementSize);
    } else out.push(0xc0 | (reg << 3) | (row.rm >= 0 ? row.rm : (p.rm?.number ?? 0) & 7));
  }
  if (m && p.offsetSize > 0) little(out, m.value.value, p.offsetSize);
  const total = out.length + p.immediates.reduce((n, i) => n + i.size, 0);
  const end = c.scope.here + BigInt(c.lead + total);
  for (const i of p.immediates) {
    if (!i.relative) {
      little(out, i.value, i.size);
      continue;
    }
    const distance = i.value - end;
    if (i.size === 1 && i.known && (distance < -128n || distance > 127n)) {
      if (
        /^j/.test(c.name.text) &&
        row.opcode !== 0xe3 &&
        !c.instruction.operands.some((o) => o.kind === "immediate" && o.distance === "short")
      ) {
        c.instruction.long = true;
        return undefined;
      }
      if (c.final)
        throw new AssembleError(
          line,
          `the target is ${distance} bytes away`,
          "a short jump reaches -128 to 127",
        );
    }
    little(out, distance, i.size);
  }
  if (relativeAt >= 0 && address) {
    const patch: number[] = [];
    little(patch, address.displacement - end, 4);
    out.splice(relativeAt, 4, ...patch);
  }
  return out;
}

function checkDisplacement(a: Address, line: number): void {
  // Addresses wrap at the address size.
  if (a.displacementSize >= a.addressSize || a.ripRelative) return;
  if (fits(a.displacement, a.displacementSize, a.displacementSize === 4)) return;
  throw new AssembleError(
    line,
    `displacement ${a.displacement} does not fit ${8 * a.displacementSize} bits`,
    "use a register",
  );
}

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
