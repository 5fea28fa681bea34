import { type Saved, VirtualClock } from "../base/index.ts";
import { I8254, I8259, Irqchip } from "../chips/index.ts";
import type { HostComputer, Task } from "../host/index.ts";
import type { CpuidLeaf } from "../isa/index.ts";
import { KvmError } from "./errno.ts";
import type { UserMemoryRegion } from "./memslots.ts";
import { CachingMmu } from "./mmu/shadow/cached/mmu.ts";
import { VirtualTlb } from "./mmu/shadow/vtlb.ts";
import type { ModuleParams } from "./params.ts";
import { KvmStats } from "./stats.ts";
import { Trace } from "./trace.ts";
import { GuestSpace } from "./x86/space.ts";
import { X86Vcpu } from "./x86/vcpu.ts";

/** As many as one computer's processors have room for. */
export const MAX_VCPUS = 8;

/** A virtual machine's file descriptor. */
export class KvmVm {
  readonly clock: VirtualClock;
  readonly stats = new KvmStats();
  readonly trace: Trace;
  readonly space: GuestSpace;
  /** The host's time of day when the guest's clock stood at 0, in seconds since 1970. */
  wallClock = 1_767_225_600;
  readonly #host: HostComputer;
  readonly #leaves: readonly CpuidLeaf[];
  readonly #params: ModuleParams;
  #chips: Irqchip | undefined;
  #pit = false;
  #irqchip = false;
  /** KVM_CAP_MAX_VCPU_ID: local APICs to be there. */
  #maxVcpus = 1;
  readonly #vcpus: X86Vcpu[] = [];
  /** Called when something has come for a vCPU (kvm_vcpu_kick): one that waits has to look at it. */
  onKick: (id: number) => void = () => {};

