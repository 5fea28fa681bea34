import { VitrineError } from "../../base/index.ts";
import { flatSegment, type Regs, type Segment, type Sregs, zeroRegs } from "../accel.ts";
import type { GuestMemory } from "../memory.ts";
import type { Picture } from "./videomode.ts";

/** A kernel, initrd or firmware image that cannot be started: names the file, what is wrong and where, the cure. */
export class LoadError extends VitrineError {
  constructor(file: string, problem: string, cure: string) {
    super("load", file, problem, cure);
    this.name = "LoadError";
  }
}

/** A file by the name the user gave it. */
export interface NamedImage {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One line of the BIOS memory map. Types: 1 usable, 2 reserved, 3 ACPI tables. */
export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: 1 | 2 | 3;
}

/** What every loader is given. */
export interface LoadInput {
  readonly memory: GuestMemory;
  readonly kernel: NamedImage;
  readonly initrd?: NamedImage | undefined;
  readonly append: string;
  /** Several files for multiboot, each with its own command line. */
  readonly modules?: readonly { image: NamedImage; commandLine: string }[] | undefined;
  readonly e820: readonly E820Entry[];
  readonly rsdp: number;
  /** The picture that is set, for `vga=`; text without one. */
  readonly picture?: Picture | undefined;
}

/** The state in which the first CPU starts. */
export interface StartState {
  readonly kind: "bzImage" | "multiboot" | "pvh";
  readonly entry: number;
  readonly regs: Regs;
  /** Changes over the power-on state. */
  readonly sregs: Pick<Sregs, "cs" | "ds" | "es" | "fs" | "gs" | "ss" | "tr" | "ldt" | "gdt" | "idt" | "cr0">;
}

/** Where direct boot puts its descriptor table: four descriptors, null, null, code 10h, data 18h. */
export const gdtAddress = 0x1000;
const protectedMode = 0x11n;

const taskState: Segment = {
  selector: 0,
  base: 0n,
  limit: 0x67,
  type: 11,
  s: 0,
  dpl: 0,
  present: 1,
  avl: 0,
  l: 0,
  db: 0,
  g: 0,
  unusable: 0,
};
const noLdt: Segment = { ...taskState, limit: 0xffff, type: 2 };

/**
 * Flat 32-bit protected mode with paging and interrupts off, code selector 10h, data 18h, and the descriptor table
 * behind them: what the boot protocols of Linux, multiboot and PVH all ask for.
 */
export function flatStart(
  memory: GuestMemory,
  kind: StartState["kind"],
  entry: number,
  regs: Partial<Regs>,
): StartState {
  memory.writeU64(gdtAddress, 0n);
  memory.writeU64(gdtAddress + 8, 0n);
  memory.writeU64(gdtAddress + 16, 0x00cf9b000000ffffn);
  memory.writeU64(gdtAddress + 24, 0x00cf93000000ffffn);
  const data = flatSegment(0x18, 3);
  return {
    kind,
    entry,
    regs: { ...zeroRegs(), rip: BigInt(entry), ...regs },
    sregs: {
      cs: flatSegment(0x10, 11),
      ds: data,
      es: data,
      fs: data,
      gs: data,
      ss: data,
      tr: taskState,
      ldt: noLdt,
      gdt: { base: BigInt(gdtAddress), limit: 31 },
      idt: { base: 0n, limit: 0 },
      cr0: protectedMode,
    },
  };
}

/** Bounded little-endian reads of a file; beyond its end a LoadError that says what was looked for there. */
export class ImageReader {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(image: NamedImage) {
    this.name = image.name;
    this.bytes = image.bytes;
    this.#view = new DataView(image.bytes.buffer, image.bytes.byteOffset, image.bytes.byteLength);
  }

  u8(at: number, what: string): number {
    return this.#need(at, 1, what).getUint8(at);
  }

  u16(at: number, what: string): number {
    return this.#need(at, 2, what).getUint16(at, true);
  }

  u32(at: number, what: string): number {
    return this.#need(at, 4, what).getUint32(at, true);
  }

  /** A 64-bit value as a number; values no file or memory here can hold come back as Infinity. */
  u64(at: number, what: string): number {
    const v = this.#need(at, 8, what).getBigUint64(at, true);
    return v > 0xffffffffffffn ? Infinity : Number(v);
  }

  slice(at: number, length: number, what: string): Uint8Array {
    this.#need(at, length, what);
    return this.bytes.subarray(at, at + length);
  }

  error(problem: string, cure = "give an intact file"): LoadError {
    return new LoadError(this.name, problem, cure);
  }

  #need(at: number, length: number, what: string): DataView {
    if (!(at >= 0 && length >= 0 && at + length <= this.bytes.length)) {
      throw this.error(
        `${what} at offset ${hex(at)} needs ${length} bytes, the file has ${this.bytes.length}`,
      );
    }
    return this.#view;
  }
}

export function hex(n: number): string {
  return Number.isFinite(n) ? `0x${n.toString(16)}` : "beyond 48 bits";
}

/** The bytes of a string with its terminating zero; characters above FFh are cut to their low byte as UTF-8 bytes. */
export function cString(s: string): Uint8Array {
  return new TextEncoder().encode(`${s}\0`);
}

/** Where RAM from 1 MiB up ends: the end of the usable e820 entry that begins there. */
export function topOfRam(e820: readonly E820Entry[]): number {
  const high = e820.find((e) => e.type === 1 && e.base === 0x100000);
  return high ? high.base + high.size : 0x100000;
}

export function mebibytes(bytes: number): number {
  return Number((BigInt(Math.max(bytes, 0)) + 0xfffffn) >> 20n);
}
