import type { DebugRegs, Regs, Segment, Sregs } from "../../base/index.ts";
import type { AddressSpace, HostComputer } from "../../host/index.ts";
import * as hw from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import type { TdpMmu } from "../mmu/tdp.ts";
import type { ArchVcpu, Entered, Handled, PendingState } from "../ops.ts";
import type { Trace } from "../trace.ts";
import type { KvmStats } from "../stats.ts";
import { ENTRY, EXIT, F, PIN, PROC, PROC2 } from "./fields.ts";
import { handleExit, type VmxHandlers } from "./exits.ts";
import { controls, enterVmxOperation, passThrough } from "./setup.ts";
import { Vmcs } from "./vmcs.ts";

const GPRS = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"] as const;
const RSP = 4;
/** Bits that KVM owns: VMX operation needs them set, the guest sees its own value in the shadow. */
const CR0_OWNED = 0x20n,
  CR4_OWNED = 0x2000n;
const VALID = 0x80000000,
  HAS_CODE = 0x800;
const NO_LINK = 0xffffffffffffffffn;
const CACHE_BITS = 0x60000000n;
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

export interface VmxOptions {
  readonly host: HostComputer;
  readonly mm: AddressSpace;
  readonly tdp: TdpMmu;
  readonly trace: Trace;
  readonly stats: KvmStats;
  readonly handlers: VmxHandlers;
}

interface Event {
  readonly info: number;
  readonly code: number;
  readonly length: number;
  readonly counted: boolean;
}

/** A virtual CPU on Intel's VT-x: guest state in a VMCS while the guest is out, in the processor while it is in. */
export class VmxVcpu implements ArchVcpu {
  readonly name = "vmx";
  readonly vmcs: Vmcs;
  readonly host: HostComputer;
  readonly #x: hw.CoreExports;
  readonly #core: hw.Core;
  readonly #options: VmxOptions;
  readonly #msrBitmap: number;
  #event: Event | undefined;
  /** The event of the last entry was a software interrupt: its instruction has been counted. */
  #softwareInjected = false;
  #proc = 0;

  constructor(options: VmxOptions) {
    this.#options = options;
    this.host = options.host;
    this.#core = options.host.core;
    this.#x = this.#core.exports;
    this.vmcs = new Vmcs(options.host);
    this.#msrBitmap = options.host.frames.frame();
    passThrough(
      options.host,
      this.#msrBitmap,
      [
        0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
        0xc0000103, 0x174, 0x175, 0x176, 0x277, 0x1d9,
      ],
    );
    this.reset();
  }

