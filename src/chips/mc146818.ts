import type { IrqLine, PortDevice, PortSize } from "../base/bus.ts";
import type { Alarm, Clock } from "../base/clock.ts";
import { StateError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import { readBytePorts, writeBytePorts } from "./byte-ports.ts";
import { Cmos } from "./cmos.ts";
import { ticksAt, timeOf } from "./rate.ts";
import {
  decodeHour,
  decodeNumber,
  encodeHour,
  encodeNumber,
  secondsFromTime,
  timeFromSeconds,
} from "./rtc-time.ts";
import type { RtcFormat } from "./rtc-time.ts";

/*
 * MC146818 real-time clock and CMOS memory (Motorola MC146818A data sheet) at ports 70h (index; bit 7 masks
 * NMI) and 71h (data). 128 bytes, of which:
 *
 *   00 second  02 minute  04 hour  06 weekday  07 day  08 month  09 year  32 century     01 03 05 alarm
 *   0A  | UIP (ro) | DV2-0 divider | RS3-0 rate |
 *   0B  | SET | PIE | AIE | UIE | SQWE | DM binary | 24h | DSE |
 *   0C  | IRQF | PF | AF | UF | 0 |, cleared by reading     0D  | VRT | 0 |
 */
const Reg = {
  second: 0,
  secondAlarm: 1,
  minute: 2,
  minuteAlarm: 3,
  hour: 4,
  hourAlarm: 5,
  weekday: 6,
  day: 7,
  month: 8,
  year: 9,
  a: 0x0a,
  b: 0x0b,
  c: 0x0c,
  d: 0x0d,
} as const;
const B = { set: 0x80, binary: 0x04, hours24: 0x02 } as const;
const Flag = { irq: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10, all: 0x70 } as const;
const uip = 0x80;
const vrt = 0x80;
const crystalHz = 32768;
const second = 1_000_000_000;
/** UIP rises this long before the second turns. */
const updateWarning = 244_141;
/** After the divider is released the first second lasts half as long. */
const dividerRelease = second / 2;
const alarmDontCare = 0xc0;

export class Mc146818 implements PortDevice, Persist {
  static readonly ports: readonly number[] = [0x70, 0x71];
  readonly id = "mc146818";
  readonly version = 1;
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  readonly #bytes = new Uint8Array(128);
  #index = 0;
  #nmiMasked = false;
  /** The second shown at clock time #epoch, in seconds since 1970; it turns every 10^9 ns from there. */
  #baseSeconds: number;
  #epoch = 0;
  /** Time up to which the flags of register C are worked out. */
  #flagsAt = 0;
  #irqEnabled = true;
  #irqLevel = false;

  /** baseSeconds is the time of day at clock time 0, in seconds since 1970-01-01 UTC. */
  constructor({ clock, irq, baseSeconds }: { clock: Clock; irq: IrqLine; baseSeconds: number }) {
    this.#clock = clock;
    this.#irq = irq;
    this.#baseSeconds = Math.floor(baseSeconds);
    this.#alarm = clock.alarm(() => this.#refresh());
    this.#bytes[Reg.a] = 0x26;
    this.#bytes[Reg.b] = B.hours24;
    this.#flagsAt = clock.now();
  }

  /** RESET clears interrupt enables and flags; the clock and the memory run on a battery. */
  reset(): void {
    this.#bytes[Reg.b] = this.#byte(Reg.b) & ~(Flag.all | 0x08);
    this.#bytes[Reg.c] = 0;
    this.#irqEnabled = true;
    this.#index = 0;
    this.#nmiMasked = false;
    this.#flagsAt = this.#clock.now();
    this.#follow();
  }

  /** False cuts the clock off from IRQ8, as the HPET's legacy replacement does. */
  setIrqEnabled(enabled: boolean): void {
    this.#irqEnabled = enabled;
    this.#follow();
  }

  /** Bit 7 of port 70h. */
  get nmiMasked(): boolean {
    return this.#nmiMasked;
  }

  /** Sets memory bytes as the machine's firmware interface wants them; clock registers are left alone. */
  setBytes(bytes: readonly (readonly [index: number, value: number])[]): void {
    for (const [index, value] of bytes) {
      if (index > Reg.d && index < 128 && index !== Cmos.century) this.#bytes[index] = value;
    }
  }

  /** A byte as a guest would read it, without side effects. */
  peek(index: number): number {
    this.#advance();
    return this.#show(index & 0x7f);
  }

  portRead(port: number, size: PortSize): number {
    return readBytePorts(port, size, (p) => {
      if (p !== 0x71) return 0xff;
      this.#advance();
      const value = this.#show(this.#index);
      if (this.#index === Reg.c) {
        this.#bytes[Reg.c] = 0;
        this.#follow();
      }
      return value;
    });
  }

  portWrite(port: number, size: PortSize, value: number): void {
    writeBytePorts(port, size, value, (p, byte) => {
      if (p === 0x70) {
        this.#index = byte & 0x7f;
        this.#nmiMasked = byte >= 0x80;
      } else if (p === 0x71) {
        this.#advance();
        this.#write(this.#index, byte);
        this.#follow();
      }
    });
  }

  #write(index: number, value: number): void {
    switch (index) {
      case Reg.a:
        this.#control(value & 0x7f, this.#byte(Reg.b));
        break;
      case Reg.b:
        this.#control(this.#byte(Reg.a), (value & B.set) !== 0 ? value & ~Flag.update : value);
        break;
      case Reg.c:
      case Reg.d:
        break;
      default:
        if (!isTime(index) || this.#frozen) {
          this.#bytes[index] = value;
        } else {
          this.#latchTime();
          this.#bytes[index] = value;
          this.#setTime();
        }
    }
  }

  /** Writes A and B, stopping or starting the clock when they say so. */
  #control(a: number, b: number): void {
    const wasFrozen = this.#frozen;
    const wasReset = dividerReset(this.#byte(Reg.a));
    // While running the bytes of the clock are stale: keep them in the format that was in force.
    if (!wasFrozen) this.#latchTime();
    const now = this.#clock.now();
    this.#bytes[Reg.a] = a;
    this.#bytes[Reg.b] = b;
    if (!wasFrozen || this.#frozen) return;
    const phase = (now - this.#epoch) % second;
    this.#epoch = wasReset ? now - dividerRelease : now - phase;
    this.#baseSeconds = this.#readTime();
  }

  /** SET, or the divider held in reset: time stands still in the bytes. */
  get #frozen(): boolean {
    return (this.#byte(Reg.b) & B.set) !== 0 || dividerReset(this.#byte(Reg.a));
  }

  get #format(): RtcFormat {
    const b = this.#byte(Reg.b);
    return { binary: (b & B.binary) !== 0, hours24: (b & B.hours24) !== 0 };
  }

  #show(index: number): number {
    if (index === Reg.a) return this.#byte(Reg.a) | (this.#updating() ? uip : 0);
    if (index === Reg.d) return vrt;
    if (isTime(index) && !this.#frozen) this.#latchTime();
    return this.#byte(index);
  }

  #updating(): boolean {
    if (this.#frozen) return false;
    return (this.#clock.now() - this.#epoch) % second >= second - updateWarning;
  }

  #secondsAt(t: number): number {
    return this.#baseSeconds + Math.floor((t - this.#epoch) / second);
  }

  /** Writes the current time into the bytes. */
  #latchTime(): void {
    const t = timeFromSeconds(this.#secondsAt(this.#clock.now()));
    const f = this.#format;
    this.#bytes[Reg.second] = encodeNumber(t.second, f);
    this.#bytes[Reg.minute] = encodeNumber(t.minute, f);
    this.#bytes[Reg.hour] = encodeHour(t.hour, f);
    this.#bytes[Reg.weekday] = encodeNumber(t.weekday, f);
    this.#bytes[Reg.day] = encodeNumber(t.day, f);
    this.#bytes[Reg.month] = encodeNumber(t.month, f);
    this.#bytes[Reg.year] = encodeNumber(t.year % 100, f);
    this.#bytes[Cmos.century] = encodeNumber(Math.floor(t.year / 100), f);
  }

  #readTime(): number {
    const f = this.#format;
    return secondsFromTime({
      second: decodeNumber(this.#byte(Reg.second), f),
      minute: decodeNumber(this.#byte(Reg.minute), f),
      hour: decodeHour(this.#byte(Reg.hour), f),
      weekday: 1,
      day: decodeNumber(this.#byte(Reg.day), f),
      month: decodeNumber(this.#byte(Reg.month), f),
      year: decodeNumber(this.#byte(Reg.year), f) + 100 * decodeNumber(this.#byte(Cmos.century), f),
    });
  }

  /** Takes the time from the bytes for the second now running. */
  #setTime(): void {
    const now = this.#clock.now();
    this.#epoch = now - ((now - this.#epoch) % second);
    this.#baseSeconds = this.#readTime();
  }

  /** 32768 Hz cycles of a period, or 0 for none. */
  get #period(): number {
    const rate = this.#byte(Reg.a) & 15;
    if (rate === 0 || dividerReset(this.#byte(Reg.a))) return 0;
    return 1 << ((rate <= 2 ? rate + 7 : rate) - 1);
  }

  /** Works out which flags of register C were set since the last time. */
  #advance(): void {
    const from = this.#flagsAt;
    const now = this.#clock.now();
    if (now <= from) return;
    this.#flagsAt = now;
    let flags = 0;
    const period = this.#period;
    if (
      period > 0 &&
      Math.floor(ticksAt(now, crystalHz) / period) > Math.floor(ticksAt(from, crystalHz) / period)
    ) {
      flags |= Flag.periodic;
    }
    if (!this.#frozen && this.#secondsAt(now) > this.#secondsAt(from)) {
      flags |= Flag.update;
      if (this.#nextAlarm(this.#secondsAt(from)) <= this.#secondsAt(now)) flags |= Flag.alarm;
    }
    this.#bytes[Reg.c] = this.#byte(Reg.c) | flags;
  }

  /** The first second after `seconds` that the alarm registers match, or Infinity. */
  #nextAlarm(seconds: number): number {
    const f = this.#format;
    const wanted = (index: number, hour = false): number => {
      const byte = this.#byte(index);
      if (byte >= alarmDontCare) return -1;
      return hour ? decodeHour(byte, f) : decodeNumber(byte, f);
    };
    const h = wanted(Reg.hourAlarm, true);
    const m = wanted(Reg.minuteAlarm);
    const s = wanted(Reg.secondAlarm);
    if (h > 23 || m > 59 || s > 59) return Infinity;
    const midnight = seconds - (((seconds % 86400) + 86400) % 86400);
    // Today from now on, otherwise tomorrow; an hour or minute that matches nothing is skipped whole.
    for (let hour = 0; hour < 48; hour++) {
      if ((h >= 0 && hour % 24 !== h) || midnight + hour * 3600 + 3599 <= seconds) continue;
      for (let minute = 0; minute < 60; minute++) {
        const start = midnight + hour * 3600 + minute * 60;
        if ((m >= 0 && minute !== m) || start + 59 <= seconds) continue;
        const match = s >= 0 ? start + s : Math.max(start, seconds + 1);
        if (match > seconds) return match;
      }
    }
    return Infinity;
  }

  #refresh(): void {
    this.#advance();
    this.#follow();
  }

  /** Brings IRQ8 to what B and C say and arms the alarm for the next enabled event. */
  #follow(): void {
    const enabled = this.#byte(Reg.b) & Flag.all;
    const active = (this.#byte(Reg.c) & enabled) !== 0;
    this.#bytes[Reg.c] = (this.#byte(Reg.c) & Flag.all) | (active ? Flag.irq : 0);
    const level = active && this.#irqEnabled;
    if (level !== this.#irqLevel) {
      this.#irqLevel = level;
      this.#irq.set(level);
    }
    this.#alarm.set(active ? Infinity : this.#nextEvent(enabled));
  }

  #nextEvent(enabled: number): number {
    const now = this.#clock.now();
    let next = Infinity;
    const period = this.#period;
    if ((enabled & Flag.periodic) !== 0 && period > 0) {
      next = timeOf((Math.floor(ticksAt(now, crystalHz) / period) + 1) * period, crystalHz);
    }
    if (this.#frozen) return next;
    const current = this.#secondsAt(now);
    if ((enabled & Flag.update) !== 0) next = Math.min(next, this.#timeOfSecond(current + 1));
    if ((enabled & Flag.alarm) !== 0) next = Math.min(next, this.#timeOfSecond(this.#nextAlarm(current)));
    return next;
  }

  #timeOfSecond(seconds: number): number {
    return this.#epoch + (seconds - this.#baseSeconds) * second;
  }

  #byte(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  /** Works everything out first, so that looking at the clock does not show in the state. */
  save(): Saved {
    this.#advance();
    if (!this.#frozen) this.#latchTime();
    return {
      version: this.version,
      bytes: this.#bytes.slice(),
      index: this.#index,
      nmiMasked: this.#nmiMasked,
      baseSeconds: this.#baseSeconds,
      epoch: this.#epoch,
      flagsAt: this.#flagsAt,
      irqEnabled: this.#irqEnabled,
      irqLevel: this.#irqLevel,
    };
  }

  /** The interrupt line is not driven: the interrupt controllers restore their own idea of it. */
  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    const [baseSeconds, epoch, flagsAt] = [r.time("baseSeconds"), r.time("epoch"), r.time("flagsAt")];
    if (![baseSeconds, epoch, flagsAt].every(Number.isFinite))
      throw new StateError(this.id, "an infinite time");
    this.#bytes.set(r.bytes("bytes", 128));
    this.#index = r.int("index", 0x7f);
    this.#nmiMasked = r.bool("nmiMasked");
    this.#baseSeconds = baseSeconds;
    this.#epoch = epoch;
    this.#flagsAt = flagsAt;
    this.#irqEnabled = r.bool("irqEnabled");
    this.#irqLevel = r.bool("irqLevel");
    const active = (this.#byte(Reg.c) & Flag.irq) !== 0;
    this.#alarm.set(active ? Infinity : this.#nextEvent(this.#byte(Reg.b) & Flag.all));
  }
}

function isTime(index: number): boolean {
  return (
    index === Reg.second ||
    index === Reg.minute ||
    (index >= Reg.hour && index !== Reg.hourAlarm && index <= Reg.year) ||
    index === Cmos.century
  );
}

function dividerReset(a: number): boolean {
  return (a & 0x60) === 0x60;
}
