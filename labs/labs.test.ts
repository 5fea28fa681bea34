import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseCpu } from "../src/isa/index.ts";
import { TcgVm } from "../src/tcg/index.ts";
import {
  KvmAccel,
  LabError,
  parseLab,
  parsePredictions,
  type Predictions,
  runLab,
  userMemorySize,
} from "../src/vmm/public.ts";
import { labNames, openLab } from "./index.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../build/core.wasm", import.meta.url)));
const settings = (ramSize: number) => ({
  module,
  ramSize,
  userMemory: userMemorySize(ramSize, 0),
  cpu: parseCpu("qemu64"),
});
const bare = (ramSize: number) => TcgVm.create(settings(ramSize));
const places = { bare, ept: (ramSize: number) => KvmAccel.create(settings(ramSize)) };

describe("five-movs", () => {
  const { lab, guest } = openLab("five-movs");

  test("the lab's own answers are what the bare machine and KVM with EPT do, with the same hash every time", async () => {
    const first = await runLab(lab, guest, places);
    expect(first.rows.filter((r) => !r.right)).toEqual([]);
    expect(first).toMatchObject({ verdict: "pass", missing: [] });
    expect(
      first.rows.map((r) => [r.place, r.id, r.measured.references, r.measured.fault, r.reasons]),
    ).toEqual([
      ["bare", "register", 0, false, {}],
      ["bare", "mapped", 4, false, {}],
      ["bare", "absent", 4, true, {}],
      ["bare", "table", 4, false, {}],
      ["bare", "mmio", 4, false, {}],
      ["ept", "register", 0, false, {}],
      ["ept", "mapped", 19, false, {}],
      ["ept", "absent", 16, true, {}],
      ["ept", "table", 19, false, {}],
      ["ept", "mmio", 18, false, { EPT_VIOLATION: 1 }],
    ]);
    const second = await runLab(lab, guest, places);
    expect(second.hash).toBe(first.hash);
    expect(first.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("a wrong prediction fails the lab and leaves the hash alone", async () => {
    const wrong: Predictions = structuredClone(lab.answers);
    Object.assign(wrong.bare.mapped ?? {}, { references: 2 });
    const result = await runLab(lab, guest, { bare }, wrong);
    const right = await runLab(lab, guest, { bare });
    expect(right).toMatchObject({ verdict: "pass", missing: ["ept"] });
    expect(result.verdict).toBe("fail");
    expect(result.rows.filter((r) => !r.right).map((r) => r.id)).toEqual(["mapped"]);
    expect(result.hash).toBe(right.hash);
  });

  test("a guest that never comes to a case is told", async () => {
    const broken = guest.replace("jmp case_register\n", "jmp stop\n");
    await expect(runLab(lab, broken, { bare })).rejects.toThrow("did not come to case_register");
    await expect(runLab(lab, guest.replaceAll("case_mmio", "other"), { bare })).rejects.toThrow(
      "no label case_mmio",
    );
  });
});

test("every lab in the folder can be read", () => {
  expect(labNames.map((name) => openLab(name).lab.id)).toEqual(labNames);
});

test.each([
  ["a lab that is not there", () => openLab("six-movs")],
  ["an inherited name", () => openLab("constructor")],
  ["an empty lab file", () => parseLab({})],
  [
    "predictions without a case",
    () => parsePredictions({ bare: {} }, [{ id: "x", text: "", from: "x" }], "file"),
  ],
  [
    "a negative count",
    () =>
      parsePredictions(
        { bare: { x: { references: -1, exits: 0, emulated: false, fault: false } } },
        [{ id: "x", text: "", from: "x" }],
        "file",
      ),
  ],
])("refuses %s", (_, act) => {
  expect(act).toThrow(LabError);
});
