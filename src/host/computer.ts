import { type Saved, VitrineError } from "../base/index.ts";
import { Core, type Environment, forgetPauses, FrameDigests, installCpuid, Jit, layout, MAX_RAM, PageKind, restorePauses, savePauses, sha256, type Translation } from "../hw/index.ts";
import { type CpuModel, cpuidFeature } from "../isa/index.ts";
import { FrameAllocator } from "./frames.ts";
import { HostMemory } from "./memory.ts";
import { AddressSpace } from "./mm.ts";
import { Scheduler } from "./sched.ts";

export interface ComputerOptions {
  readonly module: WebAssembly.Module;
  /** Bytes of physical memory. */
  readonly memory: number;
  /** The processor: what its CPUID says and which instructions it has. It has VT-x or SVM besides. */
  readonly cpu: CpuModel;
  /** Intel's virtualization, or AMD's. */
  readonly silicon?: "intel" | "amd";
  /** CPUs of the computer, 1 to 4. */
  readonly cpus?: number;
  /** Seed of RDRAND and RDSEED. */
  readonly seed?: bigint;
  /** Hot code of guests is translated. */
  readonly translation?: Translation | undefined;
}

/** A node of /dev: what opening it gives. */
export type DeviceOpen = (task: Task) => unknown;

/** A process of the host. */
export interface Task {
  readonly name: string;
  readonly mm: AddressSpace;
}

/**
 * The computer that KVM lives in: one to four processors with their memory, and of Linux what KVM leans on: frames, processes with
 * page tables, device nodes.
 */
export class HostComputer {
  readonly core: Core;
  readonly memory: HostMemory;
  readonly frames: FrameAllocator;
  readonly digests: FrameDigests;
  readonly silicon: "intel" | "amd";
  readonly scheduler: Scheduler;
  readonly #devices = new Map<string, DeviceOpen>();

  readonly #options: ComputerOptions;

  private constructor(core: Core, options: ComputerOptions) {
    this.core = core;
    this.#options = options;
    this.silicon = options.silicon ?? "intel";
    this.memory = new HostMemory(core);
    this.frames = new FrameAllocator(core.ramBytes, (pa, length) => this.memory.clear(pa, length));
    this.digests = new FrameDigests(core);
    this.scheduler = new Scheduler(options.cpus ?? 1, (cpu) => core.exports.selectCpu(cpu));
  }

  static async create(options: ComputerOptions): Promise<HostComputer> {
    const bytes = Math.ceil(options.memory / 65536) * 65536;
    if (bytes > MAX_RAM)
      throw new VitrineError(
        "config",
        "memory",
        `${bytes} bytes`,
        "give the guest at most 3072 MiB (-m 3072)",
      );
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
    if (options.translation) core.jit = new Jit(core, options.translation.stencils, { workshop: options.translation.workshop });
    installCpuid(core, options.silicon === "amd" ? withSvm(options.cpu) : withVmx(options.cpu));
    core.u64[layout.SEED / 8] = seedOf(options);
    return new HostComputer(core, options);
  }

  /** Physical memory that a computer needs to give a process this much: its page tables and the second stage besides, or shadow tables. */
  static memoryFor(userMemory: number, shadow = false): number {
    return userMemory + Math.ceil(userMemory / (shadow ? 32 : 128) / 65536) * 65536 + 0x600000;
  }

  /** A processor in software, of the model and with the instructions of the real one: its memory is what `environment` says. */
  emulatedProcessor(environment: Environment): Core {
    const core = Core.withImportedMemory(this.#options.module, environment);
    installCpuid(core, this.#options.cpu);
    return core;
  }

  /** Bits of a physical address, as CPUID says. */
  get physicalBits(): number {
    return (this.#options.cpu.leaves.find((l) => l.leaf === 0x80000008)?.eax ?? 36) & 0xff;
  }

  /** The turn of another CPU has begun. */
  forgetPauses(): void { forgetPauses(this.core); }
  /** The loop of PAUSEs that the CPU in turn is in. */
  savePauses(): Saved { return savePauses(this.core); }
  restorePauses(state: Saved): void { restorePauses(this.core, state); }
  /** Does a loop of PAUSEs end the turn of the CPU that executes it, since others wait for theirs? */
  setPauseYields(on: boolean): void {
    this.core.u32[layout.PAUSE_YIELDS / 4] = on ? 1 : 0;
  }

  /** Seed of RDRAND and RDSEED of a guest's CPU. */
  seed(cpu: number): bigint {
    return BigInt.asUintN(64, seedOf(this.#options) + BigInt(cpu));
  }

  /** Counters of the processor. */
  counters(): { tlbMisses: number; walkRefs: number } {
    const at = (a: number): number => Number(this.core.u64[a / 8] ?? 0n);
    return { tlbMisses: at(layout.N_TLB_MISS), walkRefs: at(layout.N_WALK_REFS) };
  }

  sha256(parts: readonly Uint8Array[]): Uint8Array {
    return sha256(this.core, parts);
  }
  /** Does the 4 KiB frame hold zeros only? */
  isZero(pa: number): boolean {
    return Boolean(this.core.exports.isZeroPage(layout.RAM + pa));
  }

  fork(name: string): Task {
    return { name, mm: new AddressSpace(this.memory, this.frames) };
  }

  /** A module registers its node. */
  registerDevice(path: string, open: DeviceOpen): void {
    this.#devices.set(path, open);
  }

  open(path: string, task: Task): unknown {
    const open = this.#devices.get(path);
    if (!open) throw new VitrineError("ENOENT", path, "no such device", "load the module that makes it");
    return open(task);
  }
}

const seedOf = (options: ComputerOptions): bigint => options.seed ?? 0x9e3779b97f4a7c15n;

/** The host's processor is the model and VT-x. */
function withVmx(model: CpuModel): CpuModel {
  const vmx = cpuidFeature("vmx");
  const leaves = model.leaves.map((l) =>
    l.leaf === vmx?.leaf ? { ...l, [vmx.register]: (l[vmx.register] | (1 << vmx.bit)) >>> 0 } : l,
  );
  return { ...model, leaves };
}

/** Nested paging, next-RIP save, decode assists, PAUSE filter with threshold ("SVM Feature Identification"). */
const SVM_LEAF = { leaf: 0x8000000a, subleaf: 0, eax: 1, ebx: 64, ecx: 0, edx: 0x1489 };
/** The host's processor is the model and SVM, without VT-x. */
function withSvm(model: CpuModel): CpuModel {
  const vmx = cpuidFeature("vmx"),
    svm = cpuidFeature("svm");
  const leaves = model.leaves
    .filter((l) => l.leaf !== SVM_LEAF.leaf)
    .map((l) => {
      if (l.leaf === vmx?.leaf) return { ...l, [vmx.register]: (l[vmx.register] & ~(1 << vmx.bit)) >>> 0 };
      return l.leaf === svm?.leaf ? { ...l, [svm.register]: (l[svm.register] | (1 << svm.bit)) >>> 0 } : l;
    });
  return { ...model, leaves: [...leaves, SVM_LEAF], asked: [...model.asked, "svm"] };
}
