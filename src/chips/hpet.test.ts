import { expect, test } from "vitest";
import { StateError } from "../base/errors.ts";
import { Hpet } from "./hpet.ts";
import { roundTrip } from "./round-trip.ts";
import { TestClock } from "./test-clock.ts";

function setup() {
  const clock = new TestClock();
  const edges: [gsi: number, t: number][] = [];
  const legacy: boolean[] = [];
  const levels = new Set<number>();
  const hpet = new Hpet({
    clock,
    setGsi: (gsi, level) => {
      if (level) {
        edges.push([gsi, clock.now()]);
        levels.add(gsi);
      } else levels.delete(gsi);
    },
    onLegacy: (on) => legacy.push(on),
  });
  const write = (offset: number, value: number) => hpet.mmioWrite(offset, 4, value);
  return { clock, hpet, edges, legacy, levels, write };
}

test("capabilities tell three 64-bit timers of 10 ns with legacy replacement", () => {
  const { hpet } = setup();
  expect([hpet.mmioRead(0, 4), hpet.mmioRead(4, 4)]).toEqual([0x8086a201, 10_000_000]);
  expect([hpet.mmioRead(0x100, 4), hpet.mmioRead(0x104, 4)]).toEqual([0x30, 4]);
});

test("the counter stands until enabled, counts 10 ns and can be set while it stands", () => {
  const { clock, hpet, write } = setup();
  clock.advance(1005);
  expect(hpet.mmioRead(0xf0, 8)).toBe(0n);
  write(0x10, 1);
  clock.advance(1000);
  expect(hpet.mmioRead(0xf0, 4)).toBe(100);
  write(0x10, 0);
  hpet.mmioWrite(0xf0, 8, 0xffffffff00n);
  write(0x10, 1);
  clock.advance(2560);
  expect([hpet.mmioRead(0xf0, 8), hpet.mmioRead(0xf4, 4)]).toEqual([0x10000000000n, 0x100]);
});

test("legacy replacement gives timer 0 to IRQ0 in Linux's periodic set-up", () => {
  const { clock, edges, legacy, write } = setup();
  write(0x100, 0x004 | 0x008 | 0x040 | 0x100);
  write(0x108, 100_000);
  write(0x108, 100_000);
  write(0x10, 3);
  clock.advance(3_500_000);
  expect(edges).toEqual([
    [0, 1_000_000],
    [0, 2_000_000],
    [0, 3_000_000],
  ]);
  expect(legacy).toEqual([true]);
});

test("a one-shot timer fires once at its comparator, on the IOAPIC input it is routed to", () => {
  const { clock, edges, write } = setup();
  write(0x10, 1);
  write(0x120, 0x104 | (2 << 9));
  write(0x128, 500);
  clock.advance(1_000_000);
  expect(edges).toEqual([[2, 5000]]);
});

test("a route the capabilities do not allow raises nothing", () => {
  const { clock, edges, write } = setup();
  write(0x10, 1);
  write(0x120, 0x104 | (5 << 9));
  write(0x128, 500);
  clock.advance(1_000_000);
  expect(edges).toEqual([]);
});

test("a level-triggered timer holds its line until its status bit is written", () => {
  const { clock, hpet, levels, write } = setup();
  write(0x10, 1);
  write(0x120, 0x106 | (2 << 9));
  write(0x128, 500);
  clock.advance(6000);
  expect([[...levels], hpet.mmioRead(0x20, 4)]).toEqual([[2], 2]);
  write(0x20, 2);
  expect([[...levels], hpet.mmioRead(0x20, 4)]).toEqual([[], 0]);
});

test("a guest asking for a period of one tick is not served more than once in ten microseconds", () => {
  const { clock, edges, write } = setup();
  write(0x100, 0x14c);
  write(0x108, 1);
  write(0x108, 1);
  write(0x10, 3);
  clock.advance(1_000_000);
  expect(edges.length).toBeGreaterThan(90);
  expect(edges.length).toBeLessThanOrEqual(101);
});

test("a saved HPET comes back identical and fires at the same times", () => {
  const a = setup();
  a.clock.advance(777);
  a.write(0x100, 0x14c);
  a.write(0x108, 100_000);
  a.write(0x108, 100_000);
  a.write(0x10, 3);
  a.clock.advanceTo(2_500_000);
  const b = setup();
  b.clock.advanceTo(2_500_000);
  const [before, after] = roundTrip(a.hpet, b.hpet);
  expect(after).toStrictEqual(before);
  a.edges.length = 0;
  a.clock.advanceTo(6_000_000);
  b.clock.advanceTo(6_000_000);
  expect(a.edges).toEqual([3, 4, 5].map((n) => [0, n * 1_000_000 + 770]));
  expect(b.edges).toEqual(a.edges);
  expect(b.hpet.counter).toBe(a.hpet.counter);
  expect(() => b.hpet.restore({ version: 2 })).toThrow(StateError);
});
