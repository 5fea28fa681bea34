import { expect, test } from "vitest";
import { svmExitName } from "../../isa/index.ts";
import { layout } from "../index.ts";
import { GUEST, IOPM, load, MSRPM, openCore, openGuest, poke, poke64, vmrun } from "./fixture.ts";

const MOV = 1n << 63n;
// Exit code, guest code, bytes of the instruction that exits, EXITINFO1.
const rows: readonly (readonly [number, string, number, bigint])[] = [
  [0x00, "mov ebx,cr0", 3, MOV | 3n],
  [0x00, "smsw bx", 3, 0n],
  [0x03, "mov esi,cr3", 3, MOV | 6n],
  [0x04, "mov eax,cr4", 3, MOV],
  [0x10, "mov cr0,edx", 3, MOV | 2n],
  [0x10, "clts", 2, 0n],
  [0x10, "lmsw bx", 3, 0n],
  [0x13, "mov cr3,edi", 3, MOV | 7n],
  [0x14, "mov cr4,ebx", 3, MOV | 3n],
  [0x27, "mov ebx,dr7", 3, MOV | 3n],
  [0x30, "mov dr0,ebx", 3, MOV | 3n],
  [0x65, "mov cr0,edx", 3, MOV | 2n],
  [0x65, "lmsw bx", 3, 0n],
  [0x66, "sidt [0x3000]", 5, 0n],
  [0x67, "sgdt [0x3000]", 5, 0n],
  [0x6a, "lidt [0x3000]", 5, 0n],
  [0x6b, "lgdt [0x3000]", 5, 0n],
  [0x6e, "rdtsc", 2, 0n],
  [0x6f, "rdpmc", 2, 0n],
  [0x70, "pushf", 1, 0n],
  [0x71, "popf", 1, 0n],
  [0x72, "cpuid", 2, 0n],
  [0x73, "rsm", 2, 0n],
  [0x74, "iret", 1, 0n],
  [0x75, "int 0x21", 2, 0x21n],
  [0x76, "invd", 2, 0n],
  [0x77, "pause", 2, 0n],
  [0x78, "hlt", 1, 0n],
  [0x79, "invlpg [0x3000]", 5, 0x3000n],
  [0x87, "rdtscp", 3, 0n],
  [0x88, "int1", 1, 0n],
  [0x89, "wbinvd", 2, 0n],
  [0x8a, "monitor", 3, 0n],
  [0x8b, "mwait", 3, 0n],
  [0x8c, "mwait", 3, 0n],
];
const BYTES: Readonly<Record<string, string>> = { int1: "db 0xf1", rsm: "db 0x0f,0xaa", rdpmc: "db 0x0f,0x33" };

test.each(rows)("intercept %x: `%s` exits at itself, nRIP %i bytes on, EXITINFO1 %s; without the intercept it does not", async (code, source, bytes, info) => {
  const start = async () => {
    const core = await openCore(), v = openGuest(core, `nop\n${BYTES[source] ?? source}\nhlt`);
    for (const vector of [1, 6, 13, 0x21]) core.view.setUint32(layout.RAM + GUEST + vector * 4, 0x1800, true);
    core.u8[layout.RAM + GUEST + 0x1800] = 0xf4;
    for (const [register, value] of [[1, 0n], [2, 0x30n], [3, 0n], [7, 0n]] as const) core.u64[layout.REGS / 8 + register] = value;
    return { core, v };
  };
  const { core, v } = await start();
  v.intercept(code);
  expect(svmExitName(vmrun(core, v))).toBe(svmExitName(BigInt(code)));
  expect([v.get("RIP"), v.get("NRIP"), v.get("EXITINFO1"), v.get("EXITINTINFO")]).toEqual([0x1001n, BigInt(0x1001 + bytes), info, 0n]);
  if (code === 0x78) return;
  const other = await start();
  expect(vmrun(other.core, other.v)).not.toBe(BigInt(code));
});

/** A 64-bit guest on identity tables at 4000h. */
async function open64(source: string) {
  const core = await openCore(), v = openGuest(core, `bits 64\n${source}\nhlt`);
  poke64(core, GUEST + 0x4000, 0x5007n);
  poke64(core, GUEST + 0x5000, 0x6007n);
  poke64(core, GUEST + 0x6000, 0x87n);
  v.set("EFER", 0x1500);
  v.set("CR0", 0x80000011n);
  v.set("CR3", 0x4000);
  v.set("CR4", 0x20);
  v.set("CS", 0x29b, 2);
  return { core, v };
}

