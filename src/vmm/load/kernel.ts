import { isBzImage, loadBzImage } from "./bzimage.ts";
import { isElf } from "./elf.ts";
import { LoadError, type LoadInput, type NamedImage, type StartState } from "./image.ts";
import { findMultibootHeader, loadMultiboot } from "./multiboot.ts";
import { loadPvh } from "./pvh.ts";

/** Loads whatever kind of kernel the image is; anything unknown is a LoadError. */
export function loadKernel(input: LoadInput): StartState {
  const { name, bytes } = input.kernel;
  if (bytes.length === 0) throw new LoadError(name, "is empty", "give a kernel image");
  if (isBzImage(bytes)) return loadBzImage(input);
  const header = findMultibootHeader(bytes);
  // A 64-bit ELF may carry both; multiboot can only start 32-bit ones.
  const elf64 = isElf(bytes) && bytes[4] === 2;
  if (header >= 0 && !elf64) return loadMultiboot(input, header);
  if (isElf(bytes)) return loadPvh(input);
  throw new LoadError(
    name,
    'is no kernel: no "HdrS" at 0x202, no multiboot header in the first 8 KiB, no ELF',
    "give a bzImage, a multiboot kernel or an ELF with a PVH note",
  );
}

const kibibyte = 1024;
const maxFirmware = 8 * 1024 * kibibyte;

/** Checks a firmware image: a multiple of 64 KiB, at most 8 MiB. It goes to the top of the first 4 GiB. */
export function checkFirmware(image: NamedImage): void {
  const { length } = image.bytes;
  if (length === 0 || length % (64 * kibibyte) !== 0 || length > maxFirmware) {
    throw new LoadError(
      image.name,
      `is ${length} bytes long`,
      "firmware has a multiple of 65536 bytes, up to 8 MiB (such as bios-256k.bin)",
    );
  }
}

/** Refuses a VGA BIOS that no expansion ROM can be: firmware reads its length in blocks of 512 bytes. */
export function checkVgaBios({ length }: Uint8Array): void {
  if (length === 0 || length % 512 !== 0 || length > 64 * kibibyte)
    throw new LoadError("VGA BIOS", `is ${length} bytes long`, "a VGA BIOS has a multiple of 512 bytes, up to 64 KiB (such as vgabios-stdvga.bin)");
}
