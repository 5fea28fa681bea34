import {
  type AccelVm, BytewiseMemory, type DebugRegs, type GuestMemory, type IoBus, type Regs, type RegionFlags, type Saved, type Sregs, type Stop,
  type VirtualClock, VitrineError,
} from "../base/index.ts";
import { HostComputer, type Task } from "../host/index.ts";
import type { CpuModel } from "../isa/index.ts";
import { type KvmStats, KvmExit, type KvmVcpu, type KvmVm, loadKvm, MEM_LOG_DIRTY_PAGES, MEM_READONLY, openKvm, type Trace } from "../kvm/uapi.ts";

export interface KvmOptions {
  readonly module: WebAssembly.Module;
  /** Bytes of RAM that GuestMemory.size reports. */
  readonly ramSize: number;
  /** Bytes of user memory in all: RAM, firmware, video memory. */
  readonly userMemory: number;
  readonly cpu: CpuModel;
  readonly seed?: bigint;
}

/** The largest machine: 3 GiB for the guest, and what the host needs to describe them. */
const MAX_USER_MEMORY = 3080 * 1024 * 1024;

interface Slot { readonly gpa: number; readonly size: number; readonly backing: number; readonly flags: RegionFlags }

/** Guest-physical memory as the process sees it: its own mapping, by slot. */
class MappedMemory extends BytewiseMemory {
  readonly #vm: KvmVm;
  readonly #host: HostComputer;
  readonly #task: Task;
  readonly #size: number;

  constructor(vm: KvmVm, host: HostComputer, task: Task, size: number) {
    super();
    this.#vm = vm;
    this.#host = host;
    this.#task = task;
    this.#size = size;
  }

  override get size(): number { return this.#size; }

  override read(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (pa, from, n) => {
      if (pa < 0) bytes.fill(0xff, from, from + n);
      else bytes.set(this.#host.memory.bytes(pa, n), from);
    });
  }

  override write(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (pa, from, n) => {
      if (pa >= 0) this.#host.memory.write(pa, bytes.subarray(from, from + n));
    });
  }

  #pages(gpa: number, length: number, use: (pa: number, from: number, n: number) => void): void {
    for (let from = 0; from < length; ) {
      const at = gpa + from, n = Math.min(length - from, 4096 - (at % 4096)), slot = this.#vm.space.slots.find(at);
      const hva = slot ? slot.hva + (at - slot.gpa) : 0, page = slot ? this.#task.mm.touch(hva) : undefined;
      use(page ? page.pa + (hva % page.size) : -1, from, n);
      from += n;
    }
  }
}

/** The accelerator "kvm": a process that opened /dev/kvm, and the outermost of the three nested loops. */
export class KvmAccel implements AccelVm {
  readonly id = "vm";
  readonly version = 1;
  readonly host: HostComputer;
  readonly task: Task;
  readonly vm: KvmVm;
  readonly vcpu: KvmVcpu;
  readonly memory: GuestMemory;
  readonly #ram: number;
  readonly #slots = new Map<number, Slot>();
  #bus: IoBus | undefined;
  #stopAsked = false;

  private constructor(host: HostComputer, options: KvmOptions) {
    this.host = host;
    this.task = host.fork("qemu");
    loadKvm(host, options.cpu);
    const system = openKvm(host, this.task);
    this.vm = system.createVm();
    this.vm.setIdentityMapAddr(0xfeffc000);
    this.vm.setTssAddr(0xfeffd000);
    this.vm.createIrqchip();
    this.vm.createPit2();
    this.#ram = this.task.mm.mmap(Math.ceil(options.userMemory / 4096) * 4096);
    this.vcpu = this.vm.createVcpu(0);
    this.vcpu.setCpuid2(system.getSupportedCpuid());
    this.memory = new MappedMemory(this.vm, host, this.task, options.ramSize);
    this.reset();
  }

