import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guestImages, type GuestName } from "../../guests/build.ts";
import { parseCpu } from "../isa/index.ts";
import { pagingWork, exitCost, parseParams, walkCost } from "../kvm/uapi.ts";
import { TcgVm } from "../tcg/index.ts";
import { dirtier } from "./fixtures/dirtier.ts";
import { KvmAccel, Machine, type MachineOptions, userMemorySize } from "./public.ts";

const MIB = 1 << 20;
const cache = new URL("../../guests/cache/", import.meta.url);
const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const silicons = ["intel", "amd"] as const;

const settings = (ramSize: number) => ({ module: core, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64,kvm=off,-hypervisor") });
async function open(options: MachineOptions, silicon: "intel" | "amd", modprobe: Record<string, string> = { "kvm.mmu": "auto" }, more: object = {}) {
  const params = parseParams(new Map(Object.entries(modprobe)), silicon);
  const accel = await KvmAccel.create({ ...settings(options.ramSize), silicon, params, ...more });
  return { accel, machine: new Machine(accel, { rtcBase: 1_704_067_200, noReboot: true, ...options }) };
}
async function bareHash(options: MachineOptions, t: number): Promise<string> {
  const machine = new Machine(await TcgVm.create(settings(options.ramSize)), { rtcBase: 1_704_067_200, noReboot: true, ...options });
  machine.run(t);
  return machine.stateHash();
}
/** Runs to t; every `step` or so, at times that no boundary of the guest is near, the other tables come into force. */
function flip({ accel, machine }: Awaited<ReturnType<typeof open>>, t: number, step: number): number {
  let flips = 0,
    seed = 12345;
  for (let at = 0; at < t; flips++) {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    at = Math.min(t, at + 1 + (seed % (2 * step)));
    if (machine.run(at).kind !== "budget") break;
    accel.vm.setPaging(flips % 2 === 0);
  }
  return flips;
}

const own = (name: GuestName): MachineOptions => ({ ramSize: 16 * MIB, kernel: { name, bytes: guestImages()[name] } });
test.each(silicons)("guests go on in the bare machine's state when shadow tables and the second stage take turns at any moment (%s)", async (silicon) => {
  for (const name of ["hello64", "two-processes"] as const) {
    const run = await open(own(name), silicon, { "kvm.mmu": "auto", "kvm.mmu_check": "1" });
    expect(flip(run, 3_000_000, 20_000)).toBeGreaterThan(100);
    expect([name, run.machine.stateHash()]).toEqual([name, await bareHash(own(name), 3_000_000)]);
  }
}, 60_000);

test.skipIf(!existsSync(new URL("linux-amd64/bzImage", cache))).each(silicons)("so does Debian's kernel (%s)", async (silicon) => {
  const image = (path: string) => ({ name: path, bytes: new Uint8Array(readFileSync(new URL(path, cache))) });
  const options = { ramSize: 256 * MIB, kernel: image("linux-amd64/bzImage"), initrd: image("linux-amd64/initrd.cpio.gz"), append: "console=ttyS0 panic=-1 tsc=reliable" };
  const run = await open(options, silicon);
  expect(flip(run, 6e7, 1_000_000)).toBeGreaterThan(40);
  expect(run.machine.stateHash()).toBe(await bareHash(options, 6e7));
}, 120_000);

test.each(silicons)("four vCPUs change together, on one and on four processors of the host (%s)", async (silicon) => {
  for (const hostCpus of [1, 4]) {
    let serial = "";
    const onSerial = (bytes: Uint8Array) => {
      serial += new TextDecoder("latin1").decode(bytes);
    };
    const run = await open({ ...own("four-cpus"), cpus: 4, onSerial }, silicon, { "kvm.mmu": "auto" }, { cpus: 4, hostCpus });
    expect(flip(run, 1e9, 40_000)).toBeGreaterThan(100);
    expect(serial).toContain("locked counter: 40000\r\n");
    expect(serial).toContain("page after: BBBB\r\n");
    expect(serial).toContain("the end\r\n");
  }
}, 120_000);

test.each(silicons)("no written page is missing in the dirty log when the tables change while it runs (%s)", async (silicon) => {
  const options = { ramSize: 4 * MIB, kernel: { name: "dirtier", bytes: dirtier(60, 1000) } },
    { accel, machine } = await open(options, silicon);
  machine.run(20_000);
  accel.setDirtyLog(true);
  const pages = accel.userMemory.pages;
  const read = (): string[] => Array.from({ length: pages }, (_, page) => {
    const bytes = new Uint8Array(4096);
    accel.userMemory.readPage(page, bytes);
    return Buffer.from(accel.sha256(bytes)).toString("base64");
  });
  let seen = 0,
    before = read();
  for (let round = 0; round < 12; round++) {
    accel.vm.setPaging(round % 3 !== 2);
    machine.run(accel.clock.now() + 1_000);
    accel.vm.setPaging(round % 2 === 0);
    machine.run(accel.clock.now() + 1_000);
    const log = accel.dirtyLog(),
      now = read();
    const missing = now.flatMap((digest, page) => (digest !== before[page] && ((log[page >>> 3] ?? 0) >> (page & 7)) % 2 === 0 ? [page] : []));
    expect(missing).toEqual([]);
    seen += now.filter((digest, page) => digest !== before[page]).length;
    before = now;
  }
  expect(seen).toBeGreaterThan(100);
});

const which = (append: string): MachineOptions => ({ ramSize: 128 * MIB, kernel: { name: "which-mmu", bytes: guestImages()["which-mmu"] }, append });
/** Runs in slices; answers when the tables changed, and the account. */
async function measure(workload: string, silicon: "intel" | "amd", modprobe: Record<string, string>, until: number, slice: number) {
  const { accel, machine } = await open(which(workload), silicon, modprobe);
  const switches: string[] = [],
    change = accel.vm.setPaging.bind(accel.vm);
  accel.vm.setPaging = (shadow) => {
    accel.trace.on = true;
    change(shadow);
    accel.trace.on = false;
    const record = accel.trace.read(accel.trace.ring.count - 1);
    expect(record).toMatchObject({ event: "kvm_mmu_switch", t: accel.clock.now(), fields: { shadow: shadow ? 1 : 0 } });
    switches.push(`${record?.t} ${shadow}`);
  };
  for (let t = slice; accel.clock.now() < until; t += slice) machine.run(Math.min(t, until));
  const { tlbMisses, walkRefs } = accel.counters(),
    { mmu, pagesFixed } = accel.stats,
    work = pagingWork(tlbMisses, walkRefs, mmu, pagesFixed);
  expect(mmu.switches).toBe(switches.length);
  return { switches, cost: until + walkCost(work) + exitCost(work), hash: machine.stateHash() };
}
test("auto costs within 7 % of the better one where only misses count and where only writes to tables do", async () => {
  for (const [workload, better] of [["random", { "kvm_intel.ept": "0" }], ["fork", {}]] as const) {
    const auto = await measure(workload, "intel", { "kvm.mmu": "auto" }, 6e7, 1e6),
      fixed = await measure(workload, "intel", better, 6e7, 1e6);
    expect(auto.cost / fixed.cost).toBeLessThan(1.07);
    expect(auto.hash).toBe(fixed.hash);
  }
}, 120_000);
test.each(silicons)("auto follows the phases of a guest, at the same t however the run is sliced (%s)", async (silicon) => {
  const one = await measure("phases", silicon, { "kvm.mmu": "auto" }, 7e7, 7e7),
    other = await measure("phases", silicon, { "kvm.mmu": "auto" }, 7e7, 777_777);
  expect([other.switches, other.hash]).toEqual([one.switches, one.hash]);
  // Misses, then forks, which a trial confirms, then misses again.
  expect(one.switches.map((s) => s.split(" ")[1])).toEqual(["true", "false", "true", "false", "true"]);
}, 120_000);
