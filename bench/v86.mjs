// node bench/v86.mjs KERNEL INITRD APPEND MEGABYTES FIRMWARE-FOLDER jit|nojit: boots a guest in v86, its serial
// port on standard output.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { V86 } from "v86";

const [kernel, initrd, cmdline, megabytes, firmware, jit] = process.argv.slice(2);

async function image(path) {
  const bytes = await readFile(path);
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) };
}

const machine = new V86({
  wasm_path: createRequire(import.meta.url).resolve("v86/build/v86.wasm"),
  bios: await image(join(firmware, "bios.bin")),
  vga_bios: await image(join(firmware, "vgabios-stdvga.bin")),
  bzimage: await image(kernel),
  initrd: await image(initrd),
  cmdline,
  memory_size: Number(megabytes) * 2 ** 20,
  disable_jit: jit === "nojit",
  autostart: true,
});
machine.add_listener("serial0-output-byte", (byte) => process.stdout.write(Uint8Array.of(byte)));
