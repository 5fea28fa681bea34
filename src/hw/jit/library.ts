// Translated code shared by the machines of a process: the second machine that runs the same pages takes the first one's regions,
// with all that V8 has made of them since.
//
// The key is all that translation reads but the region's number: which core, the region, and the decoded records where they lie.
// Machines that do the same from the same start decode the same to the same places, whenever translated code arrives. The number
// is part of the code: where it is taken, the region is made again. A hash finds the entry, and every byte is compared.
import { decodedCase, type Memory, type Region } from "./region.ts";
import { type JobMessage, pack } from "./workshop.ts";

/** A region in a module. */
export interface Shelved {
  readonly module: WebAssembly.Module;
  /** It is the export with this number. */
  readonly index: number;
  /** Number of the region. */
  readonly id: number;
  /** Entry number by block, as in Translated. */
  readonly entries: Int32Array;
  readonly wasmBytes: number;
}

/** Regions kept, and bytes of Wasm and of keys; what was used longest ago goes first. */
const MAX_REGIONS = 4096;
const MAX_BYTES = 32 << 20;

interface Entry {
  readonly core: string;
  readonly key: JobMessage;
  readonly shelved: Shelved;
  readonly bytes: number;
}

/** A job of the region alone, without what happens to be in its blocks' headers: runs, region, neighbours in lists. */
export function keyOf(region: Region, memory: Memory): JobMessage {
  const key = pack({ number: 0, regions: [{ id: 0, region }] }, memory), { records } = key, view = new DataView(records.buffer);
  let at = 0;
  for (const { at: block, n } of region.blocks) {
    records.fill(0, at + 12, at + 32);
    view.setUint16(at + 32, decodedCase(memory, block, 0), true);
    at += 32 + (n + 1) * 16;
  }
  return key;
}
function hashOf({ numbers, records }: JobMessage): number {
  let h = 0x811c9dc5;
  const mix = (v: number): void => { h = Math.imul(h ^ v, 0x01000193); h ^= h >>> 15; };
  for (const n of numbers) mix(n | 0);
  const words = new Uint32Array(records.buffer, 0, records.length >> 2);
  for (const word of words) mix(word);
  return h >>> 0;
}
function same(a: JobMessage, b: JobMessage): boolean {
  if (a.numbers.length !== b.numbers.length || a.records.length !== b.records.length) return false;
  for (let i = 0; i < a.numbers.length; i++) if (a.numbers[i] !== b.numbers[i]) return false;
  for (let i = 0; i < a.records.length; i++) if (a.records[i] !== b.records[i]) return false;
  return true;
}

export class Library {
  /** By hash, in the order of their last use. */
  readonly #entries = new Map<number, Entry>();
  #bytes = 0;

  get regions(): number { return this.#entries.size; }
  get bytes(): number { return this.#bytes; }

  /** What was made before of the same region. */
  take(core: string, key: JobMessage): Shelved | undefined {
    const hash = hashOf(key), found = this.#entries.get(hash);
    if (!found || found.core !== core || !same(found.key, key)) return undefined;
    this.#entries.delete(hash);
    this.#entries.set(hash, found);
    return found.shelved;
  }
  put(core: string, key: JobMessage, shelved: Shelved): void {
    const hash = hashOf(key), bytes = key.numbers.byteLength + key.records.byteLength + shelved.wasmBytes;
    this.#drop(hash);
    while (this.#entries.size > 0 && (this.#entries.size >= MAX_REGIONS || this.#bytes + bytes > MAX_BYTES)) this.#drop(this.#entries.keys().next().value!);
    this.#entries.set(hash, { core, key, shelved, bytes });
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
