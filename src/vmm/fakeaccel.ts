import { type Saved, SavedRecord, VirtualClock } from "../base/index.ts";
import {
  type AccelVm,
  type DebugRegs,
  flatSegment,
  type IoBus,
  type RegionFlags,
  type Regs,
  type Sregs,
  type Stop,
  type UserMemory,
  zeroRegs,
} from "./accel.ts";
import { BytewiseMemory, type GuestMemory } from "./memory.ts";

export interface Region {
  gpa: number;
  size: number;
  backing: number;
  readonly: boolean;
}

/** Guest memory over slots, as an accelerator has it. */
class SlotMemory extends BytewiseMemory {
  readonly size: number;
  readonly user: Uint8Array;
  readonly regions = new Map<number, Region>();

  constructor(size: number, userSize: number) {
    super();
    this.size = size;
    this.user = new Uint8Array(userSize);
  }

  override read(gpa: number, bytes: Uint8Array): void {
    bytes.fill(0xff);
    this.#each(gpa, bytes.length, (at, from, n) => {
      bytes.set(this.user.subarray(at, at + n), from);
    });
  }

  override write(gpa: number, bytes: Uint8Array): void {
    this.#each(gpa, bytes.length, (at, from, n) => {
      this.user.set(bytes.subarray(from, from + n), at);
    });
  }

  #each(gpa: number, length: number, copy: (at: number, from: number, n: number) => void): void {
    for (const r of this.regions.values()) {
      const start = Math.max(gpa, r.gpa);
      const end = Math.min(gpa + length, r.gpa + r.size);
      if (start < end) copy(r.backing + start - r.gpa, start - gpa, end - start);
    }
  }
}

/** A test double: its "CPU" is a list of functions, each run as one instruction against the bus. */
export class FakeAccel implements AccelVm {
  patience = Infinity;
  readonly cpuCount = 1;
  shown = 0;
  readonly id = "fake";
  readonly version = 1;
  readonly slots: SlotMemory;
  readonly memory: GuestMemory;
  readonly userMemory: UserMemory;
  t = 0;
  readonly clock = new VirtualClock(() => this.t);
  readonly lines = new Array<boolean>(24).fill(false);
  program: ((bus: IoBus) => void)[] = [];
  resets = 0;
  hpetLegacy = false;
  #bus: IoBus | undefined;
  #stop = false;
  #regs = zeroRegs();
  #sregs: Sregs = powerOnSregs();

  constructor(ramSize: number, userSize: number) {
    this.slots = new SlotMemory(ramSize, userSize);
    this.memory = this.slots;
    const { user } = this.slots;
    this.userMemory = {
      pages: userSize / 4096,
      readPage: (page, into) => {
        const bytes = user.subarray(page * 4096, (page + 1) * 4096);
        into.set(bytes);
        return bytes.some((b) => b !== 0);
      },
      writePage: (page, bytes) => {
        user.set(bytes ?? new Uint8Array(4096), page * 4096);
      },
    };
  }

  attach(bus: IoBus): void {
    this.#bus = bus;
  }

  setRegion(slot: number, gpa: number, size: number, backing: number, flags: RegionFlags): void {
    if (size === 0) this.slots.regions.delete(slot);
    else this.slots.regions.set(slot, { gpa, size, backing, readonly: flags.readonly ?? false });
  }

  writtenPages(_first: number, count: number): Uint8Array {
    return new Uint8Array(Math.ceil(count / 8)).fill(0xff);
  }

  irqLine(gsi: number, level: boolean): void {
    this.lines[gsi] = level;
  }

  setHpetLegacy(on: boolean): void {
    this.hpetLegacy = on;
  }

  reset(): void {
    this.resets++;
    this.#regs = { ...zeroRegs(), rip: 0xfff0n };
    this.#sregs = powerOnSregs();
  }

  run(untilT: number): Stop {
    this.#stop = false;
    while (this.t < untilT && this.#bus) {
      const step = this.program.shift();
      if (!step) return { kind: "halt" };
      this.t++;
      step(this.#bus);
      this.clock.runDue();
      if (this.#stop) return { kind: "stopped" };
    }
    return { kind: "budget" };
  }

  stop(): void {
    this.#stop = true;
  }

  regs(): Regs {
    return { ...this.#regs };
  }

  setRegs(regs: Regs): void {
    this.#regs = { ...regs };
  }

  sregs(): Sregs {
    return { ...this.#sregs };
  }

  setSregs(sregs: Sregs): void {
    this.#sregs = { ...sregs };
  }

  debugRegs(): DebugRegs {
    return { db: [0n, 0n, 0n, 0n], dr6: 0xffff0ff0n, dr7: 0x400n };
  }

  setDebugRegs(): void {}

  msrs(indices: readonly number[]): (bigint | undefined)[] {
    return indices.map(() => undefined);
  }

  setMsr(): boolean {
    return false;
  }

  xcr0(): bigint {
    return 1n;
  }

  setXcr0(): void {}

  xsave(): Uint8Array {
    return new Uint8Array(576);
  }

  setXsave(): void {}

  events(): Saved {
    return null;
  }

  setEvents(): void {}

  mpState(): "runnable" {
    return "runnable";
  }

  setMpState(): void {}

  setDirtyLog(): void {}

  /** No log: everything counts as written. */
  dirtyLog(): Uint8Array {
    return new Uint8Array(Math.ceil(this.userMemory.pages / 8)).fill(0xff);
  }

  freshenDigests(): boolean {
    return true;
  }

  /** No digests either: the bytes themselves. */
  pageDigests(): Uint8Array {
    return this.slots.user;
  }

  /** A sum that tells different parts apart, in place of the hash. */
  sha256(...parts: Uint8Array[]): Uint8Array {
    const sum = new Uint8Array(32);
    let at = 0;
    for (const part of parts) {
      for (const byte of part) {
        sum[at & 31] = Math.imul(sum[at & 31] ?? 0, 31) + byte + at;
        at++;
      }
    }
    return sum;
  }

  save(): Saved {
    return { t: this.t };
  }

  restore(state: Saved): void {
    this.t = new SavedRecord(this.id, state).time("t");
  }
}

function powerOnSregs(): Sregs {
  const data = { ...flatSegment(0, 3), limit: 0xffff, db: 0 as const, g: 0 as const };
  const table = { base: 0n, limit: 0xffff };
  return {
    cs: { ...data, selector: 0xf000, base: 0xffff0000n, type: 11 },
    ds: data,
    es: data,
    fs: data,
    gs: data,
    ss: data,
    tr: { ...data, s: 0, type: 11 },
    ldt: { ...data, s: 0, type: 2 },
    gdt: table,
    idt: table,
    cr0: 0x60000010n,
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    cr8: 0n,
    efer: 0n,
    apicBase: 0xfee00900n,
  };
}
