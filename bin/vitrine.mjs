#!/usr/bin/env node
// Starts the command: builds what is missing or out of date, then runs build/vitrine.mjs.
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { buildCore } from "../tools/build-core.mjs";
import { buildStencils } from "../tools/jit/stencils.mjs";
import { buildNode, COMMAND } from "../tools/build-node.mjs";
import { at } from "../tools/lib/fingerprint.mjs";
import { progressTo, runTool, ToolError } from "../tools/lib/say.mjs";

// Standard output belongs to the guest's serial port.
progressTo(process.stderr);
await runTool(async () => {
  if (!existsSync(at("node_modules"))) throw new ToolError("vitrine: not set up yet; run `npm ci` first");
  await buildCore();
  if (!process.argv.some((argument) => argument.includes("jit=off"))) await buildStencils();
  await buildNode();
});
// The command sets its own exit status.
if (process.exitCode === 0) await import(pathToFileURL(COMMAND).href);
