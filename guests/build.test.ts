import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assembleGuest, type GuestName, guestImages, guestNames } from "./build.ts";
import { runGuest } from "./run.ts";

/** `<name> <sha256 of what nasm makes of it>`, written by oracle/oracle.sh. */
const nasm = readFileSync(new URL("./nasm.txt", import.meta.url), "utf8");

/** What QEMU 7.2 prints with -kernel IMAGE -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4. */
const qemu: Readonly<Record<"hello64" | "two-processes", string>> = {
  hello64: [
    "Vitrine hello64: long mode, 4-level page tables, ring 3",
    "space A: CR3 00200000, 40001000 -> 0020A000",
    "space B: CR3 00201000, 40001000 -> 0020B000",
    "A runs in ring 3",
    "B runs in ring 3",
    "tick 100",
    "tick 200",
    "tick 300",
    "",
  ].join("\r\n"),
  "two-processes": [
    "Vitrine two processes: 32-bit, 2-level page tables, one virtual address",
    "process 1 reads 100 at 00010000, frame 00204000",
    "process 2 reads 200 at 00010000, frame 00205000",
    "process 1 reads 101 at 00010000, frame 00204000",
    "process 2 reads 201 at 00010000, frame 00205000",
    "process 1 reads 102 at 00010000, frame 00204000",
    "process 2 reads 202 at 00010000, frame 00205000",
    "process 1 reads 103 at 00010000, frame 00204000",
    "process 2 reads 203 at 00010000, frame 00205000",
    "both ended",
    "",
  ].join("\r\n"),
};

/** The same for four-cpus with -smp 4. */
const together = [
  "Vitrine four-cpus: 4 processors",
  "processor 1 has started",
  "processor 2 has started",
  "processor 3 has started",
  "locked counter: 40000",
  "ticket lock: 4000",
  "ping-pong rounds: 300",
  "to self: 1",
  "to all: 4",
  "to all others: 3",
  "to physical FFh: 4",
  "to logical 06h, flat: 2",
  "lowest priority: 1",
  "to cluster 0: 2",
  "to member 1 of cluster 1: 1",
  "NMIs: 3",
  "page before: AAAA",
  "page after: BBBB",
  "code before: aaaa",
  "code after: bbbb",
  "the end",
  "",
].join("\r\n");

test.each(guestNames)("%s assembles to nasm's bytes", (name: GuestName) => {
  const hash = createHash("sha256").update(guestImages()[name]).digest("hex");
  expect(nasm).toContain(`${name} ${hash}\n`);
});

test("a guest's symbols name addresses inside it", () => {
  const { symbols, bytes, origin } = assembleGuest("hello64");
  const start = symbols.get("start") ?? 0n;
  expect(start).toBeGreaterThan(origin);
  expect(start).toBeLessThan(origin + BigInt(bytes.length));
});

