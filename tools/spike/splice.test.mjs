// The claim of docs/jit.md: translated code made from the interpreter's own bodies cannot be told from the interpreter.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { layout } from "../../src/hw/index.ts";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { forms } from "./forms.ts";
import { blockAt, CODE, createCore, DATA, instantiate, load, runMixed, snapshot } from "./guest.ts";
import { buildStencils } from "./stencils.mjs";
import { translate } from "./translate.ts";
import { readLibrary } from "./wasm.ts";

const registers = {
  rax: 0x123456789abcdef0n,
  rdx: 0xfedcba9876543210n,
  rbx: 0x55aa55aa12345678n,
  rbp: 0x9000n,
  rsi: BigInt(DATA + 0xe00),
};
const LOOP = CODE + 5; // behind mov ecx, 300
const PLENTY = 100_000;
let core, library;

/** Decode a form by running its first two rounds; returns the block of the loop. */
function decode(form) {
  load(core, form.code, registers);
  core.exports.run(25);
  return blockAt(core, LOOP);
}
function casesOf(block) {
  return [...Array(core.u32[block / 4]).keys()].map((i) => core.u32[block / 4 + 8 + i * 4] & 0xffff);
}
/** Cases of every block that the forms reach: those are the stencils to compile. */
function neededCases() {
  const needed = new Set();
  for (const form of forms) {
    decode(form);
    for (let pa = CODE; pa < CODE + form.code.length; pa++) {
      const block = blockAt(core, pa);
      if (block !== 0) for (const n of casesOf(block)) needed.add(n);
    }
  }
  return needed;
}
function interpreted(form, budget, hole) {
  load(core, form.code, registers, hole);
  core.exports.run(budget);
  return snapshot(core);
}
function spliced(form, budget, hole, inLocals) {
  const region = translate(core, library, decode(form), { inLocals }),
    run = instantiate(core, region);
  load(core, form.code, registers, hole);
  core.exports.run(0);
  const translated = runMixed(core, region, run, budget);
  return { ...snapshot(core), translated };
}

beforeAll(async () => {
  await buildCore();
  core = await createCore(new WebAssembly.Module(readFileSync(at("build/core.wasm"))));
  const needed = neededCases();
  library = readLibrary(readFileSync(await buildStencils("forms", (c) => needed.has(c.number))));
}, 300_000);

describe.each([
  { inLocals: true, where: "locals" },
  { inLocals: false, where: "memory" },
])("state in $where", ({ inLocals }) => {
  test.each(forms)("$name: the same registers, lazy flags, clock and memory", (form) => {
    const expected = interpreted(form, PLENTY, false),
      { state, ram } = spliced(form, PLENTY, false, inLocals);
    expect(state).toBe(expected.state);
    expect(Buffer.compare(ram, expected.ram)).toBe(0);
  });
  test.each(forms)("$name: the same when a page is mapped by the #PF handler in mid-loop", (form) => {
    const expected = interpreted(form, PLENTY, true),
      { state, ram } = spliced(form, PLENTY, true, inLocals);
    expect(state).toBe(expected.state);
    expect(Buffer.compare(ram, expected.ram)).toBe(0);
  });
});

test("what is compared did run translated: at least four fifths of every form that leaves its code alone", () => {
  for (const form of forms.filter((f) => !f.name.includes("its own code"))) {
    const { translated } = spliced(form, PLENTY, false, true);
    expect(translated / core.exports.clock(), form.name).toBeGreaterThan(0.8);
  }
});
test("a budget of N instructions stops after exactly N in both engines", () => {
  for (const form of forms) {
    for (let budget = 1; budget < 40; budget += 3) {
      const expected = interpreted(form, budget, false);
      expect(`${form.name} ${budget} ${spliced(form, budget, false, true).state}`).toBe(
        `${form.name} ${budget} ${expected.state}`,
      );
    }
  }
});
test("at a page fault the frame, CR2 and every register are those of the interpreter", () => {
  const form = forms[0];
  // The fault is in round 128; the handler's first instruction is the 642nd or so: look at each around it.
  let seen = false;
  for (let budget = 630; budget < 650; budget++) {
    const expected = interpreted(form, budget, true),
      found = spliced(form, budget, true, true);
    seen ||= core.u64[layout.CR2 / 8] === BigInt(DATA + 0x1000);
    expect(found.state).toBe(expected.state);
    expect(Buffer.compare(found.ram, expected.ram)).toBe(0);
  }
  expect(seen).toBe(true);
});
