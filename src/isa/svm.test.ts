import { expect, test } from "vitest";
import { svmExitInfo, svmExitName, svmExits, vmcbField, vmcbFields, vmrunChecks } from "./index.ts";

test("exit codes are unique and named; an unknown one prints as hexadecimal", () => {
  expect(new Set(svmExits.map((e) => e.code)).size).toBe(svmExits.length);
  const names = [[0x72n, "CPUID"], [0x03n, "CR3_READ"], [0x1fn, "CR15_WRITE"], [0x4en, "EXCP14"], [0x400n, "NPF"], [0x64n, "VINTR"]] as const;
  for (const [code, name] of names) expect(svmExitName(code)).toBe(name);
  expect([svmExitName(0xffffffffffffffffn), svmExitName(0x401n)]).toEqual(["INVALID", "EXIT_401"]);
});

test("EXITINFO1 of IOIO, MSR and NPF comes apart in the manual's fields", () => {
  expect(svmExitInfo(0x7bn, 0x600091n, 0x1002n)).toEqual([
    ["direction", "in"], ["string", "0"], ["rep", "0"], ["size", "1"], ["port", "0x60"], ["next rip", "0x1002"],
  ]);
  expect(svmExitInfo(0x7cn, 1n, 0n)).toEqual([["access", "write"]]);
  const npf = new Map(svmExitInfo(0x400n, 0x200000007n, 0x5000n));
  expect([npf.get("write"), npf.get("final address"), npf.get("guest table"), npf.get("guest-physical address")]).toEqual(["1", "0", "1", "0x5000"]);
  expect(svmExitInfo(0x78n, 1n, 1n)).toEqual([]);
});

test("VMCB fields do not overlap and lie in the control area or in the save area", () => {
  const sorted = [...vmcbFields].sort((a, b) => a.offset - b.offset);
  sorted.forEach((f, i) => { expect(f.offset + f.size).toBeLessThanOrEqual(sorted[i + 1]?.offset ?? 0x698); });
  expect([vmcbField("EXITCODE").offset, vmcbField("RIP").offset, vmcbField("CPL").size]).toEqual([0x70, 0x578, 1]);
  expect(() => vmcbField("VPID")).toThrow(/VPID/);
});

test("the checks of VMRUN are numbered in order and name fields that exist", () => {
  expect(vmrunChecks.map((c) => c.number)).toEqual(vmrunChecks.map((_, i) => i + 1));
  for (const check of vmrunChecks) for (const name of check.fields) expect(vmcbField(name).name).toBe(name);
});
