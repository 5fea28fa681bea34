import { expect, test } from "vitest";
import { assemble } from "../../isa/index.ts";
import { type Core, layout, Stop } from "../index.ts";
import { EPT, GUEST, openCore, openGuest, poke, poke64, VMCS } from "./fixture.ts";

const REASON = 0x4402, QUALIFICATION = 0x6400, RIP = 0x681e, VECTORING = 0x4408, LENGTH = 0x440c;
const GDT = 0x5000, IDT = 0x5800, TSS = 0x6000, OTHER_TSS = 0x7000;
type Write = (field: number, value: number | bigint) => number;

/** Code at guest address 1000h. */
function code(core: Core, text: string): void { poke(core, GUEST + 0x1000, assemble(`bits 32\norg 0x1000\n${text}\n`).bytes); }
/** Make the guest a 32-bit one with flat segments, paging off, tables as above. */
function protect(core: Core, w: Write): void {
  w(0x6800, 0x21);
  w(0x4802, 0xffffffff);
  w(0x4816, 0xc09b);
  w(0x802, 8);
  for (const s of [0, 2, 3, 4, 5]) { w(0x800 + s * 2, 0x10); w(0x4800 + s * 2, 0xffffffff); w(0x4814 + s * 2, 0xc093); }
  w(0x80e, 0x18);
  w(0x680e + 6, TSS);
  w(0x480e, 0x67);
  w(0x6816, GDT);
  w(0x4810, 0x3f);
  w(0x6818, IDT);
  w(0x4812, 0x3ff);
  const tss = (base: number, type: number): bigint => 0x67n | (BigInt(base) << 16n) | (BigInt(type) << 40n);
  [0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, tss(TSS, 0x8b), tss(OTHER_TSS, 0x89), 0x0000850000200000n, tss(TSS, 0x8b)]
    .forEach((descriptor, i) => poke64(core, GUEST + GDT + i * 8, descriptor));
  for (const vector of [3, 6, 0x30]) poke64(core, GUEST + IDT + vector * 8, 0x0000850000200000n); // task gate
}

test.each([
  ["JMP to a TSS", "jmp 0x20:0", 0x80000020n, 0n, 7n],
  ["JMP through a task gate", "jmp 0x28:0", 0x80000020n, 0n, 7n],
  ["CALL to a TSS", "call 0x20:0", 0x00000020n, 0n, 7n],
  ["IRET with NT", "mov word [0x6000], 0x20\npush dword 0x4002\npopf\niret", 0x40000020n, 0n, 1n],
  ["INT through a task gate", "int 0x30", 0xc0000020n, 0x80000430n, 2n],
  ["INT3 through a task gate", "int3", 0xc0000020n, 0x80000603n, 1n],
  ["an exception through a task gate", "ud2", 0xc0000020n, 0x80000306n, undefined],
])("%s exits with selector and source instead of switching", async (_what, text, qualification, vectoring, length) => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  protect(core, w);
  if (text.endsWith("iret")) poke64(core, GUEST + GDT + 0x20, (0x67n | (BigInt(OTHER_TSS) << 16n)) | (0x8bn << 40n));
  code(core, text);
  expect(x.vmLaunch()).toBe(0);
  expect(x.run(100)).toBe(Stop.VmExit);
  const at = text.endsWith("iret") ? 0x1000n + 9n + 5n + 1n : 0x1000n;
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(VECTORING), x.vmRead(RIP), x.vmRead(0x80e)])
    .toEqual([9n, qualification, vectoring, at, 0x18n]);
  if (length !== undefined) expect(x.vmRead(LENGTH)).toBe(length);
});

test("a task switch to a busy TSS is #GP before it is an exit", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  protect(core, w);
  w(0x4004, 1 << 13);
  code(core, "jmp 0x30:0");
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404), x.vmRead(0x4406)]).toEqual([0n, 0x80000b0dn, 0x30n]);
});

/** PAE paging of a protected guest: the VMCS maps linear 0 to guest-physical 0, memory at 8000h maps linear 40000000h, too. */
function pae(core: Core, w: Write): void {
  protect(core, w);
  w(0x6800, 0x80000021n);
  w(0x6804, 0x2020);
  w(0x6802, 0x8000);
  poke64(core, GUEST + 0x8000, 0x9001n);
  poke64(core, GUEST + 0x8008, 0x9001n);
  poke64(core, GUEST + 0x9000, 0x83n);
  w(0x280a, 0x9001);
  for (const f of [0x280c, 0x280e, 0x2810]) w(f, 0);
}

