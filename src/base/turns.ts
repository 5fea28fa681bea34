import { StateError } from "./errors.ts";
import type { Saved } from "./persist.ts";
import { SavedRecord } from "./saved.ts";

/** Instructions that a CPU runs before the next one gets its turn, and thereby how long an interrupt for it may wait. */
export const QUANTUM = 100_000;

/**
 * Whose turn it is among the CPUs of one machine. One clock counts the instructions of all, so they run one after the
 * other: round robin, a quantum each; a CPU that sleeps (HLT, wait-for-SIPI) is passed over until something wakes it.
 * Turns end at instants of the clock, never where a slice of the embedder ends.
 */
export class Turns {
  readonly count: number;
  /** The CPU whose turn it is, or was last. */
  current = 0;
  /** When its turn ends. */
  end = QUANTUM;
  /** CPUs that sleep, one bit each. */
  #asleep = 0;

  constructor(count: number) {
    this.count = count;
  }

  reset(now: number): void {
    this.current = 0;
    this.end = now + QUANTUM;
    this.#asleep = 0;
  }

  /** Makes `current` the CPU to run at `now`; false when all sleep. */
  pick(now: number): boolean {
    if (now < this.end && !this.sleeps(this.current)) return true;
    for (let i = 1; i <= this.count; i++) {
      const next = (this.current + i) % this.count;
      if (this.sleeps(next)) continue;
      this.current = next;
      this.end = now + QUANTUM;
      return true;
    }
    return false;
  }

  /** The CPU in turn has nothing to do but to wait for the others. */
  yield(now: number): void {
    this.end = now;
  }
  /** The CPU in turn stands behind STI or MOV SS, where nothing interrupts it: one instruction more. */
  extend(now: number): void {
    this.end = now + 1;
  }
  sleep(): void {
    this.#asleep |= 1 << this.current;
  }
  wake(cpu: number): void {
    this.#asleep &= ~(1 << cpu);
  }
  /** Something that is no signal may have come true for any of them. */
  wakeAll(): void {
    this.#asleep = 0;
  }
  sleeps(cpu: number): boolean {
    return ((this.#asleep >> cpu) & 1) !== 0;
  }
  /** Does another CPU wait for its turn? */
  get contended(): boolean {
    return (this.#asleep | (1 << this.current)) !== (1 << this.count) - 1;
  }

  save(): Saved {
    return { current: this.current, end: this.end, asleep: this.#asleep };
  }
  restore(state: Saved): void {
    const r = new SavedRecord("turns", state),
      end = r.time("end");
    if (end < 0 || end === Infinity) throw new StateError("turns", `end ${end}`);
    this.current = r.int("current", this.count - 1);
    this.#asleep = r.int("asleep", (1 << this.count) - 1);
    this.end = end;
  }
}
