import { findNote, loadSegments, readProgramHeaders } from "./elf.ts";
import {
  cString,
  flatStart,
  hex,
  ImageReader,
  type LoadInput,
  mebibytes,
  type StartState,
  topOfRam,
} from "./image.ts";

/*
 * PVH direct boot (Xen documentation, "x86/HVM direct boot ABI"): an ELF whose note Xen/18 is the 32-bit entry.
 * hvm_start_info, version 1:
 *   0 magic 336EC578 | 4 version | 8 flags | C nr_modules | 10 modlist (8) | 18 cmdline (8) | 20 rsdp (8)
 *   28 memmap (8) | 30 memmap_entries | 34 0
 * Module: address (8), size (8), cmdline (8), 0 (8). Memory map: address (8), size (8), type (4), 0 (4).
 */
const entryNote = 18;
const startMagic = 0x336ec578n;
const startInfo = 0x6000;
const moduleList = 0x6040;
const memoryMap = 0x6080;
const commandLine = 0x20000;
const commandLineRoom = 0x10000;

export function loadPvh(input: LoadInput): StartState {
  const image = new ImageReader(input.kernel);
  const { memory } = input;
  const { headers } = readProgramHeaders(image);
  const value = findNote(image, headers, "Xen", entryNote);
  if (!value || value.length < 4) {
    throw image.error(
      "is an ELF without a PVH note (Xen, type 18)",
      "give the bzImage, or build vmlinux with CONFIG_PVH=y",
    );
  }
  const entry = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  const top = Math.min(topOfRam(input.e820), memory.size);
  const end = loadSegments(image, memory, top, headers);
  const text = cString(input.append);
  if (text.length > commandLineRoom)
    throw image.error("-append is too long", `give at most ${commandLineRoom - 1} bytes`);
  memory.write(commandLine, text);
  if (input.initrd) placeInitrd(input, end, top);
  input.e820.forEach((e, i) => {
    memory.writeU64(memoryMap + 24 * i, BigInt(e.base));
    memory.writeU64(memoryMap + 24 * i + 8, BigInt(e.size));
    memory.writeU64(memoryMap + 24 * i + 16, BigInt(e.type));
  });
  const words = [
    startMagic | (1n << 32n),
    input.initrd ? 1n << 32n : 0n,
    input.initrd ? BigInt(moduleList) : 0n,
    BigInt(commandLine),
    BigInt(input.rsdp),
    BigInt(memoryMap),
    BigInt(input.e820.length),
  ];
  words.forEach((word, i) => {
    memory.writeU64(startInfo + 8 * i, word);
  });
  return flatStart(memory, "pvh", entry, { rbx: BigInt(startInfo) });
}

function placeInitrd(input: LoadInput, kernelEnd: number, top: number): void {
  const { initrd, memory } = input;
  if (!initrd) return;
  const at = top - initrd.bytes.length - ((top - initrd.bytes.length) % 4096);
  if (at < kernelEnd) {
    throw new ImageReader(initrd).error(
      `does not fit between ${hex(kernelEnd)} and ${hex(top)}`,
      `give at least -m ${mebibytes(kernelEnd + initrd.bytes.length + 4096)}`,
    );
  }
  memory.write(at, initrd.bytes);
  [BigInt(at), BigInt(initrd.bytes.length), 0n, 0n].forEach((w, i) => {
    memory.writeU64(moduleList + 8 * i, w);
  });
}
