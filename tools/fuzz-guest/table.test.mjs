import { expect, test } from "vitest";
import { ends, row, title } from "./table.mjs";

test("a line has the bounds and marks an engine whose hash is not the bare machine's", () => {
  const r = { engine: "vmx-vtlb", instructions: 5e7, steps: 1e5, resets: 3, exits: 7, tables: 9, tableLimit: 163, heapGrowth: 2 ** 20, slowest: 12.3, seconds: 4.2, hash: "ab cd" };
  const line = row(r, { hash: "ab ce" });
  expect(title("wild", 1).split("\n")[1]).toContain("engine");
  expect(line).toContain("9/163");
  expect(line).toMatch(/ 1\.0 +12 +4\.2 {2}ab cd !$/);
  expect(row(r, { hash: "ab cd" })).toMatch(/ =$/);
  expect(row({ ...r, tableLimit: 0 }, undefined)).toMatch(/ab cd$/);
  expect(ends({ reset: 1, shutdown: 4 })).toBe("shutdown 4, reset 1");
});
