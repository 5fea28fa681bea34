// Random instructions against a real processor (fixtures/README.md). SILICON=<pattern> limits the files run,
// SILICON_TABLE=1 prints every form instead of the failing ones.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { firstDifference } from "./fixtures/compare.ts";
import { fixtureNames, readFixture, report, score } from "./fixtures/files.ts";
import type { OneStep } from "./fixtures/load.ts";
import { arithmeticFlags, expected } from "./fixtures/reference.ts";

const names = fixtureNames();
const pattern = new RegExp(process.env.SILICON ?? ".");

/** src/hw/cpu/one-step.ts binds the compiled core to the cases: `export function createOneStep(): Promise<OneStep>`. */
const binding = new URL("./one-step.ts", import.meta.url);
const bound = existsSync(fileURLToPath(binding));

test("the fixtures hold at least 400 instruction forms, and every family in every mode it has", () => {
  const forms = new Set(names.flatMap((n) => readFixture(n).forms.map((f) => f.name)));
  expect(forms.size).toBeGreaterThan(400);
  expect(names).toEqual([
    "fault-16",
    "fault-32",
    "fault-64",
    "integer-16",
    "integer-32",
    "integer-64",
    "mmx-32",
    "mmx-64",
    "sse-32",
    "sse-64",
    "x87-16",
    "x87-32",
    "x87-64",
  ]);
  for (const mode of [64, 32, 16]) {
    expect(
      readFixture(`integer-${mode}`)
        .forms.filter((f) => f.cases < 20)
        .map((f) => f.name),
    ).toEqual([]);
  }
});

test.each(["integer-64", "integer-32", "integer-16"])(
  "%s agrees with plain arithmetic where that is known",
  (name) => {
    let checked = 0;
    for (const c of readFixture(name).cases()) {
      const e = expected(c);
      if (!e) continue;
      checked++;
      const shown = `${c.form.name} case ${c.index}`,
        compared = arithmeticFlags & ~c.flagsIgnored;
      expect(`${shown} ${c.want.gpr[e.register]!.toString(16)}`).toBe(`${shown} ${e.value.toString(16)}`);
      expect(`${shown} ${(c.want.rflags & compared).toString(16)}`).toBe(
        `${shown} ${(e.flags & compared).toString(16)}`,
      );
    }
    expect(checked).toBeGreaterThan(500);
  },
);

test.each(names)("%s holds consistent outcomes, and each equals itself", (name) => {
  for (const c of readFixture(name).cases()) {
    const { want } = c,
      shown = `${c.form.name} case ${c.index}`;
    if (firstDifference(c, want) !== null) throw new Error(`${shown} differs from itself`);
    if ((want.rflags & 0x202) !== 0x202) throw new Error(`${shown} loses a fixed flag`);
    if (want.vector === 14 && (want.errorCode & 4) === 0) throw new Error(`${shown}: not a user fault`);
    const trap = want.vector === 3 || want.vector === 4;
    if (want.vector >= 0 && !trap && want.rip !== c.rip) throw new Error(`${shown}: a fault moved RIP`);
    if (c.mode === 64 ? want.rip >> 64n : want.rip >> 32n) throw new Error(`${shown}: RIP is too wide`);
  }
  expect(readFixture(name).forms.length).toBeGreaterThan(50);
});

test("a wrong register, flag, vector or byte of memory is reported by name", () => {
  const c = readFixture("integer-64").cases().next().value!;
  const w = c.want,
    gpr = w.gpr.slice(),
    memory = w.memory.slice();
  gpr[3]! ^= 1n;
  memory[5]! ^= 1;
  expect(firstDifference(c, { ...w, gpr })?.field).toBe("rbx");
  expect(firstDifference(c, { ...w, rflags: w.rflags ^ 1 })?.field).toBe("rflags");
  expect(firstDifference(c, { ...w, vector: 6 })?.field).toBe("vector");
  expect(firstDifference(c, { ...w, memory })?.field).toContain("memory 10000005");
  expect(firstDifference(c, { ...w, rflags: w.rflags ^ 0x10100 })).toBeNull();
});

test("the runner counts by form and names the first difference", () => {
  const idle: OneStep = { run: (c) => ({ ...c.want, rip: c.rip }) };
  const scores = score(readFixture("fault-64"), idle);
  const nop = scores.find((s) => s.name === "fifteen bytes")!;
  expect(nop.failed).toBe(12);
  expect(nop.first).toMatch(/^case 0 \[66 66 .* 90\] rip: want [0-9a-f]+, got [0-9a-f]+$/);
  expect(report("fault-64", scores, false)).toContain("fifteen bytes: 0 passed, 12 failed");
});

if (bound) {
  const { createOneStep } = (await import(/* @vite-ignore */ binding.href)) as {
    createOneStep: () => Promise<OneStep>;
  };
  const cpu = await createOneStep();
  test.each(names.filter((n) => pattern.test(n)))(
    "%s: the core does what the processor did",
    (name) => {
      const scores = score(readFixture(name), cpu);
      console.log(report(name, scores, process.env.SILICON_TABLE === "1"));
      expect(scores.filter((s) => s.failed).map((s) => s.name)).toEqual([]);
    },
    300_000,
  );
}
