// apt without root and without touching the system: the system's sources, keys and proxy settings are read,
// every list, cache and state file lies in a folder of ours.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { run, ToolError } from "../lib/say.mjs";

/** Keep what says how to reach a mirror; drop hooks, extra index kinds and everything about installing. */
function transportSettings(dump) {
  return dump
    .split("\n")
    .filter(
      (line) => /^Acquire::/i.test(line) && !/^Acquire::(IndexTargets|Languages|Changelogs)/i.test(line),
    )
    .join("\n");
}

/** Write the configuration and make the folders; returns an object whose methods run apt with it. */
export async function openApt(folder, architectures) {
  const base = resolve(folder);
  for (const part of ["state/lists/partial", "cache/archives/partial", "packages", "none"]) {
    mkdirSync(join(base, part), { recursive: true });
  }
  const dump = await run("apt-config", ["dump"]);
  if (dump.code !== 0) throw new ToolError("apt: not found; the Linux guests need a Debian system with apt");
  writeFileSync(join(base, "status"), "");
  const config = [
    transportSettings(dump.stdout),
    `Dir::State "${base}/state/";`,
    `Dir::State::lists "${base}/state/lists/";`,
    `Dir::State::status "${base}/status";`,
    `Dir::State::extended_states "${base}/state/extended";`,
    `Dir::Cache "${base}/cache/";`,
    `Dir::Cache::archives "${base}/cache/archives/";`,
    `Dir::Cache::pkgcache "";`,
    `Dir::Cache::srcpkgcache "";`,
    `Dir::Etc::main "/dev/null";`,
    `Dir::Etc::parts "${base}/none/";`,
    `Dir::Etc::preferences "/dev/null";`,
    `Dir::Etc::preferencesparts "${base}/none/";`,
    `Dir::Log "${base}/";`,
    `APT::Architecture "${architectures[0]}";`,
    `APT::Architectures { ${architectures.map((name) => `"${name}";`).join(" ")} };`,
    // apt run by root would hand the download to a user who may not write here.
    `APT::Sandbox::User "${process.getuid?.() === 0 ? "root" : ""}";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "1";`,
    `Acquire::http::Timeout "10";`,
    `Acquire::https::Timeout "10";`,
  ];
  const configPath = join(base, "apt.conf");
  writeFileSync(configPath, `${config.join("\n")}\n`);
  // APT_CONFIG is read first; the two -o options keep the system's own files from being read after it.
  const options = ["-o", "Dir::Etc::main=/dev/null", "-o", `Dir::Etc::parts=${base}/none/`];
  const env = { APT_CONFIG: configPath, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const apt = (program, args, extra = {}) => run(program, [...options, ...args], { env, ...extra });
  return { base, apt, update: () => update(apt), fetch: (name) => fetchPackage(apt, base, name) };
}

/** Refresh the indexes. A part that fails is no error here: it is one if a package then does not come. */
async function update(apt) {
  const result = await apt("apt-get", ["update", "-q"], { timeoutMs: 120_000 });
  const failures = result.stderr.split("\n").filter((line) => /^(E:|W: Failed|Err:)/.test(line));
  return { complete: result.code === 0 && failures.length === 0, failures };
}

/** The stanza of the candidate version, as an object with lower-case keys; undefined when unknown. */
async function show(apt, name) {
  const result = await apt("apt-cache", ["show", "--no-all-versions", name]);
  if (result.code !== 0 || result.stdout.trim() === "") return undefined;
  const fields = result.stdout.matchAll(/^([A-Za-z0-9-]+): (.*)$/gm);
  return Object.fromEntries([...fields].map(([, key, value]) => [key.toLowerCase(), value]));
}

/**
 * What a metapackage stands for: `linux-image-686` depends on `linux-image-VERSION-686`.
 * A package that is no kernel metapackage stands for itself.
 */
async function resolveName(apt, name) {
  const [plain, architecture] = name.split(":");
  const stanza = await show(apt, name);
  if (stanza === undefined)
    throw new ToolError(`${name}: not in the package index; is a Debian mirror reachable?`);
  if (!plain.startsWith("linux-image-")) return name;
  const kernel = /(?:^|,\s*)(linux-image-[0-9][a-z0-9.+~-]*)/.exec(stanza.depends ?? "");
  return kernel === null ? name : `${kernel[1]}:${architecture}`;
}

/** Download the package `name:architecture`; returns the file, its version and the index's SHA-256. */
async function fetchPackage(apt, base, name) {
  const real = await resolveName(apt, name);
  const stanza = await show(apt, real);
  if (stanza === undefined) throw new ToolError(`${real}: named by ${name} but not in the package index`);
  const folder = join(base, "packages");
  const [plain, architecture] = real.split(":");
  const version = stanza.version.replaceAll(":", "%3a");
  const present = () =>
    readdirSync(folder).find(
      (entry) => entry === `${plain}_${version}_${stanza.architecture ?? architecture}.deb`,
    );
  if (present() === undefined) {
    // `download` checks the hash of the index.
    const result = await apt("apt-get", ["download", "-q", `${real}=${stanza.version}`], {
      cwd: folder,
      timeoutMs: 300_000,
    });
    if (result.code !== 0 || present() === undefined) {
      const why =
        result.stderr.split("\n").find((line) => line.startsWith("E:")) ?? `apt-get exit ${result.code}`;
      throw new ToolError(`${real}: download failed (${why.trim()})`);
    }
  }
  return { path: join(folder, present()), name: plain, version: stanza.version, sha256: stanza.sha256 };
}
