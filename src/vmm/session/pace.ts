/** How long one slice lasts at most, and how far the guest's clock may lag before the difference is forgiven. */
const SLICE_MS = 4;
const FORGIVE_NS = 20e6;
const FIRST_SLICE = 100_000;
/**
 * Clock ticks per millisecond that a slice is made for: a slice that waited for a core says nothing about the next, and
 * must not make slices so short that nothing is learnt from them.
 */
const SLOWEST = 2500;
const FASTEST = 5e6;
/** A guest that has caught up waits until it is at least this far behind: an idle one would spin through empty slices. */
const LEAST_NS = 1e6;

/**
 * Keeps the guest's clock at or behind wall time, and slices short. A busy guest falls behind; the lag is forgiven, so
 * that its later idle time does not race.
 */
export class Pace {
  readonly #now: () => number;
  #wall = 0;
  #t = 0;
  #perMs = FIRST_SLICE / SLICE_MS;

  /** @param now wall time in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Starts counting at clock t. The first slice is due at once: a machine that has just arrived does not wait. */
  start(t: number): void {
    this.#wall = this.#now() - LEAST_NS / 1e6;
    this.#t = t;
  }

  /** The clock value the next slice may run to; t itself when the guest is ahead and must wait. */
  limit(t: number): number {
    let allowed = this.#t + (this.#now() - this.#wall) * 1e6;
    if (allowed - t > FORGIVE_NS) {
      this.start(t + FORGIVE_NS);
      allowed = t + FORGIVE_NS;
    }
    if (allowed - t < LEAST_NS) return t;
    return Math.max(t, Math.min(Math.floor(allowed), t + Math.ceil(this.#perMs * SLICE_MS)));
  }

  /** A slice of `instructions` took `ms`: the next is made to fit. */
  took(instructions: number, ms: number): void {
    if (instructions < 1000) return;
    const measured = instructions / Math.max(ms, 0.05);
    const expected = Math.min(this.#perMs * 0.7 + measured * 0.3, 4 * measured);
    this.#perMs = Math.min(Math.max(expected, SLOWEST), FASTEST);
  }
}
