// Which cases are inlined in the one large switch. Everything else is called: about a thousand inlined forms is what the
// compilers of both engines take well (docs/jit.md).
import type { Row } from "../../isa/index.ts";
import type { Width } from "./operands.ts";

const BODIES = new Set([
  "add", "or", "and", "sub", "xor", "cmp", "test", "inc", "dec", "neg", "not", "mov", "movzx", "movsx", "movsxd", "lea",
  "jcc", "jmp_rel", "jmp_ind", "call_rel", "call_ind", "ret", "push", "pop", "setcc", "cmovcc", "nop", "cbw", "cwd",
  "shl", "shr", "sar", "imul", "imul3", "adc", "sbb", "leave", "bt", "xchg", "rol", "ror", "mul",
]);
/** Inlined at 32 and 64 bits only. */
const WIDE_ONLY = new Set(["cmovcc", "cbw", "cwd", "imul", "imul3", "adc", "sbb", "bt", "xchg", "mul", "leave", "call_rel", "call_ind", "ret", "push", "pop", "jmp_rel", "jmp_ind", "inc", "dec", "neg", "not", "rol", "ror"]);

export function isHot(row: Row, width: Width): boolean {
  if (!BODIES.has(row.body)) return false;
  return !(width === 0 && WIDE_ONLY.has(row.body) && !row.operands.some((o) => /b$/.test(o)));
}
