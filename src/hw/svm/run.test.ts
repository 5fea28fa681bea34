import { expect, test } from "vitest";
import { vmrunCheck, vmrunChecks } from "../../isa/index.ts";
import { layout, Stop } from "../index.ts";
import { GUEST, HSAVE, NPT, openCore, openGuest, peek64, poke64, VMCB, vmrun } from "./fixture.ts";

const INVALID = 0xffffffffffffffffn;

test("a real-mode guest runs until HLT and its state is saved, the host's is back", async () => {
  const core = await openCore(), v = openGuest(core, "mov ax,0x1234\nmov [0x2000],ax\nhlt");
  core.u64[layout.REGS / 8] = 0x77n;
  core.u64[layout.REGS / 8 + 4] = 0x9000n;
  expect(vmrun(core, v)).toBe(0x78n);
  expect([v.get("RIP"), v.get("NRIP"), v.get("RAX") & 0xffffn, v.get("RSP"), v.get("CPL")]).toEqual([0x1006n, 0x1007n, 0x1234n, 0x8000n, 0n]);
  expect(core.view.getUint16(layout.RAM + GUEST + 0x2000, true)).toBe(0x1234);
  // RAX and RSP are the host's again, the guest's other registers stay.
  expect([core.u64[layout.REGS / 8], core.u64[layout.REGS / 8 + 4]]).toEqual([0x77n, 0x9000n]);
  expect([core.u64[layout.CR0 / 8], core.u64[layout.DR7 / 8], core.u32[layout.EVENTS_HELD / 4]]).toEqual([0x80050033n, 0x400n, 1]);
  expect(peek64(core, HSAVE + 0x558)).toBe(0x80050033n);
  expect(core.exports.svmGuest()).toBe(0);
});

// Field, part, value, the check that must fail; after the fields that come with it.
const LONG: readonly (readonly [string, number | bigint, number?])[] = [["EFER", 0x1500], ["CR0", 0x80000011n], ["CR4", 0x20]];
const rows: readonly (readonly [number, readonly (readonly [string, number | bigint, number?])[]])[] = [
  [1, [["EFER", 0]]],
  [2, [["CR0", 0x20000010]]],
  [3, [["CR0", 1n << 32n]]],
  [4, [["CR3", 1n << 40n]]],
  [5, [["CR4", 1n << 40n]]],
  [5, [["CR4", 0x1000]]],
  [6, [["DR6", 1n << 32n]]],
  [7, [["DR7", 1n << 63n]]],
  [8, [["EFER", 0x3000]]],
  [10, [...LONG, ["CR4", 0]]],
  [11, [...LONG, ["CR0", 0x80000010n]]],
  [12, [...LONG, ["CS", 0x69b, 2]]],
  [13, [["INTERCEPT_INSTR2", 2]]],
  [14, [["MSRPM_BASE_PA", (1n << 40n) - 0x1000n]]],
  [15, [["IOPM_BASE_PA", (1n << 40n) - 0x2000n]]],
  [16, [["EVENTINJ", 0x80000100n]]],
  [16, [["EVENTINJ", 0x80000500n]]],
  [16, [["EVENTINJ", 0x80000302n]]],
  [16, [["EVENTINJ", 0x80000320n]]],
  [16, [...LONG, ["CS", 0x29b, 2], ["EVENTINJ", 0x80000305n]]],
  [17, [["GUEST_ASID", 0]]],
  [18, [["G_PAT", 2]]],
  [18, [["G_PAT", 0x0800000000000000n]]],
  [19, [["N_CR3", 1n << 40n]]],
];
test.each(rows)("VMRUN: check %i refuses its case with VMEXIT_INVALID and leaves the guest's state alone", async (check, fields) => {
  const core = await openCore(), v = openGuest(core);
  for (const [name, value, part] of fields) v.set(name, value, part);
  const rip = v.get("RIP");
  expect(vmrun(core, v)).toBe(INVALID);
  expect(core.exports.svmFailedCheck()).toBe(check);
  expect(vmrunCheck(check)?.fields).toContain(fields.at(-1)?.[0]);
  expect([v.get("RIP"), core.u32[layout.EVENTS_HELD / 4]]).toEqual([rip, 1]);
});

