/**
 * Expressions: 64-bit values that may be relative to the section ("Expressions" in the NASM manual) and, inside
 * brackets, linear in registers. An expression is parsed once and evaluated in every pass.
 */
import { AssembleError } from "./error.ts";
import type { Token } from "./lex.ts";
import { findRegister, type Register } from "./registers.ts";

export interface Value {
  readonly value: bigint;
  /** How often the section's start is in it: 1 for a label, 0 for a number or a difference of labels. */
  readonly base: number;
  /** False while a symbol in it has no value yet. */
  readonly known: boolean;
  readonly registers: readonly (readonly [Register, number])[];
}

export interface Scope {
  /** `$` */
  readonly here: bigint;
  /** `$$` */
  readonly start: bigint;
  symbol(name: string): Value;
}

export type Expression = (scope: Scope) => Value;

const wrap = (n: bigint): bigint => BigInt.asIntN(64, n);
const unsigned = (n: bigint): bigint => BigInt.asUintN(64, n);

export function constant(value: bigint): Value {
  return { value: wrap(value), base: 0, known: true, registers: [] };
}

/** A known number: no label, no register in it. */
export function isPlain(v: Value): boolean {
  return v.known && v.base === 0 && v.registers.length === 0;
}

function sum(a: Value, b: Value, sign: 1 | -1): Value {
  const registers = [...a.registers];
  for (const [r, n] of b.registers) {
    const at = registers.findIndex(([other]) => other === r);
    if (at < 0) registers.push([r, sign * n]);
    else registers[at] = [r, (registers[at]?.[1] ?? 0) + sign * n];
  }
  return {
    value: wrap(a.value + BigInt(sign) * b.value),
    base: a.base + sign * b.base,
    known: a.known && b.known,
    registers,
  };
}

/** Tokens of a line with a position. */
export class Reader {
  readonly tokens: readonly Token[];
  readonly line: number;
  at = 0;

  constructor(tokens: readonly Token[], line: number) {
    this.tokens = tokens;
    this.line = line;
  }

  get done(): boolean {
    return this.at >= this.tokens.length;
  }

  /** Takes the sign if it comes next. */
  sign(text: string): boolean {
    const t = this.tokens[this.at];
    if (t?.kind !== "sign" || t.text !== text) return false;
    this.at++;
    return true;
  }

  expect(text: string): void {
    if (!this.sign(text)) throw this.error(`expected "${text}"`);
  }

  /** The next word in lower case, not taken. */
  peekWord(ahead = 0): string | undefined {
    const t = this.tokens[this.at + ahead];
    return t?.kind === "word" ? t.text.toLowerCase() : undefined;
  }

  error(value: string, cure?: string): AssembleError {
    return new AssembleError(this.line, value, cure);
  }
}

const LEVELS: readonly (readonly string[])[] = [
  ["|"],
  ["^"],
  ["&"],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%", "//", "%%"],
];

function apply(sign: string, a: Value, b: Value, r: Reader): Value {
  if (sign === "+") return sum(a, b, 1);
  if (sign === "-") return sum(a, b, -1);
  if (sign === "*" && a.registers.length + b.registers.length > 0) {
    const [product, factor] = a.registers.length > 0 ? [a, b] : [b, a];
    if (!isPlain(factor)) throw r.error("a register times something unknown", "scale by 1, 2, 4 or 8");
    const scale = Number(factor.value);
    return {
      ...constant(product.value * factor.value),
      known: product.known,
      registers: product.registers.map(([register, n]) => [register, n * scale]),
    };
  }
  const known = a.known && b.known;
  if (known && (!isPlain(a) || !isPlain(b))) {
    throw r.error(`"${sign}" on an address`, "only + and - work on labels and registers");
  }
  const result = (n: bigint): Value => ({ ...constant(n), known });
  const [x, y] = [unsigned(a.value), unsigned(b.value)];
  switch (sign) {
    case "|":
      return result(x | y);
    case "^":
      return result(x ^ y);
    case "&":
      return result(x & y);
    case "<<":
      return result(y > 63n ? 0n : x << y);
    case ">>":
      return result(y > 63n ? 0n : x >> y);
    case "*":
      return result(x * y);
    default:
      break;
  }
  if (y === 0n) {
    if (known) throw r.error("division by zero");
    return result(0n);
  }
  if (sign === "/") return result(x / y);
  if (sign === "%") return result(x % y);
  return result(sign === "//" ? a.value / b.value : a.value % b.value);
}

function parsePrimary(r: Reader, name: (text: string) => string): Expression {
  const t = r.tokens[r.at++];
  if (t === undefined) throw r.error("the expression ends too soon");
  if (t.kind === "number") return () => constant(t.value);
  if (t.kind === "string") {
    const value = t.bytes.slice(0, 8).reduceRight((n, b) => (n << 8n) | BigInt(b), 0n);
    return () => constant(value);
  }
  if (t.kind === "word") {
    const register = findRegister(t.text);
    if (register) return () => ({ ...constant(0n), registers: [[register, 1]] });
    const symbol = name(t.text);
    return (scope) => scope.symbol(symbol);
  }
  switch (t.text) {
    case "(": {
      const inner = parseExpression(r, name);
      r.expect(")");
      return inner;
    }
    case "$":
      return (scope) => ({ ...constant(scope.here), base: 1 });
    case "$$":
      return (scope) => ({ ...constant(scope.start), base: 1 });
    case "+":
      return parsePrimary(r, name);
    case "-": {
      const inner = parsePrimary(r, name);
      return (scope) => sum(constant(0n), inner(scope), -1);
    }
    case "~": {
      const inner = parsePrimary(r, name);
      return (scope) => apply("^", inner(scope), constant(-1n), r);
    }
    default:
      throw r.error(`unexpected "${t.text}" in an expression`);
  }
}

/** Parses from the reader's position; `name` gives a local label its full name. */
export function parseExpression(r: Reader, name: (text: string) => string, level = 0): Expression {
  const signs = LEVELS[level];
  if (!signs) return parsePrimary(r, name);
  let left = parseExpression(r, name, level + 1);
  for (;;) {
    const sign = signs.find((s) => r.sign(s));
    if (sign === undefined) return left;
    const [a, b] = [left, parseExpression(r, name, level + 1)];
    left = (scope) => apply(sign, a(scope), b(scope), r);
  }
}
