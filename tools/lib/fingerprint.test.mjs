// What a start looks at to say that nothing was touched since it was last asked the long way.
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { at, glance } from "./fingerprint.mjs";

const FOLDER = "build/test-glance";
beforeEach(() => { mkdirSync(at(FOLDER, "inner"), { recursive: true }); });
afterEach(() => { rmSync(at(FOLDER), { recursive: true }); });

test("a file that is touched, comes or goes is seen, a link that leads nowhere does no harm", () => {
  const seen = [];
  const look = () => { seen.push(glance([FOLDER])); };
  writeFileSync(at(FOLDER, "inner", "a"), "1");
  look();
  utimesSync(at(FOLDER, "inner", "a"), 1, 1);
  look();
  writeFileSync(at(FOLDER, "b"), "");
  look();
  symlinkSync("nowhere", at(FOLDER, ".#lock"));
  look();
  expect(new Set(seen).size).toBe(4);
  expect(glance([FOLDER])).toBe(seen[3]);
});
