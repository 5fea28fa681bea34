import { expect, test } from "vitest";
import { exceptionOf, exceptions } from "./exceptions.ts";
import { exitQualification, exitReasonName, exitReasonNumber, exitReasons } from "./exits.ts";
import { rows } from "./rows.ts";
import { vmcsField, vmcsFields } from "./vmcs.ts";

test("VMCS field encodings are unique and give the manual's width and group", () => {
  expect(new Set(vmcsFields.map((f) => f.encoding)).size).toBe(vmcsFields.length);
  expect(vmcsFields.find((f) => f.name === "GUEST_RIP")).toMatchObject({
    encoding: 0x681e,
    width: "natural",
    group: "guest",
  });
  expect(vmcsFields.find((f) => f.name === "HOST_RIP")).toMatchObject({ encoding: 0x6c16, group: "host" });
  expect(vmcsFields.find((f) => f.name === "EPT_POINTER")).toMatchObject({ encoding: 0x201a, width: 64 });
  expect(vmcsFields.find((f) => f.name === "TSC_MULTIPLIER")?.encoding).toBe(0x2032);
  expect(vmcsFields.find((f) => f.name === "VM_ENTRY_INTR_INFO_FIELD")?.encoding).toBe(0x4016);
  expect(vmcsFields.find((f) => f.name === "VMX_PREEMPTION_TIMER_VALUE")?.encoding).toBe(0x482e);
  expect(vmcsFields.find((f) => f.name === "GUEST_SYSENTER_EIP")?.encoding).toBe(0x6826);
});

test("the high half of a 64-bit field finds the field, an odd encoding of another width finds nothing", () => {
  expect(vmcsField(0x201b)?.name).toBe("EPT_POINTER");
  expect(vmcsField(0x681f)).toBeUndefined();
});

test("every exit a row names is an exit reason, numbered as in the manual", () => {
  const unknown = rows
    .filter((r) => r.exit !== "" && exitReasonNumber(r.exit) === undefined)
    .map((r) => r.text);
  expect(unknown).toEqual([]);
  expect(exitReasonName(48)).toBe("EPT_VIOLATION");
  expect(exitReasonNumber("XSETBV")).toBe(55);
  expect(new Set(exitReasons.map((r) => r.number)).size).toBe(exitReasons.length);
});

test("an I/O qualification splits into size, direction and port", () => {
  const fields = new Map(exitQualification(30, 0x3f8_0008n));
  expect(fields.get("size")).toBe("1");
  expect(fields.get("direction")).toBe("in");
  expect(fields.get("port")).toBe("0x3f8");
});

test("exactly #DF, #TS, #NP, #SS, #GP, #PF and #AC push an error code", () => {
  expect(exceptions.filter((e) => e.errorCode).map((e) => e.vector)).toEqual([8, 10, 11, 12, 13, 14, 17]);
  expect(exceptionOf(15)).toBeUndefined();
});
