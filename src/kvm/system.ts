import type { HostComputer, Task } from "../host/index.ts";
import { type CpuidLeaf, type CpuModel, msrs } from "../isa/index.ts";
import { kvmLeaves } from "./cpuid.ts";
import { ENTRY_BYTES, MAX_ENTRIES } from "./dirty/ring.ts";
import { KvmError } from "./errno.ts";
import { defaultParams, type ModuleParams } from "./params.ts";
import { KvmVm } from "./vm.ts";

export const API_VERSION = 12;
/** KVM_CAP_*: the numbers are the kernel's. */
const CAPABILITIES: Readonly<Record<string, number>> = {
  IRQCHIP: 1,
  SPLIT_IRQCHIP: 1,
  IRQ_ROUTING: 256,
  USER_MEMORY: 1,
  SET_TSS_ADDR: 1,
  EXT_CPUID: 1,
  NR_VCPUS: 4,
  NR_MEMSLOTS: 512,
  PIT2: 1,
  REINJECT_CONTROL: 1,
  VCPU_EVENTS: 1,
  DEBUGREGS: 1,
  XSAVE: 1,
  MAX_VCPUS: 8,
  MAX_VCPU_ID: 8,
  READONLY_MEM: 1,
  IMMEDIATE_EXIT: 1,
  SYNC_MMU: 1,
  DESTROY_MEMORY_REGION_WORKS: 1,
  ENABLE_CAP_VM: 1,
  MANUAL_DIRTY_LOG_PROTECT2: 3,
};

/** What opening /dev/kvm gives: the system file descriptor. */
export class KvmSystem {
  readonly #host: HostComputer;
  readonly #task: Task;
  readonly #model: CpuModel;
  readonly #params: ModuleParams;
  #vm: KvmVm | undefined;

  constructor(host: HostComputer, task: Task, model: CpuModel, params: ModuleParams) {
    this.#host = host;
    this.#task = task;
    this.#model = model;
    this.#params = params;
  }

  /** KVM_GET_API_VERSION */
  getApiVersion(): number {
    return API_VERSION;
  }
  /** KVM_CHECK_EXTENSION: 0 when it is not there. */
  checkExtension(name: string): number {
    // Bytes of the largest ring; the dirty flags alone tell no ring of a write.
    if (name === "DIRTY_LOG_RING") return this.#params.dirtyLog === "dbits" ? 0 : MAX_ENTRIES * ENTRY_BYTES;
    return Object.hasOwn(CAPABILITIES, name) ? (CAPABILITIES[name] ?? 0) : 0;
  }
  /** KVM_GET_VCPU_MMAP_SIZE */
  getVcpuMmapSize(): number {
    return 4096;
  }
  /** KVM_GET_MSR_INDEX_LIST */
  getMsrIndexList(): number[] {
    return msrs.map((m) => m.number);
  }
  /** KVM_GET_SUPPORTED_CPUID: what the processor has, and KVM's own leaves. */
  getSupportedCpuid(): CpuidLeaf[] {
    return kvmLeaves(this.#model);
  }

  /** KVM_CREATE_VM */
  createVm(type = 0): KvmVm {
    if (type !== 0) throw new KvmError("EINVAL", "KVM_CREATE_VM", `type ${type}`, "give 0");
    if (this.#vm)
      throw new KvmError(
        "EBUSY",
        "KVM_CREATE_VM",
        "the processor runs a machine already",
        "use one machine for each host",
      );
    this.#vm = new KvmVm(this.#host, this.#task, this.getSupportedCpuid(), this.#params);
    return this.#vm;
  }
}

/** modprobe kvm-intel: makes /dev/kvm. */
export function loadKvm(host: HostComputer, model: CpuModel, params: ModuleParams = defaultParams): void {
  host.registerDevice("/dev/kvm", (task) => new KvmSystem(host, task, model, params));
}

/** open("/dev/kvm") */
export function openKvm(host: HostComputer, task: Task): KvmSystem {
  const fd = host.open("/dev/kvm", task);
  if (!(fd instanceof KvmSystem))
    throw new KvmError("ENOENT", "/dev/kvm", "another driver's node", "load kvm-intel");
  return fd;
}
