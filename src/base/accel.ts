import type { MmioValue } from "./bus.ts";
import type { VirtualClock } from "./clock.ts";
import type { Persist, Saved } from "./persist.ts";
import type { GuestMemory } from "./memory.ts";

/**
 * The one interface through which user space sees a virtual CPU and its memory; the bare machine (tcg) and KVM both
 * offer it. The shapes follow KVM's: struct kvm_regs, kvm_sregs, kvm_segment, kvm_dtable.
 */

/** What the accelerator calls for a port or address that no in-kernel chip and no memory region answers. */
export interface IoBus {
  portRead(port: number, size: 1 | 2 | 4): number;
  portWrite(port: number, size: 1 | 2 | 4, value: number): void;
  mmioRead(gpa: number, size: 1 | 2 | 4 | 8): MmioValue;
  mmioWrite(gpa: number, size: 1 | 2 | 4 | 8, value: MmioValue): void;
}

/** Why run() came back. */
export type Stop =
  /** t reached untilT, or run() has lost its patience. */
  | { kind: "budget" }
  /** HLT with no interrupt that could ever wake it: nothing armed, or interrupts off. */
  | { kind: "halt" }
  /** Triple fault (KVM_EXIT_SHUTDOWN). */
  | { kind: "shutdown" }
  /** A breakpoint or single step asked for by a debugger. */
  | { kind: "debug"; rip: bigint }
  /** An internal error: the machine stops, its memory stays. */
  | { kind: "error"; message: string }
  /** stop() was called. */
  | { kind: "stopped" };

export interface Regs {
  rax: bigint; rbx: bigint; rcx: bigint; rdx: bigint; rsi: bigint; rdi: bigint; rsp: bigint; rbp: bigint;
  r8: bigint; r9: bigint; r10: bigint; r11: bigint; r12: bigint; r13: bigint; r14: bigint; r15: bigint;
  rip: bigint; rflags: bigint;
}

export interface Segment {
  selector: number;
  base: bigint;
  /** In bytes, already scaled by the granularity. */
  limit: number;
  type: number;
  s: 0 | 1;
  dpl: number;
  present: 0 | 1;
  avl: 0 | 1;
  l: 0 | 1;
  db: 0 | 1;
  g: 0 | 1;
  unusable: 0 | 1;
}

export interface DescriptorTable {
  base: bigint;
  limit: number;
}

export interface Sregs {
  cs: Segment; ds: Segment; es: Segment; fs: Segment; gs: Segment; ss: Segment; tr: Segment; ldt: Segment;
  gdt: DescriptorTable;
  idt: DescriptorTable;
  cr0: bigint; cr2: bigint; cr3: bigint; cr4: bigint; cr8: bigint;
  efer: bigint;
  apicBase: bigint;
  /** The four PDPTE registers, present only while PAE paging outside long mode is on (KVM_GET_SREGS2). */
  pdptrs?: readonly bigint[];
}

export interface DebugRegs {
  db: [bigint, bigint, bigint, bigint];
  dr6: bigint;
  dr7: bigint;
}

export interface RegionFlags {
  readonly?: boolean;
  log?: boolean;
}

/**
 * User memory as the process that runs the machine has it: what setRegion's `backing` is an offset into. Saving and
 * migration work on it, since memory that no region shows at the moment (under a firmware shadow) belongs to the
 * machine, too.
 */
export interface UserMemory {
  /** Number of 4 KiB pages. */
  readonly pages: number;
  /** Copies a page; false, leaving `into` alone, when the page holds zeros only. */
  readPage(page: number, into: Uint8Array): boolean;
  /** Writes 4096 bytes, or zeros for null, as a device would: decoded code is dropped, the page is dirty. */
  writePage(page: number, bytes: Uint8Array | null): void;
}

