// Debug exceptions: when they come, what they report, and what holds them off ("Debug Registers", "Debug Exceptions").
import { expect, test } from "vitest";
import { layout } from "../index.ts";
import { type CpuidRows, Program, selector, USER_STACK } from "./program.ts";

/** A handler that notes RIP and DR6 of every #DB, clears DR6 and goes on with RF set. */
const handler = `
vector1:
  push rax
  push rbx
  mov rbx, [count]
  mov rax, [rsp+16]
  mov [log+rbx], rax
  mov rax, dr6
  mov [log+rbx+8], rax
  add qword [count], 16
  xor eax, eax
  mov dr6, rax
  or qword [rsp+32], 0x10000
  pop rbx
  pop rax
  iretq
align 8
count: dq 0
log: times 32 dq 0
watched: times 4 dq 0x10
`;
const DR6 = 0xffff0ff0, BS = 0x4000, BD = 0x2000;
/** TF is set by the POPF of this prologue, and takes effect after the instruction behind it. */
const trap = `
  pushfq
  or qword [rsp], 0x100
  popfq
`;
const untrap = `
  pushfq
  and qword [rsp], ~0x100
  popfq
`;
/** What was noted: label (or hexadecimal address) and the bits of DR6 that are set. */
async function noted(source: string, slice?: number, cpuid?: CpuidRows): Promise<string[]> {
  const p = (await Program.open(source + handler, cpuid)).run(slice);
  const names = new Map([...p.symbols].map(([name, v]) => [v, name]));
  return Array.from({ length: p.u32("count") / 16 }, (_, i) => {
    const rip = p.u64(p.label("log") + 16 * i), dr6 = p.u32(p.label("log") + 16 * i + 8);
    return `${names.get(rip) ?? rip.toString(16)} ${((dr6 & ~DR6) >>> 0).toString(16)}`;
  });
}
const breakAt = (label: string, register = 2): string => `
  mov rax, ${label}
  mov dr${register}, rax
  mov rax, ${0x400 | (2 << (2 * register))}
  mov dr7, rax
`;
/** A data breakpoint on four bytes (type 3: read or write). */
const watch = (address: string, type = 3): string => `
  mov rax, ${address}
  mov dr1, rax
  mov rax, ${0x400 | 8 | (type << 20) | (3 << 22)}
  mov dr7, rax
`;

