import { KvmError } from "./errno.ts";

export const MEM_LOG_DIRTY_PAGES = 1;
export const MEM_READONLY = 2;
export const MAX_SLOTS = 512;
/** KVM_MEM_MAX_NR_PAGES: what one call on a slot takes grows with its pages. */
const MAX_BYTES = 2 ** 32;

/** struct kvm_userspace_memory_region. */
export interface UserMemoryRegion {
  readonly slot: number;
  readonly flags: number;
  readonly guestPhysAddr: number;
  readonly memorySize: number;
  readonly userspaceAddr: number;
}

/** A range of guest-physical memory backed by process memory. */
export interface MemSlot {
  readonly id: number;
  readonly gpa: number;
  readonly size: number;
  readonly hva: number;
  readonly readonly: boolean;
  readonly log: boolean;
  /** One bit a page while dirty pages are logged, and there is no ring for them. */
  readonly dirty: Uint8Array | undefined;
  /** Where dirty pages go instead of the bitmap. */
  readonly ring: DirtySink | undefined;
}

/** The ring of the vCPU that runs. */
export type DirtySink = (slot: number, page: number) => void;

/** The slots of a VM: which process memory answers a guest-physical address ("KVM_SET_USER_MEMORY_REGION"). */
export class MemSlots {
  readonly #byId = new Map<number, MemSlot>();
  #last: MemSlot | undefined;
  #holeStart = 0;
  #holeEnd = 0;
  generation = 0;
  /** With a ring, slots have no bitmap. */
  ring: DirtySink | undefined;

  get list(): MemSlot[] {
    return [...this.#byId.values()].sort((a, b) => a.gpa - b.gpa);
  }
  get(id: number): MemSlot | undefined {
    return this.#byId.get(id);
  }

  find(gpa: number): MemSlot | undefined {
    const last = this.#last;
    if (last && gpa >= last.gpa && gpa < last.gpa + last.size) return last;
    // Devices are asked for more often than memory: the hole found last is kept, too.
    if (gpa >= this.#holeStart && gpa < this.#holeEnd) return undefined;
    let start = 0,
      end = Infinity;
    for (const s of this.#byId.values()) {
      if (gpa >= s.gpa && gpa < s.gpa + s.size) {
        this.#last = s;
        return s;
      }
      if (s.gpa > gpa) end = Math.min(end, s.gpa);
      else start = Math.max(start, s.gpa + s.size);
    }
    this.#holeStart = start;
    this.#holeEnd = end;
    return undefined;
  }

  /** Slots that show process memory of [start, end). */
  overHva(start: number, end: number): MemSlot[] {
    return [...this.#byId.values()].filter((s) => s.hva < end && start < s.hva + s.size);
  }

  /** Checks and installs a region. Returns the slot it replaces and the new one. */
  set(r: UserMemoryRegion): { readonly old: MemSlot | undefined; readonly now: MemSlot | undefined } {
    const refuse = (value: string, cure: string): KvmError =>
      new KvmError("EINVAL", "KVM_SET_USER_MEMORY_REGION", value, cure);
    if (!Number.isInteger(r.slot) || r.slot < 0 || r.slot >= MAX_SLOTS)
      throw refuse(`slot ${r.slot}`, `give 0 to ${MAX_SLOTS - 1}`);
    if (![0, 1, 2, 3].includes(r.flags))
      throw refuse(`flags ${r.flags}`, "give KVM_MEM_LOG_DIRTY_PAGES and KVM_MEM_READONLY only");
    const old = this.#byId.get(r.slot);
    if (r.memorySize === 0) {
      if (!old) throw refuse(`slot ${r.slot} does not exist`, "give a size");
      this.#change(r.slot, undefined);
      return { old, now: undefined };
    }
    for (const v of [r.memorySize, r.guestPhysAddr, r.userspaceAddr]) {
      if (!Number.isSafeInteger(v) || v < 0 || v % 4096 !== 0)
        throw refuse(`0x${v.toString(16)}`, "align size and addresses to 4096");
    }
    if (r.memorySize > MAX_BYTES) throw refuse(`${r.memorySize} bytes`, `give at most ${MAX_BYTES}: no process here has more`);
    if (r.guestPhysAddr + r.memorySize > 2 ** 40)
      throw refuse(`0x${r.guestPhysAddr.toString(16)}`, "stay below the physical-address width");
    if (old && old.size !== r.memorySize)
      throw refuse(`slot ${r.slot} has ${old.size} bytes`, "delete the slot before giving it another size");
    if (old && old.hva !== r.userspaceAddr)
      throw refuse(`slot ${r.slot} is backed by other memory`, "delete the slot first");
    for (const s of this.#byId.values()) {
      if (s.id === r.slot || s.gpa >= r.guestPhysAddr + r.memorySize || r.guestPhysAddr >= s.gpa + s.size)
        continue;
      throw new KvmError(
        "EEXIST",
        "KVM_SET_USER_MEMORY_REGION",
        `0x${r.guestPhysAddr.toString(16)} overlaps slot ${s.id}`,
        "choose guest addresses of no other slot",
      );
    }
    const log = (r.flags & MEM_LOG_DIRTY_PAGES) !== 0,
      bits = Math.ceil(r.memorySize / 4096 / 64) * 8;
    const now: MemSlot = {
      id: r.slot,
      gpa: r.guestPhysAddr,
      size: r.memorySize,
      hva: r.userspaceAddr,
      readonly: (r.flags & MEM_READONLY) !== 0,
      log,
      dirty: log && !this.ring ? (old?.dirty ?? new Uint8Array(bits)) : undefined,
      ring: log ? this.ring : undefined,
    };
    this.#change(r.slot, now);
    return { old, now };
  }

  #change(id: number, now: MemSlot | undefined): void {
    if (now) this.#byId.set(id, now);
    else this.#byId.delete(id);
    this.#last = undefined;
    this.#holeEnd = 0;
    this.generation++;
  }
}

/** mark_page_dirty: before the page becomes writable, or after KVM itself has written it. */
export function markDirty(slot: MemSlot, gpa: number): void {
  const page = Math.floor((gpa - slot.gpa) / 4096);
  if (slot.ring) slot.ring(slot.id, page);
  else if (slot.dirty) slot.dirty[page >>> 3] = (slot.dirty[page >>> 3] ?? 0) | (1 << (page & 7));
}
