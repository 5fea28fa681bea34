import type { Counters, ExitView, Regs, Sregs } from "../../base/index.ts";
import type { MachineStop } from "../machine.ts";
import type { NamedImage } from "../load/image.ts";
import type { MigrationResult, PassRow, StopRule } from "../migrate/index.ts";
import type { ScreenUpdate } from "../devices/monitor.ts";
import type { Display } from "../layout.ts";
import type { Translation } from "./nested.ts";
import type { KeyInput } from "./inputlog.ts";
import type { PagingMode } from "./paging.ts";
import type { Stage, TableView } from "./tables.ts";

/** What a session is asked to start. */
export interface GuestConfig {
  readonly name: string;
  readonly accel: "tcg" | "kvm";
  readonly cpu: string;
  /** Processors; one when not given. */
  readonly cpus?: number | undefined;
  /** Bytes. */
  readonly ramSize: number;
  readonly kernel?: NamedImage | undefined;
  readonly initrd?: NamedImage | undefined;
  readonly bios?: NamedImage | undefined;
  readonly vgaBios?: NamedImage | undefined;
  /** The display: "isa" when not given. */
  readonly vga?: Display | undefined;
  readonly append: string;
  /** The machine waits for the user (QEMU's -S). */
  readonly paused?: boolean;
  /** Seconds since 1970 that the clock chip shows at start. */
  readonly rtcBase: number;
}

export type RunState = "empty" | "running" | "paused" | "stopped";

export interface DisassemblyLine {
  readonly address: bigint;
  readonly bytes: string;
  readonly text: string;
}

export interface Stats extends Counters {
  readonly instructions: number;
  readonly virtual_ns: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly exits_total: number;
  /** Guest clock per second of wall time over the last half second; what HLT skips counts as clock. */
  readonly speed: number;
  readonly tlb_misses: number;
  readonly walk_refs: number;
}

/** What the panels show, read between two slices: one consistent moment of the machine. */
export interface Observation {
  /** The processor whose registers these are, and how many there are. */
  readonly cpu: number;
  readonly cpuCount: number;
  readonly regs: Regs;
  readonly sregs: Sregs;
  readonly cpl: number;
  readonly paging: PagingMode;
  readonly bits: 16 | 32 | 64;
  readonly code: readonly DisassemblyLine[];
  readonly stats: Stats;
  readonly exits: ExitView | undefined;
  /** Mark bits per page since the last observation; bit 2: touched since the start. */
  readonly marks: Uint8Array | undefined;
  readonly tables: readonly TableView[];
  /** Host-physical address of the second stage's top table; undefined on the bare machine. */
  readonly eptRoot: bigint | undefined;
  readonly walk: Translation | undefined;
}

export interface TableRequest {
  readonly stage: Stage;
  readonly table: bigint;
  readonly level: number;
  /** The first address that the table translates. */
  readonly from: bigint;
}

/** What the page wants to see next. */
export interface Wants {
  readonly observe: boolean;
  /** The processor to be shown; the last one where there are fewer. */
  readonly cpu: number;
  readonly code: boolean;
  /** Records of the latest exits; counts come in any case. */
  readonly exits: boolean;
  readonly marks: boolean;
  /** What has changed on the screen, or all of it for who has shown nothing yet. */
  readonly screen: false | "changes" | "whole";
  readonly tables: readonly TableRequest[];
  /** What is to be translated: a linear address, or the one in a register at that moment. */
  readonly address: bigint | "rip" | "rsp" | undefined;
}

export interface MigrateOptions {
  /** "both" when not given. */
  readonly stop?: StopRule;
  /** 30 when not given. */
  readonly downtimeMs?: number;
  /** Bytes a second that the link is taken to carry; measured when not given. */
  readonly bandwidth?: number;
}

/** How far a migration is. */
export interface MigrationProgress {
  readonly pass: number;
  readonly bytes: number;
  readonly rows: readonly PassRow[];
  readonly pages: number;
  /** Pages that the other side has not got as they are now: one bit each, lowest first. */
  readonly pending: Uint8Array;
}

/** How a migration ended where the machine was. */
export type Departure = MigrationResult & {
  /** Wall time at which its last slice ended; undefined when it stood still already. */
  readonly ranUntil: number | undefined;
};

/** What came where the machine is now. */
export interface Arrival {
  readonly hash: string;
  /** Wall time at which its first slice began; undefined when it does not run. */
  readonly ranFrom: number | undefined;
}

/** What goes over to the other host beside the machine, once it has left. */
export interface Luggage {
  /** Serial output that no frame has taken yet. */
  readonly fresh: Uint8Array | undefined;
  /** All serial output so far, as text. */
  readonly text: string;
  readonly input: readonly Uint8Array[];
  /** Keys and pointer moves that have not reached the machine yet. */
  readonly keys: readonly KeyInput[];
  /** Whether it ran until it left. */
  readonly running: boolean;
}

/** Why the guest stopped. */
export interface Ending {
  readonly kind: MachineStop["kind"];
  /** A sentence. */
  readonly text: string;
}

/** One message per animation frame. */
export interface Frame {
  readonly state: RunState;
  readonly t: number;
  readonly serial: Uint8Array | undefined;
  readonly ending: Ending | undefined;
  readonly observation: Observation | undefined;
  readonly screen: ScreenUpdate | undefined;
}
