// Stencils: every case of the interpreter's switch once more, each compiled to a function of its own.
//
// The text of a case is the one that src/hw/generate composed; nothing is written a second time. A stencil takes the
// address of a record and returns the address of the next one. That a record's fields are constants is not known to asc:
// the splicer (splice.ts) folds them when it copies the bytes.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { at } from "../lib/fingerprint.mjs";
import { run, ToolError } from "../lib/say.mjs";

const RUN = "src/hw/cpu/generated/run.ts";
const CASE = /^ +case (\d+): \{ (.*) \} \/\/ (.*)$/;

/** The cases of the generated switch: number, text that returns the next record, label. */
export function cases() {
  const found = [];
  for (const line of readFileSync(at(RUN), "utf8").split("\n")) {
    const m = CASE.exec(line);
    if (!m) continue;
    const text = m[2]
      .replaceAll("{ pc += 16; continue; }", "return pc + 16;")
      .replaceAll(/\{ pc = (.*?); continue; \}/g, "return $1;")
      .replaceAll("follow(pc)", "link(pc)"); // follow() is inlined: link() stays a call, which the splicer replaces
    found.push({ number: Number(m[1]), text, label: m[3] });
  }
  return found;
}

function source(list) {
  const imports = readFileSync(at(RUN), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("import "));
  const here = imports.map((line) =>
    line.replace(/from "\.\.\/(\.\.\/)?/, (_, up) => `from "../../src/hw/${up ? "" : "cpu/"}`),
  );
  return [
    ...here,
    'import { link } from "../../src/hw/cpu/flow";',
    ...list.map((c) => `export function c${c.number}(pc: usize): usize { ${c.text} }`),
  ].join("\n");
}

/** Compiles the stencils of the cases that `wanted` accepts to build/spike/<name>.wasm; returns the path. */
export async function buildStencils(name, wanted = () => true) {
  mkdirSync(at("build/spike"), { recursive: true });
  const text = source(cases().filter(wanted));
  const entry = at(`build/spike/${name}.ts`),
    out = at(`build/spike/${name}.wasm`);
  const newest = Math.max(...["src/hw/cpu", "src/hw/mmu", RUN].map((path) => statSync(at(path)).mtimeMs));
  if (
    existsSync(out) &&
    existsSync(entry) &&
    readFileSync(entry, "utf8") === text &&
    statSync(out).mtimeMs > newest
  )
    return out;
  writeFileSync(entry, text);
  const flags = [
    "-O3",
    "--noAssert",
    "--runtime",
    "stub",
    "--importMemory",
    "--debug",
    "--memoryBase",
    "1048576",
    "--enable",
    "simd",
  ];
  const asc = at("node_modules/assemblyscript/bin/asc.js");
  const result = await run(process.execPath, [asc, entry, "--config", "none", ...flags, "--outFile", out], {
    cwd: at(),
  });
  if (result.code !== 0) throw new ToolError(`spike: asc failed:\n${result.stderr || result.stdout}`);
  return out;
}
