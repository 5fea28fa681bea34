import type { AddressSpace, HostComputer } from "../../../host/index.ts";
import type { LoggedTables } from "../../dirty/log.ts";
import type { MemSlot } from "../../memslots.ts";
import type { KvmStats } from "../../stats.ts";
import type { Trace } from "../../trace.ts";
import type { GuestTables } from "../walk.ts";
import type { LeafVisit } from "./check.ts";
import type { PagingRegisters } from "./registers.ts";

/** What a page fault of the processor came to. */
export type ShadowFault =
  /** The entry is there now, or was there already: the instruction runs again. */
  | "fixed"
  /** The guest's own tables refuse the access: the fault is the guest's, `guestCode` its error code. */
  | "guest"
  /** No memory of the guest, or a read-only slot that is written: `gpa` is a device's. */
  | "device"
  /** The page holds tables of the guest that are shadowed, or is one whose rights no entry can say: software completes the instruction. */
  | "emulate"
  | "nomem";

/** Guest-physical memory as shadow paging needs it. */
export interface ShadowSpace extends GuestTables {
  readonly mm: AddressSpace;
  slot(gpa: number): MemSlot | undefined;
  /** Whether what was looked up in the process's tables since `sequence` was read may still be mapped. */
  readonly sequence: number;
  stale(sequence: number, hva: number): boolean;
  /** Pages of all slots. */
  readonly pages: number;
}

export interface ShadowOptions {
  readonly host: HostComputer;
  readonly space: ShadowSpace;
  readonly trace: Trace;
  readonly stats: KvmStats;
}

/** The tables of one vCPU. */
export interface ShadowContext {
  readonly guest: PagingRegisters;
  /** Of the last fault: where it led, and for "guest" its error code. */
  readonly gpa: number;
  readonly guestCode: number;
  /** What CR3 has to hold for the guest's present registers. */
  root(): number;
  /**
   * A page fault at a linear address given as two words.
   * @param code the processor's error code
   * @param cpl the guest's privilege level
   */
  fault(low: number, high: number, code: number, cpl: number): ShadowFault;
  /** INVLPG. */
  invalidatePage(low: number, high: number): void;
  /** CR3 has been loaded. */
  switchSpace(): void;
  /** Every translation of the guest is to be forgotten, or another register than CR3 has changed how its tables are read. */
  flush(): void;
  /** User space has set the guest's registers, and may have written any of its memory: nothing known about it holds. */
  reset(): void;
  /** The processor's cached translations must go before the next entry; taking it clears it. */
  readonly flushNeeded: boolean;
  takeFlush(): boolean;
  /** For the checker: every leaf in sync, and those made since the last call. */
  leaves(visit: LeafVisit): void;
  touched(visit: LeafVisit): void;
}

/** Shadow paging of one VM: what its vCPUs' contexts have in common. */
/** Shadow tables of one VM. Their dirty log always works by write protection. */
export interface ShadowMmu extends LoggedTables {
  readonly name: "vtlb" | "cached";
  context(guest: PagingRegisters): ShadowContext;
  /** Guest-physical memory of [gpa, gpa+size) goes, or moves: no entry may show it. */
  zap(gpa: number, size: number): void;
  /** KVM itself has written guest memory, for an instruction of the guest. */
  written(gpa: number, size: number): void;
  /** Frames that hold shadow tables, and the most there may be. */
  readonly tables: number;
  readonly limit: number;
}
