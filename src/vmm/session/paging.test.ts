import { expect, test } from "vitest";
import { ArrayMemory } from "../../base/index.ts";
import { pagingMode, walkPages } from "./paging.ts";
import { tableRows } from "./tables.ts";

const long = { cr0: 0x80000001n, cr3: 0x1000n, cr4: 0x20n, efer: 0xd01n };

function fourLevels(): ArrayMemory {
  const memory = new ArrayMemory(0x10000);
  memory.writeU64(0x1000 + 511 * 8, 0x2003n);
  memory.writeU64(0x2000 + 510 * 8, 0x3003n);
  memory.writeU64(0x3000 + 8, 0x8000000000200083n + 0x60n);
  memory.writeU64(0x3000 + 16, 0x4027n);
  for (let i = 0; i < 4; i++) memory.writeU64(0x4000 + 8 * i, BigInt(0x5000 + i * 0x1000) | 0x25n);
  memory.writeU64(0x4000 + 8 * 9, 0x5025n);
  return memory;
}

test("a 4-level walk lists every reference with table, entry address, value and flags", () => {
  const walk = walkPages(fourLevels(), long, 0xffffffff80401234n);
  expect(walk.references.map((r) => [r.name, r.table, r.index, r.address])).toEqual([
    ["PML4", 0x1000n, 511, 0x1ff8n], ["PDPT", 0x2000n, 510, 0x2ff0n], ["PD", 0x3000n, 2, 0x3010n],
    ["PT", 0x4000n, 1, 0x4008n],
  ]);
  expect([walk.gpa, walk.pageSize, walk.access, walk.references[3]?.flags]).toEqual(
    [0x6234n, 4096, "r-x supervisor", "P R U A"]);
});

test("a 2 MiB page ends the walk at the page directory and carries NX", () => {
  const walk = walkPages(fourLevels(), long, 0xffffffff80200042n);
  expect([walk.gpa, walk.pageSize, walk.access]).toEqual([0x200042n, 0x200000, "rw- supervisor"]);
  expect(walk.references.at(-1)?.flags).toBe("P W S A D PS NX");
});

test("an absent entry or a non-canonical address gives a fault and no frame", () => {
  expect(walkPages(fourLevels(), long, 0n)).toMatchObject({ gpa: undefined, fault: expect.stringContaining("PML4 entry 0") });
  expect(walkPages(fourLevels(), long, 1n << 50n)).toMatchObject({ references: [], fault: expect.stringContaining("canonical") });
});

test("2-level tables reach 4 KiB and 4 MiB pages, PSE-36 bits included", () => {
  const memory = new ArrayMemory(0x4000);
  const state = { cr0: 0x80000001n, cr3: 0x1000n, cr4: 0x10n, efer: 0n };
  memory.writeU32(0x1000, 0x2007);
  memory.writeU32(0x1004, 0x00402083);
  memory.writeU32(0x2000 + 4 * 16, 0x3067);
  expect(walkPages(memory, state, 0x10abcn)).toMatchObject({ mode: "2-level", gpa: 0x3abcn, access: "rwx user" });
  expect(walkPages(memory, state, 0x412345n).gpa).toBe(0x100412345n);
});

test("runs of successive frames with equal flags are one row of a table", () => {
  const { rows } = tableRows(fourLevels(), long, 0x4000n, 1, 0xffff800000000000n);
  expect(rows.map((r) => [r.index, r.count, r.target])).toEqual([[0, 4, 0x5000n], [9, 1, 0x5000n]]);
  expect(rows[1]?.from).toBe(0xffff800000009000n);
});

test("the mode follows CR0.PG, CR4.PAE and EFER.LMA", () => {
  const off = { cr0: 1n, cr3: 0n, cr4: 0x20n, efer: 0n };
  expect(pagingMode(off)).toBe("off");
  expect(pagingMode({ ...off, cr0: 0x80000001n })).toBe("PAE");
  expect(walkPages(new ArrayMemory(16), off, 0x1234n)).toMatchObject({ gpa: 0x1234n, references: [] });
});
