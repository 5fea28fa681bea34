// What the silicon fixtures cannot show of the x87 and of state saving: privileged control bits, real mode, XSAVE.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../../isa/index.ts";
import { Core, featureIndex, layout, readFxsave, readRegs, readXsave, resetRegisters, writeXsave } from "../index.ts";

const CODE = 0x1000, STACK = 0x2000, DATA = 0x5000, HANDLERS = 0x3000;
const NE = 0x20n, TS = 8n, EM = 4n, MP = 2n;
const OSFXSR = 0x200n, OSXSAVE = 0x40000n;
const module = await WebAssembly.compile(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));

/** A core in real-address mode, segments at 0; each vector's handler is a HLT at HANDLERS + vector. */
async function open(cr0 = NE, cr4 = OSFXSR): Promise<Core> {
  const core = await Core.create(module, 0x10000, {
    portRead: () => 0, portWrite: () => undefined, mmioRead: () => 0n, mmioWrite: () => undefined, intAck: () => -1,
    msrRead: () => undefined, msrWrite: () => false, tprRead: () => 0, tprWrite: () => undefined,
  });
  core.map(0, 0x10000, 1);
  core.u8.fill(1, layout.FEATURES, layout.FEATURES + Object.keys(featureIndex).length);
  resetRegisters(core);
  core.u64[layout.SEG_BASE / 8 + 1] = 0n;
  core.u32[layout.SEG_SEL / 4 + 1] = 0;
  core.u64[layout.CR0 / 8] = 0x10n | cr0;
  core.u64[layout.CR4 / 8] = cr4;
  core.u64[layout.XCR0 / 8] = 3n;
  core.u32[layout.FCW / 4] = 0x37f;
  core.u32[layout.FTW / 4] = 0;
  core.u64[layout.REGS / 8 + 4] = BigInt(STACK);
  for (let v = 0; v < 32; v++) {
    core.view.setUint32(layout.RAM + v * 4, HANDLERS + v, true);
    core.u8[layout.RAM + HANDLERS + v] = 0xf4;
  }
  core.exports.updateMode();
  return core;
}
/** Run code that ends in HLT; the vector that was raised, or -1. */
function run(core: Core, ...code: number[]): number {
  core.u8.set([...code, 0xf4], layout.RAM + CODE);
  core.exports.written(layout.RAM + CODE, code.length + 1);
  core.u64[layout.RIP / 8] = BigInt(CODE);
  core.u32[layout.ACTIVITY / 4] = 0;
  core.exports.run(1000);
  const rip = Number(readRegs(core).rip);
  return rip >= HANDLERS ? rip - 1 - HANDLERS : -1;
}
const word = (core: Core, at: number): number => core.view.getUint16(layout.RAM + at, true);
const low = (at: number): number[] => [at & 255, at >> 8];
const FLDCW_ZERO_UNMASKED = [0xc7, 0x06, ...low(DATA), 0x7b, 0x03, 0xd9, 0x2e, ...low(DATA)];
const ONE_BY_ZERO = [0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9]; // FLD1, FLDZ, FDIVP
const FNSTSW_AX = [0xdf, 0xe0], FWAIT = 0x9b;

