// Fetches the Linux guests and the firmware from the Debian mirror the system is configured for:
//   guests/cache/linux-amd64/{bzImage,initrd.cpio.gz}   linux-image-cloud-amd64, busybox-static
//   guests/cache/linux-i386/{bzImage,initrd.cpio.gz}    linux-image-686 (no PAE), busybox-static
//   guests/cache/seabios/*.bin                          seabios
//   guests/cache/manifest.json                          package versions and SHA-256 of every file
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run, say, step, ToolError } from "../lib/say.mjs";
import { openApt } from "./apt.mjs";
import { initramfs, MODULES } from "./initramfs.mjs";

const CACHE = fileURLToPath(new URL("../../guests/cache", import.meta.url));
const MANIFEST = join(CACHE, "manifest.json");
const LINUX = [
  { guest: "linux-amd64", kernel: "linux-image-cloud-amd64:amd64", busybox: "busybox-static:amd64" },
  { guest: "linux-i386", kernel: "linux-image-686:i386", busybox: "busybox-static:i386" },
];
const FIRMWARE = ["bios.bin", "bios-256k.bin", "vgabios.bin", "vgabios-stdvga.bin"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Unpack only the members that match `patterns`: a kernel package holds some hundred megabytes of modules. */
async function unpack(deb, folder, patterns) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const script =
    'dpkg-deb --fsys-tarfile "$1" | { cd "$2" && shift 2 && tar -x --no-same-owner --wildcards "$@"; cat >/dev/null; }';
  await run("sh", ["-c", script, "sh", deb, folder, ...patterns]);
  return listFiles(folder);
}

function listFiles(folder, prefix = "") {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(prefix, entry.name);
      if (entry.isDirectory()) return listFiles(join(folder, entry.name), path);
      return entry.isFile() ? [path] : [];
    });
}

function pick(files, pattern, what, deb) {
  const found = files.find((path) => pattern.test(path));
  if (found === undefined) throw new ToolError(`${basename(deb)}: holds no ${what}`);
  return found;
}

/** Module bytes, decompressed where the distribution ships them compressed. */
async function moduleBytes(path) {
  if (!path.endsWith(".xz")) return readFileSync(path);
  const result = await run("xz", ["-dc", path], { encoding: "buffer" });
  if (result.code !== 0) throw new ToolError(`${basename(path)}: cannot be decompressed; install xz-utils`);
  return result.stdout;
}

async function buildLinux(apt, { guest, kernel, busybox }) {
  const kernelDeb = await apt.fetch(kernel);
  const busyboxDeb = await apt.fetch(busybox);
  const work = join(apt.base, "unpacked", guest);
  const modulePatterns = MODULES.map((name) => `*/${name}.ko*`);
  const kernelFiles = await unpack(kernelDeb.path, join(work, "kernel"), [
    "./boot/vmlinuz-*",
    ...modulePatterns,
  ]);
  const busyboxFiles = await unpack(busyboxDeb.path, join(work, "busybox"), ["*/busybox"]);
  const image = readFileSync(
    join(work, "kernel", pick(kernelFiles, /^boot\/vmlinuz-/, "kernel", kernelDeb.path)),
  );
  const program = readFileSync(
    join(work, "busybox", pick(busyboxFiles, /busybox$/, "busybox", busyboxDeb.path)),
  );
  const modules = [];
  for (const path of kernelFiles.filter((name) => /\.ko(\.xz)?$/.test(name))) {
    modules.push({
      path: path.replace(/^usr\//, "").replace(/\.xz$/, ""),
      data: await moduleBytes(join(work, "kernel", path)),
    });
  }
  return {
    packages: [kernelDeb, busyboxDeb],
    files: {
      [`${guest}/bzImage`]: image,
      [`${guest}/initrd.cpio.gz`]: initramfs({ busybox: program, modules }),
    },
  };
}

async function buildFirmware(apt) {
  const deb = await apt.fetch("seabios:amd64");
  const folder = join(apt.base, "unpacked", "seabios");
  const files = await unpack(deb.path, folder, ["./usr/share/seabios/*"]);
  const wanted = files.filter((path) => FIRMWARE.includes(basename(path)));
  if (wanted.length === 0) throw new ToolError(`${basename(deb.path)}: holds no firmware image`);
  return {
    packages: [deb],
    files: Object.fromEntries(
      wanted.map((path) => [`seabios/${basename(path)}`, readFileSync(join(folder, path))]),
    ),
  };
}

/** Write through a temporary name, so that an interrupted run never leaves half a kernel. */
function store(name, bytes) {
  const path = join(CACHE, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(`${path}.part`, bytes);
  renameSync(`${path}.part`, path);
}

function readManifest() {
  if (!existsSync(MANIFEST)) return { packages: {}, files: {} };
  return JSON.parse(readFileSync(MANIFEST, "utf8"));
}

/** True when every file the manifest names is there with its size, and all guests are among them. */
export function guestsPresent() {
  const { files } = readManifest();
  const wanted = [...LINUX.map(({ guest }) => `${guest}/bzImage`), "seabios/bios-256k.bin"];
  return (
    wanted.every((name) => name in files) &&
    Object.entries(files).every(([name, { size }]) => {
      const path = join(CACHE, name);
      return existsSync(path) && statSync(path).size === size;
    })
  );
}

/** Fetch everything; returns one line that names what could not be had and why, or undefined when all came. */
export async function fetchGuests() {
  const missing = [];
  const apt = await openApt(join(CACHE, "apt"), ["amd64", "i386"]);
  const { complete, failures } = await step("guests: package index", apt.update);
  if (!complete)
    say(`guests: index update incomplete (${failures.length} parts failed); going on with what came`);
  const manifest = readManifest();
  const jobs = [
    ...LINUX.map((row) => ({ name: row.guest, build: () => buildLinux(apt, row) })),
    { name: "seabios", build: () => buildFirmware(apt) },
  ];
  for (const { name, build } of jobs) {
    try {
      const { packages, files } = await step(`guests: ${name}`, build);
      for (const [path, bytes] of Object.entries(files)) {
        store(path, bytes);
        manifest.files[path] = { size: bytes.length, sha256: sha256(bytes) };
      }
      manifest.packages[name] = packages.map(({ name: plain, version, sha256: hash }) => {
        return { name: plain, version, sha256: hash };
      });
      store("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      missing.push(`${name} (${error.message})`);
    }
  }
  if (missing.length === jobs.length && failures.length > 0) {
    return `guests not fetched: no Debian mirror could be reached (${failures[0].trim()})`;
  }
  return missing.length === 0 ? undefined : `guests not fetched: ${missing.join("; ")}`;
}
