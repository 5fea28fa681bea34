// npm run figures -- [--only NAMES] [--guests linux-amd64,linux-i386] [--accels kvm,tcg] [--limit SECONDS] [--out FILE]
// What the built page reaches in Chromium against what is promised. Timed on a machine that should be quiet: its load
// is written beside the figures.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { buildPage } from "../build-page.mjs";
import { at } from "../lib/fingerprint.mjs";
import { openBrowser } from "../lib/page.mjs";
import { runTool, say, step, ToolError } from "../lib/say.mjs";
import { boot } from "./boot.mjs";
import { echo } from "./echo.mjs";
import { memory } from "./memory.mjs";
import { migration } from "./migration.mjs";
import { sizes } from "./sizes.mjs";
import { speed } from "./speed.mjs";
import { start } from "./start.mjs";
import { kept, table } from "./stats.mjs";

/** Chapters in their order; those that need no Linux first. */
const CHAPTERS = { sizes, start, echo, memory, speed, migration, boot };
const EMBEDDED_ALONE = ["sizes", "start"];
const OPTIONS = {
  only: { type: "string", default: Object.keys(CHAPTERS).join(",") },
  guests: { type: "string", default: "linux-amd64,linux-i386" },
  accels: { type: "string", default: "kvm,tcg" },
  limit: { type: "string", default: "300" },
  out: { type: "string", default: at(`bench/results/local/figures-${new Date().toISOString().replace(/[:.]/g, "-")}.json`) },
};

function options() {
  let values;
  try {
    values = parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new ToolError(`figures: ${error.message}`);
  }
  const chapters = values.only.split(",");
  const wrong = chapters.find((name) => !Object.hasOwn(CHAPTERS, name));
  if (wrong !== undefined) throw new ToolError(`figures: ${wrong}: unknown; choose from ${Object.keys(CHAPTERS).join(", ")}`);
  return { ...values, chapters, guests: values.guests.split(","), accels: values.accels.split(","), limitMs: Number(values.limit) * 1000 };
}

await runTool(async () => {
  const chosen = options();
  const linux = existsSync(at("guests/cache/linux-amd64/bzImage"));
  if (!linux) say("figures: no Linux in guests/cache; run `npm run guests` for the rest");
  const chapters = chosen.chapters.filter((name) => linux || EMBEDDED_ALONE.includes(name));
  await buildPage();
  const browser = await openBrowser();
  const machine = { date: new Date().toISOString(), cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0], chromium: browser.browser.version() };
  const rows = [];
  let failed = 0;
  try {
    for (const name of chapters) {
      try {
        rows.push(...(await step(name, () => CHAPTERS[name](browser, chosen))));
      } catch (error) {
        // The other chapters have something to say all the same.
        say(`${name}: ${error.message.split("\n")[0]}`);
        failed++;
      }
    }
  } finally {
    await browser.close();
  }
  machine.loadAfter = loadavg()[0];
  process.stdout.write(`\n${table(rows)}load ${machine.load.toFixed(1)} before, ${machine.loadAfter.toFixed(1)} after, on ${machine.cores} cores\n`);
  mkdirSync(dirname(chosen.out), { recursive: true });
  writeFileSync(chosen.out, `${JSON.stringify({ machine, rows: rows.map((row) => ({ ...row, kept: kept(row) })) }, null, 2)}\n`);
  say(`figures: ${chosen.out}`);
  return failed === 0 ? 0 : 1;
});
