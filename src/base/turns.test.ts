import { expect, test } from "vitest";
import { StateError } from "./errors.ts";
import { ANSWER, QUANTUM, Turns } from "./turns.ts";

/** CPUs that get a turn, each using all of it. */
function order(turns: Turns, count: number): number[] {
  let now = turns.end - QUANTUM;
  return Array.from({ length: count }, () => {
    if (!turns.pick(now)) return -1;
    now = turns.end;
    return turns.current;
  });
}

test("CPUs take turns of a quantum each, in the order of their numbers", () => {
  expect(order(new Turns(3), 7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test("the one CPU of a machine has every turn, until it sleeps", () => {
  const turns = new Turns(1);
  expect(order(turns, 3)).toEqual([0, 0, 0]);
  expect(turns.contended).toBe(false);
  turns.sleep();
  expect(turns.pick(turns.end)).toBe(false);
});

test("a CPU that sleeps is passed over until it is woken; when all sleep nobody has a turn", () => {
  const turns = new Turns(3);
  turns.pick(0);
  turns.sleep();
  expect(turns.pick(10)).toBe(true);
  expect([turns.current, turns.end]).toEqual([1, 10 + QUANTUM]);
  turns.sleep();
  turns.pick(20);
  expect([turns.current, turns.contended]).toEqual([2, false]);
  turns.wake(0);
  expect(turns.contended).toBe(true);
  turns.sleep();
  turns.pick(30);
  expect(turns.current).toBe(0);
  turns.sleep();
  expect(turns.pick(40)).toBe(false);
  turns.wakeAll();
  expect(turns.pick(50)).toBe(true);
});

test("a turn ends early by yielding and late by one instruction in a shadow", () => {
  const turns = new Turns(2);
  turns.pick(0);
  turns.yield(7);
  turns.pick(7);
  expect([turns.current, turns.end]).toEqual([1, 7 + QUANTUM]);
  turns.extend(turns.end);
  expect(turns.pick(7 + QUANTUM)).toBe(true);
  expect(turns.current).toBe(1);
  turns.pick(8 + QUANTUM);
  expect(turns.current).toBe(0);
});

test("a CPU that another one has interrupted gets a short turn, and a whole one after that", () => {
  const turns = new Turns(3);
  turns.pick(0);
  turns.sleep();
  turns.pick(1);
  turns.call(0);
  turns.yield(5);
  const lengths = [5, 10, 20].map((now) => {
    turns.yield(now);
    turns.pick(now);
    return [turns.current, turns.end - now];
  });
  expect(lengths).toEqual([[2, QUANTUM], [0, ANSWER], [1, QUANTUM]]);
  turns.yield(30);
  turns.pick(30);
  turns.yield(40);
  turns.pick(40);
  expect([turns.current, turns.end]).toEqual([0, 40 + QUANTUM]);
});

test("each beginning of a turn is told once", () => {
  let begun = 0;
  const turns = new Turns(2, () => begun++);
  for (const now of [0, 10, QUANTUM, QUANTUM + 5, 2 * QUANTUM]) turns.pick(now);
  expect(begun).toBe(2);
  turns.reset(7);
  expect(begun).toBe(3);
});

test("what is saved goes on with the same turns", () => {
  const a = new Turns(4), b = new Turns(4);
  a.pick(0);
  a.sleep();
  a.pick(500);
  a.call(3);
  b.restore(a.save());
  expect(order(b, 9)).toEqual(order(a, 9));
});

test.each([
  ["a CPU that is not there", { current: 4, end: 0, asleep: 0, called: 0 }],
  ["a sleeper that is not there", { current: 0, end: 0, asleep: 16, called: 0 }],
  ["an interrupt for one that is not there", { current: 0, end: 0, asleep: 0, called: 16 }],
  ["a turn without end", { current: 0, end: Infinity, asleep: 0, called: 0 }],
])("%s is refused", (_, state) => {
  expect(() => new Turns(4).restore(state)).toThrow(StateError);
});
