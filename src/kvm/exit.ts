import type { MmioValue } from "../base/index.ts";

/** struct kvm_run: why KVM_RUN came back, and what user space answers before it calls again. */
export const KvmExit = {
  UNKNOWN: 0,
  IO: 2,
  DEBUG: 4,
  HLT: 5,
  MMIO: 6,
  IRQ_WINDOW_OPEN: 7,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  SET_TPR: 11,
  INTERNAL_ERROR: 17,
  IOAPIC_EOI: 26,
  DIRTY_RING_FULL: 31,
} as const;
export type KvmExitReason = (typeof KvmExit)[keyof typeof KvmExit];

export class KvmRun {
  /** Return at once with INTR, after completing what is pending. */
  immediateExit = false;
  /** Guest time at which a timer signal of user space ends KVM_RUN (setitimer). */
  until = Infinity;
  /** When this many exits have been counted in all, KVM_RUN ends as by a signal. */
  exitLimit = Infinity;
  /** With INTR: the guest has executed PAUSE in a loop while other vCPUs wait for their turn. */
  yielded = false;
  /** With that: the vCPU that is to have the turn, -1 for whoever is next. */
  yieldTo = -1;
  exitReason: KvmExitReason = KvmExit.UNKNOWN;
  /** KVM_EXIT_IO: for input, user space puts the value into `data`. */
  readonly io = { write: false, port: 0, size: 1 as 1 | 2 | 4, data: 0 };
  /** KVM_EXIT_MMIO: for a read, user space puts the value into `data`. */
  readonly mmio = { write: false, physAddr: 0, size: 1 as 1 | 2 | 4 | 8, data: 0 as MmioValue };
  /** With a PIC in user space: leave as soon as the guest can take an interrupt. */
  requestInterruptWindow = false;
  /** Of the local APIC, what the processor holds: filled on the way out where user space has the chips. */
  cr8 = 0;
  apicBase = 0n;
  /** KVM_EXIT_IOAPIC_EOI: the vector. */
  readonly eoi = { vector: 0 };
  readonly internal: { message: string } = { message: "" };
  /** KVM_EXIT_FAIL_ENTRY: VM-instruction error or failed check; `dump` has the state refused, where a parameter asks for it. */
  readonly failEntry = { reason: 0, check: 0, dump: "" };
}
