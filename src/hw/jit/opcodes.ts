// What WebAssembly's numeric instructions take and give ("Index of Instructions" of the core specification), as tables.

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const NONE = 0x40;

/** How many operands, by opcode; 0: no plain numeric instruction. The result's type in RESULT. */
export const OPERANDS = new Uint8Array(256);
export const RESULT = new Uint8Array(256);
function plain(from: number, to: number, operands: number, result: number): void {
  OPERANDS.fill(operands, from, to + 1);
  RESULT.fill(result, from, to + 1);
}
plain(0x45, 0x45, 1, I32);
plain(0x46, 0x4f, 2, I32);
plain(0x50, 0x50, 1, I32);
plain(0x51, 0x66, 2, I32);
plain(0x67, 0x69, 1, I32);
plain(0x6a, 0x78, 2, I32);
plain(0x79, 0x7b, 1, I64);
plain(0x7c, 0x8a, 2, I64);
plain(0x8b, 0x91, 1, F32);
plain(0x92, 0x98, 2, F32);
plain(0x99, 0x9f, 1, F64);
plain(0xa0, 0xa6, 2, F64);
plain(0xa7, 0xab, 1, I32);
plain(0xac, 0xb1, 1, I64);
plain(0xb2, 0xb6, 1, F32);
plain(0xb7, 0xbb, 1, F64);
plain(0xbc, 0xbc, 1, I32);
plain(0xbd, 0xbd, 1, I64);
plain(0xbe, 0xbe, 1, F32);
plain(0xbf, 0xbf, 1, F64);
plain(0xc0, 0xc1, 1, I32);
plain(0xc2, 0xc4, 1, I64);

/** The same for the vector instructions, by what stands behind FD. Two operands and a vector, unless said. */
export const VECTOR_OPERANDS = new Uint8Array(256).fill(2);
export const VECTOR_RESULT = new Uint8Array(256).fill(V128);
const UNARY = [
  ...[15, 16, 17, 18, 19, 20, 77, 94, 95, 96, 97, 98, 103, 104, 105, 106, 116, 117, 122, 124, 125, 126, 127, 128, 129],
  ...[135, 136, 137, 138, 148, 160, 161, 167, 168, 169, 170, 192, 193, 199, 200, 201, 202, 224, 225, 227, 236, 237, 239],
  ...[248, 249, 250, 251, 252, 253, 254, 255],
];
for (const op of UNARY) VECTOR_OPERANDS[op] = 1;
for (const op of [21, 22, 24, 25, 27, 83, 99, 100, 131, 132, 163, 164, 195, 196]) {
  VECTOR_OPERANDS[op] = 1;
  VECTOR_RESULT[op] = I32;
}
for (const [op, type] of [[29, I64], [31, F32], [33, F64]] as const) {
  VECTOR_OPERANDS[op] = 1;
  VECTOR_RESULT[op] = type;
}
VECTOR_OPERANDS[82] = 3;

/** Bytes of a load 28..35 or a store 36..3E. */
const BYTES = [4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4, 4, 8, 4, 8, 1, 2, 1, 2, 4];
export const accessBytes = (op: number): number => BYTES[op - 0x28] ?? 8;
/** Type of what a load 28..35 gives. */
export function loadType(op: number): number {
  if (op === 0x2a) return F32;
  if (op === 0x2b) return F64;
  return op === 0x28 || (op >= 0x2c && op <= 0x2f) ? I32 : I64;
}
