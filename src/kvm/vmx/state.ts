import type { DebugRegs, Segment, Sregs } from "../../base/index.ts";
import type { HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import { GuestState } from "../guest-state.ts";
import type { ShadowContext } from "../mmu/shadow/mmu.ts";
import type { PendingState } from "../ops.ts";
import { ENTRY, F } from "./fields.ts";
import { segmentsValid } from "./valid.ts";
import { Vmcs } from "./vmcs.ts";

const RSP = 4,
  EFER = 0xc0000080;
/** Bits that KVM owns: VMX operation needs them set, the guest sees its own value in the shadow. */
export const CR0_OWNED = 0x20n,
  CR4_OWNED = 0x2000n;
const CACHE_BITS = 0x60000000n;
/** With shadow paging: bits of CR0 that the guest writes itself (MP, EM, TS, ET, AM, NW, CD); CR4 is KVM's. */
const GUEST_CR0 = 0x6004001en,
  ALL_CR4 = 0xffffffffn;
const PE_NE = 0x21n;
/** With EPT and no unrestricted guest: PG, NE and PE are KVM's; without paging PAE, PGE, PCIDE, SMEP and SMAP are off. */
const RESTRICTED_CR0 = 0x80000021n,
  PE_PG = 0x80000001n,
  PAGED_CR4 = 0x3200a0n,
  CR4_PSE = 0x10n,
  LONG_MODE = 0x500n;
/** The processor's word at `layout.VMX` (src/hw/vmx/state.ts) while a guest runs. */
const NON_ROOT = 2;
/** Where the processor keeps virtual-NMI blocking while the guest runs (src/hw/vmx/state.ts). */
const VIRTUAL_NMI_BLOCKED = 0x28;
/** MSRs that the VMCS holds for the guest. */
const MSR_FIELDS: ReadonlyMap<number, number> = new Map([
  [0xc0000080, F.GUEST_EFER],
  [0x277, F.GUEST_PAT],
  [0x1d9, F.GUEST_DEBUGCTL],
  [0x174, F.GUEST_SYSENTER_CS],
  [0x175, F.GUEST_SYSENTER_ESP],
  [0x176, F.GUEST_SYSENTER_EIP],
  [0xc0000100, F.GUEST_ES_BASE + 8],
  [0xc0000101, F.GUEST_ES_BASE + 10],
]);

interface UnpagedRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** Guest state in the VMCS while the guest is out, in the processor while it is in. */
export abstract class VmxGuestState extends GuestState {
  readonly vmcs: Vmcs;
  #block = 0;
  /** Can the processor enter the guest? Unknown after its state has been set; the guest itself cannot leave a valid state. */
  #valid: boolean | undefined;
  readonly #identityMap: number | undefined;
  /** The registers of a restricted guest without paging; the processor has others. */
  #unpaged: UnpagedRegisters | undefined;

  /** @param identityMap where a guest that is not unrestricted has KVM's page table; undefined for one that is */
  constructor(host: HostComputer, read64: (gpa: number) => bigint, shadow: ShadowContext | undefined, identityMap: number | undefined) {
    super(host, read64, shadow);
    this.vmcs = new Vmcs(host);
    this.#identityMap = identityMap;
  }
  /** EPT, but no unrestricted guest: the processor wants paging on. */
  get restricted(): boolean {
    return this.#identityMap !== undefined && !this.shadow;
  }
  /** Exits of MOV to and from CR3. */
  protected abstract exitOnCr3(on: boolean): void;

  get inGuest(): boolean {
    return this.core.u32[layout.VMX / 4] === NON_ROOT;
  }
  protected override leave(): void {
    super.leave();
    // What is set next lies partly in the processor: it is to be the host's.
    this.core.exports.vmxSettle();
  }

  register(n: number): bigint {
    if (n === RSP && !this.inGuest) return this.vmcs.read(F.GUEST_RSP);
    return this.core.u64[layout.REGS / 8 + n] ?? 0n;
  }
  setRegister(n: number, value: bigint): void {
    if (n === RSP && !this.inGuest) this.vmcs.write(F.GUEST_RSP, value);
    else this.core.u64[layout.REGS / 8 + n] = value;
  }
  low(n: number): number {
    if (n === RSP && !this.inGuest) return this.vmcs.low(F.GUEST_RSP);
    return this.core.u32[layout.REGS / 4 + 2 * n] ?? 0;
  }
  protected setLow(n: number, value: number, clearUpper: boolean): void {
    if (n === RSP && !this.inGuest) {
      this.vmcs.putWords(F.GUEST_RSP, value, clearUpper ? 0 : this.vmcs.high(F.GUEST_RSP));
      return;
    }
    this.core.u32[layout.REGS / 4 + 2 * n] = value;
    if (clearUpper) this.core.u32[layout.REGS / 4 + 2 * n + 1] = 0;
  }
  rip(): bigint {
    return this.inGuest ? (this.core.u64[layout.RIP / 8] ?? 0n) : this.vmcs.read(F.GUEST_RIP);
  }
  setRip(value: bigint): void {
    this.vmcs.write(F.GUEST_RIP, value);
  }
  rflags(): bigint {
    return this.inGuest ? BigInt(this.core.exports.rflags() >>> 0) : this.vmcs.read(F.GUEST_RFLAGS);
  }
  setRflags(value: bigint): void {
    this.vmcs.write(F.GUEST_RFLAGS, value);
  }

  segment(n: number): Segment {
    if (this.inGuest) return hw.readSegment(this.core, n);
    const v = this.vmcs,
      rights = v.number(F.GUEST_ES_AR + 2 * n);
    const flag = (bit: number): 0 | 1 => (((rights >>> bit) & 1) === 1 ? 1 : 0);
    return {
      selector: v.number(F.GUEST_ES_SELECTOR + 2 * n),
      base: v.read(F.GUEST_ES_BASE + 2 * n),
      limit: v.number(F.GUEST_ES_LIMIT + 2 * n),
      type: rights & 15,
      s: flag(4),
      dpl: (rights >>> 5) & 3,
      present: flag(7),
      avl: flag(12),
      l: flag(13),
      db: flag(14),
      g: flag(15),
      unusable: flag(16),
    };
  }
  protected setSegment(n: number, s: Segment): void {
    const v = this.vmcs;
    v.put(F.GUEST_ES_SELECTOR + 2 * n, s.selector);
    v.write(F.GUEST_ES_BASE + 2 * n, s.base);
    v.put(F.GUEST_ES_LIMIT + 2 * n, s.limit);
    v.put(
      F.GUEST_ES_AR + 2 * n,
      s.type |
        (s.s << 4) |
        (s.dpl << 5) |
        (s.present << 7) |
        (s.avl << 12) |
        (s.l << 13) |
        (s.db << 14) |
        (s.g << 15) |
        (s.unusable << 16),
    );
  }
  cpl(): number {
    return this.inGuest
      ? (this.core.u32[layout.CPL / 4] ?? 0)
      : (this.vmcs.number(F.GUEST_ES_AR + 4) >> 5) & 3;
  }

  control(n: 0 | 3 | 4): bigint {
    if (this.shadow && n !== 0) return n === 3 ? this.shadow.guest.cr3 : BigInt(this.shadow.guest.cr4);
    const real = this.inGuest
      ? (this.core.u64[layout.CR0 / 8 + n] ?? 0n)
      : this.vmcs.read(n === 0 ? F.GUEST_CR0 : n === 3 ? F.GUEST_CR3 : F.GUEST_CR4);
    if (n === 3) return this.#unpaged?.cr3 ?? real;
    if (this.shadow) return (real & GUEST_CR0) | (BigInt(this.shadow.guest.cr0) & ~GUEST_CR0);
    if (n === 4 && this.#unpaged) return this.#unpaged.cr4;
    const mask = n === 0 ? this.vmcs.read(F.CR0_MASK) : CR4_OWNED,
      shadow = this.vmcs.read(n === 0 ? F.CR0_SHADOW : F.CR4_SHADOW);
    return (real & ~mask) | (shadow & mask);
  }
  efer(): bigint {
    if (this.shadow) return BigInt(this.shadow.guest.efer);
    if (this.#unpaged) return this.#unpaged.efer;
    return this.inGuest ? (this.core.u64[layout.EFER / 8] ?? 0n) : this.vmcs.read(F.GUEST_EFER);
  }
  /** A guest that is not unrestricted, as without EPT, has to be in protected mode, with segments to match. */
  get emulationRequired(): boolean {
    if (!(this.shadow || this.restricted) || this.inGuest) return false;
    this.#valid ??= (this.control(0) & 1n) !== 0n && segmentsValid(this.vmcs, (this.efer() & 0x400n) !== 0n);
    return !this.#valid;
  }
  get in64Bit(): boolean {
    return (this.efer() & 0x400n) !== 0n && (this.vmcs.low(F.GUEST_ES_AR + 2) & 0x2000) !== 0;
  }
  pdptes(): readonly bigint[] {
    const guest = this.shadow?.guest;
    if (guest) return [0, 1, 2, 3].map((i) => guest.pdpte(i));
    if (this.inGuest) return [0, 1, 2, 3].map((i) => this.core.u64[layout.PDPTE / 8 + i] ?? 0n);
    return [0, 2, 4, 6].map((i) => this.vmcs.read(F.GUEST_PDPTE0 + i));
  }

  sregs(): Omit<Sregs, "apicBase" | "cr8"> {
    const c = this.core,
      table = (base: number, limit: number, atBase: number, atLimit: number) =>
        this.inGuest
          ? { base: c.u64[atBase / 8] ?? 0n, limit: c.u32[atLimit / 4] ?? 0 }
          : { base: this.vmcs.read(base), limit: this.vmcs.number(limit) };
    return {
      ...this.segments(),
      gdt: table(F.GUEST_GDTR_BASE, F.GUEST_GDTR_LIMIT, layout.GDT_BASE, layout.GDT_LIMIT),
      idt: table(F.GUEST_IDTR_BASE, F.GUEST_IDTR_LIMIT, layout.IDT_BASE, layout.IDT_LIMIT),
      ...(this.usesPae() ? { pdptrs: this.pdptes() } : {}),
      cr0: this.control(0),
      cr2: c.u64[layout.CR2 / 8] ?? 0n,
      cr3: this.control(3),
      cr4: this.control(4),
      efer: this.efer(),
    };
  }
  setSregs(s: Omit<Sregs, "apicBase" | "cr8">): void {
    this.leave();
    this.#valid = undefined;
    const v = this.vmcs,
      c = this.core;
    this.setSegments(s);
    v.write(F.GUEST_GDTR_BASE, s.gdt.base);
    v.put(F.GUEST_GDTR_LIMIT, s.gdt.limit);
    v.write(F.GUEST_IDTR_BASE, s.idt.base);
    v.put(F.GUEST_IDTR_LIMIT, s.idt.limit);
    c.u64[layout.CR2 / 8] = s.cr2;
    if (this.shadow) {
      this.#unpaged = undefined;
      this.shadow.reset();
      this.setPaging(s.cr0, s.cr3, s.cr4, s.efer, undefined);
      this.takePdptes(s.cr3, s.pdptrs);
      return;
    }
    this.#setControl(s);
    if (s.pdptrs)
      s.pdptrs.forEach((e, i) => {
        v.write(F.GUEST_PDPTE0 + 2 * i, e);
      });
    else this.loadPdptes();
    this.flushTlb();
  }
  /**
   * The paging registers under EPT. Of a restricted guest KVM owns PE and PG besides; while it has no paging they are all virtual:
   *
   *   guest            processor
   *   CR0 PG 0         PG 1, PE 1                 CR3   identity map: 1,024 pages of 4 MiB
   *   CR4              PSE 1; no PAE and nothing that wants it, no SMEP, no SMAP
   *   EFER LME         LME 0
   */
  #setControl({ cr0, cr3, cr4, efer }: UnpagedRegisters): void {
    const v = this.vmcs,
      unpaged = this.restricted && cr0 >> 31n === 0n;
    this.#unpaged = unpaged ? { cr0, cr3, cr4, efer } : undefined;
    v.write(F.CR0_MASK, this.restricted ? RESTRICTED_CR0 : CR0_OWNED);
    v.write(F.CR4_MASK, unpaged ? ALL_CR4 : CR4_OWNED);
    v.write(F.GUEST_CR0, cr0 | CR0_OWNED | (unpaged ? PE_PG : 0n));
    v.write(F.CR0_SHADOW, cr0);
    v.write(F.GUEST_CR3, unpaged ? BigInt(this.#identityMap ?? 0) : cr3);
    v.write(F.GUEST_CR4, (unpaged ? (cr4 & ~PAGED_CR4) | CR4_PSE : cr4) | CR4_OWNED);
    v.write(F.CR4_SHADOW, cr4);
    this.#setEfer(unpaged ? efer & ~LONG_MODE : efer);
    this.#setCacheBits(cr0);
    if (this.restricted) this.exitOnCr3(unpaged);
  }
  #setEfer(efer: bigint): void {
    const v = this.vmcs,
      entry = v.number(F.ENTRY_CONTROLS);
    v.write(F.GUEST_EFER, efer);
    v.put(F.ENTRY_CONTROLS, (efer & 0x400n) !== 0n ? entry | ENTRY.IA32E : entry & ~ENTRY.IA32E);
  }
  /** Entries and exits leave CR0.CD and CR0.NW alone. */
  #setCacheBits(cr0: bigint): void {
    const { u64 } = this.core;
    u64[layout.CR0 / 8] = ((u64[layout.CR0 / 8] ?? 0n) & ~CACHE_BITS) | (cr0 & CACHE_BITS);
  }
  protected loadPaging(): void {
    const guest = this.shadow?.guest,
      v = this.vmcs;
    if (!guest) return;
    v.write(F.CR0_MASK, 0xffffffffn & ~GUEST_CR0);
    v.write(F.CR4_MASK, ALL_CR4);
    v.write(F.GUEST_CR0, BigInt(guest.hardwareCr0()) | PE_NE);
    v.put(F.CR0_SHADOW, guest.cr0);
    v.put(F.GUEST_CR3, this.shadow?.root() ?? 0);
    v.write(F.GUEST_CR4, BigInt(guest.hardwareCr4()) | CR4_OWNED);
    v.put(F.CR4_SHADOW, guest.cr4);
    this.#setEfer(BigInt(guest.hardwareEfer()));
    this.#setCacheBits(BigInt(guest.cr0));
  }
  /** PAE paging: the page-directory-pointer registers come from memory at CR3. */
  loadPdptes(): void {
    if (!this.usesPae()) return;
    const at = Number(this.vmcs.read(F.GUEST_CR3) & 0xffffffe0n);
    for (let i = 0; i < 4; i++)
      this.vmcs.write(F.GUEST_PDPTE0 + 2 * i, this.read64(at + 8 * i));
  }
  debugRegs(): DebugRegs {
    const d = hw.readDebugRegs(this.core);
    return this.inGuest ? d : { ...d, dr7: this.vmcs.read(F.GUEST_DR7) };
  }
  setDebugRegs(d: DebugRegs): void {
    this.leave();
    hw.writeDebugRegs(this.core, { ...d, dr7: 0x400n });
    this.vmcs.write(F.GUEST_DR7, d.dr7);
  }

  msr(index: number): bigint | undefined {
    if ((this.shadow || this.#unpaged) && index === EFER) return this.efer();
    const f = MSR_FIELDS.get(index);
    if (f === undefined) return undefined;
    return this.inGuest ? BigInt.asUintN(64, this.core.exports.readMsr(index, 1)) : this.vmcs.read(f);
  }
  setMsr(index: number, value: bigint): boolean {
    const f = MSR_FIELDS.get(index);
    if (f === undefined) return false;
    this.leave();
    if (this.shadow && index === EFER) this.setPaging(this.control(0), this.control(3), this.control(4), value, undefined);
    else if (this.#unpaged && index === EFER) this.#setControl({ ...this.#unpaged, cr0: this.control(0), efer: value });
    else this.vmcs.write(f, value);
    return true;
  }
  tscOffset(): bigint {
    return this.vmcs.read(F.TSC_OFFSET);
  }
  setTscOffset(value: bigint): void {
    this.vmcs.write(F.TSC_OFFSET, BigInt.asUintN(64, value));
  }

  pending(): PendingState {
    if (this.inGuest) {
      const word = (at: number): number => this.core.u32[at / 4] ?? 0;
      return {
        shadow: word(layout.SHADOW),
        nmiBlocked: word(layout.VMX + VIRTUAL_NMI_BLOCKED),
        debug: word(layout.DB_PENDING),
      };
    }
    const blocking = this.vmcs.number(F.INTERRUPTIBILITY);
    return {
      shadow: blocking & 3,
      nmiBlocked: (blocking >> 3) & 1,
      debug: this.vmcs.number(F.PENDING_DEBUG) & 0x400f,
    };
  }
  setPending(p: PendingState): void {
    this.leave();
    this.vmcs.put(F.INTERRUPTIBILITY, (p.shadow & 3) | (p.nmiBlocked ? 8 : 0));
    this.vmcs.put(F.PENDING_DEBUG, (p.debug & 15) !== 0 ? p.debug | 0x1000 : p.debug & 0x400f);
  }

  /** Guest state as one register block; see src/hw/vmx/image.ts. The guest is out. */
  image(): number {
    const at = this.core.exports.vmxGuestImage();
    this.showPaging(at);
    this.#showUnpaged(at);
    this.#block = at;
    return at;
  }
  /** Of a restricted guest the block has the guest's own registers, and what an instruction made of them is taken back. */
  #showUnpaged(block: number): void {
    const { u64 } = this.core;
    if (!this.#unpaged) return;
    u64[(block + layout.CR3 - layout.REGS) / 8] = this.#unpaged.cr3;
    u64[(block + layout.CR4 - layout.REGS) / 8] = this.#unpaged.cr4;
    u64[(block + layout.EFER - layout.REGS) / 8] = this.#unpaged.efer;
  }
  #takeControl(block: number): void {
    const word = (at: number): bigint => this.core.u64[(block + at - layout.REGS) / 8] ?? 0n;
    this.#setControl({ cr0: word(layout.CR0), cr3: word(layout.CR3), cr4: word(layout.CR4), efer: word(layout.EFER) });
  }
  override onlyRegisters(): boolean {
    return !this.shadow && !this.#unpaged && this.core.exports.vmxSameImage() !== 0;
  }
  /** The block is the guest's state: an instruction, or (`event`) the delivery of an event, has been completed. */
  setImage(): void {
    const cr3 = this.vmcs.number(F.GUEST_CR3);
    this.core.exports.vmxSetGuestImage();
    this.#valid = undefined;
    if (this.shadow) this.takePaging(this.#block);
    else if (this.restricted) this.#takeControl(this.#block);
    // A task switch, or paging that began: what was cached under the old directory must not be found again.
    if (!this.shadow && this.vmcs.number(F.GUEST_CR3) !== cr3) this.flushTlb();
  }

  skip(): void {
    this.core.exports.vmxRetire(this.length);
  }
}
