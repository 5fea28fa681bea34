/**
 * The part of NASM's preprocessor the sources here use: `%include`, `%define` of constants, `%assign`, and `%macro` with
 * a fixed number of parameters (`%1` to `%9`, and `%%name` for labels of one expansion).
 */
import { AssembleError } from "./error.ts";
import { lex, type Token } from "./lex.ts";
import { parseExpression, Reader } from "./expression.ts";

export interface SourceLine {
  readonly line: number;
  readonly tokens: readonly Token[];
}

/** Gives the text of an included file by the name that stands in the source; undefined where there is none. */
export type Include = (name: string) => string | undefined;

/** Where the lines of an included file have their numbers: line 1 is `from`. The source itself begins at 1. */
export interface IncludedFile {
  readonly name: string;
  readonly from: number;
}

interface Macro {
  readonly parameters: number;
  readonly body: { readonly line: number; readonly text: string }[];
}

const DEEPEST = 32;
const MOST_LINES = 200_000;
const MOST_FILES = 100;

class Preprocessor {
  readonly #defines = new Map<string, readonly Token[]>();
  readonly #macros = new Map<string, Macro>();
  readonly #out: SourceLine[] = [];
  readonly #include: Include;
  readonly files: IncludedFile[] = [];
  /** The number of the line after all that are read. */
  #next = 1;
  #expansions = 0;

  constructor(include: Include) {
    this.#include = include;
  }

  run(source: string, depth = 0): SourceLine[] {
    const from = this.#next,
      lines = source.split(/\r?\n/).map((text, i) => ({ line: from + i, text }));
    this.#next += lines.length;
    for (let i = 0; i < lines.length; i++) {
      const { line, text } = lines[i] as (typeof lines)[number];
      const name = /^\s*%include\s+(["'])(.+?)\1\s*(?:;.*)?$/i.exec(text)?.[2];
      if (name !== undefined) {
        this.#includeFile(name, line, depth);
        continue;
      }
      const macro = /^\s*%macro\s+(\S+)\s+(\d+)\s*(?:;.*)?$/i.exec(text);
      if (!macro) {
        this.#line(text, line, 0);
        continue;
      }
      const end = lines.findIndex((l, at) => at > i && /^\s*%endmacro\b/i.test(l.text));
      if (end < 0) throw new AssembleError(line, "%macro without an end", "close it with %endmacro");
      this.#macros.set((macro[1] ?? "").toLowerCase(), {
        parameters: Number(macro[2]),
        body: lines.slice(i + 1, end),
      });
      i = end;
    }
    return this.#out;
  }

  #includeFile(name: string, line: number, depth: number): void {
    if (depth >= DEEPEST || this.files.length >= MOST_FILES)
      throw new AssembleError(line, "files are included without end", "a file must not include itself");
    const text = this.#include(name);
    if (text === undefined) throw new AssembleError(line, `no file ${name}`, "include a file that is there");
    this.files.push({ name, from: this.#next });
    this.run(text, depth + 1);
  }

  #line(text: string, line: number, depth: number): void {
    if (depth > DEEPEST || this.#out.length > MOST_LINES) {
      throw new AssembleError(line, "macros expand without end", "a macro must not call itself");
    }
    const directive = /^\s*%(define|assign)\s+([A-Za-z_.?][\w.?]*)\s*(.*)$/i.exec(text);
    if (directive) {
      const tokens = this.#replace(lex(directive[3] ?? "", line), line, 0);
      this.#defines.set(
        directive[2] ?? "",
        directive[1]?.toLowerCase() === "assign" ? this.#compute(tokens, line) : tokens,
      );
      return;
    }
    const unknown = /^\s*(%[a-z]\w*)/i.exec(text);
    if (unknown)
      throw new AssembleError(
        line,
        `unknown directive ${unknown[1]}`,
        "%include, %define, %assign and %macro are known",
      );
    const call = /^\s*(?:([A-Za-z_.?][\w.?]*):\s*)?([A-Za-z_.?][\w.?]*)\s*(.*)$/.exec(text);
    const macro = this.#macros.get((call?.[2] ?? "").toLowerCase());
    if (macro && call) {
      if (call[1] !== undefined) this.#line(`${call[1]}:`, line, depth + 1);
      this.#expand(macro, call[3] ?? "", line, depth);
      return;
    }
    const tokens = this.#replace(lex(text, line), line, 0);
    if (tokens.length > 0) this.#out.push({ line, tokens });
  }

  #expand(macro: Macro, rest: string, line: number, depth: number): void {
    const given = splitArguments(rest);
    if (given.length !== macro.parameters) {
      throw new AssembleError(line, `${given.length} parameters`, `this macro takes ${macro.parameters}`);
    }
    const unique = `..@${++this.#expansions}.`;
    for (const { text } of macro.body) {
      const filled = text
        .replace(/%([1-9])/g, (_, n: string) => given[Number(n) - 1] ?? "")
        .replace(/%%(?=[A-Za-z_])/g, unique);
      this.#line(filled, line, depth + 1);
    }
  }

  #compute(tokens: readonly Token[], line: number): Token[] {
    const r = new Reader(tokens, line);
    const symbol = (name: string): never => {
      throw new AssembleError(line, `${name} in %assign`, "only numbers and defined constants stand there");
    };
    const { value } = parseExpression(r, (n) => n)({ here: 0n, start: 0n, symbol });
    // A negative number needs its sign as a token of its own.
    const magnitude: Token = { kind: "number", value: value < 0n ? -value : value };
    return value < 0n
      ? [{ kind: "sign", text: "(" }, { kind: "sign", text: "-" }, magnitude, { kind: "sign", text: ")" }]
      : [magnitude];
  }

  #replace(tokens: readonly Token[], line: number, depth: number): Token[] {
    if (depth > DEEPEST) throw new AssembleError(line, "a %define names itself", "break the circle");
    return tokens.flatMap((t) => {
      const to = t.kind === "word" ? this.#defines.get(t.text) : undefined;
      return to ? this.#replace(to, line, depth + 1) : [t];
    });
  }
}

/** Parameters of a call: parted by commas outside strings and brackets, up to a comment. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let [part, quote, depth] = ["", "", 0];
  for (const c of text) {
    if (quote === "" && c === ";") break;
    if (quote !== "") quote = c === quote ? "" : quote;
    else if (c === "'" || c === '"' || c === "`") quote = c;
    else if (c === "[" || c === "(") depth++;
    else if (c === "]" || c === ")") depth--;
    else if (c === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
      continue;
    }
    part += c;
  }
  if (part.trim() !== "" || parts.length > 0) parts.push(part.trim());
  return parts;
}

/** Lines of tokens with files, macros and constants put in; `files` says in which file a line stands. */
export function preprocess(source: string, include: Include, files: IncludedFile[]): SourceLine[] {
  const preprocessor = new Preprocessor(include);
  try {
    return preprocessor.run(source);
  } finally {
    files.push(...preprocessor.files);
  }
}

/** The file in which line `line` stands, and its number there; undefined for the source itself. */
export function placeOf(line: number, files: readonly IncludedFile[]): { name: string; line: number } | undefined {
  const file = files.findLast(({ from }) => from <= line);
  return file && { name: file.name, line: line - file.from + 1 };
}
