import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { engines } from "../engines/engines.ts";
import { compare, trail } from "./compare.ts";
import { fuzz, fuzzGuest } from "./harness.ts";
import { core, testWild } from "./short.ts";

testWild(["svm-vtlb", "svm-cached", "vmx-ept", "svm-npt"]);

test("the guest assembles to nasm's bytes", () => {
  const nasm = readFileSync(new URL("../../guests/nasm.txt", import.meta.url), "utf8");
  expect(nasm).toContain(`fuzz ${createHash("sha256").update(fuzzGuest()).digest("hex")}\n`);
});

test("the same seed is the same run, another one another", { timeout: 300_000 }, async () => {
  const [engine] = engines;
  if (!engine) throw new Error("no engine");
  const run = async (seed: number) => (await fuzz(core, engine, { mode: "wild", seed, instructions: 500_000 })).hash;
  const first = await run(7);
  expect(await run(7)).toBe(first);
  expect(await run(8)).not.toBe(first);
});

test.each([3])("where the manuals leave nothing open every engine comes to the same end, seed %i", { timeout: 300_000 }, async (seed) => {
  const found: Record<string, string> = {};
  for (const engine of engines) {
    const r = await fuzz(core, engine, { mode: "comparable", seed, instructions: 500_000 });
    expect([engine.name, r.wrong]).toEqual([engine.name, []]);
    found[engine.name] = r.hash;
  }
  for (const engine of engines) expect([engine.name, found[engine.name]]).toEqual([engine.name, found.bare]);
});

test("engines are compared slice by slice; a difference that is none when the slice is cut is said to be so", { timeout: 300_000 }, async () => {
  const [bare, engine] = ["bare", "vmx-ept"].map((name) => engines.find((e) => e.name === name));
  if (!bare || !engine) throw new Error("no engine");
  const ends = await trail(core, bare, 3, 300_000);
  expect(ends.length).toBeGreaterThan(2);
  expect(await compare(core, [bare, engine], 3, ends)).toEqual([]);
  expect(await compare(core, [bare, engine], 3, [...ends.slice(0, 1), "another"])).toEqual(["gone when the slice is cut so"]);
});
