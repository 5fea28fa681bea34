import type { HostComputer } from "../../../host/index.ts";

const MIN_TABLES = 64;
/** Shadow tables may take this part of the guest's memory (KVM_PERMILLE_MMU_PAGES: 20 in 1,000). */
const SHARE = 1 / 50;

/** How many shadow tables a guest of so many pages may have. */
export const tableLimit = (pages: number): number => Math.max(MIN_TABLES, Math.floor(pages * SHARE));

/** Frames for shadow tables. What comes back is kept for the next table. */
export class TableFrames {
  readonly #host: HostComputer;
  readonly #free: number[] = [];

  constructor(host: HostComputer) {
    this.#host = host;
  }

  /** A zeroed frame. */
  take(): number {
    const pa = this.#free.pop();
    if (pa === undefined) return this.#host.frames.frame();
    this.#host.memory.clear(pa, 4096);
    return pa;
  }
  give(pa: number): void {
    this.#free.push(pa);
  }
}
