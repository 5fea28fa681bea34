import { expect } from "vitest";
import { decode, encode, type IrqLine, StateError } from "../../base/index.ts";
import type { Device } from "./device.ts";

/** A wire that remembers its level and how often it rose. */
export class Probe implements IrqLine {
  level = false;
  rises = 0;

  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}

/** Saves `from` through the binary form, restores into `to`, and expects both to save alike afterwards. */
export function expectRoundTrip(from: Device, to: Device): void {
  const bytes = encode(from.save());
  to.restore(decode(bytes));
  expect(Buffer.compare(encode(to.save()), bytes)).toBe(0);
  expect(() => to.restore({ nonsense: 1 })).toThrow(StateError);
  expect(() => to.restore(null)).toThrow(StateError);
  expect(Buffer.compare(encode(to.save()), bytes)).toBe(0);
}
