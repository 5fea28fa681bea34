// The page as it is measured and pictured: core, stencils, then dist/, so that no figure is of an older build.
import { buildCore } from "./build-core.mjs";
import { buildStencils } from "./jit/stencils.mjs";
import { at } from "./lib/fingerprint.mjs";
import { run, step, ToolError } from "./lib/say.mjs";

/** Builds dist/ from the sources as they are. */
export async function buildPage() {
  await buildCore();
  await buildStencils();
  const vite = [at("node_modules/vite/bin/vite.js"), "build", "--logLevel", "error"];
  const { code, stderr } = await step("page", () => run(process.execPath, vite, { cwd: at() }));
  if (code !== 0) throw new ToolError(`page: vite cannot build it: ${stderr.trim().split("\n").at(-1)}`);
}
