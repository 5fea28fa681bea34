import { StateError } from "./errors.ts";
import type { Saved } from "./persist.ts";
import { SavedRecord } from "./saved.ts";

/** Instructions that a CPU runs before the next one gets its turn, and thereby how long an interrupt for it may wait. */
export const QUANTUM = 100_000;
/** The same for one that has its turn because another one has interrupted it, and waits for the answer as a rule. */
export const ANSWER = 10_000;

/**
 * Whose turn it is among the CPUs of one machine. One clock counts the instructions of all, so they run one after the
 * other: round robin, a quantum each; a CPU that sleeps (HLT, wait-for-SIPI) is passed over until something wakes it. Who interrupts
 * another one gives away the turn, which is a short one then.
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
  /** CPUs that others have interrupted since their last turn. */
  #called = 0;
  readonly #begun: () => void;

  /** @param begun is called when a turn begins: what the processor knew of PAUSEs was of another one */
  constructor(count: number, begun: () => void = () => undefined) {
    this.count = count;
    this.#begun = begun;
  }

  reset(now: number): void {
    this.current = 0;
    this.end = now + QUANTUM;
    this.#asleep = 0;
    this.#called = 0;
    this.#begun();
  }

  /** Makes `current` the CPU to run at `now`; false when all sleep. */
  pick(now: number): boolean {
    if (now < this.end && !this.sleeps(this.current)) return true;
    for (let i = 1; i <= this.count; i++) {
      const next = (this.current + i) % this.count;
      if (this.sleeps(next)) continue;
      this.current = next;
      this.end = now + ((this.#called >> next) & 1 ? ANSWER : QUANTUM);
      this.#called &= ~(1 << next);
      this.#begun();
      return true;
    }
    return false;
  }

  /** The CPU in turn has nothing to do but to wait for the others, or for one of them, which is next then. */
  yield(now: number, to = -1): void {
    this.end = now;
    if (to >= 0) this.current = (to + this.count - 1) % this.count;
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
  /** The CPU in turn has interrupted another one, and waits for what that does: the turn is over. */
  call(cpu: number): void {
    this.wake(cpu);
    this.#called |= 1 << cpu;
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
    return { current: this.current, end: this.end, asleep: this.#asleep, called: this.#called };
  }
  restore(state: Saved): void {
    const r = new SavedRecord("turns", state),
      end = r.time("end");
    if (end < 0 || end === Infinity) throw new StateError("turns", `end ${end}`);
    this.current = r.int("current", this.count - 1);
    this.#asleep = r.int("asleep", (1 << this.count) - 1);
    this.#called = r.int("called", (1 << this.count) - 1);
    this.end = end;
  }
}
