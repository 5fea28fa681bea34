import type { GuestMemory } from "../memory.ts";
import { hex, type ImageReader, mebibytes } from "./image.ts";

/*
 * ELF program headers (System V ABI, "Program Header").
 *   ELF32: e_entry 18h, e_phoff 1Ch, e_phentsize 2Ah, e_phnum 2Ch; entry: type, offset, vaddr, paddr, filesz, memsz, ..
 *   ELF64: e_entry 18h, e_phoff 20h, e_phentsize 36h, e_phnum 38h; entry: type, flags, offset, vaddr, paddr, filesz, ..
 */
const loadable = 1;
const note = 4;
const maxHeaders = 128;

export interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly virtual: number;
  readonly physical: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** The program headers of a little-endian x86 ELF file of either class. */
export function readProgramHeaders(image: ImageReader): {
  is64: boolean;
  entry: number;
  headers: ProgramHeader[];
} {
  if (!isElf(image.bytes)) throw image.error("is no ELF file: no 7F 45 4C 46 at offset 0x0");
  const is64 = image.u8(4, "ELF class") === 2;
  const machine = image.u16(0x12, "ELF machine");
  if (image.u8(5, "ELF byte order") !== 1 || (machine !== 3 && machine !== 62)) {
    throw image.error(`is an ELF for machine ${machine} (offset 0x12)`, "give one for i386 or x86-64");
  }
  const count = image.u16(is64 ? 0x38 : 0x2c, "e_phnum");
  const size = image.u16(is64 ? 0x36 : 0x2a, "e_phentsize");
  const table = is64 ? image.u64(0x20, "e_phoff") : image.u32(0x1c, "e_phoff");
  if (count === 0 || count > maxHeaders || size < (is64 ? 56 : 32)) {
    throw image.error(`has ${count} program headers of ${size} bytes`);
  }
  const headers: ProgramHeader[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    const what = `program header ${i}`;
    headers.push(
      is64
        ? {
            type: image.u32(at, what),
            offset: image.u64(at + 8, what),
            virtual: image.u64(at + 16, what),
            physical: image.u64(at + 24, what),
            fileSize: image.u64(at + 32, what),
            memorySize: image.u64(at + 40, what),
            align: image.u64(at + 48, what),
          }
        : {
            type: image.u32(at, what),
            offset: image.u32(at + 4, what),
            virtual: image.u32(at + 8, what),
            physical: image.u32(at + 12, what),
            fileSize: image.u32(at + 16, what),
            memorySize: image.u32(at + 20, what),
            align: image.u32(at + 28, what),
          },
    );
  }
  return { is64, entry: is64 ? image.u64(0x18, "e_entry") : image.u32(0x18, "e_entry"), headers };
}

/** Copies every PT_LOAD segment to its physical address; returns the first byte above them. */
export function loadSegments(
  image: ImageReader,
  memory: GuestMemory,
  top: number,
  headers: readonly ProgramHeader[],
): number {
  let end = 0;
  for (const h of headers) {
    if (h.type !== loadable || h.memorySize === 0) continue;
    const last = h.physical + h.memorySize;
    if (!(last <= top)) {
      throw image.error(
        `a segment reaches ${hex(last)}, memory ends at ${hex(top)}`,
        Number.isFinite(last) && last < 0xc0000000
          ? `give at least -m ${mebibytes(last)}`
          : "give an intact file",
      );
    }
    if (h.fileSize > h.memorySize)
      throw image.error(`a segment has ${h.fileSize} bytes for ${h.memorySize} of memory`);
    memory.write(h.physical, image.slice(h.offset, h.fileSize, "segment"));
    if (h.memorySize > h.fileSize)
      memory.write(h.physical + h.fileSize, new Uint8Array(h.memorySize - h.fileSize));
    end = Math.max(end, last);
  }
  if (end === 0) throw image.error("has no loadable segment");
  return end;
}

/** Multiboot's way with an ELF32: segments at their physical addresses, entry as physical address. */
export function loadElf32Segments(image: ImageReader, memory: GuestMemory, top: number) {
  const { is64, entry, headers } = readProgramHeaders(image);
  if (is64)
    throw image.error(
      "is a 64-bit ELF with a multiboot header",
      "give the 32-bit one (objcopy -O elf32-i386)",
    );
  const end = loadSegments(image, memory, top, headers);
  const home = headers.find(
    (h) => h.type === loadable && entry >= h.virtual && entry < h.virtual + h.memorySize,
  );
  const first = headers.filter((h) => h.type === loadable).reduce((low, h) => Math.min(low, h.physical), end);
  return { entry: home ? entry - home.virtual + home.physical : entry, first, end };
}

/** The value of an ELF note, by owner and type, or undefined. */
export function findNote(
  image: ImageReader,
  headers: readonly ProgramHeader[],
  owner: string,
  type: number,
): Uint8Array | undefined {
  for (const h of headers) {
    if (h.type !== note) continue;
    const align = h.align === 8 ? 8 : 4;
    const up = (n: number) => n + ((align - (n % align)) % align);
    for (let at = h.offset; at + 12 <= h.offset + h.fileSize; ) {
      const nameSize = image.u32(at, "note");
      const valueSize = image.u32(at + 4, "note");
      const valueAt = up(at + 12 + nameSize);
      const name = new TextDecoder("latin1").decode(image.slice(at + 12, nameSize, "note name"));
      if (name === `${owner}\0` && image.u32(at + 8, "note") === type)
        return image.slice(valueAt, valueSize, "note value");
      at = up(valueAt + valueSize);
    }
  }
  return undefined;
}
