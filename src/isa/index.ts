/** The door of `isa`: the manuals as data. */
export type { Bits, Decoded } from "./decode.ts";
export { decode, operandSizeOf } from "./decode.ts";
export { disassemble, disassembleBytes, operandBytes, registerName } from "./disassemble.ts";
export type { FlagEffects, Prefix, Row } from "./row.ts";
export { rows } from "./rows.ts";
