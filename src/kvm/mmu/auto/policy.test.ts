import { expect, test } from "vitest";
import type { PagingWork } from "./account.ts";
import { PagingPolicy, WINDOW } from "./policy.ts";

const nothing: PagingWork = { tlbMisses: 0, references: 0, faults: 0, exits: 0, writes: 0 };
/** What a million instructions do under the second stage, and under shadow tables. */
const misses = { stage2: { ...nothing, tlbMisses: 50_000, references: 950_000 }, shadow: { ...nothing, tlbMisses: 50_000, references: 200_000 } };
const forks = {
  stage2: { ...nothing, tlbMisses: 3_000, references: 57_000 },
  shadow: { ...nothing, tlbMisses: 3_000, references: 12_000, faults: 700, exits: 1_400 },
};

const scaled = (w: PagingWork, by: number): PagingWork => ({
  tlbMisses: w.tlbMisses * by,
  references: w.references * by,
  faults: w.faults * by,
  exits: w.exits * by,
  writes: w.writes * by,
});
/** Decisions in order; answers what is in force behind each. */
function run(policy: PagingPolicy, windows: number, work: { stage2: PagingWork; shadow: PagingWork }, paged = true): string {
  let told = "";
  for (let i = 0; i < windows; i++) {
    const done = scaled(policy.shadow ? work.shadow : work.stage2, policy.window / WINDOW);
    told += policy.decide(policy.window, done, () => paged) ? "S" : "-";
  }
  return told;
}

test("many misses and no writes to tables stay under shadow tables from the first window on", () => {
  expect(run(new PagingPolicy(), 12, misses)).toBe("SSSSSSSSSSSS");
});

test("writes to tables send the guest back after a trial, and trials become rare", () => {
  const told = run(new PagingPolicy(), 3000, forks);
  expect(told.slice(0, 20)).toBe("SS----------------SS");
  // Behind the first trial 16 windows without one, then 64, 256, and 1,024 for ever.
  expect(told.split("S-").length - 1).toBe(6);
});

test("less than one twentieth of the time is not worth a trial", () => {
  expect(run(new PagingPolicy(), 5, { ...forks, stage2: { ...forks.stage2, references: 15_000 } })).toBe("-----");
});

test("without paging the second stage stays, and a guest that gives paging up goes back at once", () => {
  const policy = new PagingPolicy();
  expect(run(policy, 2, misses, false)).toBe("--");
  expect(run(policy, 4, misses)).toBe("SSSS");
  expect(run(policy, 1, misses, false)).toBe("-");
});

test("a phase that changes the work is followed, and has its trials from the beginning", () => {
  const policy = new PagingPolicy();
  expect(run(policy, 6, misses)).toBe("SSSSSS");
  expect(run(policy, 16, forks)).toBe("-".repeat(16));
  expect(run(policy, 3, misses)).toBe("SSS");
});

test("a hold ends when much more could be saved than when the guest left: it does something else", () => {
  const policy = new PagingPolicy();
  run(policy, 100, forks);
  expect(run(policy, 3, misses)).toBe("SSS");
});

test("a trial is a quarter of a window at first, and twice as long after each that has failed", () => {
  const policy = new PagingPolicy(),
    lengths = new Set<number>();
  for (let i = 0; i < 500; i++) if (run(policy, 1, forks) === "S") lengths.add(policy.window / WINDOW);
  expect([...lengths]).toEqual([0.25, 0.5, 1, 2]);
});
