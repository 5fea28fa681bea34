import fc from "fast-check";
import { expect, test } from "vitest";
import { StateError } from "../base/errors.ts";
import { BootDevice, bootBytes, Cmos, memoryBytes } from "./cmos.ts";
import { Mc146818 } from "./mc146818.ts";
import { roundTrip } from "./round-trip.ts";
import { secondsFromTime, timeFromSeconds } from "./rtc-time.ts";
import { TestClock } from "./test-clock.ts";

const second = 1_000_000_000;
/** 2024-02-28 23:59:58 UTC, a Wednesday before a leap day. */
const base = Date.UTC(2024, 1, 28, 23, 59, 58) / 1000;

function setup() {
  const clock = new TestClock();
  const edges: number[] = [];
  const rtc = new Mc146818({
    clock,
    irq: { set: (level) => level && edges.push(clock.now()) },
    baseSeconds: base,
  });
  const read = (index: number) => {
    rtc.portWrite(0x70, 1, index);
    return rtc.portRead(0x71, 1);
  };
  const write = (index: number, value: number) => {
    rtc.portWrite(0x70, 1, index);
    rtc.portWrite(0x71, 1, value);
  };
  const time = () =>
    [0x32, 9, 8, 7, 6, 4, 2, 0].map((index) => read(index).toString(16).padStart(2, "0")).join(" ");
  return { clock, rtc, edges, read, write, time };
}

test("the calendar agrees with the one of JavaScript, both ways", () => {
  fc.assert(
    fc.property(fc.integer({ min: -2e10, max: 2e11 }), (seconds) => {
      const t = timeFromSeconds(seconds);
      const d = new Date(seconds * 1000);
      expect([t.year, t.month, t.day, t.weekday, t.hour, t.minute, t.second]).toEqual([
        d.getUTCFullYear(),
        d.getUTCMonth() + 1,
        d.getUTCDate(),
        d.getUTCDay() + 1,
        d.getUTCHours(),
        d.getUTCMinutes(),
        d.getUTCSeconds(),
      ]);
      expect(secondsFromTime(t)).toBe(seconds);
    }),
  );
});

test("it starts in BCD and 24 hours and moves with the clock into the leap day", () => {
  const { clock, read, time } = setup();
  expect([read(0x0a), read(0x0b), read(0x0d)]).toEqual([0x26, 0x02, 0x80]);
  expect(time()).toBe("20 24 02 28 04 23 59 58");
  clock.advance(2 * second);
  expect(time()).toBe("20 24 02 29 05 00 00 00");
});

test("binary and 12-hour modes write the same time differently", () => {
  const { write, read } = setup();
  write(0x0b, 0x04);
  expect([read(4), read(2), read(9)]).toEqual([0x80 | 11, 59, 24]);
});

test("UIP warns 244 us before the second turns", () => {
  const { clock, read } = setup();
  clock.advanceTo(second - 300_000);
  expect(read(0x0a) & 0x80).toBe(0);
  clock.advanceTo(second - 200_000);
  expect(read(0x0a) & 0x80).toBe(0x80);
  clock.advanceTo(second);
  expect(read(0x0a) & 0x80).toBe(0);
});

test("SET freezes the clock and what is written under it takes effect when it is lifted", () => {
  const { clock, write, time } = setup();
  write(0x0b, 0x82);
  clock.advance(10 * second);
  expect(time()).toBe("20 24 02 28 04 23 59 58");
  for (const [index, value] of [
    [9, 0x30],
    [8, 0x12],
    [7, 0x31],
    [4, 0x11],
    [2, 0x22],
    [0, 0x33],
  ] as const) {
    write(index, value);
  }
  write(0x0b, 0x02);
  expect(time()).toBe("20 30 12 31 03 11 22 33");
  clock.advance(2 * second);
  expect(time()).toBe("20 30 12 31 03 11 22 35");
});

