import type { ExitRecord, Observer, SecondStage } from "../../base/index.ts";
import { endTakingMarks, processorCounters, takeFrameMarks, undefinedInstructions } from "../../host/index.ts";
import { exitQualification } from "../../isa/index.ts";
import { eventOf } from "../../kvm/uapi.ts";
import type { KvmAccel } from "../accel-kvm.ts";

const PAGE = 4096;
const RECORDS = 60;

/** A passive look at a guest under KVM: exits from its counters and trace, page marks through the process's tables. */
export function observeKvm(accel: KvmAccel, ramSize: number): Observer {
  const { host, task, trace, stats } = accel;
  const pages = ramSize / PAGE;

  const secondStage: SecondStage = {
    kind: "EPT",
    get root() { return BigInt(accel.vm.space.tdp.root); },
    hostBytes: host.memory.size,
    readHost(hpa, bytes) {
      bytes.fill(0);
      const inside = Math.max(0, Math.min(bytes.length, host.memory.size - hpa));
      bytes.set(host.memory.bytes(hpa, inside));
    },
  };
  return {
    takeMarks(into) {
      let any = false;
      // One look-up for each huge page of the process.
      for (let page = 0; page < pages; ) {
        const va = accel.userAddress + page * PAGE;
        const found = task.mm.lookup(va);
        const run = Math.min(task.mm.span(va) / PAGE, pages - page);
        if (found && takeFrameMarks(host, (found.pa + (va % found.size)) / PAGE, run, into, page)) any = true;
        page += run;
      }
      if (any) endTakingMarks(host);
    },
    counters: () => processorCounters(host),
    undefinedInstructions: () => undefinedInstructions(host),
    exits: () => ({ counts: Object.entries(stats.byReason()), records: trace.on ? latest() : [] }),
    recordExits(on) {
      trace.on = on;
    },
    onExit(hit) {
      stats.onExit = hit;
    },
    secondStage: () => secondStage,
    cpl: () => accel.sregs().ss.dpl,
  };

  function latest(): ExitRecord[] {
    const found: ExitRecord[] = [];
    const { ring } = trace;
    // Backwards: what follows an exit says where it faulted and whether user space had to be asked.
    let user = false;
    let gpa = "";
    for (let n = ring.count - 1; n >= ring.oldest && found.length < RECORDS; n--) {
      const at = ring.at(n);
      const word = (i: number): number => ring.words[at + i] ?? 0;
      const wide = (i: number): bigint => BigInt(word(i)) | (BigInt(word(i + 1)) << 32n);
      const event = eventOf(word(0));
      if (event === "kvm_userspace_exit") user = true;
      if (event === "kvm_page_fault") gpa = `gpa 0x${wide(5).toString(16)}, `;
      if (event !== "kvm_exit") continue;
      const t = word(1) + word(2) * 0x100000000;
      const reason = word(3);
      found.push({ n, t, rip: wide(4), reason: stats.names.name(reason), qualification: gpa + fields(reason, wide(6)), user });
      user = false;
      gpa = "";
    }
    return found.reverse();
  }
}

/** Fields that are numbers even where they are 0 or 1; all others of one bit are named when they are set. */
const NUMBERS = new Set(["size", "vector", "offset"]);

function fields(reason: number, qualification: bigint): string {
  return exitQualification(reason, qualification).filter(([name, value]) => value !== "0" || NUMBERS.has(name))
    .map(([name, value]) => (value === "1" && !NUMBERS.has(name) ? name : `${name} ${value}`)).join(", ");
}
