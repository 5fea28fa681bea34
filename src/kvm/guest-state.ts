import type { Regs, Segment, Sregs } from "../base/index.ts";
import type { HostComputer } from "../host/index.ts";
import { type Core, layout } from "../hw/index.ts";
import type { ShadowContext } from "./mmu/shadow/mmu.ts";
import { portAccess, secondStageFault } from "./handlers.ts";
import type { Entered } from "./ops.ts";

const GPRS = [
  ..."rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" "),
] as (keyof Omit<Regs, "rip" | "rflags">)[];
const EFER = 0xc0000080,
  NO_FLUSH = 1n << 63n,
  PDPTE_RESERVED = 0x1e6n;
/** What cached translations depend on: PG, WP, PE; PSE, PAE, PGE, PCIDE, SMEP, SMAP. */
const PAGING_CR0 = 0x80010001,
  PAGING_CR4 = 0x3200b0,
  EFER_RULES = 0xd00;
const CR0_PE = 1n,
  CR0_NW = 1n << 29n,
  CR0_CD = 1n << 30n,
  CR0_PG = 1n << 31n,
  CR4_PAE = 0x20n,
  CR4_PCIDE = 1n << 17n,
  EFER_LME = 0x100n,
  EFER_LMA = 0x400n;
/** Of CR0: a change of these reads the PDPTE registers again. */
const PDPTE_BITS = CR0_PG | CR0_CD | CR0_NW;
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"] as const;
type Segments = Record<(typeof SEGMENTS)[number], Segment>;

const rulesOf = ({ cr0, cr4, efer }: { cr0: number; cr4: number; efer: number }): number =>
  ((cr0 & PAGING_CR0) >>> 0) * 0x400000 + (cr4 & PAGING_CR4) + (efer & EFER_RULES) / 0x100;

/**
 * Guest state as both vendors' virtualization keeps it: in a VMCS or VMCB while the guest is out, in the processor while it
 * is in. What differs, the fields, is below this class.
 */
export abstract class GuestState {
  readonly host: HostComputer;
  length = 0;
  /** What the exit in hand tells of a port or of the second stage: filled anew by each. */
  readonly port = portAccess();
  readonly fault = secondStageFault();
  protected readonly core: Core;
  /** A flush is due before the guest goes on. */
  #flush = false;
  /** Guest-physical memory, for PDPTEs. */
  protected readonly read64: (gpa: number) => bigint;
  /** With shadow paging: the guest's paging registers and the tables that stand in for its own. */
  shadow: ShadowContext | undefined;
  /** It is on its way out of guest mode. */
  #kicked = false;
  /** CR0 as the register block had it first. */
  #before = 0n;

  constructor(host: HostComputer, read64: (gpa: number) => bigint, shadow: ShadowContext | undefined) {
    this.host = host;
    this.core = host.core;
    this.read64 = read64;
    this.shadow = shadow;
  }

  abstract get inGuest(): boolean;
  abstract enter(budget: number): Entered;
  /** Was the last exit made by the host's interrupt line? */
  protected abstract interrupted(): boolean;
  abstract flushTlb(): void;
  abstract register(n: number): bigint;
  abstract setRegister(n: number, value: bigint): void;
  abstract low(n: number): number;
  protected abstract setLow(n: number, value: number, clearUpper: boolean): void;
  abstract rip(): bigint;
  abstract setRip(value: bigint): void;
  abstract rflags(): bigint;
  abstract setRflags(value: bigint): void;
  abstract segment(n: number): Segment;
  protected abstract setSegment(n: number, s: Segment): void;
  abstract control(n: 0 | 3 | 4): bigint;
  abstract efer(): bigint;
  abstract setMsr(index: number, value: bigint): boolean;
  /** With shadow paging: the processor's paging registers follow the guest's. */
  protected abstract loadPaging(): void;

