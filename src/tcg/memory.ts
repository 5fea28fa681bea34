import { type UserMemory, VitrineError } from "../base/index.ts";
import { type Core, layout } from "../hw/index.ts";

const PAGE = 4096;

/** User memory of a bare machine: the core's RAM, frame by frame. */
export class CoreMemory implements UserMemory {
  readonly pages: number;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.pages = Math.floor(core.ramBytes / PAGE);
  }

  readPage(page: number, into: Uint8Array): boolean {
    const at = this.#at(page);
    if (this.#core.exports.isZeroPage(at)) return false;
    into.set(this.#core.u8.subarray(at, at + PAGE));
    return true;
  }

  writePage(page: number, bytes: Uint8Array | null): void {
    const at = this.#at(page), { exports, u8 } = this.#core;
    if (bytes === null) {
      if (exports.isZeroPage(at)) return;
      exports.written(at, PAGE);
      u8.fill(0, at, at + PAGE);
      return;
    }
    exports.written(at, PAGE);
    u8.set(bytes.length === PAGE ? bytes : bytes.subarray(0, PAGE), at);
  }

  #at(page: number): number {
    if (!Number.isInteger(page) || page < 0 || page >= this.pages) {
      throw new VitrineError("memory", "page of user memory", String(page), `give 0 to ${this.pages - 1}`);
    }
    return layout.RAM + page * PAGE;
  }
}
