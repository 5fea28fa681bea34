import { EXIT_KINDS, type ExitNames, exitNames } from "./exit-names.ts";

/** Shadow paging, with the names of kvm_stat where it has one. */
export class MmuStats {
  /** Faults that ended in an entry. */
  faults = 0;
  /** Faults that were the guest's own. */
  guestFaults = 0;
  /** Exits of CR0, CR3, CR4 and INVPCID, which a second stage leaves to the guest; and of INVLPG. */
  registers = 0;
  invlpg = 0;
  /** kvm.mmu=auto has gone over to shadow tables, and back to the second stage. */
  switches = 0;
  /** Times at which everything, or everything of a root, was thrown away. */
  flushes = 0;
  /** mmu_shadow_zapped, mmu_pte_write, mmu_pde_zapped, mmu_flooded, mmu_recycled, mmu_cache_miss, mmu_unsync. */
  zapped = 0;
  pteWrites = 0;
  pdeZapped = 0;
  flooded = 0;
  recycled = 0;
  cacheMiss = 0;
  unsync = 0;
  /** Out-of-sync tables that have been read again. */
  synced = 0;
}

/** Counters with kvm_stat's names, and exits by reason. */
export class KvmStats {
  readonly names: ExitNames;
  readonly reasons = new Uint32Array(EXIT_KINDS);
  exits = 0;
  userExits = 0;
  ioExits = 0;
  mmioExits = 0;
  irqInjections = 0;
  haltExits = 0;
  emulations = 0;
  /** A vCPU gave its CPU away (vcpu_put), and got one (vcpu_load); every other exit has left the guest's state where it was. */
  hostStateReloads = 0;
  guestStateLoads = 0;
  vcpuMigrations = 0;
  pagesFixed = 0;
  mmioFaults = 0;
  readonly mmu = new MmuStats();
  /** Exits that only the dirty log has caused: writes to protected pages, and the processor's log full. */
  dirtyLogExits = 0;

  /** Called at every exit before it is handled: for whoever wants to stop there. */
  onExit: (() => void) | undefined;

  constructor(names: ExitNames = exitNames.intel) {
    this.names = names;
  }

  /** @param code basic exit reason, or EXITCODE */
  exit(code: number): void {
    this.exits++;
    this.onExit?.();
    const n = this.names.index(code);
    this.reasons[n] = (this.reasons[n] ?? 0) + 1;
  }

  /** Exits by the manual's name of the reason; reasons that never occurred are left out. */
  byReason(): Record<string, number> {
    const by: Record<string, number> = {};
    this.reasons.forEach((n, index) => {
      if (n > 0) by[this.names.name(index)] = n;
    });
    return by;
  }
}