  get inGuest(): boolean {
    return this.#x.vmxOperation() === 2;
  }
  get eventPending(): boolean {
    return this.#event !== undefined;
  }
  get eptp(): bigint {
    return BigInt(this.#options.tdp.root) | 0x5en;
  } // write-back, four levels, accessed and dirty flags

  reset(): void {
    if (this.inGuest) this.kick();
    // Silicon that comes out of RESET tells what a guest's registers are then; the host takes the processor back.
    hw.resetRegisters(this.#core);
    const regs = hw.readRegs(this.#core),
      sregs = hw.readSregs(this.#core),
      debug = hw.readDebugRegs(this.#core);
    enterVmxOperation(this.host, this.#options.mm.root);
    this.vmcs.load();
    this.#event = undefined;
    this.#setUp();
    this.setSregs(sregs);
    this.setRegs(regs);
    this.setDebugRegs(debug);
    this.vmcs.write(F.GUEST_PAT, 0x0007040600070406n);
    for (const f of [F.GUEST_DEBUGCTL, F.GUEST_SYSENTER_ESP, F.GUEST_SYSENTER_EIP, F.GUEST_SYSENTER_CS])
      this.vmcs.write(f, 0n);
  }

  #setUp(): void {
    const v = this.vmcs,
      x = this.#x;
    x.vmxHostFields();
    v.put(F.HOST_CR3, this.#options.mm.root);
    v.put(F.PIN, controls(x, "PIN", PIN.INTR | PIN.NMI | PIN.VIRTUAL_NMI));
    this.#proc = controls(
      x,
      "PROC",
      PROC.HLT |
        PROC.TSC_OFFSET |
        PROC.CR8_LOAD |
        PROC.CR8_STORE |
        PROC.IO |
        PROC.MSR_BITMAP |
        PROC.SECONDARY,
    );
    v.put(F.PROC, this.#proc);
    v.put(
      F.PROC2,
      controls(x, "PROC2", PROC2.EPT | PROC2.VPID | PROC2.UNRESTRICTED | PROC2.RDTSCP | PROC2.INVPCID),
    );
    v.put(
      F.EXIT_CONTROLS,
      controls(
        x,
        "EXIT",
        EXIT.SAVE_DEBUG | EXIT.HOST64 | EXIT.SAVE_PAT | EXIT.LOAD_PAT | EXIT.SAVE_EFER | EXIT.LOAD_EFER,
      ),
    );
    v.put(F.ENTRY_CONTROLS, controls(x, "ENTRY", ENTRY.LOAD_DEBUG | ENTRY.LOAD_PAT | ENTRY.LOAD_EFER));
    v.put(F.VPID, 1);
    v.write(F.EPT_POINTER, this.eptp);
    v.put(F.MSR_BITMAP, this.#msrBitmap);
    v.write(F.LINK, NO_LINK);
    v.write(F.CR0_MASK, CR0_OWNED);
    v.write(F.CR4_MASK, CR4_OWNED);
    v.put(F.EXCEPTION_BITMAP, 0);
    v.put(F.ACTIVITY, 0);
    v.put(F.INTERRUPTIBILITY, 0);
    v.put(F.PENDING_DEBUG, 0);
    v.write(F.TSC_OFFSET, 0n);
    v.put(F.ENTRY_INFO, 0);
  }

  enter(budget: number): Entered {
    const { tdp, trace } = this.#options,
      v = this.vmcs;
    if (!this.inGuest) {
      if (tdp.flushNeeded) this.flushTlb();
      const e = this.#event;
      if (e) {
        v.put(F.ENTRY_INFO, e.info);
        v.put(F.ENTRY_CODE, e.code);
        v.put(F.ENTRY_LENGTH, e.length);
        this.#softwareInjected = ((e.info >> 8) & 7) >= 4;
        // INT n whose delivery an exit has interrupted is completed by this entry: it counts now.
        if (this.#softwareInjected && !e.counted) this.#x.setClock(this.#x.clock() + 1);
        this.#event = undefined;
      } else this.#softwareInjected = false;
      if (trace.on) trace.write("kvm_entry", v.read(F.GUEST_RIP));
      const result = v.enter();
      if (result === -2) return this.#exited();
      if (result !== 0) return "refused";
    }
    switch (this.#x.run(budget)) {
      case hw.Stop.VmExit:
        return this.#exited();
      case hw.Stop.Request:
        return "barren";
      case hw.Stop.Budget:
        return "slice";
      default:
        return "refused";
    }
  }

  /** An exit has happened: what it says about the event in hand, and the books. */
  #exited(): Entered {
    const { trace, stats } = this.#options,
      v = this.vmcs,
      reason = v.number(F.EXIT_REASON);
    if ((reason & 0x80000000) !== 0) return "refused";
    stats.exit(reason);
    if (trace.on) trace.write("kvm_exit", reason & 0xffff, v.read(F.GUEST_RIP), v.read(F.QUALIFICATION));
    const info = v.number(F.VECTORING);
    if ((info & VALID) !== 0) {
      // vmx_complete_interrupts: deliver it again ("Information for VM Exits That Occur During Event Delivery").
      this.#event = {
        info: info & ~0x1000,
        code: (info & HAS_CODE) !== 0 ? v.number(F.VECTORING_CODE) : 0,
        length: v.number(F.EXIT_LENGTH),
        counted: this.#softwareInjected,
      };
    }
    return "exit";
  }

  handleExit(): Handled {
    return handleExit(this, this.#options.handlers);
  }

  kick(): void {
    this.requestExit(true);
    for (let i = 0; i < 16 && this.inGuest; i++)
      if (this.enter(4) === "exit" && this.vmcs.number(F.EXIT_REASON) !== 1) break;
    this.requestExit(false);
  }

  requestExit(on: boolean): void {
    this.#core.u32[layout.INTR / 4] = on ? 1 : 0;
  }

  register(n: number): bigint {
    if (n === RSP && !this.inGuest) return this.vmcs.read(F.GUEST_RSP);
    return this.#core.u64[layout.REGS / 8 + n] ?? 0n;
  }
  setRegister(n: number, value: bigint): void {
    if (n === RSP && !this.inGuest) this.vmcs.write(F.GUEST_RSP, value);
    else this.#core.u64[layout.REGS / 8 + n] = value;
  }
  rip(): bigint {
    return this.inGuest ? (this.#core.u64[layout.RIP / 8] ?? 0n) : this.vmcs.read(F.GUEST_RIP);
  }
  setRip(value: bigint): void {
    this.vmcs.write(F.GUEST_RIP, value);
  }
  rflags(): bigint {
    return this.inGuest ? BigInt(this.#x.rflags() >>> 0) : this.vmcs.read(F.GUEST_RFLAGS);
  }
  setRflags(value: bigint): void {
    this.vmcs.write(F.GUEST_RFLAGS, value);
  }

  segment(n: number): Segment {
    if (this.inGuest) return hw.readSegment(this.#core, n);
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
  #setSegment(n: number, s: Segment): void {
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
      ? (this.#core.u32[layout.CPL / 4] ?? 0)
      : (this.vmcs.number(F.GUEST_ES_AR + 4) >> 5) & 3;
  }

  control(n: 0 | 3 | 4): bigint {
    const real = this.inGuest
      ? (this.#core.u64[layout.CR0 / 8 + n] ?? 0n)
      : this.vmcs.read(n === 0 ? F.GUEST_CR0 : n === 3 ? F.GUEST_CR3 : F.GUEST_CR4);
    if (n === 3) return real;
    const mask = n === 0 ? CR0_OWNED : CR4_OWNED,
      shadow = this.vmcs.read(n === 0 ? F.CR0_SHADOW : F.CR4_SHADOW);
    return (real & ~mask) | (shadow & mask);
  }
  efer(): bigint {
    return this.inGuest ? (this.#core.u64[layout.EFER / 8] ?? 0n) : this.vmcs.read(F.GUEST_EFER);
  }
  pdptes(): readonly bigint[] {
    if (this.inGuest) return [0, 1, 2, 3].map((i) => this.#core.u64[layout.PDPTE / 8 + i] ?? 0n);
    return [0, 2, 4, 6].map((i) => this.vmcs.read(F.GUEST_PDPTE0 + i));
  }

  regs(): Regs {
    const regs = Object.fromEntries(GPRS.map((name, i) => [name, this.register(i)])) as unknown as Regs;
    return { ...regs, rip: this.rip(), rflags: this.rflags() };
  }
  setRegs(regs: Regs): void {
    this.#leave();
    GPRS.forEach((name, i) => {
      this.setRegister(i, regs[name]);
    });
    this.setRip(regs.rip);
    this.setRflags(regs.rflags);
  }
  sregs(): Omit<Sregs, "apicBase" | "cr8"> {
    const segments = Object.fromEntries(
      SEGMENTS.map((name, i) => [name, this.segment(i)]),
    ) as unknown as Record<(typeof SEGMENTS)[number], Segment>;
    const c = this.#core,
      table = (base: number, limit: number, atBase: number, atLimit: number) =>
        this.inGuest
          ? { base: c.u64[atBase / 8] ?? 0n, limit: c.u32[atLimit / 4] ?? 0 }
          : { base: this.vmcs.read(base), limit: this.vmcs.number(limit) };
    return {
      ...segments,
      gdt: table(F.GUEST_GDTR_BASE, F.GUEST_GDTR_LIMIT, layout.GDT_BASE, layout.GDT_LIMIT),
      idt: table(F.GUEST_IDTR_BASE, F.GUEST_IDTR_LIMIT, layout.IDT_BASE, layout.IDT_LIMIT),
      ...(this.#usesPae() ? { pdptrs: this.pdptes() } : {}),
      cr0: this.control(0),
      cr2: c.u64[layout.CR2 / 8] ?? 0n,
      cr3: this.control(3),
      cr4: this.control(4),
      efer: this.efer(),
    };
  }
  setSregs(s: Omit<Sregs, "apicBase" | "cr8">): void {
    this.#leave();
    const v = this.vmcs,
      c = this.#core;
    SEGMENTS.forEach((name, i) => {
      this.#setSegment(i, s[name]);
    });
    v.write(F.GUEST_GDTR_BASE, s.gdt.base);
    v.put(F.GUEST_GDTR_LIMIT, s.gdt.limit);
    v.write(F.GUEST_IDTR_BASE, s.idt.base);
    v.put(F.GUEST_IDTR_LIMIT, s.idt.limit);
    v.write(F.GUEST_CR0, s.cr0 | CR0_OWNED);
    v.write(F.CR0_SHADOW, s.cr0);
    v.write(F.GUEST_CR3, s.cr3);
    v.write(F.GUEST_CR4, s.cr4 | CR4_OWNED);
    v.write(F.CR4_SHADOW, s.cr4);
    v.write(F.GUEST_EFER, s.efer);
    const entry = v.number(F.ENTRY_CONTROLS);
    v.put(F.ENTRY_CONTROLS, (s.efer & 0x400n) !== 0n ? entry | ENTRY.IA32E : entry & ~ENTRY.IA32E);
    // Entries and exits leave CR0.CD and CR0.NW alone; CR2 is no part of a VMCS.
    c.u64[layout.CR0 / 8] = ((c.u64[layout.CR0 / 8] ?? 0n) & ~CACHE_BITS) | (s.cr0 & CACHE_BITS);
    c.u64[layout.CR2 / 8] = s.cr2;
    if (s.pdptrs)
      s.pdptrs.forEach((e, i) => {
        v.write(F.GUEST_PDPTE0 + 2 * i, e);
      });
    else this.loadPdptes();
    this.flushTlb();
  }
  #usesPae(): boolean {
    return this.control(0) >> 31n !== 0n && (this.control(4) & 0x20n) !== 0n && (this.efer() & 0x400n) === 0n;
  }
  /** PAE paging: the page-directory-pointer registers come from memory at CR3. */
  loadPdptes(): void {
    if (!this.#usesPae()) return;
    const at = Number(this.vmcs.read(F.GUEST_CR3) & 0xffffffe0n);
    for (let i = 0; i < 4; i++)
      this.vmcs.write(F.GUEST_PDPTE0 + 2 * i, this.#options.handlers.read64(at + 8 * i));
  }
  debugRegs(): DebugRegs {
    const d = hw.readDebugRegs(this.#core);
    return this.inGuest ? d : { ...d, dr7: this.vmcs.read(F.GUEST_DR7) };
  }
  setDebugRegs(d: DebugRegs): void {
    this.#leave();
    hw.writeDebugRegs(this.#core, { ...d, dr7: 0x400n });
    this.vmcs.write(F.GUEST_DR7, d.dr7);
  }

  msr(index: number): bigint | undefined {
    const f = MSR_FIELDS.get(index);
    if (f === undefined) return undefined;
    return this.inGuest ? BigInt.asUintN(64, this.#x.readMsr(index, 1)) : this.vmcs.read(f);
  }
  setMsr(index: number, value: bigint): boolean {
    const f = MSR_FIELDS.get(index);
    if (f === undefined) return false;
    this.#leave();
    this.vmcs.write(f, value);
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
      const word = (at: number): number => this.#core.u32[at / 4] ?? 0;
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
    this.#leave();
    this.vmcs.put(F.INTERRUPTIBILITY, (p.shadow & 3) | (p.nmiBlocked ? 8 : 0));
    this.vmcs.put(F.PENDING_DEBUG, (p.debug & 15) !== 0 ? p.debug | 0x1000 : p.debug & 0x400f);
  }

  skip(): void {
    const v = this.vmcs,
      cs = this.segment(1),
      next = v.read(F.GUEST_RIP) + v.read(F.EXIT_LENGTH);
    const long = (this.efer() & 0x400n) !== 0n && cs.l === 1;
    v.write(F.GUEST_RIP, long ? next : next & (cs.db === 1 ? 0xffffffffn : 0xffffn));
    this.retired();
  }
  retired(): void {
    const v = this.vmcs,
      blocking = v.number(F.INTERRUPTIBILITY);
    if ((blocking & 3) !== 0) v.put(F.INTERRUPTIBILITY, blocking & ~3);
    if ((this.rflags() & 0x100n) !== 0n) v.put(F.PENDING_DEBUG, v.number(F.PENDING_DEBUG) | 0x4000);
  }
  interruptAllowed(): boolean {
    return (
      !this.#event &&
      (this.vmcs.read(F.GUEST_RFLAGS) & 0x200n) !== 0n &&
      (this.vmcs.number(F.INTERRUPTIBILITY) & 3) === 0
    );
  }
  nmiAllowed(): boolean {
    return !this.#event && (this.vmcs.number(F.INTERRUPTIBILITY) & 0xb) === 0;
  }

  injectInterrupt(vector: number): void {
    this.#event = { info: VALID | vector, code: 0, length: 0, counted: true };
  }
  injectNmi(): void {
    this.#event = { info: VALID | 0x202, code: 0, length: 0, counted: true };
  }
  injectException(vector: number, code: number): void {
    // In real mode no error code is pushed.
    const protectedMode = (this.vmcs.read(F.GUEST_CR0) & 1n) !== 0n,
      withCode = code >= 0 && protectedMode;
    this.#event = {
      info: VALID | 0x300 | vector | (withCode ? HAS_CODE : 0),
      code: withCode ? code : 0,
      length: 0,
      counted: true,
    };
  }
  interruptWindow(on: boolean): void {
    this.#setProc(PROC.INTR_WINDOW, on);
  }
  nmiWindow(on: boolean): void {
    this.#setProc(PROC.NMI_WINDOW, on);
  }
  #setProc(bit: number, on: boolean): void {
    const now = on ? this.#proc | bit : this.#proc & ~bit;
    if (now === this.#proc) return;
    this.#proc = now;
    this.vmcs.put(F.PROC, now);
  }
  flushTlb(): void {
    this.#options.tdp.flushNeeded = false;
    this.#x.invEpt(1n, this.eptp);
  }
  /** Setting state is for a guest that is out. */
  #leave(): void {
    if (this.inGuest) this.kick();
  }
}
