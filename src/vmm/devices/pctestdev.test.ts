import { expect, test } from "vitest";
import { MachineBus } from "../bus.ts";
import { PcTestdev, testMemory, testPorts } from "./pctestdev.ts";
import { expectRoundTrip, Probe } from "./testing.ts";

function plugged() {
  const irqs = Array.from({ length: 16 }, () => new Probe());
  const device = new PcTestdev(irqs), bus = new MachineBus();
  for (const [base, size, width] of testPorts) bus.ports.map(base, size, device, { width });
  bus.mmio.map(testMemory.base, testMemory.size, device, { width: 8 });
  return { irqs, device, bus };
}

test("the latch is read and written by 1, 2 and 4 bytes, and byte by byte eight ports on", () => {
  const { bus } = plugged();
  bus.portWrite(0xe0, 4, 0x12345678);
  expect([bus.portRead(0xe0, 1), bus.portRead(0xe1, 2), bus.portRead(0xe3, 1)]).toEqual([0x78, 0x3456, 0x12]);
  bus.portWrite(0xe2, 2, 0xffffaa55);
  bus.portWrite(0xe8, 1, 0x99);
  expect([bus.portRead(0xe0, 4), bus.portRead(0xe8, 4)]).toEqual([0xaa555699, 0xaa555699]);
  bus.portWrite(0xe4, 4, 0xffffffff);
  expect([bus.portRead(0xe4, 4), bus.portRead(0xe0, 4)]).toEqual([0, 0xaa555699]);
});

test("a port for each ISA line raises it by anything but 0 and lowers it by 0", () => {
  const { irqs, bus, device } = plugged();
  bus.portWrite(0x200b, 4, 1);
  bus.portWrite(0x200e, 1, 2);
  bus.portWrite(0x2017, 1, 1);
  expect(irqs.map((p, i) => (p.level ? i : -1)).filter((i) => i >= 0)).toEqual([11, 14]);
  bus.portWrite(0x200b, 4, 0);
  expect([irqs[11]?.level, irqs[11]?.rises]).toEqual([false, 1]);
  device.reset();
  expect(irqs.some((p) => p.level)).toBe(false);
});

test("64 KiB of device memory take every size, also over the end of a quadword", () => {
  const { bus } = plugged();
  bus.mmioWrite(0xff000005, 8, 0x1122334455667788n);
  expect([bus.mmioRead(0xff000005, 8), bus.mmioRead(0xff000006, 2), bus.mmioRead(0xff00000c, 1)]).toEqual([
    0x1122334455667788n, 0x6677, 0x11,
  ]);
  bus.mmioWrite(0xff00fffc, 4, 0xdeadbeefn);
  expect([bus.mmioRead(0xff00fffe, 4), bus.mmioRead(0xff010000, 1)]).toEqual([0xffffdead, 0xff]);
});

test("state survives a round trip and drives the lines again", () => {
  const from = plugged(), to = plugged();
  from.bus.portWrite(0xe0, 4, 0xfedcba98);
  from.bus.portWrite(0x2005, 1, 1);
  from.bus.mmioWrite(0xff000100, 4, 7n);
  expectRoundTrip(from.device, to.device);
  expect([to.irqs[5]?.level, to.bus.portRead(0xe0, 4), to.bus.mmioRead(0xff000100, 1)]).toEqual([true, 0xfedcba98, 7]);
});
