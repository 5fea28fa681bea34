// Stencils: every case of the interpreter's switch once more, each compiled to a function of its own and packed for src/hw/jit.
//
// The text of a case is the one that src/hw/generate composed; nothing is written a second time. A stencil takes the
// address of a record and returns the address of the next one. That a record's fields are constants is not known to asc:
// the splicer folds them when it copies the bytes.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { coreDigest } from "../build-core.mjs";
import { at, fingerprint, stamp, upToDate } from "../lib/fingerprint.mjs";
import { run, runTool, say, step, ToolError } from "../lib/say.mjs";
import { pack } from "./pack.mjs";

const RUN = "src/hw/cpu/generated/run.ts";
const CASE = /^ +case (\d+): \{ (.*) \} \/\/ (.*)$/;
const OUTPUT = at("build/stencils.bin");
const COMPILED = at("build/jit/stencils.wasm");
const SOURCES = ["src/isa", "src/hw/cpu", "src/hw/mmu", "src/hw/float", "src/hw/hash", "src/hw/generate", "src/hw/vmx", "src/hw/svm", "src/hw/core.ts", "tools/jit/stencils.mjs", "tools/jit/asc.mjs"];
const PACKERS = ["src/hw/jit/stencils.ts", "src/hw/jit/webs.ts", "tools/jit/pack.mjs"];

/** The cases by number, with the whole text, which returns the next record, the label, and whether the large switch has it, too. */
export function cases() {
  const found = [], text = readFileSync(at(RUN), "utf8"), once = text.indexOf("function once(");
  let from = 0;
  for (const line of text.split("\n")) {
    const m = CASE.exec(line);
    if (m)
      found.push({
        number: Number(m[1]),
        text: m[2].replaceAll("follow(pc)", "link(pc)"), // follow() is inlined: link() stays a call, which the splicer replaces
        label: m[3],
        inlined: from > once,
      });
    from += line.length + 1;
  }
  return found;
}

function source(list) {
  const imports = readFileSync(at(RUN), "utf8").split("\n").filter((line) => line.startsWith("import ") && !line.includes('"../regions"'));
  const here = imports.map((line) =>
    line.replace(/from "\.\.\/(\.\.\/)?/, (_, up) => `from "../../src/hw/${up ? "" : "cpu/"}`),
  );
  return [
    ...here,
    'import { link } from "../../src/hw/cpu/flow";',
    // The whole core: a variable that only another chapter writes is no constant.
    'export * from "../../src/hw/core";',
    // What is exported stays a call, even if there is but one.
    'export * from "../../src/hw/cpu/x87";',
    'export { loadConstant } from "../../src/hw/cpu/x87-function";',
    ...list.map((c) => `export function c${c.number}(pc: usize): usize { ${c.text} }`),
  ].join("\n");
}

async function compile(list, out) {
  const entry = at("build/jit/stencils.ts");
  mkdirSync(at("build/jit"), { recursive: true });
  writeFileSync(entry, source(list));
  const flags = [
    ...["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--debug", "--memoryBase", "1048576"],
    ...["--enable", "simd", "--disableWarning", "112"],
  ];
  const result = await run(process.execPath, [at("tools/jit/asc.mjs"), "build/jit/stencils.ts", "--config", "none", ...flags, "--outFile", relative(at(), out)], { cwd: at() });
  if (result.code !== 0) throw new ToolError(`stencils: asc failed:\n${result.stderr || result.stdout}`);
}

/** Functions that a stencil reaches, in the file's own reader. */
async function reachable(file) {
  const { build } = await import("esbuild"), outfile = at("build/jit/reader.mjs");
  await build({ entryPoints: [at("src/hw/jit/stencils.ts")], outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  const { Stencils, Role } = await import(pathToFileURL(outfile).href), stencils = new Stencils(new Uint8Array(file));
  const work = stencils.head.cases.filter((i) => i >= 0), found = new Set(work);
  while (work.length > 0) {
    const body = stencils.body(work.pop());
    for (let i = 0; i < body.n; i++) {
      const to = body.a[i];
      if (body.op[i] !== 0x10 || found.has(to) || stencils.role(to) !== Role.Body) continue;
      found.add(to);
      work.push(to);
    }
  }
  return found;
}

/** Build build/stencils.bin for the core that is built, unless it is up to date. */
export async function buildStencils() {
  const list = cases(), core = coreDigest(), print = `${fingerprint([...SOURCES, ...PACKERS])} ${core}`;
  if (existsSync(OUTPUT) && upToDate(OUTPUT, print)) return;
  if (!existsSync(COMPILED) || !upToDate(COMPILED, fingerprint(SOURCES))) {
    const compiled = fingerprint(SOURCES);
    await step("stencils: compile", () => compile(list, COMPILED));
    stamp(COMPILED, compiled);
  }
  const module = readFileSync(COMPILED), entered = await reachable(pack(module, list, core));
  writeFileSync(OUTPUT, pack(module, list, core, entered));
  stamp(OUTPUT, print);
  say(`stencils: build/stencils.bin, ${(statSync(OUTPUT).size / 1024).toFixed(0)} KiB`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runTool(buildStencils);
