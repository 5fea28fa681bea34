import type { Frame, GuestConfig, MigrateOptions, MigrationProgress, StampedInput, Stats, Translation, Wants } from "../vmm/index.ts";
import type { MigrationResult } from "../vmm/public.ts";

/** A migration's outcome, with the hash that each side has computed. */
export type Moved = MigrationResult & { readonly sourceHash: string; readonly targetHash: string };

/** The machine as the page sees it. It runs in a worker: every answer is a promise. */
export interface MachineClient {
  boot(config: GuestConfig): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  step(): Promise<void>;
  stepExit(): Promise<void>;
  /** Answers the clock it came to: less than t when the guest ended or someone paused it. */
  runTo(t: number): Promise<number>;
  send(bytes: Uint8Array): Promise<void>;
  key(code: string, down: boolean): Promise<void>;
  /** Relative motion in pixels, y downwards; buttons 1 left, 2 right, 4 middle. */
  pointer(dx: number, dy: number, wheel: number, buttons: number): Promise<void>;
  /** Everything that was typed, pressed and moved, with its t. */
  inputs(): Promise<readonly StampedInput[]>;
  serial(): Promise<string>;
  waitForSerial(text: string): Promise<void>;
  readPhysical(gpa: number, length: number): Promise<Uint8Array>;
  /** The host's memory, where EPT lies; rejects on the bare machine. */
  readHost(hpa: number, length: number): Promise<Uint8Array>;
  translate(gva: bigint): Promise<Translation>;
  dirty(): Promise<number[]>;
  stats(): Promise<Stats>;
  stateHash(): Promise<string>;
  /** The whole machine as a file. */
  saveState(): Promise<Uint8Array>;
  /** Takes a saved machine back, paused; rejects a bad file and leaves the present machine alone. */
  restoreState(file: Uint8Array): Promise<GuestConfig>;
  /** Moves the machine to a second worker, which then is the machine's; it stays where anything goes wrong. */
  migrate(options: MigrateOptions, report: (p: MigrationProgress) => void): Promise<Moved>;
  /** False when there is no migration, or it is too late to stop it. */
  cancelMigration(): Promise<boolean>;
  /** Asks for the next frame; `onFrame` gets it. False while the last one is still on its way. */
  request(wants: Wants): boolean;
  onFrame(listener: (frame: Frame) => void): void;
}
