import type { PortDevice, Saved } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";

/*
 * The two reset registers of the chipset (82371SB PIIX3, "Reset Control Register" and "Port 92").
 *   CF9h  bit 1 system reset, bit 2 do it on 0 -> 1
 *   92h   bit 0 fast reset on 0 -> 1, bit 1 A20 gate
 */
export const resetControlPort = 0xcf9;
export const systemControlPort = 0x92;

type ControlFields = { resetControl: number; systemControl: number };

function powerOn(): ControlFields {
  return { resetControl: 0, systemControl: 2 };
}

/** Ports CF9h and 92h. A20 is kept as a bit only: no guest of today runs with it masked. */
export class ResetPorts implements PortDevice, Device {
  readonly id = "reset-ports";
  readonly version = 1;
  readonly #requestReset: () => void;
  #r = powerOn();

  constructor(options: { requestReset: () => void }) {
    this.#requestReset = options.requestReset;
  }

  portRead(port: number): number {
    return port === resetControlPort ? this.#r.resetControl : this.#r.systemControl;
  }

  portWrite(port: number, _size: number, value: number): void {
    const r = this.#r;
    if (port === resetControlPort) {
      const fire = (value & ~r.resetControl & 4) !== 0;
      r.resetControl = value & 6;
      if (fire) this.#requestReset();
    } else {
      const fire = (value & ~r.systemControl & 1) !== 0;
      r.systemControl = value & 3;
      if (fire) this.#requestReset();
    }
  }

  reset(): void {
    this.#r = powerOn();
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  restore(state: Saved): void {
    this.#r = restoreFields(this.id, powerOn(), state);
  }
}
