/*
 * What a reload keeps. Query keys that people type: theme, view, lab. The rest is the fragment: "1." for its format and
 * the deflated JSON of Kept, base64url.
 */
export interface Kept {
  readonly guest?: string;
  readonly accel?: "kvm" | "tcg";
  /** Processors. */
  readonly cpus?: number;
  /** Exhibits that are shut. */
  readonly shut?: readonly string[];
  /** What the translation follows: rip, rsp or an address. */
  readonly address?: string;
}

/** How many processors the page offers. */
export const cpuCounts: readonly number[] = [1, 2, 4, 8];
const FORMAT = "1.";
const MAX = 4096;

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const out = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(out).arrayBuffer());
}

export async function writeFragment(kept: Kept): Promise<string> {
  const packed = await through(new TextEncoder().encode(JSON.stringify(kept)), new CompressionStream("deflate-raw"));
  return FORMAT + btoa(String.fromCharCode(...packed)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Nothing where the fragment is another's, or damaged: a link that somebody cut off opens the page all the same. */
export async function readFragment(fragment: string): Promise<Kept> {
  const text = fragment.replace(/^#/, "");
  if (!text.startsWith(FORMAT) || text.length > MAX) return {};
  try {
    const packed = Uint8Array.from(atob(text.slice(FORMAT.length).replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return checked(JSON.parse(new TextDecoder().decode(await through(packed, new DecompressionStream("deflate-raw")))));
  } catch {
    return {};
  }
}

function checked(value: unknown): Kept {
  if (typeof value !== "object" || value === null) return {};
  const { guest, accel, cpus, shut, address } = value as Readonly<Record<string, unknown>>;
  return {
    ...(typeof guest === "string" ? { guest } : {}),
    ...(accel === "kvm" || accel === "tcg" ? { accel } : {}),
    ...(cpuCounts.includes(cpus as number) ? { cpus: cpus as number } : {}),
    ...(Array.isArray(shut) ? { shut: shut.filter((s): s is string => typeof s === "string") } : {}),
    ...(typeof address === "string" && address.length <= 20 ? { address } : {}),
  };
}

/** Replaces a query key, or takes it away, without a new entry in the history. */
export function setQuery(key: string, value: string | undefined): void {
  const url = new URL(location.href);
  if (value === undefined) url.searchParams.delete(key);
  else url.searchParams.set(key, value);
  history.replaceState(null, "", url);
}

export function setFragment(fragment: string): void {
  const url = new URL(location.href);
  url.hash = fragment;
  history.replaceState(null, "", url);
}
