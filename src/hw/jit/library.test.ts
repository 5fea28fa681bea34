// Machines of one process that run the same pages share what is translated.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Jit, layout, Workshop } from "../index.ts";
import { CODE, createCore, DATA, load, snapshot, translated } from "./fixture.ts";
import { forms } from "./forms.ts";
import { Library, type Shelved } from "./library.ts";
import type { Job, Product } from "./workshop.ts";

const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(`../../../build/${name}`, import.meta.url)));
const module = new WebAssembly.Module(file("core.wasm")), registers = { rax: 5n, rdx: 7n, rbx: 9n, rbp: 0x9000n, rsi: BigInt(DATA + 0xe00) };

async function machine(library: Library) {
  const core = await createCore(module);
  let compiled = 0;
  const jit = new Jit(core, file("stencils.bin"), {
    threshold: 4, batch: 1, library,
    maker: (memory, stencils) => {
      const workshop = new Workshop(memory, stencils);
      return { make: (job: Job): Product => { compiled++; return workshop.make(job); } };
    },
  });
  core.jit = jit;
  const run = (code: readonly number[]): string => { load(core, code, registers, true); core.exports.run(100_000); return snapshot(core).state; };
  return { core, jit, run, compiled: () => compiled };
}

test("the second machine takes every product without compiling, and runs as much of it", async () => {
  const library = new Library(), first = await machine(library), second = await machine(library);
  for (const { code } of forms.slice(0, 8)) {
    const expected = first.run(code);
    expect(second.run(code)).toBe(expected);
  }
  expect(first.compiled()).toBeGreaterThan(7);
  expect(first.jit.statistics.shared).toBe(0);
  expect([second.compiled(), second.jit.statistics.shared]).toEqual([0, first.jit.statistics.regions]);
  expect(translated(second.core)).toBe(translated(first.core));
});
test("other bytes at the same addresses are another product", async () => {
  const library = new Library(), first = await machine(library), second = await machine(library);
  // mov ecx, 300; start: add eax, N; add rsi, 4; dec ecx; jnz start; hlt
  const code = (n: number): number[] => [0xb9, 0x2c, 1, 0, 0, 0x83, 0xc0, n, 0x48, 0x83, 0xc6, 4, 0xff, 0xc9, 0x75, 0xf5, 0xf4];
  first.run(code(1));
  second.run(code(3));
  expect(second.core.u64[layout.REGS / 8]).toBe(5n + 900n);
  expect(second.jit.statistics.shared).toBe(0);
  expect(second.compiled()).toBeGreaterThan(0);
});
test("machines with a library of their own share nothing", async () => {
  const first = await machine(new Library()), second = await machine(new Library());
  expect(second.run(forms[0]!.code)).toBe(first.run(forms[0]!.code));
  expect([second.jit.statistics.shared, second.compiled()]).toEqual([0, first.compiled()]);
});
test("what is kept is bounded by number and by bytes; what was used longest ago goes", () => {
  const library = new Library(), shelved = (id: number, wasmBytes: number): Shelved => ({ module, index: 0, id, entries: new Int32Array(0), wasmBytes });
  const key = (n: number) => ({ numbers: Float64Array.of(1, CODE, n), records: new Uint8Array(32).fill(n & 255) });
  for (let i = 0; i < 6000; i++) { library.put("core", key(i), shelved(i, 100)); library.take("core", key(0)); }
  expect(library.regions).toBe(4096);
  expect(library.take("core", key(0))?.id).toBe(0);
  expect(library.take("core", key(1))).toBeUndefined();
  expect(library.take("another core", key(0))).toBeUndefined();
  for (let i = 0; i < 100; i++) library.put("core", key(i), shelved(i, 1 << 20));
  expect(library.bytes).toBeLessThanOrEqual(32 << 20);
});
