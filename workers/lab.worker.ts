// A lab's thread: its own machines, one after the other, beside the page's.
import * as Comlink from "comlink";
import { openLab } from "../labs/index.ts";
import { assemble, parseCpu } from "../src/isa/index.ts";
import { TcgVm } from "../src/tcg/index.ts";
import { KvmAccel, type LabCase, type LabPlaces, type LabResult, parsePredictions, runLab, userMemorySize } from "../src/vmm/public.ts";

/** What the page may show before a run: no answers. */
export interface LabSheet {
  readonly title: string;
  readonly text: readonly string[];
  readonly cases: readonly LabCase[];
  /** The guest's image, to boot it beside. */
  readonly image: Uint8Array;
}

const host = {
  /** Throws LabError for a name that is no lab's. */
  sheet: (name: string): LabSheet => {
    const { lab, guest } = openLab(name);
    return { title: lab.title, text: lab.text, cases: lab.cases, image: assemble(guest).bytes };
  },
  /** Runs the lab with these predictions, or with its own answers. Throws LabError. */
  run: async (name: string, predictions?: unknown): Promise<LabResult> => {
    const { lab, guest } = openLab(name);
    const checked = predictions === undefined ? undefined : parsePredictions(predictions, lab.cases, "your predictions");
    const module = await WebAssembly.compileStreaming(fetch(new URL("../build/core.wasm", import.meta.url)));
    const settings = (ramSize: number) => ({ module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64") });
    const places: LabPlaces = { bare: (ramSize) => TcgVm.create(settings(ramSize)), ept: (ramSize) => KvmAccel.create(settings(ramSize)) };
    return runLab(lab, guest, places, checked);
  },
};
export type LabHost = typeof host;

Comlink.expose(host);
