import { fromBcd, toBcd } from "../base/bits.ts";
import { StateError } from "../base/errors.ts";
import type { Saved } from "../base/persist.ts";
import type { SavedRecord } from "../base/saved.ts";

/*
 * One of the three counters of an 8254 (Intel 8254 data sheet, "Mode Definitions"). Nothing ticks: the
 * counter knows the tick at which it was loaded and computes value and OUT for any later tick.
 *
 * control word:  | SC1 SC0 | RW1 RW0 | M2 M1 M0 | BCD |
 * status byte:   | OUT | null count | RW1 RW0 | M2 M1 M0 | BCD |
 */
export class PitCounter {
  /** RW field: 1 low byte only, 2 high byte only, 3 low then high. */
  access = 3;
  mode = 3;
  bcd = false;
  gate: boolean;
  /** The count in force, 1 .. 65536; 0 when none has been written since the control word. */
  count = 0;
  /** Tick at which `count` was loaded; Infinity while a trigger is awaited. */
  start = Infinity;
  /** Ticks counted when GATE stopped the counter (modes 0 and 4), or -1. */
  held = -1;
  /** A count written during a period of mode 2 or 3; it loads at the tick `reloadAt`. */
  nextCount = 0;
  reloadAt = Infinity;
  writeHigh = false;
  writtenLow = 0;
  readHigh = false;
  /** The latched count, or -1. */
  latched = -1;
  latchedStatus = -1;

  constructor(gate: boolean) {
    this.gate = gate;
  }

  /** The data sheet leaves power-up undefined; mode 0 keeps OUT low, so IRQ0 is quiet until programmed. */
  reset(): void {
    this.setControl(0x30);
  }

  /** Takes a control word; OUT goes to the mode's initial level and counting waits for a count. */
  setControl(word: number): void {
    const mode = (word >> 1) & 7;
    this.access = (word >> 4) & 3;
    this.mode = mode > 5 ? mode & 3 : mode;
    this.bcd = (word & 1) !== 0;
    this.count = this.nextCount = 0;
    this.start = this.reloadAt = Infinity;
    this.held = this.latched = this.latchedStatus = -1;
    this.writeHigh = this.readHigh = false;
  }

  /** Takes a byte of the count at `tick`; returns whether the count is now complete. */
  write(tick: number, byte: number): boolean {
    if (this.access === 3 && !this.writeHigh) {
      this.writtenLow = byte;
      this.writeHigh = true;
      // In mode 0 the first byte stops the counter and lowers OUT.
      if (this.mode === 0) this.start = Infinity;
      return false;
    }
    const written = this.access === 1 ? byte : this.access === 2 ? byte << 8 : this.writtenLow | (byte << 8);
    this.writeHigh = false;
    this.#load(tick, this.#decodeCount(written));
    return true;
  }

  read(tick: number): number {
    if (this.latchedStatus >= 0) {
      const status = this.latchedStatus;
      this.latchedStatus = -1;
      return status;
    }
    const value = this.latched >= 0 ? this.latched : this.#encodeValue(tick);
    const high = this.access === 2 || (this.access === 3 && this.readHigh);
    if (this.access === 3) this.readHigh = !this.readHigh;
    if (this.access !== 3 || high) this.latched = -1;
    return high ? value >> 8 : value & 0xff;
  }

  /** Holds the count for the next read; a second latch before that does nothing. */
  latch(tick: number): void {
    if (this.latched < 0) this.latched = this.#encodeValue(tick);
  }

  latchStatus(tick: number): void {
    if (this.latchedStatus >= 0) return;
    this.#settle(tick);
    const pending = this.count === 0 || this.nextCount !== 0 || tick < this.start;
    this.latchedStatus =
      (this.out(tick) ? 0x80 : 0) |
      (pending ? 0x40 : 0) |
      (this.access << 4) |
      (this.mode << 1) |
      (this.bcd ? 1 : 0);
  }

  setGate(tick: number, gate: boolean): void {
    if (gate === this.gate) return;
    this.#settle(tick);
    const counted = Math.max(0, tick - this.start);
    this.gate = gate;
    if (this.count === 0) return;
    switch (this.mode) {
      case 0:
      case 4:
        if (!gate) this.held = counted;
        else if (this.held >= 0) {
          this.start = tick - this.held;
          this.held = -1;
        }
        break;
      case 2:
      case 3:
        this.start = gate ? tick + 1 : Infinity;
        break;
      default:
        if (gate) this.start = tick + 1;
    }
  }

