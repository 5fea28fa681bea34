const LIMIT = 8 << 20;
const KEEP = 4 << 20;

/** Everything the guest has sent over its serial port: as text for tests, as bytes for the terminal. */
export class SerialLog {
  readonly #decoder = new TextDecoder("latin1");
  #text = "";
  #fresh: Uint8Array[] = [];
  #waiting: { text: string; done: () => void }[] = [];

  get text(): string {
    return this.#text;
  }

  put(bytes: Uint8Array): void {
    this.#fresh.push(bytes);
    this.#set(this.#text + this.#decoder.decode(bytes));
  }

  /** What was printed on another host, before anything that was printed here. */
  precede(earlier: string): void {
    this.#set(earlier + this.#text);
  }

  #set(text: string): void {
    // A guest that prints for ever keeps its latest output.
    this.#text = text.length > LIMIT ? text.slice(-KEEP) : text;
    if (this.#waiting.length === 0) return;
    const met = this.#waiting.filter((w) => this.#text.includes(w.text));
    this.#waiting = this.#waiting.filter((w) => !met.includes(w));
    for (const w of met) w.done();
  }

  /** Bytes since the last call. */
  take(): Uint8Array | undefined {
    if (this.#fresh.length === 0) return undefined;
    const parts = this.#fresh;
    this.#fresh = [];
    const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) {
      all.set(p, at);
      at += p.length;
    }
    return all;
  }

  wait(text: string): Promise<void> {
    if (this.#text.includes(text)) return Promise.resolve();
    return new Promise((done) => { this.#waiting.push({ text, done }); });
  }

  clear(): void {
    this.#text = "";
    this.#fresh = [];
  }
}
