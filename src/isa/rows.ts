/** Every instruction form the machine knows, in one list. */
import { arithmetic } from "./opcodes/arithmetic.ts";
import { bits } from "./opcodes/bits.ts";
import { branch } from "./opcodes/branch.ts";
import { move } from "./opcodes/move.ts";
import { shift } from "./opcodes/shift.ts";
import { stack } from "./opcodes/stack.ts";
import { string } from "./opcodes/string.ts";
import { svm } from "./opcodes/svm.ts";
import { system } from "./opcodes/system.ts";
import { vmx } from "./opcodes/vmx.ts";
import { parseTables, type Row } from "./row.ts";

export const rows: readonly Row[] = parseTables([
  arithmetic, move, shift, bits, stack, branch, string, system, vmx, svm,
]);
