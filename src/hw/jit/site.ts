// What the splicer asks of the translator of a region.
/** What surrounds the copied code: the translator of a region. */
export interface Site {
  /** Is the value at a constant address known? It is in `low` and `high` then, zero-extended. */
  known(address: number, bytes: number): boolean;
  low: number;
  high: number;
  /** Leave to the interpreter at this instruction. */
  exit(): void;
  /** The direct branch of this record is taken. */
  follow(): void;
  /** Indirect branch: the target is on the stack. */
  jump(): void;
  /** Local that stands for a variable of the core, or -1: it may not be used so. */
  variable(name: string, type: number, written: boolean): number;
  /** A linear address is on the stack, and leaves it: leave to the interpreter unless `size` bytes there can be accessed at
   *  once. @param key register that the address was computed from, 0 for none: neighbours often lie in one page
   *  @param kin how it is related to that register, by `delta` (Kin of values.ts) */
  probe(write: boolean, size: number, key: number, kin: number, delta: number): void;
  /** The address of the latest probe is on the stack: its place in linear memory. */
  host(): void;
  /** The instruction is complete, and every path through it has made its probe of this number. */
  probed(ordinal: number): void;
  /** It has written a general register, from register `from` as `kin` and `delta` say. */
  moved(to: number, from: number, kin: number, delta: number): void;
}
