import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assembleGuest } from "../../guests/build.ts";
import { parseCpu } from "../isa/index.ts";
import { parseParams } from "../kvm/uapi.ts";
import { KvmAccel, Machine, userMemorySize } from "./public.ts";

const MIB = 1 << 20;
const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const ramSize = 4 * MIB;

/** Four processors that lock, count and interrupt one another: each has a stack, all write the same counters. */
async function four(silicon: "intel" | "amd", modprobe: Record<string, string>, more: { hostCpus: number; dirtyRing?: number }) {
  const vm = await KvmAccel.create({
    ...{ module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64"), cpus: 4, silicon },
    ...{ params: parseParams(new Map(Object.entries(modprobe)), silicon), ...more },
  });
  const kernel = { name: "four-cpus", bytes: assembleGuest("four-cpus").bytes };
  return { vm, machine: new Machine(vm, { ramSize, cpus: 4, kernel, noReboot: true, onSerial: () => {} }) };
}
/** A copy of all pages of RAM. */
function copy(vm: KvmAccel): Buffer {
  const bytes = Buffer.alloc(ramSize);
  for (let page = 0; page < ramSize / 4096; page++) vm.userMemory.readPage(page, bytes.subarray(page * 4096, (page + 1) * 4096));
  return bytes;
}

test.each([
  ["page-modification logging", "intel", {}, {}],
  ["a dirty ring behind page-modification logging", "intel", {}, { dirtyRing: 1024 }],
  ["a dirty ring by write protection", "intel", { "kvm_intel.pml": "0" }, { dirtyRing: 256 }],
  ["a dirty ring on SVM", "amd", {}, { dirtyRing: 256 }],
] as const)("what four vCPUs write, each on its own processor of the host or all on one, is in the log: %s", async (_, silicon, modprobe, more) => {
  for (const hostCpus of [4, 1]) {
    const { vm, machine } = await four(silicon, modprobe, { hostCpus, ...more });
    machine.run(150_000);
    vm.setDirtyLog(true);
    let before = copy(vm),
      changed = 0;
    const writers = new Set<number>();
    for (const vcpu of vm.vcpus) {
      const ring = vcpu.dirtyRing,
        push = ring?.push.bind(ring);
      if (ring && push)
        ring.push = (slot, page) => {
          writers.add(vcpu.id);
          push(slot, page);
        };
    }
    for (let t = 300_000; t <= 2_400_000; t += 300_000) {
      machine.run(t);
      const log = vm.dirtyLog(),
        now = copy(vm);
      for (let page = 0; page < ramSize / 4096; page++) {
        if (now.compare(before, page * 4096, (page + 1) * 4096, page * 4096, (page + 1) * 4096) === 0) continue;
        changed++;
        expect([t, page, ((log[page >>> 3] ?? 0) >> (page & 7)) & 1]).toEqual([t, page, 1]);
      }
      before = now;
    }
    expect(changed).toBeGreaterThan(10);
    // Each has written into the ring of its own.
    if ("dirtyRing" in more) expect([...writers].sort()).toEqual([0, 1, 2, 3]);
  }
}, 120_000);
