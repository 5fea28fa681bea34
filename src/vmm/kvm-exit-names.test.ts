import { expect, test } from "vitest";
import { svmExits } from "../isa/svm-exits.ts";
import { testMachine } from "./fixtures/dirtier.ts";
import { EXIT_KINDS, exitNames } from "../kvm/exit-names.ts";
import { KvmAccel } from "./public.ts";

test("every exit code of SVM is counted apart and has the manual's name", () => {
  const { index, name } = exitNames.amd;
  expect(svmExits.map(({ code }) => name(index(code)))).toEqual(svmExits.map((e) => e.name));
  expect(svmExits.map(({ code }) => name(code))).toEqual(svmExits.map((e) => e.name));
  expect(new Set(svmExits.map(({ code }) => index(code))).size).toBe(svmExits.length);
  for (const { code } of svmExits) expect(index(code)).toBeLessThan(EXIT_KINDS);
});

test.each([
  ["intel", "EPT_VIOLATION", "NPF"],
  ["amd", "NPF", "EPT_VIOLATION"],
] as const)("exits on %s are counted by that vendor's names", async (silicon, theirs, others) => {
  const { vm, runTo } = await testMachine({ accel: "kvm", silicon });
  runTo(20_000);
  const by = vm instanceof KvmAccel ? vm.stats.byReason() : {};
  expect(by[theirs]).toBeGreaterThan(0);
  expect(by).not.toHaveProperty(others);
});