test("an unmasked exception is raised by the next waiting instruction, not by FNSTSW", async () => {
  const core = await open();
  const code = [...FLDCW_ZERO_UNMASKED, ...ONE_BY_ZERO, ...FNSTSW_AX];
  expect(run(core, ...code, FWAIT)).toBe(16);
  expect(Number(readRegs(core).rax) & 0x8084).toBe(0x8084);
  expect(word(core, STACK - 6)).toBe(CODE + code.length);
});
test("with CR0.NE clear nothing listens to FERR# and execution goes on", async () => {
  const core = await open(0n);
  expect(run(core, ...FLDCW_ZERO_UNMASKED, ...ONE_BY_ZERO, FWAIT, 0xd9, 0xe8)).toBe(-1);
  expect(core.u32[layout.FSW / 4]! & 0x80).toBe(0x80);
});
test("CR0.TS and CR0.EM are #NM for x87, FXSAVE and, with MP, WAIT", async () => {
  for (const code of [[0xd9, 0xe8], [0xdb, 0xe3], [0x0f, 0xae, 0x06, ...low(DATA)]]) {
    expect(run(await open(NE | TS), ...code)).toBe(7);
    expect(run(await open(NE | EM), ...code)).toBe(7);
  }
  expect(run(await open(NE | TS), FWAIT)).toBe(-1);
  expect(run(await open(NE | TS | MP), FWAIT)).toBe(7);
});
test("MMX is #UD under CR0.EM, #NM under TS and #MF with an exception pending", async () => {
  const EMMS = [0x0f, 0x77];
  expect(run(await open(NE | EM), ...EMMS)).toBe(6);
  expect(run(await open(NE | TS), ...EMMS)).toBe(7);
  expect(run(await open(), ...FLDCW_ZERO_UNMASKED, ...ONE_BY_ZERO, ...EMMS)).toBe(16);
});
test("FNSTENV in real mode stores linear pointers and the opcode, and masks all exceptions", async () => {
  const core = await open();
  core.u32[layout.SEG_SEL / 4 + 3] = 0x100;
  core.u64[layout.SEG_BASE / 8 + 3] = 0x1000n;
  core.exports.updateMode();
  // FLD dword [4000h] at DS = 100h, FNSTENV [6000h].
  expect(run(core, ...FLDCW_ZERO_UNMASKED, 0xd9, 0x06, 0x00, 0x40, 0xd9, 0x36, 0x00, 0x60)).toBe(-1);
  const at = 0x7000;
  expect(word(core, at)).toBe(0x37b);
  expect(word(core, at + 6)).toBe(CODE + FLDCW_ZERO_UNMASKED.length);
  expect(word(core, at + 8)).toBe(0x106); // D9 06: 001_0000_0110
  expect(word(core, at + 10)).toBe(0x5000);
  expect(core.u32[layout.FCW / 4]).toBe(0x37f);
});
test("control instructions leave the last instruction pointer alone", async () => {
  const core = await open();
  run(core, 0xd9, 0xe8, 0xd9, 0x3e, ...low(DATA), 0xdb, 0xe2);
  expect(core.u64[layout.FIP / 8]).toBe(BigInt(CODE));
  expect(core.u32[layout.FOP / 4]).toBe(0x1e8);
});
test("FXSAVE and FXRSTOR carry XMM registers only while CR4.OSFXSR is set", async () => {
  const core = await open(NE, 0n);
  core.u8[layout.XMM] = 0x55;
  run(core, 0x0f, 0xae, 0x06, ...low(DATA));
  expect(core.u8[layout.RAM + DATA + 160]).toBe(0);
  core.u64[layout.CR4 / 8] = OSFXSR;
  run(core, 0x0f, 0xae, 0x06, ...low(DATA));
  expect(core.u8[layout.RAM + DATA + 160]).toBe(0x55);
  expect(core.view.getUint32(layout.RAM + DATA + 28, true)).toBe(0xffff);
});

