import { expect, test } from "vitest";
import { type Core, layout, Stop } from "../index.ts";
import { GUEST, openCore, openGuest, poke, type Vmcb, VMCB, vmrun } from "./fixture.ts";

const V_IRQ = 1 << 8, V_IGN_TPR = 1 << 20, V_INTR_MASKING = 1 << 24, V_GIF_ENABLE = 1 << 25, V_GIF = 1 << 9;
const IF = 0x202;

/** A guest whose interrupt handlers 41h and 42h write their number to 3000h and halt. */
async function open(source: string): Promise<{ core: Core; v: Vmcb; handled: () => number }> {
  const core = await openCore(), v = openGuest(core, source);
  for (const vector of [2, 0x41, 0x42]) {
    core.view.setUint32(layout.RAM + GUEST + vector * 4, 0x1800 + vector * 16, true);
    poke(core, GUEST + 0x1800 + vector * 16, [0xc6, 0x06, 0x00, 0x30, vector, 0xf4]); // mov byte [3000h],vector; hlt
  }
  return { core, v, handled: () => core.u8[layout.RAM + GUEST + 0x3000] ?? 0 };
}
const priority = (n: number): number => n << 16;

test("V_IRQ is delivered through the guest's table once IF is set and the priority is above V_TPR, and is then clear", async () => {
  const a = await open("sti\nnop\nnop\nhlt");
  a.v.set("V_TPR_IRQ", V_IRQ | priority(5) | 4);
  a.v.set("V_INTR_VECTOR", 0x42);
  expect(vmrun(a.core, a.v)).toBe(0x78n);
  expect([a.handled(), a.v.get("V_TPR_IRQ")]).toEqual([0x42, BigInt(priority(5) | 4)]);
  const b = await open("sti\nnop\nnop\nhlt");
  b.v.set("V_TPR_IRQ", V_IRQ | priority(5) | 5);
  b.v.set("V_INTR_VECTOR", 0x42);
  vmrun(b.core, b.v);
  expect([b.handled(), b.v.get("RIP"), b.v.get("V_TPR_IRQ") & BigInt(V_IRQ)]).toEqual([0, 0x1003n, BigInt(V_IRQ)]);
  const c = await open("sti\nnop\nnop\nhlt");
  c.v.set("V_TPR_IRQ", V_IRQ | V_IGN_TPR | 15);
  c.v.set("V_INTR_VECTOR", 0x42);
  vmrun(c.core, c.v);
  expect(c.handled()).toBe(0x42);
});

test("the VINTR intercept exits instead, with V_IRQ still set, not within the interrupt shadow", async () => {
  const { core, v } = await open("sti\nnop\nnop\nhlt");
  v.set("V_TPR_IRQ", V_IRQ | priority(1));
  v.intercept(0x64);
  expect(vmrun(core, v)).toBe(0x64n);
  expect([v.get("RIP"), v.get("V_TPR_IRQ") & BigInt(V_IRQ)]).toEqual([0x1002n, BigInt(V_IRQ)]);
  v.set("RIP", 0x1001);
  v.set("INTERRUPT_SHADOW", 1);
  expect(vmrun(core, v)).toBe(0x64n);
  expect(v.get("RIP")).toBe(0x1002n);
});

// INTR intercept, V_INTR_MASKING, host IF, guest IF: what a physical interrupt does.
const physical: readonly (readonly [boolean, boolean, boolean, boolean, "exit" | "taken" | "waits"])[] = [
  [true, false, false, true, "exit"],
  [true, false, true, false, "waits"],
  [true, true, true, false, "exit"],
  [true, true, false, true, "waits"],
  [false, false, false, true, "taken"],
  [false, false, true, false, "waits"],
  [false, true, true, false, "taken"],
  [false, true, false, true, "waits"],
];
test.each(physical)("a physical interrupt with INTR intercept %s, V_INTR_MASKING %s, host IF %s, guest IF %s: %s", async (intercept, masking, host, guest, what) => {
  const { core, v, handled } = await open("nop\nhlt");
  core.u32[layout.INTR / 4] = 1;
  if (intercept) v.intercept(0x60);
  if (masking) v.set("V_TPR_IRQ", V_INTR_MASKING);
  v.set("RFLAGS", guest ? IF : 2);
  core.u32[layout.EFLAGS / 4] = host ? IF : 2;
  const code = vmrun(core, v);
  expect(code).toBe(what === "exit" ? 0x60n : 0x78n);
  expect(handled()).toBe(what === "taken" ? 0x41 : 0);
  if (what === "exit") expect(v.get("RIP")).toBe(0x1000n);
});

