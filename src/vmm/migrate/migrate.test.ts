import { MessageChannel } from "node:worker_threads";
import { expect, test } from "vitest";
import { encode } from "../../base/index.ts";
import { testMachine, type TestMachine } from "../fixtures/dirtier.ts";
import { fullBitmap } from "./bitmap.ts";
import { type Channel, channelPair, portChannel } from "./channel.ts";
import { MigrationError, MigrationSource, MigrationTarget, type SourceOptions } from "./index.ts";
import { Kind } from "./message.ts";

/** 16 MiB, and the text of the display. */
const pages = 4096 + 16;

/** A source whose guest runs as long as the link, at `bandwidth` bytes a second, takes for each chunk. */
function move(a: TestMachine, b: TestMachine, options: Partial<SourceOptions> = {}, channels = channelPair()) {
  const bandwidth = options.bandwidth ?? 1e9;
  const events: string[] = [];
  const source = new MigrationSource({
    machine: a.machine,
    channel: channels[0],
    bandwidth,
    between: (bytes) => {
      a.runTo(a.vm.clock.now() + Math.max(1000, Math.ceil((bytes / bandwidth) * 1e9)));
    },
    pause: () => events.push("pause") > 0,
    resume: () => events.push("resume"),
    ...options,
  });
  const target = new MigrationTarget({ machine: b.machine, channel: channels[1] });
  return { source, target, events };
}

/** Both go on, to the same hash: the machine that moved is the machine that stayed. */
function expectSame(a: TestMachine, b: TestMachine): void {
  expect(b.vm.clock.now()).toBe(a.vm.clock.now());
  a.runTo(a.vm.clock.now() + 200_000);
  b.runTo(b.vm.clock.now() + 200_000);
  expect(b.machine.stateHash()).toBe(a.machine.stateHash());
}

test("a guest that writes little moves in a few passes, and both sides have the same hash", async () => {
  const a = await testMachine({ pages: 8, idle: 2000 }), b = await testMachine();
  a.runTo(100_000);
  const { source, target, events } = move(a, b, { rule: "downtime", downtimeMs: 1 });
  const [result, there] = await Promise.all([source.run(), target.run()]);
  if (result.kind !== "moved") throw new Error(result.kind);
  expect(there.hash).toBe(result.hash);
  expect(there.passes).toEqual(result.rows.map((row) => row.sent));
  expect(result.rows.map((row) => [row.pass, row.sent, row.dirtiedAgain, row.remaining, row.stopped])).toEqual([
    [1, pages, 9, 9, false],
    [2, 9, 0, 0, true],
  ]);
  expect(result.bytes).toBeLessThan(1_000_000);
  // Nine pages and the state at 1 GB a second.
  expect(result.downtimeNs).toBeGreaterThan(36_000);
  expect(result.downtimeNs).toBeLessThan(1_000_000);
  expect([result.downtimeMs, result.totalMs]).toEqual([undefined, undefined]);
  expect(target.received).toEqual(fullBitmap(pages));
  expect(source.pending.every((byte) => byte === 0)).toBe(true);
  expect(events).toEqual(["pause"]);
  expectSame(a, b);
});

test("the rule of 2007 ends a guest that writes faster than the link after thirty passes or two growths", async () => {
  const a = await testMachine({ pages: 700, idle: 10 }), b = await testMachine();
  a.runTo(100_000);
  const { source, target } = move(a, b, { rule: "2007", bandwidth: 5e9 });
  const [result] = await Promise.all([source.run(), target.run()]);
  if (result.kind !== "moved") throw new Error(result.kind);
  const live = result.rows.filter((row) => !row.stopped).map((row) => row.sent);
  const growths = live.filter((sent, i) => i > 0 && sent > (live[i - 1] ?? 0)).length;
  expect(live.length === 30 || growths === 2).toBe(true);
  expect(live.length).toBeGreaterThan(2);
  expect(result.rows.at(-1)?.sent).toBeGreaterThan(650);
  expectSame(a, b);
}, 60_000);

test("both rules together end where the first of them does", async () => {
  const run = async (guestPages: number) => {
    const a = await testMachine({ pages: guestPages, idle: 10 }), b = await testMachine();
    a.runTo(100_000);
    const { source, target } = move(a, b, { rule: "both", bandwidth: 5e9, downtimeMs: 0.3 });
    const [result] = await Promise.all([source.run(), target.run()]);
    expectSame(a, b);
    return result.rows.length;
  };
  expect(await run(16)).toBe(2);
  const passes = await run(700);
  expect(passes).toBeGreaterThan(3);
  expect(passes).toBeLessThanOrEqual(31);
}, 60_000);

