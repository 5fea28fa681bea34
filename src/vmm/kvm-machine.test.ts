import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { parseParams } from "../kvm/uapi.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { dirtier } from "./fixtures/dirtier.ts";
import { Machine } from "./machine.ts";
import { channelPair, MigrationSource, MigrationTarget } from "./migrate/index.ts";
import { userMemorySize } from "./layout.ts";

const wasm = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const ramSize = 16 << 20;

/** The guest of fixtures/dirtier.ts, which writes `pages` pages round and round, on either accelerator. */
async function machineOn(
  kind: "kvm" | "tcg",
  modprobe: Readonly<Record<string, string>> = {},
  more: { readonly silicon?: "intel" | "amd"; readonly dirtyRing?: number; readonly pages?: number } = {},
): Promise<Machine> {
  const { pages = 40, ...rest } = more,
    cpu = parseCpu("qemu64,kvm=off,-hypervisor"),
    params = parseParams(new Map(Object.entries(modprobe)), more.silicon ?? "intel");
  const settings = { module: wasm, ramSize, userMemory: userMemorySize(ramSize, 0), cpu, params, ...rest };
  const vm = kind === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  return new Machine(vm, {
    ramSize,
    rtcBase: 1_767_225_600,
    kernel: { name: "dirtier", bytes: dirtier(pages, 500) },
  });
}
const clockOf = (m: Machine): number => m.accel.clock.now();
const exitsOf = (m: Machine): Record<string, number> =>
  m.accel instanceof KvmAccel ? m.accel.stats.byReason() : {};

test("a protected-mode guest has the same state hash under KVM as on the bare machine at every checkpoint", async () => {
  const kvm = await machineOn("kvm"),
    tcg = await machineOn("tcg");
  for (const t of [1, 7, 1000, 33_333, 500_000, 3_000_000]) {
    expect(kvm.run(t)).toEqual(tcg.run(t));
    expect(kvm.stateHash(), `at ${t}`).toBe(tcg.stateHash());
  }
  expect(exitsOf(kvm)).toHaveProperty("EPT_VIOLATION");
});

test("slices are no exits: a run cut into pieces has as many exits as one that is not", async () => {
  const whole = await machineOn("kvm"),
    cut = await machineOn("kvm");
  whole.run(2_000_000);
  for (let t = 10_000; t <= 2_000_000; t += 10_000) cut.run(t);
  expect(cut.stateHash()).toBe(whole.stateHash());
  expect(exitsOf(cut)).toEqual(exitsOf(whole));
});

test.each([
  ["kvm", "kvm"],
  ["kvm", "tcg"],
  ["tcg", "kvm"],
] as const)("a running machine moves from %s to %s with equal hashes and goes on alike", async (from, to) => {
  const a = await machineOn(from),
    b = await machineOn(to),
    [left, right] = channelPair();
  a.run(300_000);
  const source = new MigrationSource({
    machine: a,
    channel: left,
    bandwidth: 1e9,
    rule: "downtime",
    downtimeMs: 1,
    between: () => {
      a.run(clockOf(a) + 5000);
    },
  });
  const [result, there] = await Promise.all([
    source.run(),
    new MigrationTarget({ machine: b, channel: right }).run(),
  ]);
  if (result.kind !== "moved") throw new Error(result.kind);
  expect(there.hash).toBe(result.hash);
  // The first pass sends every page, the later ones what has been written since.
  expect(result.rows.map((row) => row.sent)[0]).toBe(a.accel.userMemory.pages);
  expect(result.rows.slice(1).every((row) => row.sent < 100)).toBe(true);
  const t = clockOf(a) + 400_000;
  a.run(t);
  b.run(t);
  expect(b.stateHash()).toBe(a.stateHash());
});

