import type { IrqLine, PortDevice, PortSize } from "../base/bus.ts";
import type { Alarm, Clock } from "../base/clock.ts";
import { StateError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import { readBytePorts, writeBytePorts } from "./byte-ports.ts";
import { PitCounter } from "./pit-counter.ts";
import { ticksAt, timeOf } from "./rate.ts";

/*
 * 8254 Programmable Interval Timer (Intel 8254 data sheet) at 40h-43h, and the speaker port 61h of the PC
 * that gates and shows its counter 2:
 *
 *   61h:  | 0 | 0 | OUT2 (ro) | refresh toggle (ro) | 0 | 0 | speaker data enable | GATE2 |
 *
 * Counter 0 drives IRQ0, counter 1 once drove DRAM refresh.
 *
 * A tick that comes before the guest has ended the interrupt of the last one is lost in the interrupt controllers. With `reinject`
 * it is counted instead, and comes as soon as that interrupt has ended: one for each end, until none is left.
 */
export const pitHz = 1193182;
const Port61 = { gate2: 0x01, speaker: 0x02, refresh: 0x10, out2: 0x20 } as const;
const readBack = 3;
const controlPort = 0x43;
const speakerPort = 0x61;
/** Counter 1 ticks per refresh cycle, 15 microseconds. */
const refreshTicks = 18;

export class I8254 implements PortDevice, Persist {
  static readonly ports: readonly number[] = [0x40, 0x41, 0x42, 0x43, 0x61];
  readonly id = "i8254";
  readonly version = 1;
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  readonly #counters = [new PitCounter(true), new PitCounter(true), new PitCounter(false)] as const;
  #speaker = false;
  #irqEnabled = true;
  #irqLevel = false;
  /** KVM_REINJECT_CONTROL: ticks that the guest has missed are delivered later. */
  #reinject = false;
  /** The last tick's interrupt has ended; ticks since it has not. */
  #acknowledged = true;
  #missed = 0;

  constructor({ clock, irq }: { clock: Clock; irq: IrqLine }) {
    this.#clock = clock;
    this.#irq = irq;
    this.#alarm = clock.alarm(() => this.#rise());
    this.reset();
  }

  reset(): void {
    for (const counter of this.#counters) counter.reset();
    this.#counters[2].gate = false;
    this.#speaker = false;
    this.#irqEnabled = true;
    this.forgetMissed();
    this.#follow();
  }

  get reinject(): boolean {
    return this.#reinject;
  }
  set reinject(on: boolean) {
    this.#reinject = on;
    // Ticks are pulses then, not the level of OUT0.
    this.#irq.set(!on && this.#irqLevel);
    this.forgetMissed();
  }
  /** Ticks that wait to be delivered. */
  get missed(): number {
    return this.#missed;
  }
  /** The interrupt of a tick has ended: the next one, if one waits. */
  acknowledged(): void {
    this.#acknowledged = true;
    if (this.#missed === 0) return;
    this.#missed--;
    this.#pulse();
  }
  /** IRQ0 has been unmasked: what was missed before is nothing the guest has waited for. */
  forgetMissed(): void {
    this.#missed = 0;
    this.#acknowledged = true;
  }
  #pulse(): void {
    this.#acknowledged = false;
    this.#irq.set(true);
    this.#irq.set(false);
  }

  /** False cuts OUT0 off from IRQ0, as the HPET's legacy replacement does. */
  setIrqEnabled(enabled: boolean): void {
    if (enabled === this.#irqEnabled) return;
    this.#irqEnabled = enabled;
    this.#follow();
  }

  /** Frequency in Hz the speaker sounds at, 0 when silent. */
  get speakerHz(): number {
    const counter = this.#counters[2];
    return this.#speaker && counter.gate && counter.mode === 3 && counter.count > 0
      ? pitHz / counter.count
      : 0;
  }

  portRead(port: number, size: PortSize): number {
    return readBytePorts(port, size, (p) => {
      if (p === speakerPort) return this.#readSpeaker();
      // The control word cannot be read.
      if (p < 0x40 || p >= controlPort) return 0xff;
      return this.#counter(p - 0x40).read(this.#tick());
    });
  }

  portWrite(port: number, size: PortSize, value: number): void {
    writeBytePorts(port, size, value, (p, byte) => {
      if (p === speakerPort) this.#writeSpeaker(byte);
      else if (p === controlPort) this.#writeControl(byte);
      else if (p >= 0x40 && p < controlPort) {
        if (this.#counter(p - 0x40).write(this.#tick(), byte) || p === 0x40) this.#follow();
      }
    });
  }

  #writeControl(word: number): void {
    const tick = this.#tick();
    const select = word >> 6;
    if (select === readBack) {
      for (let i = 0; i < 3; i++) {
        if ((word & (2 << i)) === 0) continue;
        // Both latch bits are active low.
        if ((word & 0x20) === 0) this.#counter(i).latch(tick);
        if ((word & 0x10) === 0) this.#counter(i).latchStatus(tick);
      }
    } else if ((word & 0x30) === 0) {
      this.#counter(select).latch(tick);
    } else {
      this.#counter(select).setControl(word);
      if (select === 0) this.#follow();
    }
  }

  #readSpeaker(): number {
    const tick = this.#tick();
    const counter = this.#counters[2];
    return (
      (counter.gate ? Port61.gate2 : 0) |
      (this.#speaker ? Port61.speaker : 0) |
      (Math.floor(tick / refreshTicks) % 2 === 1 ? Port61.refresh : 0) |
      (counter.out(tick) ? Port61.out2 : 0)
    );
  }

  #writeSpeaker(byte: number): void {
    this.#speaker = (byte & Port61.speaker) !== 0;
    this.#counters[2].setGate(this.#tick(), (byte & Port61.gate2) !== 0);
  }

  #counter(i: number): PitCounter {
    return this.#counters[i] ?? this.#counters[0];
  }

  #tick(): number {
    return ticksAt(this.#clock.now(), pitHz);
  }

  /**
   * Brings IRQ0 to the level of OUT0 and arms the alarm for the next rise; falls in between are not shown.
   */
  #follow(): void {
    const tick = this.#tick();
    const counter = this.#counters[0];
    this.#setIrq(this.#irqEnabled && counter.out(tick));
    const rise = this.#irqEnabled ? counter.nextRise(tick) : Infinity;
    this.#alarm.set(rise === Infinity ? Infinity : timeOf(rise, pitHz));
  }

  /** A rise of OUT0: the fall before it is shown now, so an edge-triggered input sees exactly one edge. */
  #rise(): void {
    this.#setIrq(false);
    this.#follow();
  }

  #setIrq(level: boolean): void {
    if (level === this.#irqLevel) return;
    this.#irqLevel = level;
    if (!this.#reinject) this.#irq.set(level);
    else if (level && this.#acknowledged) this.#pulse();
    else if (level) this.#missed++;
  }

  save(): Saved {
    return {
      version: this.version,
      counters: this.#counters.map((c) => c.save()),
      speaker: this.#speaker,
      irqEnabled: this.#irqEnabled,
      irqLevel: this.#irqLevel,
      ...(this.#reinject && { missed: this.#missed, acknowledged: this.#acknowledged }),
    };
  }

  /** IRQ0 is not driven: the interrupt controllers restore their own idea of the line. */
  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    for (const [i, saved] of r.list("counters", 3).entries()) {
      this.#counter(i).restore(new SavedRecord(this.id, saved));
    }
    this.#speaker = r.bool("speaker");
    this.#irqEnabled = r.bool("irqEnabled");
    this.#irqLevel = r.bool("irqLevel");
    this.forgetMissed();
    // From a machine that does not deliver missed ticks: none is missing.
    if (this.#reinject && (r.optional("missed") ?? null) !== null) {
      this.#missed = r.int("missed");
      this.#acknowledged = r.bool("acknowledged");
    }
    const rise = this.#irqEnabled ? this.#counters[0].nextRise(this.#tick()) : Infinity;
    this.#alarm.set(rise === Infinity ? Infinity : timeOf(rise, pitHz));
  }
}
