import { expect, test } from "vitest";
import { parseRow, type Row } from "./row.ts";
import { rows } from "./rows.ts";

test("a row line parses into its encoding, operands and effects", () => {
  const row = parseRow("F3 0F B8 /r      POPCNT   Gv,Ev   wr   popcnt w:z 0:osapc", 7);
  expect(row).toMatchObject({
    index: 7,
    prefix: "F3",
    map: 1,
    opcode: 0xb8,
    modrm: true,
    digit: -1,
    body: "popcnt",
  });
  expect(row.operands).toEqual(["Gv", "Ev"]);
  expect(row.flags).toMatchObject({ written: "z", cleared: "osapc" });
  expect(row.attributes.has("popcnt")).toBe(true);
});

test("a line with a missing column or a misfit access string is refused by name", () => {
  expect(() => parseRow("00 /r  ADD  Eb,Gb  x", 0)).toThrow(/access/);
  expect(() => parseRow("00 /r  ADD", 0)).toThrow(/columns/);
  expect(() => parseRow("00 /q  ADD  Eb  x", 0)).toThrow(/encoding word/);
});

/** Two rows collide when some instruction matches both and no precedence rule separates them. */
function collide(a: Row, b: Row): boolean {
  if (a.map !== b.map || a.prefix !== b.prefix || a.plusR !== b.plusR) return false;
  if (a.plusR ? (a.opcode ^ b.opcode) & 0xf8 : a.opcode !== b.opcode) return false;
  const modes = (r: Row) => (r.attributes.has("i64") ? 1 : r.attributes.has("o64") ? 2 : 3);
  if ((modes(a) & modes(b)) === 0) return false;
  if (a.modrm !== b.modrm) return true;
  if (a.digit >= 0 && b.digit >= 0 && a.digit !== b.digit) return false;
  if (a.mod !== "any" && b.mod !== "any" && a.mod !== b.mod) return false;
  if (a.rm !== b.rm) return false;
  return true;
}

test("no two rows overlap for the same prefix, map, opcode, digit, mod, rm and mode", () => {
  const clashes: string[] = [];
  for (const a of rows) {
    for (const b of rows) if (a.index < b.index && collide(a, b)) clashes.push(`${a.text} | ${b.text}`);
  }
  expect(clashes).toEqual([]);
});

test("every row with ModRM operands has a ModRM byte and every plus-r row has a Z operand", () => {
  const wrong = rows.filter((r) => {
    const usesModrm = r.operands.some(
      (o) => /^([EGRMVWUPQNCD][a-z0-9]|M$|Sw|Rv|Rd|STi)/.test(o) && o !== "DX",
    );
    if (r.plusR !== r.operands.some((o) => o.startsWith("Z"))) return true;
    return usesModrm && !r.modrm;
  });
  expect(wrong.map((r) => r.text)).toEqual([]);
});
