import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assemble } from "./assemble.ts";
import { AssembleError } from "./error.ts";

const corpus = readFileSync(new URL("./fixtures/corpus.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function assembleLine(bits: string, text: string): string {
  try {
    return hex(assemble(`bits ${bits}\n${text.replaceAll(" | ", "\n")}\n`).bytes);
  } catch (error) {
    return String(error);
  }
}

describe("assemble", () => {
  test.each(["16", "32", "64"])("gives nasm's bytes for every line of the corpus in %s-bit mode", (mode) => {
    const lines = corpus.filter((line) => line.startsWith(`${mode} `));
    const wrong = lines.flatMap((line) => {
      const [, bits = "", theirs = "", text = ""] = /^(\d+) (\w+) (.*)$/.exec(line) ?? [];
      const ours = assembleLine(bits, text);
      return ours === theirs ? [] : [`${bits} ${text}: ${ours}, nasm ${theirs}`];
    });
    expect(wrong).toEqual([]);
    expect(lines.length).toBeGreaterThan(1000);
  });

  test.each([
    ["nop\nfrob eax", 2, "unknown instruction frob"],
    ["mov [0x10],5", 1, "operation size not specified"],
    ["bits 32\n\njmp nowhere", 3, "nowhere is not defined"],
    ["a:\na:", 2, "a is defined twice"],
    ["mov eax,bl", 1, "no form of mov takes these operands"],
    ["bits 32\nmov rax,5", 2, "no form"],
    ["bits 64\nmov ah,r8b", 2, "no form"],
    ["db 256", 1, "256 does not fit 8 bits"],
    ["jmp short x\ntimes 200 nop\nx:", 1, "the target is 200 bytes away"],
    ["db 'abc", 1, "string without an end"],
    ["db 1/0", 1, "division by zero"],
    ["times -1 nop", 1, "count -1 is negative"],
    ["db 12z", 1, "bad number 12z"],
    ["mov ax,[cx]", 1, "no 16-bit address"],
    ["bits 32\nmov eax,[eax*7]", 2, "scale 7"],
    ["%macro m 0\nm\n%endmacro\nm", 4, "macros expand without end"],
    ["%define a a\ndb a", 2, "names itself"],
    ["resb 0x7fffffffffff", 1, "an image holds at most 64 MiB"],
    ["bits 32\nmov al,300", 2, "value 300"],
    ["section .data", 1, "another section"],
    ["nop\n%include 'x'", 2, "no file x"],
    ["%pragma x", 1, "unknown directive %pragma"],
    ["mov ax,5 5", 1, "something follows"],
  ])("refuses %j naming line %i", (source, line, value) => {
    let caught: unknown;
    try {
      assemble(source);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(AssembleError);
    expect((caught as AssembleError).line).toBe(line);
    expect((caught as AssembleError).message).toContain(value);
  });

  test("tells where labels and source lines lie", () => {
    const out = assemble("bits 32\norg 0x1000\nstart: nop\n.loop: jmp .loop\nsize equ $-start");
    expect(Object.fromEntries(out.symbols)).toEqual({ start: 0x1000n, "start.loop": 0x1001n, size: 3n });
    expect(out.lines.find((l) => l.line === 4)?.offset).toBe(1);
  });

  test("included files stand where they are named, and their macros and constants hold from there", () => {
    const files: Record<string, string> = { "a.asm": "%define A 1\n%include 'b.asm'\ndb A", "b.asm": "%macro twice 1\ndb %1,%1\n%endmacro\n" };
    const out = assemble("org 5\ndb 0\n%include \"a.asm\" ; here\nend: twice A+1", (name) => files[name]);
    expect([...out.bytes]).toEqual([0, 1, 2, 2]);
    expect(out.symbols.get("end")).toBe(7n);
    expect(out.lines).toEqual([{ line: 2, offset: 0 }, { line: 4, offset: 2 }, { line: 4, offset: 2 }]);
  });

  test.each([
    [{ "a.asm": "nop\nfrob eax" }, "a.asm line 2: unknown instruction frob"],
    [{ "a.asm": "nop\n%include 'b.asm'\nfrob ebx", "b.asm": "nop" }, "a.asm line 3: unknown instruction frob"],
    [{ "a.asm": "nop", "b.asm": "" }, "line 4: unknown instruction frob"],
    [{ "a.asm": "%include 'a.asm'" }, "a.asm line 1: files are included without end"],
  ])("a line at fault is named with its file: %j", (files: Record<string, string>, message) => {
    expect(() => assemble("bits 32\n%include 'a.asm'\nnop\nfrob eax", (name) => files[name])).toThrow(message);
  });

  test("so is a line whose fault shows only in the layout", () => {
    expect(() => assemble("nop\n%include 'a.asm'\nnop", () => "nop\njmp nowhere")).toThrow("a.asm line 2: nowhere is not defined");
  });
});
