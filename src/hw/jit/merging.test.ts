// Regions that lead to one another often become one, whatever led from one to the other; by count of the entries that are spared.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Jit, layout, Workshop } from "../index.ts";
import { Program } from "../cpu/program.ts";

const stencils = new Uint8Array(readFileSync(new URL("../../../build/stencils.bin", import.meta.url)));
const SLICE = 100_000, ROUNDS = 150_000;

// A callee that only a register names: no branch leads to it, so that it begins a region of its own.
const SOURCE = `
  mov ecx, ${ROUNDS}
  mov esi, callee
again:
  lea rbx, [rbx+rcx*2+1]
  call rsi
  add rbx, rax
  dec ecx
  jnz again
  hlt
  align 64
callee:
  mov eax, ebx
  xor eax, ecx
  rol eax, 5
  add eax, 77
  sub eax, ecx
  imul eax, eax, 3
  and eax, 0xffffff
  mov [0x20000], eax
  ret`;

const entered = ({ core }: Program): number => [0, 1, 2, 3].reduce((n, how) => n + Number(core.u64[layout.N_RETURN / 8 + how]), 0);

test("a callee that is reached through a register, and its caller", async () => {
  const plain = await Program.open(SOURCE), program = await Program.open(SOURCE);
  const jit = new Jit(program.core, stencils, { threshold: 8, batch: 1, library: false, maker: (memory, file) => new Workshop(memory, file) });
  program.core.jit = jit;
  const perSlice: number[] = [];
  for (let reason = 0; reason !== layout.STOP_HALT; ) {
    const before = entered(program);
    reason = program.core.exports.run(SLICE);
    expect(plain.core.exports.run(SLICE)).toBe(reason);
    expect([...program.core.u64.subarray(layout.REGS / 8, layout.REGS / 8 + 16)]).toEqual([...plain.core.u64.subarray(layout.REGS / 8, layout.REGS / 8 + 16)]);
    perSlice.push(entered(program) - before);
    jit.translate();
  }
  expect(jit.statistics.merged).toBeGreaterThan(0);
  // A round is 14 instructions, and two changes of region before.
  expect(perSlice[1]).toBeGreaterThan(SLICE / 14);
  expect(perSlice.at(-2)).toBeLessThan(10);
});
