const WINDOW_MS = 500;

/** The guest's clock against wall time, over half a second; HLT moves the clock, too. */
export class Speed {
  /** Clock ticks per second of wall time. */
  value = 0;
  readonly #now: () => number;
  #instructions = 0;
  #since = 0;

  /** @param now wall time in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  count(instructions: number): void {
    this.#instructions += instructions;
    const now = this.#now(), ms = now - this.#since;
    if (ms < WINDOW_MS) return;
    this.value = (this.#instructions / ms) * 1000;
    this.#instructions = 0;
    this.#since = now;
  }
}
