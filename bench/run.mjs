// npm run bench -- [--guests i386,amd64] [--engines NAMES] [--runs N] [--limit SECONDS] [--out FILE]
// The same guest on this emulator and on its peers, one after the other on a machine that should be quiet: only
// ratios of one run on one machine mean anything.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { buildCore } from "../tools/build-core.mjs";
import { buildNode } from "../tools/build-node.mjs";
import { at } from "../tools/lib/fingerprint.mjs";
import { run, runTool, say, ToolError } from "../tools/lib/say.mjs";
import { ENGINES, guestFiles } from "./engines.mjs";
import { timeMarks } from "./marks.mjs";
import { medians, promises, table } from "./table.mjs";

const OPTIONS = {
  guests: { type: "string", default: "i386,amd64" },
  engines: { type: "string", default: ENGINES.map(({ name }) => name).join(",") },
  runs: { type: "string", default: "3" },
  limit: { type: "string", default: "300" },
  out: { type: "string" },
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
  return {
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

async function measure({ guests, engines, runs, limit }) {
  const rows = guests.flatMap((guest) =>
    engines
      .filter((engine) => engine.guests.includes(guest))
      .map((engine) => ({
        engine: engine.name,
        guest,
        program: engine.program(guest),
        runs: [],
        error: undefined,
      })),
  );
  for (let turn = 1; turn <= runs; turn++) {
    // Engines take turns, so that a slow minute of the machine does not fall on one of them alone.
    for (const row of rows.filter(({ error }) => error === undefined)) {
      const { seconds, error } = await timeMarks(row.program, limit);
      row.runs.push(seconds);
      row.error = error;
      const booted = seconds.BOOTED === undefined ? "-" : `${seconds.BOOTED.toFixed(2)} s`;
      say(
        `run ${turn}/${runs} ${row.engine} ${row.guest}: BOOTED ${booted}${error === undefined ? "" : `, ${error}`}`,
      );
    }
  }
  return rows.map(({ program, ...row }) => ({ ...row, median: medians(row.runs) }));
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
    await buildNode();
  }
  if (engines.some(({ name }) => /^vitrine-.*-chromium$/.test(name))) {
    const { code, stderr } = await run(process.execPath, [at("node_modules/vite/bin/vite.js"), "build", "--logLevel", "error"], { cwd: at() });
    if (code !== 0) throw new ToolError(`bench: the page cannot be built: ${stderr.trim().split("\n").at(-1)}`);
  }
  const machine = describeMachine();
  const rows = await measure({ ...chosen, engines });
  const kept = promises(rows);
  process.stdout.write(`\n${table(rows)}`);
  for (const { promise, value, kept: is } of kept) {
    process.stdout.write(`${is ? "kept  " : "BROKEN"} ${value.toFixed(2)}  ${promise}\n`);
  }
  mkdirSync(dirname(chosen.out), { recursive: true });
  writeFileSync(chosen.out, `${JSON.stringify({ machine, rows, promises: kept }, null, 2)}\n`);
  say(`bench: ${chosen.out}`);
  return rows.every(({ error }) => error === undefined) ? 0 : 1;
});