test("a PAE guest starts from the VMCS's page-directory pointers; MOV CR3 loads them from memory, an exit saves them", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  pae(core, w);
  w(0x4004, 1 << 14);
  code(core, "mov eax, [0x40001000]");
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(QUALIFICATION), x.vmRead(0x280c)]).toEqual([0n, 0x40001000n, 0n]);
  code(core, "mov eax, cr3\nmov cr3, eax\nmov eax, [0x40001000]\nhlt");
  w(0x4002, 0x84006172 | 0x80);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x280c), core.u64[layout.REGS / 8]]).toEqual([12n, 0x9001n, 0x0fd8200fn]);
});

test("MOV CR3 to page-directory pointers with reserved bits is #GP, to ones outside EPT a violation", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  pae(core, w);
  w(0x4004, 1 << 13);
  w(0x4002, 0x84006172);
  poke64(core, GUEST + 0x8018, 0x9003n);
  code(core, "mov eax, 0x8000\nmov cr3, eax");
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4404), x.vmRead(RIP)]).toEqual([0n, 0x80000b0dn, 0x1005n]);
  poke64(core, EPT + 0x3000 + 8 * 8, 0n);
  x.invEpt(1n, BigInt(EPT) | 0x1en);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x2400), x.vmRead(RIP)]).toEqual([48n, 0x8000n, 0x1005n]);
});

/** The processor and the host-state area become those of a 32-bit kernel with PAE. */
function host32(core: Core, w: Write): void {
  core.u64[layout.EFER / 8] = 0n;
  core.exports.updateMode();
  w(0x400c, 0x36dfb);
  w(0x4012, 0x11fb);
  w(0x6c04, 0x2020);
  w(0x6c02, 0x10c000);
  w(0xc04, 0x10);
  w(0x6c16, 0x12345678);
  w(0x6c14, 0x9abcdef0);
  [0x10d001n, 0n, 0x10e001n, 0x7fen].forEach((entry, i) => poke64(core, 0x10c000 + i * 8, entry));
}

test("an exit to a 32-bit host with PAE loads flat 32-bit segments and the page-directory pointers", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  host32(core, w);
  poke(core, GUEST + 0x1000, [0xf4]);
  expect([x.vmLaunch(), x.vmxFailedCheck()]).toEqual([0, 0]);
  expect(x.run(10)).toBe(Stop.VmExit);
  expect([0, 1, 2, 3].map((i) => core.u64[layout.PDPTE / 8 + i])).toEqual([0x10d001n, 0n, 0x10e001n, 0x7fen]);
  expect([core.u64[layout.RIP / 8], core.u64[layout.REGS / 8 + 4], core.u64[layout.EFER / 8], core.u32[layout.SEG_ATTR / 4 + 1]])
    .toEqual([0x12345678n, 0x9abcdef0n, 0n, 0xc09b]);
});

test("page-directory pointers of the host with reserved bits are a VMX abort with indicator 2", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  host32(core, w);
  poke64(core, 0x10c008, 0x10d003n);
  poke(core, GUEST + 0x1000, [0xf4]);
  x.vmLaunch();
  expect(x.run(10)).toBe(Stop.Shutdown);
  expect(core.view.getUint32(layout.RAM + VMCS + 4, true)).toBe(2);
});

test("a 16-bit code segment larger than 64 KiB runs on above FFFFh", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  protect(core, w);
  w(0x4816, 0x9b | 0x8000); // D clear, limit 4 GiB
  w(RIP, 0xffff);
  poke(core, GUEST + 0xffff, [0x90, 0x90, 0x0f, 0x01, 0xc1]); // nop; nop; vmcall
  x.vmLaunch();
  x.run(10);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([18n, 0x10001n]);
});

test("an exit to a 64-bit host from a 32-bit guest turns IA-32e mode on again", async () => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  protect(core, w);
  code(core, "hlt");
  x.vmLaunch();
  x.run(10);
  expect([core.u64[layout.EFER / 8], core.u32[layout.SEG_ATTR / 4 + 1], (core.u64[layout.CR0 / 8] ?? 0n) >> 31n]).toEqual([0xd00n, 0xa09b, 1n]);
});
