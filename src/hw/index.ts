// The door of `hw`: one emulated processor with its memory. No KVM knowledge here.
import type { MmioValue } from "../base/index.ts";
import type { Jit } from "./jit/index.ts";
import { layout } from "./layout.ts";

export { featureIndex, layout } from "./layout.ts";
export { installCpuid, offeredLeaves } from "./model.ts";
export * from "./registers.ts";
export { forgetPauses, restorePauses, savePauses } from "./pauses.ts";
export { readUndefined } from "./undefined.ts";
export { FrameDigests, sha256, takeFrames, FrameMark, zeroPageDigest } from "./digests.ts";
export { Jit, type JitOptions, type JitStatistics, serve, type Translation, Workshop, type WorkshopPort } from "./jit/index.ts";

/** What the processor is wired to. Values are unsigned. */
export interface Environment {
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  /** A physical address that is no RAM; the address is exact below 2^53. */
  mmioRead(address: number, size: number): MmioValue;
  mmioWrite(address: number, size: number, value: MmioValue): void;
  /** Vector of the pending external interrupt, or -1 when the line went away. */
  intAck(): number;
  /** MSRs that live outside the core (APIC, x2APIC, TSC deadline); undefined is #GP. */
  msrRead(index: number): bigint | undefined;
  msrWrite(index: number, value: bigint): boolean;
  tprRead(): number;
  tprWrite(value: number): void;
  /**
   * Only with Core.withImportedMemory: the physical address of a linear one, or -1 - error code of the page fault.
   * @param how access (0 read, 1 write) | user << 2 | implicit supervisor access << 3
   */
  translate?(low: number, high: number, how: number): number;
}

/** Why run() came back; the numbers are STOP_* of the core. */
export const Stop = {
  Budget: layout.STOP_BUDGET,
  Halt: layout.STOP_HALT,
  Shutdown: layout.STOP_SHUTDOWN,
  VmExit: layout.STOP_VMEXIT,
  WaitSipi: layout.STOP_WAIT_SIPI,
  Request: layout.STOP_REQUEST,
  Assert: layout.STOP_ASSERT,
  Init: layout.STOP_INIT,
  Fault: layout.STOP_FAULT,
  Yield: layout.STOP_YIELD,
} as const;

/** Kinds of a page in the physical map. */
export const PageKind = { Device: 0, Ram: 1, Rom: 2 } as const;

/** Functions of the compiled core (src/hw/core.ts). */
export interface CoreExports {
  readonly table: WebAssembly.Table;
  readonly intercepts: WebAssembly.Global;
  readonly yanked: WebAssembly.Global;
  init(): void;
  run(budget: number): number;
  /** A guest's PAUSE has been done in software behind its exit. Not 0: it is in a loop that ends its CPU's turn. */
  countPause(): number;
  clock(): number;
  setClock(t: number): void;
  addClock(instructions: number): void;
  shorten(t: number): void;
  attention(): void;
  updateMode(): void;
  flushTlb(): void;
  flushFast(): void;
  flushCode(): void;
  /** The CPU whose state is in force; not while run() is on its way. */
  selectCpu(cpu: number): void;
  selectedCpu(): number;
  /** Where a word of a CPU's state (its address in `layout`) lies now. */
  stateOf(cpu: number, word: number): number;
  countRuns(block: number): void;
  callCase(record: number, block: number, budget: number, op: number): number;
  codeBytes(): number;
  written(offset: number, size: number): void;
  rflags(): number;
  setRflags(flags: number): void;
  setPhysicalBits(bits: number): void;
  updateDebug(): void;
  readMsr(index: number, host: number): bigint;
  writeMsr(index: number, value: bigint, host: number): void;
  msrFault(): number;
  // Imported memory (src/hw/cpu/imported.ts)
  importMemory(): void;
  stepBytes(): number;
  step(length: number): number;
  stepMove(place: number, length: number, size: number): number;
  deliverEvent(vector: number, code: number, kind: number, length: number): number;
  stepVector(): number;
  stepCode(): number;
  stepAddress(): bigint;
  isZeroPage(at: number): number;
  digestPage(at: number): void;
  digestOut(): number;
  hashBuffer(): number;
  hashStart(): void;
  hashPiece(length: number): void;
  hashEnd(): void;
  // VT-x for an embedder that is the host (src/hw/vmx): 0, -1 VMfailInvalid, n > 0 VM-instruction error, -2 already exited
  vmxBecomeHost(): void;
  vmxHostFields(): void;
  vmxReset(): void;
  vmxRestored(): void;
  vmxOperation(): number;
  vmxFailedCheck(): number;
  vmxDeadline(): number;
  vmxOffset(field: number): number;
  vmxGuestImage(): number;
  vmxSetGuestImage(): void;
  vmxSameImage(): number;
  vmxSettle(): void;
  vmReadExit(): number;
  vmxRetire(length: number): void;
  vmxCapability(msr: number): bigint;
  vmOn(pa: bigint): number;
  vmxOff(): number;
  vmClear(pa: bigint): number;
  vmPtrld(pa: bigint): number;
  vmPtrst(): bigint;
  vmRead(field: number): bigint;
  vmReadWord(field: number, high: number): number;
  vmWrite(field: number, value: bigint): number;
  vmWriteWords(field: number, low: number, high: number): number;
  vmLaunch(): number;
  vmResume(): number;
  invEpt(type: bigint, eptp: bigint): number;
  invVpid(type: bigint, vpid: number, la: bigint): number;
  // SVM (src/hw/svm); physical addresses of pages
  svmReset(): void;
  svmRestored(): void;
  svmGuest(): number;
  svmFailedCheck(): number;
  svmBecomeHost(saveArea: bigint): void;
  svmRun(vmcb: bigint): number;
  svmLoad(vmcb: bigint): void;
  svmSave(vmcb: bigint): void;
  svmInvalidate(la: bigint, asid: number): void;
  svmGuestImage(vmcb: bigint): number;
  svmSetGuestImage(vmcb: bigint): void;
}

