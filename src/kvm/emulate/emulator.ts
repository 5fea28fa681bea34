import { type Core, layout, Stop } from "../../hw/index.ts";
import type { HostComputer } from "../../host/index.ts";
import type { ArchVcpu } from "../ops.ts";
import type { MmioValue } from "../../base/index.ts";
import { Access, type PagingState } from "../mmu/walk.ts";
import { type CachedTables, WalkCache } from "../mmu/walk-cache.ts";
import { type AccessTarget, AccessLog, type DeviceAccess } from "./log.ts";
import { atUserLevel, MoveFinder } from "./move-finder.ts";
import { type Move, Moves } from "./moves.ts";

/** What one operation came to. */
export type Emulated =
  | { readonly kind: "done" }
  /** Every instruction has been counted. */
  | { readonly kind: "stopped" }
  /** A device in user space must answer `asked` first; the same operation is called again then. */
  | { readonly kind: "user"; readonly asked: DeviceAccess }
  /** HLT. */
  | { readonly kind: "halt" }
  | { readonly kind: "fault"; readonly vector: number; readonly code: number; readonly address: bigint }
  /** A triple fault on the way. */
  | { readonly kind: "shutdown" };

/** The memory an instruction sees: slots, and devices inside KVM. */
export interface EmulatorMemory extends CachedTables, AccessTarget {
  readonly physBits: number;
}

const HALT: Emulated = { kind: "halt" };
const DONE: Emulated = { kind: "done" };
/** A stretch has ended between two instructions. */
const STOPPED: Emulated = { kind: "stopped" };
/** Activity state. */
const HALTED = 1;
const TF = 0x100,
  IF = 0x200,
  RF = 0x10000;
const MAX_LENGTH = 15;
const CS = 1;
const NE = 0x20;

/**
 * Completes one instruction, or the delivery of one event, that has touched a device. It is a processor of its own, of
 * the same module as the one that runs the guest and so with the same instruction bodies, whose memory and ports are
 * ours: an operation runs on a copy of the guest's registers, and the copy counts when nothing is left to be asked.
 *
 *   copy in --> step --+--> all answered --> copy out --> writes that user space has to take
 *      ^               +--> an exception: the guest's registers are as they were
 *      |               +--> a device in user space: the rest of the run is for nothing
 *      +-- answered: again, with every value that has been read before --+
 */
export class Emulator {
  readonly #cpu: Core;
  readonly #host: HostComputer;
  readonly #arch: ArchVcpu;
  readonly #memory: EmulatorMemory;
  readonly #log: AccessLog;
  readonly #moves: Moves;
  readonly #walks: WalkCache;
  readonly #finder: MoveFinder;
  readonly #bytes: number;
  readonly #paging: PagingState;
  /** The register block, here and at the hypervisor's end of the copy. */
  readonly #block: Uint8Array;
  #image: Uint8Array | undefined;
  /** Bytes of the instruction that have been fetched, or -1 - error code. */
  #available = 0;
  /** The guest's CR0.NE; 0: it was set for the instruction alone. */
  #numericErrors: number = NE;
  #matchedLow = -1;
  #matchedHigh = 0;
  #matchedGpa = 0;
  #matchedWrite = false;
  /** Pages that the operation in hand has translated, and how: its own stores to the tables do not change them, as with a TLB. */
  readonly #pages: { readonly low: number; readonly high: number; readonly how: number; readonly gpa: number }[] = [];
  /** RIP and flags of the instruction in hand. */
  #ripLow = 0;
  #ripHigh = 0;
  #flags = 0;

