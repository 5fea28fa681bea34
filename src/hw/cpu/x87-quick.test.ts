// The short forms of x87-quick.ts against the long ones, which the silicon's fixtures cover: with ES set and CR0.NE clear
// every instruction takes the long way, and nothing else differs.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Core, featureIndex, layout, resetRegisters } from "../index.ts";

const CODE = 0x1000, DATA = 0x5000;
const ES_B = 0x8080;
const ROUNDS = 150;
const module = await WebAssembly.compile(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));

let seed = 12345;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 4294967296) * below);
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
const word32 = (): bigint => BigInt(random(2 ** 32));
const word64 = (): bigint => (word32() << 32n) | word32();

/** Sign and exponent, significand: mostly numbers whose sums and products round, tie, cancel, or leave the range. */
function real(): [number, bigint] {
  const sign = random(2) << 15;
  const significand = pick([() => word64(), () => BigInt(random(64)) << 58n, () => word32() << 32n, () => 0xffffffffffffffffn << BigInt(random(30)), () => 0x400n | (word32() << 16n)])();
  const exponent = pick([() => 16383 + random(8), () => 16383 - random(70), () => 16383 + random(70), () => random(0x8000), () => 16383 - 1023 + random(4), () => 16383 + 1021 + random(4), () => random(3), () => 0x7ffd + random(3)])();
  return pick([
    () => [sign | exponent, BigInt.asUintN(64, significand) | (1n << 63n)],
    () => [sign | exponent, BigInt.asUintN(64, significand) | (1n << 63n)],
    () => [sign | exponent, BigInt.asUintN(64, significand) | (1n << 63n)],
    () => [sign, 0n],
    () => [sign | random(0x8000), word64()],
    () => [sign | 0x7fff, 1n << 63n],
  ] as (() => [number, bigint])[])();
}
function operand(): bigint {
  const value = pick([() => random(200) - 100, () => (random(2000) - 1000) / 8, () => Math.random() * 2 ** random(90), () => 0, () => random(2 ** 32)])();
  const buffer = new DataView(new ArrayBuffer(8));
  return pick([
    () => word64(),
    () => { buffer.setFloat64(0, value); return buffer.getBigUint64(0); },
    () => { buffer.setFloat32(4, value); return buffer.getBigUint64(0); },
    () => BigInt.asUintN(64, BigInt(Math.trunc(value))),
  ])();
}

/** Every instruction with a short form: registers by the last three bits, memory at DS:DI. */
const FORMS: number[][] = [];
for (const op of [0xd8, 0xdc, 0xde]) for (const reg of [0, 1, 2, 3, 4, 5, 6, 7]) {
  if (op !== 0xde || reg !== 3) for (const i of [0, 1, 3]) FORMS.push([op, 0xc0 | (reg << 3) | i]);
  FORMS.push([op, (reg << 3) | 5]);
}
for (const reg of [0, 1, 2, 3, 4, 5, 6, 7]) FORMS.push([0xda, (reg << 3) | 5]);
for (const modrm of [0x05, 0x15, 0x1d, 0xc0, 0xc2, 0xc9, 0xcb, 0xe0, 0xe1, 0xe4, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee]) FORMS.push([0xd9, modrm]);
for (const modrm of [0xc1, 0xca, 0xd2, 0xd9, 0xe9]) FORMS.push([0xda, modrm]);
for (const modrm of [0x05, 0x0d, 0x15, 0x1d, 0x2d, 0xc1, 0xd9, 0xe9, 0xf1]) FORMS.push([0xdb, modrm]);
for (const modrm of [0x05, 0x0d, 0x15, 0x1d, 0xd1, 0xd9, 0xda, 0xe1, 0xe9]) FORMS.push([0xdd, modrm]);
for (const modrm of [0x05, 0x0d, 0x15, 0x1d, 0x2d, 0x3d, 0xe9, 0xf1]) FORMS.push([0xdf, modrm]);

async function open(): Promise<Core> {
  const core = await Core.create(module, 0x10000, {
    portRead: () => 0, portWrite: () => undefined, mmioRead: () => 0n, mmioWrite: () => undefined, intAck: () => -1,
    msrRead: () => undefined, msrWrite: () => false, tprRead: () => 0, tprWrite: () => undefined,
  });
  core.map(0, 0x10000, 1);
  core.u8.fill(1, layout.FEATURES, layout.FEATURES + Object.keys(featureIndex).length);
  resetRegisters(core);
  core.u64[layout.SEG_BASE / 8 + 1] = 0n;
  core.u32[layout.SEG_SEL / 4 + 1] = 0;
  core.u64[layout.CR0 / 8] = 0x10n;
  core.exports.updateMode();
  return core;
}

test("short and long forms of x87 instructions leave the same state", async () => {
  const core = await open();
  let short = 0;
  for (const form of FORMS) {
    core.u8.set([...form, 0xf4], layout.RAM + CODE);
    core.exports.written(layout.RAM + CODE, form.length + 1);
    for (let round = 0; round < ROUNDS; round++) {
      const registers = Array.from({ length: 8 }, real), top = random(8), tags = random(4) ? (0xff & ~(random(4) ? 1 << ((top - 1) & 7) : 0)) : random(256);
      const memory = operand(), control = pick([0x37f, 0x37f, 0x37f, 0x27f, 0xf7f, 0x77f, 0x37e, 0x35f]), status = (top << 11) | pick([0, 0x20, 0x4700, 0x3f]), flags = random(2) ? 0x8d7 : 2;
      const [one, other] = [0, ES_B].map((pending) => {
        registers.forEach(([se, m], i) => {
          core.u64[layout.FPR / 8 + 2 * i] = m;
          core.u64[layout.FPR / 8 + 2 * i + 1] = BigInt(se);
        });
        core.u32[layout.FCW / 4] = control;
        core.u32[layout.FSW / 4] = status | pending;
        core.u32[layout.FTW / 4] = tags;
        core.view.setBigUint64(layout.RAM + DATA, memory, true);
        core.view.setUint16(layout.RAM + DATA + 8, 0x4001, true);
        core.u64[layout.REGS / 8 + 7] = BigInt(DATA);
        core.exports.setRflags(flags);
        core.u64[layout.RIP / 8] = BigInt(CODE);
        core.u32[layout.ACTIVITY / 4] = 0;
        core.exports.run(10);
        const words = [...core.u64.slice(layout.FPR / 8, layout.FPR / 8 + 16), core.u64[layout.FIP / 8]!, core.u64[layout.FDP / 8]!, core.view.getBigUint64(layout.RAM + DATA, true)];
        const rest = [core.u32[layout.FSW / 4]! & ~ES_B, core.u32[layout.FTW / 4]!, core.u32[layout.FOP / 4]!, core.u32[layout.FCS / 4]!, core.u32[layout.FDS / 4]!, core.exports.rflags(), Number(core.u64[layout.RIP / 8])];
        return [...words, ...rest].map((w) => w.toString(16)).join(" ");
      });
      if (one !== other) expect.fail(`${form.map((b) => b.toString(16))} cw ${control.toString(16)} sw ${status.toString(16)} tags ${tags} memory ${memory.toString(16)} ${registers.map(([se, m]) => `${se.toString(16)}:${m.toString(16)}`)}\nshort ${one}\nlong  ${other}`);
      short++;
    }
  }
  expect(short).toBe(FORMS.length * ROUNDS);
}, 120_000);