const WASM_PAGE = 65536;
/** State, caches and the (empty) physical map: all that a processor without memory touches. */
const IMPORTED_PAGES = layout.ARENA / WASM_PAGE;
/** RAM of one emulated computer at most: wasm32 addresses 4 GiB, and the core needs 64 MiB of them. */
export const MAX_RAM = 3136 * 1024 * 1024;

/** What the module imports, from an environment; 64-bit values pass through the mailbox. */
function imports(memory: WebAssembly.Memory, environment: Environment, core: () => Core | undefined): WebAssembly.ModuleImports {
  const mail = new BigUint64Array(memory.buffer, layout.MAILBOX, 1),
    word = new Uint32Array(memory.buffer, layout.MAILBOX, 2);
  return {
    memory,
    abort: (): never => {
      throw new Error("core: internal assertion");
    },
    portRead: (port: number, size: number) => environment.portRead(port, size),
    portWrite: (port: number, size: number, value: number) => environment.portWrite(port, size, value >>> 0),
    mmioRead: (low: number, high: number, size: number) => {
      const value = environment.mmioRead((low >>> 0) + (high >>> 0) * 0x100000000, size);
      if (typeof value === "bigint") mail[0] = value;
      else {
        word[0] = value;
        word[1] = 0;
      }
    },
    mmioWrite: (low: number, high: number, size: number) => {
      const value = word[0] ?? 0;
      environment.mmioWrite(
        (low >>> 0) + (high >>> 0) * 0x100000000,
        size,
        size === 8 ? (mail[0] ?? 0n) : size === 4 ? value : value & (size === 2 ? 0xffff : 0xff),
      );
    },
    intAck: () => environment.intAck(),
    msrRead: (index: number) => {
      const value = environment.msrRead(index >>> 0);
      mail[0] = value ?? 0n;
      return value === undefined ? 1 : 0;
    },
    msrWrite: (index: number) => (environment.msrWrite(index >>> 0, mail[0] ?? 0n) ? 0 : 1),
    tprRead: () => environment.tprRead(),
    tprWrite: (value: number) => environment.tprWrite(value),
    translate: (low: number, high: number, how: number) => environment.translate?.(low >>> 0, high >>> 0, how) ?? -1,
    translateHot: () => core()?.translate(),
    copyDropped: (block: number) => core()?.copyDropped(block),
  };
}

function digestOf(module: WebAssembly.Module): string {
  const [section] = WebAssembly.Module.customSections(module, "digest");
  return section ? new TextDecoder().decode(section) : "";
}

export class Core {
  readonly memory: WebAssembly.Memory;
  readonly exports: CoreExports;
  readonly ramBytes: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** Which core this is: two builds of the same sources say the same. */
  digest = "";
  /** The translator of hot code, if there is one. */
  jit: Jit | undefined;
  /** Hot blocks wait in JIT_QUEUE. Called while run() is on its way. */
  translate: () => void = () => undefined;
  /** A decoded block that translated regions hold copies of was dropped. Called while run() is on its way. */
  copyDropped: (block: number) => void = () => undefined;

  private constructor(memory: WebAssembly.Memory, exports: CoreExports, ramBytes: number) {
    this.memory = memory;
    this.exports = exports;
    this.ramBytes = ramBytes;
    this.u8 = new Uint8Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.u64 = new BigUint64Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** @param ramBytes a multiple of 64 KiB. The memory is allocated once and never grows. */
  static async create(module: WebAssembly.Module, ramBytes: number, environment: Environment): Promise<Core> {
    const pages = (layout.RAM + ramBytes) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    let core: Core | undefined;
    const instance = await WebAssembly.instantiate(module, { env: imports(memory, environment, () => core) });
    core = Core.#start(instance, memory, ramBytes);
    core.digest = digestOf(module);
    return core;
  }

  /**
   * A second processor of the same module that has no memory: it runs step() and deliverEvent(), asks `environment` to
   * translate, and sees every physical address as a device.
   */
  static withImportedMemory(module: WebAssembly.Module, environment: Environment): Core {
    const memory = new WebAssembly.Memory({ initial: IMPORTED_PAGES, maximum: IMPORTED_PAGES });
    const core = Core.#start(new WebAssembly.Instance(module, { env: imports(memory, environment, () => undefined) }), memory, 0);
    core.exports.importMemory();
    return core;
  }

  static #start(instance: WebAssembly.Instance, memory: WebAssembly.Memory, ramBytes: number): Core {
    const core = new Core(memory, instance.exports as unknown as CoreExports, ramBytes);
    core.exports.init();
    return core;
  }

  /** Map `size` bytes of physical addresses to RAM at `offset` (bytes from the start of RAM), or to nothing. */
  map(address: number, size: number, kind: 0 | 1 | 2, offset = 0): void {
    const first = address / 4096;
    for (let i = 0; i < size / 4096; i++) {
      this.u32[layout.PHYS_MAP / 4 + first + i] = kind === 0 ? 0 : (layout.RAM + offset + i * 4096) | kind;
    }
  }

  /** Offset in linear memory of a physical address, or -1 when it is no memory. */
  offsetOf(address: number): number {
    if (address >= 0x100000000 || address < 0) return -1;
    const entry = this.u32[layout.PHYS_MAP / 4 + Math.floor(address / 4096)] ?? 0;
    return (entry & 3) === 0 ? -1 : ((entry & ~0xfff) >>> 0) + (address & 0xfff);
  }
}
