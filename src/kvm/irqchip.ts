import type { Ioapic, Lapic } from "../chips/index.ts";

/** What a vCPU needs of interrupt chips, wherever they are. */
export interface VcpuChips {
  /** Local APICs in the kernel; none where user space has them. */
  readonly lapics: readonly Lapic[];
  readonly ioapic: Ioapic | undefined;
  pendingInterrupt(cpu: number): boolean;
  acknowledge(cpu: number): number;
  readCr8(cpu: number): number;
  writeCr8(cpu: number, value: number): void;
}

const BSP = 0x100n,
  ENABLE = 0x800n,
  ADDRESS = 0xfee00000n;
/** EXTD and what lies below the address but BSP and EN. */
const RESERVED = 0x6ffn;

/**
 * A VM without KVM_CREATE_IRQCHIP: the vector of KVM_INTERRUPT waits here, and of the local APIC what lies in the processor,
 * CR8 and IA32_APIC_BASE. User space reads both in struct kvm_run.
 */
export class UserspaceChips implements VcpuChips {
  readonly lapics: readonly Lapic[] = [];
  readonly ioapic = undefined;
  readonly #queued: number[] = [];
  readonly #cr8: number[] = [];
  readonly #base: bigint[] = [];

  reset(cpu: number, init: boolean): void {
    this.#queued[cpu] = -1;
    this.#cr8[cpu] = 0;
    if (!init) this.#base[cpu] = ADDRESS | ENABLE | (cpu === 0 ? BSP : 0n);
  }
  /** KVM_INTERRUPT; false when a vector waits already. */
  queue(cpu: number, vector: number): boolean {
    if (this.pendingInterrupt(cpu)) return false;
    this.#queued[cpu] = vector;
    return true;
  }
  pendingInterrupt(cpu: number): boolean {
    return (this.#queued[cpu] ?? -1) >= 0;
  }
  acknowledge(cpu: number): number {
    const vector = this.#queued[cpu] ?? -1;
    this.#queued[cpu] = -1;
    return vector;
  }
  readCr8(cpu: number): number {
    return this.#cr8[cpu] ?? 0;
  }
  writeCr8(cpu: number, value: number): void {
    this.#cr8[cpu] = value & 15;
  }
  base(cpu: number): bigint {
    return this.#base[cpu] ?? 0n;
  }
  setBase(cpu: number, value: bigint): boolean {
    if ((value & RESERVED) !== 0n) return false;
    this.#base[cpu] = value;
    return true;
  }
}

/** IA32_APIC_BASE of a vCPU. */
export function apicBase(chips: VcpuChips, cpu: number): bigint {
  return chips instanceof UserspaceChips ? chips.base(cpu) : (chips.lapics[cpu]?.base ?? 0n);
}
/** False: #GP. */
export function setApicBase(chips: VcpuChips, cpu: number, value: bigint): boolean {
  return chips instanceof UserspaceChips ? chips.setBase(cpu, value) : (chips.lapics[cpu]?.setBase(value) ?? false);
}
