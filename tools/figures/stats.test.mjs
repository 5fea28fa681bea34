import { expect, test } from "vitest";
import { kept, median, percentile, table } from "./stats.mjs";

test("percentiles are values that occurred, the last one at most", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([median(values), percentile(values, 0.99), percentile(values, 1)]).toEqual([51, 100, 100]);
  expect(median([7])).toBe(7);
});

test("a figure is kept on the right side of its limit, and a figure without one is neither", () => {
  const row = (value, limit) => kept({ value, limit });
  expect([row(50, { most: 50 }), row(51, { most: 50 }), row(85, { least: 85 }), row(84, { least: 85 }), row(1, undefined)]).toEqual([
    true, false, true, false, undefined,
  ]);
});

test("the table says MISSED where a promise is broken, and nothing where there is none", () => {
  const lines = table([
    { name: "pause", value: 73, unit: "ms", limit: { most: 50 } },
    { name: "boot", value: 8.8, unit: "s" },
  ]).split("\n");
  expect(lines[0]).toMatch(/^pause +73\.0 ms +at most 50 +MISSED$/);
  expect(lines[1]).toMatch(/^boot +8\.80 s$/);
});
