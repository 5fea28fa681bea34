import { expect, test } from "vitest";
import { StateError } from "../base/errors.ts";
import { SavedRecord } from "../base/saved.ts";
import { LapicTimer, TimerMode } from "./lapic-timer.ts";
import { TestClock } from "./test-clock.ts";

function setup() {
  const clock = new TestClock();
  const fired: number[] = [];
  const timer = new LapicTimer(clock, () => fired.push(clock.now()));
  timer.setDivide(0xb);
  timer.setLvt(TimerMode.oneShot, false);
  return { clock, timer, fired };
}

test.each([
  [0x0, 2],
  [0x1, 4],
  [0x2, 8],
  [0x3, 16],
  [0x8, 32],
  [0x9, 64],
  [0xa, 128],
  [0xb, 1],
])("divide configuration %i counts every %i ns", (config, divisor) => {
  const { clock, timer, fired } = setup();
  timer.setDivide(config);
  timer.setInitial(1000);
  clock.advance(100 * divisor);
  expect(timer.current()).toBe(900);
  clock.advance(2000 * divisor);
  expect([fired, timer.current()]).toEqual([[1000 * divisor], 0]);
});

test("a periodic timer fires at every multiple of its period and reloads", () => {
  const { clock, timer, fired } = setup();
  timer.setLvt(TimerMode.periodic, false);
  timer.setInitial(50_000);
  clock.advance(210_000);
  expect(fired).toEqual([50_000, 100_000, 150_000, 200_000]);
  expect(timer.current()).toBe(40_000);
});

test("a guest asking for a period of one nanosecond is not served more than once in ten microseconds", () => {
  const { clock, timer, fired } = setup();
  timer.setLvt(TimerMode.periodic, false);
  timer.setInitial(1);
  clock.advance(1_000_000);
  expect(fired.length).toBe(100);
});

test("switching to periodic midway keeps the count; after a one-shot ran out it stays at zero", () => {
  const { clock, timer, fired } = setup();
  timer.setInitial(100_000);
  clock.advance(60_000);
  timer.setLvt(TimerMode.periodic, false);
  expect(timer.current()).toBe(40_000);
  clock.advance(150_000);
  expect(fired).toEqual([100_000, 200_000]);
  timer.setLvt(TimerMode.oneShot, false);
  expect(timer.current()).toBe(90_000);
  clock.advance(100_000);
  timer.setLvt(TimerMode.periodic, false);
  clock.advance(500_000);
  expect([fired, timer.current()]).toEqual([[100_000, 200_000, 300_000], 0]);
});

test("TSC-deadline mode fires at the deadline, clears it, and takes one in the past at once", () => {
  const { clock, timer, fired } = setup();
  timer.setDeadline(5n);
  expect(timer.deadline).toBe(0n);
  timer.setLvt(TimerMode.tscDeadline, false);
  timer.setTscOffset(1000n);
  timer.setDeadline(51_000n);
  clock.advance(60_000);
  expect([fired, timer.deadline]).toEqual([[50_000], 0n]);
  timer.setDeadline(7n);
  expect(clock.next()).toBe(60_000);
  timer.setDeadline(0n);
  timer.setDeadline(0xffffffffffffffffn);
  expect(clock.next()).toBe(Infinity);
  timer.setLvt(TimerMode.oneShot, false);
  expect(timer.deadline).toBe(0n);
});

test("a masked timer counts without firing and fires once unmasked in time", () => {
  const { clock, timer, fired } = setup();
  timer.setLvt(TimerMode.oneShot, true);
  timer.setInitial(1000);
  clock.advance(500);
  expect([timer.current(), clock.next()]).toEqual([500, Infinity]);
  timer.setLvt(TimerMode.oneShot, false);
  clock.advance(1000);
  expect(fired).toEqual([1000]);
});

test("a timer running without a count is refused at restore", () => {
  const { timer } = setup();
  const bad = {
    mode: 1,
    masked: false,
    initial: 0,
    divideConfig: 0,
    start: 5,
    deadline: 0n,
    tscOffset: 0n,
    alarm: 9,
  };
  expect(() => timer.restore(new SavedRecord("timer", bad))).toThrow(StateError);
});
