import { setAdd, setDelete, setHas, setHighest } from "../base/bits.ts";
import type { MmioDevice, MmioSize } from "../base/bus.ts";
import type { Clock } from "../base/clock.ts";
import { StateError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import { DeliveryMode, Shorthand } from "./apic-bus.ts";
import type { ApicBus } from "./apic-bus.ts";
import { LapicTimer } from "./lapic-timer.ts";

/*
 * Local APIC (SDM, "Advanced Programmable Interrupt Controller (APIC)"): memory-mapped xAPIC registers, 16
 * bytes apart, or x2APIC MSRs 800h + offset / 16.
 */
export const LapicReg = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icrLow: 0x300,
  icrHigh: 0x310,
  lvtTimer: 0x320,
  lvtThermal: 0x330,
  lvtPerf: 0x340,
  lvtLint0: 0x350,
  lvtLint1: 0x360,
  lvtError: 0x370,
  timerInitial: 0x380,
  timerCurrent: 0x390,
  timerDivide: 0x3e0,
  selfIpi: 0x3f0,
} as const;

/** Version 14h, entries up to LVT 5, no EOI-broadcast suppression. */
const versionValue = 0x00050014;
const pageSize = 0x400;
const svrEnable = 0x100;
const svrBits = 0x3ff;
const lvtMasked = 0x10000;
/** Bits kept of LVT timer, thermal, performance, LINT0, LINT1 and error. */
const lvtBits = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
/** Delivery status and remote IRR: written back by software that read them. */
const lvtReadOnly = 0x5000;
const Lvt = { timer: 0, thermal: 1, perf: 2, lint0: 3, lint1: 4, error: 5 } as const;
const icrBits = 0xccfff & ~0x1000;
const Esr = { sendIllegalVector: 0x20, receiveIllegalVector: 0x40, illegalRegister: 0x80 } as const;
/** IA32_APIC_BASE. */
const Base = { bsp: 0x100n, x2: 0x400n, enable: 0x800n, defaultAddress: 0xfee00000n } as const;
const baseReserved = 0x2ffn;

/**
 * What a local APIC asks of its processor besides taking interrupts. INIT does not reset the APIC by
 * itself.
 */
export interface LapicSignals {
  nmi(): void;
  smi(): void;
  init(): void;
  startUp(vector: number): void;
}

export interface LapicOptions {
  readonly cpu: number;
  readonly clock: Clock;
  readonly bus: ApicBus;
  readonly signals: LapicSignals;
  /** Called when `intr` or `acceptsPic` changes. */
  readonly changed: () => void;
  /** MAXPHYADDR, bounding IA32_APIC_BASE. */
  readonly physicalBits?: number;
}

export class Lapic implements MmioDevice, Persist {
  readonly id: string;
  readonly version = 1;
  readonly timer: LapicTimer;
  /** A vector in IRR is above the processor priority: the interrupt line to the CPU, kept current. */
  intr = false;
  /** The PIC's INTR reaches the CPU: LINT0 is ExtINT and unmasked, or the APIC is off. */
  acceptsPic = false;
  readonly #apicId: number;
  readonly #bus: ApicBus;
  readonly #signals: LapicSignals;
  readonly #changed: () => void;
  readonly #baseReserved: bigint;
  readonly #irr = new Uint32Array(8);
  readonly #isr = new Uint32Array(8);
  readonly #tmr = new Uint32Array(8);
  readonly #lvt = new Uint32Array(6);
  #base = 0n;
  #hardwareEnabled = true;
  #x2 = false;
  /** The ID register in xAPIC mode, which software may write. */
  #xapicId: number;
  #tpr = 0;
  #ldr = 0;
  #dfr = 0xffffffff;
  #svr = 0xff;
  #esr = 0;
  #errors = 0;
  #icrLow = 0;
  /** Destination: bits 31:24 in xAPIC, all 32 in x2APIC mode. */
  #icrHigh = 0;
  #lint0 = false;