test("an instruction breakpoint hits once; the instruction behind RF clears it, so that the next one hits, too", async () => {
  expect(await noted(`${breakAt("a")}\na: nop\nmov rax, b\nmov dr2, rax\nb: nop\nhlt`)).toEqual(["a 4", "b 4"]);
});
test("RF lasts as long as a repeated string instruction does", async () => {
  const code = `mov rdi, watched\nmov ecx, 4\n${breakAt("a")}\na: rep stosq\nb: nop\nhlt`;
  expect(await noted(code)).toEqual(["a 4"]);
});
test("a trap comes after every instruction that begins with TF set", async () => {
  expect(await noted(`${trap}a: nop\nb: nop\nc: ${untrap}d: hlt`)).toEqual(["b 4000", "c 4000", expect.any(String), expect.any(String), "d 4000"]);
});
test("the trap of a branch comes before the fault of the fetch that it leads to", async () => {
  const code = `mov rcx, 0x600000000000\n${trap}a: jmp rcx\nb: hlt\nvector14:\nadd rsp, 8\nmov qword [rsp], b\nand qword [rsp+16], ~0x100\niretq\n`;
  expect(await noted(code)).toEqual(["600000000000 4000"]);
});
test("slices of any length see the same traps, and between two of them nothing is kept outside the saved state", async () => {
  const code = `${trap}a: nop\nb: cpuid\nc: nop\nd: ${untrap}hlt`;
  const whole = await noted(code);
  for (const slice of [1, 2, 3]) expect(await noted(code, slice)).toEqual(whole);
  const p = await Program.open(`${trap}a: nop\nhlt${handler}`);
  p.core.exports.run(4); // the last one is the NOP
  expect([p.core.u64[layout.RIP / 8], p.core.u32[layout.DB_PENDING / 4]]).toEqual([BigInt(p.label("a") + 1), BS]);
});
test("MOV SS holds off the trap, which is then the next instruction's alone", async () => {
  expect(await noted(`mov ax, ss\n${trap.replace("popfq", "")}popfq\nmov ss, ax\na: nop\nb: nop\nc: ${untrap}hlt`)).toEqual(
    expect.arrayContaining(["b 4000", "c 4000"]),
  );
  expect((await noted(`mov ax, ss\n${trap}mov ss, ax\na: nop\nb: ${untrap}hlt`))[0]).toBe("b 4000");
});
test("MOV SS holds off an instruction breakpoint for good", async () => {
  expect(await noted(`mov cx, ss\n${breakAt("a")}\nmov ss, cx\na: nop\nb: nop\nhlt`)).toEqual([]);
  expect(await noted(`mov cx, ss\n${breakAt("b")}\nmov ss, cx\na: nop\nb: nop\nhlt`)).toEqual(["b 4"]);
});
test("on an AMD an instruction breakpoint behind MOV SS hits", async () => {
  const amd: CpuidRows = [[0, 0, 13, 0x68747541, 0x444d4163, 0x69746e65], [1, 0, 0x800f12, 0, 0, 0x078bfbff], [0x80000000, 0, 0x80000008, 0, 0, 0], [0x80000001, 0, 0, 0, 1, 0x28100800]];
  expect(await noted(`mov cx, ss\n${breakAt("a")}\nmov ss, cx\na: nop\nb: nop\nhlt`, undefined, amd)).toEqual(["a 4"]);
});
test("INT1 behind MOV SS reports no single step; the trap of its own is taken by the event", async () => {
  const all = await noted(`mov ax, ss\n${trap}mov ss, ax\nint1\na: int1\nb: nop\nc: ${untrap}hlt`);
  expect(all.slice(0, 3)).toEqual(["a 0", "b 0", "c 4000"]);
});
test("DR7.GD faults before a move to DR6 that follows MOV SS; the single step comes after it", async () => {
  const all = await noted(`mov ax, ss\nmov rcx, 0x2400\nmov dr7, rcx\nxor edx, edx\n${trap}mov ss, ax\na: mov dr6, rdx\nb: nop\nc: ${untrap}hlt`);
  expect(all.slice(0, 3)).toEqual([`a ${BD.toString(16)}`, "b 4000", "c 4000"]);
});
test("a watched operand of MOV SS is reported once: with INT1, or in the handler of INT3", async () => {
  const code = (event: string): string => `${watch("watched")}\nmov ss, [watched]\n${event}\na: hlt\nvector3: iretq`;
  expect(await noted(code("int1"))).toEqual(["a 2"]);
  expect(await noted(code("int3"))).toEqual(["vector3 2"]);
});
test("a watched access that faults has met no breakpoint", async () => {
  const code = `${watch("0x600000000000")}\nmov rcx, 0x600000000000\na: mov eax, [rcx]\nb: hlt\nvector14:\nadd rsp, 8\nmov qword [rsp], b\niretq\n`;
  expect(await noted(code)).toEqual([]);
});
test.each([
  ["a doubleword write", "mov dword [watched+2], 1", 1, true],
  ["a read, for a write breakpoint", "mov eax, [watched]", 1, false],
  ["a 16-byte read", "movdqu xmm0, [watched-8]", 3, true],
  ["a 16-byte read that ends before it", "movdqu xmm0, [watched-16]", 3, false],
  ["a write that begins in the page before", "mov [0x1ffff], eax", 1, true],
  ["a read-modify-write that begins in the page before", "add [0x1fffd], eax", 1, true],
  ["a write that ends in the page before", "mov [0x1fffc], eax", 1, false],
])("data breakpoint: %s", async (_name, instruction, type, hit) => {
  const where = instruction.includes("0x1ff") ? "0x20000" : "watched";
  expect(await noted(`${watch(where, type)}\n${instruction}\na: hlt`)).toEqual(hit ? ["a 2"] : []);
});
test("SYSCALL traps by the flags it ends with, and so does SYSRET", async () => {
  const star = (selector.user32 << 16) | selector.code;
  const code = `
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, ${star}
    wrmsr
    mov ecx, 0xc0000082
    mov eax, kernel
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x100
    wrmsr
    mov rsp, ${USER_STACK}
    mov rcx, user
    mov r11d, 2
    o64 sysret
  user: ${trap}
    syscall
  back: syscall
  kernel: cmp qword [count], 0
    jne done
    o64 sysret
  done: hlt`;
  expect(await noted(code)).toEqual(["back 4000"]);
});
