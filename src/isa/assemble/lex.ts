/** One line of NASM source as tokens. */
import { AssembleError } from "./error.ts";

export type Token =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "string"; readonly bytes: readonly number[] }
  | { readonly kind: "sign"; readonly text: string };

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
  "0": 0,
  "'": 39,
  '"': 34,
  "`": 96,
  "\\": 92,
  "?": 63,
};

const WORD = /^[A-Za-z_.?@%][A-Za-z0-9_.?@$#~%]*/;
const DIGITS = /^[0-9][0-9A-Za-z_]*/;
const SIGNS = [
  "<<",
  ">>",
  "//",
  "%%",
  "+",
  "-",
  "*",
  "/",
  "%",
  "&",
  "|",
  "^",
  "~",
  "(",
  ")",
  "[",
  "]",
  ",",
  ":",
  "$$",
  "$",
];

/** 12, 0x1F, 1Fh, 0b101, 101b, 0o17, 17q; underscores may part the digits. */
export function parseNumber(text: string): bigint | undefined {
  const t = text.toLowerCase().replaceAll("_", "");
  const forms: readonly (readonly [RegExp, string])[] = [
    [/^0[xh]([0-9a-f]+)$/, "0x"],
    [/^0[by]([01]+)$/, "0b"],
    [/^0[oq]([0-7]+)$/, "0o"],
    [/^(?:0d)?([0-9]+)d?$/, ""],
    [/^([0-9][0-9a-f]*)[hx]$/, "0x"],
    [/^([01]+)[by]$/, "0b"],
    [/^([0-7]+)[oq]$/, "0o"],
  ];
  for (const [form, lead] of forms) {
    const digits = form.exec(t)?.[1];
    if (digits !== undefined) return BigInt(lead + digits);
  }
  return undefined;
}

function lexString(source: string, from: number, line: number): { bytes: number[]; end: number } {
  const quote = source[from] ?? "";
  const bytes: number[] = [];
  let at = from + 1;
  for (; at < source.length && source[at] !== quote; at++) {
    let c = source[at] ?? "";
    if (quote === "`" && c === "\\") {
      c = source[++at] ?? "";
      const hex = /^x([0-9A-Fa-f]{1,2})/.exec(source.slice(at))?.[1];
      if (hex !== undefined) {
        bytes.push(Number.parseInt(hex, 16));
        at += hex.length;
        continue;
      }
      const code = ESCAPES[c];
      if (code === undefined)
        throw new AssembleError(line, `unknown escape \\${c}`, "use \\n, \\t, \\xHH or \\\\");
      bytes.push(code);
      continue;
    }
    bytes.push(...new TextEncoder().encode(c));
  }
  if (at >= source.length) throw new AssembleError(line, "string without an end", `close it with ${quote}`);
  return { bytes, end: at + 1 };
}

/** Splits a line; a semicolon outside a string starts a comment. */
export function lex(source: string, line: number): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const rest = source.slice(at);
    const c = rest[0] ?? "";
    if (c === ";") break;
    if (/\s/.test(c)) {
      at++;
      continue;
    }
    if (c === "'" || c === '"' || c === "`") {
      const { bytes, end } = lexString(source, at, line);
      tokens.push({ kind: "string", bytes });
      at = end;
      continue;
    }
    // "%" is an operator after a value, else the start of a directive.
    const last = tokens.at(-1);
    const operator = c === "%" && last !== undefined && (last.kind !== "sign" || last.text === ")");
    const word = operator ? null : WORD.exec(rest);
    if (word && word[0] !== "%") {
      tokens.push({ kind: "word", text: word[0] });
      at += word[0].length;
      continue;
    }
    const digits = DIGITS.exec(rest);
    if (digits) {
      const value = parseNumber(digits[0]);
      if (value === undefined)
        throw new AssembleError(line, `bad number ${digits[0]}`, "write 10, 0x1F, 1Fh or 101b");
      tokens.push({ kind: "number", value });
      at += digits[0].length;
      continue;
    }
    const sign = SIGNS.find((s) => rest.startsWith(s));
    if (!sign) throw new AssembleError(line, `unexpected character ${c}`);
    tokens.push({ kind: "sign", text: sign });
    at += sign.length;
  }
  return tokens;
}
