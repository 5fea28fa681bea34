import * as Comlink from "comlink";
import type { LabHost, LabSheet } from "../../workers/lab.worker.ts";
import type { LabResult } from "../vmm/public.ts";

export type { LabSheet };

/** Asks a worker of its own, which ends with the answer. */
async function ask<T>(question: (host: Comlink.Remote<LabHost>) => Promise<T>): Promise<T> {
  const worker = new Worker(new URL("../../workers/lab.worker.ts", import.meta.url), { type: "module" });
  try {
    return await question(Comlink.wrap<LabHost>(worker));
  } finally {
    worker.terminate();
  }
}

/** What the lab is about; rejects where there is none of that name. */
export const labSheet = (name: string): Promise<LabSheet> => ask(async (host) => host.sheet(name));

/** Runs a lab with these predictions, or with its own answers. */
export const runLab = (name: string, predictions?: unknown): Promise<LabResult> => ask(async (host) => host.run(name, predictions));
