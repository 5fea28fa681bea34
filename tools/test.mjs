// npm test: the set-up a fresh clone needs, then every check. The last line is `N passed, N failed`.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { buildCore } from "./build-core.mjs";
import { buildStencils } from "./jit/stencils.mjs";
import { fetchGuests, guestsPresent } from "./guests/fetch.mjs";
import { at } from "./lib/fingerprint.mjs";
import { run, runTool, say, ToolError } from "./lib/say.mjs";
import { ensureChromium, ensureDependencies, requireNode } from "./lib/setup.mjs";

const LIMIT_MS = 60 * 60_000;
const deadline = performance.now() + LIMIT_MS;
const total = { passed: 0, failed: 0 };

function count(name, passed, failed) {
  total.passed += passed;
  total.failed += failed;
  say(`${name}: ${passed} passed, ${failed} failed`);
}

function node(args, options = {}) {
  const timeoutMs = Math.max(1000, deadline - performance.now());
  return run(process.execPath, args, { cwd: at(), timeoutMs, ...options });
}

/** A program whose exit code is the verdict: one check. */
async function check(name, args) {
  say(`${name} ...`);
  const result = await node(args);
  if (result.code !== 0) process.stdout.write(`${result.stdout}${result.stderr}`);
  count(name, result.code === 0 ? 1 : 0, result.code === 0 ? 0 : 1);
}

/** Work done in this process: one check, failed by an exception. */
async function build(name, work) {
  say(`${name} ...`);
  try {
    await work();
    count(name, 1, 0);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    say(error.message);
    count(name, 0, 1);
  }
}

/** A test runner that leaves a JSON report; `read` gives `[passed, failed]` from it. */
async function suite(name, args, report, env, read) {
  say(`${name} ...`);
  const path = at(report);
  rmSync(path, { force: true });
  mkdirSync(at("build/test"), { recursive: true });
  const result = await node(args, { echo: true, env });
  let [passed, failed] = existsSync(path) ? read(JSON.parse(readFileSync(path, "utf8"))) : [0, 0];
  if (result.timedOut) say(`${name}: stopped at the time limit of ${LIMIT_MS / 60_000} minutes`);
  // A runner that fails without naming a test, or that ran none, has failed.
  if (failed === 0 && (result.code !== 0 || passed === 0)) failed = 1;
  count(name, passed, failed);
}

function readVitest(report) {
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  return [report.numPassedTests, report.numFailedTests + broken.length];
}

function readPlaywright({ stats, errors }) {
  return [stats.expected, stats.unexpected + stats.flaky + errors.length];
}

async function guests() {
  if (guestsPresent()) return;
  const why = await fetchGuests().catch((error) => error.message);
  if (why !== undefined) say(`${why}; tests that need these use the embedded guest alone`);
}

async function everything() {
  requireNode();
  await ensureDependencies();
  const chromium = await ensureChromium();
  await guests();
  await build("wasm core", async () => {
    if (!(await buildCore())) throw new ToolError("core: src/hw/core.ts is missing");
  });
  await build("stencils", buildStencils);
  await check("import law", ["tools/law/check.mjs"]);
  await check("types (tsc)", ["node_modules/typescript/bin/tsc", "--pretty", "false"]);
  await check("types of src/hw's tests (tsc)", ["node_modules/typescript/bin/tsc", "-p", "src/hw", "--pretty", "false"]);
  await check("lint (biome)", ["node_modules/@biomejs/biome/bin/biome", "lint", "--max-diagnostics=50"]);
  await check("page build", ["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]);
  await suite(
    "unit tests (vitest)",
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--reporter=dot",
      "--reporter=json",
      "--outputFile.json=build/test/vitest.json",
    ],
    "build/test/vitest.json",
    {},
    readVitest,
  );
  if (chromium === undefined) return count("page tests (playwright)", 0, 1);
  await suite(
    "page tests (playwright)",
    ["node_modules/@playwright/test/cli.js", "test", "--reporter=list,json"],
    "build/test/playwright.json",
    { VITRINE_CHROMIUM: chromium, PLAYWRIGHT_JSON_OUTPUT_NAME: at("build/test/playwright.json") },
    readPlaywright,
  );
}

await runTool(async () => {
  try {
    await everything();
  } catch (error) {
    say(error instanceof ToolError ? error.message : `${error.stack}`);
    total.failed += 1;
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
});
