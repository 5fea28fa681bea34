import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assembleGuest } from "../guests/build.ts";

const command = fileURLToPath(new URL("vitrine.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "vitrine-"));
const hello = assembleGuest("hello64").bytes;

function vitrine(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { cwd: folder, encoding: "latin1", timeout: 60_000 });
  // The builder's progress is not the command's.
  return { status, stdout, lines: stderr.split("\n").filter((line) => line !== "" && !/^\[ *[\d.]+ s\]/.test(line)) };
}

beforeAll(() => {
  const file = (name: string, bytes: Uint8Array) => { writeFileSync(join(folder, name), bytes); };
  file("empty", new Uint8Array(0));
  file("noise", Uint8Array.from({ length: 70_000 }, (_, i) => (i * 197) & 0xff));
  file("hello", hello);
  file("initrd", new Uint8Array(20 << 20));
  file("elf", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
  const cut = new Uint8Array(5000);
  new DataView(cut.buffer).setUint16(0x1fe, 0xaa55, true);
  cut.set(new TextEncoder().encode("HdrS"), 0x202);
  new DataView(cut.buffer).setUint16(0x206, 0x20f, true);
  new DataView(cut.buffer).setUint32(0x1f4, 0x100000, true);
  cut[0x1f1] = 4;
  cut[0x211] = 1;
  file("cut", cut);
}, 120_000);

afterAll(() => { rmSync(folder, { recursive: true }); });

test.each([
  ["a kernel that is not there", ["-kernel", "nope"], /^vitrine: nope: could not open kernel: does not exist; /],
  ["a kernel that is a folder", ["-kernel", "."], /^vitrine: \.: could not open kernel: cannot be read \(EISDIR\); /],
  ["an empty kernel", ["-kernel", "empty"], /^vitrine: empty: is empty; /],
  ["a kernel that is noise", ["-kernel", "noise"], /^vitrine: noise: is no kernel: .*; give a bzImage/],
  ["a kernel that is cut short", ["-kernel", "cut"], /^vitrine: cut: .*; fetch it again$/],
  ["a corrupt ELF", ["-kernel", "elf"], /^vitrine: elf: .*; give an intact file$/],
  ["an ELF that no one can start directly", ["-kernel", process.execPath], /^vitrine: .*: is an ELF without a PVH note .*; /],
  ["an initrd that is not there", ["-kernel", "hello", "-initrd", "nope"], /^vitrine: nope: does not exist; /],
  ["an initrd that does not fit", ["-kernel", "hello", "-initrd", "initrd", "-m", "16"], /^vitrine: initrd: .*; give at least -m \d+$/],
  ["firmware of an odd size", ["-bios", "noise"], /^vitrine: noise: is 70000 bytes long; /],
  ["an unknown option", ["-kernl", "hello"], /^vitrine: -kernl: unknown option; did you mean -kernel\?$/],
  ["an option without its value", ["-kernel"], /^vitrine: -kernel: has no value; /],
  ["too much memory", ["-kernel", "hello", "-m", "4096"], /^vitrine: -m: 4096 MiB is too much; give at most 3072$/],
  ["an unknown processor", ["-kernel", "hello", "-cpu", "z80"], /^vitrine: -cpu: "z80"; choose one of /],
  ["nothing to run", [], /^vitrine: command line: names nothing to run; give -kernel FILE/],
  ["statistics with nowhere to go", ["-kernel", "hello", "-max-insns", "1000", "-stats", "nope/x"], /^vitrine: nope\/x: cannot be written \(ENOENT\); /],
  ["a text that never comes", ["-kernel", "hello", "-max-insns", "1000", "-until", "never"], /^vitrine: -until "never": not seen before -max-insns$/],
] as const)("%s is one clear line and exit status 1", (_what, args, line) => {
  const { status, stdout, lines } = vitrine(...args);
  expect(lines).toEqual([expect.stringMatching(line)]);
  expect([status, stdout]).toEqual([1, ""]);
}, 120_000);

test("a guest runs, prints to standard output alone, and its statistics and hash are written", () => {
  const run = () => vitrine("-kernel", "hello", "-m", "16", "-cpu", "qemu64,kvm=off,-hypervisor", "-rtc", "base=2026-01-01", "-max-insns", "20000000", "-stats", "stats.json", "-state-hash");
  const { status, stdout, lines } = run();
  expect([status, lines]).toEqual([0, []]);
  expect(stdout).toMatch(/^state-hash: [0-9a-f]{64}$/m);
  expect(JSON.parse(readFileSync(join(folder, "stats.json"), "utf8"))).toMatchObject({ instructions: 20_000_000, exits: { HLT: expect.any(Number) } });
  expect(run().stdout).toBe(stdout);
}, 60_000);
