import type { MmioDevice, PortDevice } from "../base/index.ts";
import type { CpuidLeaf } from "../isa/index.ts";
import { I8254, I8259, Irqchip } from "../chips/index.ts";
import type { KvmVcpu, KvmVm } from "../kvm/uapi.ts";

const IOAPIC_PAGE = 0xfec00000;

/** What there is to do before the next KVM_RUN. */
export type Next = "run" | "budget" | "halt";

/**
 * PIC, PIT, IOAPIC and local APIC in user space (-machine kernel-irqchip=off), over KVM_INTERRUPT: every access to them is
 * an exit, a guest that halts halts here, and an interrupt goes in when the guest can take it or has said that now it can.
 *
 *   beforeRun: vector acknowledged, KVM_INTERRUPT ---> KVM_RUN ---> IRQ_WINDOW_OPEN, SET_TPR, HLT, IO, MMIO ---> afterRun
 */
export class UserIrqchip {
  readonly chips: Irqchip;
  halted = false;
  readonly #vm: KvmVm;
  readonly #vcpu: () => KvmVcpu;

  constructor(vm: KvmVm, vcpu: () => KvmVcpu, pit: boolean) {
    this.#vm = vm;
    this.#vcpu = vcpu;
    this.chips = new Irqchip({
      clock: vm.clock,
      cpus: 1,
      pit,
      signals: {
        nmi: () => vcpu().nmi(),
        smi: () => undefined,
        init: () => vcpu().signalInit(),
        startUp: () => undefined,
      },
      onChange: () => undefined,
    });
  }

  reset(): void {
    this.halted = false;
    this.chips.reset();
  }

  /** Devices have their turn, then the interrupt that waits is handed over. `stop`: only what has begun is completed. */
  beforeRun(until: number, stop: boolean): Next {
    const vcpu = this.#vcpu(),
      { run } = vcpu,
      { clock } = this.#vm;
    for (;;) {
      clock.runDue();
      const now = clock.now();
      run.until = stop ? now : until;
      if (now >= run.until && !vcpu.eventPending) return "budget";
      if (!this.halted || vcpu.pendingSignals) break;
      if (this.chips.pendingInterrupt(0) && vcpu.readyForInterrupt()) break;
      const wake = Math.min(clock.next(), until);
      if (wake === Infinity) return "halt";
      // HLT skips to the next event.
      if (wake > now) this.#vm.setClock(Math.ceil(wake));
    }
    this.halted = false;
    const waits = this.chips.pendingInterrupt(0) && !stop;
    // A slice has ended in guest mode: the guest has to come out first, as by a signal to its thread.
    run.immediateExit = waits && vcpu.inGuest;
    if (waits && vcpu.readyForInterrupt()) vcpu.interrupt(this.chips.acknowledge(0));
    run.requestInterruptWindow = this.chips.pendingInterrupt(0);
    this.tellCr8();
    return "run";
  }
  /** CR8 of struct kvm_run, on the way in. */
  tellCr8(): void {
    this.#vcpu().setCr8(this.chips.readCr8(0));
  }

  /** What the guest has done to the parts of its local APIC that the processor holds. */
  afterRun(): void {
    const vcpu = this.#vcpu();
    // CR8 is the upper half of the task priority alone.
    if (this.chips.readCr8(0) !== vcpu.run.cr8) this.chips.writeCr8(0, vcpu.run.cr8);
    const lapic = this.chips.lapics[0];
    if (lapic && lapic.base !== vcpu.run.apicBase) lapic.setBase(vcpu.run.apicBase);
  }

  port(port: number): PortDevice | undefined {
    if (I8259.ports.includes(port)) return this.chips.pic;
    return I8254.ports.includes(port) ? (this.chips.pit ?? undefined) : undefined;
  }
  memory(gpa: number): MmioDevice | undefined {
    const page = gpa - (gpa % 4096),
      lapic = this.chips.lapics[0];
    if (lapic?.mapped && page === Number(lapic.base & 0xffffff000n)) return lapic;
    return page === IOAPIC_PAGE ? this.chips.ioapic : undefined;
  }
}

/** CPUID for a guest whose local APIC is not in the kernel: what KVM offers only with one is missing. */
export function withoutLocalApic(leaves: readonly CpuidLeaf[]): CpuidLeaf[] {
  const [X2APIC, TSC_DEADLINE, PV_EOI] = [1 << 21, 1 << 24, 1 << 6];
  return leaves.map((l) => {
    if (l.leaf === 1) return { ...l, ecx: (l.ecx & ~(X2APIC | TSC_DEADLINE)) >>> 0 };
    return l.leaf === 0x40000001 ? { ...l, eax: (l.eax & ~PV_EOI) >>> 0 } : l;
  });
}