describe("on the bare machine", () => {
  test("hello64 boots to user mode in both spaces and ticks, with QEMU's text", async () => {
    const { serial } = await runGuest("hello64", { until: (text) => text.includes("tick 300\r\n") });
    expect(serial).toBe(qemu.hello64);
  });

  test("hello64 prints its banner within two million instructions", async () => {
    const { serial } = await runGuest("hello64", { limit: 2_000_000 });
    expect(serial).toContain("long mode");
  });

  test("hello64 answers keys: help, page tables, ticks, echo, exit", async () => {
    const { serial, stop } = await runGuest("hello64", { keys: "hptzx", keysAfter: "tick 300\r\n" });
    expect(serial.slice(qemu.hello64.length)).toMatch(
      /^h\r\nh help .*\r\np\r\nspace A: CR3 00200000.*\r\nspace B: CR3 00201000.*\r\nt\r\ntick \d+\r\nzx\r\nbye\r\n$/,
    );
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });

  test("two processes read different frames at one virtual address, with QEMU's text", async () => {
    const { serial, stop } = await runGuest("two-processes", {});
    expect(serial).toBe(qemu["two-processes"]);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });

  // Bochs 2.7 (corei7_sandy_bridge_2600k) prints the same.
  test("vmm11 takes the eleven steps with VT-x, two virtual machines in turn", async () => {
    const { serial, stop } = await runGuest("vmm11", { cpu: "vitrine,+vmx" });
    expect(serial.split("\r\n")).toEqual([
      "Vitrine vmm11: one day in VMM paradise",
      " 1 VMXON",
      " 2 VMLAUNCH VM1",
      " 3 VM1 exits: reason 10 CPUID",
      " 4 VMLAUNCH VM2",
      " 5 VM2 exits: reason 18 VMCALL",
      " 6 VMRESUME VM2",
      " 7 VM2 exits: reason 10 CPUID",
      " 8 VMRESUME VM2",
      " 9 VM2 exits: reason 12 HLT; VMRESUME VM1",
      "10 VM1 exits: reason 12 HLT",
      "11 VMXOFF",
      "both machines are gone",
      "",
    ]);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });

  // QEMU 7.2 prints the same with -cpu EPYC, with -cpu qemu64,+svm and with -cpu max.
  test.each(["vitrine-amd,+svm", "vitrine-amd,+svm,-npt", "qemu64,+svm"])("svm11 takes the eleven steps with SVM on %s", async (cpu) => {
    const { serial, stop } = await runGuest("svm11", { cpu });
    expect(serial.split("\r\n")).toEqual([
      "Vitrine svm11: the same day with SVM",
      " 1 EFER.SVME = 1",
      " 2 VMRUN VM1",
      " 3 VM1 exits: code 72 CPUID",
      " 4 VMRUN VM2",
      " 5 VM2 exits: code 81 VMMCALL",
      " 6 VMRUN VM2",
      " 7 VM2 exits: code 72 CPUID",
      " 8 VMRUN VM2",
      " 9 VM2 exits: code 78 HLT; VMRUN VM1",
      "10 VM1 exits: code 78 HLT",
      "11 EFER.SVME = 0",
      "both machines are gone",
      "",
    ]);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });

  test("svm11 says so when SVM was not asked for", async () => {
    const { serial, stop } = await runGuest("svm11", { cpu: "qemu64" });
    expect(serial).toContain("no SVM here");
    expect(stop).toMatchObject({ kind: "exit", status: 3 });
  });

  test("vmm11 says so when the CPU has no VMX", async () => {
    const { serial, stop } = await runGuest("vmm11", { cpu: "qemu64" });
    expect(serial).toContain("no VMX here");
    expect(stop).toMatchObject({ kind: "exit", status: 3 });
  });
});

describe("under KVM on SVM", () => {
  test("hello64 prints QEMU's text", async () => {
    const { serial } = await runGuest("hello64", {
      accel: "kvm",
      silicon: "amd",
      until: (text) => text.includes("tick 300\r\n"),
    });
    expect(serial).toBe(qemu.hello64);
  });

  test("two processes read different frames at one virtual address, with QEMU's text", async () => {
    const { serial, stop } = await runGuest("two-processes", { accel: "kvm", silicon: "amd" });
    expect(serial).toBe(qemu["two-processes"]);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });
});

describe("under KVM", () => {
  test("hello64 prints QEMU's text", async () => {
    const { serial } = await runGuest("hello64", {
      accel: "kvm",
      until: (text) => text.includes("tick 300\r\n"),
    });
    expect(serial).toBe(qemu.hello64);
  });

  test("two processes read different frames at one virtual address, with QEMU's text", async () => {
    const { serial, stop } = await runGuest("two-processes", { accel: "kvm" });
    expect(serial).toBe(qemu["two-processes"]);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });
});

describe("four-cpus on four processors", () => {
  test("prints QEMU's text on the bare machine", async () => {
    const { serial, stop } = await runGuest("four-cpus", { cpus: 4 });
    expect(serial).toBe(together);
    expect(stop).toMatchObject({ kind: "exit", status: 1 });
  });

  test.each(["intel", "amd"] as const)("prints it under KVM on %s, at the same instants on one to four processors of the host", async (silicon) => {
    const runs = [];
    for (const hostCpus of [1, 2, 3, 4]) {
      const { serial, stop, vm } = await runGuest("four-cpus", { accel: "kvm", silicon, cpus: 4, hostCpus });
      expect(serial).toBe(together);
      expect(stop).toMatchObject({ kind: "exit", status: 1 });
      runs.push(vm.clock.now());
    }
    expect(new Set(runs).size).toBe(1);
  });

  test.each([1, 2, 8])("starts %i processors", async (cpus) => {
    const { serial } = await runGuest("four-cpus", { accel: "kvm", cpus });
    expect(serial).toContain(`four-cpus: ${cpus} processors`);
    expect(serial.match(/has started/g)?.length ?? 0).toBe(cpus - 1);
    expect(serial).toContain(`locked counter: ${cpus * 10_000}\r\n`);
    expect(serial).toContain(`page after: ${"B".repeat(cpus)}\r\n`);
  });
});
