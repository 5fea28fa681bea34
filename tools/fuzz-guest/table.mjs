// What `npm run fuzz:guest` prints.
const NAME = 12;
export const title = (mode, seed) =>
  `${mode}, seed ${seed}\n${"engine".padEnd(NAME)}instructions       steps  resets  exits      tables    heap MiB  longest slice ms  seconds  hash`;

/** One engine's line; `bare` is what it has to equal, undefined in the mode in which engines may differ. */
export function row(r, bare) {
  const tables = r.tableLimit === 0 ? "-" : `${r.tables}/${r.tableLimit}`;
  return [
    r.engine.padEnd(NAME),
    String(r.instructions).padStart(12),
    String(r.steps).padStart(12),
    String(r.resets).padStart(8),
    `  ${String(r.exits).padEnd(9)}`,
    `  ${tables.padEnd(8)}`,
    (r.heapGrowth / 2 ** 20).toFixed(1).padStart(10),
    r.slowest.toFixed(0).padStart(18),
    r.seconds.toFixed(1).padStart(9),
    `  ${r.hash}${bare === undefined ? "" : bare.hash === r.hash ? " =" : " !"}`,
  ].join("");
}

/** How the lives of the guest ended, the most frequent first. */
export const ends = (counts) =>
  Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, n]) => `${name} ${n}`).join(", ");
