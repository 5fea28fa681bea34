import { VitrineError } from "../base/index.ts";
import { Core, featureIndex, layout, MAX_RAM, PageKind } from "../hw/index.ts";
import { type CpuModel, cpuidHas } from "../isa/index.ts";
import { FrameAllocator } from "./frames.ts";
import { HostMemory } from "./memory.ts";
import { AddressSpace } from "./mm.ts";

export interface ComputerOptions {
  readonly module: WebAssembly.Module;
  /** Bytes of physical memory. */
  readonly memory: number;
  /** The processor: what its CPUID says and which instructions it has. It has VT-x besides. */
  readonly cpu: CpuModel;
  /** Seed of RDRAND and RDSEED. */
  readonly seed?: bigint;
}

/** A node of /dev: what opening it gives. */
export type DeviceOpen = (task: Task) => unknown;

/** A process of the host. */
export interface Task {
  readonly name: string;
  readonly mm: AddressSpace;
}

/** Leaves whose answer depends on ECX. */
const INDEXED: ReadonlySet<number> = new Set([4, 7, 0xb, 0xd, 0x14, 0x8000001d]);

/**
 * The computer that KVM lives in: one processor with its memory, and of Linux what KVM leans on: frames, processes with
 * page tables, device nodes.
 */
export class HostComputer {
  readonly core: Core;
  readonly memory: HostMemory;
  readonly frames: FrameAllocator;
  readonly #devices = new Map<string, DeviceOpen>();

  private constructor(core: Core) {
    this.core = core;
    this.memory = new HostMemory(core);
    this.frames = new FrameAllocator(core.ramBytes, (pa, length) => this.memory.clear(pa, length));
  }

  static async create(options: ComputerOptions): Promise<HostComputer> {
    const bytes = Math.ceil(options.memory / 65536) * 65536;
    if (bytes > MAX_RAM) throw new VitrineError("config", "memory", `${bytes} bytes`, "give the guest at most 3072 MiB (-m 3072)");
    // The host is not made of code: nothing but a guest executes, and what a guest reaches outside memory exits first.
    const core = await Core.create(options.module, bytes, {
      portRead: () => 0xffffffff,
      portWrite: () => undefined,
      mmioRead: () => 0xffffffffffffffffn,
      mmioWrite: () => undefined,
      intAck: () => -1,
      msrRead: () => undefined,
      msrWrite: () => false,
      tprRead: () => 0,
      tprWrite: () => undefined,
    });
    core.map(0, bytes, PageKind.Ram);
    installCpuid(core, options.cpu);
    core.u64[layout.SEED / 8] = options.seed ?? 0x9e3779b97f4a7c15n;
    return new HostComputer(core);
  }

  /** Physical memory that a computer needs to give a process this much: its page tables and the second stage besides. */
  static memoryFor(userMemory: number): number {
    return userMemory + Math.ceil(userMemory / 128 / 65536) * 65536 + 0x600000;
  }

  /** Counters of the processor. */
  counters(): { tlbMisses: number; walkRefs: number } {
    const at = (a: number): number => Number(this.core.u64[a / 8] ?? 0n);
    return { tlbMisses: at(layout.N_TLB_MISS), walkRefs: at(layout.N_WALK_REFS) };
  }

  fork(name: string): Task { return { name, mm: new AddressSpace(this.memory, this.frames) }; }

  /** A module registers its node. */
  registerDevice(path: string, open: DeviceOpen): void { this.#devices.set(path, open); }

  open(path: string, task: Task): unknown {
    const open = this.#devices.get(path);
    if (!open) throw new VitrineError("ENOENT", path, "no such device", "load the module that makes it");
    return open(task);
  }
}

/** Writes the processor's CPUID table and the decoder's feature bytes. */
function installCpuid(core: Core, model: CpuModel): void {
  model.leaves.forEach((l, i) => {
    core.u32.set([l.leaf, l.subleaf, l.eax, l.ebx, l.ecx, l.edx, INDEXED.has(l.leaf) ? 1 : 0, 0], layout.CPUID_TABLE / 4 + i * 8);
  });
  core.u32[layout.CPUID_COUNT / 4] = model.leaves.length;
  for (const [name, index] of Object.entries(featureIndex)) core.u8[layout.FEATURES + index] = cpuidHas(model.leaves, name) ? 1 : 0;
  const sizes = model.leaves.find((l) => l.leaf === 0x80000008);
  core.exports.setPhysicalBits(sizes ? sizes.eax & 0xff : 36);
  core.exports.flushCode();
}
