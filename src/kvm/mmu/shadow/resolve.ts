import { HUGE, PAGE } from "../../../host/index.ts";
import { markDirty } from "../../memslots.ts";
import { Access, walk, walked } from "../walk.ts";
import type { ShadowFault, ShadowSpace } from "./mmu.ts";
import type { PagingRegisters } from "./registers.ts";

const [CODE_WRITE, CODE_USER, CODE_FETCH] = [2, 4, 16];
const W = 2,
  U = 4;
const USER_LEVEL = 3;

/**
 * What a page fault asks for, in three steps: the guest's tables give the guest-physical page and its rights, the slots
 * the process's page, the process's tables the host's frame. Both ways of shadow paging build their entry from it.
 */
export class Resolver {
  readonly #space: ShadowSpace;
  write = false;
  gpa = 0;
  guestCode = 0;
  /** Host-physical address of the 4 KiB page. */
  frame = 0;
  /** What shadow pages below a larger page of the guest's have in common: W only when its entry is dirty, as CR0.WP has it. */
  directRights = 0;
  /** Rights of the entry to be: W and U. */
  rights = 0;
  executable = true;
  /** Could the page be mapped writable once its guest entry is dirty? W is in `rights` only when it is. */
  dirty = false;
  /** May a page of 2 MiB be mapped? */
  large = false;
  /** Level of the guest's leaf: 1 to 3; 3 without paging. */
  level = 1;

  constructor(space: ShadowSpace) {
    this.#space = space;
  }

  /** @returns what the fault came to already, or "map" */
  resolve(guest: PagingRegisters, low: number, high: number, code: number, cpl: number): ShadowFault | "map" {
    const write = (code & CODE_WRITE) !== 0,
      user = (code & CODE_USER) !== 0,
      fetch = (code & CODE_FETCH) !== 0;
    this.write = write;
    const access = write ? Access.Write : fetch ? Access.Fetch : Access.Read;
    // The processor's own accesses to its tables have no user privilege at any level.
    const gpa = walk(this.#space, guest, low, high, access, user, !user && cpl === USER_LEVEL);
    if (gpa < 0) {
      this.guestCode = -1 - gpa;
      return "guest";
    }
    this.gpa = gpa;
    if (guest.paging) {
      ({ rights: this.rights, executable: this.executable, level: this.level, dirty: this.dirty } = walked);
      if (write && !user && (this.rights & W) === 0) {
        const done = this.#writeUnprotected(guest);
        if (done) return done;
      }
    } else {
      this.rights = W | U;
      this.executable = this.dirty = true;
      this.level = 3;
    }
    this.directRights = this.dirty ? this.rights : this.rights & ~W;
    return this.#host(gpa, write);
  }

  /** CR0.WP is 0: the supervisor writes where the entry forbids it, the user must not. One entry can say only one of the two. */
  #writeUnprotected(guest: PagingRegisters): ShadowFault | undefined {
    if ((this.rights & U) !== 0) {
      // A supervisor's page escapes SMAP: one instruction at a time, then.
      if (guest.smap) return "emulate";
      if (guest.smep) this.executable = false;
    }
    this.rights = (this.rights | W) & ~U;
    return undefined;
  }

  #host(gpa: number, write: boolean): ShadowFault | "map" {
    const slot = this.#space.slot(gpa);
    if (!slot || (write && slot.readonly)) return "device";
    const hva = slot.hva + (gpa - slot.gpa),
      sequence = this.#space.sequence,
      page = this.#space.mm.getUserPage(hva);
    if (!page) return "nomem";
    // The host has taken pages away meanwhile: the instruction runs again.
    if (this.#space.stale(sequence, hva)) return "fixed";
    const inside = hva % page.size;
    this.frame = page.pa + inside - (inside % PAGE);
    if (slot.readonly || !this.dirty || (slot.log && !write)) this.rights &= ~W;
    else if (slot.log && (this.rights & W) !== 0) markDirty(slot, gpa);
    const start = gpa - (gpa % HUGE);
    this.large =
      this.level > 1 &&
      page.size === HUGE &&
      !slot.log &&
      gpa % HUGE === inside &&
      start >= slot.gpa &&
      start + HUGE <= slot.gpa + slot.size;
    return "map";
  }
}
