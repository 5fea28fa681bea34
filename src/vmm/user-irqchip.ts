import type { MmioDevice, PortDevice, Saved } from "../base/index.ts";
import { SavedRecord } from "../base/index.ts";
import type { CpuidLeaf } from "../isa/index.ts";
import { I8254, I8259, Irqchip } from "../chips/index.ts";
import { KvmExit, type KvmExitReason, type KvmVcpu, type KvmVm } from "../kvm/uapi.ts";

const IOAPIC_PAGE = 0xfec00000;

/** Interrupt chips in user space, all of them or all but the local APICs, as the accelerator uses them. */
export interface UserChips {
  readonly chips: Irqchip;
  reset(): void;
  /** Devices have their turn, and what waits for this vCPU is handed over: before each KVM_RUN. `stop`: only what has begun is completed. */
  beforeRun(cpu: number, until: number, stop: boolean): Next;
  /** Before a KVM_RUN that only completes what user space has answered. */
  beforeCompletion(cpu: number): void;
  /** What the guest has done to the parts of the chips that the processor or the kernel holds. @returns whether the exit was for the chips alone */
  afterRun(cpu: number, reason: KvmExitReason): boolean;
  port(port: number): PortDevice | undefined;
  memory(cpu: number, gpa: number): MmioDevice | undefined;
}
/** What there is to do before the next KVM_RUN. */
export type Next = "run" | "budget" | "halt";

export interface UserChipsOptions {
  readonly vm: KvmVm;
  readonly vcpus: () => readonly KvmVcpu[];
  readonly cpus: number;
  readonly pit: boolean;
  /** Something has come for a CPU that may sleep, or wait for its turn. */
  readonly called: (cpu: number) => void;
}

/** What of a CPU user space keeps, since the kernel knows of no local APIC that could ask for it. */
class UserCpu {
  halted = false;
  /** INIT has come; a start-up IPI has, for page sipi - 1. */
  init = 0;
  sipi = 0;
}

/**
 * PIC, PIT, IOAPIC and local APICs in user space (-machine kernel-irqchip=off), over KVM_INTERRUPT: every access to them is
 * an exit, a guest that halts halts here, INIT and start-up IPIs set registers from here, and an interrupt goes in when the
 * guest can take it or has said that now it can.
 *
 *   beforeRun: vector acknowledged, KVM_INTERRUPT ---> KVM_RUN ---> IRQ_WINDOW_OPEN, SET_TPR, HLT, IO, MMIO ---> afterRun
 */
export class UserIrqchip implements UserChips {
  readonly chips: Irqchip;
  readonly #o: UserChipsOptions;
  readonly #cpus: readonly UserCpu[];

  constructor(options: UserChipsOptions) {
    const { vm, vcpus, cpus, pit, called } = options;
    this.#o = options;
    this.#cpus = Array.from({ length: cpus }, () => new UserCpu());
    this.chips = new Irqchip({
      clock: vm.clock,
      cpus,
      pit,
      signals: {
        nmi: (cpu) => {
          vcpus()[cpu]?.nmi();
          called(cpu);
        },
        smi: () => undefined,
        init: (cpu) => {
          this.#cpu(cpu).init = 1;
          called(cpu);
        },
        startUp: (cpu, vector) => this.#startUp(cpu, vector),
      },
      onChange: called,
    });
  }

