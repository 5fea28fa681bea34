import type { GuestMemory } from "../memory.ts";
import { readBytes } from "../memory.ts";
import { ascii } from "./aml.ts";

/*
 * The linker script of QEMU's fw_cfg file etc/table-loader: entries of 128 bytes, little endian; names take 56.
 *   1 ALLOCATE      file | align (4) | zone (1): 1 high memory, 2 F segment
 *   2 ADD_POINTER   file | pointee file | offset (4) | size (1)
 *   3 ADD_CHECKSUM  file | offset (4) | start (4) | length (4)
 */
export type Command =
  | { kind: "allocate"; file: string; align: number; zone: "high" | "fseg" }
  | { kind: "pointer"; file: string; target: string; offset: number; size: 4 }
  | { kind: "checksum"; file: string; offset: number; start: number; length: number };

const entrySize = 128;
const nameSize = 56;

/** Collects commands and orders them: space first, then pointers, then checksums over the finished bytes. */
export class Script {
  readonly #commands: Command[] = [];

  allocate(file: string, align: number, zone: "high" | "fseg"): void {
    this.#commands.push({ kind: "allocate", file, align, zone });
  }

  pointer(file: string, target: string, offset: number, size: 4): void {
    this.#commands.push({ kind: "pointer", file, target, offset, size });
  }

  checksum(file: string, offset: number, start: number, length: number): void {
    this.#commands.push({ kind: "checksum", file, offset, start, length });
  }

  commands(): Command[] {
    const rank = { allocate: 0, pointer: 1, checksum: 2 };
    return [...this.#commands].sort((a, b) => rank[a.kind] - rank[b.kind]);
  }
}

/** The script as firmware reads it. */
export function encodeScript(commands: readonly Command[]): Uint8Array {
  const bytes = new Uint8Array(commands.length * entrySize);
  const view = new DataView(bytes.buffer);
  commands.forEach((c, i) => {
    const at = i * entrySize;
    bytes.set(ascii(c.file), at + 4);
    const rest = at + 4 + nameSize;
    if (c.kind === "allocate") {
      view.setUint32(at, 1, true);
      view.setUint32(rest, c.align, true);
      view.setUint8(rest + 4, c.zone === "high" ? 1 : 2);
    } else if (c.kind === "pointer") {
      view.setUint32(at, 2, true);
      bytes.set(ascii(c.target), rest);
      view.setUint32(rest + nameSize, c.offset, true);
      view.setUint8(rest + nameSize + 4, c.size);
    } else {
      view.setUint32(at, 3, true);
      view.setUint32(rest, c.offset, true);
      view.setUint32(rest + 4, c.start, true);
      view.setUint32(rest + 8, c.length, true);
    }
  });
  return bytes;
}

/** Does what firmware would: places the files from `base` up, in order, and runs the script. Returns addresses. */
export function runScript(
  commands: readonly Command[],
  files: ReadonlyMap<string, Uint8Array>,
  memory: GuestMemory,
  base: number,
): Map<string, number> {
  const where = new Map<string, number>();
  let next = base;
  for (const c of commands) {
    if (c.kind === "allocate") {
      const at = next + ((c.align - (next % c.align)) % c.align);
      const bytes = files.get(c.file) ?? new Uint8Array(0);
      memory.write(at, bytes);
      where.set(c.file, at);
      next = at + bytes.length;
    } else if (c.kind === "pointer") {
      const at = (where.get(c.file) ?? 0) + c.offset;
      memory.writeU32(at, memory.readU32(at) + (where.get(c.target) ?? 0));
    } else {
      const at = where.get(c.file) ?? 0;
      memory.writeU8(at + c.offset, 0);
      const sum = readBytes(memory, at + c.start, c.length).reduce((a, b) => a + b, 0);
      memory.writeU8(at + c.offset, -sum & 0xff);
    }
  }
  return where;
}