test("a line that never falls, taken with the guest's IF clear, does not keep run() from returning", async () => {
  const core = await openCore([], true), v = openGuest(core, "nop\nhlt");
  core.u32[layout.INTR / 4] = 1;
  core.u32[layout.EFLAGS / 4] = IF;
  v.set("V_TPR_IRQ", V_INTR_MASKING);
  core.exports.svmRun(BigInt(VMCB));
  expect(core.exports.run(1000)).toBe(Stop.Request);
});

test("a physical interrupt comes before a virtual one", async () => {
  const { core, v } = await open("nop\nhlt");
  core.u32[layout.INTR / 4] = 1;
  v.intercept(0x60);
  v.set("RFLAGS", IF);
  v.set("V_TPR_IRQ", V_IRQ | V_IGN_TPR);
  v.set("V_INTR_VECTOR", 0x42);
  expect(vmrun(core, v)).toBe(0x60n);
  expect(v.get("V_TPR_IRQ") & BigInt(V_IRQ)).toBe(BigInt(V_IRQ));
});

test("NMI, SMI and INIT exit and stay pending behind the global interrupt flag", async () => {
  for (const [code, at] of [[0x61, layout.NMI], [0x62, layout.SMI], [0x63, layout.INIT]] as const) {
    const { core, v } = await open("nop\nhlt");
    v.intercept(code);
    core.u32[at / 4] = 1;
    expect(vmrun(core, v)).toBe(BigInt(code));
    expect([core.u32[at / 4], core.u32[layout.EVENTS_HELD / 4]]).toEqual([1, 1]);
  }
  const { core, v, handled } = await open("nop\nhlt");
  core.u32[layout.NMI / 4] = 1;
  expect(vmrun(core, v)).toBe(0x78n);
  expect(handled()).toBe(2);
});

test("the host takes nothing while the global interrupt flag is 0", async () => {
  const { core } = await open("hlt");
  core.u32[layout.NMI / 4] = 1;
  core.u32[layout.INTR / 4] = 1;
  core.u32[layout.EFLAGS / 4] = IF;
  core.u64[layout.CR0 / 8] = 0x11n;
  core.u64[layout.EFER / 8] = 0x1000n;
  core.u64[layout.RIP / 8] = 0x5000n;
  core.u32[layout.SEG_ATTR / 4 + 1] = 0xc09b;
  core.exports.updateMode();
  core.exports.flushTlb();
  poke(core, 0x5000, [0x40, 0x40, 0x40, 0xeb, 0xfb]);
  core.exports.run(100);
  expect([core.u32[layout.NMI / 4], core.u32[layout.INTR / 4]]).toEqual([1, 1]);
});

test("a virtual GIF holds V_IRQ back until the guest's STGI", async () => {
  const { core, v, handled } = await open("sti\nnop\nnop\nhlt");
  v.set("V_TPR_IRQ", V_IRQ | V_IGN_TPR | V_GIF_ENABLE);
  v.set("V_INTR_VECTOR", 0x42);
  vmrun(core, v);
  expect(handled()).toBe(0);
  v.set("RIP", 0x1000);
  v.set("V_TPR_IRQ", V_IRQ | V_IGN_TPR | V_GIF_ENABLE | V_GIF);
  vmrun(core, v);
  expect(handled()).toBe(0x42);
});

test("a halted guest that does not exit for HLT wakes for its virtual interrupt", async () => {
  const { core, v, handled } = await open("sti\nhlt\nhlt");
  v.set("INTERCEPT_INSTR1", 0);
  v.intercept(0x72);
  poke(core, GUEST + 0x1800 + 0x42 * 16 + 5, [0x0f, 0xa2]); // cpuid
  v.set("V_TPR_IRQ", V_IRQ | V_IGN_TPR);
  v.set("V_INTR_VECTOR", 0x42);
  expect(vmrun(core, v)).toBe(0x72n);
  expect(handled()).toBe(0x42);
  expect(core.exports.svmRun(BigInt(VMCB))).toBe(1);
});
