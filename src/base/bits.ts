/** Unsigned 32-bit value of x. */
export function u32(x: number): number {
  return x >>> 0;
}

/** Bit n (0-31) of x, as 0 or 1. */
export function bit(x: number, n: number): 0 | 1 {
  return ((x >>> n) & 1) as 0 | 1;
}

/** x with bit n (0-31) set or cleared, unsigned. */
export function withBit(x: number, n: number, on: boolean): number {
  return (on ? x | (1 << n) : x & ~(1 << n)) >>> 0;
}

/** Bits low .. low+width-1 of a 32-bit x. */
export function field(x: number, low: number, width: number): number {
  return (x >>> low) & (width >= 32 ? -1 : (1 << width) - 1);
}

/** The low `size` bytes of x: what a register of that many bytes keeps. */
export function truncate(x: number, size: number): number {
  return size >= 4 ? x >>> 0 : x & ((1 << (8 * size)) - 1);
}

/** Number of the highest bit set in a 32-bit x, or -1. */
export function highestBit(x: number): number {
  return 31 - Math.clz32(x);
}

/** Number of the lowest bit set in a 32-bit x, or -1. */
export function lowestBit(x: number): number {
  return 31 - Math.clz32(x & -x);
}

/** How many bits are set in a 32-bit x. */
export function countBits(x: number): number {
  let v = x - ((x >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Packed decimal of n, two digits to the byte: 1234 -> 0x1234. n is a non-negative integer below 10^8. */
export function toBcd(n: number): number {
  let rest = n;
  let out = 0;
  for (let shift = 0; rest > 0 && shift < 32; shift += 4) {
    out |= (rest % 10) << shift;
    rest = (rest - (rest % 10)) / 10;
  }
  return out >>> 0;
}

/** The number a packed decimal stands for; digits above 9 count as they are. */
export function fromBcd(x: number): number {
  let out = 0;
  for (let shift = 28; shift >= 0; shift -= 4) out = out * 10 + ((x >>> shift) & 15);
  return out;
}

/**
 * A set of 256 vectors in eight words, as the local APIC's IRR, ISR and TMR:
 * vector v is bit v & 31 of word v >> 5.
 */
export function setHas(words: Uint32Array, v: number): boolean {
  return (((words[v >> 5] ?? 0) >>> (v & 31)) & 1) === 1;
}

export function setAdd(words: Uint32Array, v: number): void {
  words[v >> 5] = (words[v >> 5] ?? 0) | (1 << (v & 31));
}

export function setDelete(words: Uint32Array, v: number): void {
  words[v >> 5] = (words[v >> 5] ?? 0) & ~(1 << (v & 31));
}

/** The highest member of the set, or -1. */
export function setHighest(words: Uint32Array): number {
  for (let i = words.length - 1; i >= 0; i--) {
    const word = words[i] ?? 0;
    if (word !== 0) return i * 32 + 31 - Math.clz32(word);
  }
  return -1;
}
