import {
  type AccelVm,
  type DebugRegs,
  type GuestMemory,
  type IoBus,
  type Regs,
  type RegionFlags,
  type UndefinedInstructions,
  restoreCpu,
  type Saved,
  saveCpu,
  SavedRecord,
  type Sregs,
  StateError,
  type Stop,
  Turns,
  type UserMemory,
  type VirtualClock,
  VitrineError,
} from "../base/index.ts";
import { type Irqchip, ioapicPins } from "../chips/index.ts";
import { type ComputerOptions, HostComputer, type Task, undefinedInstructions } from "../host/index.ts";
import type { CpuModel } from "../isa/index.ts";
import { enableLog, KvmDirtyLog, type UserSlot } from "./kvm-dirty-log.ts";
import { MappedMemory, ProcessMemory } from "./process-memory.ts";
import { SplitIrqchip } from "./split-irqchip.ts";
import { type UserChips, UserIrqchip, withoutLocalApic } from "./user-irqchip.ts";
import {
  type KvmStats,
  type ModuleParams,
  KvmExit,
  type KvmExitReason,
  type KvmRun,
  type KvmVcpu,
  type KvmVm,
  loadKvm,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  openKvm,
  type Trace,
} from "../kvm/uapi.ts";

export interface KvmOptions {
  /** Hot code is translated. */
  readonly translation?: ComputerOptions["translation"];
  readonly module: WebAssembly.Module;
  /** Bytes of RAM that GuestMemory.size reports. */
  readonly ramSize: number;
  /** Bytes of user memory in all: RAM, firmware, video memory. */
  readonly userMemory: number;
  readonly cpu: CpuModel;
  /** CPUs of the machine, 1 to 8, and of the computer that it runs on, 1 to 4 (of which no more are used than it has). */
  readonly cpus?: number | undefined;
  readonly hostCpus?: number | undefined;
  /** Whose processor KVM finds: VT-x or SVM. */
  readonly silicon?: "intel" | "amd";
  readonly seed?: bigint;
  /** Parameters of the modules kvm and kvm_intel. */
  readonly params?: ModuleParams;
  /** False leaves the PIT out. */
  readonly pit?: boolean;
  /** What becomes of ticks of the PIT that the guest has not taken in time: lost, or delivered later. */
  readonly lostTicks?: "delay" | "discard";
  /** Where the interrupt chips are: all in the kernel, none, or the local APIC alone. */
  readonly kernelIrqchip?: "on" | "off" | "split";
  /** Entries of a vCPU's ring of dirty pages; 0 or nothing: dirty pages come in bitmaps. */
  readonly dirtyRing?: number;
}

/** The largest machine: 3 GiB for the guest, and what the host needs to describe them. */
const MAX_USER_MEMORY = 3080 * 1024 * 1024;

const MAX_HOST_CPUS = 4;

/** The accelerator "kvm": a process that opened /dev/kvm, and the outermost of the three nested loops. */
export class KvmAccel implements AccelVm {
  patience = Infinity;
  readonly id = "vm";
  readonly version = 1;
  readonly host: HostComputer;
  readonly task: Task;
  readonly vm: KvmVm;
  readonly vcpus: readonly KvmVcpu[];
  /** The CPU that regs() and the like are about. */
  shown = 0;
  readonly memory: GuestMemory;
  readonly userMemory: UserMemory;
  readonly #process: ProcessMemory;
  readonly #ram: number;
  readonly #slots = new Map<number, UserSlot>();
  readonly #log: KvmDirtyLog;
  #bus: IoBus | undefined;
  #logging = false;
  #stopAsked = false;
  /** The interrupt chips, where they are not in the kernel. */
  readonly #user: UserChips | undefined;
  readonly #turns: Turns;
  #running = false;
  /** The vCPU in turn has interrupted another one: its turn is over. */
  #turnOver = false;

