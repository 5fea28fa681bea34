import type { IrqLine } from "../base/index.ts";

/** Wired-or of interrupt sources onto the accelerator's lines: a GSI is high while any of its sources is. */
export class Wires {
  readonly #drive: (gsi: number, level: boolean) => void;
  readonly #high = new Map<number, number>();

  constructor(drive: (gsi: number, level: boolean) => void) {
    this.#drive = drive;
  }

  /** A new source on a GSI, low at first. */
  source(gsi: number): IrqLine {
    let level = false;
    return {
      set: (next) => {
        if (next === level) return;
        level = next;
        const before = this.#high.get(gsi) ?? 0;
        const after = before + (next ? 1 : -1);
        this.#high.set(gsi, after);
        if ((before === 0) !== (after === 0)) this.#drive(gsi, after > 0);
      },
    };
  }
}
