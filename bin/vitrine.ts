// The command: QEMU's options, one machine, its serial port on standard input and output.
import { readFileSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { Translation } from "../src/hw/index.ts";
import { dirname, join } from "node:path";
import { parseCpu } from "../src/isa/index.ts";
import { TcgVm } from "../src/tcg/index.ts";
import { KvmAccel, type LabPlaces, LoadError, Machine, type MachineStop, type NamedImage, OptionError, Pace, parseModules, parseOptions, userMemorySize, type VitrineOptions } from "../src/vmm/public.ts";
import { VitrineError } from "../src/base/index.ts";
import { labCommand } from "./lab.ts";
import { UndefinedLog } from "./undefined-log.ts";

/** Guest instructions between looks at the outside world. */
const SLICE = 5_000_000;
/** VM exits between them. */
const PATIENCE = 20_000;
/** Milliseconds that a guest which has caught up with wall time waits: until its next event, within these. */
const LEAST_REST = 4, LONGEST_REST = 20;
/** Bytes of its own code that a function of translated code runs before V8 optimizes it; V8's 1,800,000 suit code that is loaded
 *  once, not code that has been found to be hot. Measured on a loaded machine, BOOTED under KVM, two turns: amd64 4.6 s with 600,000,
 *  4.5 and 4.7 with 200,000, 4.8 and 5.4 with V8's; i386 9.4 and 9.6, 9.6 and 10.7, 9.6 and 9.9. */
setFlagsFromString("--wasm-tiering-budget=500000");
const encoder = new TextDecoder("latin1");

/** @param kind a kernel is named as one: scripts of others look for that. */
function readImage(name: string | undefined, kind?: "kernel"): NamedImage | undefined {
  if (name === undefined) return undefined;
  try {
    return { name, bytes: new Uint8Array(readFileSync(name)) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code, why = code === "ENOENT" ? "does not exist" : `cannot be read (${code ?? "unknown error"})`;
    throw new LoadError(name, kind ? `could not open ${kind}: ${why}` : why, "give the path of a file");
  }
}

function writeStatistics(name: string, values: object): void {
  try {
    writeFileSync(name, `${JSON.stringify(values, null, 2)}\n`);
  } catch (error) {
    throw new LoadError(name, `cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`, "give -stats a file in a folder that exists");
  }
}

async function main(options: VitrineOptions): Promise<number> {
  if (options.show !== undefined) {
    process.stdout.write(options.show);
    return 0;
  }
  if (options.kernel === undefined && options.bios === undefined) {
    throw new OptionError("command line", "names nothing to run", "give -kernel FILE, or -bios FILE for firmware");
  }
  const kernel = readImage(options.kernel, "kernel");
  const multiboot = options.initrd?.includes(",") ?? false;
  const modules = multiboot && options.initrd ? parseModules(options.initrd).map((m) => ({ image: readImage(m.file) as NamedImage, commandLine: m.commandLine })) : undefined;
  const initrd = multiboot ? undefined : readImage(options.initrd);
  const bios = readImage(options.bios);
  const module = new WebAssembly.Module(readFileSync(new URL("core.wasm", import.meta.url)));
  const settings = {
    translation: options.jit ? translation() : undefined,
    module, ramSize: options.memory, userMemory: userMemorySize(options.memory, bios?.bytes.length ?? 0, options.vga), cpu: options.cpu ?? parseCpu("qemu64"),
    silicon: options.host, cpus: options.smp, hostCpus: options.hostCpus, pit: options.pit,
  };
  const vm = options.accel === "kvm" ? await KvmAccel.create({ ...settings, params: options.params, kernelIrqchip: options.kernelIrqchip, lostTicks: options.lostTicks, dirtyRing: options.dirtyRing }) : await TcgVm.create(settings);
  const core = vm instanceof KvmAccel ? vm.host.core : vm.core;
  if (core.jit?.failure !== undefined) complain(`vitrine: the interpreter runs alone: ${core.jit.failure}; \`npm run build:core\` makes both anew`);
  let recent = "", seen = false, midLine = false;
  const machine = new Machine(vm, {
    ramSize: options.memory, cpus: options.smp, kernel, initrd, modules, append: options.append, bios, nographic: options.nographic, bootMenu: options.bootMenu,
    noReboot: options.noReboot, debugExit: options.debugExit, pcTestdev: options.pcTestdev, pciTestdev: options.pciTestdev, hpet: options.hpet,
    vga: options.vga, vgaBios: vgaBiosOf(options), rtcBase: rtcSeconds(options.rtcBase),
    ...(options.debugcon === "stdio" ? { onDebug: (bytes: Uint8Array) => { process.stdout.write(bytes); } } : {}),
    onSerial: (bytes) => {
      if (options.serial === "stdio") {
        process.stdout.write(bytes);
        midLine = bytes.at(-1) !== 0x0a;
      }
      if (options.until === undefined || seen) return;
      recent = (recent + encoder.decode(bytes)).slice(-65536);
      seen = recent.includes(options.until);
    },
  });
  const started = process.hrtime.bigint();
  const stop = await loop(machine, vm, options, () => seen);
  if (options.stats) writeStatistics(options.stats, statistics(vm, Number(process.hrtime.bigint() - started) / 1e6));
  if (options.stateHash) process.stdout.write(`${midLine ? "\n" : ""}state-hash: ${machine.stateHash()}\n`);
  return statusOf(stop, options, seen);
}

/** The standard VGA's ROM lies beside the firmware that is to run it. */
function vgaBiosOf({ vga, bios }: VitrineOptions): Uint8Array | undefined {
  if (vga !== "std" || bios === undefined) return undefined;
  return readImage(join(dirname(bios), "vgabios-stdvga.bin"))?.bytes;
}

/** What it takes to translate, with a thread for it; without stencils the interpreter runs alone. */
function translation(): Translation | undefined {
  let stencils: Uint8Array;
  try {
    stencils = new Uint8Array(readFileSync(new URL("stencils.bin", import.meta.url)));
  } catch {
    complain("vitrine: build/stencils.bin is missing, the interpreter runs alone; `npm run build:core` makes it");
    return undefined;
  }
  const worker = new Worker(new URL("translator.mjs", import.meta.url));
  worker.unref();
  return { stencils, workshop: { post: (message, transfer) => worker.postMessage(message, transfer), listen: (arrived) => { worker.on("message", arrived); worker.unref(); } } };
}

/** Runs until the guest stops, -until text was seen, or -max-insns are reached. */
async function loop(machine: Machine, vm: TcgVm | KvmAccel, options: VitrineOptions, seen: () => boolean): Promise<MachineStop> {
  const input: Uint8Array[] = [];
  if (options.serial === "stdio") {
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.on("data", (chunk: Buffer) => input.push(new Uint8Array(chunk)));
    (process.stdin as { unref?: () => void }).unref?.();
  }
  vm.patience = PATIENCE;
  const log = options.logUnimplemented ? new UndefinedLog(() => vm.undefinedInstructions(), (line) => complain(line)) : undefined;
  // Someone who sits before the machine wants its clock to be his, and an idle guest to cost nothing.
  const pace = (options.pace ?? (process.stdin.isTTY ? "real" : "none")) === "real" ? new Pace(() => performance.now()) : undefined;
  pace?.start(vm.clock.now());
  for (;;) {
    const now = vm.clock.now(), until = pace ? pace.limit(now) : now + SLICE;
    if (until > now) {
      const started = performance.now(), stop = machine.run(Math.min(until, options.maxInsns));
      pace?.took(vm.clock.now() - now, performance.now() - started);
      log?.write();
      if (seen() || stop.kind !== "budget" || vm.clock.now() >= options.maxInsns) return stop;
      // Let standard input and signals in.
      await new Promise((resolve) => setImmediate(resolve));
    } else await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max((vm.clock.next() - now) / 1e6, LEAST_REST), LONGEST_REST)));
    const first = input[0];
    if (first) {
      const taken = machine.type(first);
      if (taken >= first.length) input.shift();
      else input[0] = first.subarray(taken);
    }
  }
}

