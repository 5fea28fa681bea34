import type { DebugRegs, Segment, Sregs } from "../../base/index.ts";
import type { HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import { GuestState } from "../guest-state.ts";
import type { ShadowContext } from "../mmu/shadow/mmu.ts";
import type { PendingState } from "../ops.ts";
import { CPL_SHIFT, V, Vmcb } from "./vmcb.ts";

const RAX = 0,
  RSP = 4,
  CS = 1,
  DS = 3;
const SVME = 0x1000n,
  EFER = 0xc0000080,
  PAT = 0x277;
const SINGLE_STEP = 0x4000,
  BREAKPOINTS = 15n;

/**
 * Guest state: in the VMCB while the guest is out, in the processor while it is in. FS, GS, LDTR, TR, CR2 and the MSRs of
 * VMLOAD stay in the processor: nothing of the host needs them.
 */
export abstract class SvmGuestState extends GuestState {
  readonly vmcb: Vmcb;
  /** The guest handles an NMI: no other before its IRET. */
  protected nmiMasked = 0;
  #block = 0;

  constructor(host: HostComputer, read64: (gpa: number) => bigint, shadow: ShadowContext | undefined) {
    super(host, read64, shadow);
    this.vmcb = new Vmcb(host);
  }

  get inGuest(): boolean {
    return this.core.exports.svmGuest() !== 0;
  }
  /** A single step's #DB, with the instruction completed in software. */
  protected abstract trap(): void;
  /** A word of the state, wherever it is. */
  #word(field: number, at: number): bigint {
    return this.inGuest ? (this.core.u64[at / 8] ?? 0n) : this.vmcb.read(field);
  }

  register(n: number): bigint {
    if (n === RAX) return this.#word(V.RAX, layout.REGS);
    if (n === RSP) return this.#word(V.RSP, layout.REGS + 8 * RSP);
    return this.core.u64[layout.REGS / 8 + n] ?? 0n;
  }
  setRegister(n: number, value: bigint): void {
    if ((n === RAX || n === RSP) && !this.inGuest) this.vmcb.write(n === RAX ? V.RAX : V.RSP, value);
    else this.core.u64[layout.REGS / 8 + n] = value;
  }
  low(n: number): number {
    if ((n === RAX || n === RSP) && !this.inGuest) return this.vmcb.number(n === RAX ? V.RAX : V.RSP);
    return this.core.u32[layout.REGS / 4 + 2 * n] ?? 0;
  }
  protected setLow(n: number, value: number, clearUpper: boolean): void {
    if ((n === RAX || n === RSP) && !this.inGuest) {
      const field = n === RAX ? V.RAX : V.RSP;
      this.vmcb.put(field, value);
      if (clearUpper) this.vmcb.put(field + 4, 0);
      return;
    }
    this.core.u32[layout.REGS / 4 + 2 * n] = value;
    if (clearUpper) this.core.u32[layout.REGS / 4 + 2 * n + 1] = 0;
  }
  rip(): bigint {
    return this.#word(V.RIP, layout.RIP);
  }
  setRip(value: bigint): void {
    this.vmcb.write(V.RIP, value);
  }
  rflags(): bigint {
    return this.inGuest ? BigInt(this.core.exports.rflags() >>> 0) : this.vmcb.read(V.RFLAGS);
  }
  setRflags(value: bigint): void {
    this.vmcb.write(V.RFLAGS, value);
  }

  /** VMCB attributes: 11 G  10 D/B  9 L  8 AVL  7 P  6..5 DPL  4 S  3..0 type. */
  segment(n: number): Segment {
    if (n > DS || this.inGuest) return hw.readSegment(this.core, n);
    const first = this.vmcb.read(V.ES + 16 * n),
      attributes = Number(first >> 16n) & 0xffff;
    const flag = (bit: number): 0 | 1 => (((attributes >>> bit) & 1) === 1 ? 1 : 0);
    return {
      selector: Number(first & 0xffffn),
      base: this.vmcb.read(V.ES + 16 * n + 8),
      limit: Number(first >> 32n),
      type: attributes & 15,
      s: flag(4),
      dpl: (attributes >>> 5) & 3,
      present: flag(7),
      avl: flag(8),
      l: flag(9),
      db: flag(10),
      g: flag(11),
      unusable: flag(7) === 1 ? 0 : 1,
    };
  }
  protected setSegment(n: number, s: Segment): void {
    if (n > DS) {
      hw.writeSegment(this.core, n, s);
      return;
    }
    const present = s.unusable ? 0 : s.present;
    const attributes =
      s.type | (s.s << 4) | (s.dpl << 5) | (present << 7) | (s.avl << 8) | (s.l << 9) | (s.db << 10) | (s.g << 11);
    this.vmcb.put(V.ES + 16 * n, (s.selector & 0xffff) | (attributes << 16));
    this.vmcb.put(V.ES + 16 * n + 4, s.limit);
    this.vmcb.write(V.ES + 16 * n + 8, s.base);
  }
  cpl(): number {
    return this.inGuest ? (this.core.u32[layout.CPL / 4] ?? 0) : Number((this.vmcb.read(V.CPL_WORD) >> CPL_SHIFT) & 3n);
  }

  control(n: 0 | 3 | 4): bigint {
    const guest = this.shadow?.guest;
    if (guest) return n === 3 ? guest.cr3 : BigInt(n === 0 ? guest.cr0 : guest.cr4);
    return this.#word(n === 0 ? V.CR0 : n === 3 ? V.CR3 : V.CR4, layout.CR0 + 8 * n);
  }
  /** The guest's processor has no SVM: SVME, which VMRUN wants, is not its own. */
  efer(): bigint {
    if (this.shadow) return BigInt(this.shadow.guest.efer);
    return this.#word(V.EFER, layout.EFER) & ~SVME;
  }
  /** Under nested paging the processor reads them from memory, at every walk. */
  pdptes(): readonly bigint[] {
    const guest = this.shadow?.guest;
    if (guest) return [0, 1, 2, 3].map((i) => guest.pdpte(i));
    const at = Number(this.control(3) & 0xffffffe0n);
    return [0, 8, 16, 24].map((i) => this.read64(at + i));
  }

  sregs(): Omit<Sregs, "apicBase" | "cr8"> {
    const table = (field: number, base: number, limit: number) =>
      this.inGuest
        ? { base: this.core.u64[base / 8] ?? 0n, limit: this.core.u32[limit / 4] ?? 0 }
        : { base: this.vmcb.read(field + 8), limit: this.vmcb.number(field + 4) };
    return {
      ...this.segments(),
      gdt: table(V.GDTR, layout.GDT_BASE, layout.GDT_LIMIT),
      idt: table(V.IDTR, layout.IDT_BASE, layout.IDT_LIMIT),
      ...(this.usesPae() ? { pdptrs: this.pdptes() } : {}),
      cr0: this.control(0),
      cr2: this.core.u64[layout.CR2 / 8] ?? 0n,
      cr3: this.control(3),
      cr4: this.control(4),
      efer: this.efer(),
    };
  }
  setSregs(s: Omit<Sregs, "apicBase" | "cr8">): void {
    this.leave();
    const v = this.vmcb;
    this.setSegments(s);
    this.core.exports.updateMode();
    v.put(V.GDTR + 4, s.gdt.limit);
    v.write(V.GDTR + 8, s.gdt.base);
    v.put(V.IDTR + 4, s.idt.limit);
    v.write(V.IDTR + 8, s.idt.base);
    if (this.shadow) {
      this.shadow.reset();
      this.setPaging(s.cr0, s.cr3, s.cr4, s.efer, undefined);
      this.takePdptes(s.cr3, s.pdptrs);
    } else {
      v.write(V.CR0, s.cr0);
      v.write(V.CR3, s.cr3);
      v.write(V.CR4, s.cr4);
      v.write(V.EFER, s.efer | SVME);
    }
    this.core.u64[layout.CR2 / 8] = s.cr2;
    // The privilege level is a field of its own here: the DPL of SS, as everywhere else.
    const cpl = (s.cr0 & 1n) === 0n ? 0 : s.ss.dpl;
    v.write(V.CPL_WORD, (v.read(V.CPL_WORD) & ~(0xffn << CPL_SHIFT)) | (BigInt(cpl) << CPL_SHIFT));
    this.flushTlb();
  }
  debugRegs(): DebugRegs {
    const d = hw.readDebugRegs(this.core);
    return this.inGuest ? d : { ...d, dr6: this.vmcb.read(V.DR6), dr7: this.vmcb.read(V.DR7) };
  }
  setDebugRegs(d: DebugRegs): void {
    this.leave();
    hw.writeDebugRegs(this.core, { ...d, dr7: 0x400n });
    this.vmcb.write(V.DR6, d.dr6);
    this.vmcb.write(V.DR7, d.dr7);
  }

  msr(index: number): bigint | undefined {
    if (index === EFER) return this.efer();
    // Without nested paging the guest's PAT is the processor's.
    if (index === PAT) return this.shadow ? this.core.u64[layout.PAT / 8] : this.#word(V.G_PAT, layout.PAT);
    // VM_CR and VM_HSAVE_PA are the host's.
    return undefined;
  }
  setMsr(index: number, value: bigint): boolean {
    if (index !== EFER && index !== PAT) return false;
    this.leave();
    if (this.shadow && index === EFER) this.setPaging(this.control(0), this.control(3), this.control(4), value, undefined);
    else if (this.shadow) this.core.u64[layout.PAT / 8] = value;
    else this.vmcb.write(index === EFER ? V.EFER : V.G_PAT, index === EFER ? value | SVME : value);
    return true;
  }
  tscOffset(): bigint {
    return this.vmcb.read(V.TSC_OFFSET);
  }
  setTscOffset(value: bigint): void {
    this.vmcb.write(V.TSC_OFFSET, BigInt.asUintN(64, value));
  }

  pending(): PendingState {
    const word = (at: number): number => this.core.u32[at / 4] ?? 0;
    return {
      shadow: this.inGuest ? word(layout.SHADOW) : this.vmcb.number(V.INTERRUPT_SHADOW) & 1,
      nmiBlocked: this.nmiMasked,
      debug: this.inGuest ? word(layout.DB_PENDING) : 0,
    };
  }
  /** A VMCB holds no debug trap that waits: it is an event. */
  setPending(p: PendingState): void {
    this.leave();
    this.vmcb.write(V.INTERRUPT_SHADOW, p.shadow ? 1n : 0n);
    this.nmiMasked = p.nmiBlocked ? 1 : 0;
    if ((p.debug & 0x400f) !== 0) this.#trapPending(p.debug & 0x400f);
  }

  /** Real mode is paged real mode here: CR0.PE stays the guest's. */
  protected loadPaging(): void {
    const guest = this.shadow?.guest,
      v = this.vmcb;
    if (!guest) return;
    v.write(V.CR0, BigInt(guest.hardwareCr0()));
    v.write(V.CR3, BigInt(this.shadow?.root() ?? 0));
    v.write(V.CR4, BigInt(guest.hardwareCr4()));
    v.write(V.EFER, BigInt(guest.hardwareEfer()) | SVME);
  }

  /** Guest state as one register block; see src/hw/svm/image.ts. The guest is out. */
  image(): number {
    const at = this.core.exports.svmGuestImage(BigInt(this.vmcb.pa));
    this.showPaging(at);
    if (!this.shadow && this.usesPae()) this.#showPdptes(at);
    this.#block = at;
    return at;
  }
  /** The processor that completes an instruction has them as registers. */
  #showPdptes(block: number): void {
    this.pdptes().forEach((e, i) => {
      this.core.u64[(block + layout.PDPTE - layout.REGS) / 8 + i] = e;
    });
  }
  setImage(_event: boolean): void {
    const cr3 = this.control(3);
    this.core.exports.svmSetGuestImage(BigInt(this.vmcb.pa));
    if (this.shadow) this.takePaging(this.#block);
    this.core.exports.updateMode();
    const pending = (this.core.u32[(this.#block + layout.DB_PENDING - layout.REGS) / 4] ?? 0) & 0x400f;
    if (pending !== 0) this.#trapPending(pending);
    if (!this.shadow && this.control(3) !== cr3) this.flushTlb();
  }
  /** @param causes breakpoints that an instruction has met, and DR6.BS */
  #trapPending(causes: number): void {
    this.vmcb.write(V.DR6, (this.vmcb.read(V.DR6) & ~BREAKPOINTS) | BigInt(causes));
    this.trap();
  }
  skip(): void {
    const v = this.vmcb;
    v.write(V.RIP, this.length ? v.read(V.RIP) + BigInt(this.length) : v.read(V.NRIP));
    v.write(V.INTERRUPT_SHADOW, 0n);
    if ((this.rflags() & 0x100n) !== 0n) this.#trapPending(SINGLE_STEP);
  }
  /** Is the guest in 64-bit mode? */
  get in64Bit(): boolean {
    return (this.efer() & 0x400n) !== 0n && this.segment(CS).l === 1;
  }
}
