import { expect, test } from "vitest";
import { MachineBus } from "../bus.ts";
import { expectRoundTrip } from "../devices/testing.ts";
import { PciBus } from "./pcibus.ts";
import { PciTestdev } from "./pci-testdev.ts";

function make() {
  const bus = new MachineBus(), pci = new PciBus(), device = new PciTestdev(bus);
  bus.ports.map(0xcf8, 8, pci, { width: 4 });
  pci.plug(3, 0, device);
  device.configWrite(0x10, 4, 0xfebf0000);
  device.configWrite(0x14, 4, 0xc000);
  device.configWrite(4, 2, 3);
  return { bus, device };
}

test("it is found by vendor and device, also with the register's low bits in CF8h", () => {
  const { bus } = make();
  const read = (register: number) => {
    bus.portWrite(0xcf8, 4, 0x80001800 + register);
    return bus.portRead(0xcfc, 2);
  };
  expect([read(0), read(2)]).toEqual([0x1b36, 5]);
});

test("writes of a test's width, place and data count, others do not, and there is no second test", () => {
  const { bus } = make();
  const memory = (at: number, size: 1 | 4 = 4) => Number(bus.mmioRead(0xfebf0000 + at, size));
  expect(memory(1, 1)).toBe(0);
  bus.mmioWrite(0xfebf0000, 1, 0n);
  const [width, at, data] = [memory(1, 1), memory(4), memory(8)];
  expect([width, memory(12)]).toEqual([1, 0]);
  for (const [place, value] of [[at, data], [at, data], [at + 1, data], [at, data + 1]] as const) bus.mmioWrite(0xfebf0000 + place, 1, BigInt(value));
  expect(memory(12)).toBe(2);
  bus.mmioWrite(0xfebf0000, 1, 1n);
  expect(memory(1, 1)).toBe(0);
  bus.portWrite(0xc000, 1, 0);
  const name = Array.from({ length: 6 }, (_, i) => String.fromCharCode(bus.portRead(0xc010 + i, 1))).join("");
  bus.portWrite(0xc000 + bus.portRead(0xc004, 4), 1, bus.portRead(0xc008, 1));
  expect([name, bus.portRead(0xc00c, 4)]).toEqual(["portio", 1]);
});

test("its state comes back", () => {
  const { bus, device } = make();
  bus.mmioWrite(0xfebf0000, 1, 0n);
  bus.mmioWrite(0xfebf0080, 1, 0xfan);
  expectRoundTrip(device, make().device);
});