  static async create(options: KvmOptions): Promise<KvmAccel> {
    if (options.userMemory > MAX_USER_MEMORY) throw new VitrineError("config", "memory", `${options.userMemory} bytes`, "give at most 3072 MiB (-m 3072)");
    const host = await HostComputer.create({
      module: options.module, memory: HostComputer.memoryFor(options.userMemory), cpu: options.cpu, ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
    return new KvmAccel(host, options);
  }

  get clock(): VirtualClock { return this.vm.clock; }
  get stats(): KvmStats { return this.vm.stats; }
  get trace(): Trace { return this.vm.trace; }

  attach(bus: IoBus): void { this.#bus = bus; }

  setRegion(slot: number, gpa: number, size: number, backing: number, flags: RegionFlags = {}): void {
    const old = this.#slots.get(slot), bits = (flags.log ? MEM_LOG_DIRTY_PAGES : 0) | (flags.readonly ? MEM_READONLY : 0);
    const region = (length: number) => ({ slot, flags: bits, guestPhysAddr: gpa, memorySize: length, userspaceAddr: this.#ram + backing });
    if (old && (size === 0 || old.size !== size || old.backing !== backing)) this.vm.setUserMemoryRegion(region(0));
    if (size === 0) { this.#slots.delete(slot); return; }
    this.vm.setUserMemoryRegion(region(size));
    this.#slots.set(slot, { gpa, size, backing, flags });
  }

  /** Dirty pages of a logged slot since the last call, one bit a page. */
  dirtyLog(slot: number): Uint8Array { return this.vm.getDirtyLog(slot); }
  /** The slots that are there, for a migration. */
  slots(): ReadonlyMap<number, Slot> { return this.#slots; }

  /** Architectural TLB misses and paging-structure reads so far, both stages. */
  counters(): { tlbMisses: number; walkRefs: number } { return this.host.counters(); }

  irqLine(gsi: number, level: boolean): void { this.vm.irqLine(gsi, level); }
  setHpetLegacy(on: boolean): void { this.vm.chips.pit?.setIrqEnabled(!on); }

  reset(): void {
    this.vm.chips.reset();
    this.vcpu.reset();
  }

  /** KVM_RUN until t, a stop, or an error: the loop that every user space of KVM has. */
  run(untilT: number): Stop {
    const { run } = this.vcpu;
    this.#stopAsked = false;
    run.until = untilT;
    run.immediateExit = false;
    for (;;) {
      switch (this.vcpu.enter()) {
        case KvmExit.IO: this.#io(); break;
        case KvmExit.MMIO: this.#mmio(); break;
        case KvmExit.INTR: return this.#stopAsked ? { kind: "stopped" } : { kind: "budget" };
        case KvmExit.HLT: return { kind: "halt" };
        case KvmExit.SHUTDOWN: return { kind: "shutdown" };
        case KvmExit.FAIL_ENTRY: return { kind: "error", message: `KVM: entry failed, reason 0x${run.failEntry.reason.toString(16)}, check ${run.failEntry.check}` };
        case KvmExit.INTERNAL_ERROR: return { kind: "error", message: `KVM: ${run.internal.message}` };
        default: return { kind: "error", message: `KVM: unknown exit ${run.exitReason}` };
      }
    }
  }

  #io(): void {
    const { io } = this.vcpu.run;
    if (io.write) this.#bus?.portWrite(io.port, io.size, io.data);
    else io.data = this.#bus?.portRead(io.port, io.size) ?? 0xffffffff;
  }
  #mmio(): void {
    const { mmio } = this.vcpu.run;
    if (mmio.write) this.#bus?.mmioWrite(mmio.physAddr, mmio.size, mmio.data);
    else mmio.data = this.#bus?.mmioRead(mmio.physAddr, mmio.size) ?? 0xffffffffffffffffn;
  }

  stop(): void {
    this.#stopAsked = true;
    this.vcpu.run.immediateExit = true;
  }

  regs(): Regs { return this.vcpu.getRegs(); }
  setRegs(regs: Regs): void { this.vcpu.setRegs(regs); }
  sregs(): Sregs { return this.vcpu.getSregs(); }
  setSregs(s: Sregs): void { this.vcpu.setSregs(s); }
  debugRegs(): DebugRegs { return this.vcpu.getDebugRegs(); }
  setDebugRegs(regs: DebugRegs): void { this.vcpu.setDebugRegs(regs); }
  msrs(indices: readonly number[]): (bigint | undefined)[] { return indices.map((i) => this.vcpu.getMsr(i)); }
  setMsr(index: number, value: bigint): boolean { return this.vcpu.setMsr(index, value); }
  xsave(): Uint8Array { return this.vcpu.getXsave(); }
  setXsave(image: Uint8Array): void { this.vcpu.setXsave(image); }
  events(): Saved { return this.vcpu.getEvents(); }
  setEvents(events: Saved): void { this.vcpu.setEvents(events); }
  mpState(): ReturnType<AccelVm["mpState"]> { return this.vcpu.getMpState(); }
  setMpState(state: ReturnType<AccelVm["mpState"]>): void { this.vcpu.setMpState(state); }

  save(): Saved { return this.vm.save(); }
  restore(state: Saved): void { this.vm.restore(state); }
}
