import { expect, test } from "vitest";
import { layout, Stop } from "../index.ts";
import { BITMAPS, EPT, GUEST, openCore, openGuest, poke, poke32, poke64 } from "./fixture.ts";

const REASON = 0x4402, QUALIFICATION = 0x6400, RIP = 0x681e;
const PROC = 0x84006172 | 0x80;

test("MSR bitmaps let through what they do not name, and everything outside their ranges exits", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4002, PROC | 0x10000000);
  w(0x2004, BITMAPS);
  poke(core, BITMAPS + 0x174 / 8, [1 << (0x174 & 7)]);
  // mov cx,175h; rdmsr; mov cx,174h; rdmsr
  poke(core, GUEST + 0x1000, [0x66, 0xb9, 0x75, 0x01, 0, 0, 0x0f, 0x32, 0xb1, 0x74, 0x0f, 0x32, 0xf4]);
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([31n, 0x100an]);
  // mov ecx,40000000h; wrmsr
  poke(core, GUEST + 0x1000, [0x66, 0xb9, 0, 0, 0, 0x40, 0x0f, 0x30]);
  w(RIP, 0x1000);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([32n, 0x1006n]);
});

test("an EPT violation during delivery of an event leaves it in the IDT-vectoring information", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x681c, 0x5000);
  poke64(core, EPT + 0x3000 + 4 * 8, 0n); // the stack page
  poke(core, GUEST + 0x1000, [0x0f, 0x0b]);
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(0x4408), x.vmRead(RIP)]).toEqual([48n, 0x80000306n, 0x1000n]);
});

test("EPT accessed and dirty flags are set by a read and a write, and the guest sees no exit", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x201a, BigInt(EPT) | 0x5en);
  poke(core, GUEST + 0x1000, [0xa0, 0x00, 0x30, 0xa2, 0x00, 0x40, 0xf4]); // mov al,[3000h]; mov [4000h],al; hlt
  x.vmLaunch();
  x.run(100);
  const entry = (page: number): bigint => core.view.getBigUint64(layout.RAM + EPT + 0x3000 + page * 8, true) & 0x300n;
  expect([x.vmRead(REASON), entry(3), entry(4), entry(5)]).toEqual([12n, 0x100n, 0x300n, 0n]);
});

test("an execute-only page runs but does not read", async () => {
  const core = await openCore();
  openGuest(core);
  const x = core.exports;
  poke64(core, EPT + 0x3000 + 8, BigInt(GUEST + 0x1000) | 0x34n);
  poke(core, GUEST + 0x1000, [0x40, 0xa0, 0x00, 0x10, 0xf4]); // inc ax; mov al,[1000h]
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP), x.vmRead(QUALIFICATION)]).toEqual([48n, 0x1001n, 0x1a1n]);
});

test("an interrupt window exits when interrupts open, one instruction after STI", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4002, PROC | 4);
  poke(core, GUEST + 0x1000, [0x90, 0xfb, 0x90, 0x90, 0xf4]);
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([7n, 0x1003n]);
});

test("virtual NMIs: injection blocks, IRET unblocks and opens the NMI window", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4000, 0x16 | 0x28);
  w(0x4002, PROC | 0x400000);
  w(0x4016, 0x80000202n);
  poke(core, 0x200000 + 8, [0x00, 0x15, 0, 0]);
  poke(core, GUEST + 0x1500, [0x90, 0xcf]); // nop; iret
  poke(core, GUEST + 0x1000, [0x90, 0xf4]);
  expect(x.vmLaunch()).toBe(0);
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP), x.vmRead(0x4824)]).toEqual([8n, 0x1000n, 0n]);
});

test("a physical NMI exits with type 2 and blocks NMIs of the host", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4000, 0x16 | 8);
  poke(core, GUEST + 0x1000, [0xeb, 0xfe]);
  x.vmLaunch();
  core.u32[layout.NMI / 4] = 1;
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404), core.u32[layout.NMI_BLOCKED / 4], core.u32[layout.NMI / 4]]).toEqual([0n, 0x80000202n, 1, 0]);
});

test("INIT exits in non-root operation and waits in root operation", async () => {
  const core = await openCore();
  openGuest(core);
  const x = core.exports;
  poke(core, GUEST + 0x1000, [0xeb, 0xfe]);
  core.u32[layout.INIT / 4] = 1;
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), core.u32[layout.INIT / 4]]).toEqual([3n, 0]);
});

test("wait-for-SIPI is left by a SIPI with its vector", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4826, 3);
  x.vmLaunch();
  expect(x.run(100)).toBe(Stop.WaitSipi);
  core.u32[layout.SIPI / 4] = 0x9b;
  expect(x.run(100)).toBe(Stop.VmExit);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([4n, 0x9an]);
});

test("descriptor-table exiting describes the operand", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x401e, 0x2 | 0x20 | 0x80 | 4);
  poke(core, GUEST + 0x1000, [0x0f, 0x01, 0x97, 0x34, 0x12]); // lgdt [bx+1234h]
  x.vmLaunch();
  x.run(100);
  // identity LGDT, base BX, no index, segment DS, 16-bit operand and address
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(0x440e)]).toEqual([46n, 0x1234n, 0x21c18000n]);
});

