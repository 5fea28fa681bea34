// npm run fuzz:guest -- [--instructions 2000000000] [--engine all] [--seed 1] [--mode wild]
// Runs guests/fuzz.asm on each engine with the shadow tables checked, and looks at the host: no exception but a typed stop, no
// growth, every slice ends, and an ordinary guest runs afterwards. In comparable mode all engines have to come to the same
// hash. Exit status 1 when the host has done wrong.
// npm run fuzz:guest -- --compare [--instructions 5000000] [--engine all] [--seed 1]
// In comparable mode the state after every 100,000 instructions against the bare machine's; where one differs, the instruction.
import { mkdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { runTool, say, ToolError } from "../lib/say.mjs";
import { ends, row, title } from "./table.mjs";

async function sources() {
  await buildCore();
  mkdirSync(at("build/fuzz-guest"), { recursive: true });
  const outfile = at("build/fuzz-guest/node.mjs");
  await build({
    entryPoints: [at("tools/fuzz-guest/node.ts")], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error",
    loader: { ".asm": "text" },
  });
  return { ...(await import(pathToFileURL(outfile).href)), module: new WebAssembly.Module(readFileSync(at("build/core.wasm"))) };
}

function choose({ engines }) {
  let values;
  try {
    values = parseArgs({
      options: {
        instructions: { type: "string", default: "50000000" },
        engine: { type: "string", default: "all" },
        seed: { type: "string", default: "1" },
        mode: { type: "string", default: "wild" },
        compare: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new ToolError(`fuzz: ${error.message}`);
  }
  const instructions = Number(values.instructions), seed = Number(values.seed), { mode } = values;
  if (!(Number.isSafeInteger(instructions) && instructions >= 1)) throw new ToolError(`fuzz: --instructions ${values.instructions}: give a number from 1 on`);
  if (!(Number.isSafeInteger(seed) && seed >= 0)) throw new ToolError(`fuzz: --seed ${values.seed}: give a whole number`);
  if (mode !== "wild" && mode !== "comparable") throw new ToolError(`fuzz: --mode ${mode}: give wild or comparable`);
  const chosen = values.engine === "all" ? engines : values.engine.split(",").map((name) => {
    const engine = engines.find((e) => e.name === name);
    if (!engine) throw new ToolError(`fuzz: engine ${name}: choose from all, ${engines.map((e) => e.name).join(", ")}`);
    return engine;
  });
  return { instructions, seed, mode, chosen, compared: values.compare };
}

/** @returns the exit status */
async function compareAll(s, { instructions, seed, chosen }) {
  const [bare] = s.engines,
    ends = await s.trail(s.module, bare, seed, instructions, at());
  let wrong = 0;
  for (const engine of chosen.filter((e) => e !== bare)) {
    const lines = await s.compare(s.module, [bare, engine], seed, ends, at());
    process.stdout.write(`seed ${seed} ${engine.name}: ${lines.length === 0 ? `equal at all of ${ends.length} slices` : lines.join("\n  ")}\n`);
    if (lines.length > 0) wrong++;
  }
  say(wrong === 0 ? "fuzz: one machine" : `fuzz: ${wrong} engines are not the bare machine`);
  return wrong === 0 ? 0 : 1;
}

await runTool(async () => {
  const s = await sources(), choice = choose(s), { instructions, seed, mode, chosen } = choice;
  if (choice.compared) return compareAll(s, choice);
  process.stdout.write(`${title(mode, seed)}\n`);
  let wrong = 0, first;
  for (const engine of chosen) {
    const r = await s.fuzz(s.module, engine, { mode, seed, instructions }, at());
    first ??= r;
    process.stdout.write(`${row(r, mode === "comparable" ? first : undefined)}\n  lives ended by ${ends(r.ends)}\n`);
    for (const line of r.wrong) process.stdout.write(`  WRONG: ${line}\n`);
    if (r.wrong.length > 0 || (mode === "comparable" && r.hash !== first.hash)) wrong++;
  }
  say(wrong === 0 ? "fuzz: the host is consistent" : `fuzz: ${wrong} of ${chosen.length} engines have done wrong`);
  return wrong === 0 ? 0 : 1;
});
