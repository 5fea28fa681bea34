import { type Saved, SavedRecord } from "../base/index.ts";
import { type Core, layout } from "../hw/index.ts";

/** Words of the core's memory that hold what is pending; names and ranges as AccelVm.events() has them. */
const words: readonly (readonly [string, number, number])[] = [
  ["nmi", layout.NMI, 1],
  ["nmiBlocked", layout.NMI_BLOCKED, 1],
  ["shadow", layout.SHADOW, 2],
  ["init", layout.INIT, 1],
  ["sipi", layout.SIPI, 256],
  ["debug", layout.DB_PENDING, 0xffff],
  ["a20", layout.A20, 1],
];
/** ACTIVITY of a CPU that a triple fault has stopped. */
const SHUTDOWN = 2;

export function readEvents(core: Core): Saved {
  const events: { [key: string]: Saved } = Object.fromEntries(words.map(([name, at]) => [name, core.u32[at / 4] ?? 0]));
  events["tripleFault"] = core.u32[layout.ACTIVITY / 4] === SHUTDOWN ? 1 : 0;
  events["seed"] = core.u64[layout.SEED / 8] ?? 0n;
  return events;
}

/** After the MP state: a triple fault overrides it. Throws StateError. */
export function writeEvents(core: Core, events: Saved): void {
  const r = new SavedRecord("events", events);
  const values = words.map(([name, at, max]) => [at, r.int(name, max)] as const);
  const seed = r.u64("seed"), tripleFault = r.int("tripleFault", 1) === 1;
  for (const [at, value] of values) core.u32[at / 4] = value;
  core.u64[layout.SEED / 8] = seed;
  if (tripleFault) core.u32[layout.ACTIVITY / 4] = SHUTDOWN;
}