test("without nested paging a PAE guest whose directory-pointer entry has reserved bits is refused, with it it faults", async () => {
  const core = await openCore(), v = openGuest(core, "bits 32\nhlt");
  // Tables at 4000h, in the host's memory and in the guest's.
  for (const base of [0, GUEST]) {
    poke64(core, base + 0x4000, 0x5001n | (1n << 50n));
    poke64(core, base + 0x5000, 0xe7n);
  }
  v.set("CR0", 0x80000011n);
  v.set("CR3", 0x4000);
  v.set("CR4", 0x20);
  v.set("CS", 0xc9b, 2);
  v.set("CS", 0xffffffffn, 4);
  v.intercept(0x4e);
  expect(vmrun(core, v)).toBe(0x4en);
  expect([v.get("EXITINFO1"), v.get("EXITINFO2")]).toEqual([9n, 0x1000n]);
  v.set("NP_ENABLE", 0);
  expect(vmrun(core, v)).toBe(INVALID);
  expect(core.exports.svmFailedCheck()).toBe(20);
});

test("every check number has a sentence and one case here but that of a processor without long mode", () => {
  const tested = new Set([...rows.map(([n]) => n), 20]);
  expect(vmrunChecks.map((c) => c.number).filter((n) => !tested.has(n))).toEqual([9]);
});

test("without long mode EFER.LME is refused by name", async () => {
  const core = await openCore(), v = openGuest(core);
  core.u32[layout.CPUID_TABLE / 4 + 4 * 8 + 5] = 0;
  v.set("EFER", 0x1100);
  expect(vmrun(core, v)).toBe(INVALID);
  expect(core.exports.svmFailedCheck()).toBe(9);
});

test("a VMCB outside RAM makes VMRUN exit and hurts nothing", async () => {
  const core = await openCore();
  openGuest(core);
  expect(core.exports.svmRun(0xfff000n << 8n)).toBe(0);
  expect(core.exports.svmFailedCheck()).toBe(1);
});

test("a VMCB whose frame goes away under the guest loses the exit, the host goes on", async () => {
  const core = await openCore();
  openGuest(core);
  core.exports.svmRun(BigInt(VMCB));
  core.map(VMCB, 4096, 0);
  expect(core.exports.run(100)).toBe(Stop.VmExit);
  expect(core.u64[layout.CR0 / 8]).toBe(0x80050033n);
});

test("EVENTINJ delivers each type before the first instruction; a software interrupt returns to nRIP", async () => {
  for (const [event, vector, pushed] of [[0x80000041n, 0x41, 0x1000], [0x80000202n, 2, 0x1000], [0x8000030dn, 13, 0x1000], [0x80000480n, 0x80, 0x1002]] as const) {
    const core = await openCore(), v = openGuest(core);
    core.view.setUint32(layout.RAM + GUEST + vector * 4, 0x1500, true);
    core.u8[layout.RAM + GUEST + 0x1500] = 0xf4;
    v.set("EVENTINJ", event);
    v.set("NRIP", 0x1002);
    expect(vmrun(core, v)).toBe(0x78n);
    expect([v.get("RIP"), v.get("RSP"), v.get("EVENTINJ") >> 31n]).toEqual([0x1500n, 0x7ffan, 0n]);
    expect(core.view.getUint16(layout.RAM + GUEST + 0x7ffa, true)).toBe(pushed);
  }
});

test("TSC_OFFSET is added while the guest runs and is gone after #VMEXIT", async () => {
  const core = await openCore(), v = openGuest(core, "rdtsc\nhlt");
  const before = core.u64[layout.TSC_OFFSET / 8];
  v.set("TSC_OFFSET", 0x500000000n);
  vmrun(core, v);
  expect(core.u64[layout.REGS / 8 + 2]).toBe(5n);
  expect(core.u64[layout.TSC_OFFSET / 8]).toBe(before);
});

test("WRMSR of the TSC in a guest sets the host's, which the guest reads with TSC_OFFSET", async () => {
  const core = await openCore(), v = openGuest(core, "mov ecx,0x10\nmov eax,0x5000\nxor edx,edx\nwrmsr\nrdtsc\nmov ebx,eax\nhlt");
  v.set("TSC_OFFSET", 0x100n);
  vmrun(core, v);
  expect((core.u64[layout.REGS / 8 + 3] ?? 0n) & ~0xfn).toBe(0x5100n);
  expect(((core.u64[layout.TSC_OFFSET / 8] ?? 0n) + BigInt(core.exports.clock())) & ~0xfn).toBe(0x5000n);
});

