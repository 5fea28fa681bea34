// Medians and the printed table.
/** The longest name of an engine. */
const WIDE = 20;

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median seconds per column over the runs of one engine and guest. */
export function medians(suite, runs) {
  const names = Object.keys(suite).filter((name) => runs.length > 0 && runs.every((run) => name in run));
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))]));
}

/** The mean of ratios. */
export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Rows `{ engine, guest, median }` as text: seconds, and in brackets the multiple of the first row's time. */
export function table(suite, rows) {
  const lines = [];
  const wide = Math.max(...Object.keys(suite).map((name) => name.length), 14) + 1;
  for (const guest of new Set(rows.map((row) => row.guest))) {
    const group = rows.filter((row) => row.guest === guest);
    const base = group[0];
    const names = Object.keys(suite).filter((name) => group.some(({ median }) => name in median));
    lines.push(`${guest}: seconds of wall time (in brackets: times ${base.engine})`);
    lines.push(["engine".padEnd(WIDE), ...names.map((name) => name.padStart(wide))].join(""));
    for (const row of group) {
      const cells = names.map((name) => {
        const seconds = row.median[name];
        if (seconds === undefined) return "-".padStart(wide);
        const first = base.median[name];
        const ratio = first === undefined ? "" : ` (${(seconds / first).toFixed(2)})`;
        return `${seconds.toFixed(seconds < 1 ? 3 : 2)}${ratio}`.padStart(wide);
      });
      lines.push([row.engine.padEnd(WIDE), ...cells].join("") + (row.error ? `  ${row.error}` : ""));
    }
    lines.push("");
  }
  return lines.join("\n");
}
