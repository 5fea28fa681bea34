import type { MmioDevice, MmioSize } from "../base/bus.ts";
import { StateError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import type { ApicBus } from "./apic-bus.ts";

/*
 * I/O APIC (Intel 82093AA data sheet) with 24 inputs, version 11h, at FEC00000h. IOREGSEL at 0 picks the
 * register that IOWIN at 10h shows: 0 ID, 1 version, 2 arbitration, 10h + 2n and 11h + 2n redirection entry
 * n.
 *
 *   63        56      16    15     14     13    12      11    10   8  7      0
 *   | destination | . | mask | level | rIRR | low | pend | logical | mode | vector |
 */
export const ioapicPins = 24;
const versionValue = 0x00170011;
const Entry = { logical: 0x800, remoteIrr: 0x4000, level: 0x8000, masked: 0x10000 } as const;
const writableLow = 0x1afff;
const IoReg = { select: 0x00, window: 0x10 } as const;

/** Who wants to know what becomes of a line's edges: that their interrupt has ended, that the line has been unmasked. */
export interface LineWatch {
  readonly picInput: number;
  readonly ioapicPin: number;
  wanted(): boolean;
  ended(): void;
  opened(): void;
}

export class Ioapic implements MmioDevice, Persist {
  readonly id = "ioapic";
  readonly version = 1;
  readonly #bus: ApicBus;
  readonly #onEoi: (pin: number) => void;
  readonly #watch: LineWatch | undefined;
  readonly #low = new Uint32Array(ioapicPins);
  readonly #high = new Uint32Array(ioapicPins);
  #select = 0;
  #apicId = 0;
  /** Input levels, one bit a pin; true means asserted, whatever the polarity bit says. */
  #lines = 0;

  /**
   * onEoi is told each level-triggered pin whose interrupt has ended, before it may be sent again; `watch` hears of the edges of
   * one pin, too.
   */
  constructor({ bus, onEoi = () => {}, watch }: { bus: ApicBus; onEoi?: (pin: number) => void; watch?: LineWatch }) {
    this.#bus = bus;
    this.#onEoi = onEoi;
    this.#watch = watch;
    bus.onEoi = (vector) => this.eoi(vector);
    bus.hears = (vector) => watch?.wanted() === true && this.#sends(watch.ioapicPin, vector);
    this.reset();
  }

  reset(): void {
    this.#low.fill(Entry.masked);
    this.#high.fill(0);
    this.#select = this.#apicId = 0;
  }

  setPin(pin: number, level: boolean): void {
    if (pin < 0 || pin >= ioapicPins) return;
    const mask = 1 << pin;
    if (!level) {
      this.#lines &= ~mask;
      return;
    }
    const rising = (this.#lines & mask) === 0;
    this.#lines |= mask;
    // An edge that arrives while the entry is masked is lost; a level asks again at unmask.
    const entry = this.#low[pin] ?? 0;
    if (rising || (entry & Entry.level) !== 0) this.#service(pin);
  }

  /** The EOI of a vector: its level-triggered entries may ask again. */
  eoi(vector: number): void {
    for (let pin = 0; pin < ioapicPins; pin++) {
      const entry = this.#low[pin] ?? 0;
      if ((entry & 0xff) !== vector || (entry & Entry.remoteIrr) === 0) continue;
      this.#low[pin] = entry & ~Entry.remoteIrr;
      this.#onEoi(pin);
      if ((this.#lines & (1 << pin)) !== 0) this.#service(pin);
    }
    const watch = this.#watch;
    if (watch?.wanted() && this.#sends(watch.ioapicPin, vector)) watch.ended();
  }
  /** Is a pin open, and is this its vector? */
  #sends(pin: number, vector: number): boolean {
    return ((this.#low[pin] ?? 0) & (Entry.masked | 0xff)) === vector;
  }

  /** Redirection entry of a pin, [low, high]; for display and GET_IRQCHIP. */
  entry(pin: number): readonly [number, number] {
    return [this.#low[pin] ?? 0, this.#high[pin] ?? 0];
  }

  mmioRead(offset: number, size: MmioSize): bigint | number {
    let value = 0;
    if ((offset & 0xff) === IoReg.select) value = this.#select;
    else if ((offset & 0xff) === IoReg.window) value = this.#read();
    if (size === 8) return BigInt(value);
    return size === 4 ? value : value & ((1 << (8 * size)) - 1);
  }

  mmioWrite(offset: number, _size: MmioSize, value: number | bigint): void {
    const low = Number(BigInt.asUintN(32, BigInt(value)));
    if ((offset & 0xff) === IoReg.select) this.#select = low & 0xff;
    else if ((offset & 0xff) === IoReg.window) this.#write(low);
  }

  #read(): number {
    switch (this.#select) {
      case 0:
      case 2:
        return this.#apicId << 24;
      case 1:
        return versionValue;
      default: {
        const words = (this.#select & 1) === 0 ? this.#low : this.#high;
        return words[(this.#select - 0x10) >> 1] ?? 0;
      }
    }
  }

  #write(value: number): void {
    if (this.#select === 0) {
      this.#apicId = (value >>> 24) & 15;
      return;
    }
    const pin = (this.#select - 0x10) >> 1;
    if (pin < 0 || pin >= ioapicPins) return;
    if ((this.#select & 1) === 1) {
      this.#high[pin] = value & 0xff000000;
    } else {
      // Making an entry edge triggered clears remote IRR: Linux counts on that to recover a stuck one.
      const remoteIrr = (value & Entry.level) !== 0 ? (this.#low[pin] ?? 0) & Entry.remoteIrr : 0;
      const opened = ((this.#low[pin] ?? 0) & ~value & Entry.masked) !== 0;
      this.#low[pin] = (value & writableLow) | remoteIrr;
      if (opened && pin === this.#watch?.ioapicPin) this.#watch.opened();
    }
    if ((this.#lines & (1 << pin)) !== 0 && ((this.#low[pin] ?? 0) & Entry.level) !== 0) this.#service(pin);
  }

  #service(pin: number): void {
    const entry = this.#low[pin] ?? 0;
    const level = (entry & Entry.level) !== 0;
    if ((entry & Entry.masked) !== 0 || (level && (entry & Entry.remoteIrr) !== 0)) return;
    const message = {
      dest: (this.#high[pin] ?? 0) >>> 24,
      logical: (entry & Entry.logical) !== 0,
      mode: (entry >> 8) & 7,
      vector: entry & 0xff,
      level,
      wide: false,
    };
    const accepted = this.#bus.deliver(message, pin);
    if (accepted && level) this.#low[pin] = entry | Entry.remoteIrr;
  }

  save(): Saved {
    return {
      version: this.version,
      low: [...this.#low],
      high: [...this.#high],
      select: this.#select,
      apicId: this.#apicId,
      lines: this.#lines,
    };
  }

  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    this.#low.set(r.ints("low", ioapicPins, writableLow | Entry.remoteIrr));
    this.#high.set(r.ints("high", ioapicPins).map((value) => value & 0xff000000));
    this.#select = r.int("select", 0xff);
    this.#apicId = r.int("apicId", 15);
    this.#lines = r.int("lines", 0xffffff);
  }
}
