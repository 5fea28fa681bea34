import { VitrineError } from "../base/errors.ts";
import type { LabResult } from "../vmm/public.ts";
import type { MigrateOptions, Stats, Translation } from "../vmm/index.ts";
import type { Moved } from "./machine-client.ts";
import type { BootOptions } from "./guests.ts";
import { restoreState } from "./files.ts";
import { runLab } from "./lab-client.ts";
import { boot, look, machine, migrate } from "./store.ts";

/** `window.vitrine`, present with ?test=1: the one way tests, ours and others', drive the page. */
export interface VitrineTestApi {
  ready(): Promise<void>;
  boot(guestName: string, options?: BootOptions): Promise<void>;
  send(text: string): Promise<void>;
  serial(): Promise<string>;
  waitForSerial(text: string, ms: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  step(): Promise<void>;
  /** Runs to just behind the next VM exit. */
  stepExit(): Promise<void>;
  /** Rejects where the guest ends, or somebody pauses it, before. */
  runToInstruction(n: number): Promise<void>;
  stats(): Promise<Stats>;
  stateHash(): Promise<string>;
  readPhysical(gpa: number | bigint, length: number): Promise<Uint8Array>;
  /** Bytes of the host's memory, where EPT lies; rejects on the bare machine. */
  readHostPhysical(hpa: number | bigint, length: number): Promise<Uint8Array>;
  /** Every reference of both walks. */
  translate(gva: number | bigint): Promise<Translation>;
  dirty(): Promise<number[]>;
  /** Moves the machine to a second worker: rows, times and the hash of each side. Rejects where it stays. */
  migrate(options?: MigrateOptions): Promise<Moved>;
  cancelMigration(): Promise<boolean>;
  /** The whole machine as a file. */
  saveState(): Promise<Uint8Array>;
  /** Takes a saved machine back, paused; rejects a file that is no state and leaves the machine as it is. */
  restoreState(file: Uint8Array): Promise<void>;
  /** Runs a lab with these predictions, or with its own answers: the result of `vitrine lab run NAME --json`. */
  runLab(name: string, predictions?: unknown): Promise<LabResult>;
}

declare global {
  interface Window {
    vitrine?: VitrineTestApi;
  }
}

/** The page shows what was done. */
async function shown<T>(done: Promise<T>): Promise<T> {
  try {
    return await done;
  } finally {
    await look();
  }
}

export function offerTestApi(ready: Promise<void>): void {
  window.vitrine = {
    ready: () => ready,
    boot,
    send: (text) => machine.send(new TextEncoder().encode(text)),
    serial: () => machine.serial(),
    waitForSerial: (text, ms) => {
      const late = new Promise<never>((_, reject) => {
        setTimeout(() => reject(new VitrineError("timeout", "serial output", JSON.stringify(text), `not seen in ${ms} ms`)), ms);
      });
      return Promise.race([machine.waitForSerial(text), late]);
    },
    pause: () => shown(machine.pause()),
    resume: () => machine.resume(),
    step: () => shown(machine.step()),
    stepExit: () => shown(machine.stepExit()),
    runToInstruction: async (n) => {
      const t = await shown(machine.runTo(n));
      if (t < n) throw new VitrineError("session", "run to instruction", String(n), `the guest ended or was paused at ${t}`);
    },
    stats: () => machine.stats(),
    stateHash: () => machine.stateHash(),
    readPhysical: (gpa, length) => machine.readPhysical(Number(gpa), length),
    readHostPhysical: (hpa, length) => machine.readHost(Number(hpa), length),
    translate: (gva) => machine.translate(BigInt(gva)),
    dirty: () => machine.dirty(),
    migrate,
    cancelMigration: () => machine.cancelMigration(),
    saveState: () => machine.saveState(),
    restoreState,
    runLab,
  };
}