  reset(): void {
    for (const own of this.#cpus) Object.assign(own, new UserCpu());
    this.chips.reset();
  }

  beforeRun(cpu: number, until: number, stop: boolean): Next {
    const vcpu = this.#vcpu(cpu),
      own = this.#cpu(cpu),
      { run } = vcpu,
      { clock } = this.#o.vm;
    run.yielded = false;
    for (;;) {
      clock.runDue();
      const now = clock.now();
      run.until = stop ? now : until;
      if (now >= run.until && !vcpu.eventPending) return "budget";
      if (!vcpu.eventPending) this.#takeSignals(cpu);
      if (vcpu.getMpState() === "uninitialized") return "halt";
      if (!own.halted || vcpu.pendingSignals) break;
      if (this.chips.pendingInterrupt(cpu) && vcpu.readyForInterrupt()) break;
      const wake = Math.min(clock.next(), until);
      // Where there are others, they have their turn meanwhile.
      if (this.#o.cpus > 1 || wake === Infinity) return "halt";
      // HLT skips to the next event.
      if (wake > now) this.#o.vm.setClock(Math.ceil(wake));
    }
    own.halted = false;
    const waits = this.chips.pendingInterrupt(cpu) && !stop;
    // A slice has ended in guest mode: the guest has to come out first, as by a signal to its thread.
    run.immediateExit = waits && vcpu.inGuest;
    if (waits && vcpu.readyForInterrupt()) vcpu.interrupt(this.chips.acknowledge(cpu));
    run.requestInterruptWindow = this.chips.pendingInterrupt(cpu);
    this.beforeCompletion(cpu);
    return "run";
  }
  /** CR8 of struct kvm_run, on the way in. */
  beforeCompletion(cpu: number): void {
    this.#vcpu(cpu).setCr8(this.chips.readCr8(cpu));
  }

  afterRun(cpu: number, reason: KvmExitReason): boolean {
    const { run } = this.#vcpu(cpu);
    // CR8 is the upper half of the task priority alone.
    if (this.chips.readCr8(cpu) !== run.cr8) this.chips.writeCr8(cpu, run.cr8);
    const lapic = this.chips.lapics[cpu];
    if (lapic && lapic.base !== run.apicBase) lapic.setBase(run.apicBase);
    if (reason === KvmExit.HLT) this.#cpu(cpu).halted = true;
    return reason === KvmExit.HLT || reason === KvmExit.IRQ_WINDOW_OPEN || reason === KvmExit.SET_TPR;
  }

  /** INIT: registers as after RESET, and all processors but the first wait. A start-up IPI: such a one begins at its page. */
  #takeSignals(cpu: number): void {
    const vcpu = this.#vcpu(cpu),
      own = this.#cpu(cpu);
    if (own.init) {
      own.init = 0;
      own.halted = false;
      this.chips.lapics[cpu]?.initReset();
      vcpu.reset(true);
      vcpu.setMpState(cpu === 0 ? "runnable" : "uninitialized");
    }
    if (own.sipi === 0 || vcpu.getMpState() !== "uninitialized") return;
    const page = own.sipi - 1,
      s = vcpu.getSregs();
    own.sipi = 0;
    vcpu.setSregs({ ...s, cs: { ...s.cs, selector: page << 8, base: BigInt(page << 12) } });
    vcpu.setRegs({ ...vcpu.getRegs(), rip: 0n });
    vcpu.setMpState("runnable");
  }
  /** Nothing but to a CPU that waits for it, or will as soon as it takes its INIT. */
  #startUp(cpu: number, page: number): void {
    const own = this.#cpu(cpu);
    if (this.#vcpu(cpu).getMpState() !== "uninitialized" && !own.init) return;
    own.sipi = page + 1;
    this.#o.called(cpu);
  }

  port(port: number): PortDevice | undefined {
    return portOf(this.chips, port);
  }
  memory(cpu: number, gpa: number): MmioDevice | undefined {
    const page = gpa - (gpa % 4096),
      lapic = this.chips.lapics[cpu];
    if (lapic?.mapped && page === Number(lapic.base & 0xffffff000n)) return lapic;
    return page === IOAPIC_PAGE ? this.chips.ioapic : undefined;
  }

  /** Of the vCPU's state what is kept here, in the words of KVM_GET_MP_STATE and KVM_GET_VCPU_EVENTS. */
  halted(cpu: number): boolean {
    return this.#cpu(cpu).halted;
  }
  setHalted(cpu: number, on: boolean): void {
    this.#cpu(cpu).halted = on;
  }
  events(cpu: number, of: { [key: string]: Saved }): Saved {
    const { init, sipi } = this.#cpu(cpu);
    return { ...of, init, sipi };
  }
  /** @returns what is the vCPU's of them */
  takeEvents(cpu: number, events: Saved): Saved {
    const own = this.#cpu(cpu),
      r = new SavedRecord("events", events);
    [own.init, own.sipi] = [r.int("init", 1), r.int("sipi", 256)];
    return { ...(events as { [key: string]: Saved }), init: 0, sipi: 0 };
  }

  #vcpu(cpu: number): KvmVcpu {
    return this.#o.vcpus()[cpu] as KvmVcpu;
  }
  #cpu(cpu: number): UserCpu {
    return this.#cpus[cpu] as UserCpu;
  }
}

/** The chip behind a port: PIC and PIT. */
export function portOf(chips: Irqchip, port: number): PortDevice | undefined {
  if (I8259.ports.includes(port)) return chips.pic;
  return I8254.ports.includes(port) ? (chips.pit ?? undefined) : undefined;
}

/** CPUID for a guest whose local APIC is not in the kernel: what KVM offers only with one is missing. */
export function withoutLocalApic(leaves: readonly CpuidLeaf[]): CpuidLeaf[] {
  const [X2APIC, TSC_DEADLINE, PV_EOI] = [1 << 21, 1 << 24, 1 << 6];
  return leaves.map((l) => {
    if (l.leaf === 1) return { ...l, ecx: (l.ecx & ~(X2APIC | TSC_DEADLINE)) >>> 0 };
    return l.leaf === 0x40000001 ? { ...l, eax: (l.eax & ~PV_EOI) >>> 0 } : l;
  });
}
