// System behaviour that the silicon fixtures, which run at CPL 3, cannot show.
import { expect, test } from "vitest";
import { layout } from "../index.ts";
import { type CpuidRows, Program, selector, STACK, USER_STACK } from "./program.ts";

const AMD: CpuidRows = [[0, 0, 13, 0x68747541, 0x444d4163, 0x69746e65], [1, 0, 0x60fb1, 0, 0, 0x078bfbff], [0x80000000, 0, 0x80000008, 0, 0, 0], [0x80000001, 0, 0, 0, 1, 0x28100800]];

test.each([
  ["mov eax, [0x30ffd]", [[0x30ffd, 1], [0x30ffe, 2]]],
  ["mov eax, [0x30ffe]", [[0x30ffe, 2]]],
  ["mov rax, [0x30ffd]", [[0x30ffd, 1], [0x30ffe, 2]]],
  ["mov rax, [0x30ff9]", [[0x30ff9, 1], [0x30ffa, 2], [0x30ffc, 4]]],
  ["mov rax, [0x2fffb]", [[0x30000, 2], [0x30002, 1]]],
  ["mov rax, [0x2fffd]", [[0x30000, 4], [0x30004, 1]]],
  ["mov rax, [0x30003]", [[0x30003, 8]]],
])("%s, cut by the page boundary, asks the device for powers of two", async (instruction, asked) => {
  const p = (await Program.open(`${instruction}\nhlt`)).run();
  expect(p.accesses.map((a) => [a.address, a.size])).toEqual(asked);
});
test("what a cut access reads and writes is put together in order", async () => {
  const p = (await Program.open(`mov rax, [0x30ff9]\nmov [out], rax\nmov rax, 0x8877665544332211\nmov [0x2fffb], rax\nhlt\nalign 8\nout: dq 0`)).run();
  expect(p.u64("out")).toBe(0x00fffefdfcfbfaf9n);
  expect(p.accesses.filter((a) => a.write).map((a) => [a.address, a.size, a.value])).toEqual([[0x30000, 2, 0x7766n], [0x30002, 1, 0x88n]]);
  expect(p.u64(0x2fff8)).toBe(0x5544332211000000n);
});

/** IRETQ to CPL 3 at `user`, which comes back by #BP's handler `done`. */
const toUser = (cs: number): string => `
  push ${selector.userData}
  push ${USER_STACK}
  push 2
  push ${cs}
  push user
  iretq
vector6: mov byte [out], 6
  hlt
vector13: mov byte [out], 13
  hlt`;
test("IRET makes GS null when its descriptor is too privileged; the base of GS stays", async () => {
  const p = await Program.open(`
    mov ecx, 0xc0000101
    mov eax, 0x20000
    xor edx, edx
    wrmsr
    mov dword [0x20010], 0x1234
    ${toUser(selector.user64)}
  user: mov ax, gs
    mov [out+8], ax
    mov eax, [gs:0x10]
    mov [out+16], eax
    hlt
  align 8
  out: dq 0, 0xffff, 0`);
  p.run();
  expect([p.u32("out"), p.u64(p.label("out") + 8), p.u32(p.label("out") + 16)]).toEqual([13, 0n, 0x1234]);
});

const legacyCall = `
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, ${(selector.user32 << 16) | selector.code}
    wrmsr
    mov ecx, 0xc0000083
    mov eax, kernel
    xor edx, edx
    wrmsr
    ${toUser(selector.user32)}
  kernel: mov [out+8], rcx
    mov ax, cs
    mov [out+16], ax
    mov rsp, ${STACK}
    hlt
  align 8
  out: dq 0, 0, 0
  bits 32
  user: syscall
  back: hlt`;
test("SYSCALL in compatibility mode goes to CSTAR on AMD's processors and is #UD on Intel's", async () => {
  const amd = (await Program.open(legacyCall, AMD)).run();
  expect([amd.u32("out"), amd.u64(amd.label("out") + 8), amd.u32(amd.label("out") + 16)]).toEqual([0, BigInt(amd.label("back")), selector.code]);
  const intel = (await Program.open(legacyCall)).run();
  expect([intel.u32("out"), intel.u64(intel.label("out") + 8)]).toEqual([6, 0n]);
});

const prediction = (value: number): string => `
    mov ecx, 0x49
    mov eax, ${value}
    xor edx, edx
    wrmsr
    hlt
  vector13: mov byte [out], 13
    hlt
  align 8
  out: dq 0`;
test.each([
  ["without IBPB", 1, 0, 13],
  ["with IBPB", 1, 1 << 26, 0],
  ["with IBPB, a reserved bit", 2, 1 << 26, 13],
])("WRMSR of IA32_PRED_CMD %s", async (_name, value, edx, vector) => {
  const p = await Program.open(prediction(value), [[0, 0, 13, 0x756e6547, 0x6c65746e, 0x49656e69], [7, 0, 0, 0, 0, edx]]);
  expect(p.run().u32("out")).toBe(vector);
});

test("F3 before RDSEED makes it RDPID, which the processor does not know", async () => {
  const p = (await Program.open("mov ebx, 0\na: db 0xf3, 0x0f, 0xc7, 0xf8\nhlt\nvector6: pop rax\nmov ebx, 1\nhlt")).run();
  expect([p.core.u64[layout.REGS / 8], p.core.u64[layout.REGS / 8 + 3]]).toEqual([BigInt(p.label("a")), 1n]);
});
