import { expect, test } from "vitest";
import type { MmioDevice, PortDevice } from "../base/index.ts";
import { MachineBus } from "./bus.ts";

function recorder(log: string[], name: string, answer = 0x44332211): PortDevice & MmioDevice {
  return {
    portRead(port, size) {
      log.push(`${name} r${size} ${port.toString(16)}`);
      return size === 4 ? answer : answer & (2 ** (8 * size) - 1);
    },
    portWrite(port, size, v) {
      log.push(`${name} w${size} ${port.toString(16)}=${v.toString(16)}`);
    },
    mmioRead(offset, size) {
      log.push(`${name} m${size} ${offset.toString(16)}`);
      return size === 8 ? 0x8877665544332211n : answer;
    },
    mmioWrite(offset, size, v) {
      log.push(`${name} W${size} ${offset.toString(16)}=${v.toString(16)}`);
    },
  };
}

test("nobody there reads as ones at every width and swallows writes", () => {
  const bus = new MachineBus();
  expect([bus.portRead(0x300, 1), bus.portRead(0x300, 2), bus.portRead(0xffff, 4)]).toEqual([
    0xff, 0xffff, 0xffffffff,
  ]);
  expect(bus.mmioRead(0xfeb00000, 8)).toBe(0xffffffffffffffffn);
  bus.portWrite(0x300, 4, 1);
  bus.mmioWrite(0xfeb00000, 8, 1n);
});

test("an access wider than the device is split, low address first, and values are truncated", () => {
  const log: string[] = [];
  const bus = new MachineBus();
  bus.ports.map(0x70, 8, recorder(log, "a"));
  bus.portWrite(0x70, 2, 0x1234);
  expect(bus.portRead(0x72, 4)).toBe(0x11111111);
  bus.ports.map(0x80, 4, recorder(log, "b"), { width: 4 });
  bus.portWrite(0x80, 2, 0xabcdef);
  expect(log).toEqual([
    "a w1 70=34",
    "a w1 71=12",
    "a r1 72",
    "a r1 73",
    "a r1 74",
    "a r1 75",
    "b w2 80=cdef",
  ]);
});

test("an access across the end of a device reads ones beyond it", () => {
  const bus = new MachineBus();
  bus.ports.map(0x70, 2, recorder([], "a"), { width: 4 });
  expect(bus.portRead(0x71, 2)).toBe(0xff11);
});

test("a byte register may sit inside a dword register", () => {
  const log: string[] = [];
  const bus = new MachineBus();
  bus.ports.map(0xcf8, 4, recorder(log, "pci"), { width: 4 });
  bus.ports.map(0xcf9, 1, recorder(log, "reset"), { priority: 1 });
  bus.portWrite(0xcf8, 4, 0x80000000);
  bus.portWrite(0xcf9, 1, 6);
  expect(log).toEqual(["pci w4 cf8=80000000", "reset w1 cf9=6"]);
});

test("the higher priority wins, and unmapping uncovers what lies below", () => {
  const log: string[] = [];
  const bus = new MachineBus();
  bus.mmio.map(0xa0000, 0x20000, recorder(log, "low"));
  const over = bus.mmio.map(0xa1000, 0x1000, recorder(log, "high"), { priority: 1 });
  bus.mmioRead(0xa1004, 4);
  bus.mmio.unmap(over);
  bus.mmioRead(0xa1004, 4);
  const port = bus.ports.map(0xc000, 4, recorder(log, "bar"));
  bus.ports.unmap(port);
  expect(bus.portRead(0xc000, 1)).toBe(0xff);
  expect(log).toEqual(["high m4 4", "low m4 1004"]);
});

test("eight-byte accesses reach 8-byte devices whole and others as two halves", () => {
  const log: string[] = [];
  const bus = new MachineBus();
  bus.mmio.map(0x1000, 16, recorder(log, "wide"), { width: 8 });
  bus.mmio.map(0x2000, 16, recorder(log, "narrow"));
  expect(bus.mmioRead(0x1000, 8)).toBe(0x8877665544332211n);
  expect(bus.mmioRead(0x2000, 8)).toBe(0x4433221144332211n);
  bus.mmioWrite(0x2008, 8, 0x1122334455667788n);
  expect(log).toEqual([
    "wide m8 0",
    "narrow m4 0",
    "narrow m4 4",
    "narrow W4 8=55667788",
    "narrow W4 c=11223344",
  ]);
});
