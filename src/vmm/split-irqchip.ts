import type { MmioDevice, PortDevice, Saved } from "../base/index.ts";
import { ApicBus, type ApicMessage, Irqchip, ioapicPins } from "../chips/index.ts";
import { KvmExit, type KvmExitReason, type KvmVcpu } from "../kvm/uapi.ts";
import { portOf, type Next, type UserChips, type UserChipsOptions } from "./user-irqchip.ts";

const IOAPIC_PAGE = 0xfec00000;
const MSI_ADDRESS = 0xfee00000;
const LOGICAL = 0x800,
  MODE = 0x700,
  LEVEL = 0x8000;

/** Where the IOAPIC's messages go: the pin is a GSI of KVM's routing table. */
class RoutedPins extends ApicBus {
  readonly #send: (pin: number) => boolean;
  constructor(send: (pin: number) => boolean) {
    super();
    this.#send = send;
  }
  override deliver(_message: ApicMessage, pin = 0): boolean {
    return this.#send(pin);
  }
}

/**
 * PIC, PIT and IOAPIC in user space, the local APICs in the kernel (-machine kernel-irqchip=split, KVM_CAP_SPLIT_IRQCHIP):
 *
 *   IOAPIC  entry written --KVM_SET_GSI_ROUTING--> the pin's message     pin --KVM_IRQ_LINE--> local APICs
 *           <--KVM_EXIT_IOAPIC_EOI-- the end of a level-triggered one
 *   PIC     --KVM_INTERRUPT--> the CPU whose LINT0 takes it, when it can; KVM_EXIT_IRQ_WINDOW_OPEN until then
 */
export class SplitIrqchip implements UserChips {
  readonly chips: Irqchip;
  readonly #o: UserChipsOptions;
  /** What the routing table says of each pin. */
  #routed = "";
  readonly #ioapic: MmioDevice;

  constructor(options: UserChipsOptions) {
    const { vm, vcpus, cpus, pit } = options,
      none = () => undefined;
    this.#o = options;
    this.chips = new Irqchip({
      clock: vm.clock,
      cpus,
      pit,
      signals: { nmi: none, smi: none, init: none, startUp: none },
      onChange: (cpu) => this.#picChanged(cpu),
      remote: {
        bus: new RoutedPins((pin) => {
          this.#route();
          return vm.irqLineStatus(pin, true) > 0;
        }),
        lapics: Array.from({ length: cpus }, (_, cpu) => ({
          // The wire of LINT0 ends here.
          save: (): Saved => ({ ...(vcpus()[cpu]?.getLapic() as { [key: string]: Saved }), lint0: this.chips.pic.intr }),
          restore: (state: Saved) => vcpus()[cpu]?.setLapic(state),
        })),
      },
    });
    const { ioapic } = this.chips;
    this.#ioapic = {
      mmioRead: (offset, size) => ioapic.mmioRead(offset, size),
      mmioWrite: (offset, size, value) => {
        ioapic.mmioWrite(offset, size, value);
        this.#route();
      },
    };
  }

  /** The local APICs are reset with their vCPUs. */
  reset(): void {
    this.chips.reset();
    this.#route();
  }

  beforeRun(cpu: number, until: number, stop: boolean): Next {
    const { vm } = this.#o,
      vcpu = this.#vcpu(cpu),
      { run } = vcpu;
    vm.clock.runDue();
    const now = vm.clock.now();
    run.yielded = false;
    if ((stop || now >= until) && !vcpu.eventPending) return "budget";
    run.until = until;
    const waits = this.#waits(vcpu) && !stop;
    // A slice has ended in guest mode: the guest has to come out first, as by a signal to its thread.
    run.immediateExit = stop || (waits && vcpu.inGuest);
    if (waits && now < until && vcpu.readyForInterrupt()) vcpu.interrupt(this.chips.pic.acknowledge());
    this.beforeCompletion(cpu);
    return "run";
  }
  beforeCompletion(cpu: number): void {
    const vcpu = this.#vcpu(cpu);
    vcpu.run.requestInterruptWindow = this.#waits(vcpu);
  }
  afterRun(cpu: number, reason: KvmExitReason): boolean {
    if (reason === KvmExit.IOAPIC_EOI) this.chips.ioapic.eoi(this.#vcpu(cpu).run.eoi.vector);
    return reason === KvmExit.IOAPIC_EOI || reason === KvmExit.IRQ_WINDOW_OPEN;
  }

  port(port: number): PortDevice | undefined {
    return portOf(this.chips, port);
  }
  memory(_cpu: number, gpa: number): MmioDevice | undefined {
    return gpa - (gpa % 4096) === IOAPIC_PAGE ? this.#ioapic : undefined;
  }

  #waits(vcpu: KvmVcpu): boolean {
    return this.chips.pic.intr && vcpu.acceptsPic;
  }
  /** Whoever takes the PIC's interrupts comes out of KVM_RUN, if only for a moment; one that sleeps is called. */
  #picChanged(cpu: number): void {
    const vcpu = this.#o.vcpus()?.[cpu];
    if (!vcpu?.acceptsPic) return;
    if (this.chips.pic.intr) vcpu.run.immediateExit = vcpu.run.requestInterruptWindow = true;
    this.#o.called(cpu);
  }

  /** kvm_update_msi_routes: redirection entries as messages, when one has changed. */
  #route(): void {
    const entries = Array.from({ length: ioapicPins }, (_, pin) => this.chips.ioapic.entry(pin));
    const now = entries.map(([low, high]) => `${low & (LEVEL | LOGICAL | MODE | 0xff)} ${high}`).join();
    if (now === this.#routed) return;
    this.#routed = now;
    this.#o.vm.setGsiRouting(
      entries.map(([low, high], gsi) => ({
        gsi,
        address: MSI_ADDRESS + (high >>> 24) * 0x1000 + ((low & LOGICAL) !== 0 ? 4 : 0),
        data: low & (LEVEL | MODE | 0xff),
      })),
    );
  }
  #vcpu(cpu: number): KvmVcpu {
    return this.#o.vcpus()[cpu] as KvmVcpu;
  }
}
