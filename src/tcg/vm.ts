import {
  type AccelVm, restoreCpu, saveCpu, SavedRecord, type UserMemory, BytewiseMemory, type DebugRegs, type GuestMemory, type IoBus, type MmioValue, type Regs, type RegionFlags, type Saved, type Sregs, type Stop, Turns,
  StateError, type UndefinedInstructions, VirtualClock, VitrineError,
} from "../base/index.ts";
import { I8254, I8259, Irqchip, type Lapic } from "../chips/index.ts";
import * as hw from "../hw/index.ts";
import { Core, FrameDigests, FrameMark, layout, PageKind } from "../hw/index.ts";
import type { CpuModel } from "../isa/index.ts";
import { installCpuid } from "./cpuid.ts";
import { readEvents, readNested, writeEvents, writeNested } from "./state.ts";
import { CoreMemory } from "./memory.ts";

export interface TcgOptions {
  readonly module: WebAssembly.Module;
  /** Bytes of RAM that GuestMemory.size reports. */
  readonly ramSize: number;
  /** Bytes of user memory in all: RAM, firmware, video memory. */
  readonly userMemory: number;
  readonly cpu: CpuModel;
  /** Seed of RDRAND and RDSEED. */
  readonly seed?: bigint;
  /** CPUs, 1 to 8. */
  readonly cpus?: number | undefined;
  /** Hot code is translated. */
  readonly translation?: hw.Translation | undefined;
  /** False leaves the PIT out. */
  readonly pit?: boolean;
}

const IOAPIC_PAGE = 0xfec00000;
/** ACTIVITY of a CPU that waits for its start. */
const WAIT_FOR_SIPI = 3;
const MAX_SLICE = 0x3fffffff;
const CHIP_PORTS: readonly number[] = [...I8259.ports, ...I8254.ports];

interface Slot { readonly gpa: number; readonly size: number; readonly backing: number; readonly flags: RegionFlags }

/** Guest physical memory through the core's own map, so that aliases and ROM are what the CPU sees. */
class MappedMemory extends BytewiseMemory {
  readonly #core: Core;
  readonly #size: number;

  constructor(core: Core, size: number) {
    super();
    this.#core = core;
    this.#size = size;
  }

  override get size(): number {
    return this.#size;
  }

  override read(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (at, from, n) => {
      if (at < 0) bytes.fill(0xff, from, from + n);
      else bytes.set(this.#core.u8.subarray(at, at + n), from);
    });
  }

  override write(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (at, from, n) => {
      if (at < 0) return;
      this.#core.exports.written(at, n);
      this.#core.u8.set(bytes.subarray(from, from + n), at);
    });
  }

  #pages(gpa: number, length: number, use: (at: number, from: number, n: number) => void): void {
    for (let from = 0; from < length; ) {
      const n = Math.min(length - from, 4096 - ((gpa + from) & 4095));
      use(this.#core.offsetOf(gpa + from), from, n);
      from += n;
    }
  }
}

/** Virtual CPUs on bare hardware, with the interrupt chips a machine of QEMU's has in its chipset. */
export class TcgVm implements AccelVm {
  patience = Infinity;
  readonly id = "vm";
  readonly version = 1;
  readonly core: Core;
  readonly clock: VirtualClock;
  readonly memory: GuestMemory;
  readonly userMemory: UserMemory;
  readonly chips: Irqchip;
  /** CPUs of the machine. */
  readonly cpuCount: number;
  /** The CPU that regs() and the like are about. */
  shown = 0;
  readonly #turns: Turns;
  readonly #slots = new Map<number, Slot>();
  readonly #digests: FrameDigests;
  #bus: IoBus | undefined;
  #running = false;
  #stopAsked = false;
  /** The CPU in turn has interrupted another one: its turn is over. */
  #turnOver = false;

