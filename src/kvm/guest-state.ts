import type { Regs, Segment, Sregs } from "../base/index.ts";
import type { HostComputer } from "../host/index.ts";
import { type Core, layout } from "../hw/index.ts";
import type { Entered } from "./ops.ts";

const GPRS = [
  ..."rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" "),
] as (keyof Omit<Regs, "rip" | "rflags">)[];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"] as const;
type Segments = Record<(typeof SEGMENTS)[number], Segment>;

/**
 * Guest state as both vendors' virtualization keeps it: in a VMCS or VMCB while the guest is out, in the processor while it
 * is in. What differs, the fields, is below this class.
 */
export abstract class GuestState {
  readonly host: HostComputer;
  protected readonly core: Core;
  /** Guest-physical memory, for PDPTEs. */
  protected readonly read64: (gpa: number) => bigint;

  constructor(host: HostComputer, read64: (gpa: number) => bigint) {
    this.host = host;
    this.core = host.core;
    this.read64 = read64;
  }

  abstract get inGuest(): boolean;
  abstract enter(budget: number): Entered;
  /** Was the last exit made by the host's interrupt line? */
  protected abstract interrupted(): boolean;
  abstract flushTlb(): void;
  abstract register(n: number): bigint;
  abstract setRegister(n: number, value: bigint): void;
  abstract rip(): bigint;
  abstract setRip(value: bigint): void;
  abstract rflags(): bigint;
  abstract setRflags(value: bigint): void;
  abstract segment(n: number): Segment;
  protected abstract setSegment(n: number, s: Segment): void;
  abstract control(n: 0 | 3 | 4): bigint;
  abstract efer(): bigint;

  /** Out of guest mode; an exit with another cause on the way ends it as well, and its instruction runs again. */
  kick(): void {
    this.requestExit(true);
    for (let i = 0; i < 16 && this.inGuest; i++) if (this.enter(4) === "exit" && !this.interrupted()) break;
    this.requestExit(false);
  }
  /** Setting state is for a guest that is out. */
  protected leave(): void {
    if (this.inGuest) this.kick();
  }
  /** The host's interrupt line: the guest leaves at its next boundary. */
  requestExit(on: boolean): void {
    this.core.u32[layout.INTR / 4] = on ? 1 : 0;
  }

  regs(): Regs {
    const regs = Object.fromEntries(GPRS.map((name, i) => [name, this.register(i)])) as unknown as Regs;
    return { ...regs, rip: this.rip(), rflags: this.rflags() };
  }
  setRegs(regs: Regs): void {
    this.leave();
    GPRS.forEach((name, i) => {
      this.setRegister(i, regs[name]);
    });
    this.setRip(regs.rip);
    this.setRflags(regs.rflags);
  }
  protected segments(): Segments {
    return Object.fromEntries(SEGMENTS.map((name, i) => [name, this.segment(i)])) as unknown as Segments;
  }
  protected setSegments(s: Omit<Sregs, "apicBase" | "cr8">): void {
    SEGMENTS.forEach((name, i) => {
      this.setSegment(i, s[name]);
    });
  }
  /** Three-level paging, whose top entries are registers or read at every walk. */
  protected usesPae(): boolean {
    return this.control(0) >> 31n !== 0n && (this.control(4) & 0x20n) !== 0n && (this.efer() & 0x400n) === 0n;
  }
}
