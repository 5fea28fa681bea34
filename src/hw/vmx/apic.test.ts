import { expect, test } from "vitest";
import type { Core } from "../index.ts";
import { layout, Stop } from "../index.ts";
import { GUEST, openCore, openGuest, poke, poke32 } from "./fixture.ts";

const REASON = 0x4402, QUALIFICATION = 0x6400, RIP = 0x681e, LINEAR = 0x640a;
const TPR_SHADOW = 0x200000, VIRTUAL_APIC = 0x10a000;

/** A real-mode guest whose page 3000h is the APIC-access page, with a TPR shadow of 50h and threshold 3. */
async function open(code: readonly number[]): Promise<Core> {
  const core = await openCore(), w = openGuest(core);
  w(0x4002, 0x84006172 | 0x80 | TPR_SHADOW);
  w(0x401e, 0x2 | 0x20 | 0x80 | 1);
  w(0x2012, VIRTUAL_APIC);
  w(0x2014, GUEST + 0x3000);
  w(0x401c, 3);
  poke32(core, VIRTUAL_APIC + 0x80, 0x50);
  poke(core, GUEST + 0x1000, code);
  expect(core.exports.vmLaunch()).toBe(0);
  return core;
}
const register = (core: Core, n: number): bigint => core.u64[layout.REGS / 8 + n] ?? 0n;
const tpr = (core: Core): number => core.view.getUint32(layout.RAM + VIRTUAL_APIC + 0x80, true);
const page = (core: Core): Uint8Array => core.u8.slice(layout.RAM + GUEST + 0x3000, layout.RAM + GUEST + 0x4000);

test("reads and writes of the task-priority register reach the virtual-APIC page, other bytes of it read as 0", async () => {
  // mov eax,[3080h]; mov cl,[3081h]; mov byte [3080h],40h; inc byte [3080h]; mov bx,[3080h]; hlt
  const core = await open([
    0x66, 0xa1, 0x80, 0x30, 0x8a, 0x0e, 0x81, 0x30, 0xc6, 0x06, 0x80, 0x30, 0x40, 0xfe, 0x06, 0x80, 0x30, 0x8b, 0x1e, 0x80, 0x30, 0xf4,
  ]);
  expect(core.exports.run(100)).toBe(Stop.VmExit);
  expect([core.exports.vmRead(REASON), register(core, 0) & 0xffffffffn, register(core, 1) & 0xffn, register(core, 3) & 0xffffn]).toEqual([12n, 0x50n, 0n, 0x41n]);
  expect(tpr(core)).toBe(0x41);
  expect(page(core).every((byte) => byte === 0)).toBe(true);
});

test("a write of four bytes keeps the lowest one", async () => {
  // mov dword [3080h],12345638h; mov byte [3082h],77h; hlt
  const core = await open([0x66, 0xc7, 0x06, 0x80, 0x30, 0x38, 0x56, 0x34, 0x12, 0xc6, 0x06, 0x82, 0x30, 0x77, 0xf4]);
  core.exports.run(100);
  expect([core.exports.vmRead(REASON), tpr(core)]).toEqual([12n, 0x38]);
});

test("a write below the threshold exits behind the instruction, in the middle of straight code", async () => {
  // mov byte [3080h],30h; nop; mov byte [3080h],2fh; nop; hlt
  const core = await open([0xc6, 0x06, 0x80, 0x30, 0x30, 0x90, 0xc6, 0x06, 0x80, 0x30, 0x2f, 0x90, 0xf4]), x = core.exports;
  const t = x.clock();
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(RIP), x.clock() - t, tpr(core)]).toEqual([43n, 0n, 0x100bn, 3, 0x2f]);
});

test.each([
  ["a read that leaves the register", [0xa1, 0x83, 0x30], 0x83n], // mov ax,[3083h]
  ["a write that leaves the register", [0xa3, 0x83, 0x30], 0x1083n],
  ["a read-modify-write that leaves the register", [0xff, 0x06, 0x83, 0x30], 0x1083n], // inc word [3083h]
  ["a read of eight bytes", [0x0f, 0x6f, 0x06, 0x80, 0x30], 0x80n], // movq mm0,[3080h]
  ["a read of another register", [0xa0, 0x90, 0x30], 0x90n],
  ["a write of another register", [0xa2, 0x20, 0x30], 0x1020n],
])("%s exits with offset and type", async (_what, code, qualification) => {
  const core = await open(code), x = core.exports;
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(RIP), x.vmRead(LINEAR)]).toEqual([44n, qualification, 0x1000n, 0x3000n + (qualification & 0xfffn)]);
  expect(tpr(core)).toBe(0x50);
});

test("a fetch exits even at the offset of the register", async () => {
  const core = await open([0xe9, 0x7d, 0x20]), x = core.exports; // jmp 3080h
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([44n, 0x2080n]);
});
