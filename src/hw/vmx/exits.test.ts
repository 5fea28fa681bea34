import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { exitCases } from "./exit-cases.ts";
import { runTable } from "./fixture-table.ts";

let ours: readonly string[];
beforeAll(async () => { ours = (await runTable("exit")).outcomes; });

/** Where Bochs 2.7 (Broadwell) tells otherwise: code, its line, and why ours stands. */
const differences: readonly { readonly reason: string; readonly lines: readonly (readonly [code: string, theirs: RegExp])[] }[] = [
  {
    reason: "\"Information for VM Exits Due to Instruction Execution\": bit 11 is the operand size (undefined in 64-bit mode); Bochs leaves it 0.",
    lines: [
      ["sgdt [rax+2]", /00418100$/], ["sidt [rcx+rdx*2]", /10898101$/], ["lgdt [rel guest]", /28418100$/], ["lidt [r8+0x80]", /34418100$/],
      ["lgdt [eax+2]", /20418080$/], ["lidt [ecx*4+0x100]", /38058082$/], ["sidt [bx+si+5]", /11998000$/], ["o32 lidt [bp+di]", /329d0000$/],
    ],
  },
  {
    reason: "The same section: RDRAND and RDSEED leave bit 10 undefined; bits 12:11 are 0 for a 16-bit register, where Bochs has 1.",
    lines: [["rdrand rbx", /00001418$/], ["rdrand r9d", /00000c48$/], ["rdseed ax", /00000c00$/]],
  },
  { reason: "Bochs' Broadwell does not offer the monitor trap flag.", lines: [["nop; nop", /^V 00000007$/], ["mov ss, ax; nop; nop", /^V 00000007$/]] },
  {
    reason: "INT n in virtual-8086 mode with IOPL below 3 is itself #GP (\"INT n\"): no delivery has begun that could be told of.",
    lines: [["int 0x21", /^X 00000000 00000000 00000000 80000b0d 00000000 80000421$/]],
  },
  {
    reason: "\"Architectural State Before a VM Exit\": an event that exits directly from HLT returns to the active state only after the VM exit.",
    lines: [["nop", /^X 00000007 00000000 \w+ 00000000$/]],
  },
  { reason: "\"NMI-Window Exiting\": the exit comes before any instruction once NMIs are not blocked; Bochs runs on.", lines: [["nop", /^X 0000000c /]] },
];

test("Bochs tells the same of every exit, but for the differences that are listed with their reason", () => {
  const theirs = readFileSync(new URL("./fixtures/bochs-exit.txt", import.meta.url), "utf8").trimEnd().split("\n");
  expect(theirs).toHaveLength(exitCases.length);
  const listed = differences.flatMap((d) => d.lines), met = new Set<unknown>();
  const unexplained = exitCases.flatMap((c, i) => {
    if (theirs[i] === ours[i]) return [];
    const known = listed.find(([code, line]) => code === c.code && line.test(theirs[i] ?? ""));
    met.add(known);
    return known ? [] : [`${c.code} (${c.report}): Bochs ${theirs[i]}, ours ${ours[i]}`];
  });
  expect(unexplained).toEqual([]);
  expect(listed.filter((d) => !met.has(d))).toEqual([]);
});

test("what Bochs does not offer exits as the manual says", () => {
  const line = (code: string, report: string): string | undefined => ours[exitCases.findIndex((c) => c.code === code && c.report === report)];
  expect(line("nop; nop", "")).toMatch(/^X 00000025 00000000 \w+$/);
  expect(line("mov ss, ax; nop; nop", "b")).toMatch(/^X 00000025 00000000 \w+ 00000002$/);
  expect(line("rdseed ax", "ni")).toMatch(/^X 0000003d .* 00000000$/);
});
