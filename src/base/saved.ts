import { StateError } from "./errors.ts";
import type { Saved } from "./persist.ts";

/**
 * Typed reading of a saved record in restore(): every getter checks shape and range and throws StateError,
 * so a device never runs on a number its registers could not hold.
 */
export class SavedRecord {
  readonly #id: string;
  readonly #record: { [key: string]: Saved };

  constructor(id: string, state: Saved) {
    if (state === null || typeof state !== "object" || Array.isArray(state) || state instanceof Uint8Array) {
      throw new StateError(id, "not a record");
    }
    this.#id = id;
    this.#record = state;
  }

  /** An integer in 0 .. max. */
  int(key: string, max = 0xffffffff): number {
    const v = this.#get(key);
    if (typeof v !== "number" || !Number.isInteger(v) || v < 0 || v > max) throw this.#bad(key);
    return v;
  }

  /** A point in time: a safe integer, or Infinity for never. */
  time(key: string): number {
    const v = this.#get(key);
    if (typeof v !== "number" || (!Number.isSafeInteger(v) && v !== Infinity)) throw this.#bad(key);
    return v;
  }

  /** A point in time that has been. */
  instant(key: string): number {
    const v = this.time(key);
    if (v === Infinity) throw this.#bad(key);
    return v;
  }

  bool(key: string): boolean {
    const v = this.#get(key);
    if (typeof v !== "boolean") throw this.#bad(key);
    return v;
  }

  /** An unsigned 64-bit integer. */
  u64(key: string): bigint {
    const v = this.#get(key);
    if (typeof v !== "bigint" || v < 0n || v > 0xffffffffffffffffn) throw this.#bad(key);
    return v;
  }

  text(key: string): string {
    const v = this.#get(key);
    if (typeof v !== "string") throw this.#bad(key);
    return v;
  }

  /** Exactly `length` bytes, or any number when it is not given. */
  bytes(key: string, length?: number): Uint8Array {
    const v = this.#get(key);
    if (!(v instanceof Uint8Array) || (length !== undefined && v.length !== length)) throw this.#bad(key);
    return v;
  }

  /** Exactly `length` integers in 0 .. max. */
  ints(key: string, length: number, max = 0xffffffff): number[] {
    return this.list(key, length).map((v) => {
      if (typeof v !== "number" || !Number.isInteger(v) || v < 0 || v > max) throw this.#bad(key);
      return v;
    });
  }

  /** A list, of exactly `length` values when that is given. */
  list(key: string, length?: number): Saved[] {
    const v = this.#get(key);
    if (!Array.isArray(v) || (length !== undefined && v.length !== length)) throw this.#bad(key);
    return v;
  }

  /** The value of a nested record or list, unchecked: for another object's restore(). */
  value(key: string): Saved {
    return this.#get(key);
  }

  /** The same for a key that need not be there: null then. */
  optional(key: string): Saved {
    return Object.hasOwn(this.#record, key) ? this.#get(key) : null;
  }

  record(key: string): SavedRecord {
    return new SavedRecord(`${this.#id}.${key}`, this.#get(key));
  }

  #get(key: string): Saved {
    const v = Object.hasOwn(this.#record, key) ? this.#record[key] : undefined;
    if (v === undefined) throw new StateError(this.#id, `${key} missing`);
    return v;
  }

  #bad(key: string): StateError {
    return new StateError(this.#id, `${key} has a value it cannot hold`);
  }
}
