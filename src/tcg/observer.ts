import { layout, readUndefined } from "../hw/index.ts";
import type { Observer } from "../base/observer.ts";
import type { TcgVm } from "./vm.ts";

/** Frame flags of the core (src/hw/mmu/phys.ts) that belong to the observer. */
const DIRTY_VIEW = 2;
const ACCESSED_VIEW = 4;
/** What the CPU may reach is kept in its fast cache; only marks that were set make dropping it worthwhile. */
const MARKS = DIRTY_VIEW | ACCESSED_VIEW;

/** A passive look at the bare CPU: reading it changes no architectural state and no statistic. */
export function observeTcg(vm: TcgVm, ramSize: number): Observer {
  const { core } = vm;
  const frames = core.u8.subarray(layout.FRAME_FLAGS, layout.FRAME_FLAGS + Math.floor(ramSize / 4096));
  const counter = (at: number): number => Number(core.u64[at / 8] ?? 0n);
  return {
    takeMarks(into) {
      let any = 0;
      for (let page = 0; page < frames.length; page++) {
        const marks = (frames[page] ?? 0) & MARKS;
        if (marks === 0) continue;
        any |= marks;
        frames[page] = (frames[page] ?? 0) & ~MARKS;
        into[page] = (into[page] ?? 0) | (marks >> 1);
      }
      // The fast permissions go, so that the next write is seen again; the architectural TLB stays.
      if (any !== 0) core.exports.flushFast();
    },
    counters: () => ({
      tlbMisses: counter(layout.N_TLB_MISS),
      walkReferences: counter(layout.N_WALK_REFS),
      exceptions: counter(layout.N_EXCEPTION),
      interrupts: counter(layout.N_INTERRUPT),
      tlbFlushes: counter(layout.N_FLUSH),
      blocksDecoded: counter(layout.N_DECODED),
    }),
    exits: () => undefined,
    undefinedInstructions: () => readUndefined(core),
    recordExits: () => {},
    onExit: () => {},
    secondStage: () => undefined,
    cpl: () => core.u32[layout.CPL / 4] ?? 0,
  };
}
