/** Marks of one page since the observer last looked. */
export const Mark = { dirty: 1, accessed: 2 } as const;

/** One VM exit as the trace keeps it. */
export interface ExitRecord {
  /** Place in the trace, counted since the machine was made. */
  readonly n: number;
  /** Clock at the exit. */
  readonly t: number;
  readonly rip: bigint;
  /** Name of the basic exit reason, as the manual spells it. */
  readonly reason: string;
  /** Exit qualification, decoded to words. */
  readonly qualification: string;
  /** True when it went on to user space. */
  readonly user: boolean;
}

/** Exit counts by reason and the latest records, oldest first. */
export interface ExitView {
  readonly counts: readonly (readonly [reason: string, count: number])[];
  readonly records: readonly ExitRecord[];
}

export interface Counters {
  readonly tlbMisses: number;
  readonly walkReferences: number;
  readonly exceptions: number;
  readonly interrupts: number;
  readonly tlbFlushes: number;
  readonly blocksDecoded: number;
}

/** An opcode that the processor does not know, or that its CPUID does not offer: it raised #UD. */
export interface UndefinedInstruction {
  /** Clock when it was met. */
  readonly t: number;
  /** Linear address. */
  readonly linear: bigint;
  /** What lies there, at most 15 bytes and none of the next page. */
  readonly bytes: Uint8Array;
}

export interface UndefinedInstructions {
  /** Since the start. */
  readonly count: number;
  /** Oldest first, at most 16. */
  readonly latest: readonly UndefinedInstruction[];
}

/** The tables below the guest's own: they translate its guest-physical addresses to host-physical ones. */
export interface SecondStage {
  readonly kind: "EPT";
  /** Host-physical address of the top table. */
  readonly root: bigint;
  /** Bytes of host-physical memory in all. */
  readonly hostBytes: number;
  /** Copies host-physical memory; addresses beyond its end give zeros. */
  readHost(hpa: number, bytes: Uint8Array): void;
}

/** What a view may learn from an accelerator without disturbing it. */
export interface Observer {
  /** Ors the marks of each page of RAM into `into` (Mark) and clears the accelerator's own. */
  takeMarks(into: Uint8Array): void;
  counters(): Counters;
  /** undefined: there is no hypervisor below this guest. Records are kept while `recordExits` is on. */
  exits(): ExitView | undefined;
  /** Switches the trace that `records` come from; off, it costs the guest nothing. */
  recordExits(on: boolean): void;
  /** Calls `hit` at every VM exit from now on, before it is handled; undefined ends that. */
  onExit(hit: (() => void) | undefined): void;
  /** undefined on the bare machine. */
  secondStage(): SecondStage | undefined;
  cpl(): number;
  undefinedInstructions(): UndefinedInstructions;
}
