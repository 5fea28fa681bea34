// Windows and modes of the standard VGA, as its registers and the memory behind them show them.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assembleGuest } from "../../guests/build.ts";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { Monitor, type ScreenUpdate } from "./devices/monitor.ts";
import { userMemorySize } from "./layout.ts";
import { Machine } from "./machine.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const ramSize = 16 << 20, LFB = 0xfd000000, WINDOW = 0xa0000;

async function open(kind: "tcg" | "kvm", display: "std" | "none" = "std") {
  const settings = { module, ramSize, userMemory: userMemorySize(ramSize, 0, display), cpu: parseCpu("qemu64") };
  const accel = kind === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  const machine = new Machine(accel, { ramSize, vga: display, kernel: { name: "picture", bytes: assembleGuest("picture").bytes } });
  const { bus } = machine;
  const dispi = (index: number, value: number): void => {
    bus.portWrite(0x1ce, 2, index);
    bus.portWrite(0x1cf, 2, value);
  };
  const dispiRead = (index: number): number => {
    bus.portWrite(0x1ce, 2, index);
    return bus.portRead(0x1d0, 2);
  };
  const vga = (port: number, index: number, value: number): void => {
    bus.portWrite(port, 1, index);
    bus.portWrite(port + 1, 1, value);
  };
  const mode = (width: number, height: number, depth: number): void => {
    for (const [i, v] of [[4, 0], [1, width], [2, height], [3, depth], [4, 0x41]] as const) dispi(i, v);
  };
  const byte = (gpa: number): number => {
    const into = new Uint8Array(1);
    accel.memory.read(gpa, into);
    return into[0] ?? 0;
  };
  const poke = (gpa: number, ...bytes: number[]): void => accel.memory.write(gpa, Uint8Array.from(bytes));
  return { machine, accel, bus, dispi, dispiRead, vga, mode, byte, poke, monitor: new Monitor(machine.vga, machine.stdVga?.vbe) };
}
type Picture = Extract<ScreenUpdate, { kind: "picture" }>;
const pixel = (update: ScreenUpdate | undefined, x: number): number =>
  new Uint32Array((update as Picture).bands[0]?.pixels.buffer ?? new ArrayBuffer(4))[x] ?? -1;

describe.each(["tcg", "kvm"] as const)("on %s", (kind) => {
  test("the window shows the bank of video memory that is chosen, and the end of the mode takes it away", async () => {
    const m = await open(kind);
    m.mode(800, 600, 32);
    for (const [bank, value] of [[0, 0x11], [1, 0x22], [255, 0x33]] as const) {
      m.dispi(5, bank);
      m.poke(WINDOW + 5, value);
      expect([m.byte(LFB + bank * 65536 + 5), m.byte(WINDOW + 5)]).toEqual([value, value]);
    }
    // There are 256 banks.
    m.dispi(5, 257);
    expect([m.dispiRead(5), m.byte(WINDOW + 5)]).toEqual([1, 0x22]);
    m.machine.reset();
    expect(m.byte(WINDOW + 5)).toBe(0xff);
  });

  test("mode 13h is video memory in the window, 320 by 200 through the palette", async () => {
    const m = await open(kind);
    for (const [i, v] of [[2, 15], [4, 14]] as const) m.vga(0x3c4, i, v);
    for (const [i, v] of [[5, 0x40], [6, 5]] as const) m.vga(0x3ce, i, v);
    m.vga(0x3d4, 0x11, 0x0e);
    for (const [i, v] of [[1, 0x4f], [7, 0x1f], [9, 0x41], [0x12, 0x8f], [0x13, 0x28]] as const) m.vga(0x3d4, i, v);
    m.bus.portWrite(0x3c8, 1, 7);
    for (const v of [63, 32, 0]) m.bus.portWrite(0x3c9, 1, v);
    m.monitor.look(true);
    m.poke(WINDOW + 3, 7);
    const update = m.monitor.look(true);
    expect(update).toMatchObject({ kind: "picture", width: 320, height: 200, format: "256 colours, chain-4" });
    expect(pixel(update, 3)).toBe(0xff0082ff);
    // With a plane masked the window is a device: a byte's plane is in its address.
    m.vga(0x3c4, 2, 0b0101);
    for (let i = 0; i < 4; i++) m.bus.mmioWrite(WINDOW + 8 + i, 1, 9n);
    expect([0, 1, 2, 3].map((i) => Number(m.bus.mmioRead(WINDOW + 8 + i, 1)))).toEqual([9, 0, 9, 0]);
    expect([0, 1, 2, 3].map((i) => m.byte(LFB + 8 + i))).toEqual([9, 0, 9, 0]);
  });

  test("planes of sixteen colours trap and mark themselves", async () => {
    const m = await open(kind);
    for (const [i, v] of [[2, 15], [4, 6]] as const) m.vga(0x3c4, i, v);
    for (const [i, v] of [[5, 0], [6, 5]] as const) m.vga(0x3ce, i, v);
    m.vga(0x3d4, 0x11, 0x0e);
    for (const [i, v] of [[1, 0x4f], [7, 0x3e], [9, 0x40], [0x12, 0xdf], [0x13, 0x28]] as const) m.vga(0x3d4, i, v);
    m.bus.portWrite(0x3c8, 1, 5);
    for (const v of [63, 63, 63]) m.bus.portWrite(0x3c9, 1, v);
    expect(m.monitor.look(true)).toMatchObject({ width: 640, height: 480, format: "16 colours in planes" });
    expect(m.monitor.look(false)).toBeUndefined();
    m.vga(0x3c4, 2, 0b0101);
    m.monitor.look(false);
    m.bus.mmioWrite(WINDOW, 1, 0x40n);
    const update = m.monitor.look(false);
    expect([pixel(update, 0), pixel(update, 1), pixel(update, 2)]).toEqual([0xff000000, 0xffffffff, 0xff000000]);
  });
});

