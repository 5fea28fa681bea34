// Code and data on one page, and code that is rewritten: what it costs, by count, and that both engines agree.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Jit, layout, Workshop } from "../index.ts";
import { Program } from "../cpu/program.ts";

const stencils = new Uint8Array(readFileSync(new URL("../../../build/stencils.bin", import.meta.url)));
const STALE = 0x20000;

async function pair(source: string): Promise<{ plain: Program; program: Program; jit: Jit }> {
  const plain = await Program.open(source), program = await Program.open(source);
  const jit = new Jit(program.core, stencils, { threshold: 4, batch: 1, library: false, maker: (memory, file) => new Workshop(memory, file) });
  program.core.jit = jit;
  return { plain: plain.run(2_000_000), program: program.run(2_000_000), jit };
}
const registers = ({ core }: Program): bigint[] => [...core.u64.subarray(layout.REGS / 8, layout.REGS / 8 + 16)];
const cleared = ({ core }: Program): bigint => core.u64[layout.N_CLEARED / 8]!;

// A page is used as code once, then as data.
const reused = (stores: number, after: string): string => `
  mov word [${STALE}], 0xc3fb  ; sti; ret
  mov byte [${STALE}], 0x90
  mov eax, ${STALE}
  call rax
  mov ecx, ${stores}
again:
  mov [${STALE + 0x800}], ecx
  dec ecx
  jnz again
  ${after}
  hlt`;

test("a page with old code on it becomes an ordinary page once it is used for data", async () => {
  const { plain, program } = await pair(reused(5000, ""));
  expect(registers(program)).toEqual(registers(plain));
  expect([cleared(plain), cleared(program)]).toEqual([1n, 1n]);
});
test("a few stores beside code leave it decoded", async () => {
  const { plain } = await pair(reused(400, ""));
  expect(cleared(plain)).toBe(0n);
});
test("code that runs there again is what was written meanwhile", async () => {
  // mov al, 7; ret
  const { plain, program } = await pair(reused(5000, `mov dword [${STALE}], 0xc307b0\nmov eax, ${STALE}\ncall rax`));
  expect(Number(registers(plain)[0]! & 0xffn)).toBe(7);
  expect(registers(program)).toEqual(registers(plain));
});
test("code that is rewritten again and again is not translated each time", async () => {
  const REWRITTEN = 300, source = `
    mov edi, ${REWRITTEN}
    xor ebx, ebx
  again:
    mov [${STALE + 1}], edi
    mov byte [${STALE}], 0xb8    ; mov eax, edi; ret
    mov byte [${STALE + 5}], 0xc3
    mov ecx, 20
  inner:
    mov edx, ${STALE}
    call rdx
    add ebx, eax
    dec ecx
    jnz inner
    dec edi
    jnz again
    hlt`;
  const { plain, program, jit } = await pair(source), s = jit.statistics;
  expect(registers(program)).toEqual(registers(plain));
  expect(registers(plain)[3]).toBe(BigInt((20 * REWRITTEN * (REWRITTEN + 1)) / 2));
  expect(s.dropped).toBeGreaterThan(4);
  expect(s.regions).toBeLessThan(REWRITTEN / 4);
});
