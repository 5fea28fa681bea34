import { type Core, layout } from "../../hw/index.ts";
import { type GuestTables, type PagingState, walk, walked } from "./walk.ts";

/** Guest memory in which tables lie, and where it lies itself. */
export interface CachedTables extends GuestTables {
  /** Host-physical address of a byte of guest memory, -1 when there is none. */
  hpa(gpa: number, write: boolean): number;
  /** What hpa() has answered holds as long as this stays. */
  readonly generation: number;
}

const SLOTS = 16,
  DEPTH = 4;
/** What a walk depends on besides tables and address, each bit at its own place: PG, WP; PSE, PAE, SMEP, SMAP; LME, NXE; AC. */
const CR0 = 0x80010000,
  CR4 = 0x300030,
  EFER = 0xc00,
  AC = 0x40000,
  PAE = 0x20,
  LME = 0x400;

/** An answer, and what it came from. */
export interface KeptWalk {
  /** Changes with every walk that is kept here. */
  stamp: number;
  page: number;
  pageHigh: number;
  rules: number;
  cr3Low: number;
  cr3High: number;
  /** The PDPTE register of PAE paging. */
  pdpteLow: number;
  pdpteHigh: number;
  generation: number;
  /** Page of the answer. */
  gpa: number;
  depth: number;
  /** Entries of the walk: index of the low word in the core's memory, and the words. */
  readonly at: Uint32Array;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/**
 * walk() with a memory: an answer is given again when every entry that the walk has read is still what the walk has left there.
 * Nothing has to tell it of a change, so it is no TLB: it never answers what a walk would not.
 */
export class WalkCache {
  readonly #tables: CachedTables;
  readonly #words: Uint32Array;
  readonly #kept: readonly KeptWalk[];
  /** Where the answer that walk() has given last is kept, if it is. */
  last: KeptWalk | undefined;

  constructor(core: Core, tables: CachedTables) {
    this.#words = core.u32;
    this.#tables = tables;
    this.#kept = Array.from({ length: SLOTS }, () => ({
      ...{ stamp: 0, page: 0, pageHigh: 0, rules: 0, cr3Low: 0, cr3High: 0, pdpteLow: 0, pdpteHigh: 0, generation: -1, gpa: 0, depth: 0 },
      ...{ at: new Uint32Array(DEPTH), low: new Uint32Array(DEPTH), high: new Uint32Array(DEPTH) },
    }));
  }

  /** As walk(). */
  walk(s: PagingState, low: number, high: number, access: number, user: boolean, implicit: boolean): number {
    this.last = undefined;
    if ((s.cr0 & 0x80000000) === 0) return low;
    const page = low >>> 12,
      rules = (s.cr0 & CR0) | (s.cr4 & CR4) | (s.efer & EFER) | (s.rflags & AC) | access | (user ? 4 : 0) | (implicit ? 8 : 0),
      registers = (s.cr4 & PAE) !== 0 && (s.efer & LME) === 0 ? 2 * (low >>> 30) : -1,
      pdpteLow = registers < 0 ? 0 : (s.pdptes[registers] ?? 0),
      pdpteHigh = registers < 0 ? 0 : (s.pdptes[registers + 1] ?? 0);
    const k = this.#kept[(page ^ (page >>> 4) ^ (access << 2)) & (SLOTS - 1)] as KeptWalk;
    if (
      k.page === page &&
      k.pageHigh === high &&
      k.rules === rules &&
      k.cr3Low === s.cr3Low &&
      k.cr3High === s.cr3High &&
      k.pdpteLow === pdpteLow &&
      k.pdpteHigh === pdpteHigh &&
      k.generation === this.#tables.generation &&
      this.#unchanged(k)
    ) {
      this.last = k;
      return k.gpa + (low & 0xfff);
    }
    const gpa = walk(this.#tables, s, low, high, access, user, implicit);
    k.generation = -1;
    if (gpa < 0 || !this.#remember(k, (s.cr4 & PAE) !== 0)) return gpa;
    k.page = page;
    k.pageHigh = high;
    k.rules = rules;
    k.cr3Low = s.cr3Low;
    k.cr3High = s.cr3High;
    k.pdpteLow = pdpteLow;
    k.pdpteHigh = pdpteHigh;
    k.generation = this.#tables.generation;
    k.gpa = gpa - (low & 0xfff);
    k.stamp++;
    this.last = k;
    return gpa;
  }
  /** Is it still the answer for this page, as long as the state that it was asked with is the same? */
  holds(k: KeptWalk, stamp: number, low: number, high: number): boolean {
    return k.stamp === stamp && k.page === low >>> 12 && k.pageHigh === high && k.generation === this.#tables.generation && this.#unchanged(k);
  }

  #unchanged(k: KeptWalk): boolean {
    const words = this.#words;
    for (let i = 0; i < k.depth; i++) {
      const at = k.at[i] ?? 0;
      if (words[at] !== k.low[i] || words[at + 1] !== k.high[i]) return false;
    }
    return true;
  }
  /** The entries of the walk that has just ended, with the flags that it has set. */
  #remember(k: KeptWalk, wide: boolean): boolean {
    k.depth = walked.depth;
    for (let i = 0; i < k.depth; i++) {
      // Of 4-byte entries the neighbour counts as well: the pair is compared as one.
      const entry = walked.at[i] ?? 0,
        pa = this.#tables.hpa(wide ? entry : entry - (entry % 8), false);
      if (pa < 0) return false;
      const at = (layout.RAM + pa) / 4;
      k.at[i] = at;
      k.low[i] = this.#words[at] ?? 0;
      k.high[i] = this.#words[at + 1] ?? 0;
    }
    return true;
  }
}
