import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guestImages } from "../../guests/build.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { parseParams } from "../kvm/uapi.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel, Machine, type MachineOptions, userMemorySize } from "./public.ts";

const MIB = 1 << 20;
const cache = new URL("../../guests/cache/", import.meta.url);
const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const image = (path: string) => ({ name: path, bytes: new Uint8Array(readFileSync(new URL(path, cache))) });
const cached = existsSync(new URL("linux-amd64/bzImage", cache)) && existsSync(new URL("linux-i386/bzImage", cache));

/** Every way to run a guest without a second stage. */
const engines = ["vtlb", "cached"].flatMap((mmu) => [
  { name: `VT-x, ${mmu}`, silicon: "intel", modprobe: { "kvm_intel.ept": "0", "kvm.mmu": mmu } } as const,
  { name: `SVM, ${mmu}`, silicon: "amd", modprobe: { "kvm_amd.npt": "0", "kvm.mmu": mmu } } as const,
]);
type Engine = (typeof engines)[number];

async function open(options: MachineOptions, engine?: Engine): Promise<Machine> {
  const { ramSize } = options;
  const settings = { module: core, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64,kvm=off,-hypervisor") };
  const vm = engine
    ? await KvmAccel.create({
        ...settings,
        silicon: engine.silicon,
        params: parseParams(new Map(Object.entries(engine.modprobe)), engine.silicon),
      })
    : await TcgVm.create(settings);
  return new Machine(vm, { rtcBase: 1_704_067_200, noReboot: true, ...options });
}
async function hashes(options: MachineOptions, times: readonly number[], engine?: Engine): Promise<string[]> {
  const machine = await open(options, engine);
  return times.map((t) => {
    machine.run(t);
    return machine.stateHash();
  });
}

/** Address spaces in long mode and with two-level tables; a timer interrupt switches between them. */
test.each(["hello64", "two-processes"] as const)("%s is in the bare machine's state at every checkpoint, however its tables are shadowed", async (name) => {
  const options = { ramSize: 16 * MIB, kernel: { name, bytes: guestImages()[name] } },
    times = [20_000, 200_000, 2_000_000, 20_000_000],
    bare = await hashes(options, times);
  for (const engine of engines) expect([engine.name, ...(await hashes(options, times, engine))]).toEqual([engine.name, ...bare]);
});

/** Needs `npm run guests`; `npm run engines` goes on to the end of the boot. */
test.skipIf(!cached).each([
  ["amd64", [4e7, 1.2e8]],
  ["i386", [1e8]],
])("Debian's %s kernel is in the bare machine's state after %j instructions, however its tables are shadowed", async (guest, times) => {
  const options = {
    ramSize: 256 * MIB,
    kernel: image(`linux-${guest}/bzImage`),
    initrd: image(`linux-${guest}/initrd.cpio.gz`),
    append: "console=ttyS0 panic=-1 tsc=reliable",
  };
  const bare = await hashes(options, times);
  for (const engine of engines) expect([engine.name, ...(await hashes(options, times, engine))]).toEqual([engine.name, ...bare]);
}, 120_000);

/**
 * Two read-only 4 MiB pages show one memory; the tables lie there, so that both are shadowed in small pages. The supervisor,
 * with CR0.WP 0, reads through the second, writes through the first, then through the second.
 */
const twoViews = assemble(`bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
DIRECTORY equ 0x200000
start:
  mov dword [DIRECTORY], 0x83
  mov dword [DIRECTORY+4], 0x81
  mov dword [DIRECTORY+8], 0x81
  mov eax, 0x10
  mov cr4, eax
  mov eax, DIRECTORY
  mov cr3, eax
  mov eax, 0x80000011
  mov cr0, eax
  mov bl, [0xaf0000]
  mov [0x6f0000], bl
  mov eax, [DIRECTORY+8]
  mov [0xaf0000], bl
  mov edx, [DIRECTORY+8]
  cli
  hlt
image_end:
`).bytes;
test("a write sets the dirty flag of the large page that it goes through, not of another one on the same memory", async () => {
  for (const engine of [undefined, ...engines]) {
    const machine = await open({ ramSize: 16 * MIB, kernel: { name: "two-views", bytes: twoViews } }, engine);
    machine.run(1000);
    const { rax, rdx } = machine.accel.regs();
    expect([engine?.name, rax, rdx]).toEqual([engine?.name, 0xa1n, 0xe1n]);
  }
});

test.each(engines)("$name: a state that comes back finds no shadow of the memory before it", async (engine) => {
  const machine = await open({ ramSize: 16 * MIB, kernel: { name: "hello64", bytes: guestImages().hello64 } }, engine),
    { userMemory } = machine.accel;
  machine.run(15_000);
  const before = machine.save(),
    pages = Array.from({ length: userMemory.pages }, (_, page) => {
      const bytes = new Uint8Array(4096);
      return userMemory.readPage(page, bytes) ? bytes : null;
    });
  machine.run(2_000_000);
  const hash = machine.stateHash();
  machine.run(8_000_000);
  pages.forEach((bytes, page) => {
    userMemory.writePage(page, bytes);
  });
  machine.restore(before);
  machine.run(2_000_000);
  expect(machine.stateHash()).toBe(hash);
});

/** It locks, sends interprocessor interrupts, and changes a page that the others have cached: they print what they then see. */
test.each(engines)("$name: four vCPUs share the shadow tables, on one and on four processors of the host", async ({ silicon, modprobe }) => {
  for (const hostCpus of [1, 4]) {
    const ramSize = 16 * MIB,
      params = parseParams(new Map(Object.entries(modprobe)), silicon);
    const vm = await KvmAccel.create({
      ...{ module: core, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64") },
      ...{ silicon, params, cpus: 4, hostCpus },
    });
    let serial = "";
    const machine = new Machine(vm, {
      ramSize,
      cpus: 4,
      kernel: { name: "four-cpus", bytes: guestImages()["four-cpus"] },
      noReboot: true,
      onSerial: (bytes) => {
        serial += new TextDecoder("latin1").decode(bytes);
      },
    });
    expect(machine.run(1e9)).toMatchObject({ kind: "exit", status: 1 });
    expect(serial).toContain("locked counter: 40000\r\n");
    expect(serial).toContain("page after: BBBB\r\n");
    expect(serial).toContain("the end\r\n");
  }
});
