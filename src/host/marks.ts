import type { UndefinedInstructions } from "../base/index.ts";
import { layout, readUndefined } from "../hw/index.ts";
import type { HostComputer } from "./computer.ts";

/** Frame flags of the core that belong to an observer: written, touched (src/hw/mmu/phys.ts). */
const VIEW = 6;

/** Takes and clears the observer's marks of one host frame: 1 written, 2 touched. */
export function takeFrameMarks(host: HostComputer, frame: number): number {
  const at = layout.FRAME_FLAGS + frame;
  const flags = host.core.u8[at] ?? 0;
  host.core.u8[at] = flags & ~VIEW;
  return (flags & VIEW) >> 1;
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