function statusOf(stop: MachineStop, options: VitrineOptions, seen: boolean): number {
  if (seen) return 0;
  if (stop.kind === "exit") return stop.status;
  if (stop.kind === "budget") return options.until === undefined ? 0 : complain(`vitrine: -until ${JSON.stringify(options.until)}: not seen before -max-insns`);
  if (stop.kind === "shutdown") return options.noReboot ? 0 : complain("vitrine: the guest shut down by a triple fault");
  if (stop.kind === "error") return complain(`vitrine: internal error: ${stop.message}`);
  return options.until === undefined ? 0 : complain(`vitrine: -until ${JSON.stringify(options.until)}: not seen before the guest halted for ever`);
}

function complain(line: string): number {
  process.stderr.write(`${line}\n`);
  return 1;
}

function rtcSeconds(base: string): number {
  if (base === "utc" || base === "localtime") {
    const now = new Date();
    return Math.floor(now.getTime() / 1000) - (base === "localtime" ? now.getTimezoneOffset() * 60 : 0);
  }
  return Math.floor(Date.parse(base.includes("T") ? `${base}Z` : `${base}T00:00:00Z`) / 1000);
}

function statistics(vm: TcgVm | KvmAccel, wallMs: number): Record<string, number | Record<string, number>> {
  const { tlbMisses, walkRefs } = vm.counters(), t = vm.clock.now();
  const kvm = vm instanceof KvmAccel ? vm : undefined, counts = kvm?.vm.space.tdp.counts, exits = kvm?.stats.byReason() ?? {};
  return {
    instructions: t, virtual_ns: t, wall_ms: Math.round(wallMs), exits, exits_total: kvm?.stats.exits ?? 0, exits_user: kvm?.stats.userExits ?? 0,
    tlb_misses: tlbMisses, walk_refs: walkRefs, ept_violations: kvm ? (exits[kvm.stats.names.secondStage] ?? 0) : 0, ...(kvm && kvm.cpuCount > 1 ? placement(kvm) : {}), ...(kvm && kvm.stats.mmu.switches + kvm.stats.mmu.faults > 0 ? { mmu: { ...kvm.stats.mmu } } : {}), pages_mapped: counts ? counts.pages4k + counts.pages2m * 512 : 0,
  };
}