  requestFlush(): void {
    this.#flush = true;
  }
  /** KVM_REQ_TLB_FLUSH, before an entry; a guest that is in guest mode has to leave it for that. */
  protected flushIfDue(): void {
    // Another vCPU has taken something out of the shadow tables: they are read anew at an entry.
    if (this.shadow?.flushNeeded && this.inGuest && !this.#kicked) this.kick();
    if (!this.#flush) return;
    this.#flush = false;
    if (this.inGuest) this.kick();
    this.flushTlb();
  }
  /** Out of guest mode; an exit with another cause on the way ends it as well, and its instruction runs again. */
  kick(): void {
    this.#kicked = true;
    this.requestExit(true);
    for (let i = 0; i < 16 && this.inGuest; i++) if (this.enter(4) === "exit" && !this.interrupted()) break;
    this.requestExit(false);
    this.#kicked = false;
  }
  /** Setting state is for a guest that is out. */
  protected leave(): void {
    if (this.inGuest) this.kick();
  }
  /** The block of image() is never the guest's registers alone. */
  onlyRegisters(): boolean {
    return false;
  }
  /** The host's interrupt line: the guest leaves at its next boundary. */
  requestExit(on: boolean): void {
    this.core.u32[layout.INTR / 4] = on ? 1 : 0;
  }

  setPart(n: number, size: 1 | 2 | 4, value: number): void {
    if (size === 4) this.setLow(n, value, true);
    else {
      const kept = size === 1 ? 0xffffff00 : 0xffff0000;
      this.setLow(n, (this.low(n) & kept) | (value & ~kept), false);
    }
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

  /** Would MOV to CR0 be #GP? What the processor does after that, it does when the instruction runs again. */
  refusesCr0(value: bigint): boolean {
    const old = this.control(0),
      cr4 = this.control(4),
      on = (bit: bigint): boolean => (value & bit) !== 0n,
      wasOn = (old & CR0_PG) !== 0n,
      code = this.segment(1);
    if (value >> 32n !== 0n || (on(CR0_PG) && !on(CR0_PE)) || (on(CR0_NW) && !on(CR0_CD))) return true;
    const long = on(CR0_PG) && (this.efer() & EFER_LME) !== 0n;
    if (long && !wasOn && ((cr4 & CR4_PAE) === 0n || code.l === 1 || (this.segment(7).type & 8) === 0)) return true;
    if (!on(CR0_PG) && wasOn && (((this.efer() & EFER_LMA) !== 0n && code.l === 1) || (cr4 & CR4_PCIDE) !== 0n)) return true;
    const reads = on(CR0_PG) && !long && (cr4 & CR4_PAE) !== 0n && ((value ^ old) & PDPTE_BITS) !== 0n;
    return reads && !this.#pdptesAt(this.control(3));
  }

  /** WRMSR of EFER: reserved bits, LME under paging; LMA follows CR0.PG. @returns false for #GP */
  writeEfer(value: bigint): boolean {
    const old = this.efer();
    if ((value & ~0xd01n) !== 0n) return false;
    if (((value ^ old) & 0x100n) !== 0n && this.control(0) >> 31n !== 0n) return false;
    this.setMsr(EFER, (value & ~0x400n) | (old & 0x400n));
    if (((value ^ old) & 0x800n) !== 0n) this.flushTlb();
    return true;
  }

  /** With shadow paging, MOV to CR3. @returns false for #GP */
  writeCr3(value: bigint): boolean {
    const { shadow } = this;
    if (!shadow) return false;
    const { guest } = shadow;
    let cr3 = value & 0xffffffffn;
    if (guest.long) {
      cr3 = (guest.cr4 & 0x20000) !== 0 ? value & ~NO_FLUSH : value;
      if (cr3 >> BigInt(guest.physBits) !== 0n) return false;
    } else if (guest.format === 3 && !this.#loadPdptes(cr3)) return false;
    guest.cr3 = cr3;
    shadow.switchSpace();
    return true;
  }
  /** The four entries that CR3 leads to in PAE paging; undefined when one has reserved bits. */
  #pdptesAt(cr3: bigint): readonly bigint[] | undefined {
    const at = Number(cr3 & 0xffffffe0n),
      entries = [0, 8, 16, 24].map((i) => this.read64(at + i));
    return entries.some((e) => (e & 1n) !== 0n && (e & PDPTE_RESERVED || e >> BigInt(this.host.physicalBits))) ? undefined : entries;
  }
  /** The four registers of PAE paging; false when an entry has reserved bits. */
  #loadPdptes(cr3: bigint): boolean {
    const guest = this.shadow?.guest,
      entries = this.#pdptesAt(cr3);
    if (!guest || !entries) return false;
    entries.forEach((e, i) => {
      guest.setPdpte(i, e);
    });
    return true;
  }

  /** With shadow paging: the guest has got other paging registers, from its own instruction or from user space. */
  protected setPaging(cr0: bigint, cr3: bigint, cr4: bigint, efer: bigint, pdptes: readonly bigint[] | undefined): void {
    const { shadow } = this;
    if (!shadow) return;
    const { guest } = shadow;
    const rules = rulesOf(guest),
      old = guest.cr3;
    guest.cr0 = Number(cr0 & 0xffffffffn);
    guest.cr4 = Number(cr4 & 0xffffffffn);
    guest.efer = Number(efer & 0xffffffffn);
    guest.cr3 = cr3;
    pdptes?.forEach((e, i) => {
      guest.setPdpte(i, e);
    });
    if (rulesOf(guest) !== rules) shadow.flush();
    else if (old !== cr3) shadow.switchSpace();
    this.loadPaging();
  }

  /** User space gives the four registers, or they come from memory at CR3. */
  protected takePdptes(cr3: bigint, pdptes: readonly bigint[] | undefined): void {
    const guest = this.shadow?.guest;
    if (!guest || !this.usesPae()) return;
    if (!pdptes) this.writeCr3(cr3);
    else
      pdptes.forEach((e, i) => {
        guest.setPdpte(i, e);
      });
  }

  /** The register block holds the guest's own paging registers, not those of its shadow. */
  protected showPaging(block: number): void {
    const guest = this.shadow?.guest,
      { u64 } = this.core;
    if (!guest) return;
    const word = (at: number): number => (block + at - layout.REGS) / 8;
    this.#before = this.control(0);
    u64[word(layout.CR0)] = this.#before;
    u64[word(layout.CR3)] = guest.cr3;
    u64[word(layout.CR4)] = BigInt(guest.cr4);
    u64[word(layout.EFER)] = BigInt(guest.efer);
    for (let i = 0; i < 4; i++) u64[word(layout.PDPTE) + i] = guest.pdpte(i);
  }
  /** What an instruction completed in the block has made of them. */
  protected takePaging(block: number): void {
    const guest = this.shadow?.guest,
      { u64 } = this.core;
    if (!guest) return;
    const word = (at: number): bigint => u64[(block + at - layout.REGS) / 8] ?? 0n;
    const [cr0, cr3, cr4, efer] = [word(layout.CR0), word(layout.CR3), word(layout.CR4), word(layout.EFER)];
    if (cr0 === this.#before && cr3 === guest.cr3 && cr4 === BigInt(guest.cr4) && efer === BigInt(guest.efer)) {
      guest.cr0 = Number(cr0);
      this.loadPaging();
      return;
    }
    this.setPaging(cr0, cr3, cr4, efer, [0, 8, 16, 24].map((i) => word(layout.PDPTE + i)));
  }
}