  private constructor(core: Core, options: TcgOptions, wire: (vm: TcgVm) => void) {
    this.core = core;
    this.cpuCount = options.cpus ?? 1;
    this.#turns = new Turns(this.cpuCount, () => hw.forgetPauses(core));
    this.clock = new VirtualClock(() => core.exports.clock());
    this.clock.onEarlier = (t) => {
      if (this.#running) core.exports.shorten(t);
    };
    this.memory = new MappedMemory(core, options.ramSize);
    this.userMemory = new CoreMemory(core);
    this.#digests = new FrameDigests(core);
    this.chips = new Irqchip({
      clock: this.clock,
      cpus: this.cpuCount,
      pit: options.pit ?? true,
      signals: {
        nmi: (cpu) => this.#signal(cpu, layout.NMI),
        smi: (cpu) => this.#signal(cpu, layout.SMI),
        init: (cpu) => this.#signal(cpu, layout.INIT),
        startUp: (cpu, vector) => this.#startUp(cpu, vector),
      },
      onChange: (cpu) => this.#lineChanged(cpu),
    });
    wire(this);
    installCpuid(core, options.cpu);
    for (let cpu = 0; cpu < this.cpuCount; cpu++) {
      core.exports.selectCpu(cpu);
      core.u64[layout.SEED / 8] = BigInt.asUintN(64, (options.seed ?? 0x9e3779b97f4a7c15n) + BigInt(cpu));
    }
    this.reset();
  }

  static async create(options: TcgOptions): Promise<TcgVm> {
    let vm: TcgVm | undefined;
    const self = (): TcgVm => {
      if (!vm) throw new VitrineError("internal", "tcg", "used before it was made", "report this");
      return vm;
    };
    const bytes = Math.ceil(options.userMemory / 65536) * 65536;
    if (bytes > hw.MAX_RAM) throw new VitrineError("config", "memory", `${bytes} bytes`, "give at most 3072 MiB (-m 3072)");
    const core = await Core.create(options.module, bytes, {
      portRead: (port, size) => self().#portRead(port, size),
      portWrite: (port, size, value) => self().#portWrite(port, size, value),
      mmioRead: (address, size) => self().#mmioRead(address, size),
      mmioWrite: (address, size, value) => self().#mmioWrite(address, size, value),
      intAck: () => self().#acknowledge(),
      msrRead: (index) => self().#msrRead(index),
      msrWrite: (index, value) => self().#msrWrite(index, value),
      tprRead: () => self().chips.readCr8(self().#cpu),
      tprWrite: (value) => self().chips.writeCr8(self().#cpu, value),
    });
    if (options.translation) core.jit = new hw.Jit(core, options.translation.stencils, { workshop: options.translation.workshop });
    return new TcgVm(core, options, (made) => { vm = made; });
  }

  attach(bus: IoBus): void {
    this.#bus = bus;
  }

  setRegion(slot: number, gpa: number, size: number, backing: number, flags: RegionFlags = {}): void {
    const old = this.#slots.get(slot);
    if (old) {
      this.core.map(old.gpa, old.size, PageKind.Device);
      this.#slots.delete(slot);
    }
    if (size > 0) {
      this.#slots.set(slot, { gpa, size, backing, flags });
      this.core.map(gpa, size, flags.readonly ? PageKind.Rom : PageKind.Ram, backing);
    }
    // Decoded code is keyed by physical address, and so are translations to frames.
    this.core.exports.flushCode();
    this.core.exports.flushTlb();
  }

  setHpetLegacy(on: boolean): void {
    this.chips.pit?.setIrqEnabled(!on);
  }

  irqLine(gsi: number, level: boolean): void {
    this.chips.setGsi(gsi, level);
  }

  reset(): void {
    this.chips.reset();
    this.#turns.reset(this.clock.now());
    for (let cpu = this.cpuCount - 1; cpu >= 0; cpu--) {
      this.#resetCpu(cpu);
      // RESET begins the TSC at 0, INIT leaves it ("Processor State After Reset").
      this.core.u64[layout.TSC_OFFSET / 8] = BigInt.asUintN(64, BigInt(-this.clock.now()));
    }
  }

  /** RESET, or INIT: all but the first wait for a SIPI. */
  #resetCpu(cpu: number): void {
    const { core } = this;
    core.exports.selectCpu(cpu);
    hw.resetRegisters(core);
    core.u64[layout.APIC_BASE / 8] = this.chips.lapics[cpu]?.base ?? 0n;
    if (cpu > 0) core.u32[layout.ACTIVITY / 4] = WAIT_FOR_SIPI;
  }

  run(untilT: number): Stop {
    const { core, clock } = this, turns = this.#turns, several = this.cpuCount > 1;
    this.#stopAsked = false;
    for (;;) {
      clock.runDue();
      if (this.#stopAsked) return { kind: "stopped" };
      const now = clock.now();
      if (now >= untilT) return { kind: "budget" };
      if (!turns.pick(now)) {
        const next = clock.next(), wake = Math.ceil(Math.min(next, untilT));
        if (wake === Infinity) return { kind: "halt" };
        // When all sleep, time skips to the next event.
        if (wake > now) core.exports.setClock(wake);
        if (!several || wake >= next) turns.wakeAll();
        continue;
      }
      const budget = Math.min(untilT, clock.next(), several ? turns.end : Infinity) - now;
      if (budget <= 0) continue;
      core.exports.selectCpu(turns.current);
      core.u32[layout.PAUSE_YIELDS / 4] = turns.contended ? 1 : 0;
      this.#running = true;
      const reason = core.exports.run(Math.min(Math.ceil(budget), MAX_SLICE));
      this.#running = false;
      if (this.#turnOver) {
        this.#turnOver = false;
        turns.yield(clock.now());
      }
      core.jit?.translate();
      switch (reason) {
        case hw.Stop.Budget:
          // As for KVM, whose host cannot interrupt a guest behind STI or MOV SS.
          if (several && clock.now() >= turns.end && core.u32[layout.SHADOW / 4]) turns.extend(clock.now());
          break;
        case hw.Stop.Yield: turns.yield(clock.now()); break;
        case hw.Stop.Halt: turns.sleep(); break;
        case hw.Stop.Shutdown: return { kind: "shutdown" };
        case hw.Stop.Init: this.#init(turns.current); break;
        case hw.Stop.Request:
          // A guest that faults for ever retires nothing; its clock goes on all the same.
          core.exports.setClock(clock.now() + 10000);
          break;
        case hw.Stop.WaitSipi:
          if (!several) return { kind: "halt" };
          if (!this.#start()) turns.sleep();
          break;
        default: return { kind: "error", message: `the core stopped with reason ${reason}` };
      }
    }
  }

  /** INIT: the boot processor goes on at its reset vector, another one waits; a SIPI that has come since is kept. */
  #init(cpu: number): void {
    const at = layout.SIPI / 4, sipi = this.core.u32[at] ?? 0;
    this.chips.lapics[cpu]?.initReset();
    this.#resetCpu(cpu);
    this.core.u32[at] = sipi;
  }
  /** A CPU in wait-for-SIPI: starts at the page that the SIPI names, if one has come ("MP Initialization"). */
  #start(): boolean {
    const { core } = this, vector = (core.u32[layout.SIPI / 4] ?? 0) - 1;
    if (vector < 0) return false;
    core.u32[layout.SIPI / 4] = 0;
    core.u32[layout.ACTIVITY / 4] = 0;
    hw.writeSegment(core, 1, { ...hw.readSegment(core, 1), selector: vector << 8, base: BigInt(vector << 12) });
    core.u64[layout.RIP / 8] = 0n;
    core.exports.updateMode();
    return true;
  }

  stop(): void {
    this.#stopAsked = true;
    if (this.#running) this.core.exports.shorten(this.clock.now() + 1);
  }

  /** The CPU that is selected: while run() is on its way, the one that runs. */
  get #cpu(): number { return this.core.exports.selectedCpu(); }
  /** The core, with the CPU that is shown selected. */
  get #shown(): Core {
    this.core.exports.selectCpu(this.shown);
    return this.core;
  }
  #lapic(): Lapic | undefined { return this.chips.lapics[this.#cpu]; }

  regs(): Regs { return hw.readRegs(this.#shown); }
  setRegs(regs: Regs): void { hw.writeRegs(this.#shown, regs); }
  sregs(): Sregs { return { ...hw.readSregs(this.#shown), cr8: BigInt(this.chips.readCr8(this.shown)), apicBase: this.#lapic()?.base ?? 0n }; }
  setSregs(s: Sregs): void {
    hw.writeSregs(this.#shown, s);
    this.#setApicBase(s.apicBase);
    this.chips.writeCr8(this.shown, Number(s.cr8));
  }
  debugRegs(): DebugRegs { return hw.readDebugRegs(this.#shown); }
  setDebugRegs(regs: DebugRegs): void { hw.writeDebugRegs(this.#shown, regs); }
  msrs(indices: readonly number[]): (bigint | undefined)[] {
    const core = this.#shown;
    return indices.map((i) => {
      const v = core.exports.readMsr(i, 1);
      return core.exports.msrFault() ? undefined : BigInt.asUintN(64, v);
    });
  }
  setMsr(index: number, value: bigint): boolean {
    this.#shown.exports.writeMsr(index, value, 1);
    return !this.core.exports.msrFault();
  }
  xcr0(): bigint { return this.#shown.u64[layout.XCR0 / 8] ?? 0n; }
  setXcr0(value: bigint): void { this.#shown.u64[layout.XCR0 / 8] = value; }
  xsave(): Uint8Array { return hw.readXsave(this.#shown); }
  setXsave(image: Uint8Array): void { hw.writeXsave(this.#shown, image); }

  /** Architectural TLB misses and paging-structure reads so far. */
  counters(): { tlbMisses: number; walkRefs: number } {
    const at = (a: number): number => Number(this.core.u64[a / 8] ?? 0n);
    return { tlbMisses: at(layout.N_TLB_MISS), walkRefs: at(layout.N_WALK_REFS) };
  }

  undefinedInstructions(): UndefinedInstructions { return hw.readUndefined(this.core); }

  events(): Saved { return readEvents(this.#shown); }
  setEvents(events: Saved): void { writeEvents(this.#shown, events); }
  mpState(): "runnable" | "uninitialized" | "halted" {
    const activity = this.#shown.u32[layout.ACTIVITY / 4];
    return activity === 1 ? "halted" : activity === 3 ? "uninitialized" : "runnable";
  }
  setMpState(state: "runnable" | "uninitialized" | "init" | "sipi" | "halted"): void {
    this.#shown.u32[layout.ACTIVITY / 4] = state === "halted" ? 1 : state === "runnable" ? 0 : WAIT_FOR_SIPI;
  }

  setDirtyLog(on: boolean): void {
    if (on) this.dirtyLog();
  }
  dirtyLog(): Uint8Array { return hw.takeFrames(this.core, FrameMark.dirtyUser, this.userMemory.pages); }
  writtenPages(first: number, count: number): Uint8Array { return hw.takeFrames(this.core, FrameMark.dirtyRegion, count, first); }
  freshenDigests(limit: number): boolean { return this.#digests.freshen(limit); }
  pageDigests(): Uint8Array {
    this.#digests.freshen(Infinity);
    const slots = [...this.#slots.values()].sort((a, b) => a.gpa - b.gpa);
    const list = new Uint8Array(slots.reduce((sum, slot) => sum + (slot.size / 4096) * 32, 0));
    let at = 0;
    for (const { size, backing } of slots) {
      const run = this.#digests.run(backing / 4096, size / 4096);
      list.set(run, at);
      at += run.length;
    }
    return list;
  }
  sha256(...parts: Uint8Array[]): Uint8Array { return hw.sha256(this.core, parts); }

  save(): Saved {
    const cpus = this.#eachCpu(() => saveCpu(this)), [nested, ...others] = this.#eachCpu(() => readNested(this.#shown));
    return {
      cpus, ...(nested && { nested }), irqchip: this.chips.save(), t: this.clock.now(),
      ...(this.cpuCount > 1 && { turns: this.#turns.save(), pauses: hw.savePauses(this.core) }), ...(others.some((n) => n) && { nestedOthers: others }),
    };
  }
  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state), t = record.time("t");
    if (t < 0 || t === Infinity) throw new StateError(this.id, `t ${t}`);
    const cpus = record.list("cpus", this.cpuCount);
    const others = record.optional("nestedOthers") === null ? [] : record.list("nestedOthers", this.cpuCount - 1);
    this.core.exports.flushCode();
    this.core.exports.setClock(t);
    this.#eachCpu((cpu) => {
      restoreCpu(this, cpus[cpu] ?? null);
      writeNested(this.#shown, cpu === 0 ? record.optional("nested") : (others[cpu - 1] ?? null));
    });
    this.chips.restore(record.value("irqchip"));
    this.#eachCpu((cpu) => {
      this.#shown.u64[layout.APIC_BASE / 8] = this.chips.lapics[cpu]?.base ?? 0n;
      this.#lineChanged(cpu);
    });
    if (this.cpuCount === 1) return;
    this.#turns.restore(record.value("turns"));
    hw.restorePauses(this.core, record.value("pauses"));
  }
  /** Does something with each CPU as the one that is shown. */
  #eachCpu<T>(use: (cpu: number) => T): T[] {
    const before = this.shown;
    try {
      return Array.from({ length: this.cpuCount }, (_, cpu) => {
        this.shown = cpu;
        return use(cpu);
      });
    } finally {
      this.shown = before;
    }
  }

  #word(cpu: number, at: number): number { return this.core.exports.stateOf(cpu, at) / 4; }
  #signal(cpu: number, at: number, value = 1): void {
    this.core.u32[this.#word(cpu, at)] = value;
    this.#called(cpu);
  }
  /** A SIPI is nothing but to a CPU that waits for it, or will as soon as it takes its INIT. */
  #startUp(cpu: number, vector: number): void {
    const { u32 } = this.core;
    if (u32[this.#word(cpu, layout.ACTIVITY)] === WAIT_FOR_SIPI || u32[this.#word(cpu, layout.INIT)]) this.#signal(cpu, layout.SIPI, vector + 1);
  }
  #lineChanged(cpu: number): void {
    this.core.u32[this.#word(cpu, layout.INTR)] = this.chips?.pendingInterrupt(cpu) ? 1 : 0;
    this.#called(cpu);
  }
  /** There is something for a CPU to look at: at its next boundary, or when its turn comes. */
  #called(cpu: number): void {
    this.#turns.wake(cpu);
    if (!this.#running) return;
    if (cpu === this.#cpu) {
      this.core.exports.attention();
      return;
    }
    this.core.u32[layout.PAUSE_YIELDS / 4] = 1;
    if (!this.chips.bus.sending) return;
    this.#turns.call(cpu);
    this.#turnOver = true;
    this.core.exports.shorten(this.clock.now() + 1);
  }
  #acknowledge(): number {
    const cpu = this.#cpu;
    return this.chips.pendingInterrupt(cpu) ? this.chips.acknowledge(cpu) : -1;
  }

  #portRead(port: number, size: number): number {
    const n = size as 1 | 2 | 4;
    if (CHIP_PORTS.includes(port)) return I8259.ports.includes(port) ? this.chips.pic.portRead(port, n) : (this.chips.pit?.portRead(port, n) ?? 0xff);
    return this.#bus?.portRead(port, n) ?? 0xffffffff;
  }

  #portWrite(port: number, size: number, value: number): void {
    const n = size as 1 | 2 | 4;
    if (!CHIP_PORTS.includes(port)) this.#bus?.portWrite(port, n, value);
    else if (I8259.ports.includes(port)) this.chips.pic.portWrite(port, n, value);
    else this.chips.pit?.portWrite(port, n, value);
  }

  #mmioRead(address: number, size: number): MmioValue {
    const n = size as 1 | 2 | 4 | 8, page = address - (address % 4096), lapic = this.#lapic();
    if (lapic && page === this.#lapicPage()) return lapic.mmioRead(address - page, n);
    if (page === IOAPIC_PAGE) return this.chips.ioapic.mmioRead(address - page, n);
    return this.#bus?.mmioRead(address, n) ?? 0xffffffffffffffffn;
  }

  #mmioWrite(address: number, size: number, value: MmioValue): void {
    const n = size as 1 | 2 | 4 | 8, page = address - (address % 4096), lapic = this.#lapic();
    if (lapic && page === this.#lapicPage()) lapic.mmioWrite(address - page, n, value);
    else if (page === IOAPIC_PAGE) this.chips.ioapic.mmioWrite(address - page, n, value);
    else this.#bus?.mmioWrite(address, n, value);
  }

  /** Where the local APIC answers: IA32_APIC_BASE, if it is enabled and not in x2APIC mode. */
  #lapicPage(): number {
    const lapic = this.#lapic();
    return lapic?.mapped ? Number(lapic.base & 0xffffff000n) : -1;
  }

  /** IA32_APIC_BASE lives in the local APIC; CPUID reads the core's copy of its enable bit. */
  #setApicBase(value: bigint): boolean {
    const done = this.#lapic()?.setBase(value) ?? false;
    if (done) this.core.u64[layout.APIC_BASE / 8] = value;
    return done;
  }

  #msrRead(index: number): bigint | undefined {
    const lapic = this.#lapic();
    if (!lapic) return undefined;
    if (index === 0x1b) return lapic.base;
    if (index === 0x6e0) return lapic.tscDeadline;
    return lapic.msrRead(index) ?? undefined;
  }

  #msrWrite(index: number, value: bigint): boolean {
    const lapic = this.#lapic();
    if (!lapic) return false;
    if (index === 0x1b) return this.#setApicBase(value);
    if (index === 0x6e0) { lapic.timer.setTscOffset(BigInt.asIntN(64, this.core.u64[layout.TSC_OFFSET / 8] ?? 0n)); lapic.setTscDeadline(value); return true; }
    return lapic.msrWrite(index, value);
  }
}