  constructor({ cpu, clock, bus, signals, changed, physicalBits = 40 }: LapicOptions) {
    this.id = `lapic${cpu}`;
    this.#apicId = cpu;
    this.#xapicId = cpu;
    this.#bus = bus;
    this.#signals = signals;
    this.#changed = changed;
    this.#baseReserved = baseReserved | (((1n << 64n) - 1n) ^ ((1n << BigInt(physicalBits)) - 1n));
    this.timer = new LapicTimer(clock, () => this.#deliverLocal(Lvt.timer));
    bus.lapics.push(this);
    this.reset();
  }

  /** Power-up or RESET: also IA32_APIC_BASE. */
  reset(): void {
    this.#base = Base.defaultAddress | Base.enable | (this.#apicId === 0 ? Base.bsp : 0n);
    this.#hardwareEnabled = true;
    this.#x2 = false;
    this.#xapicId = this.#apicId;
    this.initReset();
  }

  /** What INIT does: all registers but the ID and IA32_APIC_BASE. */
  initReset(): void {
    for (const words of [this.#irr, this.#isr, this.#tmr]) words.fill(0);
    this.#lvt.fill(lvtMasked);
    // Firmware's virtual-wire mode: the boot processor takes the PIC's interrupts from the start.
    if ((this.#base & Base.bsp) !== 0n) this.#lvt[Lvt.lint0] = DeliveryMode.extInt << 8;
    this.#tpr = this.#esr = this.#errors = this.#icrLow = this.#icrHigh = 0;
    this.#ldr = this.#x2 ? this.#x2Ldr : 0;
    this.#dfr = 0xffffffff;
    this.#svr = 0xff;
    this.timer.reset();
    this.#update();
  }

  /** What messages with a physical destination name it by. */
  get apicId(): number {
    return this.#x2 ? this.#apicId : this.#xapicId;
  }

  /** Accepts fixed interrupts: enabled by IA32_APIC_BASE and by SVR. */
  get enabled(): boolean {
    return this.#hardwareEnabled && (this.#svr & svrEnable) !== 0;
  }

  get x2apic(): boolean {
    return this.#x2;
  }

  /** Whether memory accesses to `base` reach the registers: enabled and not in x2APIC mode. */
  get mapped(): boolean {
    return this.#hardwareEnabled && !this.#x2;
  }

  get base(): bigint {
    return this.#base;
  }

  /**
   * IA32_APIC_BASE; false asks for #GP (SDM, "x2APIC State Transitions"). Disabling keeps the registers; enabling begins with the
   * initial ID again, as in KVM.
   */
  setBase(value: bigint): boolean {
    const enable = (value & Base.enable) !== 0n;
    const x2 = (value & Base.x2) !== 0n;
    if ((value & this.#baseReserved) !== 0n || (x2 && !enable)) return false;
    if (x2 ? !this.#hardwareEnabled : this.#x2 && enable) return false;
    this.#base = value;
    if ((enable && !this.#hardwareEnabled) || (x2 && !this.#x2)) this.#xapicId = this.#apicId;
    this.#hardwareEnabled = enable;
    if (x2 && !this.#x2) {
      this.#ldr = this.#x2Ldr;
      this.#icrHigh = 0;
    } else if (!x2 && this.#x2) {
      this.#ldr = 0;
    }
    this.#x2 = x2;
    this.#update();
    return true;
  }

  /** CR8: the task priority class. */
  get cr8(): number {
    return this.#tpr >> 4;
  }

  setCr8(value: number): void {
    this.#setTpr((value & 15) << 4);
  }

  get ppr(): number {
    const served = setHighest(this.#isr);
    const servedClass = served < 0 ? 0 : served & 0xf0;
    return (this.#tpr & 0xf0) >= servedClass ? this.#tpr : servedClass;
  }

  /** Whether a message for `dest` is for this APIC. */
  matches(dest: number, logical: boolean, wide: boolean): boolean {
    if (!this.#hardwareEnabled) return false;
    if (dest === (wide ? 0xffffffff : 0xff)) return true;
    if (!logical) return dest === this.apicId;
    if (this.#x2) return dest >>> 16 === this.#ldr >>> 16 && (dest & this.#ldr & 0xffff) !== 0;
    if (dest > 0xff) return false;
    const own = this.#ldr >>> 24;
    switch (this.#dfr >>> 28) {
      case 0xf:
        return (own & dest) !== 0;
      case 0x0:
        return own >> 4 === dest >> 4 && (own & dest & 15) !== 0;
      default:
        return false;
    }
  }

  /** Takes a message addressed to this APIC; false when it is not in a state to accept it. */
  accept(mode: number, vector: number, level: boolean): boolean {
    if (!this.#hardwareEnabled) return false;
    switch (mode) {
      case DeliveryMode.fixed:
      case DeliveryMode.lowestPriority:
        return this.#acceptFixed(vector, level);
      case DeliveryMode.smi:
        this.#signals.smi();
        return true;
      case DeliveryMode.nmi:
        this.#signals.nmi();
        return true;
      case DeliveryMode.init:
        this.#signals.init();
        return true;
      case DeliveryMode.startUp:
        this.#signals.startUp(vector);
        return true;
      default:
        return false;
    }
  }

  /**
   * INTA: moves the highest request from IRR to ISR and returns it; the spurious vector when there is none.
   */
  acknowledge(): number {
    const vector = this.pendingVector();
    if (vector < 0) return this.#svr & 0xff;
    setDelete(this.#irr, vector);
    setAdd(this.#isr, vector);
    this.#update();
    return vector;
  }

  /** The vector acknowledge() would return, or -1. */
  pendingVector(): number {
    const vector = setHighest(this.#irr);
    return this.#hardwareEnabled && vector >> 4 > this.ppr >> 4 ? vector : -1;
  }

  /** A vector waits in IRR, whatever its priority. */
  get requested(): boolean {
    return setHighest(this.#irr) >= 0;
  }
  /** The highest vector in service, or -1. */
  get inService(): number {
    return setHighest(this.#isr);
  }
  /** Its EOI is for the IOAPIC to know. */
  isLevel(vector: number): boolean {
    return setHas(this.#tmr, vector);
  }

  /** Will the end of this vector be told to the IOAPIC? */
  isHeard(vector: number): boolean {
    return this.isLevel(vector) || this.#bus.hears(vector);
  }

  /** Ends the highest interrupt in service; a level-triggered one is told to the IOAPIC. */
  eoi(): void {
    const vector = setHighest(this.#isr);
    if (vector < 0) return;
    setDelete(this.#isr, vector);
    const level = setHas(this.#tmr, vector);
    this.#update();
    if (level || this.#bus.hears(vector)) this.#bus.onEoi(vector);
  }

  /** The PIC's INTR at LINT0. As ExtINT it is seen through acceptsPic; otherwise a rise is delivered here. */
  setLint0(level: boolean): void {
    if (level && !this.#lint0) this.#deliverLocal(Lvt.lint0);
    this.#lint0 = level;
  }

  /** A pulse at LINT1, the NMI input. */
  pulseLint1(): void {
    this.#deliverLocal(Lvt.lint1);
  }

  /** A performance counter overflowed; the entry masks itself after delivery. */
  raisePerf(): void {
    if (this.#deliverLocal(Lvt.perf)) this.#lvt[Lvt.perf] = (this.#lvt[Lvt.perf] ?? 0) | lvtMasked;
  }

  mmioRead(offset: number, size: MmioSize): bigint | number {
    const aligned = offset & 0xff0;
    const inside = (offset & 15) + size <= 4;
    let value = 0xffffffff;
    if (this.mapped) value = inside ? this.#readOrError(aligned) : 0;
    const shifted = value >>> (8 * (offset & 3));
    if (size === 8) return BigInt(value);
    return size === 4 ? shifted : shifted & ((1 << (8 * size)) - 1);
  }

  /** Only aligned 32-bit writes count. */
  mmioWrite(offset: number, size: MmioSize, value: number | bigint): void {
    if (!this.mapped || size < 4 || (offset & 15) !== 0) return;
    const register = offset & 0xff0;
    const low = Number(BigInt.asUintN(32, BigInt(value)));
    if (register === LapicReg.icrHigh) this.#icrHigh = (low & 0xff000000) >>> 0;
    else if (register === LapicReg.id) this.#xapicId = low >>> 24;
    else if (register === LapicReg.ldr) this.#ldr = (low & 0xff000000) >>> 0;
    else if (register === LapicReg.dfr) this.#dfr = (low | 0x0fffffff) >>> 0;
    else if (register === LapicReg.icrLow) this.#sendIpi(low);
    else if (!this.#write(register, low) && this.readRegister(register) === null)
      this.#error(Esr.illegalRegister);
  }

  /** RDMSR 800h-83Fh; null asks for #GP. */
  msrRead(msr: number): bigint | null {
    const register = (msr - 0x800) << 4;
    if (!this.#x2 || register < 0 || register > 0x3f0) return null;
    switch (register) {
      case LapicReg.icrLow:
        return (BigInt(this.#icrHigh) << 32n) | BigInt(this.#icrLow);
      case LapicReg.icrHigh:
      case LapicReg.dfr:
      case LapicReg.apr:
      case LapicReg.eoi:
      case LapicReg.selfIpi:
        return null;
      default: {
        const value = this.readRegister(register);
        return value === null ? null : BigInt(value);
      }
    }
  }

  /** WRMSR 800h-83Fh; false asks for #GP: reserved bits, read-only and absent registers. */
  msrWrite(msr: number, value: bigint): boolean {
    const register = (msr - 0x800) << 4;
    if (!this.#x2 || register < 0 || register > 0x3f0) return false;
    const low = Number(BigInt.asUintN(32, value));
    if (register === LapicReg.icrLow) {
      if ((low & ~(icrBits | 0x1000)) !== 0) return false;
      this.#icrHigh = Number(BigInt.asUintN(32, value >> 32n));
      this.#sendIpi(low);
      return true;
    }
    if (value >> 32n !== 0n) return false;
    switch (register) {
      case LapicReg.tpr:
        if (low > 0xff) return false;
        break;
      case LapicReg.svr:
        if ((low & ~svrBits) !== 0) return false;
        break;
      case LapicReg.eoi:
      case LapicReg.esr:
        if (low !== 0) return false;
        break;
      case LapicReg.timerDivide:
        if ((low & ~0xb) !== 0) return false;
        break;
      case LapicReg.selfIpi:
        if (low > 0xff) return false;
        this.#sendIpi((Shorthand.self << 18) | low, false);
        return true;
    }
    const lvt = lvtIndex(register);
    if (lvt >= 0 && (low & ~((lvtBits[lvt] ?? 0) | lvtReadOnly)) !== 0) return false;
    return this.#write(register, low);
  }

  /** IA32_TSC_DEADLINE. */
  get tscDeadline(): bigint {
    return this.timer.deadline;
  }

  setTscDeadline(tsc: bigint): void {
    this.timer.setDeadline(tsc);
  }

  /** Value of a register without side effects, or null where there is none. */
  readRegister(register: number): number | null {
    const word = (register >> 4) & 7;
    if (register >= LapicReg.isr && register < LapicReg.tmr) return this.#isr[word] ?? 0;
    if (register >= LapicReg.tmr && register < LapicReg.irr) return this.#tmr[word] ?? 0;
    if (register >= LapicReg.irr && register < LapicReg.esr) return this.#irr[word] ?? 0;
    const lvt = lvtIndex(register);
    if (lvt >= 0) return this.#lvt[lvt] ?? 0;
    switch (register) {
      case LapicReg.id:
        return this.#x2 ? this.#apicId : (this.#xapicId << 24) >>> 0;
      case LapicReg.version:
        return versionValue;
      case LapicReg.tpr:
        return this.#tpr;
      case LapicReg.apr:
      case LapicReg.eoi:
        return 0;
      case LapicReg.ppr:
        return this.ppr;
      case LapicReg.ldr:
        return this.#ldr;
      case LapicReg.dfr:
        return this.#dfr;
      case LapicReg.svr:
        return this.#svr;
      case LapicReg.esr:
        return this.#esr;
      case LapicReg.icrLow:
        return this.#icrLow;
      case LapicReg.icrHigh:
        return this.#icrHigh;
      case LapicReg.timerInitial:
        return this.timer.initial;
      case LapicReg.timerCurrent:
        return this.timer.current();
      case LapicReg.timerDivide:
        return this.timer.divideConfig;
      default:
        return null;
    }
  }

  /** The 1 KiB register page as KVM_GET_LAPIC shows it: each register's 32 bits at its offset. */
  registerPage(): Uint8Array {
    const page = new Uint8Array(pageSize);
    const view = new DataView(page.buffer);
    for (let register = 0; register < pageSize; register += 16) {
      view.setUint32(register, this.readRegister(register) ?? 0, true);
    }
    return page;
  }

  /**
   * Takes a page as KVM_SET_LAPIC does; ID and version are kept, a running timer goes on from its current
   * count.
   */
  setRegisterPage(page: Uint8Array): void {
    if (page.length !== pageSize) throw new StateError(this.id, `page of ${page.length} bytes`, "give 1024");
    const view = new DataView(page.buffer, page.byteOffset, pageSize);
    const at = (register: number): number => view.getUint32(register, true);
    this.#svr = at(LapicReg.svr) & svrBits;
    this.#tpr = at(LapicReg.tpr) & 0xff;
    this.#ldr = this.#x2 ? this.#x2Ldr : (at(LapicReg.ldr) & 0xff000000) >>> 0;
    this.#dfr = (at(LapicReg.dfr) | 0x0fffffff) >>> 0;
    this.#esr = at(LapicReg.esr) & 0xff;
    this.#icrLow = at(LapicReg.icrLow) & icrBits;
    this.#icrHigh = at(LapicReg.icrHigh);
    for (let word = 0; word < 8; word++) {
      this.#isr[word] = at(LapicReg.isr + 16 * word);
      this.#tmr[word] = at(LapicReg.tmr + 16 * word);
      this.#irr[word] = at(LapicReg.irr + 16 * word);
    }
    lvtBits.forEach((bits, lvt) => {
      this.#lvt[lvt] = at(LapicReg.lvtTimer + 16 * lvt) & bits;
    });
    this.#followTimerLvt();
    this.timer.setDivide(at(LapicReg.timerDivide));
    this.timer.setCounts(at(LapicReg.timerInitial), at(LapicReg.timerCurrent));
    this.#update();
  }

  #readOrError(register: number): number {
    const value = this.readRegister(register);
    if (value === null) this.#error(Esr.illegalRegister);
    return value ?? 0;
  }

  /** Registers that both interfaces write alike; false where nothing can be written. */
  #write(register: number, value: number): boolean {
    const lvt = lvtIndex(register);
    if (lvt >= 0) {
      this.#writeLvt(lvt, value);
      return true;
    }
    switch (register) {
      case LapicReg.tpr:
        this.#setTpr(value & 0xff);
        return true;
      case LapicReg.eoi:
        this.eoi();
        return true;
      case LapicReg.svr:
        this.#writeSvr(value & svrBits);
        return true;
      case LapicReg.esr:
        this.#esr = this.#errors;
        this.#errors = 0;
        return true;
      case LapicReg.timerInitial:
        this.timer.setInitial(value);
        return true;
      case LapicReg.timerDivide:
        this.timer.setDivide(value);
        return true;
      default:
        return false;
    }
  }

  #writeLvt(lvt: number, value: number): void {
    let kept = value & (lvtBits[lvt] ?? 0);
    if ((this.#svr & svrEnable) === 0) kept |= lvtMasked;
    this.#lvt[lvt] = kept;
    if (lvt === Lvt.timer) this.#followTimerLvt();
    else if (lvt === Lvt.lint0) this.#update();
  }

  #writeSvr(value: number): void {
    this.#svr = value;
    // While disabled by software the mask bits are set and stay set.
    if ((value & svrEnable) === 0) {
      for (let i = 0; i < lvtBits.length; i++) this.#lvt[i] = (this.#lvt[i] ?? 0) | lvtMasked;
      this.#followTimerLvt();
    }
    this.#update();
  }

  #followTimerLvt(): void {
    const lvt = this.#lvt[Lvt.timer] ?? 0;
    // Mode 3 is reserved; take it as one-shot.
    const mode = (lvt >> 17) & 3;
    this.timer.setLvt(mode === 3 ? 0 : mode, (lvt & lvtMasked) !== 0);
  }

  #setTpr(value: number): void {
    if (value === this.#tpr) return;
    this.#tpr = value;
    this.#update();
  }

  #sendIpi(low: number, remember = true): void {
    if (remember) this.#icrLow = low & icrBits;
    const vector = low & 0xff;
    const mode = (low >> 8) & 7;
    const shorthand = (low >> 18) & 3;
    if (mode <= DeliveryMode.lowestPriority && vector < 16) {
      this.#error(Esr.sendIllegalVector);
      return;
    }
    // INIT level de-assert: synchronised arbitration IDs once, nothing today.
    if (mode === DeliveryMode.init && (low & 0xc000) === 0x8000) return;
    const dest = this.#x2 ? this.#icrHigh : this.#icrHigh >>> 24;
    this.#bus.sending = true;
    if (shorthand !== Shorthand.none) this.#bus.deliverShorthand(this, shorthand, mode, vector);
    else this.#bus.deliver({ dest, logical: (low & 0x800) !== 0, mode, vector, level: false, wide: this.#x2 });
    this.#bus.sending = false;
  }

  #acceptFixed(vector: number, level: boolean): boolean {
    if ((this.#svr & svrEnable) === 0) return false;
    if (vector < 16) {
      this.#error(Esr.receiveIllegalVector);
      return true;
    }
    if (level) setAdd(this.#tmr, vector);
    else setDelete(this.#tmr, vector);
    setAdd(this.#irr, vector);
    this.#update();
    return true;
  }

  /** Delivers a local interrupt as its LVT entry says; false when masked. */
  #deliverLocal(lvt: number): boolean {
    const entry = this.#lvt[lvt] ?? lvtMasked;
    if ((entry & lvtMasked) !== 0 || !this.#hardwareEnabled) return false;
    const mode = lvt === Lvt.timer || lvt === Lvt.error ? DeliveryMode.fixed : (entry >> 8) & 7;
    if (mode === DeliveryMode.extInt) return true;
    return this.accept(mode, entry & 0xff, false);
  }

  #error(bit: number): void {
    const fresh = (this.#errors & bit) === 0;
    this.#errors |= bit;
    // An illegal vector in the error entry itself must not recurse.
    if (fresh) this.#deliverLocal(Lvt.error);
  }

  get #x2Ldr(): number {
    return (((this.#apicId >> 4) << 16) | (1 << (this.#apicId & 15))) >>> 0;
  }

  #update(): void {
    const intr = this.pendingVector() >= 0;
    const lint0 = this.#lvt[Lvt.lint0] ?? 0;
    const extInt = (lint0 & lvtMasked) === 0 && ((lint0 >> 8) & 7) === DeliveryMode.extInt;
    const acceptsPic = !this.#hardwareEnabled || extInt;
    if (intr === this.intr && acceptsPic === this.acceptsPic) return;
    this.intr = intr;
    this.acceptsPic = acceptsPic;
    this.#changed();
  }

  save(): Saved {
    return {
      version: this.version,
      base: this.#base,
      ...(this.#xapicId !== this.#apicId && { id: this.#xapicId }),
      tpr: this.#tpr,
      ldr: this.#ldr,
      dfr: this.#dfr,
      svr: this.#svr,
      esr: this.#esr,
      errors: this.#errors,
      icrLow: this.#icrLow,
      icrHigh: this.#icrHigh,
      lint0: this.#lint0,
      irr: [...this.#irr],
      isr: [...this.#isr],
      tmr: [...this.#tmr],
      lvt: [...this.#lvt],
      timer: this.timer.save(),
    };
  }

  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    const base = r.u64("base");
    const x2 = (base & Base.x2) !== 0n;
    if ((base & this.#baseReserved) !== 0n || (x2 && (base & Base.enable) === 0n)) {
      throw new StateError(this.id, `IA32_APIC_BASE ${base.toString(16)}h`);
    }
    this.#base = base;
    this.#hardwareEnabled = (base & Base.enable) !== 0n;
    this.#x2 = x2;
    this.#xapicId = (r.optional("id") ?? null) === null ? this.#apicId : r.int("id", 0xff);
    this.#tpr = r.int("tpr", 0xff);
    this.#ldr = r.int("ldr");
    this.#dfr = r.int("dfr");
    this.#svr = r.int("svr", svrBits);
    this.#esr = r.int("esr", 0xff);
    this.#errors = r.int("errors", 0xff);
    this.#icrLow = r.int("icrLow") & icrBits;
    this.#icrHigh = r.int("icrHigh");
    this.#lint0 = r.bool("lint0");
    this.#irr.set(r.ints("irr", 8));
    this.#isr.set(r.ints("isr", 8));
    this.#tmr.set(r.ints("tmr", 8));
    this.#lvt.set(r.ints("lvt", 6).map((value, i) => value & (lvtBits[i] ?? 0)));
    this.timer.restore(r.record("timer"));
    this.#update();
  }
}

/** Place of an LVT register in the table, or -1. */
function lvtIndex(register: number): number {
  return register >= LapicReg.lvtTimer && register <= LapicReg.lvtError
    ? (register - LapicReg.lvtTimer) >> 4
    : -1;
}
