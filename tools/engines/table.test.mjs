import { expect, test } from "vitest";
import { row, spread, title } from "./table.mjs";

test("the table has the checkpoints that are equal, and marks an engine that differs", () => {
  const bare = { hashes: ["aa", "bb"], seconds: 2, exits: {} };
  expect(title("hello64", spread(0.04e9, 2))).toContain("hello64: 2 checkpoints to 0.04 G");
  expect(row("vmx-vtlb", { hashes: ["aa", "cc"], seconds: 3, exits: { HLT: 4, INVLPG: 9 } }, bare, 1)).toBe(
    "vmx-vtlb    1/2 !    cc                    3.0    1.50  INVLPG 9, HLT 4",
  );
});
