// docs/conformance.md from the results of runs and the list of causes.
import { causes } from "./causes.mjs";
import { columns } from "./run.mjs";

const BAD = new Set(["fail", "abort", "timeout", "refused"]);

/** The cause of a result that is not a pass, by row and column; "" when none is written down. */
export function causeOf(arch, row, column) {
  for (const [rows, where, text] of causes) {
    const match = rows.split(" ").some((name) => (name.endsWith("*") ? row.startsWith(name.slice(0, -1)) : name === row));
    if (match && (where === "" || where.split(" ").includes(column) || where.split(" ").includes(arch))) return text;
  }
  return "";
}

const OLDER = "°";
/** @param build of the cells that carry no mark */
const shown = (cell, name, build) => (!cell ? "" : `${BAD.has(cell.result) ? `**${cell.result}**` : cell.result}${columns[name].command || cell.build === build ? "" : OLDER}`);

/** The build that most cells are of, and how many of how many that have one. */
function mainBuild(results) {
  const counts = new Map();
  for (const cells of Object.values(results).flatMap((rows) => Object.values(rows))) {
    for (const [name, cell] of Object.entries(cells)) if (!columns[name].command) counts.set(cell.build, (counts.get(cell.build) ?? 0) + 1);
  }
  const all = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const [[build, cells] = ["", 0]] = [...counts].filter(([name]) => name).sort((a, b) => b[1] - a[1]);
  return { build, cells, all };
}

/** @param {Record<string, Record<string, Record<string, { result: string, detail: string }>>>} results by build, row and column */
export function document(results) {
  const { build, cells, all } = mainBuild(results);
  const parts = [
    "# kvm-unit-tests\n",
    "Every row of unittests.cfg, run by the tests' own `x86/run` with `vitrine` in the place of QEMU. Written by\n`node tools/conformance/main.mjs --tests BUILD --tests32 BUILD --write`; the causes are in `tools/conformance/causes.mjs`.\n",
    "*pass*, *skip*: the tests' own verdict. *not run*: the row is for another build or asks for a kernel parameter of the\nhost. *refused*: the command line asks for what we do not have. An empty cell has not been run. Rows that\nask for `-m 4g` get 2560 MiB. QEMU TCG is version 7.2 on the development machine, within the tests' own time limits, to compare with.\n",
    `Of ${all} cells ${cells} are of one build, ${build} (core and command, by the content of their sources); ${OLDER} marks those of another.\nOn the bare CPU x2apic and xapic are told \`TEST_DEVICE=0\`, as on hardware: with it they do not call the hypervisor that is not there.\n`,
  ];
  for (const [arch, rows] of Object.entries(results)) parts.push(section(arch, rows, build));
  return `${parts.join("\n")}`;
}

function section(arch, rows, build) {
  const names = Object.keys(columns).filter((name) => Object.values(rows).some((cells) => cells[name]));
  const lines = [`## ${arch}\n`, `| row | ${names.map((name) => columns[name].title).join(" | ")} | |`, `|---|${names.map(() => "---|").join("")}---|`];
  const totals = names.map((name) => Object.values(rows).filter((cells) => cells[name]?.result === "pass").length);
  for (const [row, cells] of Object.entries(rows)) lines.push(`| ${row} | ${names.map((name) => shown(cells[name], name, build)).join(" | ")} | ${note(arch, row, cells, names)} |`);
  lines.push(`| **passes** | ${totals.join(" | ")} | |\n`);
  return lines.join("\n");
}

function note(arch, row, cells, names) {
  const texts = new Set();
  for (const name of names) {
    const cell = cells[name];
    if (!cell || cell.result === "pass" || name === "qemu") continue;
    const cause = causeOf(arch, row, name);
    if (cause !== "") texts.add(cause);
    else if (BAD.has(cell.result)) texts.add(`not looked into: ${clean(cell.detail)}`);
    else if (cell.detail !== "") texts.add(clean(cell.detail));
  }
  return [...texts].join("; ");
}
const clean = (text) => text.replaceAll("|", "/").replaceAll(/[^\x20-\x7e]/g, "");
