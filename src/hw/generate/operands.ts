// Operand letters to AssemblyScript expressions. A case is one row at one operand size with a register or a memory operand.
import type { Row } from "../../isa/index.ts";

export type Width = 0 | 1 | 2; // operand size 16, 32, 64

/** What a case needs to know. */
export interface Shape {
  readonly row: Row;
  readonly width: Width;
  readonly mem: boolean;
  /** The text for the large switch: what misses the fast TLB is left to the whole text, out of line. */
  readonly fast?: boolean;
}

const BY_WIDTH = ["u16", "u32", "u64"] as const;
const FIXED: Readonly<Record<string, string>> = { b: "u8", w: "u16", d: "u32", q: "u64" };

/** Type of an operand's value in this case. */
export function typeOf(operand: string, width: Width): string {
  if (operand === "AL" || operand === "CL" || operand === "1") return "u8";
  if (operand === "DX") return "u16";
  if (operand === "rAX") return BY_WIDTH[width];
  if (operand === "eAX") return width === 0 ? "u16" : "u32";
  const suffix = operand.replace(/^(sI|[A-Z])/, "");
  if (suffix === "vMw" || suffix === "v" || suffix === "z" || suffix === "qdq" || suffix === "n") return BY_WIDTH[width];
  if (suffix === "y") return width === 2 ? "u64" : "u32";
  return FIXED[suffix] ?? BY_WIDTH[width];
}

const inEField = (operand: string): boolean => /^[EMRZQWUN]/.test(operand) || operand === "AL" || operand === "rAX" || operand === "eAX";
/** Is this the operand that may lie in memory in this case? */
export function isMemory(operand: string, mem: boolean): boolean {
  return mem && /^[EMO]/.test(operand);
}
/** Expression for the linear address of the memory operand. */
export const address = (operand: string, type: string, write: boolean): string =>
  (operand.startsWith("O") ? `moffs(pc, sizeof<${type}>(), ${write})` : `${write ? "eaOut" : "eaIn"}<${type}>(pc)`);

/** Register file expression (byte offset) of an operand that is a general register. */
export function register(operand: string, row: Row): string {
  if (operand.startsWith("G")) return "A(pc)";
  if (operand === "CL") return "RCX";
  if (operand === "DX") return "RDX";
  // A fixed accumulator lies in b only where no ModRM or +r operand does.
  if (operand === "AL" || operand === "rAX" || operand === "eAX") return row.operands.some((o) => /^[EMZO]/.test(o)) ? "RAX" : "B(pc)";
  if (inEField(operand)) return "B(pc)";
  throw new Error(`generate: operand ${operand} of "${row.text}" is no general register`);
}
/** Expression that reads a register or immediate operand as type `as`. */
export function value(operand: string, shape: Shape, as = typeOf(operand, shape.width)): string {
  if (operand === "1") return "<u8>1";
  if (operand === "Iv" && shape.width === 2) return "imm64(pc)";
  if (/^(sI|I)/.test(operand)) return `imm<${as}>(pc)`;
  return `get<${as}>(${register(operand, shape.row)})`;
}
