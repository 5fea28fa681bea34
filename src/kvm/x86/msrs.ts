import type { VirtualClock } from "../../base/index.ts";
import type { HostComputer } from "../../host/index.ts";
import { layout } from "../../hw/index.ts";
import { apicBase, setApicBase, type VcpuChips } from "../irqchip.ts";
import type { ArchVcpu } from "../ops.ts";
import type { Cpuid } from "../cpuid.ts";
import type { ModuleParams } from "../params.ts";
import type { Paravirt } from "./paravirt.ts";

const TSC = 0x10,
  APIC_BASE = 0x1b,
  FEATURE_CONTROL = 0x3a,
  TSC_ADJUST = 0x3b,
  TSC_DEADLINE = 0x6e0;

/** What the processor runs KVM itself by: never the guest's, which has no SVM. */
const VM_CR = 0xc0010114,
  VM_HSAVE_PA = 0xc0010117;

const EFER = 0xc0000080,
  PAT = 0x277,
  DEBUGCTL = 0x1d9;
const isCanonical = (value: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, value)) === value;

/** What a VMCS or a VMCB would take without a word, and an entry refuse: these the guest writes itself, unless it is emulated. */
function acceptable(index: number, value: bigint, user: boolean): boolean {
  if (index >= 0xc0000100 && index <= 0xc0000102) return isCanonical(value);
  if (user) return true;
  if (index === EFER) return (value & ~0xd01n) === 0n;
  if (index === DEBUGCTL) return (value & ~3n) === 0n;
  if (index !== PAT) return true;
  return [0n, 8n, 16n, 24n, 32n, 40n, 48n, 56n].every((at) => [0n, 1n, 4n, 5n, 6n, 7n].includes((value >> at) & 0xffn));
}
/** IA32_SYSENTER_ESP and EIP hold 48 bits and their sign, CS 32 bits, so that a guest of either vendor goes on on the other's processor. */
const canonicalized = (index: number, value: bigint): bigint =>
  index === 0x175 || index === 0x176 ? BigInt.asUintN(64, BigInt.asIntN(48, value)) : index === 0x174 ? value & 0xffffffffn : value;

export interface MsrOptions {
  readonly id: number;
  readonly host: HostComputer;
  readonly chips: VcpuChips;
  readonly clock: VirtualClock;
  readonly params: ModuleParams;
}

export interface MsrVcpu {
  readonly arch: ArchVcpu;
  readonly cpuid: Cpuid;
}

/**
 * Model-specific registers of a guest: the local APIC's, those that VT-x switches, the TSC's offset, and the rest,
 * which the processor holds for whichever guest is on it.
 */
export class Msrs {
  readonly #o: MsrOptions;
  readonly #arch: ArchVcpu;
  readonly #vcpu: MsrVcpu;
  #tscAdjust = 0n;

  readonly #paravirt: Paravirt;

  constructor(options: MsrOptions, vcpu: MsrVcpu, paravirt: Paravirt) {
    this.#o = options;
    this.#vcpu = vcpu;
    this.#arch = vcpu.arch;
    this.#paravirt = paravirt;
    this.reset();
  }

  reset(): void {
    this.#o.host.core.u64[layout.APIC_BASE / 8] = apicBase(this.#o.chips, this.#o.id);
  }

  /** @param user KVM_GET_MSRS: also what the guest itself may not read. Undefined: #GP. */
  read(index: number, user: boolean): bigint | undefined {
    const lapic = this.#o.chips.lapics[this.#o.id],
      x = this.#o.host.core.exports;
    switch (index) {
      case TSC:
        return BigInt.asUintN(64, BigInt(this.#o.clock.now()) + this.#arch.tscOffset());
      case APIC_BASE:
        return apicBase(this.#o.chips, this.#o.id);
      case TSC_ADJUST:
        return this.#tscAdjust;
      case TSC_DEADLINE:
        return lapic?.tscDeadline ?? 0n;
      case FEATURE_CONTROL:
        return user ? 0n : undefined;
      case VM_CR:
      case VM_HSAVE_PA:
        return undefined;
      default:
        break;
    }
    if (index >= 0x800 && index <= 0x8ff) return lapic?.msrRead(index) ?? undefined;
    // No VT-x inside: its capability MSRs do not exist.
    if (index >= 0x480 && index <= 0x491) return undefined;
    const held = this.#arch.msr(index) ?? this.#paravirt.read(index);
    if (held !== undefined) return held;
    const value = BigInt.asUintN(64, x.readMsr(index, user ? 1 : 0));
    if (!x.msrFault()) return value;
    return this.#o.params.ignoreMsrs && !user ? 0n : undefined;
  }

  write(index: number, value: bigint, user: boolean): boolean {
    const lapic = this.#o.chips.lapics[this.#o.id],
      x = this.#o.host.core.exports;
    switch (index) {
      case TSC: {
        const delta = value - BigInt(this.#o.clock.now()) - this.#arch.tscOffset();
        this.#arch.setTscOffset(this.#arch.tscOffset() + delta);
        this.#tscAdjust = BigInt.asUintN(64, this.#tscAdjust + delta);
        if (!user) this.#paravirt.tscChanged();
        return true;
      }
      case TSC_ADJUST:
        if (!user) this.#arch.setTscOffset(this.#arch.tscOffset() + value - this.#tscAdjust);
        this.#tscAdjust = value;
        if (!user) this.#paravirt.tscChanged();
        return true;
      case APIC_BASE:
        return this.setApicBase(value);
      case TSC_DEADLINE:
        lapic?.timer.setTscOffset(BigInt.asIntN(64, this.#arch.tscOffset()));
        lapic?.setTscDeadline(value);
        return true;
      case FEATURE_CONTROL:
        return user && value === 0n;
      case VM_CR:
      case VM_HSAVE_PA:
        return false;
      default:
        break;
    }
    if (index >= 0x800 && index <= 0x8ff) return lapic?.msrWrite(index, value) ?? false;
    if (!acceptable(index, value, user)) return false;
    if (this.#arch.setMsr(index, canonicalized(index, value)) || this.#paravirt.write(index, value, user)) return true;
    x.writeMsr(index, value, user ? 1 : 0);
    return !x.msrFault() || (this.#o.params.ignoreMsrs && !user);
  }

  /** Bits above the physical address, and x2APIC mode on a processor without it, are reserved. */
  setApicBase(value: bigint): boolean {
    const { cpuid } = this.#vcpu,
      physBits = (cpuid.find(0x80000008, 0)?.eax ?? 36) & 0xff;
    if (value >> BigInt(physBits) !== 0n || ((value & 0x400n) !== 0n && !cpuid.has("x2apic"))) return false;
    const done = setApicBase(this.#o.chips, this.#o.id, value);
    if (done) this.reset();
    return done;
  }
}
