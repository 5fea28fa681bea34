/** The door of `kvm`: /dev/kvm and the objects behind its file descriptors; their methods carry the ioctls' names. */
export { MANUAL_PROTECT_ENABLE, MANUAL_PROTECT_INITIALLY_SET } from "./dirty/log.ts";
export { type DirtyPage, DirtyRing, ENTRY_BYTES as DIRTY_RING_ENTRY_BYTES } from "./dirty/ring.ts";
export { Errno, KvmError } from "./errno.ts";
export { KvmExit, type KvmExitReason, KvmRun } from "./exit.ts";
export { MEM_LOG_DIRTY_PAGES, MEM_READONLY, type MemSlot, type UserMemoryRegion } from "./memslots.ts";
export { exitCost, type PagingWork, PRICE, walkCost } from "./mmu/auto/account.ts";
export { pagingWork } from "./mmu/auto/choice.ts";
export { defaultParams, type ModuleParams, parseParams } from "./params.ts";
export { KvmStats } from "./stats.ts";
export { API_VERSION, KvmSystem, loadKvm, openKvm } from "./system.ts";
export { eventOf, events, type EventName, Trace, type TraceRecord } from "./trace.ts";
export { KvmVm } from "./vm.ts";
export type { MpState } from "./x86/state.ts";
export { X86Vcpu as KvmVcpu } from "./x86/vcpu.ts";
