// npm run engines -- [--guests hello64,linux-amd64] [--engines bare,vmx-vtlb] [--checkpoints 20] [--until G]
// Each engine runs each guest to the same checkpoints; the state hash has to be the bare machine's. The first difference
// is printed with address, values and engine. Exit status 1 when there is one.
import { mkdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { runTool, say, ToolError } from "../lib/say.mjs";
import { row, spread, title } from "./table.mjs";

const BILLION = 1e9;
const LINES = 10;

async function sources() {
  await buildCore();
  mkdirSync(at("build/engines"), { recursive: true });
  const outfile = at("build/engines/node.mjs");
  await build({
    entryPoints: [at("tools/engines/node.ts")], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error",
    loader: { ".asm": "text" },
  });
  return { ...(await import(pathToFileURL(outfile).href)), module: new WebAssembly.Module(readFileSync(at("build/core.wasm"))) };
}

function choose({ engines, guests }) {
  let values;
  try {
    values = parseArgs({
      options: {
        guests: { type: "string", default: Object.keys(guests).join(",") },
        engines: { type: "string", default: engines.map((e) => e.name).join(",") },
        checkpoints: { type: "string", default: "20" },
        until: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new ToolError(`engines: ${error.message}`);
  }
  const names = values.guests.split(","), unknown = names.find((name) => !Object.hasOwn(guests, name));
  if (unknown !== undefined) throw new ToolError(`engines: guest ${unknown}: choose from ${Object.keys(guests).join(", ")}`);
  const chosen = values.engines.split(",").map((name) => {
    const engine = engines.find((e) => e.name === name);
    if (!engine) throw new ToolError(`engines: engine ${name}: choose from ${engines.map((e) => e.name).join(", ")}`);
    return engine;
  });
  const count = Number(values.checkpoints), until = values.until === undefined ? undefined : Number(values.until);
  if (!(Number.isInteger(count) && count >= 1)) throw new ToolError(`engines: --checkpoints ${values.checkpoints}: give a number from 1 on`);
  if (until !== undefined && !(until > 0)) throw new ToolError(`engines: --until ${values.until}: give billions of instructions`);
  const [bare] = engines;
  return { names, chosen: [bare, ...chosen.filter((e) => e !== bare)], count, until };
}

/** Runs both again to the first checkpoint that differs, and says what. */
async function explain(s, engine, guest, t) {
  const machines = [];
  for (const one of [s.engines[0], engine]) {
    const opened = await s.open(at(), s.module, one, guest);
    opened.machine.run(t);
    machines.push(opened);
  }
  return s.differences(machines[0], machines[1], LINES);
}

await runTool(async () => {
  const s = await sources(), { names, chosen, count, until } = choose(s);
  let wrong = 0;
  for (const guest of names) {
    if (!s.guestPresent(at(), guest)) throw new ToolError(`engines: no ${guest}; run \`npm run guests\``);
    const times = spread((until ?? s.guests[guest].end) * BILLION, count);
    process.stdout.write(`\n${title(guest, times)}\n`);
    let bare;
    for (const engine of chosen) {
      const run = await s.hashes(at(), s.module, engine, guest, times);
      bare ??= run;
      const first = run.hashes.findIndex((hash, i) => hash !== bare.hashes[i]);
      process.stdout.write(`${row(engine.name, run, bare, first)}\n`);
      if (first < 0) continue;
      wrong++;
      say(`${guest}, ${engine.name}: different at ${times[first]}`);
      for (const line of await explain(s, engine, guest, times[first])) process.stdout.write(`  bare, ${engine.name}: ${line}\n`);
    }
  }
  say(wrong === 0 ? "engines: all are one machine" : `engines: ${wrong} differ from the bare machine`);
  return wrong === 0 ? 0 : 1;
});
