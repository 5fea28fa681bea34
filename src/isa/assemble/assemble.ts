/**
 * The assembler: NASM's syntax ("The NASM Language" in the NASM manual), flat output as of `nasm -f bin`, with the
 * instructions taken from the opcode rows. Lines are parsed once, then laid out in passes until no label moves.
 */
import type { Bits } from "../decode.ts";
import { encodeInstruction, type Instruction, PREFIXES } from "./encode.ts";
import { AssembleError } from "./error.ts";
import {
  constant,
  type Expression,
  isPlain,
  parseExpression,
  Reader,
  type Scope,
  type Value,
} from "./expression.ts";
import { findName } from "./names.ts";
import { type Operand, parseOperand } from "./operand.ts";
import { type Include, type IncludedFile, placeOf, preprocess, type SourceLine } from "./preprocess.ts";

export interface Assembled {
  readonly bytes: Uint8Array;
  readonly origin: bigint;
  /** Address or value of every label and `equ`, local labels by their full name. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** Offset in `bytes` where each line of the source itself begins, in order; included files have none. */
  readonly lines: readonly { readonly line: number; readonly offset: number }[];
}

type Item =
  | { readonly kind: "bytes"; readonly bytes: readonly number[]; readonly unit: number }
  | { readonly kind: "value"; readonly expression: Expression; readonly unit: number };

type Body =
  | { readonly kind: "instruction"; readonly instruction: Instruction }
  | { readonly kind: "data"; readonly items: readonly Item[] }
  | { readonly kind: "reserve"; readonly count: Expression; readonly unit: number }
  | { readonly kind: "align"; readonly to: Expression; readonly fill: number }
  | { readonly kind: "equ"; readonly name: string; readonly value: Expression }
  | { readonly kind: "label"; readonly name: string };

interface Statement {
  readonly line: number;
  readonly times: Expression | undefined;
  readonly body: Body;
}

const DATA: ReadonlyMap<string, number> = new Map([
  ["db", 1],
  ["dw", 2],
  ["dd", 4],
  ["dq", 8],
]);
const RESERVE: ReadonlyMap<string, number> = new Map([
  ["resb", 1],
  ["resw", 2],
  ["resd", 4],
  ["resq", 8],
]);
/** A source must not fill memory. */
const LARGEST = 1 << 26;
const MOST_PASSES = 200;

class Parser {
  readonly statements: Statement[] = [];
  origin: Expression = () => constant(0n);
  #bits: Bits = 16;
  #relative = false;
  #label = "";

  readonly #name = (text: string): string =>
    text.startsWith(".") && !text.startsWith("..") ? this.#label + text : text;

  parse(lines: readonly SourceLine[]): void {
    for (const { line, tokens } of lines) this.#statement(new Reader(tokens, line), undefined);
  }