test("an idle guest under the rule of 2007 takes thirty passes", async () => {
  const a = await testMachine({ pages: 1, idle: 100 }), b = await testMachine();
  const { source, target } = move(a, b, { rule: "2007" });
  const [result] = await Promise.all([source.run(), target.run()]);
  expect(result.rows.filter((row) => !row.stopped).length).toBe(30);
});

test("without a bandwidth it is measured by the clock given, and downtime with it", async () => {
  const a = await testMachine({ pages: 600, idle: 2_000_000 }), b = await testMachine();
  a.runTo(3_000_000);
  let ms = 0;
  const [left, right] = channelPair();
  const source = new MigrationSource({
    machine: a.machine, channel: left, rule: "downtime", downtimeMs: 50, wallMs: () => (ms += 5), between: () => a.runTo(a.vm.clock.now() + 1000),
  });
  const [result] = await Promise.all([source.run(), new MigrationTarget({ machine: b.machine, channel: right }).run()]);
  if (result.kind !== "moved") throw new Error(result.kind);
  expect(result.downtimeMs).toBeGreaterThan(0);
  expect(result.totalMs).toBeGreaterThan(result.downtimeMs ?? 0);
  expect(result.downtimeNs).toBeGreaterThan(0);
  expect(() => new MigrationSource({ machine: a.machine, channel: left, between: () => {} })).toThrow(/no bandwidth and no clock/);
});

test("cancel during a pass keeps the source running, and the target gives up", async () => {
  const a = await testMachine({ pages: 700, idle: 10 }), b = await testMachine();
  let chunks = 0;
  const { source, target, events } = move(a, b, {
    rule: "downtime", downtimeMs: 0, bandwidth: 5e9,
    onProgress: () => {
      if (++chunks === 40) expect(source.cancel()).toBe(true);
    },
  });
  const there = target.run().catch((error: unknown) => error);
  expect((await source.run()).kind).toBe("cancelled");
  expect(await there).toBeInstanceOf(MigrationError);
  expect(events).toEqual([]);
  const t = a.vm.clock.now();
  a.runTo(t + 100_000);
  expect(a.vm.clock.now()).toBe(t + 100_000);
});

test("cancel while the machine stands still lets it go on, and the input it gave away is back", async () => {
  const a = await testMachine(), b = await testMachine();
  const text = "x".repeat(9000);
  a.machine.type(new TextEncoder().encode(text));
  const [left, right] = channelPair();
  const { source, target, events } = move(a, b, { rule: "downtime" }, [
    { ...left, send: (m) => {
      if (m[0] === Kind.state) source.cancel();
      left.send(m);
    } },
    right,
  ]);
  const there = target.run().catch((error: unknown) => error);
  expect((await source.run()).kind).toBe("cancelled");
  expect(await there).toBeInstanceOf(MigrationError);
  expect(events).toEqual(["pause", "resume"]);
  a.runTo(a.vm.clock.now() + 60_000_000);
  expect(a.serial()).toBe(text);
});

test("the machine runs there before the hashes are compared, and they are those of the moment it moved", async () => {
  const a = await testMachine({ pages: 100 }), b = await testMachine();
  a.runTo(100_000);
  const [left, right] = channelPair();
  const events: string[] = [];
  const { source } = move(a, b, {}, [left, right]);
  const target = new MigrationTarget({
    machine: b.machine,
    channel: { ...right, send: (m) => {
      if (m[0] === Kind.loaded) events.push("loaded");
      right.send(m);
    } },
    start: (ran) => { events.push(`start ${ran}`); },
    turn: async () => { b.runTo(b.vm.clock.now() + 50_000); },
  });
  const [result, there] = await Promise.all([source.run(), target.run()]);
  expect(events).toEqual(["start true", "loaded"]);
  expect(result).toMatchObject({ kind: "moved", hash: there.hash });
  expect(a.machine.stateHash()).toBe(there.hash);
  a.runTo(b.vm.clock.now());
  expect(b.machine.stateHash()).toBe(a.machine.stateHash());
});

test("a machine that has started there is taken back when the hashes differ", async () => {
  const a = await testMachine({ pages: 100 }), b = await testMachine();
  a.runTo(100_000);
  const [left, right] = channelPair();
  let started = 0;
  const { source, events } = move(a, b, {}, [left, right]);
  const target = new MigrationTarget({
    machine: b.machine,
    channel: { ...right, send: (m) => {
      // The last byte of the hash.
      if (m[0] === Kind.loaded) m[32] = (m[32] ?? 0) ^ 1;
      right.send(m);
    } },
    start: () => { started++; },
  });
  const outcomes = await Promise.allSettled([source.run(), target.run()]);
  expect(outcomes.map((o) => o.status === "rejected" && o.reason instanceof MigrationError)).toEqual([true, true]);
  expect(started).toBe(1);
  expect(events).toEqual(["pause", "resume"]);
});

