import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { vmEntryChecks } from "../../isa/vm-entry-checks.ts";
import { type EntryCase, entryCases } from "./entry-cases.ts";
import { type Run, runTable } from "./fixture-table.ts";

/** What the processor must answer: error 7 or 8, exit 33 with bit 31, or the exit of a guest that has entered. */
function expected({ check, qualification = 0, reason = 12 }: EntryCase): string {
  const hex = (n: number): string => n.toString(16).padStart(8, "0");
  if (check === 0) return `X ${hex(reason)} ${hex(0)}`;
  if (check < 300) return `V ${hex(check < 200 ? 7 : 8)}`;
  return `X ${hex(0x80000021)} ${hex(qualification)}`;
}
/** Where Bochs 2.7 answers otherwise, in the order of the cases: "check answer". */
const differences: readonly { readonly host: 32 | 64; readonly lines: readonly string[]; readonly reason: string }[] = [
  { host: 64, lines: ["142 -"], reason: "\"VM-Entry Control Fields\": type 7 (other event) goes with vector 0 alone. Bochs stops with a panic." },
  { host: 64, lines: ["148 X 80000021 00000000"], reason: "\"VM-Entry Control Fields\": entry to SMM must be 0 outside SMM; that is error 7, not a failure of guest state." },
  { host: 64, lines: ["304 X 0000000c 00000000"], reason: "\"Checks on Guest Control Registers, Debug Registers, and MSRs\": reserved bits of IA32_DEBUGCTL must be 0 when it is loaded." },
  { host: 64, lines: ["371 X 00000000 00000000", "371 X 00000000 00000000"], reason: "\"Checks on Guest RIP, RFLAGS, and SSP\": bits 63:48 of RIP must be identical in 64-bit mode. Bochs enters and meets #GP." },
  { host: 64, lines: ["373 -"], reason: "\"Checks on Guest RIP, RFLAGS, and SSP\": VM must be 0 if CR0.PE is 0. Bochs enters." },
  { host: 64, lines: ["383 X 00000000 00000000", "383 X 00000000 00000000"], reason: "\"Checks on Guest Non-Register State\": HLT takes no injected exception but #DB and #MC, and no software interrupt." },
  { host: 64, lines: ["396 X 00000000 00000000"], reason: "\"Checks on Guest Non-Register State\": with virtual NMIs, blocking by NMI must be 0 if an NMI is injected." },
  { host: 64, lines: ["400 X 0000000c 00000000"], reason: "\"Checks on Guest Non-Register State\": bits 63:17 of the pending debug exceptions must be 0; Bochs looks at the low half." },
  { host: 64, lines: ["401 X 0000000c 00000000", "401 X 0000000c 00000000", "401 -"], reason: "\"Checks on Guest Non-Register State\": BS follows TF under STI or MOV SS blocking and in HLT. Bochs does not look." },
];
const tell = (c: EntryCase, i: number): string => `${i} ${c.check} ${c.variant} ${Object.entries(c.fields).map(([k, v]) => `${k}=${typeof v === "string" ? v : v.toString(16)}`).join(" ")}`;

describe.each([64, 32] as const)("a %i-bit host", (host) => {
  let ours: Run;
  beforeAll(async () => { ours = await runTable(`entry-${host}`); });
  const all = entryCases[host];

  test("every case fails the check that it is about, and no other", () => {
    expect(all.map((c, i) => `${tell(c, i)}: ${ours.checks[i]}`)).toEqual(all.map((c, i) => `${tell(c, i)}: ${c.check}`));
  });
  test("a failing control is error 7, a failing host field error 8, failing guest state exit 33; what holds enters", () => {
    expect(all.map((c, i) => `${tell(c, i)}: ${ours.outcomes[i]}`)).toEqual(all.map((c, i) => `${tell(c, i)}: ${expected(c)}`));
  });
  test("Bochs answers the same, but for the differences that are listed with their reason", () => {
    const text = readFileSync(new URL(`./fixtures/bochs-entry-${host}.txt`, import.meta.url), "utf8");
    const theirs = text.trimEnd().split("\n");
    const differing = all.flatMap((c, i) => (theirs[i] === ours.outcomes[i] ? [] : [`${c.check} ${theirs[i]}`]));
    expect(theirs).toHaveLength(all.length);
    expect(differing).toEqual(differences.filter((d) => d.host === host).flatMap((d) => d.lines));
  });
});

test("every check number has a failing case", () => {
  const covered = new Set([...entryCases[64], ...entryCases[32]].map((c) => c.check));
  expect(vmEntryChecks.filter((c) => !covered.has(c.number)).map((c) => c.number)).toEqual([]);
});
