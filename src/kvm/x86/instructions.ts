import type { Core } from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import { apicBase, type VcpuChips } from "../irqchip.ts";
import type { Cpuid, CpuidState } from "../cpuid.ts";
import type { ArchVcpu } from "../ops.ts";
import type { KvmStats } from "../stats.ts";
import type { Trace } from "../trace.ts";
import type { Msrs } from "./msrs.ts";

const [RAX, RCX, RDX, RBX] = [0, 1, 2, 3];

/** The vCPU, as far as its instructions concern it. */
export interface InstructionVcpu {
  readonly arch: ArchVcpu;
  readonly cpuid: Cpuid;
  readonly msrs: Msrs;
  /** 1 while an instruction that its exit has counted is being completed. */
  inflight: number;
  /** The guest has lowered CR8: where user space has the local APIC, it must look for an interrupt. */
  tprLowered: boolean;
  faultInstead(vector: number, code: number): void;
  halt(): void;
}
export interface InstructionOptions {
  readonly id: number;
  readonly core: Core;
  readonly chips: VcpuChips;
  readonly trace: Trace;
  readonly stats: KvmStats;
}

/** What instructions do that always exit: CPUID, HLT, RDMSR, WRMSR, XSETBV, MOV to and from CR8. */
export class Instructions {
  readonly #o: InstructionOptions;
  readonly #v: InstructionVcpu;
  readonly #state: CpuidState;

  constructor(options: InstructionOptions, vcpu: InstructionVcpu) {
    this.#o = options;
    this.#v = vcpu;
    // Few leaves follow it: read when it is asked for.
    this.#state = {
      cr4: () => vcpu.arch.control(4),
      xcr0: () => options.core.u64[layout.XCR0 / 8] ?? 0n,
      apicEnabled: () => (apicBase(options.chips, options.id) & 0x800n) !== 0n,
    };
  }

  #low(register: number): number {
    return this.#v.arch.low(register);
  }

  cpuid(): void {
    const { arch, cpuid } = this.#v,
      func = this.#low(RAX),
      index = this.#low(RCX);
    const a = cpuid.answer(func, index, this.#state);
    if (this.#o.trace.on) this.#o.trace.write("kvm_cpuid", func, index, a.eax, a.ebx, a.ecx);
    arch.setPart(RAX, 4, a.eax);
    arch.setPart(RBX, 4, a.ebx);
    arch.setPart(RCX, 4, a.ecx);
    arch.setPart(RDX, 4, a.edx);
    arch.skip();
  }

  halt(): void {
    this.#o.stats.haltExits++;
    this.#v.arch.skip();
    // A single step ends HLT at once; SVM has its trap as an event already.
    const { arch } = this.#v;
    if (!arch.eventPending && (arch.pending().debug & 0x4000) === 0) this.#v.halt();
  }

  readMsr(): void {
    const index = this.#low(RCX);
    this.#v.inflight = 1;
    const value = this.#v.msrs.read(index, false);
    this.#v.inflight = 0;
    if (this.#o.trace.on) this.#o.trace.write("kvm_msr", 0, index, value ?? 0n, value === undefined ? 1 : 0);
    if (value === undefined) {
      this.#v.faultInstead(13, 0);
      return;
    }
    this.#v.arch.setPart(RAX, 4, Number(value & 0xffffffffn));
    this.#v.arch.setPart(RDX, 4, Number(value >> 32n));
    this.#v.arch.skip();
  }
  writeMsr(): void {
    const index = this.#low(RCX),
      value = BigInt(this.#low(RAX)) | (BigInt(this.#low(RDX)) << 32n);
    this.#v.inflight = 1;
    const done = this.#v.msrs.write(index, value, false);
    this.#v.inflight = 0;
    if (this.#o.trace.on) this.#o.trace.write("kvm_msr", 1, index, value, done ? 0 : 1);
    if (!done) this.#v.faultInstead(13, 0);
    else this.#v.arch.skip();
  }
  /** XSETBV: index 0 only, x87 always on, AVX not without SSE, nothing that CPUID leaf 13 does not offer. */
  setXcr(): void {
    const value = BigInt(this.#low(RAX)) | (BigInt(this.#low(RDX)) << 32n),
      leaf = this.#v.cpuid.find(13, 0);
    const offered = leaf ? BigInt(leaf.eax) | (BigInt(leaf.edx) << 32n) : 1n;
    if (this.#low(RCX) !== 0 || (value & 1n) === 0n || (value & ~offered) !== 0n || (value & 6n) === 4n) {
      this.#v.faultInstead(13, 0);
      return;
    }
    this.#o.core.u64[layout.XCR0 / 8] = value;
    this.#v.arch.skip();
  }
  cr8(write: boolean, register: number): void {
    const { chips, id } = this.#o;
    this.#v.inflight = 1;
    if (write) {
      const value = this.#v.arch.register(register);
      if (value > 15n) {
        this.#v.faultInstead(13, 0);
        return;
      }
      if (Number(value) < chips.readCr8(id)) this.#v.tprLowered = true;
      chips.writeCr8(id, Number(value));
      this.#o.core.u64[layout.CR8 / 8] = value;
    } else this.#v.arch.setRegister(register, BigInt(chips.readCr8(id)));
    this.#v.inflight = 0;
    this.#v.arch.skip();
  }
}
