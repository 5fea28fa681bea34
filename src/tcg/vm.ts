import {
  type AccelVm, restoreCpu, saveCpu, SavedRecord, type UserMemory, BytewiseMemory, type DebugRegs, type GuestMemory, type IoBus, type Regs, type RegionFlags, type Saved, type Sregs, type Stop,
  StateError, type UndefinedInstructions, VirtualClock, VitrineError,
} from "../base/index.ts";
import { I8254, I8259, Irqchip } from "../chips/index.ts";
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
  /** Stencils of the core: hot code is translated. */
  readonly stencils?: Uint8Array;
}

const IOAPIC_PAGE = 0xfec00000;
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

/** One virtual CPU on bare hardware, with the interrupt chips a machine of QEMU's has in its chipset. */
export class TcgVm implements AccelVm {
  readonly id = "vm";
  readonly version = 1;
  readonly core: Core;
  readonly clock: VirtualClock;
  readonly memory: GuestMemory;
  readonly userMemory: UserMemory;
  readonly chips: Irqchip;
  readonly #slots = new Map<number, Slot>();
  readonly #digests: FrameDigests;
  #bus: IoBus | undefined;
  #running = false;
  #stopAsked = false;

  private constructor(core: Core, options: TcgOptions, wire: (vm: TcgVm) => void) {
    this.core = core;
    this.clock = new VirtualClock(() => core.exports.clock());
    this.clock.onEarlier = (t) => {
      if (this.#running) core.exports.shorten(t);
    };
    this.memory = new MappedMemory(core, options.ramSize);
    this.userMemory = new CoreMemory(core);
    this.#digests = new FrameDigests(core);
    this.chips = new Irqchip({
      clock: this.clock,
      cpus: 1,
      signals: {
        nmi: () => this.#signal(layout.NMI),
        smi: () => this.#signal(layout.SMI),
        init: () => this.#signal(layout.INIT),
        startUp: (_, vector) => this.#signal(layout.SIPI, vector + 1),
      },
      onChange: () => this.#lineChanged(),
    });
    wire(this);
    installCpuid(core, options.cpu);
    core.u64[layout.SEED / 8] = options.seed ?? 0x9e3779b97f4a7c15n;
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
      intAck: () => (self().chips.pendingInterrupt(0) ? self().chips.acknowledge(0) : -1),
      msrRead: (index) => self().#msrRead(index),
      msrWrite: (index, value) => self().#msrWrite(index, value),
      tprRead: () => self().chips.readCr8(0),
      tprWrite: (value) => self().chips.writeCr8(0, value),
    });
    if (options.stencils) core.jit = new hw.Jit(core, options.stencils);
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
    hw.resetRegisters(this.core);
    this.chips.reset();
    this.core.u64[layout.APIC_BASE / 8] = this.chips.lapics[0]?.base ?? 0n;
  }

  run(untilT: number): Stop {
    const { core, clock } = this;
    this.#stopAsked = false;
    for (;;) {
      clock.runDue();
      if (this.#stopAsked) return { kind: "stopped" };
      const now = clock.now();
      if (now >= untilT) return { kind: "budget" };
      const budget = Math.min(untilT, clock.next()) - now;
      if (budget <= 0) continue;
      this.#running = true;
      const reason = core.exports.run(Math.min(Math.ceil(budget), MAX_SLICE));
      this.#running = false;
      core.jit?.translate();
      switch (reason) {
        case hw.Stop.Budget: break;
        case hw.Stop.Halt: {
          if (this.#stopAsked) return { kind: "stopped" };
          const wake = Math.ceil(Math.min(clock.next(), untilT));
          if (wake === Infinity) return { kind: "halt" };
          // HLT skips to the next event.
          if (wake > clock.now()) core.exports.setClock(wake);
          break;
        }
        case hw.Stop.Shutdown: return { kind: "shutdown" };
        case hw.Stop.Init:
          this.chips.lapics[0]?.initReset();
          hw.resetRegisters(core);
          break;
        case hw.Stop.Request:
          // A guest that faults for ever retires nothing; its clock goes on all the same.
          core.exports.setClock(clock.now() + 10000);
          break;
        case hw.Stop.WaitSipi: return { kind: "halt" };
        default: return { kind: "error", message: `the core stopped with reason ${reason}` };
      }
    }
  }

  stop(): void {
    this.#stopAsked = true;
    if (this.#running) this.core.exports.shorten(this.clock.now() + 1);
  }

  regs(): Regs { return hw.readRegs(this.core); }
  setRegs(regs: Regs): void { hw.writeRegs(this.core, regs); }
  sregs(): Sregs { return { ...hw.readSregs(this.core), cr8: BigInt(this.chips.readCr8(0)), apicBase: this.chips.lapics[0]?.base ?? 0n }; }
  setSregs(s: Sregs): void {
    hw.writeSregs(this.core, s);
    this.#setApicBase(s.apicBase);
    this.chips.writeCr8(0, Number(s.cr8));
  }
  debugRegs(): DebugRegs { return hw.readDebugRegs(this.core); }
  setDebugRegs(regs: DebugRegs): void { hw.writeDebugRegs(this.core, regs); }
  msrs(indices: readonly number[]): (bigint | undefined)[] {
    return indices.map((i) => {
      const v = this.core.exports.readMsr(i, 1);
      return this.core.exports.msrFault() ? undefined : BigInt.asUintN(64, v);
    });
  }
  setMsr(index: number, value: bigint): boolean {
    this.core.exports.writeMsr(index, value, 1);
    return !this.core.exports.msrFault();
  }
  xcr0(): bigint { return this.core.u64[layout.XCR0 / 8] ?? 0n; }
  setXcr0(value: bigint): void { this.core.u64[layout.XCR0 / 8] = value; }
  xsave(): Uint8Array { return hw.readXsave(this.core); }
  setXsave(image: Uint8Array): void { hw.writeXsave(this.core, image); }

  /** Architectural TLB misses and paging-structure reads so far. */
  counters(): { tlbMisses: number; walkRefs: number } {
    const at = (a: number): number => Number(this.core.u64[a / 8] ?? 0n);
    return { tlbMisses: at(layout.N_TLB_MISS), walkRefs: at(layout.N_WALK_REFS) };
  }

  undefinedInstructions(): UndefinedInstructions { return hw.readUndefined(this.core); }

  events(): Saved { return readEvents(this.core); }
  setEvents(events: Saved): void { writeEvents(this.core, events); }
  mpState(): "runnable" | "uninitialized" | "halted" {
    const activity = this.core.u32[layout.ACTIVITY / 4];
    return activity === 1 ? "halted" : activity === 3 ? "uninitialized" : "runnable";
  }
  setMpState(state: "runnable" | "uninitialized" | "init" | "sipi" | "halted"): void {
    this.core.u32[layout.ACTIVITY / 4] = state === "halted" ? 1 : state === "runnable" ? 0 : 3;
  }

  setDirtyLog(on: boolean): void {
    if (on) this.dirtyLog();
  }
  dirtyLog(): Uint8Array { return hw.takeFrames(this.core, FrameMark.dirtyUser, this.userMemory.pages); }
  regionWritten(slot: number): boolean {
    const found = this.#slots.get(slot);
    return found !== undefined && hw.takeMark(this.core, FrameMark.dirtyRegion, found.backing / 4096, found.size / 4096);
  }
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
    const nested = readNested(this.core);
    return { cpus: [saveCpu(this)], ...(nested && { nested }), irqchip: this.chips.save(), t: this.clock.now() };
  }
  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state), t = record.time("t");
    if (t < 0 || t === Infinity) throw new StateError(this.id, `t ${t}`);
    const [cpu] = record.list("cpus", 1);
    this.core.exports.flushCode();
    this.core.exports.setClock(t);
    restoreCpu(this, cpu ?? null);
    writeNested(this.core, record.optional("nested"));
    this.chips.restore(record.value("irqchip"));
    this.core.u64[layout.APIC_BASE / 8] = this.chips.lapics[0]?.base ?? 0n;
    this.#lineChanged();
  }

  #signal(at: number, value = 1): void {
    this.core.u32[at / 4] = value;
    if (this.#running) this.core.exports.attention();
  }

  #lineChanged(): void {
    this.core.u32[layout.INTR / 4] = this.chips?.pendingInterrupt(0) ? 1 : 0;
    if (this.#running) this.core.exports.attention();
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

  #mmioRead(address: number, size: number): bigint {
    const n = size as 1 | 2 | 4 | 8, page = address - (address % 4096), lapic = this.chips.lapics[0];
    if (lapic && page === this.#lapicPage()) return BigInt(lapic.mmioRead(address - page, n));
    if (page === IOAPIC_PAGE) return BigInt(this.chips.ioapic.mmioRead(address - page, n));
    return this.#bus?.mmioRead(address, n) ?? 0xffffffffffffffffn;
  }

  #mmioWrite(address: number, size: number, value: bigint): void {
    const n = size as 1 | 2 | 4 | 8, page = address - (address % 4096), lapic = this.chips.lapics[0];
    const plain = n === 8 ? value : Number(value);
    if (lapic && page === this.#lapicPage()) lapic.mmioWrite(address - page, n, plain);
    else if (page === IOAPIC_PAGE) this.chips.ioapic.mmioWrite(address - page, n, plain);
    else this.#bus?.mmioWrite(address, n, value);
  }

  /** Where the local APIC answers: IA32_APIC_BASE, if it is enabled and not in x2APIC mode. */
  #lapicPage(): number {
    const lapic = this.chips.lapics[0];
    return lapic?.mapped ? Number(lapic.base & 0xffffff000n) : -1;
  }

  /** IA32_APIC_BASE lives in the local APIC; CPUID reads the core's copy of its enable bit. */
  #setApicBase(value: bigint): boolean {
    const done = this.chips.lapics[0]?.setBase(value) ?? false;
    if (done) this.core.u64[layout.APIC_BASE / 8] = value;
    return done;
  }

  #msrRead(index: number): bigint | undefined {
    const lapic = this.chips.lapics[0];
    if (!lapic) return undefined;
    if (index === 0x1b) return lapic.base;
    if (index === 0x6e0) return lapic.tscDeadline;
    return lapic.msrRead(index) ?? undefined;
  }

  #msrWrite(index: number, value: bigint): boolean {
    const lapic = this.chips.lapics[0];
    if (!lapic) return false;
    if (index === 0x1b) return this.#setApicBase(value);
    if (index === 0x6e0) { lapic.setTscDeadline(value); return true; }
    return lapic.msrWrite(index, value);
  }
}
