// A user space that calls the API with anything: it gets the kernel's errno and a sentence, or what it asked for.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Saved, VitrineError } from "../base/index.ts";
import { HostComputer } from "../host/index.ts";
import { parseCpu } from "../isa/index.ts";
import { Errno, KvmError, type KvmVcpu, loadKvm, openKvm, parseParams } from "./uapi.ts";

const MB = 1 << 20;
const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const hosts = [
  ["intel", {}],
  ["intel", { "kvm_intel.ept": "0" }],
  ["amd", {}],
  ["amd", { "kvm_amd.npt": "0", "kvm.mmu": "vtlb" }],
] as const;

async function open(silicon: "intel" | "amd", modprobe: Readonly<Record<string, string>>, irqchip = true) {
  const cpu = parseCpu("qemu64"),
    host = await HostComputer.create({ module, memory: 24 * MB, cpu, silicon });
  loadKvm(host, cpu, parseParams(new Map(Object.entries(modprobe)), silicon));
  const task = host.fork("test"),
    system = openKvm(host, task),
    vm = system.createVm(),
    ram = task.mm.mmap(8 * MB);
  vm.setMaxVcpus(2);
  if (irqchip) {
    vm.createIrqchip();
    vm.createPit2();
  }
  return { host, task, system, vm, ram };
}

function refusal(act: () => unknown): readonly [number, string] {
  try {
    act();
  } catch (error) {
    if (error instanceof KvmError) return [error.errno, error.message];
    throw error;
  }
  return [0, ""];
}

const { EINVAL, EEXIST, ENXIO, ENOENT, E2BIG, EBUSY } = Errno;

test("each call refuses what the kernel refuses, with its errno and a sentence", async () => {
  const { system, vm, ram } = await open("intel", {}),
    slot = (id: number, gpa: number, size: number, hva = ram, flags = 0) => () =>
      vm.setUserMemoryRegion({ slot: id, flags, guestPhysAddr: gpa, memorySize: size, userspaceAddr: hva });
  slot(0, 0, 2 * MB)();
  const vcpu = vm.createVcpu(0);
  const rows: [string, () => unknown, number][] = [
    ["overlap", slot(1, 4096, 4096), EEXIST],
    ["overlap from below", slot(1, 2 * MB - 4096, 8192, ram + 4 * MB), EEXIST],
    ["size of half a page", slot(1, 4 * MB, 2048), EINVAL],
    ["negative size", slot(1, 4 * MB, -4096), EINVAL],
    ["size that is no number", slot(1, 4 * MB, Number.NaN), EINVAL],
    ["size without end", slot(1, 4 * MB, Infinity), EINVAL],
    ["more pages than a slot may have", slot(1, 2 ** 33, 2 ** 32 + 4096), EINVAL],
    ["end beyond the address width", slot(1, 2 ** 40 - 4096, 8192), EINVAL],
    ["unaligned guest address", slot(1, 4 * MB + 1, 4096), EINVAL],
    ["unaligned process address", slot(1, 4 * MB, 4096, ram + 8), EINVAL],
    ["slot 512", slot(512, 4 * MB, 4096), EINVAL],
    ["slot of half a number", slot(0.5, 4 * MB, 4096), EINVAL],
    ["flags", slot(1, 4 * MB, 4096, ram, 4), EINVAL],
    ["flags in a high bit", slot(1, 4 * MB, 4096, ram, 2 ** 32), EINVAL],
    ["another size", slot(0, 0, 4096), EINVAL],
    ["deletion of nothing", slot(7, 0, 0), EINVAL],
    ["vCPU that is there", () => vm.createVcpu(0), EEXIST],
    ["vCPU out of order", () => vm.createVcpu(5), EINVAL],
    ["vCPU that is no number", () => vm.createVcpu(Number.NaN), EINVAL],
    ["CPUs", () => vm.setMaxVcpus(1e9), EINVAL],
    ["CPUs after the first", () => vm.setMaxVcpus(2), EBUSY],
    ["machine type", () => system.createVm(7), EINVAL],
    ["second VM", () => system.createVm(), EBUSY],
    ["log of a slot without one", () => vm.getDirtyLog(0), ENOENT],
    ["log of slot -1", () => vm.getDirtyLog(-1), EINVAL],
    ["rings that are not there", () => vm.resetDirtyRings(), EINVAL],
    ["clock backwards past 0", () => vm.setClock(-1), EINVAL],
    ["clock that is no number", () => vm.setClock(Number.NaN), EINVAL],
    ["clock without end", () => vm.setClock(Infinity), EINVAL],
    ["identity map late", () => vm.setIdentityMapAddr(0), EINVAL],
    ["task state unaligned", () => vm.setTssAddr(1), EINVAL],
    ["task state below 0", () => vm.setTssAddr(-4096), EINVAL],
    ["capability", () => vm.enableCap("NOTHING", 1), EINVAL],
    ["flags of a capability", () => vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", 2 ** 32), EINVAL],
    ["rings late", () => vm.enableCap("DIRTY_LOG_RING", 65536), EINVAL],
    ["GSI", () => vm.irqLine(24, true), EINVAL],
    ["interrupt chips in the kernel", () => vcpu.interrupt(1), ENXIO],
    ["leaves", () => vcpu.setCpuid2(Array.from({ length: 1000 }, () => ({ leaf: 0, subleaf: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 }))), E2BIG],
    ["short image", () => vcpu.setXsave(new Uint8Array(511)), EINVAL],
    ["state of activity", () => vcpu.setMpState("asleep" as "halted"), EINVAL],
    ["XCR0 without x87", () => vcpu.setXcr0(2n), EINVAL],
    ["CR4 with reserved bits", () => vcpu.setSregs({ ...vcpu.getSregs(), cr4: 1n << 40n }), EINVAL],
    ["EFER with reserved bits", () => vcpu.setSregs({ ...vcpu.getSregs(), efer: 1n << 40n }), EINVAL],
    ["paging without protection", () => vcpu.setSregs({ ...vcpu.getSregs(), cr0: 1n << 31n }), EINVAL],
    ["three page-directory pointers", () => vcpu.setSregs({ ...vcpu.getSregs(), pdptrs: [0n, 0n, 0n] }), EINVAL],
    ["long mode without PAE", () => vcpu.setSregs({ ...vcpu.getSregs(), cr0: 0x80000011n, cr4: 0n, efer: 0x500n }), EINVAL],
    ["base of the APIC above the address width", () => vcpu.setSregs({ ...vcpu.getSregs(), apicBase: 1n << 60n }), EINVAL],
    ["debug register with a high bit", () => vcpu.setDebugRegs({ ...vcpu.getDebugRegs(), dr7: 1n << 32n }), EINVAL],
  ];
  for (const [what, act, errno] of rows) {
    const [code, message] = refusal(act);
    expect([what, code]).toEqual([what, errno]);
    expect(message).toMatch(/^[\w/]+: .+; .+/);
  }
});

/** mulberry32 */
function dice(seed: number) {
  let s = seed;
  return (n: number): number => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
  };
}
const NUMBERS = [0, 1, 2, 3, -1, 0.5, 7, 63, 64, 255, 256, 511, 512, 4095, 4096, 8192, 65536, MB, 2 * MB, 8 * MB, 0x80000000, 2 ** 32 - 1, 2 ** 32, 0xfee00000, 2 ** 40, 2 ** 52, 2 ** 53, -(2 ** 31), 1e300, Number.NaN, Infinity, -Infinity];
const BIGS = [0n, 1n, 2n, -1n, 0xffn, 0x1000n, 0x80000000n, 0xffffffffn, 1n << 32n, 1n << 40n, 1n << 47n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n, 1n << 64n, 1n << 80n, 0x80010031n, 0xd01n, 0x20n];
const TEXTS = ["", "MANUAL_DIRTY_LOG_PROTECT2", "DIRTY_LOG_RING", "__proto__", "toString", "halted", "runnable", "sipi", "x"];

