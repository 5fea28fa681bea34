// What is measured: for each suite the marks the guest prints and the columns that lie between them.
// A column is [from, to, passes]: the time between two marks divided by the passes of the workload; `from` undefined
// counts from the engine's start.

/** Passes of each workload of `marks`, as in guest/init.sh: at least 3 s on QEMU TCG of a machine of 2026. */
const PASSES = { MD5: 8, AWK: 3, GZIP: 30, FORK: 12 };

const BOOTED = [undefined, "@ BOOTED", 1];

/** `name first` is the workload while an engine is cold; `name` a pass after that. */
const MARKS = Object.fromEntries(
  Object.entries(PASSES).flatMap(([name, passes]) => [
    [`${name} 1st`, [`@ ${name} begin`, `@ ${name} first`, 1]],
    [name, [`@ ${name} first`, `@ ${name} end`, passes - 1]],
  ]),
);

function workloads(names) {
  return Object.fromEntries(names.map((name) => [name, [`@ ${name} begin`, `@ ${name} end`, 1]]));
}

const MICRO = ["integer", "stream", "string", "chase", "calls", "indirect", "syscalls", "faults", "sse2", "doubles", "x87", "cpuid", "ports"];
const PROGRAMS = ["numeric-sort", "string-sort", "bitfield", "cipher", "huffman", "lu", "fourier", "neural"];

/** Suite name to its columns, in the order of the table. */
export const SUITES = {
  marks: { BOOTED, ...MARKS },
  micro: workloads(MICRO),
  programs: workloads(PROGRAMS),
};

/** The line with which every suite ends. */
export const DONE = "@ DONE";
