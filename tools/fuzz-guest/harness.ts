// Runs the fuzzing guest (guests/fuzz.asm) on an engine and looks at the host while it does.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { guestImages } from "../../guests/build.ts";
import { assemble } from "../../src/isa/index.ts";
import { KvmAccel, Machine, type MachineStop } from "../../src/vmm/public.ts";
import { type Engine, openMachine } from "../engines/engines.ts";

/** Where the guest keeps what the harness writes and reads (guests/fuzz.asm). */
export const Word = { seed: 0x100020, allowed: 0x100028, steps: 0x100030, sum: 0x100038, taken: 0x100040 } as const;
const RAM = 16 << 20;
/** Instructions after which a guest that has taken no step is reset. */
export const WATCH = 100_000;
const SAMPLES = 8;
const MIB = 1 << 20;

/**
 * comparable: what the manuals leave to the processor is left out (translations that are used after their tables have
 * changed, real mode), and every engine has to come to the same sums. wild: everything.
 */
export type Mode = "comparable" | "wild";
/** Every step may be taken. */
export const ALL = 0x1fffffffn;
const WILD = 1n << 56n;

/** The bounds that the host keeps: what may be there after any run. */
export const bounds = {
  /** Growth of the JavaScript heap and of buffers over a run, once it has warmed up. */
  heap: 8 * MIB,
  /** The longest slice of 100,000 instructions, in milliseconds of the processor. */
  slice: 5000,
} as const;

export interface FuzzOptions {
  readonly mode: Mode;
  readonly seed: number;
  /** Instructions, without those of slices in which the guest stood still. */
  readonly instructions: number;
  /** Steps that may be taken; all when not given. */
  readonly allowed?: bigint;
  /** Keeps the sums of every slice, to find the first that differs. */
  readonly trail?: boolean;
  readonly watch?: number;
  readonly onProgress?: (instructions: number) => void;
}

export interface FuzzResult {
  readonly engine: string;
  instructions: number;
  steps: number;
  resets: number;
  /** How the guest's lives ended, by name. */
  readonly ends: Record<string, number>;
  /** Of everything the guest has seen, and of the machine's state at the end. */
  hash: string;
  readonly trail: string[];
  /** What the host has done wrong: nothing, if all is well. */
  readonly wrong: string[];
  exits: number;
  heapGrowth: number;
  /** Shadow tables at most, and the bound; of the second stage, where there is one. */
  tables: number;
  tableLimit: number;
  slowest: number;
  seconds: number;
}

const guests = fileURLToPath(new URL("../../guests/", import.meta.url));
let image: Uint8Array | undefined;
/** The fuzzing guest, assembled. */
export function fuzzGuest(root?: string): Uint8Array {
  const read = (name: string) => readFileSync(`${root === undefined ? guests : `${root}/guests/`}${name}`, "utf8");
  image ??= assemble(read("fuzz.asm"), read).bytes;
  return image;
}

