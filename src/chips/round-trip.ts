import { decode, encode } from "../base/persist.ts";
import type { Persist, Saved } from "../base/persist.ts";

/**
 * For tests: takes a device's state through its encoding into a fresh one; returns both saves, to be
 * compared.
 */
export function roundTrip(device: Persist, fresh: Persist): [Saved, Saved] {
  const before = device.save();
  fresh.restore(decode(encode(before)));
  return [before, fresh.save()];
}
