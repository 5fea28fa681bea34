import { expect, test } from "vitest";
import { Scheduler, type Thread } from "./sched.ts";

/** Threads that note what they are told, and with which CPU selected. */
function computer(cpus: number, threads: number) {
  const log: string[] = [];
  let selected = 0;
  const scheduler = new Scheduler(cpus, (cpu) => {
    selected = cpu;
  });
  const all: Thread[] = Array.from({ length: threads }, (_, i) =>
    scheduler.create(`t${i}`, {
      schedIn: (cpu) => log.push(`in ${i} on ${cpu}${cpu === selected ? "" : "!"}`),
      schedOut: () => log.push(`out ${i} of ${selected}`),
    }),
  );
  return { scheduler, all: all as [Thread, Thread, Thread], log, selected: () => selected };
}

test("a thread whose CPU nobody else needed comes back without a switch", () => {
  const { scheduler, all: [a, b], log, selected } = computer(2, 2);
  scheduler.run(a);
  scheduler.run(b);
  scheduler.run(a);
  expect([log, scheduler.switches, selected()]).toEqual([[], 0, 0]);
});

test("threads on one CPU take its state from each other, and the one that still wants to run was preempted", () => {
  const { scheduler, all: [a, b], log } = computer(1, 2);
  expect(log).toEqual(["out 0 of 0"]);
  scheduler.run(a);
  b.blocked = true;
  scheduler.run(b);
  scheduler.run(a);
  expect(log.slice(1)).toEqual(["out 1 of 0", "in 0 on 0", "out 0 of 0", "in 1 on 0", "out 1 of 0", "in 0 on 0"]);
  // Blocked when it lost its CPU, the second thread was not preempted the last time.
  expect([scheduler.switches, scheduler.preemptions, scheduler.migrations]).toEqual([3, 3, 0]);
});

test("a thread moves to a CPU whose thread is blocked rather than to wait for its own", () => {
  const { scheduler, all: [a, b, c], log } = computer(2, 3);
  expect([a.cpu, b.cpu, c.cpu]).toEqual([0, 1, 0]);
  b.blocked = true;
  scheduler.run(a);
  expect(a.cpu).toBe(1);
  expect(log).toEqual(["out 0 of 0", "out 1 of 1", "in 0 on 1"]);
  expect(scheduler.migrations).toBe(1);
});

test("a thread is taken to another CPU by name, and its state leaves the old one first", () => {
  const { scheduler, all: [a], log } = computer(3, 1);
  scheduler.move(a, 2);
  scheduler.move(a, 2);
  expect(log).toEqual(["out 0 of 0", "in 0 on 2"]);
  expect(a.cpu).toBe(2);
});
