import { type Saved, VirtualClock } from "../base/index.ts";
import { type CpuSignals, I8254, I8259, Irqchip } from "../chips/index.ts";
import type { HostComputer, Task } from "../host/index.ts";
import type { CpuidLeaf } from "../isa/index.ts";
import { MANUAL_PROTECT_ENABLE, MANUAL_PROTECT_INITIALLY_SET } from "./dirty/log.ts";
import { ENTRY_BYTES, MAX_ENTRIES, RESERVED_ENTRIES } from "./dirty/ring.ts";
import { KvmError } from "./errno.ts";
import { exitNames } from "./exit-names.ts";
import { type MsiRoute, SplitChips, UserspaceChips } from "./irqchip.ts";
import { MAX_SLOTS, type MemSlot, type UserMemoryRegion } from "./memslots.ts";
import { PagingChoice } from "./mmu/auto/choice.ts";
import type { ShadowMmu } from "./mmu/shadow/mmu.ts";
import { CachingMmu } from "./mmu/shadow/cached/mmu.ts";
import { VirtualTlb } from "./mmu/shadow/vtlb.ts";
import type { ModuleParams } from "./params.ts";
import { KvmStats } from "./stats.ts";
import { Trace } from "./trace.ts";
import { GuestSpace } from "./x86/space.ts";
import { X86Vcpu } from "./x86/vcpu.ts";

/** As many as one computer's processors have room for. */
export const MAX_VCPUS = 8;

/** Where the kernel puts the page when nobody says: the fourth below 4 GiB minus 256 KiB. */
const IDENTITY_MAP = 0xfffbc000;

/** Of a routing table. */
const MAX_GSIS = 256;

