import { compareCrc } from "./crc32.ts";
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
import { writeScreenInfo } from "./videomode.ts";

/*
 * Linux bzImage by the 32-bit boot protocol (Linux kernel documentation, "The Linux/x86 Boot Protocol").
 * Header fields we read, by file offset:
 *   1F1 setup_sects | 1F4 syssize (16-byte units) | 1FE AA55 | 202 "HdrS" | 206 version | 20E kernel_version
 *   211 loadflags | 214 code32_start | 22C initrd_addr_max | 234 relocatable | 238 cmdline_size
 *   248 payload_offset | 24C payload_length | 258 pref_address | 260 init_size
 * Zero page fields we write besides the header:
 *   000 screen_info | 070 acpi_rsdp_addr | 1E0 alt_mem_k | 1E8 e820_entries | 2D0 e820_table
 */
const signature = 0x53726448;
const zeroPage = 0x10000;
const commandLine = 0x20000;
const commandLineRoom = 0x10000;
const loadAddress = 0x100000;
const loadedHigh = 1;
const minimumVersion = 0x0202;
const maxE820 = 128;
/** Types of loader: unassigned, no version. */
const loaderType = 0xff;

export function isBzImage(bytes: Uint8Array): boolean {
  return (
    bytes.length > 0x206 &&
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0x202, true) === signature
  );
}

/** Loads a bzImage with initrd and command line; ESI points to the zero page. */
export function loadBzImage(input: LoadInput): StartState {
  const image = new ImageReader(input.kernel);
  const { memory } = input;
  const version = checkHeader(image);
  const setupSize = ((image.u8(0x1f1, "setup_sects") || 4) + 1) * 512;
  const codeSize = image.u32(0x1f4, "syssize") * 16;
  checkBody(image, version, setupSize, codeSize);
  const code = image.bytes.subarray(setupSize);
  const top = Math.min(topOfRam(input.e820), memory.size);
  const end = kernelEnd(image, version, code.length);
  if (end > top) {
    throw image.error(
      `the kernel needs memory up to ${hex(end)}, the machine has ${hex(top)}`,
      `give at least -m ${mebibytes(end)}`,
    );
  }
  memory.write(loadAddress, code);
  writeZeroPage(image, input);
  writeCommandLine(image, version, input);
  if (input.initrd) placeInitrd(image, version, input, end, top);
  return flatStart(memory, "bzImage", loadAddress, { rsi: BigInt(zeroPage) });
}

function checkHeader(image: ImageReader): number {
  if (image.u16(0x1fe, "boot sector mark") !== 0xaa55) {
    throw image.error(`no boot sector mark 0xaa55 at offset 0x1fe, found ${hex(image.u16(0x1fe, "mark"))}`);
  }
  if (image.u32(0x202, "setup header") !== signature) {
    throw image.error(
      'no "HdrS" at offset 0x202',
      "give a bzImage, a multiboot kernel or an ELF with a PVH note",
    );
  }
  const version = image.u16(0x206, "protocol version");
  const text = `${version >> 8}.${(version & 0xff).toString().padStart(2, "0")}`;
  if (version < minimumVersion)
    throw image.error(`boot protocol ${text} is too old`, "give a kernel of 2.4 or later");
  if (!(image.u8(0x211, "loadflags") & loadedHigh)) {
    throw image.error("is a zImage (loadflags bit 0 at offset 0x211 is clear)", "give a bzImage");
  }
  return version;
}

function checkBody(image: ImageReader, version: number, setupSize: number, codeSize: number): void {
  const have = image.bytes.length - setupSize;
  // The last paragraph may be cut short; before 2.04 the field had 16 bits and proves nothing.
  if (have <= 0 || (version >= 0x0204 && have + 15 < codeSize)) {
    throw image.error(
      `ends at ${hex(image.bytes.length)}, its header promises ${hex(setupSize + codeSize)} (syssize at 0x1f4)`,
      "the file is cut short; fetch it again",
    );
  }
  if (version < 0x0208) return;
  const offset = image.u32(0x248, "payload_offset");
  const length = image.u32(0x24c, "payload_length");
  if (length > 0) image.slice(setupSize + offset, length, "payload");
  const found = compareCrc(image, setupSize, codeSize);
  if (found) {
    throw image.error(
      `is corrupt: the checksum over its first ${hex(setupSize + codeSize)} bytes is ${found}`,
      "fetch the file again",
    );
  }
}

/** The first byte above everything the kernel touches before it reads its memory map. */
function kernelEnd(image: ImageReader, version: number, codeLength: number): number {
  if (version < 0x020a) return loadAddress + codeLength * 4;
  const preferred = image.u64(0x258, "pref_address");
  const initSize = image.u32(0x260, "init_size");
  const base = Number.isFinite(preferred) && preferred > loadAddress ? preferred : loadAddress;
  return base + Math.max(initSize, codeLength);
}

function writeZeroPage(image: ImageReader, input: LoadInput): void {
  const { memory } = input;
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  const headerEnd = Math.min(0x202 + image.u8(0x201, "header length"), 0x290, image.bytes.length);
  page.set(image.bytes.subarray(0x1f1, headerEnd), 0x1f1);
  writeScreenInfo(view, input.picture);
  const extended = Math.max(0, (topOfRam(input.e820) - 0x100000) / 1024);
  view.setUint16(0x02, Math.min(extended, 0xfc00), true);
  view.setUint32(0x1e0, extended, true);
  if (input.rsdp) view.setBigUint64(0x70, BigInt(input.rsdp), true);
  const entries = input.e820.slice(0, maxE820);
  page[0x1e8] = entries.length;
  entries.forEach((e, i) => {
    view.setBigUint64(0x2d0 + 20 * i, BigInt(e.base), true);
    view.setBigUint64(0x2d8 + 20 * i, BigInt(e.size), true);
    view.setUint32(0x2e0 + 20 * i, e.type, true);
  });
  page[0x210] = loaderType;
  view.setUint32(0x214, loadAddress, true);
  view.setUint32(0x228, commandLine, true);
  memory.write(zeroPage, page);
}

function writeCommandLine(image: ImageReader, version: number, input: LoadInput): void {
  const bytes = cString(input.append);
  const limit = Math.min(version >= 0x0206 ? image.u32(0x238, "cmdline_size") : 255, commandLineRoom - 1);
  if (bytes.length - 1 > limit) {
    throw image.error(
      `takes a command line of ${limit} bytes, -append has ${bytes.length - 1}`,
      "shorten -append",
    );
  }
  input.memory.write(commandLine, bytes);
}

/** As high as the kernel allows, page aligned, above the kernel. */
function placeInitrd(
  image: ImageReader,
  version: number,
  input: LoadInput,
  kernelTop: number,
  ramTop: number,
): void {
  const { initrd, memory } = input;
  if (!initrd) return;
  const max = version >= 0x0203 ? image.u32(0x22c, "initrd_addr_max") : 0x37ffffff;
  const highest = Math.min(ramTop, max + 1);
  const at = highest - initrd.bytes.length - ((highest - initrd.bytes.length) % 4096);
  if (at < kernelTop) {
    throw new ImageReader(initrd).error(
      `its ${initrd.bytes.length} bytes do not fit between ${hex(kernelTop)} and ${hex(highest)}`,
      `give at least -m ${mebibytes(kernelTop + initrd.bytes.length + 4096)}`,
    );
  }
  memory.write(at, initrd.bytes);
  memory.writeU32(zeroPage + 0x218, at);
  memory.writeU32(zeroPage + 0x21c, initrd.bytes.length);
}
