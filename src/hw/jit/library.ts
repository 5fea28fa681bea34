// Translated code shared by the machines of a process: a product is the same whenever its job is, so the second machine that runs
// the same pages takes the first one's module, with all that V8 has made of it since.
//
// The key is all that translation reads: which core, the regions with their numbers, and the decoded records where they lie. Two
// machines that do the same from the same start have these alike; a hash finds the entry, and every byte is compared.
import type { JobMessage, Product } from "./workshop.ts";

/** Modules kept, and bytes of Wasm and of keys; what was used longest ago goes first. */
const MAX_MODULES = 1024;
const MAX_BYTES = 32 << 20;

interface Entry {
  readonly core: string;
  readonly key: JobMessage;
  readonly product: Product;
  readonly bytes: number;
}

function hashOf({ numbers, records }: JobMessage): number {
  let h = 0x811c9dc5;
  const mix = (v: number): void => { h = Math.imul(h ^ v, 0x01000193); h ^= h >>> 15; };
  // The first number is the job's own.
  for (let i = 1; i < numbers.length; i++) mix(numbers[i]! | 0);
  const words = new Uint32Array(records.buffer, 0, records.length >> 2);
  for (const word of words) mix(word);
  return h >>> 0;
}
function same(a: JobMessage, b: JobMessage): boolean {
  if (a.numbers.length !== b.numbers.length || a.records.length !== b.records.length) return false;
  for (let i = 1; i < a.numbers.length; i++) if (a.numbers[i] !== b.numbers[i]) return false;
  for (let i = 0; i < a.records.length; i++) if (a.records[i] !== b.records[i]) return false;
  return true;
}

export class Library {
  /** By hash, in the order of their last use. */
  readonly #entries = new Map<number, Entry>();
  #bytes = 0;

  get modules(): number { return this.#entries.size; }
  get bytes(): number { return this.#bytes; }

  /** A product made before of the same job, under this job's number. */
  take(core: string, key: JobMessage): Product | undefined {
    const hash = hashOf(key), found = this.#entries.get(hash);
    if (!found || found.core !== core || !same(found.key, key)) return undefined;
    this.#entries.delete(hash);
    this.#entries.set(hash, found);
    return { ...found.product, number: key.numbers[0]!, translateMs: 0, compileMs: 0 };
  }
  put(core: string, key: JobMessage, product: Product): void {
    if (!product.module) return;
    const hash = hashOf(key), bytes = key.numbers.byteLength + key.records.byteLength + product.wasmBytes;
    this.#drop(hash);
    while (this.#entries.size > 0 && (this.#entries.size >= MAX_MODULES || this.#bytes + bytes > MAX_BYTES)) this.#drop(this.#entries.keys().next().value!);
    this.#entries.set(hash, { core, key, product, bytes });
    this.#bytes += bytes;
  }
  #drop(hash: number): void {
    const entry = this.#entries.get(hash);
    if (!entry) return;
    this.#bytes -= entry.bytes;
    this.#entries.delete(hash);
  }
}
/** Of this thread. */
export const library = new Library();
