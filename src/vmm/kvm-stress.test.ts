// A host that swaps, moves and ages a guest's pages at random while Linux runs on it.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { parseParams } from "../kvm/uapi.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { Machine } from "./machine.ts";
import { userMemorySize } from "./layout.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const file = (name: string): URL => new URL(`../../guests/cache/linux-amd64/${name}`, import.meta.url);
const ramSize = 128 << 20, PAGE = 4096, SLICE = 500_000, END = 60_000_000;

/** Numbers that are the same on every run (xorshift). */
function dice(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

async function boot(silicon: "intel" | "amd", modprobe: Readonly<Record<string, string>>): Promise<{ machine: Machine; accel: KvmAccel }> {
  const accel = await KvmAccel.create({
    module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64,kvm=off,-hypervisor"), silicon,
    params: parseParams(new Map(Object.entries(modprobe)), silicon),
  });
  const image = (name: string) => ({ name, bytes: new Uint8Array(readFileSync(file(name))) });
  const machine = new Machine(accel, {
    ramSize, rtcBase: 1_767_225_600, kernel: image("bzImage"), initrd: image("initrd.cpio.gz"), append: "console=ttyS0",
  });
  return { machine, accel };
}

let quiet: string | undefined;
test.skipIf(!existsSync(file("bzImage"))).each([
  ["EPT", "intel", {}],
  ["nested paging", "amd", {}],
  ["shadow paging", "intel", { "kvm_intel.ept": "0" }],
] as const)("with %s Linux is at the same state whatever the host does to its pages", async (_, silicon, modprobe) => {
  if (quiet === undefined) {
    const left = await boot("intel", {});
    left.machine.run(END);
    quiet = left.machine.stateHash();
  }
  const { machine, accel } = await boot(silicon, modprobe),
    { mm } = accel.task,
    roll = dice(0x2545f491),
    done = { out: 0, moved: 0, young: 0, meanwhile: 0 };
  const somewhere = (most: number): [number, number] => {
    const pages = 1 + roll(most);
    return [accel.userAddress + roll(ramSize / PAGE - pages) * PAGE, pages * PAGE];
  };
  // Between the look-up of a page and its mapping, too, now and then.
  mm.meanwhile = (va) => {
    if (roll(50) !== 0) return;
    done.meanwhile += mm.migrate(va - (va % PAGE), PAGE);
  };
  for (let t = SLICE; t <= END; t += SLICE) {
    machine.run(t);
    for (let i = 0; i < 4; i++) {
      const [start, length] = somewhere(600);
      const what = roll(3);
      if (what === 0) done.out += mm.pageOut(start, length);
      else if (what === 1) done.moved += mm.migrate(start, length);
      else if (mm.age(start, length)) done.young++;
    }
  }
  for (const n of Object.values(done)) expect(n).toBeGreaterThan(10);
  expect(machine.stateHash()).toBe(quiet);
}, 240_000);
