// `vga=` on the command line of a kernel that is started without firmware.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseCpu } from "../../isa/index.ts";
import { TcgVm } from "../../tcg/index.ts";
import { KvmAccel } from "../accel-kvm.ts";
import { Monitor } from "../devices/monitor.ts";
import { type Display, userMemorySize } from "../layout.ts";
import { Machine } from "../machine.ts";
import { LoadError } from "./image.ts";
import { videoMode } from "./videomode.ts";

test("the last vga= counts, in decimal or hexadecimal; text needs no mode", () => {
  expect(videoMode("console=tty0 vga=0x317")).toEqual({ width: 1024, height: 768, depth: 16 });
  expect(videoMode("vga=normal vga=788")).toEqual({ width: 800, height: 600, depth: 16 });
  expect(videoMode("vga=0x342 quiet")).toEqual({ width: 640, height: 480, depth: 32 });
  for (const text of ["", "quiet", "svga=0x317", "vga=normal", "vga=0xf00"]) expect(videoMode(text)).toBeUndefined();
});

test.each(["vga=0x399", "vga=", "vga=ask", "vga=-1", "vga=1e2", `vga=${"9".repeat(400)}`])("%s is refused, and the modes there are named", (text) => {
  expect(() => videoMode(text)).toThrow(LoadError);
  expect(() => videoMode(text)).toThrow(/choose one of 0x301,/);
});

const kernel = new URL("../../../guests/cache/linux-i386/bzImage", import.meta.url);
/** The kernel comes from a mirror; the loader needs a real one. */
describe.runIf(existsSync(kernel))("with Debian's i386 kernel", () => {
  const module = new WebAssembly.Module(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));
  const ramSize = 64 << 20;

  async function load(kind: "tcg" | "kvm", vga: Display, append: string) {
    const settings = { module, ramSize, userMemory: userMemorySize(ramSize, 0, vga), cpu: parseCpu("pentium3") };
    const accel = kind === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
    const machine = new Machine(accel, { ramSize, vga, append, kernel: { name: "bzImage", bytes: new Uint8Array(readFileSync(kernel)) } });
    const page = new DataView(new ArrayBuffer(64));
    accel.memory.read(0x10000, new Uint8Array(page.buffer));
    return { machine, accel, page };
  }

  test.each(["tcg", "kvm"] as const)("%s: screen_info tells of the picture that the display shows", async (kind) => {
    const { machine, accel, page } = await load(kind, "std", "vga=0x317");
    expect(page.getUint8(0xf)).toBe(0x23);
    expect([0x12, 0x14, 0x16, 0x24].map((at) => page.getUint16(at, true))).toEqual([1024, 768, 16, 2048]);
    expect([page.getUint32(0x18, true), page.getUint32(0x1c, true)]).toEqual([0xfd000000, 256]);
    expect([...new Uint8Array(page.buffer, 0x26, 8)]).toEqual([5, 11, 6, 5, 5, 0, 0, 0]);
    // What is written at the address that the kernel is told appears on the screen.
    const monitor = new Monitor(machine.vga, machine.stdVga?.vbe);
    accel.memory.write(page.getUint32(0x18, true) + 2048, Uint8Array.of(0x00, 0xf8));
    const shown = monitor.look(true);
    if (shown?.kind !== "picture") throw new Error(`no picture: ${shown?.kind}`);
    expect([shown.width, shown.height]).toEqual([1024, 768]);
    const pixels = shown.bands.flatMap((band) => [...new Uint32Array(band.pixels.buffer, 0, 2048)]);
    expect([pixels[1023], pixels[1024], pixels[1025]].map((p) => (p ?? 0) & 0xffffff)).toEqual([0, 0x0000ff, 0]);
  });

  test("a display that has no pictures stays text, whatever is asked", async () => {
    const { page } = await load("tcg", "isa", "vga=0x317");
    expect([page.getUint8(6), page.getUint8(0xf), page.getUint16(0x12, true)]).toEqual([3, 1, 0]);
  });
});
