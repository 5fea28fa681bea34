// MOV to CR3 drops what the old tables said, and nothing else is seen of what stays cached: data, code and jumps by both.
import { expect, test } from "vitest";
import { layout } from "../index.ts";
import { Program } from "./program.ts";

const FIRST = 0x12000, SECOND = 0x16000, FRAMES = [0x20000, 0x21000] as const, WINDOW = 0x400000;

/** Two spaces with the same 2 MiB for the program and a window of 4 KiB onto a frame of their own. */
async function open(source: string): Promise<Program> {
  const program = await Program.open(source), put = (at: number, v: number): void => { program.core.view.setBigUint64(layout.RAM + at, BigInt(v), true); };
  [FIRST, SECOND].forEach((tables, i) => {
    put(tables, (tables + 0x1000) | 7);
    put(tables + 0x1000, (tables + 0x2000) | 7);
    put(tables + 0x2000, 0x187); // global once CR4.PGE is set
    put(tables + 0x2010, (tables + 0x3000) | 7);
    put(tables + 0x3000, FRAMES[i]! | 7);
    const frame = layout.RAM + FRAMES[i]!;
    program.core.view.setUint32(frame, 1 + i * 9, true);
    program.core.u8.set([0xb8, 100 + i, 0, 0, 0, 0xc3], frame + 0x100); // mov eax, 100 + i; ret
  });
  return program;
}
const rounds = (n: number): string => `
  mov ecx, ${n}
  xor ebx, ebx
again:
  mov eax, ${FIRST}
  mov cr3, rax
  add ebx, [${WINDOW}]
  call visit
  mov eax, ${SECOND}
  mov cr3, rax
  add ebx, [${WINDOW}]
  call visit
  dec ecx
  jnz again
  hlt
visit:
  mov eax, ${WINDOW + 0x100}
  call rax
  add ebx, eax
  mov [${WINDOW + 8}], ebx
  ret`;
const PGE = "mov rax, cr4\nor eax, 0x80\nmov cr4, rax";

test.each([["tables without global pages", ""], ["global pages", PGE]])("each space sees its own frame and its own code: %s", async (_, start) => {
  const program = (await open(`${start}${rounds(200)}`)).run(100_000);
  expect(program.core.u64[layout.REGS / 8 + 3]).toBe(BigInt(200 * (1 + 10 + 100 + 101)));
  const sums = FRAMES.map((frame) => program.u32(frame + 8));
  expect(sums).toEqual([200 * 212 - 111, 200 * 212]);
});
test("what is global stays: two hundred switches walk for the window alone", async () => {
  const misses = async (start: string): Promise<number> => {
    const program = await open(`${start}${rounds(200)}`), before = program.core.u64[layout.N_TLB_MISS / 8]!;
    program.run(100_000);
    return Number(program.core.u64[layout.N_TLB_MISS / 8]! - before);
  };
  // Read, written for the first time: the dirty flag is set, then one walk for each visit. The program and its stack are two pages.
  expect(await misses(PGE)).toBeLessThan(2 * 200 + 10);
  expect(await misses("")).toBeGreaterThan(3 * 2 * 200);
});
