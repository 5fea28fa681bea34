import { expect, test } from "vitest";
import { columns, markWatcher, READY } from "./marks.mjs";
import { median, medians, promises, table } from "./table.mjs";

const SERIAL =
  "Linux\r\nBOOTED 3.1 0.1\r\nBENCH-START\r\nabc  -\r\nBENCH-MD5\r\nBENCH-AWK\r\nBENCH-GZIP\r\nBENCH-FORK\r\n";

test("marks are timed when their line ends, however the output is cut into chunks", () => {
  let time = 0;
  const watcher = markWatcher(() => time);
  const last = [...SERIAL].map((character) => {
    time += 1;
    return watcher.feed(character);
  });
  expect(last.indexOf(true)).toBe(SERIAL.length - 1);
  expect(watcher.seen.BOOTED).toBe(SERIAL.indexOf("BENCH-START"));
  expect(columns(watcher.seen).MD5).toBe(SERIAL.indexOf("BENCH-AWK") - SERIAL.indexOf("abc"));
});

test("an engine that starts a browser first is timed from when its guest starts", () => {
  let time = 0;
  const watcher = markWatcher(() => time);
  for (const line of [READY, "Linux", "BOOTED 1 2"]) {
    time += 10;
    watcher.feed(`${line}\n`);
  }
  expect(columns(watcher.seen)).toEqual({ BOOTED: 20 });
});

test("a mark inside a line is no mark, and a column without both its marks is absent", () => {
  const watcher = markWatcher(() => 1);
  watcher.feed("init: BENCH-START\nBOOTED 1\nBENCH-MD5\n");
  expect(columns(watcher.seen)).toEqual({ BOOTED: 1 });
});

test("the median of an even number of runs is the mean of the middle two", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect(medians([{ BOOTED: 1, MD5: 2 }, { BOOTED: 3 }])).toEqual({ BOOTED: 2 });
});

test("the promises are judged from the medians, in the right direction", () => {
  const row = (engine, guest, values) => ({ engine, guest, median: values });
  const rows = [
    row("vitrine-tcg", "i386", { BOOTED: 30, MD5: 1.8 }),
    row("vitrine-kvm", "i386", { MD5: 2 }),
    row("v86-nojit", "i386", { BOOTED: 90 }),
    row("vitrine-tcg", "amd64", { BOOTED: 12 }),
    row("qemu", "amd64", { BOOTED: 2 }),
  ];
  expect(promises(rows).map(({ value, kept }) => [value, kept])).toEqual([
    [3, true],
    [6, false],
    [0.9, false],
  ]);
  expect(table(rows)).toContain("90.00 (3.00)");
});