test("MSR areas: stored and loaded at exits, refused entries fail with reason 34 and their number", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xf4]);
  const entry = (at: number, index: number, value: bigint): void => { poke32(core, at, index); poke32(core, at + 4, 0); poke64(core, at + 8, value); };
  entry(0x10a000, 0xc0000082, 0x1111n);
  entry(0x10a010, 0xc0000100, 0n);
  entry(0x10b000, 0xc0000082, 0n);
  entry(0x10c000, 0xc0000082, 0x2222n);
  w(0x200a, 0x10a000); w(0x4014, 1);
  w(0x2006, 0x10b000); w(0x400e, 1);
  w(0x2008, 0x10c000); w(0x4010, 1);
  expect(x.vmLaunch()).toBe(0);
  expect(core.u64[layout.LSTAR / 8]).toBe(0x1111n);
  x.run(100);
  expect(core.view.getBigUint64(layout.RAM + 0x10b008, true)).toBe(0x1111n);
  expect(core.u64[layout.LSTAR / 8]).toBe(0x2222n);
  w(0x4014, 2);
  expect(x.vmResume()).toBe(-2);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([0x80000022n, 2n]);
});

test("VPID keeps translations over exits, INVEPT drops them", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  poke(core, GUEST + 0x1000, [0xa0, 0x00, 0x30, 0xf4]); // mov al,[3000h]; hlt
  poke(core, GUEST + 0x3000, [1]);
  poke(core, GUEST + 0x4000, [2]);
  const again = (): bigint => {
    w(RIP, 0x1000);
    x.vmResume();
    x.run(10);
    return (core.u64[layout.REGS / 8] ?? 0n) & 0xffn;
  };
  x.vmLaunch();
  x.run(10);
  poke64(core, EPT + 0x3000 + 3 * 8, BigInt(GUEST + 0x4000) | 0x37n);
  expect(again()).toBe(1n);
  x.invEpt(1n, BigInt(EPT) | 0x1en);
  expect(again()).toBe(2n);
});

test("a page fault exits by mask and match alone, with the address as qualification", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  // A 32-bit guest with two-level tables at 4000h: the first 4 MiB by one large page, nothing above.
  poke64(core, GUEST + 0x4000, 0x83n);
  poke64(core, GUEST + 0x4008, 0n);
  w(0x6800, 0x80000021n);
  w(0x6804, 0x2010);
  w(0x6802, 0x4000);
  w(0x4816, 0xc09b); w(0x4802, 0xffffffff);
  for (const s of [0, 2, 3, 4, 5]) { w(0x4814 + s * 2, 0xc093); w(0x4800 + s * 2, 0xffffffff); }
  w(0x4006, 2); // only writes differ
  w(0x4008, 0);
  poke(core, GUEST + 0x1000, [0xc6, 0x05, 0x08, 0x00, 0x40, 0x00, 0x01]); // mov byte [400008h],1
  expect(x.vmLaunch()).toBe(0);
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404), x.vmRead(0x4406), x.vmRead(QUALIFICATION)]).toEqual([0n, 0x80000b0en, 2n, 0x400008n]);
});

test("the TPR shadow answers MOV CR8 and exits below the threshold", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4002, PROC | 0x200000);
  w(0x2012, 0x10a000);
  poke32(core, 0x10a080, 0x50);
  w(0x401c, 3);
  // A 64-bit guest: 2 MiB identity page.
  poke64(core, GUEST + 0x4000, 0x5007n);
  poke64(core, GUEST + 0x5000, 0x6007n);
  poke64(core, GUEST + 0x6000, 0x87n);
  w(0x4012, 0x11fb | 0x8000 | 0x200);
  w(0x2806, 0x500);
  w(0x6800, 0x80000021n);
  w(0x6804, 0x2020);
  w(0x6802, 0x4000);
  w(0x4816, 0xa09b); w(0x4802, 0xffffffff);
  for (const s of [0, 2, 3, 4, 5]) w(0x4814 + s * 2, 0x10000);
  // mov rax,cr8; mov rbx,rax; mov eax,2; mov cr8,rax; hlt
  poke(core, GUEST + 0x1000, [0x44, 0x0f, 0x20, 0xc0, 0x48, 0x89, 0xc3, 0xb8, 2, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0, 0xf4]);
  expect(x.vmLaunch()).toBe(0);
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP), core.u64[layout.REGS / 8 + 3]]).toEqual([43n, 0x1010n, 5n]);
  expect(core.view.getUint32(layout.RAM + 0x10a080, true)).toBe(0x20);
  x.vmResume();
  expect(x.vmxFailedCheck()).toBe(109);
});

test("accesses to the APIC-access page exit with offset and type", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x401e, 0x2 | 0x20 | 0x80 | 1);
  w(0x2014, GUEST + 0x3000);
  poke(core, GUEST + 0x1000, [0xa0, 0x20, 0x30, 0xa2, 0x80, 0x30]); // mov al,[3020h]; mov [3080h],al
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([44n, 0x20n]);
  w(RIP, 0x1003);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION)]).toEqual([44n, 0x1080n]);
});

test("VMX instructions of a guest exit with their operands described", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x6004, 0);
  poke(core, GUEST + 0x1000, [0x0f, 0x01, 0xc1]); // vmcall: exits in real mode, too
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x440c)]).toEqual([18n, 3n]);
  poke(core, GUEST + 0x1000, [0x0f, 0x78, 0xc8]); // vmread: #UD in real mode
  w(0x4004, 0x40);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404)]).toEqual([0n, 0x80000306n]);
});
