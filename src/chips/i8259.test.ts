import { expect, test } from "vitest";
import { StateError } from "../base/errors.ts";
import { I8259 } from "./i8259.ts";
import { roundTrip } from "./round-trip.ts";

function setup(icw4 = 0x01) {
  const levels: boolean[] = [];
  const pic = new I8259({ output: { set: (level) => levels.push(level) } });
  const out = (port: number, value: number) => pic.portWrite(port, 1, value);
  // Linux's remap: master to 30h, slave to 38h.
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x30],
    [0x21, 0x04],
    [0x21, icw4],
  ] as const)
    out(port, value);
  for (const [port, value] of [
    [0xa0, 0x11],
    [0xa1, 0x38],
    [0xa1, 0x02],
    [0xa1, icw4],
  ] as const)
    out(port, value);
  const isr = (port: number) => {
    out(port, 0x0b);
    return pic.portRead(port, 1);
  };
  const irr = (port: number) => {
    out(port, 0x0a);
    return pic.portRead(port, 1);
  };
  return { pic, out, isr, irr, levels };
}

test("after the remap sequence IRQ0 arrives at 30h and IRQ8 at 38h", () => {
  const { pic, out, levels } = setup();
  pic.setIrq(0, true);
  expect(pic.acknowledge()).toBe(0x30);
  out(0x20, 0x20);
  pic.setIrq(8, true);
  expect(pic.acknowledge()).toBe(0x38);
  expect(levels).toEqual([true, false, true, false]);
});

test("a lower priority waits for the EOI, a higher one does not", () => {
  const { pic, out, isr } = setup();
  pic.setIrq(3, true);
  expect(pic.acknowledge()).toBe(0x33);
  pic.setIrq(4, true);
  expect(pic.intr).toBe(false);
  pic.setIrq(1, true);
  expect(pic.acknowledge()).toBe(0x31);
  expect(isr(0x20)).toBe(0x0a);
  out(0x20, 0x20);
  expect(pic.intr).toBe(false);
  out(0x20, 0x20);
  expect(pic.acknowledge()).toBe(0x34);
});

test("a slave interrupt needs both EOIs before an equal one is served", () => {
  const { pic, out, isr } = setup();
  pic.setIrq(12, true);
  expect(pic.acknowledge()).toBe(0x3c);
  expect([isr(0x20), isr(0xa0)]).toEqual([0x04, 0x10]);
  pic.setIrq(14, true);
  out(0xa0, 0x20);
  expect(pic.intr).toBe(false);
  out(0x20, 0x20);
  expect(pic.acknowledge()).toBe(0x3e);
});

test("a masked request is kept and served when unmasked", () => {
  const { pic, out, irr } = setup();
  out(0x21, 0xff);
  pic.setIrq(5, true);
  expect([pic.intr, irr(0x20)]).toEqual([false, 0x20]);
  out(0x21, 0xdf);
  expect(pic.acknowledge()).toBe(0x35);
});

test("an edge is latched past the fall of its line; a level line is not and asks again after EOI", () => {
  const { pic, out } = setup();
  pic.setIrq(4, true);
  pic.setIrq(4, false);
  expect(pic.acknowledge()).toBe(0x34);
  out(0x20, 0x20);
  expect(pic.intr).toBe(false);
  out(0x4d1, 0xff);
  expect(pic.portRead(0x4d1, 1)).toBe(0xde);
  pic.setIrq(11, true);
  expect(pic.acknowledge()).toBe(0x3b);
  out(0xa0, 0x20);
  out(0x20, 0x20);
  expect(pic.acknowledge()).toBe(0x3b);
  pic.setIrq(11, false);
  out(0xa0, 0x20);
  out(0x20, 0x20);
  expect(pic.intr).toBe(false);
});

test("an INTA that finds the request gone gets the spurious vector 7 and leaves no ISR bit", () => {
  const { pic, isr } = setup();
  expect(pic.acknowledge()).toBe(0x37);
  expect(isr(0x20)).toBe(0);
});

test("automatic EOI leaves ISR empty, and rotates when told to", () => {
  const { pic, out, isr } = setup(0x03);
  out(0x20, 0x80);
  pic.setIrq(0, true);
  expect(pic.acknowledge()).toBe(0x30);
  expect(isr(0x20)).toBe(0);
  pic.setIrq(0, false);
  pic.setIrq(0, true);
  pic.setIrq(1, true);
  expect(pic.acknowledge()).toBe(0x31);
  expect(pic.acknowledge()).toBe(0x30);
});

test("rotate on EOI and set-priority move the lowest priority", () => {
  const { pic, out } = setup();
  pic.setIrq(3, true);
  expect(pic.acknowledge()).toBe(0x33);
  out(0x20, 0xa0);
  pic.setIrq(3, false);
  pic.setIrq(3, true);
  pic.setIrq(4, true);
  expect(pic.acknowledge()).toBe(0x34);
  out(0x20, 0x60 | 4);
  out(0x20, 0xc0 | 2);
  expect(pic.acknowledge()).toBe(0x33);
});

test("special mask mode lets lower priorities through while a masked one is in service", () => {
  const { pic, out } = setup();
  pic.setIrq(1, true);
  expect(pic.acknowledge()).toBe(0x31);
  pic.setIrq(6, true);
  out(0x21, 0x02);
  expect(pic.intr).toBe(false);
  out(0x20, 0x68);
  expect(pic.acknowledge()).toBe(0x36);
  out(0x20, 0x20);
  out(0x20, 0x48);
  expect(pic.intr).toBe(false);
});

test("a poll acknowledges like INTA and tells the input", () => {
  const { pic, out, isr } = setup();
  out(0x20, 0x0c);
  expect(pic.portRead(0x20, 1)).toBe(0);
  pic.setIrq(5, true);
  out(0x20, 0x0c);
  expect(pic.portRead(0x20, 1)).toBe(0x85);
  expect([isr(0x20), pic.intr]).toEqual([0x20, false]);
});

test("a word access reaches both ports of a chip", () => {
  const { pic } = setup();
  pic.portWrite(0x20, 2, 0xab0b);
  expect(pic.portRead(0x20, 2)).toBe(0xab00);
});

test("a saved pair comes back identical, INTR included, and refuses a broken state", () => {
  const { pic, out } = setup();
  out(0xa0, 0x11);
  pic.setIrq(3, true);
  pic.acknowledge();
  pic.setIrq(0, true);
  const levels: boolean[] = [];
  const fresh = new I8259({ output: { set: (level) => levels.push(level) } });
  const [before, after] = roundTrip(pic, fresh);
  expect(after).toStrictEqual(before);
  expect(levels).toEqual([true]);
  expect(fresh.acknowledge()).toBe(0x30);
  expect(() => fresh.restore({ version: 1, master: null, slave: null })).toThrow(StateError);
});
