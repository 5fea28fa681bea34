import type { ShadowPage } from "./page.ts";
import type { ShadowPages } from "./pages.ts";

/** So many writes without a fault between them, and the page is no table any more. */
const FLOOD = 3;

/**
 * KVM has carried out a write of the guest to a page that holds tables (kvm_mmu_track_write): the shadow entries of what
 * was written go. A page that is written like no table is, is no longer shadowed.
 */
export function tableWritten(pages: ShadowPages, gpa: number, size: number): void {
  const { mmu } = pages.options.stats,
    shadowing = pages.shadowing(Math.floor(gpa / 4096));
  if (!shadowing) return;
  mmu.pteWrites++;
  for (const page of [...shadowing]) {
    if (misaligned(page, gpa, size) || flooded(page)) {
      mmu.flooded++;
      pages.zap(page);
      continue;
    }
    const entry = page.narrow ? 4 : 8,
      offset = gpa % 4096;
    for (let n = Math.floor(offset / entry); n * entry < offset + size; n++)
      for (const i of shadowEntries(page, n)) {
        if (page.level > 1) mmu.pdeZapped++;
        pages.drop(page, i);
      }
  }
}
function misaligned(page: ShadowPage, gpa: number, size: number): boolean {
  const entry = page.narrow ? 4 : 8,
    offset = gpa % entry;
  if (offset === 0 && size === 1) return false;
  return offset + size > entry || size < 4;
}
/** Page tables proper may be written all the time. */
function flooded(page: ShadowPage): boolean {
  return page.level > 1 && ++page.writes >= FLOOD;
}
/** The shadow entries of a page that stand for entry n of the guest's table: a directory entry of 4 bytes is two. */
function shadowEntries(page: ShadowPage, n: number): readonly number[] {
  if (!page.narrow) return [n];
  if (page.level === 1) return n >> 9 === page.quadrant ? [n & 511] : [];
  return n >> 8 === page.quadrant ? [(n & 255) * 2, (n & 255) * 2 + 1] : [];
}
