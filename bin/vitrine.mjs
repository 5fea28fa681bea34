#!/usr/bin/env node
// Starts the command: builds what is missing or out of date, then runs build/vitrine.mjs.
import { existsSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { buildCore } from "../tools/build-core.mjs";
import { buildStencils } from "../tools/jit/stencils.mjs";
import { buildNode, COMMAND } from "../tools/build-node.mjs";
import { at, glance, stamp, upToDate } from "../tools/lib/fingerprint.mjs";
import { progressTo, runTool, ToolError } from "../tools/lib/say.mjs";

/** What is built, and what it is built of. */
const BUILT = ["build/core.wasm", "build/stencils.bin", "build/vitrine.mjs", "build/translator.mjs"];
const SOURCES = ["bin", "src", "labs", "guests", "tools", "package-lock.json", ...BUILT];
const SEEN = at("build/vitrine.mjs.seen");

// Standard output belongs to the guest's serial port.
progressTo(process.stderr);
await runTool(async () => {
  if (!existsSync(at("node_modules"))) throw new ToolError("vitrine: not set up yet; run `npm ci` first");
  const before = glance(SOURCES);
  if (upToDate(SEEN, before)) return;
  const translates = !process.argv.some((argument) => argument.includes("jit=off"));
  await buildCore();
  if (translates) await buildStencils();
  await buildNode();
  // Only where nothing was built, and nothing edited meanwhile, is what was seen what was asked about.
  if (!translates || glance(SOURCES) !== before) return;
  writeFileSync(SEEN, "");
  stamp(SEEN, before);
});
// The command sets its own exit status.
if (process.exitCode === 0) await import(pathToFileURL(COMMAND).href);