test("CR8: intercepted, or the virtual task priority with V_INTR_MASKING, or both it and the APIC without", async () => {
  const a = await open64("mov cr8,rcx");
  a.v.intercept(0x18);
  a.core.u64[layout.REGS / 8 + 1] = 5n;
  expect(vmrun(a.core, a.v)).toBe(0x18n);
  expect(a.v.get("EXITINFO1")).toBe(MOV | 1n);
  const b = await open64("mov cr8,rcx\nmov rbx,cr8");
  b.core.u64[layout.REGS / 8 + 1] = 5n;
  b.v.set("V_TPR_IRQ", 1 << 24);
  expect(vmrun(b.core, b.v)).toBe(0x78n);
  expect([b.core.u64[layout.REGS / 8 + 3], b.v.get("V_TPR_IRQ")]).toEqual([5n, 0x1000005n]);
  const c = await open64("mov cr8,rcx\nmov rbx,cr8");
  c.core.u64[layout.REGS / 8 + 1] = 5n;
  expect(vmrun(c.core, c.v)).toBe(0x78n);
  expect([c.core.u64[layout.REGS / 8 + 3], c.v.get("V_TPR_IRQ")]).toEqual([7n, 5n]);
});

test("SLDT, STR, LLDT and LTR have an intercept each", async () => {
  for (const [code, source] of [[0x68, "sldt ax"], [0x69, "str ax"], [0x6c, "lldt ax"], [0x6d, "ltr ax"]] as const) {
    const { core, v } = await open64(source);
    v.intercept(code);
    expect(vmrun(core, v)).toBe(BigInt(code));
    const other = await open64(source);
    other.v.intercept(code ^ 1);
    expect(vmrun(other.core, other.v)).not.toBe(BigInt(code ^ 1));
  }
});

test("SVM instructions of a guest exit when intercepted, after their own checks", async () => {
  for (const [code, source] of [[0x80, "vmrun"], [0x81, "vmmcall"], [0x82, "vmload"], [0x83, "vmsave"], [0x84, "stgi"], [0x85, "clgi"], [0x7a, "invlpga"]] as const) {
    const opcode = { vmrun: 0xd8, vmmcall: 0xd9, vmload: 0xda, vmsave: 0xdb, stgi: 0xdc, clgi: 0xdd, invlpga: 0xdf }[source];
    const { core, v } = await open64(`db 0x0f,0x01,${opcode}`);
    v.intercept(code);
    v.intercept(0x4d);
    expect(vmrun(core, v)).toBe(BigInt(code));
    if (code < 0x80 || code > 0x83 || code === 0x81) continue;
    v.set("RAX", 1); // not page-aligned
    v.set("RIP", 0x1000);
    expect(vmrun(core, v)).toBe(0x4dn);
  }
});

test("VMMCALL without its intercept and SKINIT are #UD", async () => {
  for (const opcode of [0xd9, 0xde]) {
    const { core, v } = await open64(`db 0x0f,0x01,${opcode}`);
    v.set("INTERCEPT_INSTR2", 1);
    v.intercept(0x46);
    expect(vmrun(core, v)).toBe(0x46n);
  }
});

test("the selective CR0 intercept lets TS and MP change, and gives way to the plain one", async () => {
  const core = await openCore(), v = openGuest(core, "mov edx,0x1a\nmov cr0,edx\nmov edx,0x3a\nmov cr0,edx\nhlt");
  v.intercept(0x65);
  expect(vmrun(core, v)).toBe(0x65n);
  expect([v.get("CR0"), v.get("RIP")]).toEqual([0x1an, 0x100fn]);
  v.intercept(0x10);
  v.set("RIP", 0x1000);
  expect(vmrun(core, v)).toBe(0x10n);
});

test("write traps of CR0 and EFER exit after the write, at the next instruction", async () => {
  const core = await openCore(), v = openGuest(core, "mov edx,0x30\nmov cr0,edx\nhlt");
  v.intercept(0x90);
  expect(vmrun(core, v)).toBe(0x90n);
  expect([v.get("CR0"), v.get("RIP")]).toEqual([0x30n, 0x1009n]);
  load(core, "mov ecx,0xc0000080\nmov eax,0x1001\nxor edx,edx\nwrmsr\nhlt");
  v.intercept(0x8f);
  v.set("RIP", 0x1000);
  expect(vmrun(core, v)).toBe(0x8fn);
  expect([v.get("EFER"), v.get("RIP")]).toEqual([0x1001n, 0x1011n]);
});

// Guest code, EXITINFO1.
const ports: readonly (readonly [string, bigint])[] = [
  ["in al,0x60", 0x600091n],
  ["out 0x60,al", 0x600090n],
  ["in ax,0x60", 0x6000a1n],
  ["in eax,0x60", 0x6000c1n],
  ["mov dx,0x60\noutsb", 0x600c94n],
  ["mov dx,0x60\nmov cx,1\nrep insw", 0x6000adn],
];
test.each(ports)("IOIO: `%s` exits with EXITINFO1 %s and the next rIP in EXITINFO2", async (source, info) => {
  const core = await openCore(), v = openGuest(core, `${source}\nhlt`);
  v.intercept(0x7b);
  poke(core, IOPM + 0x60 / 8, [1]);
  expect(vmrun(core, v)).toBe(0x7bn);
  expect([v.get("EXITINFO1"), v.get("EXITINFO2")]).toEqual([info, v.get("NRIP")]);
});

