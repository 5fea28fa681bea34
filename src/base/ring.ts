import { VitrineError } from "./errors.ts";

/**
 * The last `capacity` records of a fixed number of 32-bit words each, in one typed array; nothing is
 * allocated after the constructor, so a trace point costs a few stores.
 *
 *   words:  | record 0: w0 w1 .. | record 1: w0 w1 .. | ...            record n is at ((n & mask) * stride)
 *                                  ^ oldest = count - size             ^ count = records ever pushed
 */
export class PackedRing {
  readonly capacity: number;
  readonly stride: number;
  readonly words: Uint32Array;
  #count = 0;

  /**
   * capacity is a power of two, stride the words of a record; pass `words` to lay the ring over shared
   * memory.
   */
  constructor(capacity: number, stride: number, words = new Uint32Array(capacity * stride)) {
    if (capacity < 1 || (capacity & (capacity - 1)) !== 0) {
      throw new VitrineError("ring", "ring capacity", String(capacity), "give a power of two");
    }
    if (stride < 1 || words.length < capacity * stride) {
      throw new VitrineError(
        "ring",
        "ring words",
        `${words.length} for stride ${stride}`,
        "give enough words",
      );
    }
    this.capacity = capacity;
    this.stride = stride;
    this.words = words;
  }

  /** Records ever pushed; the number of the next one. */
  get count(): number {
    return this.#count;
  }

  /** Number of the oldest record still held. */
  get oldest(): number {
    return this.#count > this.capacity ? this.#count - this.capacity : 0;
  }

  /** Takes the next record and returns the index of its first word in `words`, for the caller to fill. */
  push(): number {
    const at = (this.#count % this.capacity) * this.stride;
    this.#count++;
    return at;
  }

  /** Index in `words` of record n, or -1 when it was overwritten or is still to come. */
  at(n: number): number {
    return n >= this.oldest && n < this.#count ? (n % this.capacity) * this.stride : -1;
  }

  clear(): void {
    this.#count = 0;
  }
}
