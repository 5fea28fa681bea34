import type { Alarm, Clock } from "../base/clock.ts";
import { StateError } from "../base/errors.ts";
import type { Saved } from "../base/persist.ts";
import type { SavedRecord } from "../base/saved.ts";

/** Timer modes, LVT bits 18:17. */
export const TimerMode = { oneShot: 0, periodic: 1, tscDeadline: 2 } as const;

/** Shortest time between two periodic interrupts, in ns: a guest asking for less is served at this rate. */
const shortestPeriod = 10_000;

/**
 * The local APIC timer (SDM, "APIC Timer"). Its bus clock is 1 GHz, one count per ns before the divider, so
 * the current count follows from the time the initial count was written.
 */
export class LapicTimer {
  mode: number = TimerMode.oneShot;
  masked = true;
  initial = 0;
  /** Divide configuration register as written. */
  divideConfig = 0;
  /** When counting began, or -1 while stopped. */
  start = -1;
  /** IA32_TSC_DEADLINE, 0 when disarmed. */
  deadline = 0n;
  /** Guest TSC minus clock time. */
  tscOffset = 0n;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #expire: () => void;

  constructor(clock: Clock, expire: () => void) {
    this.#clock = clock;
    this.#expire = expire;
    this.#alarm = clock.alarm((at) => this.#fire(at));
  }

  reset(): void {
    this.mode = TimerMode.oneShot;
    this.masked = true;
    this.initial = 0;
    this.divideConfig = 0;
    this.start = -1;
    this.deadline = 0n;
    this.#alarm.clear();
  }

  /** ns per count. */
  get divisor(): number {
    const code = (this.divideConfig & 3) | ((this.divideConfig >> 1) & 4);
    return code === 7 ? 1 : 2 << code;
  }

  /**
   * Takes mode and mask from the LVT. Going to or from TSC-deadline mode disarms; the others keep counting.
   */
  setLvt(mode: number, masked: boolean): void {
    if (mode === this.mode && masked === this.masked) return;
    if (mode !== this.mode) {
      const now = this.#clock.now();
      const period = this.initial * this.divisor;
      if ((mode === TimerMode.tscDeadline) !== (this.mode === TimerMode.tscDeadline)) {
        this.initial = 0;
        this.start = -1;
        this.deadline = 0n;
      } else if (this.start >= 0 && now - this.start >= period) {
        // One-shot has run out; periodic goes on from the beginning of its current period.
        this.start = this.mode === TimerMode.periodic ? now - ((now - this.start) % period) : -1;
      }
    }
    this.mode = mode;
    this.masked = masked;
    this.#arm();
  }

  setInitial(count: number): void {
    if (this.mode === TimerMode.tscDeadline) return;
    this.initial = count;
    this.start = count === 0 ? -1 : this.#clock.now();
    this.#arm();
  }

  /** Sets initial and current count together; a current count of 0 leaves the timer stopped. */
  setCounts(initial: number, current: number): void {
    if (this.mode === TimerMode.tscDeadline) return;
    this.initial = initial;
    const counted = initial - current;
    this.start =
      initial === 0 || current === 0 || counted < 0 ? -1 : this.#clock.now() - counted * this.divisor;
    this.#arm();
  }

  /** Counting goes on from the current count at the new rate. */
  setDivide(config: number): void {
    const counted = this.initial - this.current();
    this.divideConfig = config & 0xb;
    if (this.start >= 0) this.start = this.#clock.now() - counted * this.divisor;
    this.#arm();
  }

  current(): number {
    if (this.start < 0 || this.mode === TimerMode.tscDeadline) return 0;
    const counts = Math.floor((this.#clock.now() - this.start) / this.divisor);
    if (this.mode === TimerMode.periodic) return this.initial - (counts % this.initial);
    return Math.max(0, this.initial - counts);
  }

  /** Arms TSC-deadline mode; ignored in the others, 0 disarms. */
  setDeadline(tsc: bigint): void {
    if (this.mode !== TimerMode.tscDeadline) return;
    this.deadline = tsc;
    this.#arm();
  }

  setTscOffset(offset: bigint): void {
    this.tscOffset = offset;
    if (this.deadline !== 0n) this.#arm();
  }

  #arm(): void {
    this.#alarm.set(this.#nextExpiry());
  }

  #nextExpiry(): number {
    const now = this.#clock.now();
    if (this.mode === TimerMode.tscDeadline) {
      if (this.deadline === 0n) return Infinity;
      const at = this.deadline - this.tscOffset;
      return at > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Math.max(now, Number(at));
    }
    if (this.start < 0 || this.masked) return Infinity;
    const period = this.initial * this.divisor;
    if (this.mode === TimerMode.oneShot) return this.start + period > now ? this.start + period : Infinity;
    const earliest = period < shortestPeriod ? now + shortestPeriod : now + 1;
    return this.start + Math.ceil((earliest - this.start) / period) * period;
  }

  #fire(at: number): void {
    if (this.mode === TimerMode.tscDeadline) this.deadline = 0n;
    else if (this.mode === TimerMode.oneShot) this.start = -1;
    else if (this.start >= 0) {
      this.start = at;
      this.#arm();
    }
    if (!this.masked) this.#expire();
  }

  save(): Saved {
    return {
      mode: this.mode,
      masked: this.masked,
      initial: this.initial,
      divideConfig: this.divideConfig,
      start: this.start,
      deadline: this.deadline,
      tscOffset: BigInt.asUintN(64, this.tscOffset),
      alarm: this.#alarm.at,
    };
  }

  restore(r: SavedRecord): void {
    this.mode = r.int("mode", 2);
    this.masked = r.bool("masked");
    this.initial = r.int("initial");
    this.divideConfig = r.int("divideConfig", 0xb);
    this.start = r.time("start");
    this.deadline = r.u64("deadline");
    this.tscOffset = BigInt.asIntN(64, r.u64("tscOffset"));
    if (this.start === Infinity || (this.initial === 0 && this.start >= 0)) {
      throw new StateError("lapic timer", "running without a count");
    }
    this.#alarm.set(r.time("alarm"));
  }
}
