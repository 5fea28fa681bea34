import type { ExitRecord, Observer } from "../../base/index.ts";
import { endTakingMarks, processorCounters, takeFrameMarks, undefinedInstructions } from "../../host/index.ts";
import { exitQualification, exitReasonName } from "../../isa/index.ts";
import type { KvmAccel } from "../accel-kvm.ts";

const PAGE = 4096;
/** Pages whose host frame is looked up again at each look: the host moves pages seldom, and a look must be cheap. */
const LOOKUPS = 8192;
const RECORDS = 60;

/** A passive look at a guest under KVM: exits from its counters and trace, page marks through the process's tables. */
export function observeKvm(accel: KvmAccel, ramSize: number): Observer {
  const { host, task, trace, stats } = accel;
  trace.on = true;
  const frames = new Int32Array(ramSize / PAGE).fill(-1);
  let next = 0;
  const refresh = (): void => {
    for (let n = 0; n < Math.min(LOOKUPS, frames.length); n++) {
      const va = accel.userAddress + next * PAGE;
      const page = task.mm.lookup(va);
      frames[next] = page ? Math.floor((page.pa + (va % page.size)) / PAGE) : -1;
      next = (next + 1) % frames.length;
    }
  };
  return {
    takeMarks(into) {
      refresh();
      let any = 0;
      for (let page = 0; page < frames.length; page++) {
        const frame = frames[page] ?? -1;
        if (frame < 0) continue;
        const marks = takeFrameMarks(host, frame);
        any |= marks;
        into[page] = (into[page] ?? 0) | marks;
      }
      if (any !== 0) endTakingMarks(host);
    },
    counters: () => processorCounters(host),
    exits: () => ({ counts: Object.entries(stats.byReason()), records: latest() }),
    undefinedInstructions: () => undefinedInstructions(host),
    cpl: () => accel.sregs().ss.dpl,
  };

  function latest(): ExitRecord[] {
    const found: ExitRecord[] = [];
    const { ring } = trace;
    for (let n = ring.count - 1; n >= ring.oldest && found.length < RECORDS; n--) {
      const record = trace.read(n);
      if (record?.event !== "kvm_exit") continue;
      const { reason = 0, rip = 0, info1 = 0 } = record.fields;
      const words = exitQualification(reason, BigInt(info1)).map(([name, value]) => `${name} ${value}`).join(", ");
      found.unshift({ t: record.t, rip: BigInt(rip), reason: exitReasonName(reason), qualification: words, user: false });
    }
    return found;
  }
}
