import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { type Fixtures, readFixtures } from "./oracle/blocks.ts";
import { compareBlock, type Library, omitted, type Tally } from "./oracle/compare.ts";
import { compileLibrary } from "./oracle/compile.ts";

let fixtures: Fixtures;
let library: Library;

beforeAll(async () => {
  const packed = readFileSync(new URL("./oracle/silicon.bin.br", import.meta.url));
  fixtures = readFixtures(brotliDecompressSync(packed));
  const instance = await compileLibrary(fileURLToPath(new URL("./oracle/library.ts", import.meta.url)));
  library = instance.exports as unknown as Library;
}, 120_000);

function compare(choose: (name: string) => boolean): Tally {
  const tally: Tally = { cases: 0, failures: [], failed: 0, offByOne: 0 };
  for (const block of fixtures.blocks) {
    if (choose(block.name)) compareBlock(fixtures, block, library, tally, omitted);
  }
  return tally;
}

const isLane = (name: string): boolean => /^(d\.|s\.|si2)/.test(name);
const isTranscendental = (name: string): boolean => /^~?(f2xm1|sin|cos|tan|patan|yl2x|yl2xp1)$/.test(name);

test("SSE lanes give the silicon's bits and exceptions in every case", () => {
  const tally = compare(isLane);
  expect(tally.failures).toEqual([]);
  expect(tally.cases).toBe(2515770);
}, 300_000);

test("x87 arithmetic and conversions give the silicon's bits, exceptions and C1 in every case", () => {
  const tally = compare((name) => !isLane(name) && !isTranscendental(name));
  expect(tally.failures).toEqual([]);
  expect(tally.cases).toBe(1642471);
}, 300_000);

test("transcendental functions are within one unit in the last place of the silicon", () => {
  const tally = compare(isTranscendental);
  expect(tally.failures).toEqual([]);
  expect(tally.cases).toBe(31960);
  expect(tally.offByOne).toBe(453);
}, 300_000);
