import { OptionError, quote } from "./optionerror.ts";

const scale: { readonly [suffix: string]: number } = { "": 1, m: 1, g: 1024, k: 1 / 1024 };
const smallest = 2;
/** Linear memory ends at 4 GiB, and the host needs its own part of that. */
const largest = 3072;

/** -m: "256", "256M", "1G", "262144K" or "size=256"; the answer is in bytes, rounded up to whole MiB. */
export function parseMemory(value: string): number {
  const found = /^(?:size=)?(\d{1,9})([kmg]?)b?$/i.exec(value);
  if (!found) throw new OptionError("-m", quote(value), "give a size in MiB, or with K, M or G: -m 256");
  const wanted = Number(found[1]) * (scale[(found[2] ?? "").toLowerCase()] ?? 1);
  const mib = wanted - (wanted % 1) + (wanted % 1 > 0 ? 1 : 0);
  if (mib > largest) throw new OptionError("-m", `${mib} MiB is too much`, `give at most ${largest}`);
  if (mib < smallest) throw new OptionError("-m", `${mib} MiB is too little`, `give at least ${smallest}`);
  return mib * 1024 * 1024;
}