test("IOIO: every port that an access touches is looked up, and others go through", async () => {
  const writes: [number, number][] = [];
  const core = await openCore(writes), v = openGuest(core, "out 0x62,al\nout 0x5e,eax\nhlt");
  v.intercept(0x7b);
  poke(core, IOPM + 0x61 / 8, [2]);
  expect(vmrun(core, v)).toBe(0x7bn);
  expect([writes.length, v.get("EXITINFO1") >> 16n]).toEqual([1, 0x5en]);
});

test("MSRPM: two bits an MSR in three ranges, everything else exits", async () => {
  for (const [msr, byte, bit, write] of [[0x174, 0x5d, 0, false], [0x175, 0x5d, 3, true], [0xc0000081, 0x820, 2, false], [0xc0010015, 0x1005, 3, true]] as const) {
    const source = `mov ecx,${msr}\nxor eax,eax\nxor edx,edx\n${write ? "rdmsr\nwrmsr" : "wrmsr\nrdmsr"}\nhlt`;
    const core = await openCore(), v = openGuest(core, source);
    v.intercept(0x7c);
    poke(core, MSRPM + byte, [1 << bit]);
    expect(vmrun(core, v)).toBe(0x7cn);
    expect([v.get("EXITINFO1"), v.get("RIP")]).toEqual([write ? 1n : 0n, 0x100en]);
  }
  const core = await openCore(), v = openGuest(core, "mov ecx,0x40000000\nrdmsr\nhlt");
  v.intercept(0x7c);
  expect(vmrun(core, v)).toBe(0x7cn);
});

test("exceptions: error code in EXITINFO1; a page fault leaves CR2 alone and puts the address in EXITINFO2", async () => {
  const { core, v } = await open64("mov rax,0x7fffff000\nmov rax,[rax]");
  v.intercept(0x4e);
  v.set("CR2", 0x77);
  expect(vmrun(core, v)).toBe(0x4en);
  expect([v.get("EXITINFO1"), v.get("EXITINFO2"), v.get("CR2"), v.get("NRIP"), v.get("BYTES_FETCHED")]).toEqual([0n, 0x7fffff000n, 0x77n, 0n, 15n]);
  const gp = await open64("mov rax,0x8000000000000000\nmov rax,[rax]");
  gp.v.intercept(0x4d);
  expect(vmrun(gp.core, gp.v)).toBe(0x4dn);
  const db = await open64("pushf\nor dword [rsp],0x100\npopf\nnop\nnop");
  db.v.intercept(0x41);
  expect(vmrun(db.core, db.v)).toBe(0x41n);
  expect(db.v.get("DR6") & 0x4000n).toBe(0x4000n);
});

test("an exception met while another is delivered exits by its own intercept, the first in EXITINTINFO", async () => {
  const { core, v } = await open64("ud2");
  v.set("IDTR", 0x7fffff000n, 8);
  v.set("IDTR", 0xfff, 4);
  v.intercept(0x4e);
  expect(vmrun(core, v)).toBe(0x4en);
  expect([v.get("EXITINTINFO"), v.get("EXITINFO2")]).toEqual([0x80000306n, 0x7fffff060n]);
  const df = await open64("ud2");
  df.v.set("IDTR", 0, 4);
  df.v.intercept(0x48);
  expect(vmrun(df.core, df.v)).toBe(0x48n);
  const shutdown = await open64("ud2");
  shutdown.v.set("IDTR", 0, 4);
  expect(vmrun(shutdown.core, shutdown.v)).toBe(0x7fn);
});

test("a task switch exits with its selector and what caused it", async () => {
  const core = await openCore(), v = openGuest(core, "bits 32\njmp 0x18:0\nhlt");
  poke64(core, GUEST + 0x3018, 0x0000890070000067n);
  v.set("GDTR", 0x3000, 8);
  v.set("GDTR", 0xff, 4);
  v.set("CR0", 0x11);
  v.set("CS", 0xc9b, 2);
  v.set("CS", 0xffffffffn, 4);
  v.intercept(0x7d);
  expect(vmrun(core, v)).toBe(0x7dn);
  expect([v.get("EXITINFO1"), v.get("EXITINFO2"), v.get("RIP")]).toEqual([0x18n, 1n << 38n, 0x1000n]);
});

test("the PAUSE filter lets a number of PAUSEs pass", async () => {
  const core = await openCore(), v = openGuest(core, "again: inc bx\npause\njmp again");
  core.u64[layout.REGS / 8 + 3] = 0n;
  v.intercept(0x77);
  v.set("PAUSE_FILTER_COUNT", 10);
  expect(vmrun(core, v)).toBe(0x77n);
  expect(core.u64[layout.REGS / 8 + 3]).toBe(11n);
  // Far apart, they are not counted.
  load(core, "again: inc bx\nmov cx,100\nspin: loop spin\npause\njmp again");
  v.set("RIP", 0x1000);
  v.set("PAUSE_FILTER_THRESHOLD", 50);
  expect(vmrun(core, v, 100000)).toBe(-1n);
});