test("what a guest asks for that cannot be shown becomes what can", async () => {
  const m = await open("tcg");
  m.mode(60000, 60000, 77);
  expect([1, 2, 3, 6].map(m.dispiRead)).toEqual([2560, 1600, 8, 2560]);
  m.dispi(6, 65535);
  m.dispi(8, 65535);
  m.dispi(9, 65535);
  expect(m.monitor.look(true)).toMatchObject({ kind: "picture", width: 2560 });
  // All that a mode could be at random: the picture lies in video memory.
  let x = 1;
  const roll = (below: number): number => {
    x = (x * 1103515245 + 12345) % 2 ** 31;
    return x % below;
  };
  for (let i = 0; i < 500; i++) {
    m.dispi(roll(11), roll(2) ? roll(65536) : roll(64));
    const g = m.machine.stdVga?.vbe.geometry();
    if (!g) continue;
    expect(g.width * Math.ceil(g.depth / 8)).toBeLessThanOrEqual(g.pitch);
    expect(g.start + (g.height - 1) * g.pitch + g.width * Math.ceil(g.depth / 8)).toBeLessThanOrEqual(16 << 20);
  }
  m.monitor.look(true);
  expect([m.dispiRead(0), m.dispiRead(10)]).toEqual([0xb0c5, 256]);
  m.dispi(4, 3);
  expect([1, 2, 3].map(m.dispiRead)).toEqual([2560, 1600, 32]);
});

test("the registers are also in memory, where BAR 2 says; without the display nothing answers", async () => {
  const m = await open("tcg");
  m.mode(640, 480, 32);
  const at = 0xfebe0000;
  expect([m.bus.mmioRead(at + 0x500, 2), m.bus.mmioRead(at + 0x502, 2), m.bus.mmioRead(at + 0x600, 4), m.bus.mmioRead(at + 0x604, 4), m.bus.mmioRead(at, 4)])
    .toEqual([0xb0c5, 640, 8, 0x1e1e1e1e, 0]);
  m.bus.mmioWrite(at + 0x50a, 2, 3n);
  expect(m.dispiRead(5)).toBe(3);
  m.bus.mmioWrite(at + 0x414, 1, 0x0fn); // 3D4h: CRTC index
  expect(m.bus.portRead(0x3d4, 1)).toBe(0x0f);
  const none = await open("tcg", "none");
  expect([none.bus.portRead(0x3d4, 1), none.bus.portRead(0x1ce, 2), none.bus.mmioRead(0xb8000, 2)]).toEqual([0xff, 0xffff, 0xffff]);
});