test.each([
  ["page-modification logging", {}, {}, 1],
  ["write protection", { "kvm_intel.pml": "0" }, {}, 2000],
  ["huge pages split at the first write", { "kvm_intel.pml": "0", "kvm.eager_page_split": "0" }, {}, 2000],
  ["dirty flags", { "kvm.dirty_log": "dbits" }, {}, 0],
  ["a dirty ring", {}, { dirtyRing: 1024 }, 1],
  ["a dirty ring by write protection", { "kvm_intel.pml": "0" }, { dirtyRing: 256 }, 2000],
  ["write protection on SVM", {}, { silicon: "amd" }, 2000],
  ["dirty flags on SVM", { "kvm.dirty_log": "dbits" }, { silicon: "amd" }, 0],
  ["a dirty ring on SVM", {}, { silicon: "amd", dirtyRing: 256 }, 2000],
] as const)("a guest that writes 700 pages moves by %s, with equal hashes, and nothing of its time is spent", async (_, modprobe, more, exits) => {
  const pages = 700,
    a = await machineOn("kvm", modprobe, { ...more, pages }),
    b = await machineOn("tcg", {}, { pages }),
    stayed = await machineOn("tcg", {}, { pages }),
    [left, right] = channelPair();
  a.run(300_000);
  const source = new MigrationSource({
    machine: a,
    channel: left,
    bandwidth: 5e9,
    rule: "2007",
    between: () => {
      a.run(clockOf(a) + 20_000);
    },
  });
  const [result, there] = await Promise.all([
    source.run(),
    new MigrationTarget({ machine: b, channel: right }).run(),
  ]);
  if (result.kind !== "moved") throw new Error(result.kind);
  expect(there.hash).toBe(result.hash);
  const t = clockOf(a) + 400_000;
  for (const m of [a, b, stayed]) m.run(t);
  expect([a.stateHash(), b.stateHash()]).toEqual([stayed.stateHash(), stayed.stateHash()]);
  const { dirtyLogExits } = (a.accel as KvmAccel).stats;
  if (exits === 0) expect(dirtyLogExits).toBe(0);
  else expect(dirtyLogExits).toBeGreaterThan(exits);
  // The log has ended: what its migration cost is over, and huge pages are back.
  expect((a.accel as KvmAccel).vm.space.tdp.counts.pages2m).toBeGreaterThan(0);
});

test("a machine that is reset under KVM begins again as it began", async () => {
  const m = await machineOn("kvm"),
    fresh = await machineOn("kvm");
  m.accel.run(1000);
  m.accel.reset();
  fresh.accel.reset();
  expect([m.accel.regs(), m.accel.sregs(), m.accel.events(), m.accel.mpState()]).toEqual([
    fresh.accel.regs(),
    fresh.accel.sregs(),
    fresh.accel.events(),
    fresh.accel.mpState(),
  ]);
});

test("the guest's text is written without an exit for each character, and the display hears of it", async () => {
  for (const kind of ["tcg", "kvm"] as const) {
    const m = await machineOn(kind);
    m.vga.takeDirty();
    // From 100000h: mov edi, B8000h; mov eax, 0741h; mov ecx, 1000; rep stosw; jmp $
    m.accel.memory.write(
      0x100000,
      Uint8Array.from([
        0xbf, 0, 0x80, 0x0b, 0, 0xb8, 0x41, 7, 0, 0, 0xb9, 0xe8, 3, 0, 0, 0x66, 0xf3, 0xab, 0xeb, 0xfe,
      ]),
    );
    m.accel.setRegs({ ...m.accel.regs(), rip: 0x100000n });
    expect(m.vga.takeDirty()).toBe(false);
    m.run(1500);
    expect([m.vga.takeDirty(), m.vga.takeDirty()]).toEqual([true, false]);
    expect(m.vga.text()[0]).toBe("A".repeat(80));
    expect(exitsOf(m).EPT_VIOLATION ?? 0).toBeLessThan(10);
  }
});

test("without VPID, or without accessed and dirty flags in the EPT, a guest only takes more walks or fewer", async () => {
  const [usual, untagged, unflagged] = [
    await machineOn("kvm"),
    await machineOn("kvm", { "kvm_intel.vpid": "0" }),
    await machineOn("kvm", { "kvm_intel.eptad": "0" }),
  ] as const;
  for (const m of [usual, untagged, unflagged]) m.run(1_000_000);
  expect([untagged.stateHash(), unflagged.stateHash()]).toEqual([usual.stateHash(), usual.stateHash()]);
  const misses = (m: Machine): number => (m.accel instanceof KvmAccel ? m.accel.counters().tlbMisses : 0);
  expect(misses(untagged)).toBeGreaterThan(misses(usual));
  const flags = (m: Machine): bigint =>
    m.accel instanceof KvmAccel ? m.accel.vm.space.tdp.lookup(0x200000).entry & 0x300n : -1n;
  expect([flags(usual), flags(unflagged)]).toEqual([0x300n, 0n]);
});

test("an unknown MSR is #GP, or with kvm.ignore_msrs reads as 0", async () => {
  const rax: (bigint | string)[] = [];
  for (const value of ["0", "1"]) {
    const m = await machineOn("kvm", { "kvm.ignore_msrs": value });
    // mov ecx, 4321h; rdmsr; jmp $
    m.accel.memory.write(0x100000, Uint8Array.from([0xb9, 0x21, 0x43, 0, 0, 0x0f, 0x32, 0xeb, 0xfe]));
    m.accel.setRegs({ ...m.accel.regs(), rip: 0x100000n, rax: 5n });
    const { kind } = m.run(m.accel.clock.now() + 100);
    rax.push(kind === "shutdown" ? kind : m.accel.regs().rax);
  }
  expect(rax).toEqual(["shutdown", 0n]);
});
