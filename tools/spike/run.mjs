// node tools/spike/run.mjs: the splice of docs/jit.md, measured. Prints a table, writes build/spike/figures.json.
//   --lift   only try which bodies can be spliced (writes build/spike/refused.txt)
import { createServer } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium } from "@playwright/test";
import { build } from "esbuild";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { run, runTool, say, step, ToolError } from "../lib/say.mjs";
import { buildStencils, cases } from "./stencils.mjs";

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];
const FIRST_SYSTEM_CASE = 6;

async function bundle(entry, outfile, options) {
  await build({
    entryPoints: [at(entry)],
    outfile: at(outfile),
    bundle: true,
    target: "es2022",
    logLevel: "error",
    ...options,
  });
  return at(outfile);
}

/** Size of the largest function body: interpret(). */
function largestFunction(wasm) {
  let at = 8,
    largest = 0;
  const u32 = () => {
    let v = 0,
      scale = 1;
    for (;;) {
      const b = wasm[at++];
      v += (b & 127) * scale;
      if (b < 128) return v;
      scale *= 128;
    }
  };
  while (at < wasm.length) {
    const id = wasm[at++],
      end = u32() + at;
    if (id === 10)
      for (let n = u32(); n > 0; n--) {
        const size = u32();
        largest = Math.max(largest, size);
        at += size;
      }
    at = end;
  }
  return largest;
}

async function lift(stencils) {
  const { tryAll, readLibrary } = await import(
    pathToFileURL(
      await bundle("tools/spike/node.ts", "build/spike/node.mjs", { platform: "node", format: "esm" }),
    ).href
  );
  const list = cases().filter((c) => c.number >= FIRST_SYSTEM_CASE);
  const verdicts = tryAll(readLibrary(readFileSync(stencils)), list);
  const refused = verdicts.filter((v) => v.reason !== undefined),
    reasons = new Map();
  for (const { reason } of refused) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  writeFileSync(
    at("build/spike/refused.txt"),
    refused.map((v) => `${v.number} ${v.label}: ${v.reason}\n`).join(""),
  );
  say(
    `spike: ${verdicts.length - refused.length} of ${verdicts.length} cases can be spliced; build/spike/refused.txt names the others`,
  );
  for (const [reason, n] of [...reasons].sort((a, b) => b[1] - a[1]))
    say(`  ${String(n).padStart(4)} ${reason}`);
}

/** The same measurement in a fresh process of Node; a module that was compiled before would not be cold. */
async function inNode(stencils) {
  const script = `import(${JSON.stringify(pathToFileURL(at("build/spike/node.mjs")).href)}).then(async (m) => {
    const { readFileSync } = await import("node:fs");
    console.log(JSON.stringify(await m.measure(readFileSync(${JSON.stringify(at("build/core.wasm"))}), readFileSync(${JSON.stringify(stencils)}))));
  });`;
  const result = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: at() });
  if (result.code !== 0) throw new ToolError(`spike: ${result.stderr}`);
  return JSON.parse(result.stdout);
}

const PAGE_SCRIPT = `(async () => {
  const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  return spike.measure(await bytes("/core.wasm"), await bytes("/stencils.wasm"));
})()`;
const WORKER_SCRIPT = `new Promise((resolve, reject) => {
  const worker = new Worker("/worker.js");
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
})`;

async function inChromium(stencils, script) {
  const code = readFileSync(
    await bundle("tools/spike/measure.ts", "build/spike/page.js", { format: "iife", globalName: "spike" }),
    "utf8",
  );
  const files = {
    "/": ["text/html", "<!doctype html><script src=/page.js></script>"],
    "/page.js": ["text/javascript", code],
    "/worker.js": ["text/javascript", `${code}\n${PAGE_SCRIPT}.then((figures) => postMessage(figures));`],
    "/core.wasm": ["application/wasm", readFileSync(at("build/core.wasm"))],
    "/stencils.wasm": ["application/wasm", readFileSync(stencils)],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ["text/plain", ""];
    response.writeHead(200, { "content-type": type });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: CHROMIUM_FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(script);
  } finally {
    await browser.close();
    server.close();
  }
}

function table(results) {
  const line = (name, pick) => `| ${name} | ${results.map(([, r]) => pick(r)).join(" | ")} |`;
  const ns = (v) => v.toFixed(2);
  const rows = [line("", () => ""), `|---|${results.map(() => "---|").join("")}`];
  rows[0] = `| | ${results.map(([name]) => name).join(" | ")} |`;
  results[0][1].loops.forEach(({ name }, i) => {
    for (const engine of ["interpreter", "memory", "locals"])
      rows.push(
        line(`${name}: ${engine === "interpreter" ? engine : `spliced, state in ${engine}`}`, (r) =>
          ns(r.loops[i][engine]),
        ),
      );
  });
  rows.push(
    line("first second, million instructions", (r) => r.firstSecond.toFixed(0)),
    line("full speed after, ms", (r) => r.tierUpMs.toFixed(0)),
    line("entry of run(), one instruction, ns", (r) => r.runEntryNs.toFixed(0)),
    line("translate a region, ms", (r) => r.translateMs.toFixed(2)),
    line("compile and instantiate it, ms", (r) => r.instantiateMs.toFixed(2)),
  );
  return rows.join("\n");
}

await runTool(async () => {
  if (!(await buildCore())) throw new ToolError("spike: src/hw/core.ts is missing");
  const stencils = await step("spike: stencils", () => buildStencils("all"));
  await lift(stencils);
  if (process.argv.includes("--lift")) return;
  const results = [];
  for (const [name, take] of [
    ["Node", () => inNode(stencils)],
    ["Chromium, page", () => inChromium(stencils, PAGE_SCRIPT)],
    ["Chromium, worker", () => inChromium(stencils, WORKER_SCRIPT)],
  ])
    results.push([name, await step(`spike: ${name}`, take)]);
  const interpretBytes = largestFunction(readFileSync(at("build/core.wasm")));
  writeFileSync(
    at("build/spike/figures.json"),
    `${JSON.stringify({ node: process.version, interpretBytes, results: Object.fromEntries(results) }, null, 2)}\n`,
  );
  process.stdout.write(
    `ns per instruction, best of a hundred short samples\n${table(results)}\ninterpret(): ${interpretBytes} bytes of Wasm\n`,
  );
});
