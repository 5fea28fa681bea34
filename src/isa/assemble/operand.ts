/** Operands as written: "Operands" in the NASM manual, "Layout of a NASM Source Line". */
import { type Expression, parseExpression, type Reader } from "./expression.ts";
import { findRegister, type Register } from "./registers.ts";

export interface Immediate {
  readonly kind: "immediate";
  readonly expression: Expression;
  /** Bytes a size word asks for, 0 without. */
  readonly size: number;
  readonly distance: "" | "short" | "near" | "far";
  readonly strict: boolean;
}

export interface Memory {
  readonly kind: "memory";
  readonly expression: Expression;
  readonly size: number;
  readonly far: boolean;
  /** ES CS SS DS FS GS as 0..5, -1 without. */
  readonly segment: number;
  /** Size word inside the brackets: width of the displacement or of an absolute address. */
  readonly width: number;
  readonly relative: "" | "rel" | "abs";
  readonly nosplit: boolean;
}

export interface FarPointer {
  readonly kind: "far";
  readonly selector: Expression;
  readonly offset: Expression;
  readonly size: number;
}

export type Operand = Register | Immediate | Memory | FarPointer;

export const SIZES: ReadonlyMap<string, number> = new Map([
  ["byte", 1],
  ["word", 2],
  ["dword", 4],
  ["qword", 8],
  ["tword", 10],
  ["oword", 16],
]);

function parseMemory(r: Reader, name: (text: string) => string, size: number, far: boolean): Memory {
  let [segment, width, nosplit] = [-1, 0, false];
  let relative: "" | "rel" | "abs" = "";
  for (;;) {
    const word = r.peekWord();
    if (word === undefined) break;
    const register = findRegister(word);
    const next = r.tokens[r.at + 1];
    if (SIZES.has(word)) width = SIZES.get(word) ?? 0;
    else if (word === "rel" || word === "abs") relative = word;
    else if (word === "nosplit") nosplit = true;
    else if (register?.class === "segment" && next?.kind === "sign" && next.text === ":") {
      segment = register.number;
      r.at++;
    } else break;
    r.at++;
  }
  const expression = parseExpression(r, name);
  r.expect("]");
  return { kind: "memory", expression, size, far, segment, width, relative, nosplit };
}

/** Parses one operand; `name` gives a local label its full name. */
export function parseOperand(r: Reader, name: (text: string) => string): Operand {
  let [size, strict] = [0, false];
  let distance: Immediate["distance"] = "";
  for (;;) {
    const word = r.peekWord();
    if (word === undefined) break;
    if (SIZES.has(word)) size = SIZES.get(word) ?? 0;
    else if (word === "short" || word === "near" || word === "far") distance = word;
    else if (word === "strict") strict = true;
    else break;
    r.at++;
  }
  if (r.sign("[")) return parseMemory(r, name, size, distance === "far");
  const register = findRegister(r.peekWord() ?? "");
  const next = r.tokens[r.at + 1];
  if (register && (next === undefined || (next.kind === "sign" && next.text === ","))) {
    r.at++;
    return register;
  }
  const expression = parseExpression(r, name);
  if (r.sign(":")) return { kind: "far", selector: expression, offset: parseExpression(r, name), size };
  return { kind: "immediate", expression, size, distance, strict };
}
