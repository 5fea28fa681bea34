/*
 * The cost account of paging, beside the clock: t counts instructions alone, the account prices in cycles what their
 * translation takes. Orders of magnitude of processors since 2015 (exits of 1,000 to 2,000 cycles there and back; an
 * entry of a table is mostly in the second-level cache), not a model of any one of them.
 */
export const PRICE = {
  /** One entry of a table read by a walk, whichever stage's. */
  reference: 14,
  /** An exit, a small handler, an entry: the guest's own page fault, MOV CR3, INVLPG. */
  exit: 1300,
  /** An exit that walks the guest's tables or the slots and makes an entry. */
  fault: 2400,
  /** Besides, where the instruction is completed in software since it writes a table. */
  emulation: 2000,
} as const;

/** What paging has done since some moment. */
export interface PagingWork {
  readonly tlbMisses: number;
  readonly references: number;
  /** Faults that ended in an entry, of shadow tables or of the second stage. */
  readonly faults: number;
  /** Exits for the guest's own page faults, its paging registers and INVLPG. */
  readonly exits: number;
  /** Writes to tables that were emulated. */
  readonly writes: number;
}

export const workBetween = (from: PagingWork, to: PagingWork): PagingWork => ({
  tlbMisses: to.tlbMisses - from.tlbMisses,
  references: to.references - from.references,
  faults: to.faults - from.faults,
  exits: to.exits - from.exits,
  writes: to.writes - from.writes,
});

/** Cycles of the exits. */
export const exitCost = (w: PagingWork): number => w.faults * PRICE.fault + w.exits * PRICE.exit + w.writes * PRICE.emulation;
/** Cycles of the walks. */
export const walkCost = (w: PagingWork): number => w.references * PRICE.reference;
