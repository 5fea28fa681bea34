import { HUGE, PAGE } from "../../../../host/index.ts";
import type { ShadowPage } from "./page.ts";

const REGION = 512;
const PAGES_IN_HUGE = HUGE / PAGE;

/**
 * The reverse map: which shadow entries map a guest page. Small leaves of one page are a list through the arrays of their
 * shadow pages; leaves of 2 MiB are few and stand in a map.
 *
 *   head[gfn] --> name+1 of a leaf --> next[] of its page --> ... --> 0        name = slot * 512 + number of the entry
 */
export class ReverseMap {
  /** Heads, for 512 pages at a time. */
  readonly #heads = new Map<number, Int32Array>();
  readonly #large = new Map<number, Set<number>>();
  readonly #pageOf: (slot: number) => ShadowPage;

  constructor(pageOf: (slot: number) => ShadowPage) {
    this.#pageOf = pageOf;
  }

  add(page: ShadowPage, i: number, gfn: number): void {
    page.gfns ??= new Int32Array(512);
    page.gfns[i] = gfn;
    const name = page.slot * 512 + i;
    if (page.level > 1) {
      const region = Math.floor(gfn / PAGES_IN_HUGE);
      const set = this.#large.get(region) ?? new Set<number>();
      this.#large.set(region, set.add(name));
      return;
    }
    const region = Math.floor(gfn / REGION);
    const heads = this.#heads.get(region) ?? new Int32Array(REGION);
    this.#heads.set(region, heads);
    page.next ??= new Int32Array(512);
    page.next[i] = heads[gfn % REGION] ?? 0;
    heads[gfn % REGION] = name + 1;
  }

  remove(page: ShadowPage, i: number): void {
    const gfn = page.gfns?.[i] ?? 0,
      name = page.slot * 512 + i;
    if (page.level > 1) {
      this.#large.get(Math.floor(gfn / PAGES_IN_HUGE))?.delete(name);
      return;
    }
    const heads = this.#heads.get(Math.floor(gfn / REGION)),
      after = page.next?.[i] ?? 0;
    if (!heads) return;
    let at = heads[gfn % REGION] ?? 0;
    if (at === name + 1) {
      heads[gfn % REGION] = after;
      return;
    }
    while (at !== 0) {
      const other = this.#pageOf((at - 1) >> 9),
        next = other.next?.[(at - 1) & 511] ?? 0;
      if (next === name + 1 && other.next) {
        other.next[(at - 1) & 511] = after;
        return;
      }
      at = next;
    }
  }

  /** Calls visit for every small leaf of a page; it may remove the leaf. */
  each(gfn: number, visit: (page: ShadowPage, i: number) => void): void {
    let at = this.#heads.get(Math.floor(gfn / REGION))?.[gfn % REGION] ?? 0;
    while (at !== 0) {
      const page = this.#pageOf((at - 1) >> 9),
        i = (at - 1) & 511;
      at = page.next?.[i] ?? 0;
      visit(page, i);
    }
  }
  /** And for every leaf of 2 MiB over it. */
  eachLarge(gfn: number, visit: (page: ShadowPage, i: number) => void): void {
    const set = this.#large.get(Math.floor(gfn / PAGES_IN_HUGE));
    if (set) for (const name of [...set]) visit(this.#pageOf(name >> 9), name & 511);
  }
  /** Is any page of the 512 mapped? */
  any(gfn: number): boolean {
    return this.#heads.has(Math.floor(gfn / REGION)) || (this.#large.get(Math.floor(gfn / PAGES_IN_HUGE))?.size ?? 0) > 0;
  }
}