function random(seed: number) {
  const roll = dice(seed),
    one = <T>(list: readonly T[]): T => list[roll(list.length)] as T,
    number = (): number => (roll(3) === 0 ? roll(0x10000) : one(NUMBERS)),
    big = (): bigint => (roll(3) === 0 ? BigInt(roll(0x7fffffff)) * 0x123457n : one(BIGS)),
    bytes = (): Uint8Array => new Uint8Array(one([0, 1, 8, 64, 511, 512, 576, 4096, 100000])).map(() => roll(256));
  const saved = (deep: number): Saved => {
    const kind = roll(deep > 3 ? 5 : 8);
    if (kind === 0) return null;
    if (kind === 1) return number();
    if (kind === 2) return big();
    if (kind === 3) return one(TEXTS);
    if (kind === 4) return roll(2) === 0;
    if (kind === 5) return bytes();
    if (kind === 6) return Array.from({ length: roll(5) }, () => saved(deep + 1));
    return Object.fromEntries(["version", "nmi", "shadow", "irr", "timer", "x"].filter(() => roll(2) === 0).map((k) => [k, saved(deep + 1)]));
  };
  /** A value like the one given, of which some parts are others. */
  const changed = <T>(value: T, deep = 0): T => {
    if (roll(deep === 0 ? 40 : 12) === 0 && typeof value === "object") return saved(1) as T;
    if (typeof value === "bigint") return (roll(4) === 0 ? big() : value) as T;
    if (typeof value === "number") return (roll(6) === 0 ? number() : value) as T;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return (roll(8) === 0 ? value.slice(1) : value.map((v) => changed(v, deep + 1))) as T;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, changed(v, deep + 1)])) as T;
  };
  /** The same, with parts of the right type alone: what a compiler lets through. */
  const typed = <T>(value: T): T => {
    if (typeof value === "bigint") return (roll(5) === 0 ? big() : value) as T;
    if (typeof value === "number") return (roll(8) === 0 ? number() : value) as T;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((v) => typed(v)) as T;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, typed(v)])) as T;
  };
  return { roll, one, number, big, bytes, saved, changed, typed };
}

