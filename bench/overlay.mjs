// The initramfs of the benchmark: that of `npm run guests`, with the benchmark's /init and /bench laid over it.
// Linux unpacks archives that follow one another, and a later file replaces an earlier one of the same name.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { at } from "../tools/lib/fingerprint.mjs";
import { run, ToolError } from "../tools/lib/say.mjs";
import { cpio, file } from "../tools/guests/cpio.mjs";

const FOLDER = "build/bench";

/** What the compiler may use: the processor that the engines are given. */
const TARGET = {
  amd64: ["-m64", "-march=x86-64"],
  i386: ["-m32", "-march=pentium3", "-mfpmath=387"],
};

// No C library, and no loop turned into a call of one or into vectors: the workloads are what the source says.
const FLAGS = [
  "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie",
  "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-fno-tree-vectorize", "-Wl,-s,--build-id=none",
];

async function compile(guest) {
  const program = at(`${FOLDER}/bench-${guest}`);
  const sources = ["start.c", "micro.c", "programs.c"].map((name) => at(`bench/guest/${name}`));
  const { code, stderr } = await run("gcc", [...TARGET[guest], ...FLAGS, "-o", program, ...sources]);
  if (code !== 0) throw new ToolError(`bench: gcc cannot build the guest's program: ${stderr.trim().split("\n")[0]}`);
  return readFileSync(program);
}

/** Writes the initramfs for `guest` next to the other build results and returns its path. */
export async function overlay(guest, initrd) {
  mkdirSync(at(FOLDER), { recursive: true });
  const entries = [file("init", readFileSync(at("bench/guest/init.sh")), 0o755), file("bench", await compile(guest), 0o755)];
  const path = at(`${FOLDER}/initrd-${guest}.cpio.gz`);
  writeFileSync(path, Buffer.concat([readFileSync(initrd), gzipSync(cpio(entries))]));
  return path;
}
