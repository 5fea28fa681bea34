import { pageSize } from "./message.ts";

/**
 * When the passes end and the machine stops.
 * - "2007" ("KVM: the Linux Virtual Machine Monitor", Live Migration): two passes, not necessarily consecutive, copied
 *   more than the pass before, or thirty passes have run.
 * - "downtime": the rest goes over within the downtime limit. A guest that writes faster than the link carries never
 *   gets there; cancel ends that.
 * - "both": whichever comes first.
 */
export type StopRule = "2007" | "downtime" | "both";

const maxPasses = 30;
const maxGrowths = 2;

export class StopJudge {
  readonly #rule: StopRule;
  readonly #downtimeMs: number;
  #last = Infinity;
  #passes = 0;
  #growths = 0;

  constructor(rule: StopRule, downtimeMs: number) {
    this.#rule = rule;
    this.#downtimeMs = downtimeMs;
  }

  /** After a pass that copied `sent` pages and left `remaining`; bandwidth in bytes a second. */
  stop(sent: number, remaining: number, bandwidth: number): boolean {
    this.#passes++;
    if (sent > this.#last) this.#growths++;
    this.#last = sent;
    const old = this.#growths >= maxGrowths || this.#passes >= maxPasses;
    const fits = ((remaining * pageSize) / bandwidth) * 1000 <= this.#downtimeMs;
    if (this.#rule === "2007") return old;
    return this.#rule === "downtime" ? fits : old || fits;
  }
}
