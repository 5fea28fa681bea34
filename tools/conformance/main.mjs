// kvm-unit-tests, every row of unittests.cfg, with `vitrine` in the place of QEMU:
//   node tools/conformance/main.mjs --tests BUILD [--tests32 BUILD] [--columns bare,intel,amd] [--rows a,b] [--scale 4] [--jobs 1] [--logs FOLDER] [--run FILE] [--write]
// BUILD is a folder in which ./configure and make of kvm-unit-tests have run. --write renews results.json and docs/conformance.md in the rows and columns
// that ran. --run keeps what has run in FILE as it goes; started again with the same FILE, only the rest runs.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildCore } from "../build-core.mjs";
import { buildNode } from "../build-node.mjs";
import { at } from "../lib/fingerprint.mjs";
import { runTool, ToolError } from "../lib/say.mjs";
import { parseRows } from "./rows.mjs";
import { columns, runRow } from "./run.mjs";
import { document } from "./table.mjs";

const RESULTS = at("tools/conformance/results.json");

async function main() {
  const { values } = parseArgs({ options: {
    tests: { type: "string" }, tests32: { type: "string" }, columns: { type: "string", default: "bare,intel,amd" }, rows: { type: "string" },
    scale: { type: "string", default: "4" }, jobs: { type: "string", default: "1" }, logs: { type: "string" }, run: { type: "string" }, write: { type: "boolean", default: false },
  } });
  if (!values.tests && !values.write) throw new ToolError("conformance: say where kvm-unit-tests is built: --tests FOLDER");
  await buildCore();
  await buildNode();
  const build = buildName();
  const builds = [["x86_64", values.tests], ["i386", values.tests32]].filter(([, folder]) => folder);
  const done = values.run && existsSync(values.run) ? JSON.parse(readFileSync(values.run, "utf8")) : {};
  const jobs = builds.flatMap(([arch, tests]) => jobsOf(arch, tests, values)).filter(({ arch, row, name }) => !done[arch]?.[row.name]?.[name]);
  await Promise.all(Array.from({ length: Number(values.jobs) }, async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const { row, arch, tests, name } = job, { result, detail, seconds, output } = await runRow(row, columns[name], { tests, arch, scale: Number(values.scale) });
      console.log(`${arch} ${name} ${row.name}: ${result} ${detail} (${seconds} s)`);
      if (values.logs) writeLog(values.logs, `${arch}-${name}-${row.name}`, output);
      keep(done, arch, row.name, { [name]: { result, detail: detail.slice(0, 120), ...(!columns[name].command && { build }) } });
      if (values.run) writeFileSync(values.run, JSON.stringify(done));
    }
  }));
  if (!values.write) return;
  const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, "utf8")) : {};
  for (const [arch, rows] of Object.entries(done)) {
    for (const [row, cells] of Object.entries(rows)) keep(results, arch, row, cells);
  }
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(at("docs/conformance.md"), document(results));
}

/** What the results are of: core and command, by the content of their sources. */
function buildName() {
  const hash = createHash("sha256");
  for (const output of ["core.wasm", "vitrine.mjs"]) hash.update(readFileSync(at(`build/${output}.stamp`)));
  return hash.digest("hex").slice(0, 8);
}

function keep(results, arch, row, cells) {
  results[arch] ??= {};
  results[arch][row] = { ...results[arch][row], ...cells };
}

function jobsOf(arch, tests, values) {
  const config = join(tests, "x86/unittests.cfg"), wanted = values.rows?.split(",");
  if (!existsSync(config)) throw new ToolError(`conformance: ${config} is missing; give the folder of a build of kvm-unit-tests`);
  const rows = parseRows(readFileSync(config, "utf8")).filter((row) => !wanted || wanted.includes(row.name));
  // Rows for the other build belong to its table. The 32-bit build is there for what only it has; the other rows that both have are the same machine in another mode.
  return rows.filter((row) => row.arch !== (arch === "x86_64" ? "i386" : "x86_64"))
    .flatMap((row) => values.columns.split(",").map((name) => {
      if (!Object.hasOwn(columns, name)) throw new ToolError(`conformance: no column ${name}; known are ${Object.keys(columns).join(", ")}`);
      return { row, arch, tests, name };
    }));
}

function writeLog(folder, name, output) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.log`), output);
}

await runTool(main);
