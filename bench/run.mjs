// npm run bench -- [--suite marks|micro|programs] [--guests i386,amd64] [--engines NAMES] [--runs N] [--limit SECONDS]
//                  [--out FILE] [--keep]      --keep makes the run the baseline that later runs are held against
// The same guest on this emulator and on its peers, one after the other on a machine that should be quiet: only
// ratios of one run on one machine mean anything.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { buildCore } from "../tools/build-core.mjs";
import { buildNode } from "../tools/build-node.mjs";
import { buildPage } from "../tools/build-page.mjs";
import { buildStencils } from "../tools/jit/stencils.mjs";
import { at } from "../tools/lib/fingerprint.mjs";
import { runTool, say, ToolError } from "../tools/lib/say.mjs";
import { ENGINES, guestFiles } from "./engines.mjs";
import { againstBaseline, keepAsBaseline } from "./baseline.mjs";
import { timeMarks } from "./marks.mjs";
import { overlay } from "./overlay.mjs";
import { plot } from "./plot.mjs";
import { promises } from "./promises.mjs";
import { SUITES } from "./suites.mjs";
import { medians, table } from "./table.mjs";

/** What a plain `npm run bench` leaves out: hours of interpreters, browsers, and KVM's other ways. */
const ON_DEMAND = /nojit|chromium|vtlb|cached|svm/;

const OPTIONS = {
  suite: { type: "string", default: "marks" },
  guests: { type: "string", default: "i386,amd64" },
  engines: { type: "string", default: ENGINES.map(({ name }) => name).filter((name) => !ON_DEMAND.test(name)).join(",") },
  runs: { type: "string", default: "3" },
  limit: { type: "string", default: "300" },
  out: { type: "string" },
  keep: { type: "boolean", default: false },
};

function choose(list, known, what) {
  const names = list.split(",");
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new ToolError(`bench: ${what} ${wrong}: unknown; choose from ${known.join(", ")}`);
  return names;
}

function positive(text, what) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new ToolError(`bench: --${what} ${text}: give a whole number above 0`);
  return value;
}

function options() {
  let values;
  try {
    values = parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new ToolError(`bench: ${error.message}`);
  }
  const names = choose(
    values.engines,
    ENGINES.map(({ name }) => name),
    "engine",
  );
  choose(values.suite, Object.keys(SUITES), "suite");
  return {
    suite: values.suite,
    keep: values.keep,
    guests: choose(values.guests, ["i386", "amd64"], "guest"),
    engines: ENGINES.filter(({ name }) => names.includes(name)),
    runs: positive(values.runs, "runs"),
    limit: positive(values.limit, "limit"),
    out: values.out ?? at(`bench/results/local/${new Date().toISOString().replace(/[:.]/g, "-")}.json`),
  };
}

function describeMachine() {
  const manifest = at("guests/cache/manifest.json");
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0].model,
    cores: cpus().length,
    load: loadavg()[0],
    node: process.version,
    packages: existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).packages : {},
  };
}

async function measure({ suite, guests, engines, runs, limit }) {
  const initrds = Object.fromEntries(await Promise.all(guests.map(async (guest) => [guest, await overlay(guest, guestFiles(guest).initrd)])));
  const rows = guests.flatMap((guest) =>
    engines
      .filter((engine) => engine.guests.includes(guest))
      .map((engine) => ({
        engine: engine.name,
        guest,
        program: engine.program({ guest, suite, initrd: initrds[guest] }),
        runs: [],
        error: undefined,
      })),
  );
  for (let turn = 1; turn <= runs; turn++) {
    // Engines take turns, so that a slow minute of the machine does not fall on one of them alone.
    for (const row of rows.filter(({ error }) => error === undefined)) {
      const { seconds, error } = await timeMarks(row.program, SUITES[suite], limit);
      row.runs.push(seconds);
      row.error = error;
      const first = Object.entries(seconds).map(([name, value]) => `${name} ${value.toFixed(2)}`)[0] ?? "no mark";
      say(`run ${turn}/${runs} ${row.engine} ${row.guest}: ${first}${error === undefined ? "" : `, ${error}`}`);
    }
  }
  return rows.map(({ program, ...row }) => ({ ...row, median: medians(SUITES[suite], row.runs) }));
}

await runTool(async () => {
  const chosen = options();
  for (const guest of chosen.guests) {
    if (!existsSync(guestFiles(guest).kernel))
      throw new ToolError(`bench: no ${guest} kernel; run \`npm run guests\``);
  }
  for (const { name } of chosen.engines.filter((engine) => !engine.present()))
    say(`${name}: not installed, left out`);
  const engines = chosen.engines.filter((engine) => engine.present());
  if (engines.length === 0) throw new ToolError("bench: none of the chosen engines is installed");
  if (engines.some(({ name }) => name.startsWith("vitrine"))) {
    await buildCore();
    await buildStencils();
    await buildNode();
  }
  if (engines.some(({ name }) => /^vitrine-.*-chromium$/.test(name))) {
    await buildPage();
  }
  const machine = describeMachine();
  const rows = await measure({ ...chosen, engines });
  const kept = chosen.suite === "marks" ? promises(rows) : [];
  process.stdout.write(`\n${table(SUITES[chosen.suite], rows)}`);
  for (const { promise, value, kept: is } of kept) process.stdout.write(`${is ? "kept  " : "BROKEN"} ${value.toFixed(2)}  ${promise}\n`);
  for (const { guest, engine, column, was, is } of againstBaseline(chosen.suite, rows))
    process.stdout.write(`SLOWER ${guest} ${engine} ${column}: ${is.toFixed(2)} times the peer, the baseline has ${was.toFixed(2)}\n`);
  if (chosen.keep) {
    keepAsBaseline(chosen.suite, rows);
    writeFileSync(at(`docs/bench-${chosen.suite}.svg`), plot(chosen.suite, rows));
  }
  mkdirSync(dirname(chosen.out), { recursive: true });
  writeFileSync(chosen.out, `${JSON.stringify({ machine, suite: chosen.suite, rows, promises: kept }, null, 2)}\n`);
  say(`bench: ${chosen.out}`);
  return rows.every(({ error }) => error === undefined) ? 0 : 1;
});
