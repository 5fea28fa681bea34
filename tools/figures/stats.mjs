// Rows of figures: `{ name, value, unit, limit }`; `limit` is the promise, as `{ most }` or `{ least }`.

/** The value below which the share `p` of the values lies. */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}

export const median = (values) => percentile(values, 0.5);

/** True or false where something is promised, undefined where not. */
export function kept({ value, limit }) {
  if (limit === undefined) return undefined;
  return limit.most === undefined ? value >= limit.least : value <= limit.most;
}

/** The rows as text, a line each. */
export function table(rows) {
  const wide = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const lines = rows.map((row) => {
    const { name, value, unit, limit } = row;
    const digits = value === undefined ? "-" : value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
    const promise = limit === undefined ? "" : limit.most === undefined ? `at least ${limit.least}` : `at most ${limit.most}`;
    const verdict = value === undefined || limit === undefined ? "" : kept(row) ? "kept" : "MISSED";
    return `${name.padEnd(wide)}${digits.padStart(9)} ${unit.padEnd(6)} ${promise.padEnd(14)} ${verdict}`.trimEnd();
  });
  return `${lines.join("\n")}\n`;
}
