// The sources as one module for Node 20, with the core and its stencils built.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { buildStencils } from "./stencils.mjs";

export async function sources() {
  await buildCore();
  await buildStencils();
  const outfile = at("build/jit/node.mjs");
  await build({
    entryPoints: [at("tools/jit/node.ts")], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error",
    loader: { ".asm": "text", ".bin": "binary" },
  });
  const read = (path) => new Uint8Array(readFileSync(at(path)));
  return {
    ...(await import(pathToFileURL(outfile).href)),
    module: new WebAssembly.Module(read("build/core.wasm")),
    stencils: read("build/stencils.bin"),
    read,
  };
}
