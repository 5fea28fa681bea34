import { expect, test } from "vitest";
import { vmcsFields } from "../../isa/index.ts";
import { type Core, layout, Stop } from "../index.ts";
import { EPT, GUEST, openCore, openGuest, poke, poke64, VMCS } from "./fixture.ts";

const RIP = 0x681e, LENGTH = 0x440c, REASON = 0x4402, RFLAGS = 0x6820, BLOCKING = 0x4824, PROC = 0x4002, INJECTED = 0x4016;
/** With virtual NMIs, without which no guest stays. */
const PIN = 0x3e;
const STATE_END = 0x1400;
/** What belongs to no CPU's state, or says only how a state was reached: the clock, lazy flags' words, where the guest stays, passed checks, counters. */
const OTHER: readonly (readonly [number, number])[] = [
  [layout.ZERO_OFF + layout.REGS, layout.RIP],
  [layout.LF_RES, layout.EFLAGS],
  [layout.T_END, layout.T_END + 8],
  [layout.BOUNCE, layout.INTR],
  [layout.N_TLB_MISS, layout.PAUSE_YIELDS],
  [layout.VMX + 0x50, layout.VMX + 0x54],
  [layout.VMX + 0x58, layout.VMX + 0x78],
  [layout.VMX + 0x8c, layout.VMX + 0x94],
];

// cpuid; mov ax,1234h; mov ds,ax; mov fs,ax; in al,60h; lidt [0]; push ax; sti; out 80h,al; pushf; or word [bp],100h .. ; mov eax,cr0; wbinvd; hlt
const CODE = [
  ...[0x0f, 0xa2, 0xb8, 0x34, 0x12, 0x8e, 0xd8, 0x8e, 0xe0, 0xe4, 0x60, 0x0f, 0x01, 0x1e, 0x00, 0x00, 0x50, 0xfb, 0xe6, 0x80],
  ...[0x0f, 0x23, 0xd8, 0x0f, 0xa2, 0x66, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x23, 0xf8, 0x0f, 0xa2, 0x8e, 0xd0, 0x0f, 0xa2, 0xf4],
];
async function open(): Promise<{ core: Core; w: (field: number, value: number | bigint) => number }> {
  const core = await openCore(), w = openGuest(core);
  poke(core, GUEST + 0x1000, CODE);
  w(0x4000, PIN);
  w(0x400c, 0x36dff | 0x200 | 0x300000); // as in the fixture, and debug controls are saved and loaded
  w(0x4012, 0x11ff | 0x8000);
  w(PROC, 0x84006172 | 0x80 | (1 << 24)); // HLT and I/O exiting
  return { core, w };
}
const state = (core: Core): Uint8Array => {
  const bytes = core.u8.slice(0, STATE_END);
  for (const [from, to] of OTHER) bytes.fill(0, from, to);
  return bytes.subarray(layout.REGS);
};
const vmcs = (core: Core): Uint8Array => core.u8.slice(layout.RAM + VMCS, layout.RAM + VMCS + 4096);
const fields = (core: Core): [string, bigint][] => vmcsFields.map(({ name, encoding }) => [name, core.exports.vmRead(encoding)]);

/** Runs to the next exit; behind the instruction that exited afterwards, but for HLT. False: HLT. */
function step({ exports: x }: Core, w: (field: number, value: number | bigint) => number, first: boolean): boolean {
  expect(first ? x.vmLaunch() : x.vmResume()).toBe(0);
  expect(x.run(1000)).toBe(Stop.VmExit);
  if (x.vmRead(REASON) === 12n) return false;
  w(RIP, x.vmRead(RIP) + x.vmRead(LENGTH));
  return true;
}

test("a guest that stays in the processor is in the state that the manual's exits and entries leave, wherever one looks", async () => {
  const out = await open(), stays = await open(), read = await open();
  for (let first = true, more = true; more; first = false) {
    more = step(out.core, out.w, first);
    out.core.exports.vmxSettle();
    expect(step(stays.core, stays.w, first)).toBe(more);
    expect(step(read.core, read.w, first)).toBe(more);
    expect(fields(read.core)).toEqual(fields(out.core));
    // VMREAD has ended nothing.
    expect(read.core.u32[(layout.VMX + 0x8c) / 4]).toBe(2);
    expect(stays.core.u32[(layout.VMX + 0x8c) / 4]).toBe(1);
  }
  for (const { core } of [stays, read]) {
    core.exports.vmxSettle();
    expect(Buffer.from(vmcs(core)).equals(Buffer.from(vmcs(out.core)))).toBe(true);
    expect([...state(core)]).toEqual([...state(out.core)]);
  }
});

/** What ends its stay, and that which changes nothing. */
const ENDS: Readonly<Record<string, (core: Core) => void>> = {
  VMPTRLD: ({ exports: x }) => { x.vmPtrld(BigInt(VMCS)); },
  INVEPT: ({ exports: x }) => { x.invEpt(2n, 0n); },
  INVVPID: ({ exports: x }) => { x.invVpid(2n, 0, 0n); },
  "VMWRITE of the TSC-offsetting control": ({ exports: x }) => { x.vmWrite(PROC, x.vmRead(PROC) ^ 8n); },
  "VMWRITE of a selector": ({ exports: x }) => { x.vmWrite(0x806, 0x4321n); },
  "a store to the VMCS": (core) => { poke64(core, VMCS + 0xff8, 1n); core.exports.written(layout.RAM + VMCS + 0xff8, 8); },
};
test.each(Object.entries(ENDS))("%s ends the stay, and the guest goes on", async (_, end) => {
  const { core, w } = await open(), x = core.exports;
  for (let first = true; step(core, w, first); first = false) {
    end(core);
    expect(core.u32[(layout.VMX + 0x8c) / 4]).toBe(0);
    expect(core.u64[layout.CR4 / 8]).toBe(0x2020n);
  }
  expect(x.vmRead(RIP)).toBe(BigInt(0x1000 + CODE.length - 1));
});

test("what VMWRITE may change meanwhile acts at the entry", async () => {
  const { core, w } = await open(), x = core.exports;
  step(core, w, true);
  expect(w(RFLAGS, 0x202)).toBe(0);
  expect(w(PROC, x.vmRead(PROC) | 4n)).toBe(0); // interrupt window
  expect(core.u32[(layout.VMX + 0x8c) / 4]).toBe(1);
  expect([x.vmResume(), x.run(10), x.vmRead(REASON)]).toEqual([0, Stop.VmExit, 7n]);
  w(PROC, x.vmRead(PROC) & ~4n);
  w(BLOCKING, 3); // STI and MOV SS at once
  expect([x.vmResume(), x.vmxFailedCheck()]).toEqual([-2, 391]);
  w(BLOCKING, 0);
  w(INJECTED, 0x80000041); // INT 41h: the vector's gate is 0:0, where zeros are ADD [BX+SI],AL
  expect([x.vmResume(), x.run(1), core.u32[layout.RIP / 4]]).toEqual([0, Stop.Budget, 2]);
});

test("an event that is injected meets a missing page, and the exit tells of it", async () => {
  const { core, w } = await open(), x = core.exports;
  step(core, w, true);
  w(RFLAGS, 0x202);
  w(INJECTED, 0x80000041);
  poke64(core, EPT + 0x3000, 0n);
  x.invEpt(2n, 0n);
  expect(x.vmResume()).toBe(-2);
  expect([x.vmRead(REASON), x.vmRead(0x4408)]).toEqual([48n, 0x80000041n]);
});
