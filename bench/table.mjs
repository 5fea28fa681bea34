// Medians and the printed table.
import { COLUMNS } from "./marks.mjs";

/** The longest name of an engine. */
const WIDE = 20;

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median seconds per column over the runs of one engine and guest. */
export function medians(runs) {
  const names = Object.keys(COLUMNS).filter((name) => runs.length > 0 && runs.every((run) => name in run));
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))]));
}

/** Rows `{ engine, guest, median }` as text: seconds, and in brackets the multiple of the first row's time. */
export function table(rows) {
  const lines = [];
  for (const guest of new Set(rows.map((row) => row.guest))) {
    const group = rows.filter((row) => row.guest === guest);
    const base = group[0];
    lines.push(`${guest}: seconds of wall time (in brackets: times ${base.engine})`);
    lines.push(["engine".padEnd(WIDE), ...Object.keys(COLUMNS).map((name) => name.padStart(16))].join(""));
    for (const row of group) {
      const cells = Object.keys(COLUMNS).map((name) => {
        const seconds = row.median[name];
        if (seconds === undefined) return "-".padStart(16);
        const first = base.median[name];
        const ratio = first === undefined ? "" : ` (${(seconds / first).toFixed(2)})`;
        return `${seconds.toFixed(2)}${ratio}`.padStart(16);
      });
      lines.push([row.engine.padEnd(WIDE), ...cells].join("") + (row.error ? `  ${row.error}` : ""));
    }
    lines.push("");
  }
  return lines.join("\n");
}

/** The promised ratios that these rows can show, each as `{ promise, value, kept }`. */
export function promises(rows) {
  const get = (engine, guest, column) =>
    rows.find((row) => row.engine === engine && row.guest === guest)?.median[column];
  const found = [];
  const add = (promise, top, bottom, keeps) => {
    if (top === undefined || bottom === undefined) return;
    found.push({ promise, value: top / bottom, kept: keeps(top / bottom) });
  };
  const oursI386 = get("vitrine-tcg", "i386", "BOOTED");
  const oursAmd64 = get("vitrine-tcg", "amd64", "BOOTED");
  add(
    "i386 BOOTED: v86 without JIT / vitrine-tcg, at least 2.5",
    get("v86-nojit", "i386", "BOOTED"),
    oursI386,
    (x) => x >= 2.5,
  );
  add(
    "amd64 BOOTED: vitrine-tcg / qemu, at most 5",
    oursAmd64,
    get("qemu", "amd64", "BOOTED"),
    (x) => x <= 5,
  );
  for (const guest of ["i386", "amd64"]) {
    for (const column of ["MD5", "AWK"]) {
      const bare = get("vitrine-tcg", guest, column);
      add(
        `${guest} ${column}: vitrine-tcg / vitrine-kvm, at least 0.95`,
        bare,
        get("vitrine-kvm", guest, column),
        (x) => x >= 0.95,
      );
    }
  }
  return found;
}
