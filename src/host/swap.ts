/** The swap file of the host: pages that lie on a disk, and so outside its memory. */
export class SwapFile {
  readonly #pages: (Uint8Array | undefined)[] = [];
  readonly #free: number[] = [];

  /** Pages that are out. */
  get used(): number {
    return this.#pages.length - this.#free.length;
  }

  /** Writes a page out; answers where it is. */
  write(page: Uint8Array): number {
    const slot = this.#free.pop() ?? this.#pages.length;
    this.#pages[slot] = page.slice();
    return slot;
  }

  /** Reads a page back; its place is free again. Undefined: nothing but zeros was ever there. */
  take(slot: number): Uint8Array | undefined {
    const page = this.#pages[slot];
    this.drop(slot);
    return page;
  }

  drop(slot: number): void {
    if (this.#pages[slot] === undefined) return;
    this.#pages[slot] = undefined;
    this.#free.push(slot);
  }
}
