import { type RegionFlags, VitrineError } from "../base/index.ts";
import {
  DIRTY_RING_ENTRY_BYTES,
  type KvmSystem,
  type KvmVcpu,
  type KvmVm,
  MANUAL_PROTECT_ENABLE,
  MANUAL_PROTECT_INITIALLY_SET,
} from "../kvm/uapi.ts";
import type { ProcessMemory } from "./process-memory.ts";

/** A slot as user space has set it: `backing` is the offset of its bytes in user memory. */
export interface UserSlot {
  readonly gpa: number;
  readonly size: number;
  readonly backing: number;
  readonly flags: RegionFlags;
}

export interface KvmDirtyLogOptions {
  readonly vm: KvmVm;
  readonly vcpus: () => readonly KvmVcpu[];
  readonly process: ProcessMemory;
  readonly slots: ReadonlyMap<number, UserSlot>;
  /** Bitmaps are cleared when their pages are to be sent, not when they are read. */
  readonly manual: boolean;
}

/** Rings where they are asked for; otherwise bitmaps. @returns whether these are cleared by hand */
export function enableLog(system: KvmSystem, vm: KvmVm, ring: number): boolean {
  if (ring > 0) {
    const most = system.checkExtension("DIRTY_LOG_RING") / DIRTY_RING_ENTRY_BYTES;
    if (ring > most)
      throw new VitrineError("config", "dirty-ring-size", `${ring} entries`, most > 0 ? `give at most ${most}` : "leave kvm.dirty_log=dbits out");
    vm.enableCap("DIRTY_LOG_RING", ring * DIRTY_RING_ENTRY_BYTES);
    return false;
  }
  const manual = (system.checkExtension("MANUAL_DIRTY_LOG_PROTECT2") & MANUAL_PROTECT_ENABLE) !== 0;
  if (manual) vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", MANUAL_PROTECT_ENABLE | MANUAL_PROTECT_INITIALLY_SET);
  return manual;
}

/** KVM's logs of dirty pages as user space keeps them: what one of its two readers takes stays for the other. */
export class KvmDirtyLog {
  readonly #o: KvmDirtyLogOptions;
  /** Pages that the logs have named since take(), and since written() of them, was called. */
  readonly #logged: Uint8Array;
  readonly #written: Uint8Array;

  constructor(options: KvmDirtyLogOptions) {
    this.#o = options;
    this.#logged = new Uint8Array(Math.ceil(options.process.pages / 8));
    this.#written = new Uint8Array(this.#logged.length);
  }

  get #rings(): boolean {
    return this.#o.vcpus()[0]?.dirtyRing !== undefined;
  }

  /** The log of every slot, ORed with what user space wrote; one bit a page of user memory. */
  take(): Uint8Array {
    const all = this.#o.process.takeWritten();
    if (this.#rings) this.harvest();
    else for (const { id, log } of this.#o.vm.space.slots.list) if (log) this.#read(id);
    this.#logged.forEach((byte, i) => {
      all[i] = (all[i] ?? 0) | byte;
    });
    this.#logged.fill(0);
    return all;
  }
  /** Of `count` pages from `first`, those written since it was asked last. */
  written(first: number, count: number): Uint8Array {
    if (this.#rings) this.harvest();
    else
      for (const [slot, { backing, size, flags }] of this.#o.slots) {
        const at = backing / 4096;
        if (flags.log && at < first + count && first < at + size / 4096) this.#read(slot);
      }
    const bits = new Uint8Array(Math.ceil(count / 8));
    for (let i = 0; i < count; i++) {
      const at = (first + i) >>> 3,
        bit = 1 << ((first + i) & 7);
      if (((this.#written[at] ?? 0) & bit) === 0) continue;
      this.#written[at] = (this.#written[at] ?? 0) & ~bit;
      bits[i >>> 3] = (bits[i >>> 3] ?? 0) | (1 << (i & 7));
    }
    return bits;
  }
  #read(slot: number): void {
    const { vm, slots, manual } = this.#o,
      region = slots.get(slot);
    if (!region) return;
    const bits = vm.getDirtyLog(slot);
    if (manual) vm.clearDirtyLog(slot, 0, region.size / 4096, bits);
    bits.forEach((byte, i) => {
      for (let b = 0; byte >> b; b++) if ((byte >> b) & 1) this.#note(slot, i * 8 + b);
    });
  }
  /** What the rings have, and what the processors still held back. */
  harvest(): void {
    if (!this.#rings) return;
    const { vm } = this.#o;
    vm.syncDirtyLog();
    for (const { dirtyRing } of this.#o.vcpus()) dirtyRing?.harvest(({ slot, page }) => this.#note(slot, page));
    vm.resetDirtyRings();
  }
  #note(slot: number, pageOfSlot: number): void {
    const region = this.#o.slots.get(slot);
    if (!region) return;
    const page = region.backing / 4096 + pageOfSlot;
    for (const bits of [this.#written, this.#logged]) bits[page >>> 3] = (bits[page >>> 3] ?? 0) | (1 << (page & 7));
  }
}