  private constructor(host: HostComputer, options: KvmOptions) {
    this.host = host;
    this.task = host.fork("qemu");
    loadKvm(host, options.cpu, options.params);
    const system = openKvm(host, this.task),
      cpus = options.cpus ?? 1;
    this.vm = system.createVm();
    this.vm.setMaxVcpus(cpus);
    const manual = enableLog(system, this.vm, options.dirtyRing ?? 0);
    this.#turns = new Turns(cpus, () => host.forgetPauses());
    this.vm.onKick = (cpu) => this.#called(cpu);
    this.vm.setIdentityMapAddr(0xfeffc000);
    this.vm.setTssAddr(0xfeffd000);
    const where = options.kernelIrqchip ?? "on",
      lapics = where !== "off";
    if (where === "on") {
      this.vm.createIrqchip();
      if (options.pit ?? true) this.vm.createPit2();
      if (options.lostTicks === "delay") this.vm.reinjectControl(true);
    } else {
      if (lapics) this.vm.enableCap("SPLIT_IRQCHIP", ioapicPins);
      const Chips = lapics ? SplitIrqchip : UserIrqchip;
      this.#user = new Chips({ vm: this.vm, vcpus: () => this.vcpus, cpus, pit: options.pit ?? true, called: (cpu) => this.#called(cpu) });
    }
    const bytes = Math.ceil(options.userMemory / 65536) * 65536;
    this.#ram = this.task.mm.mmap(bytes);
    this.#process = new ProcessMemory(host, this.task.mm, this.#ram, bytes);
    this.userMemory = this.#process;
    this.#log = new KvmDirtyLog({ vm: this.vm, vcpus: () => this.vcpus, process: this.#process, slots: this.#slots, manual });
    this.vcpus = Array.from({ length: cpus }, (_, cpu) => {
      const vcpu = this.vm.createVcpu(cpu);
      vcpu.setCpuid2(lapics ? system.getSupportedCpuid() : withoutLocalApic(system.getSupportedCpuid()));
      return vcpu;
    });
    this.memory = new MappedMemory(this.vm, this.#process, options.ramSize);
    this.reset();
  }

  static async create(options: KvmOptions): Promise<KvmAccel> {
    if (options.userMemory > MAX_USER_MEMORY)
      throw new VitrineError(
        "config",
        "memory",
        `${options.userMemory} bytes`,
        "give at most 3072 MiB (-m 3072)",
      );
    const host = await HostComputer.create({
      module: options.module,
      memory: HostComputer.memoryFor(options.userMemory, options.params?.tdp === false || options.params?.mmu === "auto"),
      cpu: options.cpu,
      cpus: Math.min(options.cpus ?? 1, options.hostCpus ?? MAX_HOST_CPUS),
      ...(options.silicon === undefined ? {} : { silicon: options.silicon }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      translation: options.translation,
    });
    return new KvmAccel(host, options);
  }

  get clock(): VirtualClock {
    return this.vm.clock;
  }
  /** Where the process has mapped user memory. */
  get userAddress(): number {
    return this.#ram;
  }
  /** The virtual CPU that is shown. */
  get vcpu(): KvmVcpu {
    const vcpu = this.vcpus[this.shown];
    if (!vcpu) throw new VitrineError("config", "CPU", String(this.shown), `give 0 to ${this.vcpus.length - 1}`);
    return vcpu;
  }
  get cpuCount(): number {
    return this.vcpus.length;
  }
  get stats(): KvmStats {
    return this.vm.stats;
  }
  get trace(): Trace {
    return this.vm.trace;
  }

  attach(bus: IoBus): void {
    this.#bus = bus;
  }

  setRegion(slot: number, gpa: number, size: number, backing: number, flags: RegionFlags = {}): void {
    const old = this.#slots.get(slot),
      bits = (flags.log || this.#logging ? MEM_LOG_DIRTY_PAGES : 0) | (flags.readonly ? MEM_READONLY : 0);
    const region = (length: number) => ({
      slot,
      flags: bits,
      guestPhysAddr: gpa,
      memorySize: length,
      userspaceAddr: this.#ram + backing,
    });
    // Entries of the ring name a slot: none is to be left when the slot goes.
    if (old) this.#log.harvest();
    if (old && (size === 0 || old.size !== size || old.backing !== backing))
      this.vm.setUserMemoryRegion(region(0));
    if (size === 0) {
      this.#slots.delete(slot);
      return;
    }
    this.vm.setUserMemoryRegion(region(size));
    this.#slots.set(slot, { gpa, size, backing, flags });
  }

  setDirtyLog(on: boolean): void {
    this.#logging = on;
    for (const [slot, { gpa, size, backing, flags }] of [...this.#slots])
      this.setRegion(slot, gpa, size, backing, flags);
    if (on) this.dirtyLog();
  }
  dirtyLog(): Uint8Array {
    return this.#log.take();
  }
  writtenPages(first: number, count: number): Uint8Array {
    return this.#log.written(first, count);
  }
  freshenDigests(limit: number): boolean {
    return this.host.digests.freshen(limit);
  }
  pageDigests(): Uint8Array {
    const slots = this.vm.space.slots.list;
    // A page that is read back lies on a frame whose digest is not known yet.
    for (const { hva, size } of slots) this.task.mm.swapIn(hva, size);
    this.host.digests.freshen(Infinity);
    const
      list = new Uint8Array(slots.reduce((sum, slot) => sum + (slot.size / 4096) * 32, 0));
    let at = 0;
    for (const { hva, size } of slots) {
      this.#process.digests(hva, size, list.subarray(at));
      at += (size / 4096) * 32;
    }
    return list;
  }
  sha256(...parts: Uint8Array[]): Uint8Array {
    return this.host.sha256(parts);
  }

  /** Architectural TLB misses and paging-structure reads so far, both stages. */
  undefinedInstructions(): UndefinedInstructions {
    return undefinedInstructions(this.host);
  }

  counters(): { tlbMisses: number; walkRefs: number } {
    return this.host.counters();
  }

  irqLine(gsi: number, level: boolean): void {
    if (this.#user) this.#user.chips.setGsi(gsi, level);
    else this.vm.irqLine(gsi, level);
  }
  setHpetLegacy(on: boolean): void {
    this.#chips.pit?.setIrqEnabled(!on);
  }

  setWallClock(seconds: number): void {
    this.vm.wallClock = seconds;
  }

  reset(): void {
    if (this.#user) this.#user.reset();
    else this.vm.chips.reset();
    this.#turns.reset(this.clock.now());
    for (const vcpu of this.vcpus) vcpu.reset();
  }

  /** KVM_RUN of whichever vCPU has its turn, until t, a stop, or an error. */
  run(untilT: number): Stop {
    const { clock } = this,
      turns = this.#turns,
      several = this.vcpus.length > 1;
    this.#stopAsked = false;
    const exitLimit = this.vm.stats.exits + this.patience;
    for (const { run } of this.vcpus) {
      run.immediateExit = false;
      run.exitLimit = exitLimit;
    }
    this.host.core.jit?.translate();
    for (;;) {
      if (several) {
        clock.runDue();
        if (this.#stopAsked) return { kind: "stopped" };
        const now = clock.now();
        if (now >= untilT || this.vm.stats.exits >= exitLimit) return { kind: "budget" };
        if (!turns.pick(now)) {
          const next = clock.next(),
            wake = Math.ceil(Math.min(next, untilT));
          if (wake === Infinity) return { kind: "halt" };
          // When all sleep, time skips to the next event.
          if (wake > now) this.vm.setClock(wake);
          if (wake >= next) turns.wakeAll();
          continue;
        }
        this.host.setPauseYields(turns.contended);
      }
      const vcpu = this.vcpus[turns.current] as KvmVcpu;
      vcpu.run.until = several ? Math.min(untilT, turns.end) : untilT;
      this.#running = true;
      const stop = this.#enter(vcpu);
      this.#running = false;
      if (this.#turnOver) {
        this.#turnOver = false;
        turns.yield(clock.now());
      }
      if (stop) return stop;
    }
  }

  /** One turn, or what a slice leaves of it: the loop that every user space of KVM has. Nothing: on with the next. */
  #enter(vcpu: KvmVcpu): Stop | undefined {
    const { run } = vcpu,
      several = this.vcpus.length > 1;
    vcpu.thread.blocked = false;
    for (;;) {
      const reason = this.#user ? this.#enterWith(this.#user, vcpu) : vcpu.enter();
      switch (reason) {
        case KvmExit.IO:
          this.#io(run);
          break;
        case KvmExit.MMIO:
          this.#mmio(run, vcpu.id);
          break;
        case KvmExit.INTR:
          if (!several) return this.#stopAsked ? { kind: "stopped" } : { kind: "budget" };
          if (run.yielded) this.#turns.yield(this.clock.now(), run.yieldTo);
          // A CPU cannot be interrupted behind STI or MOV SS: its turn ends one instruction later, whoever comes next.
          else if (this.clock.now() >= this.#turns.end && vcpu.shadowed) this.#turns.extend(this.clock.now());
          return undefined;
        case KvmExit.HLT:
          if (!several) return { kind: "halt" };
          vcpu.thread.blocked = true;
          this.#turns.sleep();
          return undefined;
        case KvmExit.DIRTY_RING_FULL:
          this.#log.harvest();
          break;
        case KvmExit.SHUTDOWN:
          return { kind: "shutdown" };
        case KvmExit.FAIL_ENTRY:
          return {
            kind: "error",
            message: `KVM: entry failed, reason 0x${run.failEntry.reason.toString(16)}, check ${run.failEntry.check}${run.failEntry.dump && `\n${run.failEntry.dump}`}`,
          };
        case KvmExit.INTERNAL_ERROR:
          return { kind: "error", message: `KVM: ${run.internal.message}` };
        default:
          return { kind: "error", message: `KVM: unknown exit ${run.exitReason}` };
      }
    }
  }

  /** KVM_RUN until there is something that is not about interrupts; what user space answers is completed at once. */
  #enterWith(user: UserChips, vcpu: KvmVcpu): KvmExitReason {
    const { run, id } = vcpu,
      until = run.until;
    // Its thread runs: what is asked of it below is asked on its CPU.
    vcpu.load();
    for (;;) {
      // It has interrupted another one, which is to have the turn at once.
      if (this.#turnOver) return KvmExit.INTR;
      const next = user.beforeRun(id, until, this.#stopAsked);
      if (next === "halt") return KvmExit.HLT;
      if (next === "budget") return KvmExit.INTR;
      let reason = vcpu.enter(),
        chips = user.afterRun(id, reason);
      while (reason === KvmExit.IO || reason === KvmExit.MMIO) {
        if (reason === KvmExit.IO) this.#io(run);
        else this.#mmio(run, id);
        user.beforeCompletion(id);
        run.immediateExit = true;
        reason = vcpu.enter();
        chips = user.afterRun(id, reason);
      }
      if (!chips && (reason !== KvmExit.INTR || run.yielded || this.vm.stats.exits >= run.exitLimit)) return reason;
    }
  }
  get #chips(): Irqchip {
    return this.#user?.chips ?? this.vm.chips;
  }

  /** Something has come for a vCPU: it does not sleep any more, and whoever spins may give way to it. */
  #called(cpu: number): void {
    this.#turns.wake(cpu);
    const { current } = this.#turns;
    if (!this.#running || cpu === current) return;
    this.host.setPauseYields(true);
    const run = this.vcpus[current]?.run;
    if (!run || !(this.vm.sending || this.#user?.chips.bus.sending)) return;
    this.#turns.call(cpu);
    this.#turnOver = true;
    run.until = this.clock.now();
  }

  #io({ io }: KvmRun): void {
    const chip = this.#user?.port(io.port);
    if (chip && io.write) chip.portWrite(io.port, io.size, io.data);
    else if (chip) io.data = chip.portRead(io.port, io.size);
    else if (io.write) this.#bus?.portWrite(io.port, io.size, io.data);
    else io.data = this.#bus?.portRead(io.port, io.size) ?? 0xffffffff;
  }
  #mmio({ mmio }: KvmRun, cpu: number): void {
    const chip = this.#user?.memory(cpu, mmio.physAddr);
    if (chip && mmio.write) chip.mmioWrite(mmio.physAddr & 0xfff, mmio.size, mmio.data);
    else if (chip) mmio.data = chip.mmioRead(mmio.physAddr & 0xfff, mmio.size);
    else if (mmio.write) this.#bus?.mmioWrite(mmio.physAddr, mmio.size, mmio.data);
    else mmio.data = this.#bus?.mmioRead(mmio.physAddr, mmio.size) ?? 0xffffffffffffffffn;
  }

  stop(): void {
    this.#stopAsked = true;
    for (const { run } of this.vcpus) run.immediateExit = true;
  }

  regs(): Regs {
    return this.vcpu.getRegs();
  }
  setRegs(regs: Regs): void {
    this.vcpu.setRegs(regs);
  }
  sregs(): Sregs {
    const s = this.vcpu.getSregs(),
      lapic = this.#user?.chips.lapics[this.shown];
    return lapic ? { ...s, cr8: BigInt(lapic.cr8), apicBase: lapic.base } : s;
  }
  setSregs(s: Sregs): void {
    this.vcpu.setSregs(s);
  }
  debugRegs(): DebugRegs {
    return this.vcpu.getDebugRegs();
  }
  setDebugRegs(regs: DebugRegs): void {
    this.vcpu.setDebugRegs(regs);
  }
  msrs(indices: readonly number[]): (bigint | undefined)[] {
    return indices.map((i) => this.vcpu.getMsr(i));
  }
  setMsr(index: number, value: bigint): boolean {
    return this.vcpu.setMsr(index, value);
  }
  xcr0(): bigint {
    return this.vcpu.getXcr0();
  }
  setXcr0(value: bigint): void {
    this.vcpu.setXcr0(value);
  }
  xsave(): Uint8Array {
    return this.vcpu.getXsave();
  }
  setXsave(image: Uint8Array): void {
    this.vcpu.setXsave(image);
  }
  events(): Saved {
    const events = this.vcpu.getEvents();
    return this.#user instanceof UserIrqchip ? this.#user.events(this.shown, events) : events;
  }
  setEvents(events: Saved): void {
    this.vcpu.setEvents(this.#user instanceof UserIrqchip ? this.#user.takeEvents(this.shown, events) : events);
  }
  mpState(): ReturnType<AccelVm["mpState"]> {
    return this.#user instanceof UserIrqchip && this.#user.halted(this.shown) ? "halted" : this.vcpu.getMpState();
  }
  setMpState(state: ReturnType<AccelVm["mpState"]>): void {
    const user = this.#user instanceof UserIrqchip ? this.#user : undefined;
    user?.setHalted(this.shown, state === "halted");
    this.vcpu.setMpState(user && state === "halted" ? "runnable" : state);
  }

  save(): Saved {
    // Interrupts whose end is offered to the guest in its memory: only a guest that was told of PV EOI has one.
    const offered = this.vcpus.map((vcpu) => (vcpu.paravirt.eoiOffered ? 1 : 0));
    return {
      cpus: this.#eachCpu(() => saveCpu(this)),
      irqchip: this.#chips.save(),
      t: this.clock.now(),
      ...(offered.includes(1) && { eoiOffered: offered }),
      ...(this.cpuCount > 1 && { turns: this.#turns.save(), pauses: this.host.savePauses() }),
    };
  }
  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state),
      t = record.time("t");
    if (t < 0 || t === Infinity) throw new StateError(this.id, `t ${t}`);
    const cpus = record.list("cpus", this.cpuCount);
    if ((record.optional("nested") ?? null) !== null)
      throw new StateError(this.id, "a guest that uses VT-x itself", "restore it with -accel tcg");
    for (const vcpu of this.vcpus) vcpu.abandon();
    this.vm.setClock(t);
    this.#eachCpu((cpu) => restoreCpu(this, cpus[cpu] ?? null));
    if (this.#user) this.#user.chips.restore(record.value("irqchip"));
    else this.vm.restoreChips(record.value("irqchip"));
    const offered = (record.optional("eoiOffered") ?? null) === null ? [] : record.ints("eoiOffered", this.cpuCount, 1);
    for (const [cpu, vcpu] of this.vcpus.entries()) vcpu.paravirt.eoiOffered = offered[cpu] === 1;
    if (this.cpuCount === 1) return;
    this.#turns.restore(record.value("turns"));
    this.host.restorePauses(record.value("pauses"));
  }
  /** Does something with each CPU as the one that is shown. */
  #eachCpu<T>(use: (cpu: number) => T): T[] {
    const before = this.shown;
    try {
      return this.vcpus.map((_, cpu) => {
        this.shown = cpu;
        return use(cpu);
      });
    } finally {
      this.shown = before;
    }
  }
}
