// The guest that tries the cases of entry-cases.ts and exit-cases.ts, as a multiboot image.
import { readFileSync } from "node:fs";
import { assemble } from "../../isa/index.ts";
import { commonFields, entryCases, fieldData, reportData, variants } from "./entry-cases.ts";
import { exitCases, exitCode, exitData } from "./exit-cases.ts";

/** What a guest tries: entries by a 64-bit or a 32-bit host, or exits to a 64-bit one. */
export type Table = "entry-64" | "entry-32" | "exit";
export const tables: readonly Table[] = ["entry-64", "entry-32", "exit"];
const hostOf = (table: Table): 32 | 64 => (table === "entry-32" ? 32 : 64);
const text = (name: string): string => readFileSync(new URL(`./entry-guest/${name}.asm`, import.meta.url), "utf8");
const ENTRY_REPORT = reportData(["VM_EXIT_REASON", "EXIT_QUALIFICATION"]);

function data(table: Table, forBochs: boolean): readonly string[] {
  if (table === "exit") return exitCases.map((c, i) => exitData(c, i));
  const good = (stops: string | undefined): boolean => forBochs && stops !== undefined;
  return entryCases[hostOf(table)].map((c) => `${fieldData(good(c.bochsStops) ? {} : { ...variants[c.variant], ...c.fields })}\n${ENTRY_REPORT}`);
}
/** NASM source of the guest. For Bochs the entries that stop it are replaced by a good one. */
export function entryGuestSource(table: Table, forBochs = false): string {
  const host = hostOf(table);
  return [
    text("start"), text(`host${host}`), text("cases"), table === "exit" ? exitCode() : "",
    "shared:", fieldData(commonFields(host)), "cases:", ...data(table, forBochs), "cases_end:", "align 16", "image_end:", "",
  ].join("\n");
}
/** The guest's image for address 100000h, and its entry point. */
export function entryGuest(table: Table, forBochs = false): { readonly bytes: Uint8Array; readonly entry: number } {
  const { bytes, symbols } = assemble(entryGuestSource(table, forBochs));
  return { bytes, entry: Number(symbols.get("start")) };
}
/** What the guest printed, a line per case without its number; throws when it did not come to its end. */
export function outcomes(table: Table, printed: string): readonly string[] {
  const lines = printed.split("\n"), end = lines.indexOf("."), count = table === "exit" ? exitCases.length : entryCases[hostOf(table)].length;
  if (end !== count) throw new Error(`${table} guest: ended after ${lines.length} lines: ${lines.at(-1)}; look at the case it was in`);
  return lines.slice(0, end).map((line) => line.slice(4));
}
/** The same for what Bochs printed: "-" where it was not asked. */
export function bochsOutcomes(table: Table, printed: string): readonly string[] {
  const lines = outcomes(table, printed);
  return table === "exit" ? lines : lines.map((line, i) => (entryCases[hostOf(table)][i]?.bochsStops ? "-" : line));
}
