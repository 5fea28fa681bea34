import { expect, test } from "vitest";
import { assemble } from "../../isa/index.ts";
import { layout, Stop } from "../index.ts";
import { BITMAPS, GUEST, openCore, openGuest, poke, poke32, poke64, VMCS } from "./fixture.ts";

const REASON = 0x4402, QUALIFICATION = 0x6400, RIP = 0x681e, ACTIVITY = 0x4826, INTERRUPTION = 0x4404;

test("an NMI or a debug trap that exits from HLT leaves HLT in the activity state", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4000, 0x16 | 8);
  w(ACTIVITY, 1);
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.Halt);
  core.u32[layout.NMI / 4] = 1;
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(INTERRUPTION), x.vmRead(ACTIVITY)]).toEqual([0n, 0x80000202n, 1n]);
  w(0x4004, 2);
  w(0x4824, 0);
  w(0x6822, 0x1001);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(INTERRUPTION), x.vmRead(QUALIFICATION), x.vmRead(ACTIVITY)]).toEqual([0x80000301n, 1n, 1n]);
});

test("a guest in shutdown is left by an NMI and by the preemption timer", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4000, 0x16 | 8 | 0x40);
  w(ACTIVITY, 2);
  w(0x482e, 100);
  x.vmLaunch();
  core.u32[layout.NMI / 4] = 1;
  x.run(10);
  expect([x.vmRead(REASON), x.vmRead(ACTIVITY)]).toEqual([0n, 2n]);
  w(0x4824, 0);
  w(0x482e, 0);
  x.vmResume();
  x.run(10);
  expect([x.vmRead(REASON), x.vmRead(ACTIVITY)]).toEqual([52n, 2n]);
});

test("pending debug exceptions are delivered before a preemption timer of 0 exits", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 4, [0x00, 0x15, 0, 0]); // vector 1
  w(0x4000, 0x56);
  w(0x482e, 0);
  w(0x6822, 0x1001);
  x.vmLaunch();
  x.run(10);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([52n, 0x1500n]);
});

test("INIT comes before the monitor trap flag", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4016, 0x80000700);
  core.u32[layout.INIT / 4] = 1;
  x.vmLaunch();
  x.run(10);
  expect(x.vmRead(REASON)).toBe(3n);
});

test("the preemption timer counts ticks of the TSC, and what is left of it is saved", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x40, 0xeb, 0xfd]); // inc ax; jmp
  w(0x4000, 0x56);
  w(0x400c, 0x36dfb | 0x200 | 0x300000 | 0x400000);
  core.u64[layout.TSC_OFFSET / 8] = 7n;
  w(0x482e, 10);
  const t = x.clock();
  x.vmLaunch();
  while (x.run(1000) !== Stop.VmExit);
  expect([x.vmRead(REASON), x.clock() - t, x.vmRead(0x482e)]).toEqual([52n, 10, 0n]);
  poke(core, GUEST + 0x1000, [...Array(72).fill(0x90), 0xf4]);
  w(0x482e, 100);
  w(RIP, 0x1000);
  x.vmResume();
  x.run(1000);
  expect([x.vmRead(REASON), x.vmRead(0x482e)]).toEqual([12n, 27n]);
});

test("a preemption timer that expires between two single steps loses no trap", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  const steps = (): number => core.view.getUint16(layout.RAM + GUEST + 0x2000, true);
  poke(core, GUEST + 4, [0x00, 0x15, 0, 0]); // vector 1
  poke(core, GUEST + 0x1500, [0xff, 0x06, 0x00, 0x20, 0xcf]); // inc word [2000h]; iret
  poke(core, GUEST + 0x1000, [...Array(600).fill(0x90), 0xf4]);
  w(0x4000, 0x56);
  w(0x6820, 0x102);
  let expired = 0;
  for (let first = true; expired < 5000; first = false) {
    w(0x482e, 1 + (expired % 32));
    expect(first ? x.vmLaunch() : x.vmResume()).toBe(0);
    while (x.run(1000) !== Stop.VmExit);
    if (x.vmRead(REASON) !== 52n) break;
    expired++;
  }
  // Three instructions a step, the last of 600 traps before HLT; an entry runs 1 to 32 of them.
  expect([x.vmRead(REASON), steps()]).toEqual([12n, 600]);
  expect(expired).toBeGreaterThan(50);
});

test("the MSR-store area holds the TSC of the host, the guest reads it with the offset", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x0f, 0x31, 0xf4]); // rdtsc; hlt
  w(0x4002, 0x84006172 | 0x80 | 8);
  w(0x2010, 0x1000000000n);
  w(0x2006, BITMAPS);
  w(0x400e, 1);
  poke32(core, BITMAPS, 0x10);
  poke32(core, BITMAPS + 4, 0);
  x.vmLaunch();
  x.run(10);
  const guest = ((core.u64[layout.REGS / 8 + 2] ?? 0n) << 32n) | (core.u64[layout.REGS / 8] ?? 0n);
  const host = core.view.getBigUint64(layout.RAM + BITMAPS + 8, true);
  expect([x.vmRead(REASON), guest - host < 0x1000000000n, guest - host > 0xfffffffe0n]).toEqual([12n, true, true]);
});

