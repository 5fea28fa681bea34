import type { GuestMemory, SecondStage } from "../../base/index.ts";
import { type EptWalk, walkEpt } from "./ept.ts";
import { type PagingState, type Reference, type Walk, walkPages } from "./paging.ts";

/** One row of the two-dimensional walk: a guest-physical address is found through EPT, then read. */
export interface NestedRow {
  /** Of a guest table's entry; in the last row, of the datum itself. */
  readonly gpa: bigint;
  readonly ept: EptWalk;
  /** What the guest's table holds there; undefined in the last row. */
  readonly guest: Reference | undefined;
}

/** One memory reference of a translation, numbered from 1 in the order the processor makes them. */
export interface Step extends Reference {
  readonly n: number;
  readonly by: "guest" | "ept";
  /** Row of the grid; the last one is the datum's. */
  readonly row: number;
}

/** A walk with what lies below it. */
export interface Translation extends Walk {
  /** Empty on the bare machine. */
  readonly rows: readonly NestedRow[];
  /** Every reference of both walks: at most 24 with four levels on either side. */
  readonly steps: readonly Step[];
  /** Host-physical; undefined on the bare machine and where either walk fails. */
  readonly hpa: bigint | undefined;
  /** The EPT entry that is not present. An access would be an EPT violation, which KVM answers with a page or as MMIO. */
  readonly violation: string | undefined;
}

/**
 * Translates a linear address as the processor would without any cached translation: in one dimension on the bare
 * machine, in two under EPT. PDPTE registers are read with MOV to CR3, so in PAE mode they are no reference of a walk.
 */
export function translate(memory: GuestMemory, s: PagingState, gva: bigint, second: SecondStage | undefined): Translation {
  const walk = walkPages(memory, s, gva);
  const steps: Step[] = [];
  const step = (reference: Reference, by: Step["by"], row: number): void => {
    steps.push({ ...reference, n: steps.length + 1, by, row });
  };
  const read = walk.references.filter((r) => !(walk.mode === "PAE" && r.level === 3));
  if (!second) {
    read.forEach((reference, row) => { step(reference, "guest", row); });
    return { ...walk, rows: [], steps, hpa: undefined, violation: undefined };
  }
  const wanted: { gpa: bigint; guest: Reference | undefined }[] = read.map((guest) => ({ gpa: guest.address, guest }));
  if (walk.gpa !== undefined) wanted.push({ gpa: walk.gpa, guest: undefined });
  const rows: NestedRow[] = [];
  for (const { gpa, guest } of wanted) {
    const ept = walkEpt(second, gpa);
    for (const reference of ept.references) step(reference, "ept", rows.length);
    rows.push({ gpa, ept, guest });
    if (ept.hpa === undefined) {
      const last = ept.references.at(-1);
      return { ...walk, rows, steps, hpa: undefined, violation: `${last?.name} entry ${last?.index} is not present: EPT violation` };
    }
    if (guest) step(guest, "guest", rows.length - 1);
  }
  return { ...walk, rows, steps, hpa: walk.gpa === undefined ? undefined : rows.at(-1)?.ept.hpa, violation: undefined };
}
