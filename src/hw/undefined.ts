import type { UndefinedInstruction, UndefinedInstructions } from "../base/index.ts";
import type { Core } from "./index.ts";
import { layout } from "./layout.ts";

const RECORD = 32;

/** The latest opcodes the processor did not know, oldest first (drawn in src/hw/cpu/undefined.ts). */
export function readUndefined(core: Core): UndefinedInstructions {
  const kept = layout.LAST_UNDEFINED + 1;
  const count = Number(core.u64[layout.N_UNDEFINED / 8] ?? 0n);
  const latest: UndefinedInstruction[] = [];
  for (let n = Math.max(0, count - kept); n < count; n++) {
    const at = layout.UNDEFINED + (n % kept) * RECORD;
    const length = core.u8[at + 31] ?? 0;
    latest.push({
      t: Number(core.u64[at / 8] ?? 0n),
      linear: core.u64[at / 8 + 1] ?? 0n,
      bytes: core.u8.slice(at + 16, at + 16 + length),
    });
  }
  return { count, latest };
}
