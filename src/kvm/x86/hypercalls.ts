import type { VcpuChips } from "../irqchip.ts";
import type { ArchVcpu } from "../ops.ts";
import type { Trace } from "../trace.ts";

const [RAX, RCX, RDX, RBX, RSI] = [0, 1, 2, 3, 6];
/** KVM_HC_*, "Linux KVM Hypercalls" in the kernel's documentation. */
const Call = { VAPIC_POLL_IRQ: 1, KICK_CPU: 5, SEND_IPI: 10, SCHED_YIELD: 11 } as const;
const EPERM = 1n,
  ENOSYS = 1000n;
/** ICR bits that KVM_HC_SEND_IPI takes: vector, and delivery mode fixed or NMI. */
const ICR = { vector: 0xff, mode: 0x700, nmi: 0x400 } as const;

export interface HypercallVcpu {
  readonly arch: ArchVcpu;
  /** A halted vCPU with this APIC ID goes on. */
  kick(apicId: number): void;
}
export interface HypercallOptions {
  readonly chips: VcpuChips;
  readonly trace: Trace;
}

/**
 * VMCALL or VMMCALL of the guest: number in RAX, arguments in RBX, RCX, RDX and RSI, the result in RAX; outside 64-bit mode
 * all are 32 bits wide. A guest's user program may not call.
 */
export function hypercall({ chips, trace }: HypercallOptions, v: HypercallVcpu): void {
  const { arch } = v,
    long = (arch.efer() & 0x400n) !== 0n && arch.segment(1).l === 1;
  const argument = (n: number): bigint => BigInt.asUintN(long ? 64 : 32, arch.register(n));
  const [nr, a0, a1, a2, a3] = [argument(RAX), argument(RBX), argument(RCX), argument(RDX), argument(RSI)];
  if (trace.on) trace.write("kvm_hypercall", Number(nr & 0xffffffffn), a0, a1);
  const result = arch.cpl() > 0 ? -EPERM : answer(chips, v, nr, [a0, a1, a2, a3]);
  arch.setRegister(RAX, BigInt.asUintN(long ? 64 : 32, result));
  arch.skip();
}

function answer(chips: VcpuChips, v: HypercallVcpu, nr: bigint, [a0, a1, a2, a3]: readonly [bigint, bigint, bigint, bigint]): bigint {
  switch (Number(nr)) {
    // One that does nothing but be taken, so that a pending interrupt is looked for on the way back.
    case Call.VAPIC_POLL_IRQ:
    case Call.SCHED_YIELD:
      return 0n;
    case Call.KICK_CPU:
      v.kick(Number(a1 & 0xffffffffn));
      return 0n;
    case Call.SEND_IPI:
      return sendIpi(chips, a0 | (a1 << 64n), Number(a2 & 0xffffffffn), Number(a3 & 0xffffffffn));
    default:
      return -ENOSYS;
  }
}

/** kvm_pv_send_ipi: one bit of the set for each APIC ID from `first` on; the answer is how many took it. */
function sendIpi(chips: VcpuChips, set: bigint, first: number, icr: number): bigint {
  const mode = icr & ICR.mode;
  if ((icr & ~(ICR.vector | ICR.mode)) !== 0 || (mode !== 0 && mode !== ICR.nmi)) return -22n;
  let count = 0n;
  for (const lapic of chips.lapics) {
    const n = lapic.apicId - first;
    if (n < 0 || n > 127 || ((set >> BigInt(n)) & 1n) === 0n) continue;
    if (lapic.accept(mode >> 8, icr & ICR.vector, false)) count++;
  }
  return count;
}
