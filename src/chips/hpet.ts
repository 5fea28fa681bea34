import type { MmioDevice, MmioSize } from "../base/bus.ts";
import type { Alarm, Clock } from "../base/clock.ts";
import { StateError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";

/*
 * High Precision Event Timer (IA-PC HPET specification 1.0a, "Register Definitions") at FED00000h: a 64-bit
 * counter of 10 ns and three comparators, all able to be periodic.
 *
 *   000 capabilities   010 configuration   020 interrupt status   0F0 main counter
 *   100 + 20h * n: timer configuration, 108 + 20h * n: comparator, 110 + 20h * n: FSB route (absent)
 *
 * timer configuration:
 *   | 63-32 routes allowed (ro) | 13-9 route | 8 32-bit | 6 value set | 5 64-bit (ro) | 4 periodic able (ro) |
 *   | 3 periodic | 2 enable | 1 level |
 */
const nsPerTick = 10;
const timers = 3;
const capabilities = 0x009896808086a201n;
const General = { enable: 1n, legacy: 2n } as const;
const Timer = { level: 0x02n, enable: 0x04n, periodic: 0x08n, setValue: 0x40n, bits32: 0x100n } as const;
const timerWritable = 0x3f4en;
const timerFixed = 0x30n;
const all64 = 0xffffffffffffffffn;
/** Shortest time between two interrupts of a periodic timer, in ns: a guest asking for less is served so. */
const shortestPeriod = 10_000n;
/** ISA interrupts of timers 0 and 1 under legacy replacement. */
const legacyGsis = [0, 8] as const;

interface Comparator {
  config: bigint;
  value: bigint;
  period: bigint;
  /** The interrupt the alarm stands for, in ticks of the clock since 0. */
  due: bigint;
  readonly alarm: Alarm;
  /** GSI now held up, or -1. */
  raised: number;
}

export interface HpetOptions {
  readonly clock: Clock;
  /** Drives a GSI; edge-triggered timers raise and lower it. */
  readonly setGsi: (gsi: number, level: boolean) => void;
  /** Legacy replacement went on or off: PIT and RTC lose or regain their interrupts. */
  readonly onLegacy: (on: boolean) => void;
  /** IOAPIC inputs a timer may be routed to, one bit each; 4 = input 2 alone. */
  readonly routes?: number;
}

export class Hpet implements MmioDevice, Persist {
  readonly id = "hpet";
  readonly version = 1;
  readonly #clock: Clock;
  readonly #setGsi: (gsi: number, level: boolean) => void;
  readonly #onLegacy: (on: boolean) => void;
  readonly #routes: number;
  readonly #timers: readonly Comparator[];
  #config = 0n;
  #status = 0n;
  /** The counter is #stopped while halted, otherwise #base plus the ticks of the clock. */
  #stopped = 0n;
  #base = 0n;
  #baseLow = 0;
  #running = false;

  constructor({ clock, setGsi, onLegacy, routes = 4 }: HpetOptions) {
    this.#clock = clock;
    this.#setGsi = setGsi;
    this.#onLegacy = onLegacy;
    this.#routes = routes >>> 0;
    this.#timers = Array.from({ length: timers }, (_, n) => ({
      config: timerFixed,
      value: all64,
      period: 0n,
      due: 0n,
      alarm: clock.alarm(() => this.#fire(n)),
      raised: -1,
    }));
  }

  reset(): void {
    if ((this.#config & General.legacy) !== 0n) this.#onLegacy(false);
    this.#config = this.#status = this.#stopped = this.#base = 0n;
    this.#follow();
    for (const timer of this.#timers) {
      this.#lower(timer);
      timer.config = timerFixed;
      timer.value = all64;
      timer.period = 0n;
      timer.alarm.clear();
    }
  }

  /** The main counter. */
  get counter(): bigint {
    return this.#running ? BigInt.asUintN(64, this.#base + this.#ticks()) : this.#stopped;
  }

  mmioRead(offset: number, size: MmioSize): bigint | number {
    // Guests poll the lower half of the counter.
    if (offset === 0x0f0 && size === 4 && this.#running) return (this.#baseLow + Math.floor(this.#clock.now() / nsPerTick)) >>> 0;
    const shifted = this.#read(offset & 0x3f8) >> BigInt(8 * (offset & 7));
    if (size === 8) return shifted;
    return Number(BigInt.asUintN(8 * size, shifted));
  }

  /** Registers take 32- and 64-bit writes. */
  mmioWrite(offset: number, size: MmioSize, value: number | bigint): void {
    if (size < 4) return;
    const shift = BigInt(8 * (offset & 4));
    const mask = size === 8 ? all64 : 0xffffffffn << shift;
    this.#write(offset & 0x3f8, (BigInt.asUintN(64, BigInt(value)) << shift) & mask, mask);
  }

  /** The enable bit and the base have been written: what reads of the counter use follows. */
  #follow(): void {
    this.#running = (this.#config & General.enable) !== 0n;
    this.#baseLow = Number(BigInt.asUintN(32, this.#base));
  }

  #ticks(): bigint {
    return BigInt(Math.floor(this.#clock.now() / nsPerTick));
  }

  #read(register: number): bigint {
    switch (register) {
      case 0x000:
        return capabilities;
      case 0x010:
        return this.#config;
      case 0x020:
        return this.#status;
      case 0x0f0:
        return this.counter;
    }
    const timer = this.#timers[(register - 0x100) >> 5];
    if (register < 0x100 || timer === undefined) return 0n;
    switch (register & 0x18) {
      case 0x00:
        return timer.config | (BigInt(this.#routes) << 32n);
      case 0x08:
        return timer.value;
      default:
        return 0n;
    }
  }

  #write(register: number, value: bigint, mask: bigint): void {
    const merge = (old: bigint) => (old & ~mask) | value;
    switch (register) {
      case 0x010:
        this.#configure(merge(this.#config) & 3n);
        return;
      case 0x020:
        this.#clearStatus(value);
        return;
      case 0x0f0:
        // Writing while it runs is undefined; it moves the counter all the same.
        this.#stopped = merge(this.counter);
        this.#base = BigInt.asUintN(64, this.#stopped - this.#ticks());
        this.#follow();
        for (const timer of this.#timers) this.#arm(timer);
        return;
    }
    const n = (register - 0x100) >> 5;
    const timer = this.#timers[n];
    if (register < 0x100 || timer === undefined) return;
    if ((register & 0x18) === 0x00) this.#configureTimer(n, timer, merge(timer.config));
    else if ((register & 0x18) === 0x08) this.#setComparator(timer, value, mask);
  }

  #configure(config: bigint): void {
    const changed = config ^ this.#config;
    if ((changed & General.enable) !== 0n) {
      if ((config & General.enable) !== 0n) this.#base = BigInt.asUintN(64, this.#stopped - this.#ticks());
      else this.#stopped = this.counter;
    }
    this.#config = config;
    this.#follow();
    if ((changed & General.legacy) !== 0n) {
      for (const timer of this.#timers) this.#lower(timer);
      this.#onLegacy((config & General.legacy) !== 0n);
    }
    for (const timer of this.#timers) this.#arm(timer);
  }

  #configureTimer(n: number, timer: Comparator, value: bigint): void {
    this.#lower(timer);
    timer.config = (value & timerWritable) | timerFixed;
    if ((timer.config & Timer.bits32) !== 0n) {
      timer.value = BigInt.asUintN(32, timer.value);
      timer.period = BigInt.asUintN(32, timer.period);
    }
    if ((timer.config & Timer.level) === 0n) this.#status &= ~(1n << BigInt(n));
    else if ((this.#status & (1n << BigInt(n))) !== 0n) this.#raise(n, timer);
    this.#arm(timer);
  }

  /** In periodic mode a write sets the period, and with "value set" the comparator itself. */
  #setComparator(timer: Comparator, value: bigint, mask: bigint): void {
    const width = (timer.config & Timer.bits32) !== 0n ? 32 : 64;
    const periodic = (timer.config & Timer.periodic) !== 0n;
    if (!periodic || (timer.config & Timer.setValue) !== 0n) {
      timer.value = BigInt.asUintN(width, (timer.value & ~mask) | value);
    }
    if (periodic) timer.period = BigInt.asUintN(width, (timer.period & ~mask) | value);
    // A 64-bit value arriving in halves keeps the bit for the upper one.
    if (mask !== 0xffffffffn || width === 32) timer.config &= ~Timer.setValue;
    this.#arm(timer);
  }

  /** Status bits of level-triggered timers are cleared by writing 1. */
  #clearStatus(value: bigint): void {
    this.#timers.forEach((timer, n) => {
      const bit = 1n << BigInt(n);
      if ((value & this.#status & bit) === 0n) return;
      this.#status &= ~bit;
      this.#lower(timer);
    });
  }

  /** Sets the alarm for the next time the counter equals the comparator. */
  #arm(timer: Comparator): void {
    if (!this.#running || (timer.config & Timer.enable) === 0n) {
      timer.alarm.clear();
      return;
    }
    const width = (timer.config & Timer.bits32) !== 0n ? 32 : 64;
    const ticks = this.#ticks();
    let wait = BigInt.asUintN(width, timer.value - this.#base - ticks);
    // Just reached: a period on, or once round (for 64 bits, never).
    if (wait === 0n) wait = this.#isPeriodic(timer) ? timer.period : width === 32 ? 1n << 32n : all64;
    this.#setAlarm(timer, ticks + wait);
  }

  #setAlarm(timer: Comparator, due: bigint): void {
    timer.due = due > all64 ? all64 : due;
    const at = timer.due * BigInt(nsPerTick);
    timer.alarm.set(at > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(at));
  }

  #isPeriodic(timer: Comparator): boolean {
    return (timer.config & Timer.periodic) !== 0n && timer.period !== 0n;
  }

  #fire(n: number): void {
    const timer = this.#timers[n];
    if (timer === undefined) return;
    if (this.#isPeriodic(timer)) {
      const width = (timer.config & Timer.bits32) !== 0n ? 32 : 64;
      const least = shortestPeriod / BigInt(nsPerTick);
      const periods = timer.period >= least ? 1n : (least + timer.period - 1n) / timer.period;
      const due = timer.due + periods * timer.period;
      timer.value = BigInt.asUintN(width, this.#base + due);
      this.#setAlarm(timer, due);
    } else {
      this.#arm(timer);
    }
    if ((timer.config & Timer.level) !== 0n) {
      this.#status |= 1n << BigInt(n);
      this.#raise(n, timer);
    } else {
      this.#raise(n, timer);
      this.#lower(timer);
    }
  }

  #raise(n: number, timer: Comparator): void {
    if ((timer.config & Timer.enable) === 0n || timer.raised >= 0) return;
    const legacy = (this.#config & General.legacy) !== 0n ? legacyGsis[n] : undefined;
    const route = Number((timer.config >> 9n) & 31n);
    const gsi = legacy ?? route;
    if (legacy === undefined && ((this.#routes >>> route) & 1) === 0) return;
    timer.raised = gsi;
    this.#setGsi(gsi, true);
  }

  #lower(timer: Comparator): void {
    if (timer.raised < 0) return;
    const gsi = timer.raised;
    timer.raised = -1;
    this.#setGsi(gsi, false);
  }

  save(): Saved {
    return {
      version: this.version,
      config: this.#config,
      status: this.#status,
      stopped: this.#stopped,
      base: this.#base,
      timers: this.#timers.map((timer) => ({
        config: timer.config,
        value: timer.value,
        period: timer.period,
        due: timer.due,
        at: timer.alarm.at,
        raised: timer.raised,
      })),
    };
  }

  /** Neither interrupts nor onLegacy are driven: their receivers restore their own idea of them. */
  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    this.#config = r.u64("config") & 3n;
    this.#status = r.u64("status") & 7n;
    this.#stopped = r.u64("stopped");
    this.#base = r.u64("base");
    this.#follow();
    const saved = r.list("timers", timers);
    this.#timers.forEach((timer, n) => {
      const t = new SavedRecord(`${this.id} timer ${n}`, saved[n] ?? null);
      const raised = t.time("raised");
      if (raised > 31 || raised < -1) throw new StateError(this.id, "interrupt out of range");
      timer.config = (t.u64("config") & timerWritable) | timerFixed;
      timer.value = t.u64("value");
      timer.period = t.u64("period");
      timer.due = t.u64("due");
      timer.raised = raised;
      timer.alarm.set(t.time("at"));
    });
  }
}
