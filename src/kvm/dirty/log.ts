import { KvmError } from "../errno.ts";
import type { MemSlot, MemSlots } from "../memslots.ts";
import type { ModuleParams } from "../params.ts";
import type { DirtyPage, DirtyRing } from "./ring.ts";

const PAGE = 4096;
/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
export const MANUAL_PROTECT_ENABLE = 1;
export const MANUAL_PROTECT_INITIALLY_SET = 2;

/**
 * How a write to a logged page is noticed:
 *   protect  the page loses its write right; the first write faults
 *   pml      it loses its dirty flag; the processor logs the page when it sets the flag again (VT-x)
 *   flags    it loses its dirty flag; whoever reads the log looks at the flags
 */
export type DirtyMethod = "protect" | "pml" | "flags";

export function dirtyMethod(params: ModuleParams, silicon: "intel" | "amd"): DirtyMethod {
  // Shadow tables have no other way; what may be either has to have theirs.
  if (!params.tdp || params.mmu === "auto") return "protect";
  if (params.dirtyLog === "dbits") return "flags";
  return silicon === "intel" && params.pml && params.eptad ? "pml" : "protect";
}

/** What the log asks of the tables that map the guest. */
export interface LoggedTables {
  /** Every page of the slot is to be noticed at its next write. */
  startLog(slot: MemSlot): void;
  /** Nothing is to be noticed any more; huge pages come back. */
  stopLog(slot: MemSlot): void;
  /** One page of the slot is to be noticed at its next write. */
  protectPage(gpa: number): void;
  /** Pages of the slot whose dirty flag is set. */
  dirtyPages(slot: MemSlot, found: (gpa: number) => void): void;
}

/** The dirty log of one VM: a bitmap a slot, or a ring a vCPU. */
export class DirtyLog {
  readonly method: DirtyMethod;
  readonly #slots: MemSlots;
  readonly #find: () => LoggedTables;
  readonly #rings: DirtyRing[] = [];
  /** Flags of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  manual = 0;
  /** Entries of each vCPU's ring; 0: there are bitmaps. */
  ringEntries = 0;

  constructor(method: DirtyMethod, slots: MemSlots, tables: () => LoggedTables) {
    this.method = method;
    this.#slots = slots;
    this.#find = tables;
  }
  get #tables(): LoggedTables {
    return this.#find();
  }

  get initiallySet(): boolean {
    return (this.manual & MANUAL_PROTECT_INITIALLY_SET) !== 0;
  }

  addRing(ring: DirtyRing): void {
    this.#rings.push(ring);
  }

  /** The slot has got the log flag. */
  start(slot: MemSlot): void {
    // Where every page counts as dirty at first, protecting is put off until the bits are cleared.
    if (this.initiallySet && slot.dirty) slot.dirty.fill(0xff);
    else this.#tables.startLog(slot);
  }

  /** KVM_GET_DIRTY_LOG. Unless protecting is manual, bits are cleared and pages protected again. */
  get(slot: MemSlot): Uint8Array {
    const bits = slot.dirty ?? new Uint8Array(0);
    if (this.method === "flags")
      this.#tables.dirtyPages(slot, (gpa) => setBit(bits, Math.floor((gpa - slot.gpa) / PAGE)));
    trim(bits, slot.size / PAGE);
    const copy = bits.slice();
    if (this.manual === 0) this.#take(slot, 0, copy);
    return copy;
  }

  /** KVM_CLEAR_DIRTY_LOG: bits that are set in `mask` are cleared, and their pages protected again. */
  clear(slot: MemSlot, firstPage: number, pages: number, mask: Uint8Array): void {
    const all = slot.size / PAGE;
    const refuse = (value: string, cure: string): KvmError =>
      new KvmError("EINVAL", "KVM_CLEAR_DIRTY_LOG", value, cure);
    if (!Number.isInteger(firstPage) || firstPage < 0 || firstPage % 64 !== 0)
      throw refuse(`first page ${firstPage}`, "give a multiple of 64");
    if (!Number.isInteger(pages) || pages < 0 || firstPage > all || pages > all - firstPage)
      throw refuse(`pages ${firstPage}+${pages}`, `slot ${slot.id} has ${all}`);
    if (pages % 64 !== 0 && firstPage + pages < all)
      throw refuse(`${pages} pages`, "give a multiple of 64, or all to the end of the slot");
    if (mask.length < Math.ceil(pages / 8)) throw refuse(`${mask.length} bytes of bits`, "give one bit a page");
    const wanted = mask.slice(0, Math.ceil(pages / 8));
    trim(wanted, pages);
    this.#take(slot, firstPage, wanted);
  }

  /** KVM_RESET_DIRTY_RINGS: entries that user space has harvested are free again, their pages protected. */
  resetRings(): number {
    let count = 0;
    for (const ring of this.#rings) count += ring.reset((page) => this.#protect(page));
    return count;
  }
  #protect({ slot, page }: DirtyPage): void {
    const found = this.#slots.get(slot);
    // User space can write what it likes into its ring.
    if (found?.log && page >= 0 && page < found.size / PAGE) this.#tables.protectPage(found.gpa + page * PAGE);
  }

  /** Clears those of `wanted` that are set, and protects their pages. */
  #take(slot: MemSlot, firstPage: number, wanted: Uint8Array): void {
    const bits = slot.dirty ?? new Uint8Array(0);
    wanted.forEach((byte, i) => {
      const at = firstPage / 8 + i,
        taken = byte & (bits[at] ?? 0);
      if (taken === 0) return;
      bits[at] = (bits[at] ?? 0) & ~taken;
      for (let b = 0; taken >> b; b++)
        if ((taken >> b) & 1) this.#tables.protectPage(slot.gpa + (at * 8 + b) * PAGE);
    });
  }
}

function setBit(bits: Uint8Array, page: number): void {
  bits[page >>> 3] = (bits[page >>> 3] ?? 0) | (1 << (page & 7));
}
/** Bits behind the last page are 0. */
function trim(bits: Uint8Array, pages: number): void {
  const whole = pages >>> 3;
  if (whole >= bits.length) return;
  bits[whole] = (bits[whole] ?? 0) & ((1 << (pages & 7)) - 1);
  bits.fill(0, whole + 1);
}
