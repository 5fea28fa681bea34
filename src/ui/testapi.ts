import { VitrineError } from "../base/errors.ts";
import type { MigrateOptions, Stats, Walk } from "../vmm/index.ts";
import type { Moved } from "./machine-client.ts";
import type { BootOptions } from "./guests.ts";
import { boot, machine, migrate } from "./store.ts";

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
  runToInstruction(n: number): Promise<void>;
  stats(): Promise<Stats>;
  stateHash(): Promise<string>;
  readPhysical(gpa: number | bigint, length: number): Promise<Uint8Array>;
  translate(gva: number | bigint): Promise<Walk>;
  dirty(): Promise<number[]>;
  /** Moves the machine to a second worker: rows, times and the hash of each side. Rejects where it stays. */
  migrate(options?: MigrateOptions): Promise<Moved>;
  cancelMigration(): Promise<boolean>;
}

declare global {
  interface Window {
    vitrine?: VitrineTestApi;
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
    pause: () => machine.pause(),
    resume: () => machine.resume(),
    step: () => machine.step(),
    runToInstruction: (n) => machine.runTo(n),
    stats: () => machine.stats(),
    stateHash: () => machine.stateHash(),
    readPhysical: (gpa, length) => machine.readPhysical(Number(gpa), length),
    translate: (gva) => machine.translate(BigInt(gva)),
    dirty: () => machine.dirty(),
    migrate,
    cancelMigration: () => machine.cancelMigration(),
  };
}
