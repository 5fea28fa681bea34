// The baseline: what this emulator took, as multiples of a peer's time in the same run. A run is held against it, so that a
// loss shows whatever the machine. bench/baseline.json: { suite: { guest: { engine: { column: multiple } } } }.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { at } from "../tools/lib/fingerprint.mjs";

const FILE = "bench/baseline.json";

/** A multiple that has grown by more than this is reported: runs on a quiet machine differ by about half of it. */
const TOLERANCE = 0.15;

const PEER = "qemu";

/** Multiples of the peer's time per guest, engine and column; guests without the peer's row are absent. */
export function multiples(rows) {
  const result = {};
  for (const row of rows.filter(({ engine }) => engine.startsWith("vitrine"))) {
    const peer = rows.find(({ engine, guest }) => guest === row.guest && engine === PEER);
    if (peer === undefined) continue;
    const columns = Object.keys(row.median).filter((name) => peer.median[name] > 0);
    result[row.guest] ??= {};
    result[row.guest][row.engine] = Object.fromEntries(columns.map((name) => [name, Number((row.median[name] / peer.median[name]).toFixed(3))]));
  }
  return result;
}

/** What has grown beyond the tolerance, as `{ guest, engine, column, was, is }`. */
export function regressions(before, after) {
  const found = [];
  for (const [guest, engines] of Object.entries(after))
    for (const [engine, columns] of Object.entries(engines))
      for (const [column, is] of Object.entries(columns)) {
        const was = before?.[guest]?.[engine]?.[column];
        if (was !== undefined && is > was * (1 + TOLERANCE)) found.push({ guest, engine, column, was, is });
      }
  return found;
}

function read() {
  return existsSync(at(FILE)) ? JSON.parse(readFileSync(at(FILE), "utf8")) : {};
}

/** The regressions of these rows against the committed baseline. */
export function againstBaseline(suite, rows) {
  return regressions(read()[suite], multiples(rows));
}

/** Makes these rows the baseline; engines and guests that did not run keep theirs. */
export function keepAsBaseline(suite, rows) {
  const all = read();
  all[suite] ??= {};
  for (const [guest, engines] of Object.entries(multiples(rows))) all[suite][guest] = { ...all[suite][guest], ...engines };
  writeFileSync(at(FILE), `${JSON.stringify(all, null, 2)}\n`);
}
