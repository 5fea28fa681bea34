import { expect, test } from "vitest";
import { channelPair, portChannel } from "./channel.ts";
import { MigrationError } from "./errors.ts";
import { ChunkWriter, hash, numbers, parse, plain, record, refusal } from "./message.ts";
import { countPages, fullBitmap, hasPage, nextPage } from "./bitmap.ts";
import { StopJudge } from "./rule.ts";

test("every message comes back as it was sent", () => {
  const digest = "0123456789abcdef".repeat(4);
  expect(parse(plain("ready"))).toEqual({ kind: "ready" });
  expect(parse(numbers("ack", 7))).toEqual({ kind: "ack", number: 7 });
  expect(parse(numbers("pass", 2, 99))).toEqual({ kind: "pass", pass: 2, sent: 99 });
  expect(parse(hash("go", digest))).toEqual({ kind: "go", hash: digest });
  expect(parse(refusal("no"))).toEqual({ kind: "refused", reason: "no" });
  expect(parse(record("hello", { protocol: 1, pages: 2, machine: 3 }))).toEqual({ kind: "hello", protocol: 1, pages: 2, machine: 3 });
  const chunk = new ChunkWriter();
  chunk.add(5, () => false);
  chunk.add(6, (_page, into) => into.fill(9).length > 0);
  expect(parse(chunk.finish(3))).toEqual({
    kind: "pages", number: 3, entries: [{ page: 5, bytes: null }, { page: 6, bytes: new Uint8Array(4096).fill(9) }],
  });
});

test("whatever bytes arrive, they are a message or a MigrationError", () => {
  let x = 1;
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: round % 60 }, () => {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      return x >>> 24;
    });
    if (bytes.length > 0) bytes[0] = round % 14;
    try {
      parse(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(MigrationError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(10_000);
});

test("the rule of 2007 counts growths that do not follow each other, and passes", () => {
  const judge = new StopJudge("2007", 0);
  expect([10, 20, 15, 12].map((sent) => judge.stop(sent, 1, 1e9))).toEqual([false, false, false, false]);
  expect(judge.stop(13, 1, 1e9)).toBe(true);
  const idle = new StopJudge("2007", 1000);
  expect(Array.from({ length: 30 }, () => idle.stop(0, 0, Infinity)).indexOf(true)).toBe(29);
});

test("the downtime rule asks whether the rest fits", () => {
  const judge = new StopJudge("downtime", 10);
  // 100 pages of 4 KiB at 40 MB a second take 10.24 ms.
  expect([judge.stop(1, 100, 40e6), judge.stop(1, 97, 40e6)]).toEqual([false, true]);
});

test("sets of pages count and walk in order", () => {
  const all = fullBitmap(13);
  expect([countPages(all), hasPage(all, 12), hasPage(all, 13)]).toEqual([13, true, false]);
  const some = Uint8Array.of(0, 0x81, 0, 1);
  expect([nextPage(some, 0), nextPage(some, 9), nextPage(some, 16), nextPage(some, 25)]).toEqual([8, 15, 24, -1]);
});

test("a channel tells that the other side closed, and refuses a flood and what is no bytes", async () => {
  const [a, b] = channelPair();
  for (let i = 0; i < 300; i++) a.send(plain("ready"));
  for (let i = 0; i < 256; i++) await b.receive();
  await expect(b.receive()).rejects.toThrow(MigrationError);
  const [c, d] = channelPair();
  const waiting = d.receive();
  c.close();
  expect(await waiting).toBeUndefined();
  const port = { postMessage: () => {}, onmessage: null as ((event: { data: unknown }) => void) | null, close: () => {} };
  const channel = portChannel(port);
  port.onmessage?.({ data: "text" });
  await expect(channel.receive()).rejects.toThrow(MigrationError);
});
