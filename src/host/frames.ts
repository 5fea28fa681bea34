import { VitrineError } from "../base/index.ts";

export const PAGE = 4096;
export const HUGE = 0x200000;
const PER_GROUP = HUGE / PAGE;

/** What the allocator does to a frame before it is handed out. */
export type Clear = (pa: number, length: number) => void;

/**
 * Frames of host-physical memory. Memory is cut into groups of 2 MiB; a group is free, a huge page, or broken into
 * 4 KiB frames. A group whose last small frame comes back is whole again.
 */
export class FrameAllocator {
  readonly #clear: Clear;
  /** Free groups, the lowest address last. */
  readonly #groups: number[] = [];
  /** Free frames of broken groups. */
  #frames: number[] = [];
  /** Small frames in use, by group; HUGE_IN_USE marks a huge page. */
  readonly #used: Uint16Array;
  /** Groups never handed out are still zero. */
  readonly #touched: Uint8Array;
  #freeBytes: number;

  constructor(bytes: number, clear: Clear) {
    this.#clear = clear;
    const whole = Math.floor(bytes / HUGE);
    this.#used = new Uint16Array(whole + 1);
    this.#touched = new Uint8Array(whole + 1);
    for (let group = whole - 1; group > 0; group--) this.#groups.push(group * HUGE);
    // Frame 0 stays unused, as on a PC; what is left of the last group is broken at once.
    for (let pa = bytes - PAGE; pa >= whole * HUGE; pa -= PAGE) this.#frames.push(pa);
    for (let pa = Math.min(bytes, HUGE) - PAGE; pa > 0 && whole > 0; pa -= PAGE) this.#frames.push(pa);
    this.#freeBytes = this.#groups.length * HUGE + this.#frames.length * PAGE;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A zeroed 4 KiB frame. */
  frame(): number {
    let pa = this.#frames.pop();
    if (pa === undefined) {
      const group = this.#groups.pop();
      if (group === undefined) throw noMemory();
      for (let at = group + HUGE - PAGE; at > group; at -= PAGE) this.#frames.push(at);
      pa = group;
    }
    this.#count(pa, 1);
    this.#freeBytes -= PAGE;
    this.#clear(pa, PAGE);
    return pa;
  }

  /** A zeroed, aligned 2 MiB page, or undefined when memory is too fragmented. */
  huge(): number | undefined {
    const pa = this.#groups.pop();
    if (pa === undefined) return undefined;
    this.#freeBytes -= HUGE;
    if (this.#touched[pa / HUGE] === 1) this.#clear(pa, HUGE);
    this.#touched[pa / HUGE] = 1;
    return pa;
  }

  free(pa: number): void {
    this.#frames.push(pa);
    this.#freeBytes += PAGE;
    if (this.#count(pa, -1) > 0) return;
    const group = pa - (pa % HUGE),
      free = this.#frames.filter((f) => f - (f % HUGE) === group);
    if (free.length < PER_GROUP) return;
    this.#frames = this.#frames.filter((f) => f - (f % HUGE) !== group);
    this.#groups.push(group);
  }

  freeHuge(pa: number): void {
    this.#groups.push(pa);
    this.#freeBytes += HUGE;
  }

  /** A huge page has been split: its frames come back one by one. */
  split(pa: number): void {
    this.#used[pa / HUGE] = PER_GROUP;
  }

  #count(pa: number, by: number): number {
    const group = Math.floor(pa / HUGE),
      now = (this.#used[group] ?? 0) + by;
    this.#used[group] = now;
    this.#touched[group] = 1;
    return now;
  }
}

function noMemory(): VitrineError {
  return new VitrineError("ENOMEM", "host memory", "no free frame", "give the emulated computer more memory");
}
