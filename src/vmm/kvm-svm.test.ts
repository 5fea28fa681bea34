import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel, Machine, userMemorySize } from "./public.ts";

const cache = new URL("../../guests/cache/", import.meta.url);
const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const image = (path: string) => ({ name: path, bytes: new Uint8Array(readFileSync(new URL(path, cache))) });
const ramSize = 256 * 1024 * 1024;
const cached = existsSync(new URL("linux-amd64/bzImage", cache)) && existsSync(new URL("linux-i386/bzImage", cache));

// Guest, instructions. 260 M are past the first interrupt window and the first exception that KVM injects.
test.skipIf(!cached).each([
  ["amd64", 2.6e8],
  ["i386", 1e8],
])("Debian's %s kernel is in the same state bare and under KVM on SVM with nested paging after %d instructions", async (guest, t) => {
  const settings = { module: core, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64,kvm=off,-hypervisor") };
  const hashes: string[] = [];
  for (const vm of [await TcgVm.create(settings), await KvmAccel.create({ ...settings, silicon: "amd" })]) {
    const machine = new Machine(vm, {
      ramSize,
      kernel: image(`linux-${guest}/bzImage`),
      initrd: image(`linux-${guest}/initrd.cpio.gz`),
      append: "console=ttyS0 panic=-1 tsc=reliable",
      rtcBase: 1_704_067_200,
      noReboot: true,
    });
    machine.run(t);
    hashes.push(machine.stateHash());
  }
  expect(hashes[1]).toBe(hashes[0]);
}, 120_000);
