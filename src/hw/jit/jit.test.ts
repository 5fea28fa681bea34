// Translated code cannot be told from the interpreter: registers, lazy flags, clock and memory, whatever the budget.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Core, Jit, layout, serve, Workshop } from "../index.ts";
import { CODE, createCore, DATA, load, snapshot, translated } from "./fixture.ts";
import { type Form, forms } from "./forms.ts";
import type { Product } from "./workshop.ts";

const PLENTY = 100_000;
const registers = { rax: 0x123456789abcdef0n, rdx: 0xfedcba9876543210n, rbx: 0x55aa55aa12345678n, rbp: 0x9000n, rsi: BigInt(DATA + 0xe00) };
const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(`../../../build/${name}`, import.meta.url)));
let plain: Core, core: Core, jit: Jit;

beforeAll(async () => {
  const module = new WebAssembly.Module(file("core.wasm"));
  plain = await createCore(module);
  core = await createCore(module);
  jit = new Jit(core, file("stencils.bin"), { threshold: 4, batch: 1, maker: (memory, stencils) => new Workshop(memory, stencils) });
  core.jit = jit;
});

function run(on: Core, form: Form, budget: number, hole: boolean): ReturnType<typeof snapshot> {
  load(on, form.code, registers, hole);
  on.exports.run(budget);
  return snapshot(on);
}
/** Both engines, and how much of it ran translated. */
function both(form: Form, budget: number, hole: boolean): number {
  const expected = run(plain, form, budget, hole), before = translated(core), found = run(core, form, budget, hole);
  expect(found.state, `${form.name}, ${budget}`).toBe(expected.state);
  expect(Buffer.compare(found.ram, expected.ram), `${form.name}, ${budget}: memory`).toBe(0);
  return (translated(core) - before) / Math.max(1, core.exports.clock());
}

describe.each(forms)("$name", (form) => {
  test("the same registers, lazy flags, clock and memory", () => { both(form, PLENTY, false); });
  test("the same when a page is mapped by the #PF handler in mid-loop", () => { both(form, PLENTY, true); });
  test("a budget of N instructions stops after exactly N", () => {
    for (let budget = 1; budget < 160; budget += 7) both(form, budget, false);
  });
});

test("what is compared did run translated: most of every form that leaves its code alone", () => {
  for (const form of forms.filter((f) => !/its own code|cpuid/i.test(f.name))) expect(both(form, PLENTY, false), form.name).toBeGreaterThan(0.6);
});
test("at a page fault the frame, CR2 and every register are those of the interpreter", () => {
  const form = forms[0] as Form;
  let seen = false;
  for (let budget = 630; budget < 650; budget++) {
    both(form, budget, true);
    seen ||= core.u64[layout.CR2 / 8] === BigInt(DATA + 0x1000);
  }
  expect(seen).toBe(true);
});
test("code that changes under a region is not run any more", () => {
  // mov ecx, 300; start: add eax, 1; add rsi, 4; dec ecx; jnz start; hlt
  const code = [0xb9, 0x2c, 1, 0, 0, 0x83, 0xc0, 1, 0x48, 0x83, 0xc6, 4, 0xff, 0xc9, 0x75, 0xf5, 0xf4];
  for (const on of [plain, core]) {
    load(on, code, { rax: 0n });
    on.exports.run(401);
    const before = Number(on.u64[layout.REGS / 8]);
    on.exports.written(layout.RAM + CODE + 7, 1);
    on.u8[layout.RAM + CODE + 7] = 3; // add eax, 3
    on.exports.run(400);
    expect(Number(on.u64[layout.REGS / 8]) - before).toBe(300);
  }
  expect(jit.statistics.dropped).toBeGreaterThan(0);
});
test("where nothing can be compiled the interpreter has it all", async () => {
  const alone = await createCore(new WebAssembly.Module(file("core.wasm"))), { Module } = WebAssembly, form = forms[0] as Form;
  const refusing = new Jit(alone, file("stencils.bin"), { threshold: 4, batch: 1, library: false, maker: (memory, stencils) => new Workshop(memory, stencils) });
  try {
    WebAssembly.Module = class { constructor() { throw new RangeError("too large to compile here"); } } as unknown as typeof Module;
    expect(run(alone, form, PLENTY, true).state).toBe(run(plain, form, PLENTY, true).state);
  } finally {
    WebAssembly.Module = Module;
  }
  expect(refusing.failure).toBe("too large to compile here");
  expect(translated(alone)).toBe(0);
});
test("the code cache is bounded: regions that were dropped give their table slots back", () => {
  const table = core.exports.table, form = forms[0] as Form;
  run(core, form, PLENTY, false);
  const size = table.length;
  for (let i = 0; i < 50; i++) run(core, form, 2000, false);
  expect(table.length).toBeLessThanOrEqual(size + 4);
});
test("stencils that belong to another core are not used", async () => {
  const other = await createCore(new WebAssembly.Module(file("core.wasm"))), form = forms[0] as Form;
  other.digest = "of another";
  const refusing = new Jit(other, file("stencils.bin"), { threshold: 4, batch: 1, maker: (memory, stencils) => new Workshop(memory, stencils) });
  expect(run(other, form, PLENTY, true).state).toBe(run(plain, form, PLENTY, true).state);
  expect(refusing.failure).toBe("stencils.bin belongs to another core");
  expect(translated(other)).toBe(0);
});
describe("with a workshop elsewhere", () => {
  async function started() {
    const beside = await createCore(new WebAssembly.Module(file("core.wasm"))), answer = serve(), products: Product[] = [];
    let arrived: (product: Product) => void = () => {};
    const made = new Jit(beside, file("stencils.bin"), {
      threshold: 4, batch: 1, library: false,
      workshop: {
        post: (message) => { const product = answer(structuredClone(message)); if (product) products.push(product); },
        listen: (take) => { arrived = take; },
      },
    });
    return { beside, made, products, arrive: () => { for (const product of products.splice(0)) arrived(product); } };
  }
  // mov ecx, 300; start: add eax, 1; add rsi, 4; dec ecx; jnz start; hlt
  const code = [0xb9, 0x2c, 1, 0, 0, 0x83, 0xc0, 1, 0x48, 0x83, 0xc6, 4, 0xff, 0xc9, 0x75, 0xf5, 0xf4];
  test("the interpreter goes on until the product arrives, then its regions run", async () => {
    const { beside, made, products, arrive } = await started();
    load(beside, code, { rax: 0n });
    beside.exports.run(401);
    expect(products.length).toBeGreaterThan(0);
    expect([made.statistics.regions, translated(beside)]).toEqual([0, 0]);
    arrive();
    beside.exports.run(400);
    expect(made.statistics.regions).toBeGreaterThan(0);
    expect(translated(beside)).toBeGreaterThan(300);
    expect(beside.u64[layout.REGS / 8]).toBe(200n);
  });
  test("a product whose block has died is thrown away", async () => {
    const { beside, made, arrive } = await started();
    load(beside, code, { rax: 0n });
    beside.exports.run(401);
    beside.exports.written(layout.RAM + CODE + 7, 1);
    beside.u8[layout.RAM + CODE + 7] = 3; // add eax, 3
    arrive();
    beside.exports.run(400);
    expect([made.statistics.regions, made.statistics.late > 0]).toEqual([0, true]);
    expect(beside.u64[layout.REGS / 8]).toBe(400n);
  });
});
