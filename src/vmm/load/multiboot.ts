import { loadElf32Segments } from "./elf.ts";
import {
  cString,
  flatStart,
  hex,
  ImageReader,
  type LoadInput,
  LoadError,
  mebibytes,
  type StartState,
  topOfRam,
} from "./image.ts";

/*
 * Multiboot 1 (Multiboot Specification 0.6.96). Header within the first 8 KiB, dword aligned:
 *   0 magic 1BADB002 | 4 flags | 8 checksum | 12 header_addr | 16 load_addr | 20 load_end | 24 bss_end | 28 entry
 * Information block: 0 flags | 4 mem_lower | 8 mem_upper | 16 cmdline | 20 mods_count | 24 mods_addr
 *   | 44 mmap_length | 48 mmap_addr | 64 boot_loader_name
 */
const headerMagic = 0x1badb002;
const bootMagic = 0x2badb002n;
const searchLimit = 8192;
const Flag = { addresses: 0x10000, unsupported: 0xfff8 } as const;
const Info = { memory: 1, commandLine: 4, modules: 8, memoryMap: 0x40, loaderName: 0x200 } as const;
const infoAddress = 0x9000;
/** Strings, the module list and the memory map follow the block, below the EBDA. */
const infoLimit = 0x9f000;
/** A kernel that begins less than this above the block's usual place gets the block behind its end. */
const infoRoom = 0x4000;

/** Offset of the multiboot header, or -1. */
export function findMultibootHeader(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 12 <= Math.min(bytes.length, searchLimit); at += 4) {
    if (view.getUint32(at, true) !== headerMagic) continue;
    const sum = headerMagic + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 0x100000000 === 0) return at;
  }
  return -1;
}

export function loadMultiboot(input: LoadInput, header: number): StartState {
  const image = new ImageReader(input.kernel);
  const flags = image.u32(header + 4, "multiboot flags");
  if (flags & Flag.unsupported) {
    throw image.error(
      `asks for multiboot features ${hex(flags & 0xffff)} at offset ${hex(header + 4)}`,
      "only memory map, modules and page alignment are offered",
    );
  }
  const top = Math.min(topOfRam(input.e820), input.memory.size);
  const { entry, first, end } =
    flags & Flag.addresses
      ? loadByAddresses(image, input, header, top)
      : loadElf32Segments(image, input.memory, top);
  const info = placeInformation(first, end);
  writeInformation(input, info, end, top);
  return flatStart(input.memory, "multiboot", entry, { rax: bootMagic, rbx: BigInt(info.at) });
}

/** The addresses in the header itself ("a.out kludge"). */
function loadByAddresses(image: ImageReader, input: LoadInput, header: number, top: number) {
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((o) =>
    image.u32(header + o, "multiboot addresses"),
  ) as [number, number, number, number, number];
  const start = header - (headerAddress - loadAddress);
  if (loadAddress > headerAddress || start < 0) {
    throw image.error(
      `load_addr ${hex(loadAddress)} and header_addr ${hex(headerAddress)} do not fit offset ${hex(header)}`,
    );
  }
  const length = loadEnd === 0 ? image.bytes.length - start : loadEnd - loadAddress;
  const bytes = image.slice(start, length, "load_addr to load_end_addr");
  const end = Math.max(loadAddress + length, bssEnd);
  if (end > top) throw image.error(`needs memory up to ${hex(end)}`, `give at least -m ${mebibytes(end)}`);
  input.memory.write(loadAddress, bytes);
  if (bssEnd > loadAddress + length)
    input.memory.write(loadAddress + length, new Uint8Array(bssEnd - loadAddress - length));
  return { entry, first: loadAddress, end };
}

/** Where the block goes and how far it may reach: never into the kernel, which may itself lie in low memory. */
function placeInformation(first: number, end: number): { at: number; limit: number } {
  if (end <= infoAddress) return { at: infoAddress, limit: infoLimit };
  if (first >= infoAddress + infoRoom) return { at: infoAddress, limit: Math.min(first, infoLimit) };
  return { at: end + ((4096 - (end % 4096)) % 4096), limit: infoLimit };
}

function writeInformation(
  input: LoadInput,
  info: { at: number; limit: number },
  kernelEnd: number,
  top: number,
): void {
  const { memory } = input;
  let next = info.at + 128;
  const put = (bytes: Uint8Array): number => {
    const at = next;
    if (at + bytes.length > info.limit)
      throw new LoadError("-append", "leaves no room below 636 KiB", "shorten the command lines, or link the kernel elsewhere");
    memory.write(at, bytes);
    next = (at + bytes.length + 3) & ~3;
    return at;
  };
  const modules =
    input.modules ?? (input.initrd ? [{ image: input.initrd, commandLine: input.initrd.name }] : []);
  let free = Math.max(kernelEnd, 0x100000);
  const list = modules.map(({ image, commandLine }) => {
    const at = free + ((4096 - (free % 4096)) % 4096);
    free = at + image.bytes.length;
    if (free > top)
      throw new LoadError(
        image.name,
        "does not fit behind the kernel",
        `give at least -m ${mebibytes(free)}`,
      );
    memory.write(at, image.bytes);
    return [at, free, put(cString(commandLine)), 0];
  });
  const map = new DataView(new ArrayBuffer(24 * input.e820.length));
  input.e820.forEach((e, i) => {
    map.setUint32(24 * i, 20, true);
    map.setBigUint64(24 * i + 4, BigInt(e.base), true);
    map.setBigUint64(24 * i + 12, BigInt(e.size), true);
    map.setUint32(24 * i + 20, e.type, true);
  });
  const low = input.e820.find((e) => e.base === 0)?.size ?? 0;
  const block = new Uint32Array(32);
  block[0] = Info.memory | Info.commandLine | Info.modules | Info.memoryMap | Info.loaderName;
  block[1] = low >>> 10;
  block[2] = (topOfRam(input.e820) - 0x100000) / 1024;
  block[4] = put(cString(input.append ? `${input.kernel.name} ${input.append}` : input.kernel.name));
  block[5] = list.length;
  block[6] = put(new Uint8Array(new Uint32Array(list.flat()).buffer));
  block[11] = map.byteLength;
  block[12] = put(new Uint8Array(map.buffer));
  block[16] = put(cString("vitrine"));
  memory.write(info.at, new Uint8Array(block.buffer));
}
