// What a guest's registers can ask of the devices' memory, and must not get. Found by `npm run fuzz:guest`.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { userMemorySize } from "./layout.ts";
import { LoadError } from "./load/image.ts";
import { Machine } from "./machine.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const MIB = 1 << 20;
const accels = ["bare", "kvm"] as const;

async function open(accel: (typeof accels)[number]) {
  const settings = { module, ramSize: 8 * MIB, userMemory: userMemorySize(8 * MIB, 0, "std"), cpu: parseCpu("qemu64") },
    vm = accel === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  return { vm, machine: new Machine(vm, { ramSize: 8 * MIB, vga: "std", vgaBios: new Uint8Array(4096).fill(0x55), pciTestdev: true }) };
}
const byte = (vm: TcgVm | KvmAccel, gpa: number): number => {
  const bytes = new Uint8Array(1);
  vm.memory.read(gpa, bytes);
  return bytes[0] ?? 0;
};

test.each(accels)("%s: a base address that RAM has hides the window, and RAM stays", async (accel) => {
  const { vm, machine } = await open(accel),
    { bus } = machine;
  const config = (register: number, value: number): void => {
    bus.portWrite(0xcf8, 4, (0x80000000 | (2 << 11) | register) >>> 0);
    bus.portWrite(0xcfc, 4, value >>> 0);
  };
  vm.memory.write(0x300000, Uint8Array.of(0x77));
  config(4, 3);
  // 0; over the end of RAM; behind it; in the way of the other window; the end of the hole.
  for (const at of [0, 0x100000, 0x7fffff, 0x800000, 0x1000000, 0xfd000000, 0xfe000000, 0xff000000, 0xffffffff]) {
    config(0x10, at);
    for (const rom of [0, 0x300001, 0x1000001, 0xfd000001, 0xfdff0001, 0xfebf0001, 0xffff0001]) config(0x30, rom);
    expect(byte(vm, 0x300000)).toBe(0x77);
  }
  config(0x10, 0x1000000);
  vm.memory.write(0x1000010, Uint8Array.of(0x12));
  expect(byte(vm, 0x1000010)).toBe(0x12);
  machine.reset();
  expect(machine.run(vm.clock.now() + 1000)).toMatchObject({ kind: expect.stringMatching(/budget|shutdown/) });
});

test.each(accels)("%s: the last bank of video memory ends where the memory ends", async (accel) => {
  const { machine } = await open(accel),
    { bus } = machine;
  const vbe = (index: number, value: number): void => {
    bus.portWrite(0x1ce, 2, index);
    bus.portWrite(0x1d0, 2, value);
  };
  vbe(3, 8);
  vbe(4, 0xc1);
  vbe(5, 0xff);
  // A window of 128 KiB in chain-4 whose writes are no plain moves.
  const set = (port: number, index: number, value: number): void => {
    bus.portWrite(port, 1, index);
    bus.portWrite(port + 1, 1, value);
  };
  set(0x3c4, 4, 8);
  set(0x3ce, 6, 1);
  set(0x3c4, 2, 3);
  bus.mmioWrite(0xa0000, 4, 0x44332211n);
  bus.mmioWrite(0xb0000, 4, 0x44332211n);
  expect(Number(bus.mmioRead(0xa0000, 4)) & 0xffff).toBe(0x2211);
  expect(Number(bus.mmioRead(0xb0000, 4))).toBe(0xffffffff);
});

test.each([0, 1, 511, 65535, 65536 * 3 + 1, 9 * MIB])("firmware of %i bytes is refused by a typed error", async (length) => {
  const vm = await TcgVm.create({ module, ramSize: 8 * MIB, userMemory: userMemorySize(8 * MIB, 16 * MIB), cpu: parseCpu("qemu64") });
  expect(() => new Machine(vm, { ramSize: 8 * MIB, bios: { name: "bios.bin", bytes: new Uint8Array(length) } })).toThrow(LoadError);
});

test.each([0, 1, 511, 513, 65537, 66048])("a VGA BIOS of %i bytes is refused by a typed error", async (length) => {
  const vm = await TcgVm.create({ module, ramSize: 8 * MIB, userMemory: userMemorySize(8 * MIB, 0, "std"), cpu: parseCpu("qemu64") });
  expect(() => new Machine(vm, { ramSize: 8 * MIB, vga: "std", vgaBios: new Uint8Array(length) })).toThrow(LoadError);
});
