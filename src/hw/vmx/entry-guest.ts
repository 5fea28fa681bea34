// The guest that tries the cases of entry-cases.ts, as a multiboot image.
import { readFileSync } from "node:fs";
import { assemble } from "../../isa/index.ts";
import { commonFields, entryCases, fieldData, variants } from "./entry-cases.ts";

const text = (name: string): string => readFileSync(new URL(`./entry-guest/${name}.asm`, import.meta.url), "utf8");

/** NASM source of the guest for a 32-bit or 64-bit host. For Bochs the cases that stop it are replaced by a good entry. */
export function entryGuestSource(host: 32 | 64, forBochs = false): string {
  const cases = entryCases[host].map((c) => fieldData(forBochs && c.bochsStops ? {} : { ...variants[c.variant], ...c.fields }));
  return [
    text("start"), text(`host${host}`), text("cases"),
    "shared:", fieldData(commonFields(host)), "cases:", ...cases, "cases_end:", "align 16", "image_end:", "",
  ].join("\n");
}
/** The guest's image for address 100000h, and its entry point. */
export function entryGuest(host: 32 | 64, forBochs = false): { readonly bytes: Uint8Array; readonly entry: number } {
  const { bytes, symbols } = assemble(entryGuestSource(host, forBochs));
  return { bytes, entry: Number(symbols.get("start")) };
}
/** What the guest printed, a line per case without its number; throws when it did not come to its end. */
export function outcomes(host: 32 | 64, printed: string): readonly string[] {
  const lines = printed.split("\n"), end = lines.indexOf(".");
  if (end !== entryCases[host].length) throw new Error(`entry guest: ended after ${lines.length} lines: ${lines.at(-2)}; look at the case it was in`);
  return lines.slice(0, end).map((line) => line.slice(4));
}
/** The same for what Bochs printed: "-" where it was not asked. */
export function bochsOutcomes(host: 32 | 64, printed: string): readonly string[] {
  return outcomes(host, printed).map((line, i) => (entryCases[host][i]?.bochsStops ? "-" : line));
}
