import { expect, test } from "vitest";
import { layout } from "../index.ts";
import { GUEST, NPT, openCore, openGuest, peek64, poke64, vmrun } from "./fixture.ts";

const entry = (page: number): number => NPT + 0x3000 + page * 8;
const whole = (page: number): bigint => BigInt(GUEST + page * 4096) | 7n;
const FINAL = 1n << 32n;
const TABLE = 1n << 33n;
const NX = 1n << 63n;

// What the guest does to page 3, the nested entry, EXITINFO1. Permission by permission, with what is allowed as 0.
const rows: readonly (readonly [string, string, bigint, bigint])[] = [
  ["reads", "mov al,[0x3000]", 0n, FINAL | 4n],
  ["writes", "mov [0x3000],al", 0n, FINAL | 6n],
  ["fetches", "jmp 0x3000", 0n, FINAL | 0x14n],
  ["reads", "mov al,[0x3000]", whole(3) & ~4n, FINAL | 5n],
  ["writes", "mov [0x3000],al", whole(3) & ~2n, FINAL | 7n],
  ["reads", "mov al,[0x3000]", whole(3) & ~2n, 0n],
  ["fetches", "jmp 0x3000", whole(3) | NX, FINAL | 0x15n],
  ["reads", "mov al,[0x3000]", whole(3) | NX, 0n],
  ["writes", "mov [0x3000],al", whole(3) | NX, 0n],
  ["reads", "mov al,[0x3000]", whole(3) | (1n << 45n), FINAL | 0xdn],
  ["reads", "mov al,[0x3000]", whole(3) | 0x100n, 0n],
];
test.each(rows)("a guest that %s (%s): nested entry %s gives EXITINFO1 %s", async (_, source, value, info) => {
  const core = await openCore(), v = openGuest(core, `${source}\nhlt`);
  core.u8[layout.RAM + GUEST + 0x3000] = 0xf4;
  poke64(core, entry(3), value);
  expect(vmrun(core, v)).toBe(info ? 0x400n : 0x78n);
  if (!info) return;
  expect([v.get("EXITINFO1"), v.get("EXITINFO2"), v.get("EXITINTINFO")]).toEqual([info, 0x3000n, 0n]);
  // Decode assists: the bytes of the instruction, but not of one that could not be fetched.
  const fetched = Number(v.get("BYTES_FETCHED"));
  expect(fetched).toBe(source.startsWith("jmp") ? 0 : 15);
  poke64(core, entry(3), whole(3));
  expect(vmrun(core, v)).toBe(0x78n);
});

test("accessed and dirty bits: a read sets A on every level, a write D on the last", async () => {
  const core = await openCore(), v = openGuest(core, "mov al,[0x3000]\nmov [0x4000],al\nhlt");
  vmrun(core, v);
  const bits = (at: number): bigint => peek64(core, at) & 0x60n;
  expect([bits(NPT), bits(NPT + 0x2000), bits(entry(3)), bits(entry(4)), bits(entry(5))]).toEqual([0x20n, 0x20n, 0x20n, 0x60n, 0n]);
});

test("a guest's page-table access is a user write to the nested tables: EXITINFO1 bit 33", async () => {
  const core = await openCore(), v = openGuest(core, "bits 32\nmov al,[0x3000]\nhlt");
  // 2-level tables at 4000h and 5000h, identity.
  core.view.setUint32(layout.RAM + GUEST + 0x4000, 0x5007, true);
  for (let i = 0; i < 16; i++) core.view.setUint32(layout.RAM + GUEST + 0x5000 + i * 4, (i << 12) | 0x67, true);
  v.set("CR0", 0x80000011n);
  v.set("CR3", 0x4000);
  v.set("CS", 0xc9b, 2);
  for (const s of ["CS", "DS"]) v.set(s, 0xffffffffn, 4);
  poke64(core, entry(5), whole(5) & ~2n);
  expect(vmrun(core, v)).toBe(0x400n);
  expect([v.get("EXITINFO1"), v.get("EXITINFO2")]).toEqual([TABLE | 7n, 0x5004n]);
  poke64(core, entry(5), whole(5));
  expect(vmrun(core, v)).toBe(0x78n);
  expect(peek64(core, entry(5)) & 0x60n).toBe(0x60n);
});

test("large nested pages of 2 MiB and 1 GiB translate, with reserved low bits refused", async () => {
  const core = await openCore(), v = openGuest(core, "mov al,[0x3000]\nhlt");
  core.u8[layout.RAM + GUEST + 0x3000] = 0x55;
  poke64(core, NPT + 0x2000, BigInt(GUEST) | 0x87n);
  expect(vmrun(core, v)).toBe(0x78n);
  expect(v.get("RAX") & 0xffn).toBe(0x55n);
  poke64(core, NPT + 0x2000, BigInt(GUEST) | 0x2087n);
  v.set("TLB_CONTROL", 1);
  v.set("RIP", 0x1000);
  expect(vmrun(core, v)).toBe(0x400n);
  expect(v.get("EXITINFO1")).toBe(FINAL | 0x1dn);
});

test("a nested page fault while an event is delivered leaves the event in EXITINTINFO", async () => {
  const core = await openCore(), v = openGuest(core, "ud2");
  v.set("RSP", 0x5000);
  poke64(core, entry(4), 0n);
  expect(vmrun(core, v)).toBe(0x400n);
  expect([v.get("EXITINTINFO"), v.get("RIP"), v.get("EXITINFO2") & ~0xfffn]).toEqual([0x80000306n, 0x1000n, 0x4000n]);
  v.set("EVENTINJ", 0x80000041n);
  expect(vmrun(core, v)).toBe(0x400n);
  expect(v.get("EXITINTINFO")).toBe(0x80000041n);
});
