import { expect, test } from "vitest";
import { VirtualClock } from "./clock.ts";

function setup() {
  const time = { t: 0 };
  const clock = new VirtualClock(() => time.t);
  return { time, clock };
}

test("due alarms fire in order of deadline, then of creation, with their own deadline", () => {
  const { time, clock } = setup();
  const log: string[] = [];
  const a = clock.alarm((at) => log.push(`a${at}`));
  const b = clock.alarm((at) => log.push(`b${at}`));
  const c = clock.alarm((at) => log.push(`c${at}`));
  a.set(20);
  b.set(10);
  c.set(20);
  time.t = 19;
  clock.runDue();
  expect(log).toEqual(["b10"]);
  time.t = 20;
  clock.runDue();
  expect(log).toEqual(["b10", "a20", "c20"]);
  expect([a.at, b.at, c.at, clock.next()]).toEqual([Infinity, Infinity, Infinity, Infinity]);
});

test("next() is the earliest deadline after any mix of set, move and clear", () => {
  const { clock } = setup();
  const alarms = [clock.alarm(() => {}), clock.alarm(() => {}), clock.alarm(() => {})];
  let seed = 1;
  for (let i = 0; i < 1000; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const alarm = alarms[seed % 3];
    if ((seed >>> 8) % 4 === 0) alarm?.clear();
    else alarm?.set((seed >>> 10) % 50);
    if ((seed >>> 20) % 2 === 0) expect(clock.next()).toBe(Math.min(...alarms.map((x) => x.at)));
  }
});

test("onEarlier tells of a deadline before the one known, and of no other", () => {
  const { clock } = setup();
  const earlier: number[] = [];
  clock.onEarlier = (t) => earlier.push(t);
  const a = clock.alarm(() => {});
  const b = clock.alarm(() => {});
  a.set(100);
  b.set(200);
  b.set(50);
  b.set(150);
  a.set(120);
  expect(earlier.slice(0, 2)).toEqual([100, 50]);
  expect(clock.next()).toBe(120);
});

test("a periodic alarm catches up inside one runDue, and one that stays in the past cannot hang it", () => {
  const { time, clock } = setup();
  let ticks = 0;
  const tick = clock.alarm((at) => {
    ticks++;
    tick.set(at + 10);
  });
  tick.set(10);
  time.t = 105;
  clock.runDue();
  expect(ticks).toBe(10);
  const bad = clock.alarm(() => bad.set(0));
  bad.set(0);
  clock.runDue();
  expect(clock.next()).toBe(0);
});
