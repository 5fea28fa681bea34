// Bundles bin/vitrine.ts to build/vitrine.mjs, and bin/translator.ts beside it: Node 20 does not run TypeScript.
import { existsSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { at, fingerprint, stamp, upToDate } from "./lib/fingerprint.mjs";
import { runTool, ToolError } from "./lib/say.mjs";

const GUESTS = readdirSync(at("guests")).filter((name) => name.endsWith(".asm")).map((name) => `guests/${name}`);
const SOURCES = ["bin", "src", "labs", "guests/build.ts", "guests/lib", ...GUESTS, "tools/build-node.mjs"];
const ENTRY = at("bin/vitrine.ts");
const THREAD = at("bin/translator.ts");

/** The bundled command. It finds its files beside itself: `new URL("core.wasm", import.meta.url)`. */
export const COMMAND = at("build/vitrine.mjs");

/** Bundle the command unless the sources are those of the last build. */
export async function buildNode() {
  if (!existsSync(ENTRY)) throw new ToolError("vitrine: bin/vitrine.ts is missing");
  const print = fingerprint(SOURCES);
  if (upToDate(COMMAND, print)) return;
  const { build } = await import("esbuild");
  await build({
    entryPoints: [ENTRY, THREAD],
    outdir: at("build"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: true,
    logLevel: "error",
    loader: { ".asm": "text", ".bin": "binary" },
  });
  stamp(COMMAND, print);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runTool(buildNode);
