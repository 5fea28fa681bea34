// Accesses that ask the fast TLB together: two neighbouring pages that do not lie side by side, and what crosses between them.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Jit, layout, Workshop } from "../index.ts";
import { Program } from "../cpu/program.ts";
import { Relatives } from "./relatives.ts";
import { Kin } from "./values.ts";

const stencils = new Uint8Array(readFileSync(new URL("../../../build/stencils.bin", import.meta.url)));
const SLICE = 20_000;

// Linear 200000h lies at 26000h, 201000h at 22000h; between them is nothing that belongs to either.
const PAGES = `
  mov dword [0x20000], 0x26003
  mov dword [0x20008], 0x22003
  mov dword [0xd008], 0x20003
  mov edi, 0x200f00
  xor eax, eax
fill:
  mov [rdi], eax
  add eax, 0x01030507
  add edi, 4
  cmp edi, 0x201100
  jne fill
  xor eax, eax`;
const loop = (setUp: string, body: string, rounds = 3000): string => `${PAGES}\n${setUp}\n  mov ecx, ${rounds}\nagain:\n${body}\n  dec ecx\n  jnz again\n  hlt`;

/** Runs it with and without translation, and compares registers and memory after every slice. */
async function same(source: string): Promise<Jit> {
  const plain = await Program.open(source), program = await Program.open(source);
  const jit = new Jit(program.core, stencils, { threshold: 8, batch: 1, library: false, maker: (memory, file) => new Workshop(memory, file) });
  program.core.jit = jit;
  for (let reason = 0; reason !== layout.STOP_HALT; ) {
    reason = program.core.exports.run(SLICE);
    expect(plain.core.exports.run(SLICE)).toBe(reason);
    expect([...program.core.u64.subarray(layout.REGS / 8, layout.REGS / 8 + 16)]).toEqual([...plain.core.u64.subarray(layout.REGS / 8, layout.REGS / 8 + 16)]);
    expect(Buffer.compare(program.core.u8.subarray(layout.RAM, layout.RAM + 0x40000), plain.core.u8.subarray(layout.RAM, layout.RAM + 0x40000))).toBe(0);
    jit.translate();
  }
  expect(Number(program.core.u64[layout.N_TRANSLATED / 8])).toBeGreaterThan(1000);
  return jit;
}

describe("accesses of two pages", () => {
  test("an operand that crosses into the page that was accessed before", async () => {
    await same(loop("mov ebx, 0x201000\n  xor edx, edx", "  add eax, [rbx+rdx]\n  xor eax, [rbx+rdx-2]\n  mov [rbx+rdx-1], eax\n  add [rbx+rdx+8], eax"));
  });
  test("a group that crosses is taken apart, and made again once", async () => {
    const jit = await same(loop("mov ebx, 0x201000", "  add eax, [rbx+4]\n  xor eax, [rbx-8]\n  mov [rbx-16], eax\n  add [rbx+8], eax\n  add eax, [rbx-2]", 20_000));
    expect(jit.statistics.loosened).toBe(1);
  });
  test("a group within one page stays together", async () => {
    const jit = await same(loop("mov ebx, 0x200f80", "  add eax, [rbx+4]\n  xor eax, [rbx-8]\n  mov [rbx-16], eax\n  add [rbx+8], eax", 20_000));
    expect(jit.statistics.loosened).toBe(0);
  });
  test("a stack that grows across the border, with the register moved in every way", async () => {
    await same(loop("mov esp, 0x201008", `
  push rax
  push rcx
  push rbx
  lea rbx, [rsp+8]
  add rax, [rbx]
  mov rdx, rbx
  sub rdx, 24
  mov [rdx+4], eax
  xchg rdx, rbx
  add eax, [rbx+4]
  xor eax, [rdx]
  mov rsi, [rsp+16]
  pop rbx
  pop rdi
  lea rsp, [rsp+8]
  and rsp, -8
  push rsi
  pop rsi`));
  });
  test("a register of 32 bits wraps where one of 64 does not", async () => {
    await same(loop("mov rbx, 0xffffffff00200f80", "  add eax, [ebx+4]\n  mov edx, ebx\n  add edx, 8\n  xor eax, [rdx]\n  sub ebx, 4\n  add eax, [rbx]\n  mov rbx, 0xffffffff00200f80\n  mov [ebx+12], eax"));
  });
  test("the second byte of a register is written, by code that was made for another register", async () => {
    await same(loop("mov ebx, 0x200f80\n  mov edx, 0x200f00", "  add eax, [rbx]\n  add eax, [rdx+4]\n  xor dh, 1\n  xor bh, 2\n  add eax, [rbx+4]\n  xor eax, [rdx+8]\n  mov [rbx], eax"));
  });
  test("a register that is only sometimes written", async () => {
    await same(loop("mov ebx, 0x200f80\n  mov ebp, 0x201040", "  add eax, [rbx]\n  mov rdx, rbx\n  test ecx, 3\n  cmovz rdx, rbp\n  xor eax, [rdx+4]\n  mov [rdx], eax\n  bsf edx, ecx\n  add eax, [rbx+rdx+8]"));
  });
});

describe("registers that differ by constants", () => {
  test("moves of one instruction start from the values before it", () => {
    const r = new Relatives(), rsp = r.place(4, Kin.Whole, 0);
    r.moved(4, 4, Kin.Whole, -8);
    expect(r.place(4, Kin.Whole, -8)).toEqual({ root: rsp?.root, delta: -8 });
    r.settle();
    expect(r.place(4, Kin.Whole, 0)).toEqual({ root: rsp?.root, delta: -8 });
  });
  test("what is written twice, or from a register written before, is related to nothing", () => {
    const r = new Relatives(), a = r.place(1, Kin.Whole, 0);
    r.moved(1, 2, Kin.Whole, 4);
    r.moved(1, 1, Kin.Whole, 8);
    r.moved(3, 1, Kin.Whole, 0);
    r.settle();
    expect(r.place(1, Kin.Whole, 0)?.root).not.toBe(a?.root);
    expect(r.place(3, Kin.Whole, 0)?.root).not.toBe(r.place(1, Kin.Whole, 0)?.root);
  });
  test("32 bits of a register are another root than all of it, and what only agrees modulo 2^32 is no place", () => {
    const r = new Relatives(), whole = r.place(1, Kin.Whole, 0), low = r.place(1, Kin.Low, 0);
    expect(low?.root).not.toBe(whole?.root);
    r.moved(2, 1, Kin.Low, 4);
    r.settle();
    expect(r.place(2, Kin.Whole, 0)).toEqual({ root: low?.root, delta: 4 });
    expect(r.place(2, Kin.Whole, 4)).toBeUndefined();
    expect(r.place(2, Kin.Low, 4)).toEqual({ root: low?.root, delta: 8 });
  });
  test("too far from its root is related to nothing", () => {
    const r = new Relatives();
    for (let i = 0; i < 3; i++) { r.moved(1, 1, Kin.Whole, 1 << 27); r.settle(); }
    expect(r.place(1, Kin.Whole, 0)?.delta).toBe(0);
  });
});
