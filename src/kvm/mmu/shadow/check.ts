import type { HostMemory } from "../../../host/index.ts";
import { PAGE } from "../../../host/index.ts";
import { NX, P, PS, U, W, frameOf } from "./entry.ts";
import type { ShadowContext, ShadowSpace } from "./mmu.ts";

const EVERY = 1000;
const HUGE_PAGES = 512;

/** A leaf of the shadow tables, as the checker needs it. */
export interface ShadowLeaf {
  /** Where the entry lies, and the level of its table. */
  readonly at: number;
  readonly level: number;
  /** What the guest's tables say of it now: -1 when nothing leads there any more. */
  readonly gfn: number;
  /** W and U of the guest's entries together. */
  readonly rights: number;
  readonly executable: boolean;
  readonly dirty: boolean;
  /** CR0.WP where the entry is used. */
  readonly writeProtect: boolean;
}

/** Called for every leaf that must agree with the guest's tables: none that is out of sync to the next sync point. */
export type LeafVisit = (leaf: ShadowLeaf) => void;

/**
 * The invariant of shadow paging, for kvm.mmu_check: each leaf maps the frame of guest translation o slot o host page, with
 * a subset of their rights. After each exit the leaves that it has made, every 1,000 exits all of them.
 */
export class MmuChecker {
  readonly #memory: HostMemory;
  readonly #space: ShadowSpace;
  #exits = 0;

  constructor(memory: HostMemory, space: ShadowSpace) {
    this.#memory = memory;
    this.#space = space;
  }

  /** Before an entry. @returns what is wrong, undefined when nothing is */
  check(context: ShadowContext): string | undefined {
    let wrong: string | undefined;
    const visit: LeafVisit = (leaf) => {
      wrong ??= this.#leaf(leaf);
    };
    if (++this.#exits % EVERY === 0) context.leaves(visit);
    else context.touched(visit);
    return wrong;
  }

  #leaf(leaf: ShadowLeaf): string | undefined {
    const low = this.#memory.read32(leaf.at),
      high = this.#memory.read32(leaf.at + 4);
    if ((low & P) === 0) return undefined;
    const say = (what: string): string =>
      `shadow entry ${leaf.at.toString(16)} (${(high >>> 0).toString(16)}:${(low >>> 0).toString(16)}) ${what}`;
    if (leaf.gfn < 0) return say("maps what the guest has unmapped");
    const large = leaf.level > 1;
    if (large !== ((low & PS) !== 0)) return say("is of the wrong size");
    const wrong = this.#frames(leaf.gfn, frameOf(low), large ? HUGE_PAGES : 1, (low & W) !== 0);
    if (wrong) return say(wrong);
    // With CR0.WP 0 the supervisor writes what its entries protect; the user must not see such an entry.
    const unprotected = !leaf.writeProtect && (low & U) === 0;
    if ((low & U) !== 0 && (leaf.rights & U) === 0) return say("is the user's, the guest's is not");
    if ((low & W) !== 0 && !unprotected && (leaf.rights & W) === 0) return say("may be written, the guest's may not");
    if ((low & W) !== 0 && !leaf.dirty) return say("may be written, the guest's is not dirty");
    if ((high & NX) === 0 && !leaf.executable) return say("may be executed, the guest's may not");
    return undefined;
  }

  /** Guest pages from gfn on lie in the frames from `frame` on, and may be written if the entry says so. */
  #frames(gfn: number, frame: number, pages: number, write: boolean): string | undefined {
    for (let n = 0; n < pages; n++) {
      const gpa = (gfn + n) * PAGE,
        slot = this.#space.slot(gpa);
      if (!slot) return `maps ${gpa.toString(16)}, which is in no slot`;
      const hva = slot.hva + (gpa - slot.gpa),
        page = this.#space.mm.lookup(hva);
      if (!page || page.pa + (hva % page.size) !== frame + n * PAGE) return `maps another frame than the host for ${gpa.toString(16)}`;
      if (write && slot.readonly) return `may write ${gpa.toString(16)}, a read-only slot`;
    }
    return undefined;
  }
}
