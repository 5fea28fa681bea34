import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { differences, engines, guestPresent, hashes, open } from "./engines.ts";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const core = new WebAssembly.Module(readFileSync(`${root}/build/core.wasm`));

/** A short form of `npm run engines`. */
test.for([
  ["hello64", 0.04],
  ["two-processes", 0.02],
  ["seabios", 0.02],
  ["linux-amd64", 0.03],
  ["linux-i386", 0.03],
] as const)("every engine runs %s to the state of the bare machine, to %d G", { timeout: 120_000 }, async ([guest, end], { skip }) => {
  if (!guestPresent(root, guest)) skip("needs `npm run guests`");
  const times = [0.25, 0.5, 0.75, 1].map((part) => Math.round(part * end * 1e9));
  let bare: readonly string[] | undefined;
  for (const engine of engines) {
    const run = await hashes(root, core, engine, guest, times);
    bare ??= run.hashes;
    expect([engine.name, run.hashes]).toEqual([engine.name, bare]);
  }
});

test("a difference is told with its name or address and both values", async () => {
  const machines = await Promise.all(engines.slice(0, 2).map((engine) => open(root, core, engine, "hello64"))),
    [a, b] = machines;
  if (!a || !b) throw new Error("two engines");
  for (const { machine } of machines) machine.run(100_000);
  expect(differences(a, b, 10)).toEqual([]);
  b.vm.userMemory.writePage(0x300, new Uint8Array(4096).fill(1));
  b.vm.setRegs({ ...b.vm.regs(), rbx: 0x1234n });
  expect(differences(a, b, 2)).toEqual([
    `rbx: 0x${a.vm.regs().rbx.toString(16)} and 0x1234`,
    "memory 300000: 0 and 101010101010101",
  ]);
});
