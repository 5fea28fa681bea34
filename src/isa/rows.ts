/** Every instruction form the machine knows, in one list. */
import { arithmetic } from "./opcodes/arithmetic.ts";
import { bits } from "./opcodes/bits.ts";
import { branch } from "./opcodes/branch.ts";
import { mmx } from "./opcodes/mmx.ts";
import { move } from "./opcodes/move.ts";
import { shift } from "./opcodes/shift.ts";
import { sse } from "./opcodes/sse.ts";
import { sse2 } from "./opcodes/sse2.ts";
import { sse3 } from "./opcodes/sse3.ts";
import { sse4 } from "./opcodes/sse4.ts";
import { stack } from "./opcodes/stack.ts";
import { string } from "./opcodes/string.ts";
import { svm } from "./opcodes/svm.ts";
import { system } from "./opcodes/system.ts";
import { vmx } from "./opcodes/vmx.ts";
import { x87 } from "./opcodes/x87.ts";
import { parseTables, type Row } from "./row.ts";

export const rows: readonly Row[] = parseTables([
  arithmetic,
  move,
  shift,
  bits,
  stack,
  branch,
  string,
  system,
  vmx,
  svm,
  x87,
  mmx,
  sse,
  sse2,
  sse3,
  sse4,
]);
