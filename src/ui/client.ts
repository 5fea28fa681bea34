import * as Comlink from "comlink";
import type { Frame, GuestConfig, MachineSession, Stats, Walk, Wants } from "../vmm/index.ts";

/** The machine as the page sees it. It runs in a worker: every answer is a promise. */
export interface MachineClient {
  boot(config: GuestConfig): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  step(): Promise<void>;
  stepExit(): Promise<void>;
  runTo(t: number): Promise<void>;
  send(bytes: Uint8Array): Promise<void>;
  key(code: string, down: boolean): Promise<void>;
  serial(): Promise<string>;
  waitForSerial(text: string): Promise<void>;
  readPhysical(gpa: number, length: number): Promise<Uint8Array>;
  translate(gva: bigint): Promise<Walk>;
  dirty(): Promise<number[]>;
  stats(): Promise<Stats>;
  stateHash(): Promise<string>;
  /** Asks for the next frame; `onFrame` gets it. False while the last one is still on its way. */
  request(wants: Wants): boolean;
  onFrame(listener: (frame: Frame) => void): void;
}

/** Starts the worker. Nothing else in the page knows that comlink is there. */
export function startMachine(): MachineClient {
  const worker = new Worker(new URL("../../workers/machine.worker.ts", import.meta.url), { type: "module" });
  const remote = Comlink.wrap<MachineSession>(worker);
  let listener: (frame: Frame) => void = () => {};
  let waiting = false;
  worker.addEventListener("message", ({ data }: MessageEvent<{ frame?: Frame }>) => {
    if (!data?.frame) return;
    waiting = false;
    listener(data.frame);
  });
  return {
    boot: (config) => remote.boot(config),
    pause: () => remote.pause(),
    resume: () => remote.resume(),
    step: () => remote.step(),
    stepExit: async () => { await remote.stepExit(); },
    runTo: (t) => remote.runTo(t),
    send: (bytes) => remote.send(bytes),
    key: (code, down) => remote.key(code, down),
    serial: () => remote.serial(),
    waitForSerial: (text) => remote.waitForSerial(text),
    readPhysical: (gpa, length) => remote.readPhysical(gpa, length),
    translate: (gva) => remote.translate(gva),
    dirty: () => remote.dirty(),
    stats: () => remote.stats(),
    stateHash: () => remote.stateHash(),
    request: (wants) => {
      if (waiting) return false;
      waiting = true;
      worker.postMessage({ wants });
      return true;
    },
    onFrame: (next) => { listener = next; },
  };
}