/** A virtual machine with one clock. Interrupt chips (PIC, IOAPIC, LAPIC, PIT with port 61h) live inside it. */
export interface AccelVm extends Persist {
  /**
   * VM exits after which run() comes back with kind budget before its time; Infinity: never. An exit costs as much as a
   * thousand instructions, and whoever runs a guest in slices must not wait for one that does nothing else.
   */
  patience: number;
  readonly cpuCount: number;
  /** The CPU that regs() and the like are about, from 0. */
  shown: number;
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  readonly userMemory: UserMemory;
  /** Where accesses go that nothing inside answers. Set once, before the first run. */
  attach(bus: IoBus): void;
  /**
   * KVM_SET_USER_MEMORY_REGION: guest addresses gpa .. gpa+size-1 are user memory from offset `backing` on. Size 0
   * deletes the slot. Two slots may share backing. Writes of the guest to a read-only slot go to the bus.
   */
  setRegion(slot: number, gpa: number, size: number, backing: number, flags: RegionFlags): void;
  /** KVM_IRQ_LINE: level of GSI 0-23; 0-15 reach the PIC and the IOAPIC; GSI 0 is IOAPIC pin 2. */
  irqLine(gsi: number, level: boolean): void;
  /** KVM_PIT_FLAGS_HPET_LEGACY: while on, channel 0 of the PIT raises no interrupt; the HPET has taken its place. */
  setHpetLegacy?(on: boolean): void;
  /** Time of day at t = 0 in seconds since 1970, for who tells the guest. */
  setWallClock?(seconds: number): void;
  /** CPUs and inner chips to their power-on state; memory, regions and clock stay. */
  reset(): void;
  /** Runs until t reaches untilT, or a stop. */
  run(untilT: number): Stop;
  /** Makes the running run() return "stopped" at the next instruction boundary; called from bus callbacks. */
  stop(): void;
  regs(): Regs;
  setRegs(regs: Regs): void;
  sregs(): Sregs;
  setSregs(sregs: Sregs): void;
  debugRegs(): DebugRegs;
  setDebugRegs(regs: DebugRegs): void;
  /** Values of the listed MSRs; an MSR the CPU lacks reads as undefined. */
  msrs(indices: readonly number[]): (bigint | undefined)[];
  setMsr(index: number, value: bigint): boolean;
  /** Extended control register 0 (KVM_GET_XCRS). */
  xcr0(): bigint;
  setXcr0(value: bigint): void;
  /** XSAVE image (x87, SSE and what XCR0 enables). */
  xsave(): Uint8Array;
  setXsave(image: Uint8Array): void;
  /**
   * Pending exceptions, interrupt shadow and NMI state. A record that is the same for every accelerator, since it is
   * part of the state hash: nmi, nmiBlocked, shadow (1 STI, 2 MOV SS), init, sipi (vector + 1), debug (DR6 bits of a
   * pending debug exception), tripleFault, a20 as numbers, seed (RDRAND) as bigint.
   */
  events(): Saved;
  setEvents(events: Saved): void;
  mpState(): "runnable" | "uninitialized" | "init" | "sipi" | "halted";
  setMpState(state: "runnable" | "uninitialized" | "init" | "sipi" | "halted"): void;
  /** Starts the log of written pages with every page clean, or ends it. */
  setDirtyLog(on: boolean): void;
  /**
   * The pages of user memory that anything has written since the log began or since the last call: one bit a page,
   * lowest bit first (KVM_GET_DIRTY_LOG of every slot, joined with what user space wrote itself).
   */
  dirtyLog(): Uint8Array;
  /**
   * Which of `count` pages of user memory from page `first` on have been written through regions with the log flag since
   * the last call: one bit a page. The dirty log does not notice.
   */
  writtenPages(first: number, count: number): Uint8Array;
  /** Brings at most `limit` page digests up to date; true when none is left behind. */
  freshenDigests(limit: number): boolean;
  /** SHA-256 of every page of every region, 32 bytes each, in the order of guest addresses. */
  pageDigests(): Uint8Array;
  /** SHA-256 of the parts one after the other. */
  sha256(...parts: Uint8Array[]): Uint8Array;
}

/** All general registers zero, as after RESET except RIP and RDX, which the caller gives. */
export function zeroRegs(): Regs {
  return {
    rax: 0n, rbx: 0n, rcx: 0n, rdx: 0n, rsi: 0n, rdi: 0n, rsp: 0n, rbp: 0n,
    r8: 0n, r9: 0n, r10: 0n, r11: 0n, r12: 0n, r13: 0n, r14: 0n, r15: 0n,
    rip: 0n, rflags: 2n,
  };
}

/** A flat 4 GiB segment: type 11 (execute, read, accessed) or 3 (read, write, accessed). */
export function flatSegment(selector: number, type: 3 | 11): Segment {
  return {
    selector, base: 0n, limit: 0xffffffff, type, s: 1, dpl: 0, present: 1, avl: 0, l: 0, db: 1, g: 1, unusable: 0,
  };
}
