import { type AccelVm, encode, type Saved } from "../../base/index.ts";
import { assemble } from "../../isa/index.ts";
import { Machine } from "../machine.ts";
import { type Cost, type Lab, LabError, type Place, places, type Predictions } from "./lab.ts";

/** An accelerator that counts; the bare machine has no exits to count. */
export interface MeteredVm extends AccelVm {
  counters(): { readonly walkRefs: number };
  readonly stats?: { byReason(): Record<string, number>; readonly emulations: number };
}

/** Makes a machine with so many bytes of RAM in each place there is. */
export type LabPlaces = { readonly [place in Place]?: (ramSize: number) => Promise<MeteredVm> };

export interface LabRow {
  readonly place: Place;
  readonly id: string;
  readonly predicted: Cost;
  readonly measured: Cost;
  /** Exits by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Instructions retired when the case began. */
  readonly t: number;
  readonly right: boolean;
}

export interface LabResult {
  readonly lab: string;
  readonly verdict: "pass" | "fail";
  readonly rows: readonly LabRow[];
  /** Places this machine could not offer. */
  readonly missing: readonly Place[];
  /** SHA-256 of what was measured; the same wherever it is run. */
  readonly hash: string;
}

const RAM = 16 << 20;
/** Exits that only bring the clock back to user space, and that no instruction causes. */
const OWN = new Set(["PREEMPTION_TIMER", "EXTERNAL_INTERRUPT", "INTERRUPT_WINDOW"]);

interface Reading {
  readonly references: number;
  readonly emulations: number;
  readonly reasons: Readonly<Record<string, number>>;
}

function read(vm: MeteredVm): Reading {
  return {
    references: vm.counters().walkRefs,
    emulations: vm.stats?.emulations ?? 0,
    reasons: vm.stats?.byReason() ?? {},
  };
}

function difference(before: Reading, after: Reading): Record<string, number> {
  const reasons: Record<string, number> = {};
  for (const [reason, n] of Object.entries(after.reasons)) {
    const more = n - (before.reasons[reason] ?? 0);
    if (more > 0 && !OWN.has(reason)) reasons[reason] = more;
  }
  return reasons;
}

/** Runs the guest to each case in turn, and the case's one instruction alone. */
async function measure(
  lab: Lab,
  place: Place,
  vm: MeteredVm,
  source: string,
  predicted: Predictions,
): Promise<LabRow[]> {
  const guest = assemble(source);
  const address = (label: string): bigint => {
    const at = guest.symbols.get(label);
    if (at === undefined)
      throw new LabError(lab.id, `the guest has no label ${label}`, "define it in guest.asm");
    return at;
  };
  const machine = new Machine(vm, {
    ramSize: RAM,
    kernel: { name: `${lab.id}/guest.asm`, bytes: guest.bytes },
  });
  const handler = address(lab.faultLabel);
  return lab.cases.map(({ id, from }) => {
    const start = address(from);
    for (let n = 0; vm.regs().rip !== start; n++) {
      const stop = machine.run(vm.clock.now() + 1);
      if (stop.kind !== "budget" || n >= lab.budget) {
        throw new LabError(lab.id, `the guest did not come to ${from} (${stop.kind})`, "correct guest.asm");
      }
    }
    const t = vm.clock.now();
    const before = read(vm);
    machine.run(t + 1);
    const after = read(vm);
    const reasons = difference(before, after);
    const rip = vm.regs().rip;
    const measured: Cost = {
      references: after.references - before.references,
      exits: Object.values(reasons).reduce((a, b) => a + b, 0),
      emulated: after.emulations > before.emulations,
      // The faulting instruction does not retire: the step was the handler's NOP.
      fault: rip > handler && rip < handler + 16n,
    };
    const guess = predicted[place][id] as Cost;
    const right = (Object.keys(measured) as (keyof Cost)[]).every((key) => measured[key] === guess[key]);
    return { place, id, predicted: guess, measured, reasons, t, right };
  });
}

/** Runs a lab in every place there is and compares with the predictions, or else with the lab's own answers. */
export async function runLab(
  lab: Lab,
  source: string,
  offered: LabPlaces,
  predictions?: Predictions,
): Promise<LabResult> {
  const rows: LabRow[] = [];
  const missing: Place[] = [];
  let sha256: AccelVm["sha256"] | undefined;
  for (const place of places) {
    const make = offered[place];
    if (!make) {
      missing.push(place);
      continue;
    }
    const vm = await make(RAM);
    sha256 ??= (bytes) => vm.sha256(bytes);
    rows.push(...(await measure(lab, place, vm, source, predictions ?? lab.answers)));
  }
  if (!sha256) throw new LabError(lab.id, "no machine to run on", "offer the bare machine at least");
  const record: Saved = rows.map((r) => ({
    place: r.place,
    id: r.id,
    t: r.t,
    reasons: { ...r.reasons },
    ...r.measured,
  }));
  const hash = [...sha256(encode({ lab: lab.id, rows: record }))]
    .map((b) => b.toString(16).padStart(2, "0"))
    .join("");
  return { lab: lab.id, verdict: rows.every((r) => r.right) ? "pass" : "fail", rows, missing, hash };
}
