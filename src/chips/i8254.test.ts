import fc from "fast-check";
import { expect, test } from "vitest";
import { StateError } from "../base/errors.ts";
import { I8254, pitHz } from "./i8254.ts";
import { ticksAt, timeOf } from "./rate.ts";
import { roundTrip } from "./round-trip.ts";
import { TestClock } from "./test-clock.ts";

function setup() {
  const clock = new TestClock();
  const edges: number[] = [];
  let level = false;
  const pit = new I8254({
    clock,
    irq: {
      set: (next) => {
        if (next && !level) edges.push(clock.now());
        level = next;
      },
    },
  });
  const out = (port: number, value: number) => pit.portWrite(port, 1, value);
  const inb = (port: number) => pit.portRead(port, 1);
  /** Moves to the start of the n-th tick from now. */
  const ticks = (n: number) => clock.advanceTo(timeOf(ticksAt(clock.now(), pitHz) + n, pitHz));
  const program = (counter: number, mode: number, count: number) => {
    out(0x43, (counter << 6) | 0x30 | (mode << 1));
    out(0x40 + counter, count & 0xff);
    out(0x40 + counter, count >> 8);
    // The control word itself raises OUT in all modes but 0; look at what counting does.
    edges.length = 0;
  };
  const value = (counter: number) => {
    out(0x43, counter << 6);
    return inb(0x40 + counter) | (inb(0x40 + counter) << 8);
  };
  return { clock, pit, out, inb, ticks, program, value, edges };
}

test("ticks and times convert exactly both ways over 100 days", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e13 }), fc.constantFrom(pitHz, 32768), (n, hz) => {
      fc.pre(n < 9e6 * hz);
      const t = timeOf(n, hz);
      expect(ticksAt(t, hz)).toBe(n);
      if (t > 0) expect(ticksAt(t - 1, hz)).toBe(n - 1);
      expect(BigInt(n)).toBe((BigInt(t) * BigInt(hz)) / 1_000_000_000n);
    }),
  );
});

test("mode 2 at 100 Hz gives IRQ0 one edge every 11932 ticks, without drift", () => {
  const { clock, program, edges } = setup();
  program(0, 2, 11932);
  clock.advanceTo(1_000_000_000);
  expect(edges.length).toBe(99);
  expect(edges.at(-1)).toBe(timeOf(1 + 99 * 11932, pitHz));
});

test("the calibration of counter 2 in mode 0 shows OUT2 in port 61h after count + 1 ticks", () => {
  const { out, inb, program, ticks } = setup();
  out(0x61, (inb(0x61) & ~0x02) | 0x01);
  program(2, 0, 59659);
  ticks(59659);
  expect(inb(0x61) & 0x20).toBe(0);
  ticks(1);
  expect(inb(0x61) & 0x20).toBe(0x20);
});

test("mode 0 counts down once, holds while GATE is low and wraps after its end", () => {
  const { out, program, ticks, value } = setup();
  out(0x61, 0x01);
  program(2, 0, 1000);
  ticks(101);
  expect(value(2)).toBe(900);
  out(0x61, 0x00);
  ticks(500);
  expect(value(2)).toBe(900);
  out(0x61, 0x01);
  ticks(901);
  expect(value(2)).toBe(65535);
});

test("mode 2 reloads at each period and a new count waits for the end of the current one", () => {
  const { out, program, ticks, value } = setup();
  program(0, 2, 100);
  ticks(1 + 30);
  expect(value(0)).toBe(70);
  out(0x40, 50);
  out(0x40, 0);
  ticks(30);
  expect(value(0)).toBe(40);
  ticks(40);
  expect(value(0)).toBe(50);
});

test("mode 3 is high for half the count and its value falls by two", () => {
  const { out, inb, program, ticks, value } = setup();
  out(0x61, 0x03);
  program(2, 3, 10);
  const levels: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < 10; i++) {
    ticks(1);
    levels.push((inb(0x61) >> 5) & 1);
    values.push(value(2));
  }
  expect(levels).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
  expect(values).toEqual([10, 8, 6, 4, 2, 10, 8, 6, 4, 2]);
});

test.each([
  [1, [1, 0, 0, 0, 1, 1]],
  [5, [1, 1, 1, 1, 0, 1]],
])("mode %i waits for GATE to rise and then shows %j", (mode, wanted) => {
  const { out, inb, program, ticks } = setup();
  program(2, mode, 3);
  ticks(20);
  expect(inb(0x61) & 0x20).toBe(0x20);
  out(0x61, 0x01);
  const levels = wanted.map(() => {
    const level = (inb(0x61) >> 5) & 1;
    ticks(1);
    return level;
  });
  expect(levels).toEqual(wanted);
});

test("mode 4 strobes low for one tick after the count and then gives IRQ0 its edge", () => {
  const { clock, program, edges } = setup();
  program(0, 4, 100);
  clock.advance(10_000_000);
  expect(edges).toEqual([timeOf(102, pitHz)]);
});

test("in mode 0 the one shot of counter 0 raises IRQ0 once", () => {
  const { clock, program, edges } = setup();
  program(0, 0, 1000);
  clock.advance(1_000_000_000);
  expect(edges).toEqual([timeOf(1001, pitHz)]);
});

test("read-back latches count and status, and the status comes first", () => {
  const { out, inb, program, ticks } = setup();
  program(0, 2, 0x1234);
  out(0x43, 0xe2);
  expect(inb(0x40)).toBe(0x80 | 0x40 | 0x30 | 0x04);
  ticks(1 + 0x34);
  out(0x43, 0xc2);
  ticks(99);
  expect([inb(0x40), inb(0x40), inb(0x40)]).toEqual([0x80 | 0x30 | 0x04, 0x00, 0x12]);
});

test("a decimal counter counts in decimal and zero means ten thousand", () => {
  const { out, inb, ticks } = setup();
  out(0x43, 0x35);
  out(0x40, 0);
  out(0x40, 0);
  ticks(2);
  expect([inb(0x40), inb(0x40)]).toEqual([0x99, 0x99]);
});

test("HPET's legacy replacement silences IRQ0 until it is lifted", () => {
  const { clock, pit, program, edges } = setup();
  program(0, 2, 1193);
  pit.setIrqEnabled(false);
  clock.advance(10_000_000);
  expect(edges).toEqual([]);
  pit.setIrqEnabled(true);
  edges.length = 0;
  clock.advance(10_000_000);
  expect(edges.length).toBe(10);
});

test("a saved PIT comes back identical and ticks on at the same times", () => {
  const a = setup();
  a.program(0, 2, 11932);
  a.out(0x43, 0xb6);
  a.out(0x42, 5);
  a.out(0x61, 0x03);
  a.clock.advanceTo(25_000_000);
  const b = setup();
  b.clock.advanceTo(25_000_000);
  const [before, after] = roundTrip(a.pit, b.pit);
  expect(after).toStrictEqual(before);
  a.edges.length = b.edges.length = 0;
  a.clock.advanceTo(500_000_000);
  b.clock.advanceTo(500_000_000);
  expect(b.edges).toEqual(a.edges);
  expect(a.edges.length).toBeGreaterThan(40);
  expect(() =>
    b.pit.restore({ version: 1, counters: [], speaker: false, irqEnabled: true, irqLevel: true }),
  ).toThrow(StateError);
});
