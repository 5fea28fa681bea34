import { expect, test } from "vitest";
import { multiples, regressions } from "./baseline.mjs";
import { columns, markWatcher, READY } from "./marks.mjs";
import { plot } from "./plot.mjs";
import { promises } from "./promises.mjs";
import { DONE, SUITES } from "./suites.mjs";
import { geometricMean, median, medians, table } from "./table.mjs";

const SERIAL = "Linux\r\n@ BOOTED\r\n@ MD5 begin\r\nabc  -\r\n@ MD5 first\r\nabc  -\r\n@ MD5 end\r\n@ DONE\r\n";

test("marks are timed when their line ends, however the output is cut into chunks", () => {
  let time = 0;
  const watcher = markWatcher(SUITES.marks, () => time);
  const last = [...SERIAL].map((character) => {
    time += 1;
    return watcher.feed(character);
  });
  expect(last.indexOf(true)).toBe(SERIAL.length - 1);
  expect(watcher.seen["@ BOOTED"]).toBe(SERIAL.indexOf("@ MD5 begin"));
  const measured = columns(SUITES.marks, watcher.seen);
  expect(measured["MD5 1st"]).toBe("abc  -\r\n@ MD5 first\r\n".length);
  expect(measured.MD5).toBeCloseTo("abc  -\r\n@ MD5 end\r\n".length / 7);
});

test("an engine that starts a browser first is timed from when its guest starts", () => {
  let time = 0;
  const watcher = markWatcher(SUITES.marks, () => time);
  for (const line of [READY, "Linux", "@ BOOTED"]) {
    time += 10;
    watcher.feed(`${line}\n`);
  }
  expect(columns(SUITES.marks, watcher.seen)).toEqual({ BOOTED: 20 });
});

test("a mark inside a line is no mark, and a column without both its marks is absent", () => {
  const watcher = markWatcher(SUITES.marks, () => 1);
  expect(watcher.feed(`init: ${DONE}\n@ BOOTED\n@ MD5 first\n`)).toBe(false);
  expect(columns(SUITES.marks, watcher.seen)).toEqual({ BOOTED: 1 });
});

test("medians and the geometric mean", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect(medians(SUITES.marks, [{ BOOTED: 1, MD5: 2 }, { BOOTED: 3 }])).toEqual({ BOOTED: 2 });
  expect(geometricMean([1, 4])).toBeCloseTo(2);
});

const row = (engine, guest, values) => ({ engine, guest, median: values });
const marks = (BOOTED, MD5, AWK, GZIP, FORK) => ({ BOOTED, MD5, AWK, GZIP, FORK });

test("the promises are judged from the medians, in the right direction", () => {
  const rows = [
    row("vitrine-kvm", "i386", marks(4, 1, 1, 1, 1)),
    row("vitrine-tcg", "i386", { BOOTED: 3, MD5: 0.9 }),
    row("v86", "i386", marks(8, 1.2, 2, 2, 2)),
    row("vitrine-kvm", "amd64", marks(2, 1, 1, 1, 1)),
    row("qemu", "amd64", marks(1, 1, 0.9, 1, 1)),
  ];
  const judged = Object.fromEntries(promises(rows).map(({ promise, kept }) => [promise.split(",")[0], kept]));
  expect(judged).toEqual({
    "i386 BOOTED in Node: v86 / vitrine-kvm": true,
    "i386 MD5 in Node: v86 / vitrine-kvm": false,
    "i386 AWK in Node: v86 / vitrine-kvm": true,
    "i386 GZIP in Node: v86 / vitrine-kvm": true,
    "i386 FORK in Node: v86 / vitrine-kvm": true,
    "i386 in Node": false,
    "amd64": true,
    "amd64 MD5: vitrine-kvm / qemu": true,
    "amd64 AWK: vitrine-kvm / qemu": false,
    "i386 BOOTED: vitrine-kvm / vitrine-tcg": false,
    "i386 MD5: vitrine-tcg / vitrine-kvm": false,
  });
  expect(table(SUITES.marks, rows)).toContain("8.00 (2.00)");
});

test("a multiple of the peer's time that has grown is a regression, on whatever machine", () => {
  const run = (ours, peer) => multiples([row("vitrine-kvm", "amd64", { MD5: ours, AWK: 1 }), row("qemu", "amd64", { MD5: peer, AWK: 1 })]);
  expect(run(3, 2)).toEqual({ amd64: { "vitrine-kvm": { MD5: 1.5, AWK: 1 } } });
  expect(regressions(run(3, 2), run(6, 4))).toEqual([]);
  expect(regressions(run(3, 2), run(4, 2))).toEqual([{ guest: "amd64", engine: "vitrine-kvm", column: "MD5", was: 1.5, is: 2 }]);
});

test("the plot has a bar for each engine and column, and one for the mean", () => {
  const svg = plot("marks", [row("vitrine-kvm", "amd64", { MD5: 3, AWK: 0.5 }), row("qemu", "amd64", { MD5: 2, AWK: 1 })]);
  expect(svg.match(/<rect [^>]*height="9" fill="#2f6fdb"/g)).toHaveLength(4);
  expect(svg).toContain(">0.50<");
  expect(svg).not.toContain("NaN");
});
