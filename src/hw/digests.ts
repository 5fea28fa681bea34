// Digests of RAM frames, kept from the marks that every write leaves, and SHA-256 for whoever has a core.
import type { Core } from "./index.ts";
import { layout } from "./layout.ts";

/** Bits of the frame flags (src/hw/mmu/phys.ts) that an observer takes back. */
export const FrameMark = { hashStale: 8, dirtyUser: 16, dirtyRegion: 32 } as const;

const PIECE = 16384;
const DIGEST = 32;
const PAGE = 4096;
/** FrameMark.hashStale of four frames. */
const STALE_FOUR = 0x08080808;

/** SHA-256 of the parts one after the other. */
export function sha256(core: Core, parts: readonly Uint8Array[]): Uint8Array {
  const { exports } = core;
  const buffer = exports.hashBuffer();
  exports.hashStart();
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE) {
      const piece = part.subarray(at, at + PIECE);
      core.u8.set(piece, buffer);
      exports.hashPiece(piece.length);
    }
  }
  exports.hashEnd();
  const out = exports.digestOut();
  return core.u8.slice(out, out + DIGEST);
}

/** SHA-256 of 4096 zero bytes. */
export function zeroPageDigest(core: Core): Uint8Array {
  return sha256(core, [new Uint8Array(PAGE)]);
}

/**
 * Frames 0 .. count-1 that carry a mark, as a bitmap with the lowest bit first; the mark is taken off them, so the
 * next write of each leaves it again.
 */
export function takeFrames(core: Core, mark: number, count: number, first = 0): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  const flags = core.u8.subarray(layout.FRAME_FLAGS + first, layout.FRAME_FLAGS + first + count);
  let any = false;
  for (let frame = 0; frame < count; frame++) {
    const value = flags[frame] ?? 0;
    if ((value & mark) === 0) continue;
    flags[frame] = value & ~mark;
    bitmap[frame >> 3] = (bitmap[frame >> 3] ?? 0) | (1 << (frame & 7));
    any = true;
  }
  if (any) core.exports.flushFast();
  return bitmap;
}

/** The digests of all RAM frames of a core; only frames written since their digest was taken are hashed again. */
export class FrameDigests {
  readonly #core: Core;
  readonly #frames: number;
  readonly #digests: Uint8Array;
  readonly #zero: Uint8Array;
  /** Where freshen() goes on looking. */
  #next = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#frames = Math.floor(core.ramBytes / PAGE);
    this.#zero = zeroPageDigest(core);
    this.#digests = new Uint8Array(this.#frames * DIGEST);
    // Memory that nothing has written yet is zero.
    for (let frame = 0; frame < this.#frames; frame++) this.#digests.set(this.#zero, frame * DIGEST);
  }

  /** Hashes at most `limit` stale frames; true when none is left. */
  freshen(limit: number): boolean {
    const { exports } = this.#core;
    const flags = this.#core.u8.subarray(layout.FRAME_FLAGS, layout.FRAME_FLAGS + this.#frames);
    const words = this.#core.u32.subarray(layout.FRAME_FLAGS / 4, (layout.FRAME_FLAGS + this.#frames) / 4);
    let done = 0, looked = 0;
    for (let step = 1; looked < this.#frames && done < limit; looked += step) {
      const frame = this.#next;
      // Few frames are stale: four are passed over at a time.
      step = (frame & 3) === 0 && ((words[frame >> 2] ?? 0) & STALE_FOUR) === 0 ? 4 : 1;
      this.#next = frame + step >= this.#frames ? 0 : frame + step;
      if (step === 4) continue;
      const value = flags[frame] ?? 0;
      if ((value & FrameMark.hashStale) === 0) continue;
      flags[frame] = value & ~FrameMark.hashStale;
      this.#digests.set(this.#digest(frame), frame * DIGEST);
      done++;
    }
    if (done > 0) exports.flushFast();
    return looked >= this.#frames;
  }

  /** The digests of `count` frames from `first` on, one after the other, as of the last freshen(). */
  run(first: number, count: number): Uint8Array {
    return this.#digests.subarray(first * DIGEST, (first + count) * DIGEST);
  }

  #digest(frame: number): Uint8Array {
    const { exports, u8 } = this.#core;
    const at = layout.RAM + frame * PAGE;
    if (exports.isZeroPage(at)) return this.#zero;
    exports.digestPage(at);
    const out = exports.digestOut();
    return u8.subarray(out, out + DIGEST);
  }
}
