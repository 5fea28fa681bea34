import { exitCost, type PagingWork, PRICE, walkCost } from "./account.ts";

/** A window of measurement, in t: longer than what a page fault or a switch of tasks takes, shorter than a phase of a program. */
export const WINDOW = 1_000_000;
/** References of a walk without a second stage, at most: what shadow tables would leave of 24. */
const SHADOW_WALK = 4;
/** Under the second stage: what shadow tables could save at most is worth a trial from this part of the time on. */
const WORTH = 0.05;
/** Under shadow tables: exits may cost so many times what they save before the guest goes back. */
const PATIENCE = 1.25;
/** Windows of a half trial: the tables are made in the first half, the second one is judged. */
const FIRST_TRIAL = 0.25,
  LONGEST_TRIAL = 4;
/** Windows until the next trial after one that has failed, and how that grows with every further one. */
const FIRST_HOLD = 16,
  HOLD_GROWTH = 4,
  LONGEST_HOLD = 1024;

/** What could be saved has grown by this much since shadow tables were left: the guest does something else now. */
const OTHER_WORK = 3;

/**
 * Which tables? What a second stage costs can be seen while it is in force: references. What shadow tables would cost,
 * exits, can only be tried.
 *
 *   second stage --walks could save 5 % of the time, and no hold--> trial: build half --> judged half --passed--> shadow tables
 *        ^                                                              exits > 1.25 x saved walks                 | every window
 *        '--- hold: 16 windows, 4 times as long after each failure <---------'  <------- the same, or no paging ---'
 *
 * A trial is twice as long after each failure: a large working set takes longer to be mapped. Hold and trial begin anew when
 * a guest leaves that had stayed, and when three times as much could be saved as when it left: it does something else. So
 * the trials of a guest that shadow tables never suit take under 2 % of its time in the long run.
 */
export class PagingPolicy {
  shadow = false;
  /** t from one decision to the next. */
  window = WINDOW;
  /** Cycles of the last window under the tables in force, and what the others would have cost: known as far as walks go. */
  cost = 0;
  otherCost = 0;
  #hold = 0;
  #nextHold = FIRST_HOLD;
  #trial = FIRST_TRIAL;
  /** Cycles that shadow tables saved of each of t, without their exits, when they were left. */
  #left = Infinity;
  #stage: "build" | "judge" | "stay" = "stay";
  /** References of a walk by both stages, and misses in each of t, as seen before the trial. */
  #walk = SHADOW_WALK;
  #misses = 0;

  /**
   * @param elapsed t of the window
   * @param work what paging has done in it
   * @param paged may shadow tables be used at all?
   * @returns whether shadow tables are to be used from now on
   */
  decide(elapsed: number, work: PagingWork, paged: () => boolean): boolean {
    this.cost = walkCost(work) + exitCost(work);
    this.shadow = this.shadow ? this.#stays(elapsed, work, paged()) : this.#tries(elapsed, work, paged);
    return this.shadow;
  }

  #tries(elapsed: number, work: PagingWork, paged: () => boolean): boolean {
    const saved = walkCost(work) - work.tlbMisses * SHADOW_WALK * PRICE.reference;
    this.otherCost = this.cost - saved;
    if (saved > this.#left * OTHER_WORK * elapsed) this.#hold = 0;
    if (this.#hold > 0) this.#hold--;
    if (this.#hold > 0 || saved < elapsed * WORTH || !paged()) return false;
    this.#walk = work.references / work.tlbMisses;
    this.#misses = work.tlbMisses / elapsed;
    this.#stage = "build";
    this.window = WINDOW * this.#trial;
    return true;
  }

  #stays(elapsed: number, work: PagingWork, paged: boolean): boolean {
    // CR3 loads empty the TLB of the kernel's pages, too, where a shadow table stands behind: those misses are not saved.
    const misses = Math.min(work.tlbMisses, this.#misses * elapsed),
      walks = misses * this.#walk * PRICE.reference,
      saved = walks - walkCost(work);
    this.otherCost = walks;
    const bad = exitCost(work) > saved * PATIENCE;
    if (paged && this.#stage === "build") {
      this.#stage = "judge";
      return true;
    }
    if (paged && !bad) {
      this.#stage = "stay";
      this.window = WINDOW;
      return true;
    }
    this.#leave(saved / elapsed);
    return false;
  }

  /** @param rate cycles that were saved of each of t */
  #leave(rate: number): void {
    if (this.#stage === "stay" || rate > this.#left * OTHER_WORK) {
      this.#nextHold = FIRST_HOLD;
      this.#trial = FIRST_TRIAL;
    }
    this.#left = rate;
    this.#hold = this.#nextHold;
    this.#nextHold = Math.min(this.#nextHold * HOLD_GROWTH, LONGEST_HOLD);
    this.#trial = Math.min(this.#trial * 2, LONGEST_TRIAL);
    this.window = WINDOW;
  }
}
