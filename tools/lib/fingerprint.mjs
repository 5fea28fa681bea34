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
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => files(join(path, name)));
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
