/// <reference path="./asm.d.ts" />
import { type Assembled, assemble } from "../src/isa/index.ts";
import hello64 from "./hello64.asm?raw";
import fourCpus from "./four-cpus.asm?raw";
import picture from "./picture.asm?raw";
import svm11 from "./svm11.asm?raw";
import twoProcesses from "./two-processes.asm?raw";
import libPrint from "./lib/print.asm?raw";
import libStep from "./lib/step.asm?raw";
import vmm11 from "./vmm11.asm?raw";
import whichMmu from "./which-mmu.asm?raw";

const sources = {
  hello64,
  "two-processes": twoProcesses,
  vmm11,
  svm11,
  "four-cpus": fourCpus,
  picture,
  "which-mmu": whichMmu,
} as const;

/** What several guests include. */
const library: Readonly<Record<string, string>> = { "lib/print.asm": libPrint, "lib/step.asm": libStep };

export type GuestName = keyof typeof sources;

export const guestNames = Object.keys(sources) as readonly GuestName[];

/** A guest's source, for whoever shows it beside the running machine. */
export function guestSource(name: GuestName): string {
  return sources[name];
}

/** One of our own guests, assembled: a multiboot 1 image with its symbols and source lines. */
export function assembleGuest(name: GuestName): Assembled {
  return assemble(sources[name], (file) => library[file]);
}

/** Every guest's image by name. */
export function guestImages(): Record<GuestName, Uint8Array> {
  const images = guestNames.map((name) => [name, assembleGuest(name).bytes] as const);
  return Object.fromEntries(images) as Record<GuestName, Uint8Array>;
}
