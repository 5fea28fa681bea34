import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assemble } from "../../src/isa/index.ts";
import { engines, openMachine } from "./engines.ts";

const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const text = readFileSync(new URL("torture.asm", import.meta.url), "utf8");
/** Entries of 4 bytes: one of the directory is 4 MiB. Of 8 bytes, in PAE paging: 2 MiB, so the first two map the code. */
const narrow = { ENTRY: 4, SHIFT: 2, SLOT: 1, SECOND: 0, CONTROL: 0x10, ROOT_0: 0x200000, ROOT_1: 0x201000 };
const wide = { ENTRY: 8, SHIFT: 3, SLOT: 2, SECOND: 0x200087, CONTROL: 0x20, ROOT_0: 0x205000, ROOT_1: 0x206000 };
const times = [30_000, 100_000, 400_000];

function guest(constants: Readonly<Record<string, number>>, seed: number) {
  const lines = Object.entries({ ...constants, SEED: seed }).map(([name, value]) => `${name} equ ${value}`);
  return { name: "torture", bytes: assemble(`${lines.join("\n")}\n${text}`).bytes };
}

test.each([
  ["two-level", narrow, 1],
  ["two-level", narrow, 77],
  ["PAE", wide, 2],
  ["PAE", wide, 99],
] as const)("a guest that edits its %s tables at random is in the bare machine's state, with every entry checked", async (_, constants, seed) => {
  const found: Record<string, readonly string[]> = {};
  for (const engine of engines) {
    const checked = engine.kvm && { ...engine, kvm: { ...engine.kvm, modprobe: { ...engine.kvm.modprobe, "kvm.mmu_check": "1" } } };
    const { machine } = await openMachine(core, checked ?? engine, { ramSize: 16 << 20, kernel: guest(constants, seed), noReboot: true });
    found[engine.name] = times.map((t) => {
      expect(machine.run(t)).toMatchObject({ kind: "budget" });
      return machine.stateHash();
    });
  }
  for (const engine of engines) expect([engine.name, found[engine.name]]).toEqual([engine.name, found.bare]);
});
