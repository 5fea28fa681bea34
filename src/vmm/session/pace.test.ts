import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("the clock never passes wall time by more than a millisecond, and an idle guest waits for it", () => {
  let wall = 0;
  const pace = new Pace(() => wall);
  pace.start(0);
  // A millisecond is lent at the start, so that the first slice is due.
  expect(pace.limit(0)).toBe(100_000);
  expect(pace.limit(1_000_000)).toBe(1_000_000);
  wall = 0.9;
  // Less than a millisecond is not worth a slice.
  expect(pace.limit(1_000_000)).toBe(1_000_000);
  wall = 1.1;
  expect(pace.limit(1_000_000)).toBe(1_100_000);
  expect(pace.limit(2_100_000)).toBe(2_100_000);
});

test("a slice that was held up makes the next ones shorter for a while, not for ever", () => {
  let wall = 0;
  const pace = new Pace(() => wall);
  pace.start(0);
  let t = 0;
  const slice = (perMs: number) => {
    wall += 20;
    const until = pace.limit(t), ran = until - t;
    pace.took(ran, ran / perMs);
    t = until;
    return ran;
  };
  for (let n = 0; n < 5; n++) slice(50);
  expect(slice(50)).toBe(10_000);
  for (let n = 0; n < 20; n++) slice(100_000);
  expect(slice(100_000)).toBeGreaterThan(300_000);
});

test("a guest that lags is let run on at once, slice after slice, and its lag is forgiven", () => {
  let wall = 0;
  const pace = new Pace(() => wall);
  pace.start(0);
  wall = 1000;
  let t = 0;
  for (let slice = 0; slice < 10; slice++) {
    const until = pace.limit(t);
    expect(until).toBeGreaterThan(t);
    pace.took(until - t, 4);
    t = until;
    wall += 4;
  }
  wall += 1;
  expect(pace.limit(t + 40e6)).toBe(t + 40e6);
});
