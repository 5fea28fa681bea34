import { type Saved, SavedRecord } from "../base/index.ts";
import type { Core } from "./index.ts";
import { layout } from "./layout.ts";

// Of a loop of PAUSEs the processor keeps when it began and when it went on last (src/hw/cpu/eflags.ts): part of the turn of the CPU
// that executes them, and of the state of a machine with several.
const FIRST = layout.PAUSE_FIRST / 8;
const LAST = layout.PAUSE_LAST / 8;
/** Long before any clock. */
const NEVER = -1e15;

const at = (core: Core, word: number): number => Number(BigInt.asIntN(64, core.u64[word] ?? 0n));

export function savePauses(core: Core): Saved {
  return { first: at(core, FIRST), last: at(core, LAST) };
}
/** Throws StateError. */
export function restorePauses(core: Core, state: Saved): void {
  const r = new SavedRecord("pauses", state);
  core.u64[FIRST] = BigInt.asUintN(64, BigInt(r.instant("first")));
  core.u64[LAST] = BigInt.asUintN(64, BigInt(r.instant("last")));
}
/** The next PAUSE is the first one. */
export function forgetPauses(core: Core): void {
  restorePauses(core, { first: NEVER, last: NEVER });
}
