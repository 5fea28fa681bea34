/** Which row takes which operands: the operand letters of row.ts against what the source wrote. */
import type { Bits } from "../decode.ts";
import { operandBytes } from "../disassemble.ts";
import type { Row } from "../row.ts";
import { isPlain, type Scope, type Value } from "./expression.ts";
import type { Name } from "./names.ts";
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

export type Resolved =
  | Register
  | (Immediate & { readonly value: Value })
  | (Memory & { readonly value: Value })
  | (FarPointer & { readonly to: Value; readonly segmentValue: Value });

export interface Context {
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
export interface Parts {
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

const SIZE_LETTER = /^[A-Za-z]*?(v|z|y|qdq|p)$|^rAX$|^eAX$|^Rv|^sIb$/;

export function fits(value: bigint, size: number, signedOnly: boolean): boolean {
  if (size === 8) return true;
  const bits = BigInt(8 * size);
  return value >= -(1n << (bits - 1n)) && value < 1n << (signedOnly ? bits - 1n : bits);
}
/** Operand sizes worth trying for a row, the mode's own first. */
export function operandSizes(row: Row, c: Context): number[] {
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
export function lettersFor(row: Row, count: number): readonly (readonly string[])[] {
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
export function mayMatch(letter: string, o: Resolved): boolean {
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
export function matchOperand(
  letter: string,
  o: Resolved,
  size: number,
  p: Parts,
  c: Context,
  row: Row,
): boolean {
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
