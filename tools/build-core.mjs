// Builds build/core.wasm: runs the generator (rows -> AssemblyScript), then asc on src/hw/core.ts.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { at, fingerprint, stamp, upToDate } from "./lib/fingerprint.mjs";
import { run, runTool, say, step, ToolError } from "./lib/say.mjs";

// What is AssemblyScript, and what the generator reads; the TypeScript of src/hw is no part of the core.
const SOURCES = ["src/isa", "src/base", ...["core.ts", "layout.ts", "cpu", "float", "generate", "hash", "mmu", "svm", "vmx"].map((name) => `src/hw/${name}`), "tools/build-core.mjs"];
const GENERATORS = ["src/hw/generate/index.ts"];
const OUTPUT = at("build/core.wasm");
const ASC_FLAGS = [
  ...["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--memoryBase", "1048576", "--exportTable"],
  ...["--enable", "simd", "--disableWarning", "112"],
];

async function generate() {
  const entry = GENERATORS.find((path) => existsSync(at(path)));
  if (entry === undefined) return;
  const { build } = await import("esbuild");
  const outfile = at("build/generate.mjs");
  await build({
    entryPoints: [at(entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
  });
  const result = await run(process.execPath, [outfile], { cwd: at() });
  if (result.code !== 0) throw new ToolError(`core: ${entry} failed:\n${result.stderr || result.stdout}`);
}

async function compile() {
  const part = at("build/core.part.wasm");
  const asc = at("node_modules/assemblyscript/bin/asc.js");
  const result = await run(process.execPath, [asc, "src/hw/core.ts", ...ASC_FLAGS, "--outFile", part], {
    cwd: at(),
  });
  if (result.code !== 0) throw new ToolError(`core: asc failed:\n${result.stderr || result.stdout}`);
  sign(part);
  renameSync(part, OUTPUT);
}

/** Append a custom section "digest": 32 hexadecimal digits that say whether two builds are the same core. */
function sign(path) {
  const digits = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 32), name = "digest";
  appendFileSync(path, Buffer.concat([Buffer.from([0, 1 + name.length + digits.length, name.length]), Buffer.from(name + digits)]));
}
/** The digest of the core that is built. */
export function coreDigest() {
  return readFileSync(OUTPUT).subarray(-32).toString("latin1");
}

/** Build the core unless the sources are those of the last build; false when there are no sources yet. */
export async function buildCore() {
  if (!existsSync(at("src/hw/core.ts"))) return false;
  if (upToDate(OUTPUT, fingerprint(SOURCES))) return true;
  mkdirSync(at("build"), { recursive: true });
  await step("core: generate", generate);
  // Taken after the generator ran: a missing or edited generated file makes the core out of date, too. And before asc reads: what is
  // edited meanwhile does.
  const print = fingerprint(SOURCES);
  await step("core: compile", compile);
  stamp(OUTPUT, print);
  say(`core: build/core.wasm, ${(statSync(OUTPUT).size / 1024).toFixed(0)} KiB`);
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runTool(async () => {
    if (!(await buildCore())) throw new ToolError("core: src/hw/core.ts is missing");
  });
}
