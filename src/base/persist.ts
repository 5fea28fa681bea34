import { StateError } from "./errors.ts";

/** What a state is made of: plain data, with bytes and wide integers. */
export type Saved =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Saved[]
  | { [key: string]: Saved };

/** The one contract for save and restore of every device, vCPU and KVM object. */
export interface Persist {
  readonly id: string;
  readonly version: number;
  save(): Saved;
  /**
   * Throws StateError when the state is not one that save() makes; the object must then be reset or
   * restored again.
   */
  restore(state: Saved): void;
}

/*
 * Encoding, one tag byte and then:
 *   null 0 | false 1 | true 2
 *   number 3: float64 BE                       bigint 4 (>= 0) and 5 (< 0): length, magnitude, first byte not 0
 *   string 6: length, UTF-8                    bytes 7: length, bytes
 *   list 8: count, values                      record 9: count, (length, UTF-8 key, value) in ascending key order
 * Lengths and counts are u32 BE. Every value has exactly one encoding, so equal states have equal hashes.
 */
const Tag = {
  null: 0,
  false: 1,
  true: 2,
  number: 3,
  natural: 4,
  negative: 5,
  string: 6,
  bytes: 7,
  list: 8,
  record: 9,
} as const;

const maxDepth = 64;
const maxBigintBytes = 4096;
/** Present in a key, this would reach the prototype of the decoded record. */
const forbiddenKey = "__proto__";

/** The canonical binary form of a state; for the state hash, files and migration. Throws StateError. */
export function encode(state: Saved): Uint8Array {
  const writer = new Writer();
  writer.value(state, 0);
  return writer.finish();
}

/** Reads what encode wrote. Input is hostile: anything else, trailing bytes included, throws StateError. */
export function decode(bytes: Uint8Array): Saved {
  const reader = new Reader(bytes);
  const state = reader.value(0);
  reader.end();
  return state;
}

class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  value(v: Saved, depth: number): void {
    if (depth > maxDepth) throw new StateError("state", `nested deeper than ${maxDepth}`, "flatten it");
    if (v === null) this.#tag(Tag.null);
    else if (typeof v === "boolean") this.#tag(v ? Tag.true : Tag.false);
    else if (typeof v === "number") this.#number(v);
    else if (typeof v === "bigint") this.#bigint(v);
    else if (typeof v === "string") {
      this.#tag(Tag.string);
      this.#text(v);
    } else if (v instanceof Uint8Array) {
      this.#tag(Tag.bytes);
      this.#counted(v);
    } else if (Array.isArray(v)) {
      this.#tag(Tag.list);
      this.#count(v.length);
      for (const item of v) this.value(item, depth + 1);
    } else if (typeof v === "object") this.#record(v, depth);
    else throw new StateError("state", `a ${typeof v}`, "save plain data only");
  }

  #record(v: { [key: string]: Saved }, depth: number): void {
    const entries = Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#tag(Tag.record);
    this.#count(entries.length);
    for (const [key, item] of entries) {
      if (key === forbiddenKey) throw new StateError("state key", key, "choose another name");
      this.#text(key);
      this.value(item, depth + 1);
    }
  }

  #number(v: number): void {
    this.#tag(Tag.number);
    // Every NaN is written as the same one.
    const at = this.#take(8);
    this.#view.setFloat64(at, Number.isNaN(v) ? NaN : v);
  }

  #bigint(v: bigint): void {
    const hex = (v < 0n ? -v : v).toString(16);
    const even = hex.length % 2 === 0 ? hex : `0${hex}`;
    const length = v === 0n ? 0 : even.length / 2;
    if (length > maxBigintBytes) throw new StateError("bigint", `${length} bytes`, "save it as bytes");
    this.#tag(v < 0n ? Tag.negative : Tag.natural);
    this.#count(length);
    const at = this.#take(length);
    for (let i = 0; i < length; i++) this.#bytes[at + i] = parseInt(even.slice(2 * i, 2 * i + 2), 16);
  }

  #text(v: string): void {
    if (/\p{Surrogate}/u.test(v)) throw new StateError("string", "lone surrogate", "save it as bytes");
    this.#counted(new TextEncoder().encode(v));
  }

  #counted(v: Uint8Array): void {
    this.#count(v.length);
    const at = this.#take(v.length);
    this.#bytes.set(v, at);
  }

  #count(n: number): void {
    if (n > 0xffffffff) throw new StateError("length", String(n), "split it");
    const at = this.#take(4);
    this.#view.setUint32(at, n);
  }

  #tag(tag: number): void {
    const at = this.#take(1);
    this.#bytes[at] = tag;
  }

  /** Makes room for n bytes; may replace the buffer, so take before touching bytes or view. */
  #take(n: number): number {
    const at = this.#length;
    this.#length += n;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#bad(`${this.#bytes.length - this.#at} trailing bytes`);
  }

  value(depth: number): Saved {
    if (depth > maxDepth) throw this.#bad(`nested deeper than ${maxDepth}`);
    const tag = this.#bytes[this.#take(1)];
    switch (tag) {
      case Tag.null:
        return null;
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.number:
        return this.#number();
      case Tag.natural:
        return this.#magnitude();
      case Tag.negative:
        return this.#negative();
      case Tag.string:
        return this.#text();
      case Tag.bytes:
        return this.#counted().slice();
      case Tag.list:
        return this.#list(depth);
      case Tag.record:
        return this.#record(depth);
      default:
        throw this.#bad(`tag ${tag}`);
    }
  }

  #number(): number {
    const at = this.#take(8);
    const v = this.#view.getFloat64(at);
    if (Number.isNaN(v) && this.#view.getBigUint64(at) !== 0x7ff8000000000000n) throw this.#bad("odd NaN");
    return v;
  }

  #magnitude(): bigint {
    const bytes = this.#counted();
    if (bytes.length === 0) return 0n;
    if (bytes[0] === 0 || bytes.length > maxBigintBytes) throw this.#bad("bigint not in its shortest form");
    let hex = "0x";
    for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
    return BigInt(hex);
  }

  #negative(): bigint {
    const v = this.#magnitude();
    if (v === 0n) throw this.#bad("negative zero bigint");
    return -v;
  }

  #text(): string {
    const bytes = this.#counted();
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#bad("text that is not UTF-8");
    }
  }

  #list(depth: number): Saved[] {
    const count = this.#count();
    const list: Saved[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(depth + 1));
    return list;
  }

  #record(depth: number): { [key: string]: Saved } {
    const count = this.#count();
    const record: { [key: string]: Saved } = {};
    let last: string | null = null;
    for (let i = 0; i < count; i++) {
      const key = this.#text();
      if (key === forbiddenKey || (last !== null && key <= last)) throw this.#bad("record keys out of order");
      record[key] = this.value(depth + 1);
      last = key;
    }
    return record;
  }

  #counted(): Uint8Array {
    const length = this.#count();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /**
   * A length or count; every byte or item it promises takes at least one byte, so it cannot exceed the
   * rest.
   */
  #count(): number {
    const n = this.#view.getUint32(this.#take(4));
    if (n > this.#bytes.length - this.#at) throw this.#bad(`count ${n} past the end`);
    return n;
  }

  #take(n: number): number {
    if (n > this.#bytes.length - this.#at) throw this.#bad("end of data");
    const at = this.#at;
    this.#at += n;
    return at;
  }

  #bad(what: string): StateError {
    return new StateError("encoded state", `${what} at byte ${this.#at}`);
  }
}
