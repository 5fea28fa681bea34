import { expect, test } from "vitest";
import { layout, Stop } from "../index.ts";
import { EPT, GUEST, openCore, openGuest, poke, poke64, VMCS } from "./fixture.ts";

const REASON = 0x4402, QUALIFICATION = 0x6400, LENGTH = 0x440c, RIP = 0x681e, GPA = 0x2400;

test("a real-mode guest runs under EPT until HLT and comes back with its registers", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xb8, 0x34, 0x12, 0xa3, 0x00, 0x20, 0xf4]); // mov ax,1234h; mov [2000h],ax; hlt
  expect(w(0x681e, 0x1000)).toBe(0);
  expect(x.vmLaunch()).toBe(0);
  expect(x.vmxFailedCheck()).toBe(0);
  expect(x.run(100)).toBe(Stop.VmExit);
  expect(x.vmRead(REASON)).toBe(12n);
  expect(x.vmRead(RIP)).toBe(0x1006n);
  expect(x.vmRead(LENGTH)).toBe(1n);
  expect(core.u64[layout.REGS / 8]).toBe(0x1234n);
  expect(core.view.getUint16(layout.RAM + GUEST + 0x2000, true)).toBe(0x1234);
  expect(x.vmxOperation()).toBe(1);
});

test("VMLAUNCH needs a clear VMCS and VMRESUME a launched one", async () => {
  const core = await openCore();
  openGuest(core);
  const x = core.exports;
  poke(core, GUEST + 0x1000, [0xf4]);
  expect(x.vmResume()).toBe(5);
  expect(x.vmRead(0x4400)).toBe(5n);
  expect(x.vmLaunch()).toBe(0);
  x.run(10);
  expect(x.vmLaunch()).toBe(4);
  expect(x.vmResume()).toBe(0);
});

test("CPUID exits with its length, and resuming behind it goes on", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x0f, 0xa2, 0x40, 0xf4]); // cpuid; inc ax; hlt
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(RIP), x.vmRead(LENGTH)]).toEqual([10n, 0x1000n, 2n]);
  core.u64[layout.REGS / 8] = 7n;
  w(RIP, 0x1002);
  expect(x.vmResume()).toBe(0);
  x.run(100);
  expect([x.vmRead(REASON), core.u64[layout.REGS / 8]]).toEqual([12n, 8n]);
});

test("an EPT violation tells address, access and permissions, and the access completes once the page is there", async () => {
  const core = await openCore();
  openGuest(core);
  const x = core.exports;
  poke(core, GUEST + 0x1000, [0xc6, 0x06, 0x34, 0x30, 0x77, 0xf4]); // mov byte [3034h],77h; hlt
  const entry = EPT + 0x3000 + 3 * 8, whole = BigInt(GUEST + 0x3000) | 0x37n;
  poke64(core, entry, 0n);
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(GPA), x.vmRead(0x640a)]).toEqual([48n, 0x182n, 0x3034n, 0x3034n]);
  poke64(core, entry, whole & ~2n);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([48n, 0x1aan]);
  poke64(core, entry, whole & ~1n); // writable but not readable
  x.invEpt(1n, BigInt(EPT) | 0x1en);
  x.vmResume();
  x.run(100);
  expect(x.vmRead(REASON)).toBe(49n);
  poke64(core, entry, whole);
  x.invEpt(1n, BigInt(EPT) | 0x1en);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), core.u8[layout.RAM + GUEST + 0x3034]]).toEqual([12n, 0x77]);
});

test("an injected interrupt is delivered through the guest's vector table before the first instruction", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xf4]);
  poke(core, GUEST + 0x41 * 4, [0x00, 0x15, 0, 0]);
  poke(core, GUEST + 0x1500, [0x0f, 0xa2]);
  w(0x6820, 0x202);
  w(0x4016, 0x80000041);
  expect(x.vmLaunch()).toBe(0);
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP), x.vmRead(0x681c), x.vmRead(0x4016)]).toEqual([10n, 0x1500n, 0x7ffan, 0x41n]);
});

