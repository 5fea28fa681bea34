import type { HostComputer } from "../../host/index.ts";
import { vmcbField } from "../../isa/index.ts";

const at = (name: string): number => vmcbField(name).offset;
/** Offsets of the fields that KVM uses, by the manual's names. */
export const V = {
  INTERCEPT_CR_READ: at("INTERCEPT_CR_READ"),
  INTERCEPT_CR_WRITE: at("INTERCEPT_CR_WRITE"),
  INTERCEPT_EXCEPTIONS: at("INTERCEPT_EXCEPTION"),
  INTERCEPT_INSTR1: at("INTERCEPT_INSTR1"),
  INTERCEPT_INSTR2: at("INTERCEPT_INSTR2"),
  INTERCEPT_INSTR3: at("INTERCEPT_INSTR3"),
  /** The threshold, and behind it the count. */
  PAUSE_FILTER: at("PAUSE_FILTER_THRESHOLD"),
  IOPM_BASE_PA: at("IOPM_BASE_PA"),
  MSRPM_BASE_PA: at("MSRPM_BASE_PA"),
  TSC_OFFSET: at("TSC_OFFSET"),
  ASID_TLB: at("GUEST_ASID"), // TLB_CONTROL is the byte behind the ASID
  V_TPR_IRQ: at("V_TPR_IRQ"),
  INTERRUPT_SHADOW: at("INTERRUPT_SHADOW"),
  EXITCODE: at("EXITCODE"),
  EXITINFO1: at("EXITINFO1"),
  EXITINFO2: at("EXITINFO2"),
  EXITINTINFO: at("EXITINTINFO"),
  NP_ENABLE: at("NP_ENABLE"),
  EVENTINJ: at("EVENTINJ"),
  N_CR3: at("N_CR3"),
  NRIP: at("NRIP"),
  ES: at("ES"),
  GDTR: at("GDTR"),
  IDTR: at("IDTR"),
  /** The aligned eight bytes that the CPL is in. */
  CPL_WORD: at("CPL") - 3,
  EFER: at("EFER"),
  CR0: at("CR0"),
  CR2: at("CR2"),
  CR3: at("CR3"),
  CR4: at("CR4"),
  DR6: at("DR6"),
  DR7: at("DR7"),
  RFLAGS: at("RFLAGS"),
  RIP: at("RIP"),
  RSP: at("RSP"),
  RAX: at("RAX"),
  G_PAT: at("G_PAT"),
} as const;

export const CPL_SHIFT = 24n;

/** One VMCB: a frame of host memory that KVM reads and writes like any other. */
export class Vmcb {
  readonly pa: number;
  readonly #memory: HostComputer["memory"];

  constructor(host: HostComputer) {
    this.#memory = host.memory;
    this.pa = host.frames.frame();
  }
  read(field: number): bigint {
    return this.#memory.read64(this.pa + field);
  }
  write(field: number, value: bigint): void {
    this.#memory.write64(this.pa + field, value);
  }
  /** 32 bits, at a multiple of four. */
  number(field: number): number {
    return this.#memory.read32(this.pa + field) >>> 0;
  }
  put(field: number, value: number): void {
    this.#memory.write32(this.pa + field, value >>> 0);
  }
}
