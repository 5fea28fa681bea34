/** A 64-bit value as 16 digits in groups of four. */
export const hex64 = (v: bigint): string => v.toString(16).padStart(16, "0");
export const hex = (v: bigint | number): string => `0x${v.toString(16)}`;

/** Whole numbers with thin spaces between thousands. */
export const grouped = (n: number): string => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");

/** A rate with three figures. */
export function rate(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e8 ? 0 : 1)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(0)} k`;
  return n.toFixed(0);
}

export function bytesOf(size: number): string {
  if (size >= 1 << 30) return `${size / (1 << 30)}G`;
  return size >= 1 << 20 ? `${size / (1 << 20)}M` : `${size / 1024}K`;
}
