// A growing byte buffer with the fixture format's two kinds of number.

export class Writer {
  #bytes = new Uint8Array(1 << 20);
  #length = 0;
  #room(n: number): void {
    if (this.#length + n <= this.#bytes.length) return;
    const larger = new Uint8Array(this.#bytes.length * 2 + n);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
  u8(v: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = v;
    return this;
  }
  /** Unsigned LEB128. */
  big(v: bigint): this {
    for (; v >= 128n; v >>= 7n) this.u8(Number(v & 127n) | 128);
    return this.u8(Number(v));
  }
  number(v: number): this {
    return this.big(BigInt(v));
  }
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
