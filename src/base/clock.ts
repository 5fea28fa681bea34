/**
 * One clock for the whole machine: t = retired guest instructions = nanoseconds = TSC ticks, as a JS number
 * (exact up to 2^53, that is 104 days of guest time).
 */
export interface Alarm {
  /** When it will fire; Infinity when clear. */
  readonly at: number;
  set(t: number): void;
  clear(): void;
}

export interface Clock {
  now(): number;
  /** Makes an alarm, clear at first. An alarm is cleared just before it fires. */
  alarm(fire: (at: number) => void): Alarm;
}

/**
 * No single call of runDue fires more alarms than this: a guest that arms timers in the past cannot hang
 * us.
 */
const maxFiresPerRun = 4096;

/** A clock driven by whoever counts instructions: it never moves by itself. */
export class VirtualClock implements Clock {
  /** Called when an alarm is set earlier than next() was: a running CPU must then shorten its budget. */
  onEarlier: (t: number) => void = () => {};

  readonly #now: () => number;
  readonly #alarms: VirtualAlarm[] = [];
  #next = Infinity;
  #stale = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  now(): number {
    return this.#now();
  }

  alarm(fire: (at: number) => void): Alarm {
    const alarm = new VirtualAlarm(fire, (before, after) => this.#moved(before, after));
    this.#alarms.push(alarm);
    return alarm;
  }

  /** The earliest deadline, or Infinity. Scans only after the earliest alarm moved later. */
  next(): number {
    if (this.#stale) {
      let next = Infinity;
      for (const alarm of this.#alarms) {
        if (alarm.at < next) next = alarm.at;
      }
      this.#next = next;
      this.#stale = false;
    }
    return this.#next;
  }

  /** Fires all alarms with at <= now(), in order of (at, creation); also those that firing brings due. */
  runDue(): void {
    const now = this.#now();
    for (let fires = 0; fires < maxFiresPerRun && this.next() <= now; fires++) {
      const at = this.#next;
      this.#alarms.find((alarm) => alarm.at === at)?.expire();
    }
  }

  #moved(before: number, after: number): void {
    if (this.#stale) {
      this.next();
      if (after === this.#next) this.onEarlier(after);
    } else if (after < this.#next) {
      this.#next = after;
      this.onEarlier(after);
    } else if (before === this.#next) {
      this.#stale = true;
    }
  }
}

class VirtualAlarm implements Alarm {
  at = Infinity;
  readonly #fire: (at: number) => void;
  readonly #moved: (before: number, after: number) => void;

  constructor(fire: (at: number) => void, moved: (before: number, after: number) => void) {
    this.#fire = fire;
    this.#moved = moved;
  }

  set(t: number): void {
    const before = this.at;
    if (t === before) return;
    this.at = Number.isNaN(t) ? Infinity : t;
    this.#moved(before, this.at);
  }

  clear(): void {
    this.set(Infinity);
  }

  expire(): void {
    const at = this.at;
    this.clear();
    this.#fire(at);
  }
}
