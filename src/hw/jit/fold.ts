// Arithmetic of WebAssembly on constants. A constant is two signed halves; of an i32 only the low one counts.
import { OPERANDS, RESULT, I64 } from "./opcodes.ts";

/** The result of fold(). */
export let low = 0;
export let high = 0;

function give(l: number, h: number): boolean {
  low = l;
  high = h;
  return true;
}
const truth = (v: boolean): boolean => give(v ? 1 : 0, 0);
const wide = (l: number, h: number): bigint => (BigInt(h) << 32n) | BigInt(l >>> 0);
function giveWide(v: bigint): boolean {
  return give(Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n)));
}

function unary(op: number, a: number, h: number): boolean {
  switch (op) {
    case 0x45: return truth(a === 0);
    case 0x50: return truth(a === 0 && h === 0);
    case 0xa7: return give(a, 0);
    case 0xac: return give(a, a >> 31);
    case 0xad: return give(a, 0);
    case 0xc0: return give((a << 24) >> 24, 0);
    case 0xc1: return give((a << 16) >> 16, 0);
    case 0xc2: return give((a << 24) >> 24, (a << 24) >> 31);
    case 0xc3: return give((a << 16) >> 16, (a << 16) >> 31);
    case 0xc4: return give(a, a >> 31);
    default: return false;
  }
}
function narrow(op: number, a: number, b: number): boolean {
  switch (op) {
    case 0x46: return truth(a === b);
    case 0x47: return truth(a !== b);
    case 0x48: return truth(a < b);
    case 0x49: return truth(a >>> 0 < b >>> 0);
    case 0x4a: return truth(a > b);
    case 0x4b: return truth(a >>> 0 > b >>> 0);
    case 0x4c: return truth(a <= b);
    case 0x4d: return truth(a >>> 0 <= b >>> 0);
    case 0x4e: return truth(a >= b);
    case 0x4f: return truth(a >>> 0 >= b >>> 0);
    case 0x6a: return give((a + b) | 0, 0);
    case 0x6b: return give((a - b) | 0, 0);
    case 0x6c: return give(Math.imul(a, b), 0);
    case 0x71: return give(a & b, 0);
    case 0x72: return give(a | b, 0);
    case 0x73: return give(a ^ b, 0);
    case 0x74: return give(a << b, 0);
    case 0x75: return give(a >> b, 0);
    case 0x76: return give((a >>> b) | 0, 0);
    default: return false;
  }
}
function broad(op: number, al: number, ah: number, bl: number, bh: number): boolean {
  switch (op) {
    case 0x51: return truth(al === bl && ah === bh);
    case 0x52: return truth(al !== bl || ah !== bh);
    case 0x83: return give(al & bl, ah & bh);
    case 0x84: return give(al | bl, ah | bh);
    case 0x85: return give(al ^ bl, ah ^ bh);
    case 0x7c: {
      const sum = (al >>> 0) + (bl >>> 0);
      return give(sum | 0, (ah + bh + (sum > 0xffffffff ? 1 : 0)) | 0);
    }
  }
  if (op === 0x7d) {
    const difference = (al >>> 0) - (bl >>> 0);
    return give(difference | 0, (ah - bh - (difference < 0 ? 1 : 0)) | 0);
  }
  const a = wide(al, ah), b = wide(bl, bh), ua = BigInt.asUintN(64, a), ub = BigInt.asUintN(64, b), n = BigInt(bl & 63);
  switch (op) {
    case 0x53: return truth(a < b);
    case 0x54: return truth(ua < ub);
    case 0x55: return truth(a > b);
    case 0x56: return truth(ua > ub);
    case 0x57: return truth(a <= b);
    case 0x58: return truth(ua <= ub);
    case 0x59: return truth(a >= b);
    case 0x5a: return truth(ua >= ub);
    case 0x7e: return giveWide(a * b);
    case 0x86: return giveWide(a << n);
    case 0x87: return giveWide(a >> n);
    case 0x88: return giveWide(ua >> n);
    default: return false;
  }
}
/** Is the value of an instruction on constants known? It is in low and high then. */
export function fold(op: number, al: number, ah: number, bl: number, bh: number): boolean {
  if (OPERANDS[op] === 1) return unary(op, al, ah);
  return op >= 0x7c || (op >= 0x51 && op <= 0x5a) ? broad(op, al, ah, bl, bh) : narrow(op, al, bl);
}
/** Does the operation with this constant give its other operand: x + 0, x & -1, x << 0 and their mirror images? */
export function identity(op: number, l: number, h: number, constantFirst: boolean): boolean {
  if (op < 0x6a || op > 0x88) return false;
  const isWide = RESULT[op] === I64, kind = op - (isWide ? 0x7c : 0x6a);
  if (kind === 7) return l === -1 && (!isWide || h === -1);
  if (l !== 0 || (isWide && h !== 0)) return false;
  if (kind === 0 || kind === 8 || kind === 9) return true;
  return !constantFirst && (kind === 1 || (kind >= 10 && kind <= 12));
}
