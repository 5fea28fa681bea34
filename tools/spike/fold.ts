// Arithmetic of WebAssembly on constants. i32 values are numbers below 2^32, i64 values are bigints below 2^64.
import { I32, I64 } from "./wasm.ts";

/** Operand types of a numeric instruction on integers; undefined for anything else. */
export function operandTypes(op: number): readonly number[] | undefined {
  if (op === 0x45 || (op >= 0x67 && op <= 0x69) || op === 0xac || op === 0xad || op === 0xc0 || op === 0xc1)
    return [I32];
  if (op === 0x50 || (op >= 0x79 && op <= 0x7b) || op === 0xa7 || (op >= 0xc2 && op <= 0xc4)) return [I64];
  if ((op >= 0x46 && op <= 0x4f) || (op >= 0x6a && op <= 0x78)) return [I32, I32];
  if ((op >= 0x51 && op <= 0x5a) || (op >= 0x7c && op <= 0x8a)) return [I64, I64];
  return undefined;
}
export function resultType(op: number): number | undefined {
  if (op >= 0x28 && op <= 0x35) return op === 0x28 || (op >= 0x2c && op <= 0x2f) ? I32 : I64;
  if (op >= 0x45 && op <= 0x5a) return I32;
  if ((op >= 0x67 && op <= 0x78) || op === 0xa7 || op === 0xc0 || op === 0xc1) return I32;
  if ((op >= 0x79 && op <= 0x8a) || op === 0xac || op === 0xad || (op >= 0xc2 && op <= 0xc4)) return I64;
  return undefined;
}

const truth = (v: boolean): bigint => (v ? 1n : 0n);
/** Binary operations by their distance from the ADD of the type; -10..-1 are EQ NE LT_S LT_U GT_S GT_U LE_S LE_U GE_S GE_U. */
function binary(kind: number, a: bigint, b: bigint, bits: number): bigint | undefined {
  const x = BigInt.asIntN(bits, a),
    y = BigInt.asIntN(bits, b),
    n = b % BigInt(bits);
  switch (kind) {
    case -10:
      return truth(a === b);
    case -9:
      return truth(a !== b);
    case -8:
      return truth(x < y);
    case -7:
      return truth(a < b);
    case -6:
      return truth(x > y);
    case -5:
      return truth(a > b);
    case -4:
      return truth(x <= y);
    case -3:
      return truth(a <= b);
    case -2:
      return truth(x >= y);
    case -1:
      return truth(a >= b);
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 7:
      return a & b;
    case 8:
      return a | b;
    case 9:
      return a ^ b;
    case 10:
      return a << n;
    case 11:
      return x >> n;
    case 12:
      return a >> n;
    default:
      return undefined;
  }
}
/** The value of an instruction whose operands are constants; undefined when it is left to run time. */
export function fold(op: number, values: readonly (number | bigint)[]): number | bigint | undefined {
  const a = BigInt(values[0] ?? 0),
    b = BigInt(values[1] ?? 0);
  let r: bigint | undefined;
  if (op === 0x45 || op === 0x50) r = truth(a === 0n);
  else if (op >= 0x46 && op <= 0x4f) r = binary(op - 0x50, a, b, 32);
  else if (op >= 0x51 && op <= 0x5a) r = binary(op - 0x5b, a, b, 64);
  else if (op >= 0x6a && op <= 0x76) r = binary(op - 0x6a, a, b, 32);
  else if (op >= 0x7c && op <= 0x88) r = binary(op - 0x7c, a, b, 64);
  else if (op === 0xa7 || op === 0xad) r = a;
  else if (op === 0xac || op === 0xc4) r = BigInt.asIntN(32, a);
  else if (op === 0xc0 || op === 0xc2) r = BigInt.asIntN(8, a);
  else if (op === 0xc1 || op === 0xc3) r = BigInt.asIntN(16, a);
  if (r === undefined) return undefined;
  return resultType(op) === I64 ? BigInt.asUintN(64, r) : Number(BigInt.asUintN(32, r));
}
/** x + 0, x | 0, x ^ 0, x & -1, x << 0 and their mirror images: the result is the operand that is no constant. */
export function identity(op: number, [a, b]: readonly (number | bigint | undefined)[]): boolean {
  const wide = op >= 0x7c,
    kind = op - (wide ? 0x7c : 0x6a),
    ones = wide ? 0xffffffffffffffffn : 0xffffffffn;
  const [constant, first] = b === undefined ? [a, true] : [b, false];
  if (constant === undefined || (a !== undefined && b !== undefined)) return false;
  const c = BigInt(constant);
  if (kind === 0 || kind === 8 || kind === 9) return c === 0n;
  if (kind === 7) return c === ones;
  return !first && c === 0n && (kind === 1 || (kind >= 10 && kind <= 12));
}

export const accessBytes = (op: number): number => [4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4][op - 0x28] ?? 8;
/** What a load of these bytes gives: sign- or zero-extended to the type of its result. */
export function extend(op: number, value: bigint): number | bigint {
  const wide = resultType(op) === I64,
    signed = [0x2c, 0x2e, 0x30, 0x32, 0x34].includes(op);
  const v = signed ? BigInt.asIntN(8 * accessBytes(op), value) : value;
  return wide ? BigInt.asUintN(64, v) : Number(BigInt.asUintN(32, v));
}
