import type { Clock } from "../base/index.ts";
import { ApicBus, type CpuSignals, type Ioapic, Lapic } from "../chips/index.ts";

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

/** A route of KVM_SET_GSI_ROUTING: the GSI is a message. */
export interface MsiRoute {
  readonly gsi: number;
  readonly address: number;
  readonly data: number;
}
const LEVEL = 0x8000;

/**
 * KVM_CAP_SPLIT_IRQCHIP: the local APICs alone. What an IOAPIC of user space sends comes as messages by KVM_IRQ_LINE and the
 * routing table, which also says of which vectors it wants to hear the end; what a PIC gives comes by KVM_INTERRUPT.
 */
export class SplitChips implements VcpuChips {
  readonly lapics: readonly Lapic[];
  readonly ioapic = undefined;
  /** Vectors whose end user space has not been told yet (KVM_REQ_IOAPIC_EOI_EXIT). */
  readonly ended: number[] = [];
  readonly #bus = new ApicBus();
  readonly #external: number[] = [];
  #routes = new Map<number, MsiRoute>();

  constructor(clock: Clock, cpus: number, signals: CpuSignals, onChange: (cpu: number) => void) {
    this.#bus.onEoi = (vector) => {
      for (const { data } of this.#routes.values())
        if ((data & LEVEL) !== 0 && (data & 0xff) === vector) {
          this.ended.push(vector);
          return;
        }
    };
    const before = Array.from({ length: cpus }, () => false);
    this.lapics = Array.from({ length: cpus }, (_, cpu) => {
      const lapic: Lapic = new Lapic({
        cpu,
        clock,
        bus: this.#bus,
        signals: {
          nmi: () => signals.nmi(cpu),
          smi: () => signals.smi(cpu),
          init: () => signals.init(cpu),
          startUp: (vector) => signals.startUp(cpu, vector),
        },
        changed: () => {
          const now = this.lapics?.[cpu]?.intr ?? false;
          if (now !== before[cpu]) onChange(cpu);
          before[cpu] = now;
        },
      });
      return lapic;
    });
  }

  /** RESET of a vCPU; INIT has reset its APIC already, but for the base. */
  reset(cpu: number, init: boolean): void {
    this.forget(cpu);
    if (!init) this.lapics[cpu]?.reset();
  }
  /** What was under way between user space and a vCPU is not any more. */
  forget(cpu: number): void {
    this.#external[cpu] = -1;
    this.ended.length = 0;
  }
  setRoutes(routes: readonly MsiRoute[]): void {
    this.#routes = new Map(routes.map((route) => [route.gsi, route]));
  }
  /** One of the local APICs sends at this moment. */
  get sending(): boolean {
    return this.#bus.sending;
  }
  /** False: no route, or nobody accepts. */
  deliver(gsi: number): boolean {
    const route = this.#routes.get(gsi);
    if (!route) return false;
    const { address, data } = route;
    return this.#bus.deliver({
      dest: (address >>> 12) & 0xff,
      logical: (address & 4) !== 0,
      mode: (data >>> 8) & 7,
      vector: data & 0xff,
      level: (data & LEVEL) !== 0,
      wide: false,
    });
  }

  /** KVM_INTERRUPT; false when a vector waits already. */
  queue(cpu: number, vector: number): boolean {
    if ((this.#external[cpu] ?? -1) >= 0) return false;
    this.#external[cpu] = vector;
    return true;
  }
  /** kvm_apic_accept_pic_intr, and room for a vector. */
  acceptsExternal(cpu: number): boolean {
    return (this.lapics[cpu]?.acceptsPic ?? false) && (this.#external[cpu] ?? -1) < 0;
  }
  pendingInterrupt(cpu: number): boolean {
    return (this.#external[cpu] ?? -1) >= 0 || (this.lapics[cpu]?.intr ?? false);
  }
  acknowledge(cpu: number): number {
    const vector = this.#external[cpu] ?? -1;
    this.#external[cpu] = -1;
    return vector >= 0 ? vector : (this.lapics[cpu]?.acknowledge() ?? 0xff);
  }
  readCr8(cpu: number): number {
    return this.lapics[cpu]?.cr8 ?? 0;
  }
  writeCr8(cpu: number, value: number): void {
    this.lapics[cpu]?.setCr8(value);
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
