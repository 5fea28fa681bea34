import { existsSync, readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { Machine, type MachineOptions, userMemorySize } from "./public.ts";

const cache = new URL("../../guests/cache/", import.meta.url);
const file = (path: string) => new URL(path, cache);
const image = (path: string) => ({ name: path, bytes: new Uint8Array(readFileSync(file(path))) });
/** Debian's kernels and SeaBIOS come from a mirror; where none was reachable there is nothing to boot. */
const have = (path: string) => existsSync(file(path));

let core: WebAssembly.Module;
beforeAll(() => {
  core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
});

/** Runs until the serial port has shown `text` or t reaches `limit`; returns what it showed. */
async function boot(options: MachineOptions, cpu: string, text: string, limit: number): Promise<{ serial: string; t: number }> {
  const vm = await TcgVm.create({
    module: core, ramSize: options.ramSize, userMemory: userMemorySize(options.ramSize, options.bios?.bytes.length ?? 0), cpu: parseCpu(cpu),
  });
  let serial = "";
  const machine = new Machine(vm, { ...options, noReboot: true, rtcBase: 1_767_225_600, onSerial: (b) => { serial += new TextDecoder("latin1").decode(b); } });
  while (vm.clock.now() < limit && !serial.includes(text)) {
    const stop = machine.run(vm.clock.now() + 10_000_000);
    if (stop.kind !== "budget") break;
  }
  return { serial, t: vm.clock.now() };
}

const linux = (arch: string): MachineOptions => ({
  ramSize: 256 * 1024 * 1024, kernel: image(`linux-${arch}/bzImage`), initrd: image(`linux-${arch}/initrd.cpio.gz`), append: "console=ttyS0 panic=-1 tsc=reliable",
});

test.runIf(have("linux-amd64/bzImage"))("Debian's amd64 kernel boots to user space on the bare CPU", async () => {
  const { serial, t } = await boot(linux("amd64"), "qemu64", "BOOTED", 3e9);
  expect(serial).toContain("Linux version 6.1");
  expect(serial).toContain("BOOTED");
  expect(serial).not.toContain("Kernel panic");
  // The instruction count of QEMU's icount for the same guest is 1.58 G.
  expect(t).toBeGreaterThan(1.4e9);
  expect(t).toBeLessThan(1.8e9);
}, 300_000);

test.runIf(have("linux-i386/bzImage"))("Debian's i386 kernel without PAE unpacks itself and finds its console on the bare CPU", async () => {
  const { serial } = await boot(linux("i386"), "pentium3", "Linux version 6.1", 4e9);
  expect(serial).toContain("Linux version 6.1");
}, 300_000);

test.runIf(have("seabios/bios-256k.bin"))("SeaBIOS starts at the reset vector and finds no bootable device", async () => {
  const { serial } = await boot({ ramSize: 64 * 1024 * 1024, bios: image("seabios/bios-256k.bin"), nographic: true }, "qemu64", "No bootable device", 2e9);
  expect(serial).toContain("SeaBIOS (version");
  expect(serial).toContain("No bootable device");
}, 120_000);
