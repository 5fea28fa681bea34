import type { GuestName } from "../../guests/build.ts";
import { VitrineError } from "../base/errors.ts";
import type { GuestConfig } from "../vmm/index.ts";

export interface GuestEntry {
  readonly name: string;
  readonly title: string;
  readonly files: Readonly<Partial<Record<"kernel" | "initrd" | "bios" | "vgaBios", string>>>;
  readonly append: string;
  readonly cpu: string;
  /** "isa" when not given. */
  readonly vga?: "std";
  /** Processors that it has at least. */
  readonly cpus?: number;
  /** Part of the page itself. */
  readonly embedded?: GuestName;
  /** The only accelerator it runs on. */
  readonly accel?: "tcg";
}

const console = "console=ttyS0 panic=-1 tsc=reliable";

/** Guests that are part of the page: they boot from any static host, with nothing but its own files. */
export const embeddedGuests: readonly GuestEntry[] = [
  { name: "hello64", title: "Hello, long mode", append: "", cpu: "qemu64", files: {}, embedded: "hello64" },
  { name: "two-processes", title: "Two processes", append: "", cpu: "qemu64", files: {}, embedded: "two-processes" },
  { name: "vmm11", title: "A VMM in eleven steps", append: "", cpu: "vitrine,+vmx", files: {}, embedded: "vmm11", accel: "tcg" },
  { name: "four-cpus", title: "Four processors", append: "", cpu: "qemu64", files: {}, embedded: "four-cpus", cpus: 4 },
  { name: "picture", title: "A moving picture", append: "", cpu: "qemu64", files: {}, embedded: "picture", vga: "std" },
];

const embeddedMiB = 16;

/** Guests of the local cache (`npm run guests`); a static host has none of them. */
export const cachedGuests: readonly GuestEntry[] = [
  {
    name: "linux-amd64", title: "Debian Linux, amd64", append: console, cpu: "qemu64",
    files: { kernel: "linux-amd64/bzImage", initrd: "linux-amd64/initrd.cpio.gz" },
  },
  {
    name: "linux-i386", title: "Debian Linux, i386", append: console, cpu: "pentium3",
    files: { kernel: "linux-i386/bzImage", initrd: "linux-i386/initrd.cpio.gz" },
  },
  {
    // The shell is where the last console is: on the screen, with the keyboard.
    name: "linux-i386-screen", title: "Debian Linux, i386, screen", append: `${console} console=tty0 vga=0x311`, cpu: "pentium3", vga: "std",
    files: { kernel: "linux-i386/bzImage", initrd: "linux-i386/initrd.cpio.gz" },
  },
  {
    name: "seabios", title: "SeaBIOS firmware", append: "", cpu: "qemu64", vga: "std",
    files: { bios: "seabios/bios-256k.bin", vgaBios: "seabios/vgabios-stdvga.bin" },
  },
];

export const allGuests: readonly GuestEntry[] = [...embeddedGuests, ...cachedGuests];

export interface BootOptions {
  accel?: "tcg" | "kvm";
  /** MiB. */
  memory?: number;
  cpu?: string;
  /** Processors, 1 to 8. */
  cpus?: number;
  /** Added to the guest's own command line. */
  append?: string;
  /** What the clock chip shows at start, in seconds since 1970; now when not given. */
  rtcBase?: number;
  /** The machine waits at its first instruction. */
  paused?: boolean;
}

/** True where a local server offers a cache with Linux in it. */
export async function cacheOffered(): Promise<boolean> {
  // A static host has no such folder; asking only servers of this machine keeps its console clean.
  if (!/^(localhost|127\.|\[::1\])/.test(location.hostname)) return false;
  try {
    const answer = await fetch("guests/manifest.json");
    if (!answer.ok) return false;
    const { files } = (await answer.json()) as { files?: Readonly<Record<string, unknown>> };
    return Object.hasOwn(files ?? {}, "linux-amd64/bzImage");
  } catch {
    return false;
  }
}

async function load(name: string): Promise<{ name: string; bytes: Uint8Array }> {
  const answer = await fetch(`guests/${name}`);
  if (!answer.ok) throw new VitrineError("load", name, "is not in the local cache", "run `npm run guests`, or drop files here");
  return { name, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

const common = (options: BootOptions) => ({
  accel: options.accel ?? ("tcg" as const), ramSize: (options.memory ?? 256) << 20, cpus: options.cpus ?? 1,
  rtcBase: options.rtcBase ?? Math.floor(Date.now() / 1000), paused: options.paused ?? false,
});

/** Fetches a guest's files and says how to start it. */
export async function configOf(name: string, options: BootOptions): Promise<GuestConfig> {
  const entry = allGuests.find((g) => g.name === name);
  if (!entry) throw new VitrineError("config", "guest", name, `choose one of ${allGuests.map((g) => g.name).join(", ")}`);
  if (entry.embedded) {
    const own = { memory: embeddedMiB, ...options, cpus: Math.max(entry.cpus ?? 1, options.cpus ?? 1), ...(entry.accel ? { accel: entry.accel } : {}) };
    // The sources and the assembler come when a guest of ours is started.
    const { assembleGuest } = await import("../../guests/build.ts"),
      kernel = { name, bytes: assembleGuest(entry.embedded).bytes };
    return { ...common(own), name, cpu: options.cpu ?? entry.cpu, append: options.append ?? "", kernel, vga: entry.vga };
  }
  const { kernel, initrd, bios, vgaBios } = entry.files;
  const files = await Promise.all([kernel, initrd, bios, vgaBios].map((f) => (f ? load(f) : undefined)));
  return {
    ...common(options), name, cpu: options.cpu ?? entry.cpu, append: [entry.append, options.append].filter(Boolean).join(" "),
    kernel: files[0], initrd: files[1], bios: files[2], vgaBios: files[3], vga: entry.vga,
  };
}

/** Sorts dropped files by what they hold: gzip or cpio is an initrd, anything else a kernel. */
export async function configOfFiles(list: readonly File[], options: BootOptions): Promise<GuestConfig> {
  const files = await Promise.all(list.map(async (f) => ({ name: f.name, bytes: new Uint8Array(await f.arrayBuffer()) })));
  const isInitrd = ({ bytes: b }: { bytes: Uint8Array }) =>
    (b[0] === 0x1f && b[1] === 0x8b) || new TextDecoder("latin1").decode(b.subarray(0, 5)) === "07070";
  const kernel = files.find((f) => !isInitrd(f));
  if (!kernel) throw new VitrineError("load", list.map((f) => f.name).join(", "), "holds no kernel", "drop a kernel, with or without its initrd");
  return {
    ...common(options), name: kernel.name, cpu: options.cpu ?? "qemu64", append: options.append ?? console,
    kernel, initrd: files.find(isInitrd),
  };
}