/** Where vCPUs ran, and what leaving their state in the processor has saved: a store and a load for each exit but these. */
function placement({ stats, host: { scheduler } }: KvmAccel): Record<string, number> {
  return {
    host_cpus: scheduler.cpus, host_state_reloads: stats.hostStateReloads, state_switches_spared: stats.exits - stats.hostStateReloads,
    vcpu_migrations: stats.vcpuMigrations, preemptions: scheduler.preemptions,
  };
}

/** Machines for labs. */
function labPlaces(): LabPlaces {
  const module = new WebAssembly.Module(readFileSync(new URL("core.wasm", import.meta.url)));
  const settings = (ramSize: number) => ({ module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64") });
  return { bare: (ramSize) => TcgVm.create(settings(ramSize)), ept: (ramSize) => KvmAccel.create(settings(ramSize)) };
}

try {
  const args = process.argv.slice(2);
  process.exitCode = args[0] === "lab" ? await labCommand(args.slice(1), labPlaces()) : await main(parseOptions(args));
  if (process.stdin.isTTY) process.stdin.setRawMode(false);
} catch (error) {
  if (!(error instanceof OptionError || error instanceof VitrineError)) throw error;
  process.exitCode = complain(`vitrine: ${error.message}`);
}
process.stdin.destroy();
