// What a fresh clone lacks: packages and, for the browser tests, Chromium. Uses nothing but Node.
import { existsSync, readFileSync } from "node:fs";
import { at } from "./fingerprint.mjs";
import { run, say, step, ToolError } from "./say.mjs";

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** True when every package the lock file wants on this machine is installed in its version. */
function dependenciesCurrent() {
  const installed = at("node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  const want = JSON.parse(readFileSync(at("package-lock.json"), "utf8")).packages;
  return Object.entries(want).every(([path, { version, optional }]) => {
    if (path === "") return true;
    return path in have ? have[path].version === version : optional === true;
  });
}

/** Refuse an older Node with one line. */
export function requireNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new ToolError(`Node ${process.versions.node}: too old; install Node 20 or newer`);
}

/** `npm ci` when the installed packages are not those of the lock file. */
export async function ensureDependencies() {
  if (dependenciesCurrent()) return;
  await step("packages: npm ci", async () => {
    // No package here needs its install script: binaries come as optional packages of their own.
    const result = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: at() });
    if (result.code !== 0) throw new ToolError(`npm ci failed:\n${result.stderr.trim()}`);
  });
}

/** The path of a Chromium that is installed, or undefined. */
export function findChromium() {
  return [process.env.VITRINE_CHROMIUM, ...BROWSERS].find((path) => path && existsSync(path));
}

/** The browser's path, installed through apt where we may; undefined with a line that says what to do. */
export async function ensureChromium() {
  if (findChromium() !== undefined) return findChromium();
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await step("chromium: apt-get install", async () => {
      await run("apt-get", ["update", "-q"], { env, timeoutMs: 120_000 });
      await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", "chromium"], {
        env,
        timeoutMs: 300_000,
      });
    });
  }
  if (findChromium() === undefined) {
    say("chromium: not found; install the package `chromium`, or set VITRINE_CHROMIUM to a browser's path");
  }
  return findChromium();
}
