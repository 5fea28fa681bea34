import type { Clock, PortDevice, Saved } from "../../base/index.ts";
import type { PitChannel2 } from "../accel.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";

/*
 * Port 61h, NMI status and control (82371SB, "NMI Status and Control Register"):
 *   bit 0 gate of timer 2, 1 speaker, 2-3 NMI enables, 4 refresh toggle (read), 5 output of timer 2 (read)
 */
export const nmiStatusPort = 0x61;

/** The refresh clock of the original PC: 15.085 microseconds. */
const refreshPeriod = 15085;

type Port61Fields = { control: number };

/** Port 61h over channel 2 of the accelerator's PIT. */
export class Port61 implements PortDevice, Device {
  readonly id = "port61";
  readonly version = 1;
  readonly #clock: Clock;
  readonly #pit2: PitChannel2;
  #r: Port61Fields = { control: 0 };

  constructor(options: { clock: Clock; pit2: PitChannel2 }) {
    this.#clock = options.clock;
    this.#pit2 = options.pit2;
  }

  portRead(): number {
    const now = this.#clock.now();
    const refresh = ((now - (now % refreshPeriod)) / refreshPeriod) % 2;
    return this.#r.control | (refresh << 4) | (this.#pit2.output() ? 0x20 : 0);
  }

  portWrite(_port: number, _size: number, value: number): void {
    this.#r.control = value & 0x0f;
    this.#pit2.setGate((value & 1) !== 0);
  }

  reset(): void {
    this.#r.control = 0;
    this.#pit2.setGate(false);
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  /** The gate itself is the PIT's state and comes back with the PIT. */
  restore(state: Saved): void {
    this.#r = restoreFields(this.id, this.#r, state, { control: 0x0f });
  }
}
