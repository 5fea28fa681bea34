import type { PortDevice, Saved } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";

/*
 * Two 8237A controllers and their page registers, as far as a PC without floppy or sound shows them: registers
 * hold what was written, no transfer ever runs.
 *   00-07, C0-CE even   address and count of channels 0-3, 4-7, low byte first by a flip-flop
 *   08, D0  command (write), status (read)    0C, D8  clear flip-flop
 *   0A, D4  mask one                          0D, DA  master clear
 *   0F, DE  mask all                          81-8F   pages
 */
export const dmaRanges = [
  [0x00, 16],
  [0x81, 15],
  [0xc0, 32],
] as const;

type DmaFields = {
  /** 16 words as bytes: two controllers of four channels with address and count. */
  words: Uint8Array;
  pages: Uint8Array;
  masks: Uint8Array;
  flipFlops: Uint8Array;
  commands: Uint8Array;
};

function powerOn(): DmaFields {
  return {
    words: new Uint8Array(32),
    pages: new Uint8Array(16),
    masks: Uint8Array.of(15, 15),
    flipFlops: new Uint8Array(2),
    commands: new Uint8Array(2),
  };
}

export class Dma8237 implements PortDevice, Device {
  readonly id = "dma8237";
  readonly version = 1;
  #r = powerOn();

  portRead(port: number): number {
    if (port >= 0x80 && port < 0x90) return this.#r.pages[port & 15] ?? 0;
    const [chip, reg] = locate(port);
    if (reg < 8) return this.#r.words[this.#wordByte(chip, reg)] ?? 0;
    return reg === 15 ? (this.#r.masks[chip] ?? 0) | 0xf0 : 0;
  }

  portWrite(port: number, _size: number, value: number): void {
    const r = this.#r;
    if (port >= 0x80 && port < 0x90) {
      r.pages[port & 15] = value;
      return;
    }
    const [chip, reg] = locate(port);
    const mask = r.masks[chip] ?? 0;
    const channel = 1 << (value & 3);
    if (reg < 8) r.words[this.#wordByte(chip, reg)] = value;
    else if (reg === 8) r.commands[chip] = value;
    else if (reg === 10) r.masks[chip] = value & 4 ? mask | channel : mask & ~channel;
    else if (reg === 12) r.flipFlops[chip] = 0;
    else if (reg === 13) [r.flipFlops[chip], r.masks[chip], r.commands[chip]] = [0, 15, 0];
    else if (reg === 14) r.masks[chip] = 0;
    else if (reg === 15) r.masks[chip] = value & 15;
  }

  reset(): void {
    this.#r = powerOn();
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  restore(state: Saved): void {
    const r = restoreFields(this.id, powerOn(), state);
    r.flipFlops = r.flipFlops.map((f) => f & 1);
    this.#r = r;
  }

  #wordByte(chip: number, reg: number): number {
    const high = this.#r.flipFlops[chip] ?? 0;
    this.#r.flipFlops[chip] = high ^ 1;
    return chip * 16 + reg * 2 + high;
  }
}

/** Controller and register number of a port; the second controller's registers lie on even ports. */
function locate(port: number): [0 | 1, number] {
  return port < 16 ? [0, port] : [1, (port - 0xc0) >> 1];
}