test("the MSR-load area of an entry sets the TSC that the offset is added to", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0x0f, 0x31, 0xf4]);
  w(0x4002, 0x84006172 | 0x80 | 8);
  w(0x2010, 0x100);
  w(0x200a, BITMAPS);
  w(0x4014, 1);
  poke32(core, BITMAPS, 0x10);
  poke32(core, BITMAPS + 4, 0);
  poke64(core, BITMAPS + 8, 0x5000n);
  x.vmLaunch();
  x.run(10);
  expect((core.u64[layout.REGS / 8] ?? 0n) & ~0xfn).toBe(0x5100n);
});

test("WRMSR of IA32_TSC in a guest sets the host's TSC, which the guest reads with the offset", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  // mov cl,10h; wrmsr; rdtsc; hlt
  poke(core, GUEST + 0x1000, [0xb1, 0x10, 0x0f, 0x30, 0x0f, 0x31, 0xf4]);
  core.u64[layout.REGS / 8] = 0x5000n;
  core.u64[layout.REGS / 8 + 1] = 0n;
  core.u64[layout.REGS / 8 + 2] = 0n;
  w(0x4002, 0x84006172 | 0x80 | 8 | 0x10000000);
  w(0x2004, BITMAPS);
  w(0x2010, 0x100);
  x.vmLaunch();
  x.run(10);
  expect([x.vmRead(REASON), (core.u64[layout.REGS / 8] ?? 0n) & ~0xfn]).toEqual([12n, 0x5100n]);
  expect((core.u64[layout.TSC_OFFSET / 8] ?? 0n) + BigInt(x.clock()) & ~0xfn).toBe(0x5000n);
});

test("MSR areas above 512 entries are refused: entry 513 at entry, a VMX abort at exit", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xf4]);
  for (let i = 0; i < 513; i++) { poke32(core, 0x300000 + i * 16, 0xc0000082); poke64(core, 0x300000 + i * 16 + 8, 0n); }
  w(0x200a, 0x300000);
  w(0x4014, 513);
  expect(x.vmLaunch()).toBe(-2);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([0x80000022n, 513n]);
  w(0x4014, 512);
  w(0x2006, 0x300000);
  w(0x400e, 513);
  expect(x.vmLaunch()).toBe(0);
  expect(x.run(10)).toBe(Stop.Shutdown);
  expect(core.view.getUint32(layout.RAM + VMCS + 4, true)).toBe(1);
});

test("an MSR that cannot be loaded at exit is a VMX abort with indicator 4", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xf4]);
  poke32(core, BITMAPS, 0x12345);
  w(0x2008, BITMAPS);
  w(0x4010, 1);
  x.vmLaunch();
  expect(x.run(10)).toBe(Stop.Shutdown);
  expect(core.view.getUint32(layout.RAM + VMCS + 4, true)).toBe(4);
});

test("VM entry in the shadow of MOV SS is error 26, and the instruction behind it enters", async () => {
  const core = await openCore(), x = core.exports;
  openGuest(core);
  poke(core, GUEST + 0x1000, [0xf4]);
  core.u32[layout.STOP_ON_EXIT / 4] = 0;
  poke64(core, 0x10000, 0x11007n);
  poke64(core, 0x11000, 0x87n);
  core.u64[layout.CR3 / 8] = 0x10000n;
  x.vmWrite(0x6c02, 0x10000n);
  x.vmWrite(0x6c16, 0x2000n);
  const { bytes } = assemble(`bits 64
org 0x1000
  xor eax, eax
  mov ss, ax
  vmlaunch
  mov eax, 0x4400
  vmread rbx, rax
  xor eax, eax
  mov ss, ax
  nop
  vmlaunch
`);
  poke(core, 0x1000, bytes);
  poke(core, 0x2000, [0xf4]);
  core.u64[layout.RIP / 8] = 0x1000n;
  x.updateMode();
  expect(x.run(100)).toBe(Stop.Halt);
  expect([core.u64[layout.REGS / 8 + 3], core.u64[layout.RIP / 8], x.vmRead(REASON)]).toEqual([26n, 0x2001n, 12n]);
});

test.each([
  ["RDRAND of CX", [0x0f, 0xc7, 0xf1], 57n, 0x008n],
  ["RDRAND of EDX", [0x66, 0x0f, 0xc7, 0xf2], 57n, 0x810n],
  ["RDSEED of EAX", [0x66, 0x0f, 0xc7, 0xf8], 61n, 0x800n],
])("%s exits with its register and size", async (_what, code, reason, information) => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x401e, 0x2 | 0x20 | 0x80 | 0x800 | 0x10000);
  poke(core, GUEST + 0x1000, code);
  expect(x.vmLaunch()).toBe(0);
  x.run(10);
  expect([x.vmRead(REASON), x.vmRead(0x440e), x.vmRead(0x440c)]).toEqual([reason, information, BigInt(code.length)]);
});

test("RDRAND and RDSEED exiting are offered only with their instructions", async () => {
  const core = await openCore(), x = core.exports;
  const allowed = (): bigint => x.vmxCapability(0x48b) >> 32n;
  expect(allowed() & 0x10800n).toBe(0x10800n);
  core.u32[layout.CPUID_TABLE / 4 + 8 + 4] = 0xbfffffff; // leaf 1, ECX without RDRAND
  core.u32[layout.CPUID_TABLE / 4 + 16 + 3] = 0; // leaf 7, EBX
  expect(allowed() & 0x10800n).toBe(0n);
});
