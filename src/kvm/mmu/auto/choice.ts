import type { KvmStats } from "../../stats.ts";
import { type PagingWork, workBetween } from "./account.ts";
import { PagingPolicy } from "./policy.ts";

export interface ChoiceOptions {
  readonly stats: KvmStats;
  /** TLB misses and references to tables so far, as performance counters of the processor have them. */
  readonly counters: () => { readonly tlbMisses: number; readonly walkRefs: number };
  /** Do all vCPUs use paging? */
  readonly paged: () => boolean;
  /** Has the guest go on under shadow tables, or under the second stage. */
  readonly use: (shadow: boolean) => void;
}

/**
 * kvm.mmu=auto: looks at the guest at the first entry behind each window, and changes what maps it. Slices of the guest
 * end at `due`, however user space cuts them: the same run gives the same switches.
 */
export class PagingChoice {
  /** t of the next decision. */
  due: number;
  readonly #o: ChoiceOptions;
  readonly #policy = new PagingPolicy();
  #from = 0;
  #before: PagingWork;

  constructor(options: ChoiceOptions) {
    this.#o = options;
    this.due = this.#policy.window;
    this.#before = this.#work();
  }

  /** Cycles of the last window, and of the same under the other tables as far as that is known. */
  get cost(): number {
    return this.#policy.cost;
  }
  get otherCost(): number {
    return this.#policy.otherCost;
  }

  decide(now: number): void {
    const policy = this.#policy,
      before = policy.shadow,
      work = this.#work();
    const after = policy.decide(now - this.#from, workBetween(this.#before, work), this.#o.paged);
    if (after !== before) {
      this.#o.stats.mmu.switches++;
      this.#o.use(after);
    }
    this.restart(now);
  }
  /** A window begins. */
  restart(now: number): void {
    this.#from = now;
    this.due = now + this.#policy.window;
    this.#before = this.#work();
  }

  #work(): PagingWork {
    const { tlbMisses, walkRefs } = this.#o.counters(),
      { mmu, pagesFixed } = this.#o.stats;
    return pagingWork(tlbMisses, walkRefs, mmu, pagesFixed);
  }
}

/** The books of KVM as the account has them. */
export function pagingWork(tlbMisses: number, references: number, mmu: KvmStats["mmu"], pagesFixed: number): PagingWork {
  return {
    tlbMisses,
    references,
    faults: mmu.faults + pagesFixed,
    exits: mmu.guestFaults + mmu.registers + mmu.invlpg,
    writes: mmu.pteWrites,
  };
}