test("after the machine has moved it is too late to cancel", async () => {
  const a = await testMachine(), b = await testMachine();
  const { source, target } = move(a, b);
  await Promise.all([source.run(), target.run()]);
  expect(source.cancel()).toBe(false);
});

test("no character is lost, wherever it was", async () => {
  const a = await testMachine(), b = await testMachine();
  const text = "The quick brown fox. ".repeat(600);
  a.machine.type(new TextEncoder().encode(text));
  const { source, target } = move(a, b);
  await Promise.all([source.run(), target.run()]);
  expect(a.serial().length).toBeLessThan(text.length);
  b.runTo(b.vm.clock.now() + 60_000_000, 1_000_000);
  expect(a.serial() + b.serial() === text).toBe(true);
});

test("a machine moves over a MessagePort, there and back", async () => {
  const a = await testMachine(), b = await testMachine();
  a.runTo(50_000);
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const { port1, port2 } = new MessageChannel();
    const channels: [Channel, Channel] = [portChannel(port1 as never), portChannel(port2 as never)];
    const { source, target } = move(from, to, {}, channels);
    const [result, there] = await Promise.all([source.run(), target.run()]);
    expect(result).toMatchObject({ kind: "moved", hash: there.hash });
    channels[0].close();
    to.runTo(to.vm.clock.now() + 50_000);
  }
});

test.each([["kvm", "kvm"], ["tcg", "kvm"], ["kvm", "tcg"]] as const)("a machine moves from %s to %s and goes on as it would have", async (from, to) => {
  const a = await testMachine({ accel: from }), b = await testMachine({ accel: to });
  a.runTo(100_000);
  const { source, target } = move(a, b);
  const [result, there] = await Promise.all([source.run(), target.run()]);
  expect(result).toMatchObject({ kind: "moved", hash: there.hash });
  expectSame(a, b);
}, 20_000);

/** The channel's messages towards the target, each passed through `change`; null drops it. */
function tampered(change: (m: Uint8Array<ArrayBuffer>, n: number) => Uint8Array<ArrayBuffer> | null): [Channel, Channel] {
  const [left, right] = channelPair();
  let n = 0;
  return [{ ...left, send: (m) => {
    const changed = change(m, n++);
    if (changed) left.send(changed);
  } }, right];
}

test.each<[string, Parameters<typeof tampered>[0]]>([
  ["a flipped bit in a page", (m, n) => {
    const view = new DataView(m.buffer);
    let at = 5;
    while (n === 1 && view.getUint32(at, true) >= 0x80000000) at += 4;
    if (n === 1) m[at + 104] = (m[at + 104] ?? 0) ^ 4;
    return m;
  }],
  ["a page beyond the end", (m, n) => {
    if (n === 1) new DataView(m.buffer).setUint32(5, 0x80001000, true);
    return m;
  }],
  ["a chunk cut short", (m, n) => (n === 2 ? m.slice(0, m.length - 1) : m)],
  ["a lost chunk", (m, n) => (n === 1 ? null : m)],
  ["another version", (m, n) => (n === 0 ? Uint8Array.from([Kind.hello, ...encode({ protocol: 1, pages, machine: 1 })]) : m)],
  ["another size", (m, n) => (n === 0 ? Uint8Array.from([Kind.hello, ...encode({ protocol: 2, pages: 7, machine: 1 })]) : m)],
  ["a state that is none", (m) => (m[0] === Kind.state ? Uint8Array.from([Kind.state, ...encode({ machine: {}, typed: new Uint8Array(0), running: true })]) : m)],
  ["a state that is no record", (m) => (m[0] === Kind.state ? Uint8Array.of(Kind.state, 255, 255) : m)],
  ["the state before the pages", (m, n) => (n === 1 ? Uint8Array.from([Kind.state, ...encode({ machine: {}, typed: new Uint8Array(0), running: true })]) : m)],
  ["an unknown message", (m, n) => (n === 1 ? Uint8Array.of(99) : m)],
])("%s is refused with a MigrationError on both sides, and the source goes on", async (_what, change) => {
  const a = await testMachine({ pages: 100 }), b = await testMachine();
  a.runTo(100_000);
  const { source, target } = move(a, b, {}, tampered(change));
  const outcomes = await Promise.allSettled([source.run(), target.run()]);
  // A source that finds the difference first says cancel; the target then has a MigrationError of its own.
  for (const outcome of outcomes) {
    expect(outcome.status).toBe("rejected");
    if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(MigrationError);
  }
  const t = a.vm.clock.now();
  a.runTo(t + 10_000);
  expect(a.vm.clock.now()).toBe(t + 10_000);
}, 20_000);