test("the guest PAT is the VMCB's under nested paging and the host's comes back", async () => {
  const core = await openCore(), v = openGuest(core, "mov ecx,0x277\nrdmsr\nhlt");
  v.set("G_PAT", 0x0606060606060606n);
  vmrun(core, v);
  expect([core.u64[layout.REGS / 8 + 2], core.u64[layout.PAT / 8]]).toEqual([0x06060606n, 0x0007040600070406n]);
});

test("VMSAVE and VMLOAD carry FS, GS, TR, LDTR and the MSRs of SYSCALL and SYSENTER; bases become canonical", async () => {
  const core = await openCore(), v = openGuest(core);
  v.set("FS", 0x23);
  v.set("FS", 0xc93, 2);
  v.set("FS", 0x8000_0000_0000n, 8);
  v.set("KERNEL_GS_BASE", 0x1234n);
  v.set("STAR", 0x5678n);
  core.exports.svmLoad(BigInt(VMCB));
  expect([core.u32[layout.SEG_SEL / 4 + 4], core.u32[layout.SEG_ATTR / 4 + 4], core.u64[layout.STAR / 8]]).toEqual([0x23, 0xc093, 0x5678n]);
  v.set("STAR", 0);
  core.exports.svmSave(BigInt(VMCB));
  expect([v.get("FS", 8), v.get("STAR"), v.get("KERNEL_GS_BASE"), v.get("FS", 2)]).toEqual([0xffff_8000_0000_0000n, 0x5678n, 0x1234n, 0xc93n]);
});

test("a guest that is stopped inside goes on in another core from the saved state", async () => {
  const a = await openCore(), v = openGuest(a, "again: inc ax\ncmp ax,0x3000\njne again\nhlt");
  expect(a.exports.svmRun(BigInt(VMCB))).toBe(1);
  expect(a.exports.run(1000)).toBe(Stop.Budget);
  const b = await openCore();
  b.u8.set(a.u8.subarray(0x100, 0x1400), 0x100);
  b.u8.set(a.u8.subarray(layout.RAM, layout.RAM + a.ramBytes), layout.RAM);
  b.exports.setClock(a.exports.clock());
  b.exports.svmRestored();
  b.exports.updateMode();
  b.exports.flushTlb();
  for (const core of [a, b]) expect(core.exports.run(1000000)).toBe(Stop.VmExit);
  expect([v.get("EXITCODE"), v.get("RAX")]).toEqual([0x78n, 0x3000n]);
  expect([peek64(b, VMCB + 0x70), peek64(b, VMCB + 0x5f8)]).toEqual([0x78n, 0x3000n]);
  expect(b.exports.clock()).toBe(a.exports.clock());
});

test("TLB_CONTROL and ASIDs: an old translation lives on under its ASID until it is flushed", async () => {
  const core = await openCore(), v = openGuest(core, "mov al,[0x3000]\nhlt");
  core.u8[layout.RAM + GUEST + 0x3000] = 1;
  core.u8[layout.RAM + GUEST + 0x4000] = 2;
  vmrun(core, v);
  poke64(core, NPT + 0x3000 + 3 * 8, BigInt(GUEST + 0x4000) | 0x67n);
  const again = (): bigint => {
    v.set("RIP", 0x1000);
    vmrun(core, v);
    return v.get("RAX") & 0xffn;
  };
  expect(again()).toBe(1n);
  core.exports.svmInvalidate(0x3000n, 1);
  expect(again()).toBe(2n);
  poke64(core, NPT + 0x3000 + 3 * 8, BigInt(GUEST + 0x3000) | 0x67n);
  expect(again()).toBe(2n);
  v.set("GUEST_ASID", 2);
  expect(again()).toBe(1n);
  poke64(core, NPT + 0x3000 + 3 * 8, BigInt(GUEST + 0x4000) | 0x67n);
  expect(again()).toBe(1n);
  v.set("TLB_CONTROL", 3);
  expect(again()).toBe(2n);
});
