import type { HostComputer, PreemptNotifier, Thread } from "../../host/index.ts";
import { layout } from "../../hw/index.ts";
import type { ArchVcpu } from "../ops.ts";
import type { KvmStats } from "../stats.ts";

const HALF = 4 * 8;
/**
 * What the processor holds for a guest that is out, beside VMCS or VMCB: [from, to) in the layout of its state. With SVM
 * also the upper four segment registers and what else VMLOAD loads.
 */
const KEPT: readonly (readonly [number, number])[] = [
  [layout.REGS, layout.REGS + 16 * 8],
  [layout.SEG_EBASE + HALF, layout.SEG_EBASE + 2 * HALF],
  [layout.SEG_BASE + HALF, layout.SEG_BASE + 2 * HALF],
  [layout.SEG_LIMIT + HALF / 2, layout.SEG_LIMIT + HALF],
  [layout.SEG_ATTR + HALF / 2, layout.SEG_ATTR + HALF],
  [layout.SEG_SEL + HALF / 2, layout.SEG_SEL + HALF],
  [layout.CR2, layout.CR2 + 8],
  [layout.XCR0, layout.XCR0 + 8],
  [layout.DR0, layout.DR6 + 8],
  [layout.STAR, layout.PAT],
  [layout.TSC_AUX, layout.FEATURE_CONTROL],
  [layout.APIC_BASE, layout.APIC_BASE + 8],
  [layout.SEED, layout.SEED + 8],
  [layout.MTRR, layout.PDPTE],
  [layout.CR8, layout.CR8 + 8],
  [layout.XMM, layout.BOUNCE],
];
const SIZE = KEPT.reduce((sum, [from, to]) => sum + to - from, 0);
/** CR0.CD and CR0.NW: entries and exits leave them alone. */
const CACHE_BITS = 0x60000000n;

/** A vCPU's thread, and what of the guest is in its CPU: loaded when it gets one, stored only when it loses it. */
export class Residence implements PreemptNotifier {
  readonly thread: Thread;
  readonly #host: HostComputer;
  readonly #stats: KvmStats;
  readonly #away = new Uint8Array(SIZE);
  #cacheBits = 0n;
  /** The CPU on which the VMCS has been used last. */
  #cpu: number;
  #arch: ArchVcpu | undefined;

  /** The thread's CPU is selected and free. */
  constructor(host: HostComputer, id: number, stats: KvmStats) {
    this.#host = host;
    this.#stats = stats;
    this.thread = host.scheduler.create(`CPU ${id}/KVM`, this);
    this.#cpu = this.thread.cpu;
  }

  attach(arch: ArchVcpu): void {
    this.#arch = arch;
  }

  /** vcpu_load: the thread that makes this call runs. */
  load(): void {
    this.#host.scheduler.run(this.thread);
  }

  /** kvm_sched_in. */
  schedIn(cpu: number): void {
    const arch = this.#arch,
      { core } = this.#host;
    if (!arch) return;
    if (cpu !== this.#cpu) {
      // A VMCS is on one CPU at a time, and so are the translations of its guest.
      core.exports.selectCpu(this.#cpu);
      arch.clear();
      core.exports.selectCpu(cpu);
      arch.requestFlush();
      this.#cpu = cpu;
      this.#stats.vcpuMigrations++;
    }
    arch.load();
    let at = 0;
    for (const [from, to] of KEPT) {
      core.u8.set(this.#away.subarray(at, at + to - from), from);
      at += to - from;
    }
    const cr0 = layout.CR0 / 8;
    core.u64[cr0] = ((core.u64[cr0] ?? 0n) & ~CACHE_BITS) | this.#cacheBits;
    this.#stats.guestStateLoads++;
  }

  /** kvm_sched_out. */
  schedOut(): void {
    const { core } = this.#host;
    if (this.#arch?.inGuest) this.#arch.kick();
    let at = 0;
    for (const [from, to] of KEPT) {
      this.#away.set(core.u8.subarray(from, to), at);
      at += to - from;
    }
    this.#cacheBits = (core.u64[layout.CR0 / 8] ?? 0n) & CACHE_BITS;
    this.#stats.hostStateReloads++;
  }
}
