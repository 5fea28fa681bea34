// unittests.cfg of kvm-unit-tests: one section a row.

/**
 * @param {string} text
 * @returns {{ name: string, file: string, smp: number, args: string, options: string, arch: string, accel: string, check: string, timeout: number, groups: string[] }[]}
 */
export function parseRows(text) {
  const rows = [];
  for (const line of text.split("\n")) {
    const section = /^\[(.*)\]$/.exec(line)?.[1];
    if (section) rows.push({ name: section, file: "", smp: 1, args: "", options: "", arch: "", accel: "", check: "", timeout: 90, groups: [] });
    const row = rows.at(-1), [, key, value = ""] = /^(\w+) *= *(.*)$/.exec(line) ?? [];
    if (!row || !key) continue;
    if (key === "smp") row.smp = Number(value);
    else if (key === "timeout") row.timeout = Number.parseInt(value, 10);
    else if (key === "test_args") row.args = value;
    else if (key === "qemu_params" || key === "extra_params") row.options = value;
    else if (key === "groups") row.groups = value.split(" ");
    else if (key in row) row[key] = value;
  }
  return rows;
}

/** The machine ends at 3 GiB; 2.5 GiB is what the tests that ask for 4 need. */
const scaledMemory = (options) => options.replace(/-m 4g\b/, "-m 2560");

/** Arguments of the tests' own script for a row, as a line for a shell: rows hold quotes and backticks. */
export function runLine(row) {
  const append = row.args === "" ? "" : `-append ${row.args}`;
  return `./x86/run x86/${row.file} -smp ${row.smp} ${scaledMemory(row.options)} ${append}`.trim();
}

/** Why a row is not run at all; undefined when it is. */
export function notRun(row, { arch, accel }) {
  if (row.arch !== "" && row.arch !== arch) return `${row.arch} only`;
  if (row.accel !== "" && row.accel !== accel) return `${row.accel} only`;
  if (row.check !== "") return `asks for ${row.check.replaceAll("/sys/module/", "")}`;
  return undefined;
}

/** @returns {{ result: string, detail: string }} what exit status and output say */
export function judge(status, output) {
  const lines = output.split("\n").map((line) => line.replace(/\r$/, "")), find = (pattern) => lines.findLast((line) => pattern.test(line)) ?? "";
  const summary = find(/^SUMMARY: /).replace("SUMMARY: ", ""), complaint = find(/^vitrine: /).replace("vitrine: ", "");
  if (status === 0) return { result: "pass", detail: summary };
  if (status === 77) return { result: "skip", detail: find(/^SKIP|not |skip/i) || summary };
  if (status === 124 || status === 137) return { result: "timeout", detail: summary };
  if (complaint !== "") return { result: "refused", detail: complaint };
  if (status === 3) return { result: "fail", detail: summary };
  return { result: "abort", detail: find(/Unhandled|assert|abort|exception/i) || `status ${status}` };
}