/** A virtual machine's file descriptor. */
export class KvmVm {
  readonly clock: VirtualClock;
  readonly stats: KvmStats;
  readonly trace: Trace;
  readonly space: GuestSpace;
  /** The host's time of day when the guest's clock stood at 0, in seconds since 1970. */
  wallClock = 1_767_225_600;
  readonly #host: HostComputer;
  readonly #leaves: readonly CpuidLeaf[];
  readonly #params: ModuleParams;
  /** Shadow tables, in force or ready, and who decides which. */
  readonly #shadowMmu: ShadowMmu | undefined;
  readonly #choice: PagingChoice | undefined;
  #chips: Irqchip | undefined;
  readonly #userspace = new UserspaceChips();
  #pit = false;
  #identityMap = IDENTITY_MAP;
  #irqchip = false;
  #split: SplitChips | undefined;
  readonly #signals: CpuSignals = {
    nmi: (cpu) => this.#signal(cpu, (v) => v.signalNmi()),
    smi: () => undefined,
    init: (cpu) => this.#signal(cpu, (v) => v.signalInit()),
    startUp: (cpu, vector) => this.#signal(cpu, (v) => v.signalStartUp(vector)),
  };
  /** KVM_CAP_MAX_VCPU_ID: local APICs to be there. */
  #maxVcpus = 1;
  readonly #vcpus: X86Vcpu[] = [];
  /** The vCPU that one that spun gave its turn to last. */
  #boosted = 0;
  /** Called when something has come for a vCPU (kvm_vcpu_kick): one that waits has to look at it. */
  onKick: (id: number) => void = () => {};

  constructor(host: HostComputer, task: Task, leaves: readonly CpuidLeaf[], params: ModuleParams) {
    this.#host = host;
    this.#leaves = leaves;
    this.#params = params;
    this.clock = new VirtualClock(() => host.core.exports.clock() - this.#inflight);
    this.trace = new Trace(() => this.clock.now());
    this.stats = new KvmStats(exitNames[host.silicon]);
    this.space = new GuestSpace(host, task.mm, this.trace, params);
    if (params.tdp && params.mmu !== "auto") return;
    const Mmu = params.mmu === "vtlb" ? VirtualTlb : CachingMmu;
    this.#shadowMmu = new Mmu({ host, space: this.space, trace: this.trace, stats: this.stats });
    if (!params.tdp) this.space.shadow = this.#shadowMmu;
    else {
      this.#choice = new PagingChoice({
        stats: this.stats,
        counters: () => host.counters(),
        paged: () => this.#vcpus.every((v) => v.getMpState() === "uninitialized" || v.paged),
        use: (shadow) => this.setPaging(shadow),
      });
    }
  }

  /** With kvm.mmu=auto: every vCPU goes on under shadow tables, or under the second stage. */
  setPaging(shadow: boolean): void {
    const { running } = this.#host.scheduler;
    this.space.setShadow(shadow ? this.#shadowMmu : undefined);
    for (const vcpu of this.#vcpus) vcpu.setShadow(shadow);
    if (running) this.#host.scheduler.run(running);
    if (this.trace.on) this.trace.write("kvm_mmu_switch", shadow ? 1 : 0, this.#choice?.cost ?? 0, this.#choice?.otherCost ?? 0);
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
    const found = this.#logged("KVM_GET_DIRTY_LOG", slot);
    this.syncDirtyLog();
    return this.space.dirty.get(found);
  }

  /** KVM_CLEAR_DIRTY_LOG: pages whose bit is set are clean, and noticed at their next write. */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bits: Uint8Array): void {
    const found = this.#logged("KVM_CLEAR_DIRTY_LOG", slot);
    this.syncDirtyLog();
    this.space.dirty.clear(found, firstPage, pages, bits);
  }

  /** KVM_RESET_DIRTY_RINGS: how many harvested entries are free again. */
  resetDirtyRings(): number {
    if (this.space.dirty.ringEntries === 0)
      throw new KvmError("EINVAL", "KVM_RESET_DIRTY_RINGS", "no rings", "enable KVM_CAP_DIRTY_LOG_RING first");
    const count = this.space.dirty.resetRings();
    if (this.trace.on) this.trace.write("kvm_dirty_ring_reset", count);
    return count;
  }

  /** What the processors have logged is in the log of the VM; who runs stays the same. */
  syncDirtyLog(): void {
    const { scheduler } = this.#host,
      { running } = scheduler;
    for (const vcpu of this.#vcpus) vcpu.syncDirtyLog();
    if (running) scheduler.run(running);
  }
  #logged(ioctl: string, slot: number): MemSlot {
    if (this.space.dirty.ringEntries > 0)
      throw new KvmError("ENXIO", ioctl, "dirty pages are in rings", "harvest the rings of the vCPUs");
    if (!Number.isInteger(slot) || slot < 0 || slot >= MAX_SLOTS)
      throw new KvmError("EINVAL", ioctl, `slot ${slot}`, `give 0 to ${MAX_SLOTS - 1}`);
    const found = this.space.slots.get(slot);
    if (!found?.dirty)
      throw new KvmError("ENOENT", ioctl, `slot ${slot}`, "give a slot with KVM_MEM_LOG_DIRTY_PAGES");
    return found;
  }

  /** KVM_ENABLE_CAP of the VM: MANUAL_DIRTY_LOG_PROTECT2 (flags), DIRTY_LOG_RING (bytes of a vCPU's ring). */
  enableCap(name: string, value: number): void {
    if (name === "MANUAL_DIRTY_LOG_PROTECT2") this.#enableManualProtect(value);
    else if (name === "DIRTY_LOG_RING") this.#enableRings(value);
    else if (name === "SPLIT_IRQCHIP") this.#enableSplit(value);
    else
      throw new KvmError(
        "EINVAL",
        "KVM_ENABLE_CAP",
        `KVM_CAP_${name}`,
        "give MANUAL_DIRTY_LOG_PROTECT2, DIRTY_LOG_RING or SPLIT_IRQCHIP",
      );
  }
  /** @param pins of the IOAPIC in user space: GSIs that are kept for it */
  #enableSplit(pins: number): void {
    const value = `KVM_CAP_SPLIT_IRQCHIP ${pins} pins`;
    if (!Number.isInteger(pins) || pins < 0 || pins > MAX_GSIS) throw new KvmError("EINVAL", "KVM_ENABLE_CAP", value, `give 0 to ${MAX_GSIS}`);
    if (this.#irqchip || this.#split) throw new KvmError("EEXIST", "KVM_ENABLE_CAP", value, "there are chips already: call it once");
    if (this.#vcpus.length > 0) throw new KvmError("EINVAL", "KVM_ENABLE_CAP", value, "there is a vCPU already: enable it before KVM_CREATE_VCPU");
    this.#split = new SplitChips(this.clock, this.#maxVcpus, this.#signals, (cpu) => this.onKick(cpu));
  }

  /** KVM_SET_GSI_ROUTING, with the IOAPIC in user space: each of its pins is a message. */
  setGsiRouting(routes: readonly MsiRoute[]): void {
    const refuse = (value: string, cure: string): KvmError => new KvmError("EINVAL", "KVM_SET_GSI_ROUTING", value, cure);
    if (!this.#split) throw refuse("no split irqchip", "enable KVM_CAP_SPLIT_IRQCHIP first");
    for (const { gsi } of routes) if (!Number.isInteger(gsi) || gsi < 0 || gsi >= MAX_GSIS) throw refuse(`GSI ${gsi}`, `give 0 to ${MAX_GSIS - 1}`);
    this.#split.setRoutes(routes);
  }
  /** KVM_IRQ_LINE_STATUS, with the IOAPIC in user space: 1 when a processor has accepted the message, 0 when none has. */
  irqLineStatus(gsi: number, level: boolean): number {
    if (!this.#split) throw new KvmError("ENXIO", "KVM_IRQ_LINE_STATUS", "no split irqchip", "enable KVM_CAP_SPLIT_IRQCHIP first, or use KVM_IRQ_LINE");
    if (this.trace.on) this.trace.write("kvm_set_irq", gsi, level ? 1 : 0);
    return level && this.#split.deliver(gsi) ? 1 : 0;
  }
  #enableManualProtect(flags: number): void {
    const allowed = (flags & MANUAL_PROTECT_ENABLE) !== 0 ? MANUAL_PROTECT_ENABLE | MANUAL_PROTECT_INITIALLY_SET : 0;
    if (!Number.isInteger(flags) || flags < 0 || flags > allowed || (flags & ~allowed) !== 0)
      throw new KvmError(
        "EINVAL",
        "KVM_ENABLE_CAP",
        `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 flags ${flags}`,
        "give 0, 1 (enable), or 3 (enable, initially set)",
      );
    this.space.dirty.manual = flags;
  }
  #enableRings(bytes: number): void {
    const refuse = (name: "EINVAL" | "E2BIG", value: string, cure: string): KvmError =>
      new KvmError(name, "KVM_ENABLE_CAP", value, cure);
    const { dirty } = this.space,
      value = `KVM_CAP_DIRTY_LOG_RING ${bytes} bytes`,
      reserved = RESERVED_ENTRIES + (dirty.method === "pml" ? 512 : 0);
    if (dirty.method === "flags")
      throw refuse("EINVAL", "KVM_CAP_DIRTY_LOG_RING with kvm.dirty_log=dbits", "leave that parameter out");
    if (!Number.isInteger(bytes) || bytes <= 0 || !Number.isInteger(Math.log2(bytes)))
      throw refuse("EINVAL", value, "give a power of two");
    if (bytes > MAX_ENTRIES * ENTRY_BYTES) throw refuse("E2BIG", value, `give at most ${MAX_ENTRIES * ENTRY_BYTES}`);
    if (bytes < 4096 || bytes < reserved * ENTRY_BYTES)
      throw refuse("EINVAL", value, `give a page or more, and room for more than ${reserved} entries of 16 bytes`);
    if (dirty.ringEntries > 0) throw refuse("EINVAL", value, "the rings have a size already: enable them once");
    if (this.#vcpus.length > 0) throw refuse("EINVAL", value, "there is a vCPU already: enable rings before KVM_CREATE_VCPU");
    dirty.ringEntries = bytes / ENTRY_BYTES;
    this.space.slots.ring = (slot, page) => {
      // kvm_get_running_vcpu(); what KVM writes for nobody goes into the first ring.
      const { running } = this.#host.scheduler;
      const vcpu = this.#vcpus.find(({ thread }) => thread === running) ?? this.#vcpus[0];
      vcpu?.dirtyRing?.push(slot, page);
      if (this.trace.on) this.trace.write("kvm_dirty_ring_push", slot, page);
    };
  }

  /** KVM_CREATE_IRQCHIP: PIC, IOAPIC and a local APIC for each CPU. */
  createIrqchip(): void {
    if (this.#irqchip || this.#split)
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

  /** KVM_REINJECT_CONTROL: ticks that the guest has missed are delivered later. They are not unless this is called. */
  reinjectControl(on: boolean): void {
    const { pit } = this.#irqchip ? this.chips : { pit: null };
    if (!pit) throw new KvmError("ENXIO", "KVM_REINJECT_CONTROL", "no PIT", "call KVM_CREATE_PIT2 first");
    pit.reinject = on;
  }

  /** KVM_SET_TSS_ADDR: three pages for the emulation of real mode; an unrestricted guest does without them. */
  setTssAddr(address: number): void {
    if (!(address >= 0) || address % 4096 !== 0 || address > 0xfffff000 - 0x2000)
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
    if (!(address >= 0) || address % 4096 !== 0)
      throw new KvmError("EINVAL", "KVM_SET_IDENTITY_MAP_ADDR", `0x${address.toString(16)}`, "align to 4096");
    // Address 0 stands for the default.
    this.#identityMap = address === 0 ? IDENTITY_MAP : address;
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
    // Only a guest that may have no paging of its own, and is not unrestricted, ever reads the page.
    if (this.#host.silicon === "intel" && this.#params.tdp && !this.#params.unrestrictedGuest) this.space.identityMap = this.#identityMap;
    const vcpu = new X86Vcpu({
      id,
      identityMap: this.#identityMap,
      several: this.#maxVcpus > 1,
      flushAll: () => {
        for (const v of this.#vcpus) v.arch.requestFlush();
      },
      onSpin: (spinner) => this.#onSpin(spinner),
      kick: (apicId) => {
        for (const v of this.#vcpus) if (v.lapic?.apicId === apicId) v.kicked();
      },
      host: this.#host,
      space: this.space,
      shadowMmu: this.#shadowMmu,
      choice: this.#choice,
      clock: this.clock,
      chips: this.#irqchip ? this.chips : (this.#split ?? this.#userspace),
      inKernel: this.#irqchip || this.#split !== undefined,
      trace: this.trace,
      stats: this.stats,
      leaves: this.#leaves,
      params: this.#params,
      wallClock: () => this.wallClock,
    });
    this.#vcpus.push(vcpu);
    return vcpu;
  }

  /** kvm_vcpu_on_spin: the next vCPU, from the one that was chosen last, that wants to run and may hold what is waited for. */
  #onSpin(spinner: X86Vcpu): number {
    const count = this.#vcpus.length;
    for (let i = 1; i <= count; i++) {
      const id = (this.#boosted + i) % count,
        vcpu = this.#vcpus[id];
      if (!vcpu || vcpu === spinner || !vcpu.wantsToRun || !vcpu.preemptedInKernel) continue;
      this.#boosted = id;
      return id;
    }
    return -1;
  }

  /** A vCPU sends an interrupt by the kernel's chips at this moment: whoever is told of a kick knows who waits for it. */
  get sending(): boolean {
    return this.#split?.sending ?? (this.#irqchip && this.chips.bus.sending);
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
      signals: this.#signals,
      onChange: (cpu) => this.onKick(cpu),
    });
    this.#chips = chips;
    this.space.addPorts(I8259.ports, chips.pic);
    if (chips.pit) this.space.addPorts(I8254.ports, chips.pit);
    return chips;
  }

  /** @param give false: the vCPU has nothing of it to look at */
  #signal(cpu: number, give: (vcpu: X86Vcpu) => unknown): void {
    const vcpu = this.#vcpus[cpu];
    if (vcpu && give(vcpu) !== false) this.onKick(cpu);
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
    if (!(t >= 0 && t <= Number.MAX_SAFE_INTEGER)) throw new KvmError("EINVAL", "KVM_SET_CLOCK", `${t} ns`, "give 0 to 2^53 - 1");
    // Time goes back when a saved state is restored: what has been measured belongs to another run.
    if (t < this.clock.now()) this.#choice?.restart(t);
    this.#host.core.exports.setClock(t);
  }

  /** KVM_SET_IRQCHIP, KVM_SET_LAPIC and KVM_SET_PIT2 in one. */
  restoreChips(state: Saved): void {
    this.chips.restore(state);
    for (const vcpu of this.#vcpus) vcpu.apicRestored();
  }
}
