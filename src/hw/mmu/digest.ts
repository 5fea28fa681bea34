// SHA-256 over pages and over pieces that the embedder hands in: the parts of a state hash.
import { sha256init, sha256update, sha256final } from "../hash/sha256";

export const HASH_BUFFER_SIZE: u32 = 16384;
export const HASH_BUFFER: usize = memory.data(16384, 16);
export const HASH_OUT: usize = memory.data(32, 16);
/** Contexts of sha256.ts: state, length, block and schedule. One for pieces, one for pages, so that they may mix. */
const PIECES: usize = memory.data(512, 16);
const PAGE: usize = memory.data(512, 16);

export function zeroPage(at: usize): bool {
  for (let p = at; p < at + 4096; p += 64) {
    const a = v128.or(v128.load(p), v128.load(p, 16)), b = v128.or(v128.load(p, 32), v128.load(p, 48));
    if (v128.any_true(v128.or(a, b))) return false;
  }
  return true;
}
export function hashPage(at: usize): void {
  sha256init(PAGE);
  sha256update(PAGE, at, 4096);
  sha256final(PAGE, HASH_OUT);
}
export function startHash(): void { sha256init(PIECES); }
export function addToHash(length: u32): void { sha256update(PIECES, HASH_BUFFER, min(length, HASH_BUFFER_SIZE)); }
export function endHash(): void { sha256final(PIECES, HASH_OUT); }