  #push(r: Reader, times: Expression | undefined, body: Body): void {
    this.statements.push({ line: r.line, times, body });
  }

  #isKeyword(word: string): boolean {
    return (
      DATA.has(word) ||
      RESERVE.has(word) ||
      PREFIXES.has(word) ||
      findName(word, this.#bits) !== undefined ||
      /^(bits|org|align|alignb|times|default|section|use16|use32|use64|cpu|equ|global)$/.test(word)
    );
  }

  #statement(r: Reader, times: Expression | undefined): void {
    const bracketed = r.sign("[");
    const word = r.peekWord();
    if (word === undefined) throw r.error("a line starts with a label or an instruction");
    const first = r.tokens[r.at];
    const next = r.tokens[r.at + 1];
    const colon = next?.kind === "sign" && next.text === ":";
    if (times === undefined && !bracketed && first?.kind === "word" && (colon || !this.#isKeyword(word))) {
      this.#labelled(r, first.text, colon);
      return;
    }
    r.at++;
    if (this.#directive(r, word)) {
      if (bracketed) r.expect("]");
    } else if (word === "times") {
      this.#statement(r, parseExpression(r, this.#name));
      return;
    } else if (DATA.has(word)) {
      this.#push(r, times, { kind: "data", items: this.#items(r, DATA.get(word) ?? 1) });
    } else if (RESERVE.has(word)) {
      this.#push(r, times, {
        kind: "reserve",
        count: parseExpression(r, this.#name),
        unit: RESERVE.get(word) ?? 1,
      });
    } else if (word === "align" || word === "alignb") {
      this.#align(r, word);
    } else {
      this.#push(r, times, { kind: "instruction", instruction: this.#instruction(r, word) });
    }
    if (!r.done) throw r.error("something follows the end of the statement");
  }

  #labelled(r: Reader, text: string, colon: boolean): void {
    r.at += colon ? 2 : 1;
    const name = this.#name(text);
    if (r.peekWord() === "equ") {
      r.at++;
      this.#push(r, undefined, { kind: "equ", name, value: parseExpression(r, this.#name) });
      if (!r.done) throw r.error("something follows the value of equ");
      return;
    }
    if (!colon && r.done && /^[a-z]+$/.test(text) === false && text.startsWith("%"))
      throw r.error(`unknown ${text}`);
    if (!colon && !r.done && !this.#isKeyword(r.peekWord() ?? "")) {
      throw r.error(
        `unknown instruction ${text}`,
        "write a mnemonic of the manual, or a colon after a label",
      );
    }
    if (!text.startsWith(".")) this.#label = text;
    this.#push(r, undefined, { kind: "label", name });
    if (!r.done) this.#statement(r, undefined);
  }

  #directive(r: Reader, word: string): boolean {
    const bits = /^use(16|32|64)$/.exec(word)?.[1];
    if (bits !== undefined) {
      this.#bits = Number(bits) as Bits;
    } else if (word === "bits") {
      const { value } = parseExpression(r, this.#name)(emptyScope(r));
      if (value !== 16n && value !== 32n && value !== 64n)
        throw r.error(`bits ${value}`, "write bits 16, 32 or 64");
      this.#bits = Number(value) as Bits;
    } else if (word === "org") {
      this.origin = parseExpression(r, this.#name);
    } else if (word === "default") {
      const what = r.peekWord();
      if (what !== "rel" && what !== "abs")
        throw r.error("unknown default", "write default rel or default abs");
      this.#relative = what === "rel";
      r.at++;
    } else if (word === "cpu" || word === "global" || word === "section") {
      if (word === "section" && r.peekWord() !== ".text")
        throw r.error("another section", "a flat image has .text alone");
      r.at = r.tokens.length;
    } else return false;
    return true;
  }

  #items(r: Reader, unit: number): Item[] {
    const items: Item[] = [];
    do {
      const t = r.tokens[r.at];
      const next = r.tokens[r.at + 1];
      const alone = next === undefined || (next.kind === "sign" && next.text === ",");
      if (t?.kind === "string" && alone) {
        items.push({ kind: "bytes", bytes: t.bytes, unit });
        r.at++;
      } else items.push({ kind: "value", expression: parseExpression(r, this.#name), unit });
    } while (r.sign(","));
    return items;
  }

  #align(r: Reader, word: string): void {
    const to = parseExpression(r, this.#name);
    let fill = word === "align" ? 0x90 : 0;
    if (r.sign(",")) {
      const how = r.peekWord();
      if (how === "db" || how === "resb") r.at++;
      const { value } = parseExpression(r, this.#name)(emptyScope(r));
      fill = how === "resb" ? 0 : Number(value & 0xffn);
    }
    this.#push(r, undefined, { kind: "align", to, fill });
  }

  #instruction(r: Reader, first: string): Instruction {
    const prefixes: string[] = [];
    let mnemonic = first;
    while (PREFIXES.has(mnemonic) && (mnemonic !== "wait" || !r.done)) {
      prefixes.push(mnemonic);
      const word = r.peekWord();
      if (word === undefined) throw r.error(`${mnemonic} without an instruction`);
      mnemonic = word;
      r.at++;
    }
    if (!findName(mnemonic, this.#bits)) {
      throw r.error(
        `unknown instruction ${mnemonic} in ${this.#bits}-bit mode`,
        "write a mnemonic of the manual",
      );
    }
    const operands: Operand[] = [];
    if (!r.done) {
      do operands.push(parseOperand(r, this.#name));
      while (r.sign(","));
    }
    return {
      line: r.line,
      bits: this.#bits,
      prefixes,
      mnemonic,
      operands,
      relative: this.#relative,
      long: false,
    };
  }
}

function emptyScope(r: Reader): Scope {
  const symbol = (name: string): never => {
    throw r.error(`${name} is not known here`, "write a number");
  };
  return { here: 0n, start: 0n, symbol };
}

class Layout {
  readonly #statements: readonly Statement[];
  readonly #origin: bigint;
  symbols = new Map<string, Value>();
  #out: number[] = [];
  #lines: { line: number; offset: number }[] = [];

  constructor(parser: Parser) {
    this.#statements = parser.statements;
    this.#origin = parser.origin({
      here: 0n,
      start: 0n,
      symbol: (name) => {
        throw new AssembleError(0, `org ${name}`, "write a number after org");
      },
    }).value;
  }

  run(): Assembled {
    let before = "";
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      this.#pass(false);
      const now = [...this.symbols.values()].map((v) => v.value).join();
      if (now === before && pass > 0) {
        this.#pass(true);
        const symbols = new Map([...this.symbols].map(([name, v]) => [name, v.value]));
        return { bytes: Uint8Array.from(this.#out), origin: this.#origin, symbols, lines: this.#lines };
      }
      before = now;
    }
    throw new AssembleError(0, "labels keep moving", "give jumps and displacements a size");
  }

  #pass(final: boolean): void {
    this.#out = [];
    this.#lines = [];
    const seen = new Set<string>();
    for (const s of this.#statements) {
      this.#lines.push({ line: s.line, offset: this.#out.length });
      const scope = this.#scope(s.line, final);
      const { body } = s;
      if (body.kind === "label" || body.kind === "equ") {
        if (seen.has(body.name))
          throw new AssembleError(s.line, `${body.name} is defined twice`, "rename one");
        seen.add(body.name);
        const value = body.kind === "label" ? { ...constant(scope.here), base: 1 } : body.value(scope);
        this.symbols.set(body.name, value);
        continue;
      }
      const times = s.times ? this.#count(s.times, s.line, final, scope) : 1;
      for (let i = 0; i < times; i++) this.#emit(body, s.line, final);
    }
  }

  #scope(line: number, final: boolean): Scope {
    return {
      here: this.#origin + BigInt(this.#out.length),
      start: this.#origin,
      symbol: (name) => {
        const value = this.symbols.get(name);
        if (value) return value;
        if (final)
          throw new AssembleError(line, `${name} is not defined`, "define the label or the constant");
        return { value: 0n, base: 0, known: false, registers: [] };
      },
    };
  }

  #count(e: Expression, line: number, final: boolean, scope: Scope): number {
    const v = e(scope);
    if (!final && !v.known) return 0;
    if (!isPlain(v))
      throw new AssembleError(line, "a count that is an address", "write a number or a difference of labels");
    if (final && v.value < 0n)
      throw new AssembleError(line, `count ${v.value} is negative`, "the part before it is too long");
    if (v.value > BigInt(LARGEST))
      throw new AssembleError(line, `count ${v.value}`, "an image holds at most 64 MiB");
    return v.value < 0n ? 0 : Number(v.value);
  }

  #emit(body: Body, line: number, final: boolean): void {
    const out = this.#out;
    const scope = this.#scope(line, final);
    if (body.kind === "instruction") {
      for (const b of encodeInstruction(body.instruction, scope, final)) out.push(b);
    } else if (body.kind === "data") {
      for (const item of body.items) this.#item(item, line, final, scope);
    } else if (body.kind === "reserve") {
      this.#fill(this.#count(body.count, line, final, scope) * body.unit, 0, line);
    } else if (body.kind === "align") {
      const to = this.#count(body.to, line, final, scope);
      if (to < 1) throw new AssembleError(line, `align ${to}`, "align to a power of two");
      this.#fill((to - (out.length % to)) % to, body.fill, line);
    }
    if (out.length > LARGEST)
      throw new AssembleError(line, `${out.length} bytes`, "an image holds at most 64 MiB");
  }

  #fill(count: number, value: number, line: number): void {
    if (count > LARGEST) throw new AssembleError(line, `${count} bytes`, "an image holds at most 64 MiB");
    for (let i = 0; i < count; i++) this.#out.push(value);
  }

  #item(item: Item, line: number, final: boolean, scope: Scope): void {
    const out = this.#out;
    if (item.kind === "bytes") {
      for (const b of item.bytes) out.push(b);
      this.#fill((item.unit - (item.bytes.length % item.unit)) % item.unit, 0, line);
      return;
    }
    const v = item.expression(scope);
    const bits = BigInt(8 * item.unit);
    if (v.registers.length > 0)
      throw new AssembleError(line, "a register as data", "write a number or a label");
    if (final && item.unit < 8 && (v.value < -(1n << (bits - 1n)) || v.value >= 1n << bits)) {
      throw new AssembleError(line, `${v.value} does not fit ${bits} bits`, "use a wider data word");
    }
    for (let i = 0; i < item.unit; i++) out.push(Number((v.value >> BigInt(8 * i)) & 0xffn));
  }
}

/**
 * Assembles a source to a flat image; `include` gives the files that it includes. Throws AssembleError with the line at
 * fault, and the file when it is an included one.
 */
export function assemble(source: string, include: Include = () => undefined): Assembled {
  const files: IncludedFile[] = [],
    parser = new Parser();
  try {
    parser.parse(preprocess(source, include, files));
    const assembled = new Layout(parser).run(),
      own = files[0]?.from ?? Number.POSITIVE_INFINITY;
    return { ...assembled, lines: assembled.lines.filter(({ line }) => line < own) };
  } catch (error) {
    const place = error instanceof AssembleError ? placeOf(error.line, files) : undefined;
    if (!(error instanceof AssembleError) || place === undefined) throw error;
    throw new AssembleError(place.line, error.value, error.cure, place.name);
  }
}
