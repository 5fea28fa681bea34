import type { UndefinedInstructions } from "../base/index.ts";
import { layout, readUndefined } from "../hw/index.ts";
import type { HostComputer } from "./computer.ts";

/** Frame flags of the core that belong to an observer: written, touched (src/hw/mmu/phys.ts). */
const VIEW = 6;

/** Every flag byte of eight frames. */
const VIEW8 = 0x0606060606060606n;

/**
 * Takes and clears the observer's marks of `count` host frames from `frame` on and ors them into `into` from `at` on:
 * 1 written, 2 touched. Answers whether there were any.
 */
export function takeFrameMarks(host: HostComputer, frame: number, count: number, into: Uint8Array, at: number): boolean {
  const { u8, u64 } = host.core;
  const first = layout.FRAME_FLAGS + frame;
  let any = false;
  for (let i = 0; i < count; ) {
    // Most frames have no mark: eight at a time.
    if (((first + i) & 7) === 0 && i + 8 <= count && ((u64[(first + i) / 8] ?? 0n) & VIEW8) === 0n) {
      i += 8;
      continue;
    }
    const flags = u8[first + i] ?? 0;
    if ((flags & VIEW) !== 0) {
      u8[first + i] = flags & ~VIEW;
      into[at + i] = (into[at + i] ?? 0) | ((flags & VIEW) >> 1);
      any = true;
    }
    i++;
  }
  return any;
}

/** After marks were taken: the next access is seen again. No architectural TLB entry goes. */
export function endTakingMarks(host: HostComputer): void {
  host.core.exports.flushFast();
}

/** Counters of the emulated processor below the hypervisor. */
export function processorCounters(host: HostComputer) {
  const at = (a: number): number => Number(host.core.u64[a / 8] ?? 0n);
  return {
    tlbMisses: at(layout.N_TLB_MISS),
    walkReferences: at(layout.N_WALK_REFS),
    exceptions: at(layout.N_EXCEPTION),
    interrupts: at(layout.N_INTERRUPT),
    tlbFlushes: at(layout.N_FLUSH),
    blocksDecoded: at(layout.N_DECODED),
  };
}

/** The latest opcodes that the emulated processor did not know. */
export function undefinedInstructions(host: HostComputer): UndefinedInstructions {
  return readUndefined(host.core);
}