test("an external interrupt exits even with IF clear, acknowledged when asked", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xeb, 0xfe]);
  w(0x4000, 0x17);
  w(0x400c, 0x36dfb | 0x200 | 0x300000 | 0x8000);
  x.vmLaunch();
  expect(x.run(1000)).toBe(Stop.Budget);
  core.u32[layout.INTR / 4] = 1;
  expect(x.run(1000)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(0x4404)]).toEqual([1n, 0x80000041n]);
});

test("the preemption timer exits after as many instructions as it says", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x40, 0xeb, 0xfd]); // inc ax; jmp
  core.u64[layout.REGS / 8] = 0n;
  w(0x4000, 0x56);
  w(0x482e, 10);
  const t = x.clock();
  x.vmLaunch();
  for (let i = 0; i < 100 && x.run(100) !== Stop.VmExit; i++);
  expect([x.vmRead(REASON), x.clock() - t, core.u64[layout.REGS / 8]]).toEqual([52n, 10, 5n]);
});

test("the monitor trap flag exits after one instruction", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x40, 0x40, 0xf4]);
  w(0x4002, 0x84006172 | 0x8000000);
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([37n, 0x1001n]);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([37n, 0x1002n]);
});

test("CR0 masks hide what the hypervisor owns and exit when it would change", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  // mov eax,cr0; xor al,8; mov cr0,eax
  poke(core, GUEST + 0x1000, [0x0f, 0x20, 0xc0, 0x34, 0x08, 0x0f, 0x22, 0xc0, 0xf4]);
  w(0x6000, 8);
  w(0x6004, 8);
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), (core.u64[layout.REGS / 8] ?? 0n) & 8n]).toEqual([28n, 0n, 0n]);
  expect(x.vmRead(RIP)).toBe(0x1005n);
});

test("I/O exits carry port, size and direction; the bitmap lets the rest through", async () => {
  const writes: [number, number][] = [];
  const core = await openCore(writes), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xe6, 0x80, 0xe4, 0x60, 0xf4]); // out 80h,al; in al,60h
  w(0x4002, 0x84006172 | 0x2000080);
  w(0x2000, 0x108000);
  w(0x2002, 0x109000);
  poke(core, 0x108000 + 0x60 / 8, [1]);
  x.vmLaunch();
  x.run(100);
  expect(writes).toHaveLength(1);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(LENGTH)]).toEqual([30n, 0x600048n, 2n]);
});

test("an exception exits by bitmap, a page fault by mask and match, a triple fault always", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x0f, 0x0b]);
  w(0x4004, 1 << 6);
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404), x.vmRead(RIP)]).toEqual([0n, 0x80000306n, 0x1000n]);
  w(0x4004, 0);
  w(0x4812, 0); // no room for vectors
  x.vmResume();
  x.run(100);
  expect(x.vmRead(REASON)).toBe(2n);
});

test("fields that do not exist give error 12, read-only ones 13, and the region shows what was written", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  expect([w(0x4402, 0), w(0x7ffe, 0), w(0x4001, 0)]).toEqual([13, 12, 12]);
  expect(w(0x2801, 0x12345678)).toBe(0);
  expect(x.vmRead(0x2800)).toBe(0x12345678ffffffffn);
  expect(core.view.getUint32(layout.RAM + VMCS + x.vmxOffset(0x2800) + 4, true)).toBe(0x12345678);
});

// Field, value, the check that must fail, and how: error 7, error 8, or exit 33 (-2). All checks: entry-checks.test.ts.
const rows: readonly (readonly [number, number | bigint, number, number])[] = [
  [0x4000, 0, 101, 7],
  [0x201a, 0x11001bn, 116, 7],
  [0x6c00, 0, 201, 8],
  [0x2c02, 0x900, 207, 8],
  [0x6804, 0, 303, -2],
  [0x2800, VMCS, 412, -2],
];
test.each(rows)("VM entry by the embedder: field %x = %s fails check %i with result %i", async (field, value, check, result) => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  expect(w(field, value)).toBe(0);
  expect(x.vmLaunch()).toBe(result);
  expect(x.vmxFailedCheck()).toBe(check);
  if (result > 0) expect(x.vmRead(0x4400)).toBe(BigInt(result));
  else expect(x.vmRead(REASON)).toBe(0x80000021n);
  expect(x.vmxOperation()).toBe(1);
});
