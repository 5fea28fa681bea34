/** NASM's syntax to bytes, from the opcode rows. */
export type { Assembled } from "./assemble.ts";
export { assemble } from "./assemble.ts";
export { AssembleError } from "./error.ts";
