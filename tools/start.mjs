// npm start: from a fresh clone to a page. Options: --port N, --dev (rebuild on change), --no-guests.
import { parseArgs } from "node:util";
import { buildCore } from "./build-core.mjs";
import { buildStencils } from "./jit/stencils.mjs";
import { fetchGuests, guestsPresent } from "./guests/fetch.mjs";
import { at } from "./lib/fingerprint.mjs";
import { runTool, say, step, ToolError } from "./lib/say.mjs";
import { ensureDependencies, requireNode } from "./lib/setup.mjs";

const OPTIONS = {
  port: { type: "string", default: "5180" },
  dev: { type: "boolean", default: false },
  "no-guests": { type: "boolean", default: false },
};

function options() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new ToolError(`npm start: ${error.message}`);
  }
}

/** The Linux guests are welcome, not needed: any failure is one line. */
async function guests() {
  if (guestsPresent()) return;
  const why = await fetchGuests().catch((error) => error.message);
  if (why !== undefined) say(`${why}; the embedded guest alone is offered where these lack`);
}

async function serve({ port, dev }) {
  const vite = await import("vite");
  const common = { root: at(), logLevel: "warn" };
  const place = { port: Number(port), host: "127.0.0.1" };
  if (dev) {
    const server = await vite.createServer({ ...common, server: place });
    await server.listen();
    return server.resolvedUrls.local[0];
  }
  await step("page: build", () => vite.build(common));
  const server = await vite.preview({ ...common, preview: place });
  return server.resolvedUrls.local[0];
}

await runTool(async () => {
  requireNode();
  const chosen = options();
  await ensureDependencies();
  await buildCore();
  await buildStencils();
  if (!chosen["no-guests"]) await guests();
  const address = await serve(chosen);
  say(`Vitrine is at ${address} (end with Ctrl-C)`);
});
