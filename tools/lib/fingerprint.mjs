// Content hashes that say whether a build is still the build of these sources.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** An absolute path below the project's folder. */
export function at(...parts) {
  return join(ROOT, ...parts);
}

function files(path) {
  if (!existsSync(path)) return [];
  return statSync(path).isDirectory() ? inside(path) : [path];
}
function inside(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? inside(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/** SHA-256 over names and bytes of all files below the given paths; tests do not count. */
export function fingerprint(paths) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap((name) => files(at(name)))) {
    if (/\.test\.(ts|tsx|mjs)$/.test(path)) continue;
    hash
      .update(`${relative(ROOT, path)}\0`)
      .update(readFileSync(path))
      .update("\0");
  }
  return hash.digest("hex");
}

/** The same question without reading them: SHA-256 over names, sizes and times of change. A start that has been asked the long way
 *  once need not be again until a file is touched. */
export function glance(paths) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap((name) => files(at(name)))) {
    // A link may lead nowhere: editors leave such locks.
    const found = statSync(path, { throwIfNoEntry: false });
    hash.update(`${relative(ROOT, path)}\0${found?.size}\0${found?.mtimeMs}\0`);
  }
  return hash.digest("hex");
}

/** True when `output` exists and was stamped with `print`. */
export function upToDate(output, print) {
  const stamp = `${output}.stamp`;
  return existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === print;
}

/** Remember that `output` was built from sources with the fingerprint `print`. */
export function stamp(output, print) {
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(`${output}.stamp`, print);
}