test("a divider released from reset gives the first update after half a second", () => {
  const { clock, write, read } = setup();
  write(0x0a, 0x70);
  clock.advance(5 * second + 123);
  write(0x0a, 0x26);
  clock.advance(second / 2 - 1);
  expect(read(0)).toBe(0x58);
  clock.advance(1);
  expect(read(0)).toBe(0x59);
});

test("the periodic interrupt comes at its rate, once for each read of C", () => {
  const { clock, write, read, edges } = setup();
  write(0x0b, 0x42);
  clock.advance(10_000_000);
  expect([edges.length, read(0x0c)]).toEqual([1, 0xc0]);
  for (let i = 0; i < 1024; i++) {
    clock.advance(976_563);
    expect(read(0x0c) & 0xc0).toBe(0xc0);
  }
  expect(edges.length).toBe(1025);
});

test("update and alarm interrupts come at the second they name", () => {
  const { clock, write, read, edges } = setup();
  for (const [index, value] of [
    [1, 0x05],
    [3, 0xff],
    [5, 0x00],
  ] as const)
    write(index, value);
  write(0x0b, 0x22);
  clock.advance(20 * second);
  expect([edges, read(0x0c) & 0xb0]).toEqual([[7 * second], 0xb0]);
  write(0x0b, 0x12);
  clock.advance(second);
  expect(edges).toEqual([7 * second, 21 * second]);
});

test("flags show in C without being enabled, and reading clears them", () => {
  const { clock, read, edges } = setup();
  clock.advance(second);
  expect([read(0x0c), read(0x0c), edges]).toEqual([0x50, 0, []]);
});

test("HPET's legacy replacement silences IRQ8 while the flags go on", () => {
  const { clock, rtc, write, read, edges } = setup();
  rtc.setIrqEnabled(false);
  write(0x0b, 0x12);
  clock.advance(second);
  expect([edges, read(0x0c) & 0x90]).toEqual([[], 0x90]);
  rtc.setIrqEnabled(true);
  clock.advance(second);
  expect(edges).toEqual([2 * second]);
});

test("an alarm that no time matches never comes", () => {
  const { clock, write, edges } = setup();
  write(5, 0x99 & 0xbf);
  write(3, 0x99);
  write(0x0b, 0x22);
  expect(clock.next()).toBe(Infinity);
  expect(edges).toEqual([]);
});

test("the machine's bytes tell firmware memory and boot order; port 70h holds the NMI mask", () => {
  const { rtc, read } = setup();
  rtc.setBytes(memoryBytes(128 * 1024 * 1024, 2 ** 32));
  rtc.setBytes(bootBytes([BootDevice.cdrom, BootDevice.disk], false));
  expect([read(Cmos.baseLow), read(Cmos.baseHigh)]).toEqual([0x80, 0x02]);
  expect([read(0x30), read(0x31), read(0x34), read(0x35)]).toEqual([0xff, 0xff, 0x00, 0x07]);
  expect([read(0x5b), read(0x5c), read(0x5d)]).toEqual([0, 0, 1]);
  expect([read(0x3d), read(0x38)]).toEqual([0x23, 0x01]);
  rtc.portWrite(0x70, 1, 0x8f);
  expect(rtc.nmiMasked).toBe(true);
});

test("a saved RTC comes back identical and interrupts at the same times", () => {
  const a = setup();
  a.write(0x0b, 0x12);
  a.write(Cmos.shutdown, 5);
  a.clock.advanceTo(500);
  const b = setup();
  b.clock.advanceTo(500);
  const [before, after] = roundTrip(a.rtc, b.rtc);
  expect(after).toStrictEqual(before);
  b.clock.advance(3 * second);
  expect([b.edges, b.time(), b.read(Cmos.shutdown)]).toEqual([[second], "20 24 02 29 05 00 00 01", 5]);
  expect(() => b.rtc.restore({ version: 1 })).toThrow(StateError);
});
