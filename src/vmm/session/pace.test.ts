import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("the clock never passes wall time, and an idle guest waits for it", () => {
  let wall = 0;
  const pace = new Pace(() => wall);
  pace.start(0);
  expect(pace.limit(0)).toBe(0);
  wall = 0.05;
  expect(pace.limit(0)).toBe(50_000);
  expect(pace.limit(50_000)).toBe(50_000);
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
