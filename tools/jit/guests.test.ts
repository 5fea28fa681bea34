// Our own guests, translated from the first runs of a block on: the same hash of the whole machine as interpreted.
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { type GuestName, guestImages } from "../../guests/build.ts";
import { type Core, Jit, layout, Workshop } from "../../src/hw/index.ts";
import { parseCpu } from "../../src/isa/index.ts";
import { TcgVm } from "../../src/tcg/index.ts";
import { KvmAccel, Machine, userMemorySize } from "../../src/vmm/public.ts";

const MEMORY = 16 << 20;
const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(`../../build/${name}`, import.meta.url)));
let module: WebAssembly.Module, stencils: Uint8Array;

beforeAll(() => {
  module = new WebAssembly.Module(file("core.wasm"));
  stencils = file("stencils.bin");
});

async function hashes(name: GuestName, accel: "tcg" | "kvm", jit: boolean): Promise<{ hashes: string[]; translated: number }> {
  const settings = { module, ramSize: MEMORY, userMemory: userMemorySize(MEMORY, 0), cpu: parseCpu("qemu64,+vmx") };
  let core: Core, vm: TcgVm | KvmAccel;
  if (accel === "kvm") {
    const made = await KvmAccel.create(settings);
    vm = made;
    core = made.host.core;
  } else {
    const made = await TcgVm.create(settings);
    vm = made;
    core = made.core;
  }
  if (jit) core.jit = new Jit(core, stencils, { threshold: 20, batch: 1, maker: (memory, stencils) => new Workshop(memory, stencils) });
  const machine = new Machine(vm, { ramSize: MEMORY, kernel: { name, bytes: guestImages()[name] }, noReboot: true, rtcBase: 1e9, onSerial: () => {} });
  const list: string[] = [];
  for (const t of [200_000, 2_000_000, 20_000_000]) {
    while (vm.clock.now() < t && machine.run(t).kind === "budget");
    list.push(`${vm.clock.now()} ${machine.stateHash()}`);
  }
  return { hashes: list, translated: Number(core.u64[layout.N_TRANSLATED / 8]) };
}

test.each([["hello64", "tcg"], ["hello64", "kvm"], ["two-processes", "tcg"], ["two-processes", "kvm"], ["vmm11", "tcg"]] as const)(
  "%s on %s",
  async (name, accel) => {
    const plain = await hashes(name, accel, false), translated = await hashes(name, accel, true);
    expect(translated.hashes).toEqual(plain.hashes);
    expect(plain.translated).toBe(0);
    expect(translated.translated).toBeGreaterThan(1000);
  },
  60_000,
);
