import { expect, test } from "vitest";
import { rows } from "../../isa/index.ts";
import { bodies } from "./bodies.ts";

/** What stands behind such an instruction in its block has been paid for and would never run: time would jump. */
test("every instruction whose body chooses the next record ends its block", () => {
  const astray = rows.filter((row) => bodies[row.body]?.kind === "flow" && !row.attributes.has("end")).map((row) => row.mnemonic);
  expect(astray).toEqual([]);
});