  constructor(host: HostComputer, arch: ArchVcpu, memory: EmulatorMemory) {
    this.#host = host;
    this.#arch = arch;
    this.#memory = memory;
    this.#log = new AccessLog(memory);
    const log = this.#log;
    this.#cpu = host.emulatedProcessor({
      portRead: (port, size) => Number(log.read({ port: true, write: false, at: port, size, value: 0 })),
      portWrite: (port, size, value) => {
        log.write({ port: true, write: true, at: port, size, value });
      },
      mmioRead: (at, size) => log.read({ port: false, write: false, at, size, value: 0 }),
      mmioWrite: (at, size, value) => {
        log.write({ port: false, write: true, at, size, value });
      },
      intAck: () => -1,
      msrRead: () => undefined,
      msrWrite: () => false,
      tprRead: () => 0,
      tprWrite: () => undefined,
      translate: (low, high, how) => this.#translate(low, high, how),
    });
    this.#moves = new Moves(this.#cpu, host.core);
    this.#walks = new WalkCache(host.core, memory);
    this.#bytes = this.#cpu.exports.stepBytes();
    const { u8, u32 } = this.#cpu;
    this.#block = u8.subarray(layout.REGS, layout.A20);
    this.#paging = {
      cr0: 0,
      cr3Low: 0,
      cr3High: 0,
      cr4: 0,
      efer: 0,
      rflags: 0,
      pdptes: u32.subarray(layout.PDPTE / 4, layout.PDPTE / 4 + 8),
      physBits: memory.physBits,
    };
    this.#finder = new MoveFinder({ cpu: this.#cpu, host: host.core, arch, memory, moves: this.#moves, walks: this.#walks, paging: this.#paging });
  }

  /** User space has answered what the last operation asked. */
  answer(value: MmioValue): void {
    this.#log.answer(value);
  }
  /** What user space has still to be told of the operation that is done, in order; undefined after the last. */
  nextWrite(): DeviceAccess | undefined {
    return this.#log.nextWrite();
  }

  /** State is about to be set: what was being completed is not. */
  abandon(): void {
    this.#log.forget();
    this.#matchedLow = -1;
  }

  /** See MoveFinder. */
  move(ripLow: number, ripHigh: number, flags: number, low: number, high: number, gpa: number, write: boolean): Move | undefined {
    return this.#finder.find(ripLow, ripHigh, flags, low, high, gpa, write);
  }
  /** Completes a load. False: the instruction has to take the long way, with the value that the device has given. */
  load(move: Move, value: MmioValue): boolean {
    if (this.#moves.load(move, value)) return true;
    this.#log.answer(value);
    return false;
  }
  /** The value that a store writes; undefined when it has to take the long way. */
  stored(move: Move): MmioValue | undefined {
    return this.#moves.stored(move);
  }

  /** The access that faulted, as the processor has translated it: its page is that one whatever a walk says (vcpu_match_mmio_gva). */
  match(low: number, high: number, gpa: number, write: boolean): void {
    this.#matchedLow = (low & 0xfffff000) >>> 0;
    this.#matchedHigh = high;
    this.#matchedGpa = gpa - (gpa & 0xfff);
    this.#matchedWrite = write;
  }

  /** Bytes at RIP, at most 15; those that cannot be fetched are missing. */
  peek(length: number): Uint8Array {
    this.#begin();
    let bytes = Math.max(this.#fetch(0), 0);
    if (bytes > 0 && bytes < length) bytes += Math.max(this.#fetch(bytes), 0);
    this.#log.forget();
    return this.#cpu.u8.slice(this.#bytes, this.#bytes + Math.min(bytes, length));
  }
  /** Other bytes at RIP, written with the guest's own rights; the page fault when it has none. */
  patch(bytes: readonly number[]): Extract<Emulated, { kind: "fault" }> | undefined {
    this.#begin();
    this.#log.forget();
    const memory = this.#memory,
      start = this.#linear(0),
      user = this.#user();
    const places: number[] = [];
    for (const i of bytes.keys()) {
      const [low, high] = this.#linear(i),
        gpa = this.#walks.walk(this.#paging, low, high, Access.Write, user, false);
      if (gpa < 0) return { kind: "fault", vector: 14, code: -1 - gpa, address: (BigInt(start[1]) << 32n) | BigInt(start[0]) };
      places.push(gpa);
    }
    places.forEach((gpa, i) => {
      memory.store(gpa, 1, bytes[i] ?? 0);
    });
    return undefined;
  }

  /**
   * The instruction at RIP, one iteration of a repeated one.
   * @param hostFpu errors of the x87 are #MF whatever the guest's CR0.NE says, as on the host that computes for it
   */
  instruction(hostFpu = false): Emulated {
    const again = this.#begin(),
      cr0 = this.#cpu.u32[layout.CR0 / 4] ?? 0;
    this.#numericErrors = hostFpu ? cr0 & NE : NE;
    if (hostFpu) this.#cpu.u32[layout.CR0 / 4] = cr0 | NE;
    const matched = this.#matchedLow >= 0,
      stop = this.#step(again);
    if (stop < 0) return this.#fetchFault(stop);
    const size = this.#log.only,
      result = this.#end(stop, false);
    if (result === DONE && matched && size > 0 && !hostFpu && (this.#flags & (TF | RF)) === 0) {
      const length = ((this.#cpu.u32[layout.RIP / 4] ?? 0) - this.#ripLow) >>> 0;
      if (length <= MAX_LENGTH) this.#moves.learn(this.#ripLow, this.#ripHigh, length, size, this.#matchedWrite, this.#flags);
    }
    return result;
  }
  /** @returns why the processor has stopped, or -1 - error code of a fetch */
  #step(again: boolean): number {
    this.#pages.length = 0;
    if (!again) this.#available = this.#fetch(0);
    if (this.#available < 0) return this.#available;
    const stop = this.#cpu.exports.step(this.#available);
    if (stop !== 0) return stop;
    const more = this.#fetch(this.#available);
    if (more < 0) return more;
    this.#available = MAX_LENGTH;
    return this.#cpu.exports.step(MAX_LENGTH);
  }

  /**
   * Instructions of a guest whose state the processor cannot enter, one after another: up to the first that meets a
   * device, opens interrupts, halts or enters protected mode, which is left for the caller to count.
   * @param now the clock, for RDTSC
   * @param retired counts an instruction; false to stop behind it
   */
  stretch(now: () => number, retired: () => boolean): Emulated {
    const { u32 } = this.#cpu;
    let again = this.#begin(),
      taken = true;
    this.#numericErrors = NE;
    for (;;) {
      const before = u32[layout.EFLAGS / 4] ?? 0;
      this.#setTime(now());
      const stop = this.#step(again);
      if (stop !== Stop.Budget || this.#log.touched || this.#opens(before)) {
        if (!taken) this.#arch.setImage(false);
        return stop < 0 ? this.#fetchFault(stop) : this.#end(stop, false);
      }
      this.#log.commit();
      this.#image?.set(this.#block);
      taken = again = false;
      if (!retired()) {
        this.#arch.setImage(false);
        return STOPPED;
      }
      this.#log.begin();
    }
  }
  /** Has the instruction opened interrupts, set TF, halted, or changed to protected mode? Or was TF set? */
  #opens(before: number): boolean {
    const { u32 } = this.#cpu,
      flags = u32[layout.EFLAGS / 4] ?? 0;
    return (
      (flags & ~before & IF) !== 0 ||
      ((flags | before) & TF) !== 0 ||
      (u32[layout.SHADOW / 4] ?? 0) !== 0 ||
      u32[layout.ACTIVITY / 4] === HALTED ||
      ((u32[layout.CR0 / 4] ?? 0) & 1) !== 0
    );
  }
  #setTime(now: number): void {
    this.#cpu.u64[layout.T_END / 8] = BigInt(now);
  }

  /**
   * Delivery of an event whose gate, stack or tables lie in a device, or that switches tasks.
   * @param kind type of the event in VMX numbering, `length` of the instruction of a software interrupt
   */
  deliver(vector: number, code: number, kind: number, length: number): Emulated {
    this.#begin();
    this.#pages.length = 0;
    this.#numericErrors = NE;
    return this.#end(this.#cpu.exports.deliverEvent(vector, code, kind, length), true);
  }

  /** Copies the guest's registers in; true when the operation begins again, after an answer. */
  #begin(): boolean {
    const { u8, u32 } = this.#cpu,
      s = this.#paging,
      again = this.#log.begin();
    this.#moves.forget();
    this.#finder.state++;
    if (!again || !this.#image) {
      const at = this.#arch.image();
      this.#image ??= this.#host.core.u8.subarray(at, at + this.#block.length);
    }
    u8.set(this.#image, layout.REGS);
    if (again) return true;
    this.#ripLow = u32[layout.RIP / 4] ?? 0;
    this.#ripHigh = u32[layout.RIP / 4 + 1] ?? 0;
    this.#flags = u32[layout.EFLAGS / 4] ?? 0;
    s.cr0 = u32[layout.CR0 / 4] ?? 0;
    s.cr3Low = u32[layout.CR3 / 4] ?? 0;
    s.cr3High = u32[layout.CR3 / 4 + 1] ?? 0;
    s.cr4 = u32[layout.CR4 / 4] ?? 0;
    s.efer = u32[layout.EFER / 4] ?? 0;
    s.rflags = u32[layout.EFLAGS / 4] ?? 0;
    return false;
  }

  #end(stop: number, event: boolean): Emulated {
    const { exports } = this.#cpu,
      log = this.#log;
    if (log.asked) return { kind: "user", asked: log.asked };
    this.#matchedLow = -1;
    if (stop === Stop.Fault) {
      log.forget();
      return {
        kind: "fault",
        vector: exports.stepVector(),
        code: exports.stepCode(),
        address: BigInt.asUintN(64, exports.stepAddress()),
      };
    }
    log.commit();
    if (stop === Stop.Shutdown) return { kind: "shutdown" };
    if (this.#numericErrors === 0) this.#cpu.u32[layout.CR0 / 4] = (this.#cpu.u32[layout.CR0 / 4] ?? 0) & ~NE;
    this.#image?.set(this.#block);
    this.#arch.setImage(event);
    return this.#cpu.u32[layout.ACTIVITY / 4] === HALTED ? HALT : DONE;
  }

  #fetchFault(code: number): Emulated {
    this.#matchedLow = -1;
    this.#log.forget();
    const [low, high] = this.#faultAt;
    return { kind: "fault", vector: 14, code: -1 - code, address: (BigInt(high) << 32n) | BigInt(low) };
  }
  #faultAt: readonly [number, number] = [0, 0];

  /** Instruction bytes of RIP's page (from 0) or of the next page (what is missing). @returns bytes, or -1 - error code */
  #fetch(from: number): number {
    const { u8 } = this.#cpu,
      memory = this.#memory,
      [low, high] = this.#linear(from);
    const gpa = this.#walks.walk(this.#paging, low, high, Access.Fetch, this.#user(), false);
    if (gpa < 0) {
      this.#faultAt = [low, high];
      return gpa;
    }
    const n = Math.min(MAX_LENGTH - from, 4096 - (low & 0xfff)),
      pa = memory.hpa(gpa, false);
    if (pa < 0) u8.fill(0xff, this.#bytes + from, this.#bytes + from + n);
    else {
      const bytes = this.#host.core.u8;
      for (let i = 0; i < n; i++) u8[this.#bytes + from + i] = bytes[layout.RAM + pa + i] ?? 0;
    }
    return n;
  }

  #user(): boolean {
    return atUserLevel(this.#cpu, this.#paging);
  }

  /** Linear address of the byte `from` bytes behind RIP. */
  #linear(from: number): readonly [number, number] {
    const { u32 } = this.#cpu,
      attributes = u32[layout.SEG_ATTR / 4 + CS] ?? 0,
      long = (this.#paging.efer & 0x400) !== 0 && (attributes & 0x2000) !== 0;
    const low = (u32[layout.RIP / 4] ?? 0) + (long ? 0 : (u32[layout.SEG_BASE / 4 + 2 * CS] ?? 0)) + from,
      high = long ? (u32[layout.RIP / 4 + 1] ?? 0) : 0;
    return [low >>> 0, long && low > 0xffffffff ? (high + 1) >>> 0 : high];
  }

  /** The processor's import: see Environment.translate. */
  #translate(low: number, high: number, how: number): number {
    const page = (low & 0xfffff000) >>> 0,
      access = how & 3,
      implicit = (how & 8) !== 0;
    for (const p of this.#pages) if (p.low === page && p.high === high && p.how === how) return p.gpa + (low & 0xfff);
    // Also where the processor has the answer: its exit came before it has set the leaf's flags.
    const walked = this.#walks.walk(this.#paging, low, high, access, (how & 4) !== 0, implicit),
      matched = page === this.#matchedLow && high === this.#matchedHigh && !implicit && (access === Access.Read || this.#matchedWrite);
    if (walked < 0 && !matched) return walked;
    const gpa = matched ? this.#matchedGpa : walked - (low & 0xfff);
    this.#pages.push({ low: page, high, how, gpa });
    return gpa + (low & 0xfff);
  }
}