  /** Level of OUT at `tick`. */
  out(tick: number): boolean {
    this.#settle(tick);
    const d = this.#elapsed(tick);
    const n = this.count;
    if (n === 0 || d < 0) return this.mode !== 0;
    switch (this.mode) {
      case 0:
        return d >= n;
      case 1:
        return d >= n;
      case 2:
        return n === 1 || d % n !== n - 1;
      case 3:
        return d % n < (n + 1) >> 1;
      default:
        return d !== n;
    }
  }

  /** The first tick after `tick` at which OUT rises, or Infinity. */
  nextRise(tick: number): number {
    this.#settle(tick);
    const n = this.count;
    if (n === 0 || this.start === Infinity || this.held >= 0) return Infinity;
    const d = Math.max(0, tick - this.start);
    if (this.mode === 2 || this.mode === 3) return this.start + (Math.floor(d / n) + 1) * n;
    const rise = this.start + n + (this.mode >= 4 ? 1 : 0);
    return rise > tick ? rise : Infinity;
  }

  #load(tick: number, count: number): void {
    this.#settle(tick);
    if ((this.mode === 2 || this.mode === 3) && this.count !== 0 && this.start !== Infinity) {
      this.nextCount = count;
      this.reloadAt = tick < this.start ? this.start : this.nextRise(tick);
      return;
    }
    this.count = count;
    if (this.mode === 1 || this.mode === 5) return;
    if (this.mode === 0 || this.mode === 4) {
      this.start = tick + 1;
      this.held = this.gate ? -1 : 0;
    } else {
      this.start = this.gate ? tick + 1 : Infinity;
    }
  }

  /** Loads the count that was waiting for the end of its period. */
  #settle(tick: number): void {
    if (tick < this.reloadAt) return;
    this.start = this.start === Infinity ? Infinity : this.reloadAt;
    this.count = this.nextCount;
    this.nextCount = 0;
    this.reloadAt = Infinity;
  }

  /** Ticks counted since the load; negative before it. */
  #elapsed(tick: number): number {
    return this.held >= 0 ? this.held : tick - this.start;
  }

  #encodeValue(tick: number): number {
    this.#settle(tick);
    const n = this.count;
    const d = Math.max(0, this.#elapsed(tick));
    const size = this.bcd ? 10000 : 65536;
    let value: number;
    if (n === 0 || d === Infinity || this.start === Infinity) value = n;
    else if (this.mode === 2) value = n - (d % n);
    else if (this.mode === 3) {
      const half = (n + 1) >> 1;
      const phase = d % n;
      value = n - (n & 1) - 2 * (phase < half ? phase : phase - half);
    } else value = (((n - d) % size) + size) % size;
    value %= size;
    return this.bcd ? toBcd(value) : value;
  }

  #decodeCount(written: number): number {
    if (!this.bcd) return written === 0 ? 65536 : written;
    const count = fromBcd(written) % 10000;
    return count === 0 ? 10000 : count;
  }

  save(): Saved {
    return {
      access: this.access,
      mode: this.mode,
      bcd: this.bcd,
      gate: this.gate,
      count: this.count,
      start: this.start,
      held: this.held,
      nextCount: this.nextCount,
      reloadAt: this.reloadAt,
      writeHigh: this.writeHigh,
      writtenLow: this.writtenLow,
      readHigh: this.readHigh,
      latched: this.latched,
      latchedStatus: this.latchedStatus,
    };
  }

  restore(r: SavedRecord): void {
    this.access = r.int("access", 3);
    this.mode = r.int("mode", 5);
    this.bcd = r.bool("bcd");
    this.gate = r.bool("gate");
    this.count = r.int("count", 65536);
    this.start = r.time("start");
    this.held = r.time("held");
    this.nextCount = r.int("nextCount", 65536);
    this.reloadAt = r.time("reloadAt");
    this.writeHigh = r.bool("writeHigh");
    this.writtenLow = r.int("writtenLow", 0xff);
    this.readHigh = r.bool("readHigh");
    this.latched = r.time("latched");
    this.latchedStatus = r.time("latchedStatus");
    if (this.latched > 0xffff || this.latchedStatus > 0xff || this.held === Infinity || this.access === 0) {
      throw new StateError("i8254", "counter out of range");
    }
    if (this.reloadAt !== Infinity && this.nextCount === 0)
      throw new StateError("i8254", "reload without count");
  }
}
