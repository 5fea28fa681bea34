// PAUSE-loop exiting ("Instructions That Cause VM Exits Conditionally", "Controls for PAUSE-Loop Exiting" in the SDM).
import { expect, test } from "vitest";
import { type Core, layout } from "../index.ts";
import { GUEST, openCore, openGuest, poke } from "./fixture.ts";

const REASON = 0x4402, RIP = 0x681e, PROC = 0x4002, PROC2 = 0x401e, GAP = 0x4020, WINDOW = 0x4022;
const CONTROLS = 0x2 | 0x20 | 0x80, PLE = 1 << 10, PAUSE_EXITING = 1 << 30;
const PAUSE = 40n, NOT_YET = -1;

/** inc bx; pause; nop (as often as said); jmp to the beginning: four instructions and the NOPs a round. */
const spin = (nops: number): number[] => [0x43, 0xf3, 0x90, ...Array.from({ length: nops }, () => 0x90), 0xeb, 0x100 - 5 - nops];
async function open(code: readonly number[], gap: number, window: number): Promise<Core> {
  const core = await openCore(), w = openGuest(core);
  w(PROC2, CONTROLS | PLE);
  w(GAP, gap);
  w(WINDOW, window);
  poke(core, GUEST + 0x1000, code);
  core.u64[layout.REGS / 8 + 3] = 0n;
  return core;
}
const rounds = (core: Core): number => Number(core.u64[layout.REGS / 8 + 3] ?? 0n);
/** Rounds until the exit of a PAUSE; NOT_YET when the budget ends first. */
function untilExit(core: Core, budget = 10_000): number {
  if (core.exports.run(budget) === layout.STOP_BUDGET) return NOT_YET;
  expect([core.exports.vmRead(REASON), core.exports.vmRead(RIP)]).toEqual([PAUSE, 0x1001n]);
  return rounds(core);
}

test("PAUSEs no further apart than the gap exit when they have gone on for longer than the window", async () => {
  const core = await open(spin(0), 3, 30);
  expect(core.exports.vmLaunch()).toBe(0);
  // Three instructions a round: the PAUSE of round n comes 3 (n - 1) ticks after the first one.
  expect(untilExit(core)).toBe(12);
});

test("every VM entry begins the loop anew", async () => {
  const core = await open(spin(0), 3, 30), x = core.exports;
  x.vmLaunch();
  expect(untilExit(core)).toBe(12);
  x.vmWrite(RIP, 0x1003n);
  expect(x.vmResume()).toBe(0);
  expect(untilExit(core)).toBe(24);
});

test.each([
  ["one tick further apart than the gap", spin(1), 3, 30],
  ["within a window that has no end", spin(0), 3, 0xffffffff],
] as const)("PAUSEs %s never exit", async (_, code, gap, window) => {
  const core = await open(code, gap, window);
  core.exports.vmLaunch();
  expect(untilExit(core)).toBe(NOT_YET);
  expect(rounds(core)).toBeGreaterThan(2000);
});

test("PAUSEs outside CPL 0 are none of the loop", async () => {
  const core = await open(spin(0), 3, 30);
  core.exports.vmLaunch();
  core.u32[layout.CPL / 4] = 3;
  expect(untilExit(core)).toBe(NOT_YET);
});

test("without the control nothing exits, and with PAUSE exiting the first one does", async () => {
  const core = await open(spin(0), 3, 30), x = core.exports;
  x.vmWrite(PROC2, BigInt(CONTROLS));
  x.vmLaunch();
  expect(untilExit(core)).toBe(NOT_YET);
  const other = await open(spin(0), 3, 30);
  other.exports.vmWrite(PROC, other.exports.vmRead(PROC) | BigInt(PAUSE_EXITING));
  other.exports.vmLaunch();
  expect(untilExit(other)).toBe(1);
});

test("slices of one instruction exit at the same PAUSE", async () => {
  const core = await open(spin(0), 3, 30), x = core.exports;
  x.vmLaunch();
  let steps = 0;
  while (steps < 100 && x.run(1) === layout.STOP_BUDGET) steps++;
  expect([rounds(core), steps]).toEqual([12, 34]);
});