type Opened = Awaited<ReturnType<typeof open>>;
function calls({ system, vm, ram }: Opened, vcpu: KvmVcpu, r: ReturnType<typeof random>): Record<string, () => unknown> {
  const { number, big, one, bytes, saved, changed, typed, roll } = r;
  return {
    createVm: () => system.createVm(number()),
    checkExtension: () => system.checkExtension(one(TEXTS)),
    setUserMemoryRegion: () =>
      vm.setUserMemoryRegion({
        slot: roll(2) ? roll(4) : number(),
        flags: roll(3) ? roll(4) : number(),
        guestPhysAddr: roll(2) ? roll(2048) * 4096 : number(),
        memorySize: roll(2) ? roll(1024) * 4096 : number(),
        userspaceAddr: roll(4) ? ram + roll(2048) * 4096 : number(),
      }),
    getDirtyLog: () => vm.getDirtyLog(roll(2) ? roll(4) : number()),
    clearDirtyLog: () => vm.clearDirtyLog(roll(2) ? roll(4) : number(), roll(2) ? roll(8) * 64 : number(), roll(2) ? roll(8) * 64 : number(), bytes()),
    setTssAddr: () => vm.setTssAddr(number()),
    setIdentityMapAddr: () => vm.setIdentityMapAddr(number()),
    irqLine: () => vm.irqLine(roll(2) ? roll(24) : number(), roll(2) === 0),
    setClock: () => vm.setClock(number()),
    enableCap: () => vm.enableCap(one(TEXTS), number()),
    createVcpu: () => vm.createVcpu(number()),
    setMaxVcpus: () => vm.setMaxVcpus(number()),
    createIrqchip: () => vm.createIrqchip(),
    createPit2: () => vm.createPit2(),
    restoreChips: () => vm.restoreChips(roll(2) ? saved(0) : changed(vm.chips.save())),
    setRegs: () => vcpu.setRegs(typed(vcpu.getRegs())),
    setSregs: () => vcpu.setSregs(typed(vcpu.getSregs())),
    setMsr: () => vcpu.setMsr(roll(2) ? one([0x10, 0x1b, 0x3b, 0x174, 0x277, 0x6e0, 0x808, 0xc0000080, 0xc0000100, 0xc0010117]) : number(), big()),
    getMsr: () => vcpu.getMsr(number()),
    setCpuid2: () => vcpu.setCpuid2(typed(system.getSupportedCpuid()).slice(roll(20))),
    setLapic: () => vcpu.setLapic(roll(2) ? saved(0) : changed(vcpu.getLapic())),
    interrupt: () => vcpu.interrupt(number()),
    nmi: () => vcpu.nmi(),
    setMpState: () => vcpu.setMpState(one(TEXTS) as "halted"),
    setEvents: () => vcpu.setEvents(roll(2) ? saved(0) : changed(vcpu.getEvents())),
    setDebugRegs: () => vcpu.setDebugRegs(typed(vcpu.getDebugRegs())),
    setXsave: () => vcpu.setXsave(bytes()),
    setXcr0: () => vcpu.setXcr0(big()),
    read: () => [vcpu.getRegs(), vcpu.getSregs(), vcpu.getDebugRegs(), vcpu.getEvents(), vcpu.getXsave(), vcpu.getXcr0(), vcpu.getMpState(), vcpu.getLapic(), vm.getClock()],
    reset: () => vcpu.reset(),
    enter: () => {
      vcpu.run.until = vm.getClock() + roll(2000);
      vcpu.run.immediateExit = roll(4) === 0;
      // What user space has been asked it answers, with anything.
      vcpu.run.io.data = roll(2 ** 31);
      vcpu.run.mmio.data = big();
      vcpu.enter();
    },
    other: () => {
      vcpu.run.until = number();
      vcpu.run.immediateExit = true;
      vcpu.enter();
    },
  };
}

test.each(hosts)("on %s with %o calls with random arguments are carried out or refused by a typed error", { timeout: 120_000 }, async (silicon, modprobe) => {
  for (let life = 0; life < 12; life++) {
    const r = random(life * 1000 + 1),
      opened = await open(silicon, modprobe, life % 4 !== 3),
      vcpu = opened.vm.createVcpu(0),
      all = calls(opened, vcpu, r),
      names = Object.keys(all);
    for (let n = 0; n < 400; n++) {
      const name = r.one(names);
      try {
        all[name]?.();
      } catch (error) {
        // The message is what tells the seed and the call.
        if (!(error instanceof VitrineError)) throw new Error(`life ${life}, call ${n}, ${name}: ${String(error)}`, { cause: error });
        expect(error.message).toMatch(/: .*; ./);
      }
    }
  }
});
