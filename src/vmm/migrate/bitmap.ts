/** Sets of pages, one bit each, lowest bit first, as the dirty log gives them. */

export function fullBitmap(pages: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(pages / 8)).fill(0xff);
  if (pages % 8 !== 0) bitmap[bitmap.length - 1] = (1 << (pages % 8)) - 1;
  return bitmap;
}

export function hasPage(bitmap: Uint8Array, page: number): boolean {
  return ((bitmap[page >> 3] ?? 0) & (1 << (page & 7))) !== 0;
}

export function addPage(bitmap: Uint8Array, page: number): void {
  bitmap[page >> 3] = (bitmap[page >> 3] ?? 0) | (1 << (page & 7));
}

export function removePage(bitmap: Uint8Array, page: number): void {
  bitmap[page >> 3] = (bitmap[page >> 3] ?? 0) & ~(1 << (page & 7));
}

/** Takes all pages of `other` in. */
export function join(bitmap: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < bitmap.length; i++) bitmap[i] = (bitmap[i] ?? 0) | (other[i] ?? 0);
}

export function countPages(bitmap: Uint8Array): number {
  let count = 0;
  for (let byte of bitmap) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
}

/** Pages that are in both. */
export function countCommon(a: Uint8Array, b: Uint8Array): number {
  return countPages(a.map((byte, i) => byte & (b[i] ?? 0)));
}

/** The first page of the set from `from` on, or -1. */
export function nextPage(bitmap: Uint8Array, from: number): number {
  for (let page = from; page < bitmap.length * 8; ) {
    if ((page & 7) === 0 && bitmap[page >> 3] === 0) page += 8;
    else if (hasPage(bitmap, page)) return page;
    else page++;
  }
  return -1;
}
