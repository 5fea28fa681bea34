import { exitReasonName } from "../isa/index.ts";

/** Counters with kvm_stat's names, and exits by reason. */
export class KvmStats {
  readonly reasons = new Uint32Array(128);
  exits = 0;
  userExits = 0;
  ioExits = 0;
  mmioExits = 0;
  irqInjections = 0;
  haltExits = 0;
  emulations = 0;
  pagesFixed = 0;
  mmioFaults = 0;

  /** Called at every exit before it is handled: for whoever wants to stop there. */
  onExit: (() => void) | undefined;

  exit(reason: number): void {
    this.exits++;
    this.onExit?.();
    const n = reason & 127;
    this.reasons[n] = (this.reasons[n] ?? 0) + 1;
  }

  /** Exits by the manual's name of the reason; reasons that never occurred are left out. */
  byReason(): Record<string, number> {
    const by: Record<string, number> = {};
    this.reasons.forEach((n, reason) => {
      if (n > 0) by[exitReasonName(reason)] = n;
    });
    return by;
  }
}
