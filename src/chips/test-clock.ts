import { VirtualClock } from "../base/clock.ts";

/** For tests: a clock moved by hand that fires every alarm at its own time on the way. */
export class TestClock extends VirtualClock {
  readonly #time: { t: number };

  constructor() {
    const time = { t: 0 };
    super(() => time.t);
    this.#time = time;
  }

  advanceTo(t: number): void {
    while (this.next() <= t) {
      this.#time.t = Math.max(this.#time.t, this.next());
      this.runDue();
    }
    this.#time.t = t;
  }

  advance(dt: number): void {
    this.advanceTo(this.now() + dt);
  }
}
