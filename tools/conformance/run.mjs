// Runs one row through the tests' own script, with `vitrine` in the place of QEMU.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at } from "../lib/fingerprint.mjs";
import { judge, notRun, runLine } from "./rows.mjs";

/** Columns of the table: an accelerator, whose silicon, and parameters of the modules. QEMU stands there to compare with. */
export const columns = {
  bare: { title: "bare", accel: "tcg", options: [] },
  intel: { title: "KVM, VT-x, EPT", accel: "kvm", options: ["-host", "intel", "-modprobe", "kvm.force_emulation_prefix=1"] },
  amd: { title: "KVM, SVM, NPT", accel: "kvm", options: ["-host", "amd", "-modprobe", "kvm.force_emulation_prefix=1"] },
  "intel-shadow": { title: "KVM, VT-x, shadow", accel: "kvm", options: ["-host", "intel", "-modprobe", "kvm.force_emulation_prefix=1,kvm_intel.ept=0"] },
  "amd-shadow": { title: "KVM, SVM, shadow", accel: "kvm", options: ["-host", "amd", "-modprobe", "kvm.force_emulation_prefix=1,kvm_amd.npt=0"] },
  qemu: { title: "QEMU TCG", accel: "tcg", command: "qemu-system-x86_64", options: [] },
};

/** What the script asks before every row. */
const QUESTIONS = [["--help"], ["-device", "?"]];

/** A command that is `vitrine` with a column's options: the script takes one word for QEMU. What it always asks is asked once. */
function wrapper(column) {
  const folder = mkdtempSync(join(tmpdir(), "vitrine-kut-")), file = join(folder, "vitrine");
  const command = [...(column.command ? [column.command] : [process.execPath, at("build/vitrine.mjs")]), ...column.options];
  const answers = QUESTIONS.map((question, i) => {
    writeFileSync(join(folder, `${i}`), spawnSync(command[0], [...command.slice(1), ...question]).stdout);
    return `"${question.join(" ")}") exec cat '${join(folder, `${i}`)}' ;;\n`;
  });
  writeFileSync(file, `#!/bin/sh\ncase "$*" in\n${answers.join("")}esac\nexec ${command.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
/**
 * Rows that ask the hypervisor below for something where they find QEMU's test device, which our machine has without one, too. On
 * hardware they are told that it is not there (TEST_DEVICE=0, lib/x86/fwcfg.c), and so they are on the bare CPU.
 */
export const asOnHardware = (row, column) => column.accel === "tcg" && !column.command && ["x2apic", "xapic"].includes(row.name);
const HARDWARE = "TEST_DEVICE=0\n";
let environmentFile;
function environment() {
  if (!environmentFile) {
    environmentFile = join(mkdtempSync(join(tmpdir(), "vitrine-kut-")), "environment");
    writeFileSync(environmentFile, HARDWARE);
  }
  return environmentFile;
}
const commands = new Map();
const commandOf = (column) => commands.get(column) ?? commands.set(column, wrapper(column)).get(column);

/**
 * @param {{ name: string }} row
 * @param {string} tests folder of a build of kvm-unit-tests
 * @param {number} scale on the row's time limit
 * @returns {Promise<{ result: string, detail: string, seconds: number, output: string }>}
 */
export function runRow(row, column, { tests, arch, scale }) {
  const reason = notRun(row, { arch, accel: column.accel });
  if (reason) return Promise.resolve({ result: "not run", detail: reason, seconds: 0, output: "" });
  return new Promise((resolve) => {
    const started = Date.now(), limit = Math.ceil(row.timeout * scale);
    // The script opens /dev/stderr: that must be a pipe, and what we have here is a socket.
    const child = spawn("bash", ["-o", "pipefail", "-c", `${runLine(row)} 2>&1 | cat`], {
      cwd: tests, detached: true, stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, QEMU: commandOf(column), ACCEL: column.accel, TIMEOUT: String(limit), ...(asOnHardware(row, column) && { KVM_UNIT_TESTS_ENV: environment() }) },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        if (output.length < 4 << 20) output += bytes.toString("latin1");
      });
    }
    child.on("close", (status) => resolve({ ...judge(status ?? 1, output), seconds: Math.round((Date.now() - started) / 1000), output }));
  });
}
