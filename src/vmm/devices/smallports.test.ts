import { expect, test } from "vitest";
import { DebugConsole, DebugExit } from "./debugports.ts";
import { Dma8237 } from "./dma8237.ts";
import { ResetPorts } from "./resetports.ts";
import { expectRoundTrip } from "./testing.ts";

test("CF9 resets when bit 2 rises, and only then", () => {
  let resets = 0;
  const ports = new ResetPorts({ requestReset: () => resets++ });
  ports.portWrite(0xcf9, 1, 2);
  expect(resets).toBe(0);
  ports.portWrite(0xcf9, 1, 6);
  ports.portWrite(0xcf9, 1, 6);
  expect(resets).toBe(1);
  expect(ports.portRead(0xcf9)).toBe(6);
});

test("port 92 keeps A20 on at reset and resets when bit 0 rises", () => {
  let resets = 0;
  const ports = new ResetPorts({ requestReset: () => resets++ });
  expect(ports.portRead(0x92)).toBe(2);
  ports.portWrite(0x92, 1, 0);
  expect(ports.portRead(0x92)).toBe(0);
  ports.portWrite(0x92, 1, 3);
  expect(resets).toBe(1);
  expectRoundTrip(ports, new ResetPorts({ requestReset: () => {} }));
});

test("debug-exit gives (code << 1) | 1", () => {
  const codes: number[] = [];
  const port = new DebugExit((c) => codes.push(c));
  for (const code of [0, 1, 38, 63, 127, 0x80]) port.portWrite(0xf4, 4, code);
  expect(codes).toEqual([1, 3, 77, 127, 255, 1]);
});

test("the debug console answers E9h and puts out single bytes", () => {
  const out: number[] = [];
  const port = new DebugConsole((b) => out.push(b));
  expect(port.portRead()).toBe(0xe9);
  port.portWrite(0x402, 1, 65);
  expect(out).toEqual([65]);
});

test("DMA registers hold address and count behind the flip-flop, and the masks", () => {
  const dma = new Dma8237();
  dma.portWrite(0xd8, 1, 0);
  dma.portWrite(0xc0, 1, 0x34);
  dma.portWrite(0xc0, 1, 0x12);
  expect([dma.portRead(0xc0), dma.portRead(0xc0)]).toEqual([0x34, 0x12]);
  expect(dma.portRead(0x0f)).toBe(0xff);
  dma.portWrite(0x0a, 1, 2);
  expect(dma.portRead(0x0f)).toBe(0xfb);
  dma.portWrite(0x0d, 1, 0);
  expect(dma.portRead(0x0f)).toBe(0xff);
  dma.portWrite(0x87, 1, 0x55);
  expect(dma.portRead(0x87)).toBe(0x55);
  expectRoundTrip(dma, new Dma8237());
});