  constructor(host: HostComputer, task: Task, leaves: readonly CpuidLeaf[], params: ModuleParams) {
    this.#host = host;
    this.#leaves = leaves;
    this.#params = params;
    this.clock = new VirtualClock(() => host.core.exports.clock() - this.#inflight);
    this.trace = new Trace(() => this.clock.now());
    this.space = new GuestSpace(host, task.mm, this.trace);
    if (!params.tdp) {
      const Mmu = params.mmu === "vtlb" ? VirtualTlb : CachingMmu;
      this.space.shadow = new Mmu({ host, space: this.space, trace: this.trace, stats: this.stats });
    }
  }

  /** Of the vCPU that completes an instruction: one at a time. */
  get #inflight(): number {
    for (let i = 0; i < this.#vcpus.length; i++) if (this.#vcpus[i]?.inflight) return 1;
    return 0;
  }
  /** KVM_ENABLE_CAP with KVM_CAP_MAX_VCPU_ID, before the first vCPU. */
  setMaxVcpus(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MAX_VCPUS)
      throw new KvmError("EINVAL", "KVM_CAP_MAX_VCPU_ID", String(count), `give 1 to ${MAX_VCPUS}`);
    if (this.#chips)
      throw new KvmError("EBUSY", "KVM_CAP_MAX_VCPU_ID", "there is a vCPU already", "call it before KVM_CREATE_VCPU");
    this.#maxVcpus = count;
  }

  /** KVM_SET_USER_MEMORY_REGION */
  setUserMemoryRegion(region: UserMemoryRegion): void {
    this.space.setRegion(region);
  }

  /** KVM_GET_DIRTY_LOG: one bit a page, page 0 in bit 0 of byte 0. */
  getDirtyLog(slot: number): Uint8Array {
    const found = this.space.slots.get(slot);
    if (!found?.dirty)
      throw new KvmError(
        "ENOENT",
        "KVM_GET_DIRTY_LOG",
        `slot ${slot}`,
        "give a slot with KVM_MEM_LOG_DIRTY_PAGES",
      );
    return this.space.dirtyLog(found);
  }

  /** KVM_CREATE_IRQCHIP: PIC, IOAPIC and a local APIC for each CPU. */
  createIrqchip(): void {
    if (this.#irqchip)
      throw new KvmError("EEXIST", "KVM_CREATE_IRQCHIP", "there is one already", "call it once");
    if (this.#vcpus.length > 0)
      throw new KvmError(
        "EINVAL",
        "KVM_CREATE_IRQCHIP",
        "there is a vCPU already",
        "call it before KVM_CREATE_VCPU",
      );
    this.#irqchip = true;
  }

  /** KVM_CREATE_PIT2 */
  createPit2(): void {
    if (!this.#irqchip)
      throw new KvmError("ENOENT", "KVM_CREATE_PIT2", "no interrupt chip", "call KVM_CREATE_IRQCHIP first");
    if (this.#pit) throw new KvmError("EEXIST", "KVM_CREATE_PIT2", "there is one already", "call it once");
    if (this.#chips)
      throw new KvmError(
        "EINVAL",
        "KVM_CREATE_PIT2",
        "the machine has begun",
        "call it before KVM_CREATE_VCPU",
      );
    this.#pit = true;
  }

  /** KVM_SET_TSS_ADDR: three pages for the emulation of real mode; an unrestricted guest does without them. */
  setTssAddr(address: number): void {
    if (address % 4096 !== 0 || address > 0xfffff000 - 0x2000)
      throw new KvmError(
        "EINVAL",
        "KVM_SET_TSS_ADDR",
        `0x${address.toString(16)}`,
        "give three free pages below 4 GiB",
      );
  }
  /** KVM_SET_IDENTITY_MAP_ADDR */
  setIdentityMapAddr(address: number): void {
    if (this.#vcpus.length > 0)
      throw new KvmError(
        "EINVAL",
        "KVM_SET_IDENTITY_MAP_ADDR",
        "there is a vCPU already",
        "call it before KVM_CREATE_VCPU",
      );
    if (address % 4096 !== 0)
      throw new KvmError("EINVAL", "KVM_SET_IDENTITY_MAP_ADDR", `0x${address.toString(16)}`, "align to 4096");
  }

  /** KVM_CREATE_VCPU: they come in the order of their numbers. */
  createVcpu(id: number): X86Vcpu {
    if (!Number.isInteger(id) || id < 0 || id >= this.#maxVcpus)
      throw new KvmError(
        "EINVAL",
        "KVM_CREATE_VCPU",
        `vCPU ${id}`,
        this.#maxVcpus === 1 ? "give 0, or raise KVM_CAP_MAX_VCPU_ID first" : `give 0 to ${this.#maxVcpus - 1}`,
      );
    if (this.#vcpus[id]) throw new KvmError("EEXIST", "KVM_CREATE_VCPU", `vCPU ${id} exists`, "use the one there is");
    if (id !== this.#vcpus.length)
      throw new KvmError("EINVAL", "KVM_CREATE_VCPU", `vCPU ${id}`, `create vCPU ${this.#vcpus.length} first`);
    if (!this.#irqchip)
      throw new KvmError("ENXIO", "KVM_CREATE_VCPU", "no interrupt chip", "call KVM_CREATE_IRQCHIP first");
    const vcpu = new X86Vcpu({
      id,
      several: this.#maxVcpus > 1,
      flushAll: () => {
        for (const v of this.#vcpus) v.arch.requestFlush();
      },
      kick: (apicId) => {
        for (const v of this.#vcpus) if (v.lapic?.apicId === apicId) v.kicked();
      },
      host: this.#host,
      space: this.space,
      clock: this.clock,
      chips: this.chips,
      trace: this.trace,
      stats: this.stats,
      leaves: this.#leaves,
      params: this.#params,
      wallClock: () => this.wallClock,
    });
    this.#vcpus.push(vcpu);
    return vcpu;
  }

  /** The interrupt chips in the kernel (KVM_GET_IRQCHIP, KVM_GET_LAPIC, KVM_GET_PIT2). */
  get chips(): Irqchip {
    if (!this.#irqchip)
      throw new KvmError("ENXIO", "KVM_GET_IRQCHIP", "no interrupt chip", "call KVM_CREATE_IRQCHIP first");
    if (this.#chips) return this.#chips;
    const chips = new Irqchip({
      clock: this.clock,
      cpus: this.#maxVcpus,
      pit: this.#pit,
      signals: {
        nmi: (cpu) => this.#signal(cpu, (v) => v.signalNmi()),
        smi: () => undefined,
        init: (cpu) => this.#signal(cpu, (v) => v.signalInit()),
        startUp: (cpu, vector) => this.#signal(cpu, (v) => v.signalStartUp(vector)),
      },
      onChange: (cpu) => this.onKick(cpu),
    });
    this.#chips = chips;
    this.space.addPorts(I8259.ports, chips.pic);
    if (chips.pit) this.space.addPorts(I8254.ports, chips.pit);
    return chips;
  }

  #signal(cpu: number, give: (vcpu: X86Vcpu) => void): void {
    const vcpu = this.#vcpus[cpu];
    if (!vcpu) return;
    give(vcpu);
    this.onKick(cpu);
  }

  /** KVM_IRQ_LINE */
  irqLine(gsi: number, level: boolean): void {
    if (!Number.isInteger(gsi) || gsi < 0 || gsi > 23)
      throw new KvmError("EINVAL", "KVM_IRQ_LINE", `GSI ${gsi}`, "give 0 to 23");
    if (this.trace.on) this.trace.write("kvm_set_irq", gsi, level ? 1 : 0);
    this.chips.setGsi(gsi, level);
  }

  /** KVM_GET_CLOCK: nanoseconds. Every clock of the guest comes from this one. */
  getClock(): number {
    return this.clock.now();
  }
  /** KVM_SET_CLOCK */
  setClock(t: number): void {
    this.#host.core.exports.setClock(t);
  }

  /** KVM_SET_IRQCHIP, KVM_SET_LAPIC and KVM_SET_PIT2 in one. */
  restoreChips(state: Saved): void {
    this.chips.restore(state);
    for (const vcpu of this.#vcpus) vcpu.apicRestored();
  }
}