let collect: (() => void) | undefined;
/** Bytes of JavaScript objects and of their buffers, after a collection. */
function heap(): number {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** splitmix64: the seed of the guest's n-th life. */
export function seedOf(seed: number, life: number): bigint {
  const M = (1n << 64n) - 1n;
  let z = (BigInt(seed) * 0x9e3779b97f4a7c15n + BigInt(life + 1) * 0xbf58476d1ce4e5b9n) & M;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & M;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & M;
  return (z ^ (z >> 31n)) | 1n;
}

export const options = (name: string, bytes: Uint8Array) => ({
  ramSize: RAM,
  kernel: { name, bytes },
  noReboot: true,
  vga: "std" as const,
  vgaBios: new Uint8Array(32 * 1024).fill(0x55),
  pciTestdev: true,
});

async function open(module: WebAssembly.Module, engine: Engine, root?: string) {
  const checked = engine.kvm && { ...engine, kvm: { ...engine.kvm, modprobe: { ...engine.kvm.modprobe, "kvm.mmu_check": "1" } } };
  return openMachine(module, checked ?? engine, options("fuzz", fuzzGuest(root)));
}
type Opened = Awaited<ReturnType<typeof open>>;

const view = new DataView(new ArrayBuffer(8));
export function read64(vm: Opened["vm"], at: number): bigint {
  const bytes = new Uint8Array(view.buffer);
  vm.memory.read(at, bytes);
  return view.getBigUint64(0, true);
}
export function write64(vm: Opened["vm"], at: number, value: bigint): void {
  view.setBigUint64(0, value, true);
  vm.memory.write(at, new Uint8Array(view.buffer).slice());
}

/** Runs the guest for so many instructions; what the host does wrong is in the result, nothing is thrown. */
export async function fuzz(module: WebAssembly.Module, engine: Engine, o: FuzzOptions, root?: string): Promise<FuzzResult> {
  const r: FuzzResult = {
    engine: engine.name, instructions: 0, steps: 0, resets: 0, ends: {}, hash: "", trail: [], wrong: [], exits: 0,
    heapGrowth: 0, tables: 0, tableLimit: 0, slowest: 0, seconds: 0,
  };
  const from = process.cpuUsage().user;
  let machine = await open(module, engine, root),
    life = 0,
    rolling = 0n,
    steps = 0n,
    warm = 0,
    sampled = 0;
  const allowed = (o.allowed ?? ALL) | (o.mode === "wild" ? WILD : 0n);
  const begin = (): void => {
    machine.machine.reset();
    write64(machine.vm, Word.seed, seedOf(o.seed, life++));
    write64(machine.vm, Word.allowed, allowed);
    write64(machine.vm, Word.steps, 0n);
    steps = 0n;
  };
  const wrong = (what: string): void => {
    if (r.wrong.length < 20) r.wrong.push(`${what} (life ${life - 1}, seed 0x${seedOf(o.seed, life - 1).toString(16)}, t ${machine.vm.clock.now()})`);
  };
  begin();
  while (r.instructions < o.instructions) {
    const t = machine.vm.clock.now(), began = process.cpuUsage().user;
    let stop: MachineStop;
    try {
      stop = machine.machine.run(t + (o.watch ?? WATCH));
    } catch (error) {
      wrong(`thrown: ${error instanceof Error ? error.stack?.split("\n").slice(0, 6).join(" | ") : String(error)}`);
      r.ends.thrown = (r.ends.thrown ?? 0) + 1;
      machine = await open(module, engine, root);
      begin();
      r.instructions += o.watch ?? WATCH;
      continue;
    }
    const took = (process.cpuUsage().user - began) / 1000;
    if (took > r.slowest) r.slowest = took;
    if (took > bounds.slice) wrong(`a slice took ${took.toFixed(0)} ms`);
    const now = read64(machine.vm, Word.steps), sum = read64(machine.vm, Word.sum), moved = now !== steps;
    rolling = BigInt.asUintN(64, rolling * 31n + sum + now * 7n + BigInt(machine.vm.clock.now()));
    if (o.trail) r.trail.push(`${life - 1} ${machine.vm.clock.now()} ${now} ${sum.toString(16)} ${stop.kind}`);
    if (moved) r.instructions += machine.vm.clock.now() - t;
    if (now > steps && now - steps < 1n << 32n) r.steps += Number(now - steps);
    steps = now;
    if (machine.vm instanceof KvmAccel) {
      // The bound goes up and down with the guest's memory: each is of this moment.
      const { shadow, tdp } = machine.vm.vm.space,
        tables = shadow ? shadow.tables : tdp.counts.tables,
        limit = shadow ? shadow.limit : SECOND_STAGE;
      r.tables = Math.max(r.tables, tables);
      r.tableLimit = Math.max(r.tableLimit, limit);
      if (tables > limit) wrong(`${tables} tables, at most ${limit}`);
    }
    if (stop.kind === "error") wrong(stop.message);
    if (stop.kind !== "budget" || !moved) {
      const name = stop.kind === "exit" ? stop.cause : stop.kind === "budget" ? "stood still" : stop.kind;
      r.ends[name] = (r.ends[name] ?? 0) + 1;
      r.resets++;
      begin();
    }
    const part = Math.floor((r.instructions / o.instructions) * SAMPLES);
    if (part > sampled) {
      sampled = part;
      const bytes = heap();
      if (part <= 2) warm = Math.max(bytes, warm);
      else r.heapGrowth = bytes - warm;
      o.onProgress?.(r.instructions);
    }
  }
  if (r.heapGrowth > bounds.heap) wrong(`the heap has grown by ${(r.heapGrowth / MIB).toFixed(1)} MiB`);
  r.hash = `${rolling.toString(16).padStart(16, "0")} ${machine.machine.stateHash().slice(0, 16)}`;
  r.exits = machine.vm instanceof KvmAccel ? machine.vm.stats.exits : 0;
  const after = ordinary(machine);
  if (after !== undefined) wrong(after);
  r.seconds = (process.cpuUsage().user - from) / 1e6;
  return r;
}

/** Tables that a second stage may need: 16 MiB of RAM, 16 MiB of video memory, ROMs, and the way there. */
const SECOND_STAGE = 32;

/** Another guest on the same host, in the memory that the fuzzing guest has left. Undefined: it did what it always does. */
function ordinary({ vm, machine }: Opened): string | undefined {
  machine.reset();
  let text = "";
  // Both processes run: paging, user mode and the timer work.
  const done = "A runs in ring 3\r\nB runs in ring 3";
  const next = new Machine(vm, {
    ramSize: RAM,
    kernel: { name: "hello64", bytes: guestImages().hello64 },
    noReboot: true,
    onSerial: (bytes) => {
      text += new TextDecoder("latin1").decode(bytes);
    },
  });
  for (let slices = 0; slices < 100 && !text.includes(done); slices++) {
    const stop = next.run(vm.clock.now() + 1_000_000);
    if (stop.kind !== "budget") return `hello64 afterwards: ${JSON.stringify(stop)}`;
  }
  return text.includes("space A: CR3 00200000, 40001000 -> 0020A000\r\n") && text.includes(done) ? undefined : `hello64 afterwards printed ${JSON.stringify(text)}`;
}
