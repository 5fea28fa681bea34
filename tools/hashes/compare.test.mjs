import { expect, test } from "vitest";
import { compare, table } from "./compare.mjs";

const a = "a".repeat(64), b = "b".repeat(64);

test("a hash that differs is found and marked, wherever its first digits are the same", () => {
  const late = `${"a".repeat(63)}b`;
  const rows = [{ place: "Node tcg", hashes: [a, b] }, { place: "Chromium kvm", hashes: [a, b] }, { place: "odd", hashes: [late, b] }];
  expect(compare(rows.slice(0, 2))).toEqual([]);
  expect(compare(rows)).toEqual([{ place: "odd", index: 0 }]);
  const lines = table("guest", [3e8, 1e9], rows).split("\n");
  expect(lines[0]).toContain("0.3 G");
  expect(lines.filter((line) => line.includes("!"))).toEqual([expect.stringMatching(/^odd +a{16} !/)]);
});

test("a place that gave fewer hashes differs", () => {
  expect(compare([{ place: "x", hashes: [a, b] }, { place: "y", hashes: [a] }])).toEqual([{ place: "y", index: 1 }]);
});