const XSAVE = [0x0f, 0xae, 0x26, ...low(DATA)], XRSTOR = [0x0f, 0xae, 0x2e, ...low(DATA)];
const ALL = [0x66, 0xb8, 3, 0, 0, 0, 0x66, 0x31, 0xd2]; // EDX:EAX = 3
test("XSAVE is #UD without CR4.OSXSAVE, #NM under TS and #GP off a 64-byte boundary", async () => {
  expect(run(await open(), ...XSAVE)).toBe(6);
  expect(run(await open(NE | TS, OSFXSR | OSXSAVE), ...XSAVE)).toBe(7);
  expect(run(await open(NE, OSFXSR | OSXSAVE), 0x0f, 0xae, 0x26, ...low(DATA + 16))).toBe(13);
});
test("XRSTOR brings back what XSAVE stored, and initialises what the header says is not there", async () => {
  const core = await open(NE, OSFXSR | OSXSAVE);
  core.u8.fill(0xa7, layout.XMM, layout.XMM + 128);
  core.u32[layout.MXCSR / 4] = 0x1fa0;
  run(core, 0xd9, 0xeb, ...ALL, ...XSAVE); // FLDPI
  expect(core.view.getBigUint64(layout.RAM + DATA + 512, true)).toBe(3n);
  const saved = readFxsave(core);
  core.u8.fill(0, layout.XMM, layout.XMM + 128);
  expect(run(core, 0xdb, 0xe3, ...ALL, ...XRSTOR)).toBe(-1);
  const restored = readFxsave(core);
  expect(restored.subarray(0, 6)).toEqual(saved.subarray(0, 6));
  expect(restored.subarray(24, 416)).toEqual(saved.subarray(24, 416));
  core.view.setBigUint64(layout.RAM + DATA + 512, 0n, true);
  expect(run(core, ...ALL, ...XRSTOR)).toBe(-1);
  expect(core.u32[layout.FCW / 4]).toBe(0x37f);
  expect(core.u32[layout.FTW / 4]).toBe(0);
  expect(core.u8[layout.XMM]).toBe(0);
});
test("XRSTOR refuses a header with reserved bits, absent components or an MXCSR that cannot be", async () => {
  for (const [offset, value] of [[512, 4], [520, 1], [528, 1], [26, 1]] as const) {
    const core = await open(NE, OSFXSR | OSXSAVE);
    run(core, ...ALL, ...XSAVE);
    core.u8[layout.RAM + DATA + offset]! |= value;
    expect(run(core, ...ALL, ...XRSTOR)).toBe(13);
  }
});
test("approximate reciprocals are within 1.5 * 2^-12", async () => {
  const core = await open();
  const bound = 1.5 / 4096;
  for (let i = 0; i < 400; i++) {
    const x = new Float32Array([1 + i / 400, (1 + i / 400) * 2 ** ((i % 200) - 100), 3.7 * 2 ** (i % 90), 2 ** -(i % 120)]);
    core.u8.set(new Uint8Array(x.buffer), layout.XMM);
    run(core, 0x0f, 0x53, 0xc8, 0x0f, 0x52, 0xd0); // RCPPS XMM1, XMM0; RSQRTPS XMM2, XMM0
    for (let lane = 0; lane < 4; lane++) {
      const v = x[lane]!, rcp = core.view.getFloat32(layout.XMM + 16 + lane * 4, true), rsqrt = core.view.getFloat32(layout.XMM + 32 + lane * 4, true);
      expect(Math.abs(rcp * v - 1)).toBeLessThan(bound);
      expect(Math.abs(rsqrt * Math.sqrt(v) - 1)).toBeLessThan(bound);
    }
  }
});

test("FCS and FDS are kept, by FXSAVE and in the machine's state; no model announces that they are gone", async () => {
  const core = await open();
  const ES = 2; // any selector but that of CS
  core.u32[layout.SEG_SEL / 4] = ES;
  run(core, 0x26, 0xd9, 0x06, ...low(DATA), 0x0f, 0xae, 0x06, ...low(DATA)); // FLD dword [es:DATA], FXSAVE [DATA]
  expect([word(core, DATA + 12), word(core, DATA + 20)]).toEqual([0, ES]);
  const image = readXsave(core), other = await open();
  writeXsave(other, image);
  expect([other.u32[layout.FCS / 4], other.u32[layout.FDS / 4]]).toEqual([0, ES]);
  for (const name of ["vitrine", "qemu64"]) {
    const leaf = parseCpu(name).leaves.find((l) => l.leaf === 7);
    expect(((leaf?.ebx ?? 0) >> 13) & 1, name).toBe(0);
  }
});
