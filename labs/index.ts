/// <reference path="../guests/asm.d.ts" />
import { type Lab, LabError, parseLab } from "../src/vmm/public.ts";
import fiveMovsGuest from "./five-movs/guest.asm?raw";
import fiveMovs from "./five-movs/lab.json";

export interface LabFolder {
  readonly lab: Lab;
  /** The guest's assembly. */
  readonly guest: string;
}

const folders: Readonly<Record<string, { readonly lab: unknown; readonly guest: string }>> = {
  "five-movs": { lab: fiveMovs, guest: fiveMovsGuest },
};

export const labNames: readonly string[] = Object.keys(folders);

/** The lab of that name. */
export function openLab(name: string): LabFolder {
  const folder = Object.hasOwn(folders, name) ? folders[name] : undefined;
  if (!folder) throw new LabError("lab", name, `choose one of ${labNames.join(", ")}`);
  return { lab: parseLab(folder.lab), guest: folder.guest };
}
