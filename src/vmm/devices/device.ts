import { type Persist, type Saved, SavedRecord, StateError } from "../../base/index.ts";

/** Every device of the machine: it can be reset, saved and restored. */
export interface Device extends Persist {
  reset(): void;
}

/** Registers of a device as a flat record: numbers, flags, byte arrays of fixed length, byte queues. */
export type Fields = { [key: string]: number | boolean | Uint8Array | number[] };

/** The longest byte queue a device keeps. */
export const maxQueue = 4096;

/** A copy of the registers that shares nothing with the running device. */
export function saveFields(fields: Fields): Saved {
  const out: { [key: string]: Saved } = {};
  for (const [key, v] of Object.entries(fields)) {
    out[key] = typeof v === "object" ? Uint8Array.from(v) : v;
  }
  return out;
}

/**
 * Reads back what saveFields gave, checked against a record of the same shape: numbers are whole, not negative and at
 * most max[key] (255 where not given), arrays have the length they have in `like`, queues at most maxQueue bytes.
 */
export function restoreFields<T extends Fields>(
  id: string,
  like: T,
  state: Saved,
  max: { readonly [K in keyof T]?: number } = {},
): T {
  const record = new SavedRecord(id, state);
  const out: Fields = {};
  for (const [key, v] of Object.entries(like)) {
    if (typeof v === "number") out[key] = record.int(key, max[key] ?? 0xff);
    else if (typeof v === "boolean") out[key] = record.bool(key);
    else if (v instanceof Uint8Array) out[key] = Uint8Array.from(record.bytes(key, v.length));
    else {
      const queue = record.bytes(key);
      if (queue.length > maxQueue) throw new StateError(id, `${key} holds ${queue.length} bytes`);
      out[key] = Array.from(queue);
    }
  }
  return out as T;
}
