// npm run hashes -- [--guests linux-amd64,linux-i386] [--accels tcg,kvm] [--at 0.3,1,3] [--limit SECONDS]
// The same guest in Node and in Chromium, bare and under KVM, panels open and shut: after as many instructions the
// state hash is the same. Exit status 1 when one differs.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildCore } from "../build-core.mjs";
import { buildNode } from "../build-node.mjs";
import { at } from "../lib/fingerprint.mjs";
import { openBrowser } from "../lib/page.mjs";
import { runTool, say, ToolError } from "../lib/say.mjs";
import { compare, table } from "./compare.mjs";
import { commandHash, pageHashes } from "./places.mjs";

const OPTIONS = {
  guests: { type: "string", default: "linux-amd64,linux-i386" },
  accels: { type: "string", default: "tcg,kvm" },
  at: { type: "string", default: "0.3,1,3" },
  limit: { type: "string", default: "600" },
};

function options() {
  try {
    const { guests, accels, at: points, limit } = parseArgs({ options: OPTIONS }).values;
    const checkpoints = points.split(",").map((g) => Math.round(Number(g) * 1e9));
    if (checkpoints.some((n, i) => !(n > (checkpoints[i - 1] ?? 0)))) throw new Error(`--at ${points}: give rising numbers of billions`);
    return { guests: guests.split(","), accels: accels.split(","), checkpoints, limitMs: Number(limit) * 1000 };
  } catch (error) {
    throw new ToolError(`hashes: ${error.message}`);
  }
}

async function rowsOf(guest, { accels, checkpoints, limitMs }, browser) {
  const rows = [];
  const row = async (place, hashes) => {
    const from = performance.now();
    rows.push({ place, hashes: await hashes() });
    say(`${guest}, ${place}: ${((performance.now() - from) / 1000).toFixed(0)} s`);
  };
  for (const accel of accels) {
    await row(`Node ${accel}`, async () => {
      const hashes = [];
      for (const n of checkpoints) hashes.push(await commandHash(guest, accel, n, limitMs));
      return hashes;
    });
    for (const panels of ["open", "shut"]) {
      await row(`Chromium ${accel}, panels ${panels}`, () => pageHashes(browser, guest, accel, panels, checkpoints));
    }
  }
  return rows;
}

await runTool(async () => {
  const chosen = options();
  for (const guest of chosen.guests) {
    if (!existsSync(at("guests/cache", guest, "bzImage"))) throw new ToolError(`hashes: no ${guest}; run \`npm run guests\``);
  }
  await buildCore();
  await buildNode();
  const browser = await openBrowser();
  let differing = 0;
  try {
    for (const guest of chosen.guests) {
      const rows = await rowsOf(guest, chosen, browser);
      process.stdout.write(`\n${table(guest, chosen.checkpoints, rows)}\n`);
      differing += compare(rows).length;
    }
  } finally {
    await browser.close();
  }
  say(differing === 0 ? "hashes: all equal" : `hashes: ${differing} differ from the first row`);
  return differing === 0 ? 0 : 1;
});
