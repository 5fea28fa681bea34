// What the fuzzing guest (guests/fuzz.asm) has found to differ between engines, each as a guest of a few lines.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assemble } from "../../src/isa/index.ts";
import { engines, openMachine } from "./engines.ts";

const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const MIB = 1 << 20;

/** Protected mode with a GDT (code 8, data 10h, task states 18h and 20h, 64-bit code 28h) and room for gates; `at` is what comes first. */
const guest = (body: string): string => `
bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, 0x120000, start
start:
  cli
  mov esp, 0x118000
  lgdt [gdt_pointer]
  jmp 8:flat
flat:
  mov eax, 0x10
  mov ds, eax
  mov es, eax
  mov ss, eax
  mov eax, tss
  mov [gdt+0x18+2], ax
  shr eax, 16
  mov [gdt+0x18+4], al
  mov eax, other
  mov [gdt+0x20+2], ax
  shr eax, 16
  mov [gdt+0x20+4], al
  lidt [idt_pointer]
  mov eax, 0x18
  ltr ax
${body}
; AL, below 80h, is what the machine ends with.
finish:
  out 0xf4, al
  hlt
; The gate of vector EDI leads to EAX.
gate:
  mov [idt+edi*8], ax
  mov word [idt+edi*8+2], 8
  mov word [idt+edi*8+4], 0x8e00
  shr eax, 16
  mov [idt+edi*8+6], ax
  ret
align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067, 0x0000890000000067, 0x00af9b000000ffff
gdt_pointer:
  dw 0x2f
  dd gdt
idt_pointer:
  dw 0x7ff
  dd idt
tss: dd 0, 0x118000, 0x10
  times 23 dd 0
other: dd 0, 0x119000, 0x10
  times 23 dd 0
idt: times 256 dq 0
image_end:
`;
/** One directory of 4 MiB pages at 200000h, the first to itself; paging on. */
const paging = `
  mov dword [0x200000], 0x83
  mov eax, 0x200000
  mov cr3, eax
  mov eax, 0x10
  mov cr4, eax
  mov eax, 0x80010031
  mov cr0, eax
`;
/** Three levels: pointers at 201000h, the first GiB and the last to themselves by pages of 2 MiB. */
const pae = `
  mov dword [0x201000], 0x202001
  mov dword [0x201018], 0x203001
  mov dword [0x202000], 0x83
  mov dword [0x203000+0x1f6*8], 0xfec00083
  mov eax, 0x201000
  mov cr3, eax
  mov eax, 0x20
  mov cr4, eax
  mov eax, 0x80010031
  mov cr0, eax
`;

test.each([
  // Nested paging of AMD's reads the four pointers from memory; the processor that completes an instruction has to have them.
  ["an access to a device with PAE paging", 0x71, `${pae}
  mov eax, [0xfed00004]
  cmp eax, 0x989680
  sete al
  or al, 0x70
`],
  ["a task gate with PAE paging", 0x42, `${pae}
  mov dword [idt+0x30*8], 0x200000
  mov dword [idt+0x30*8+4], 0x8500
  mov dword [other+28], 0x201000
  mov dword [other+32], there
  mov dword [other+36], 2
  mov dword [other+56], 0x119000
  mov dword [other+72], 0x10
  mov dword [other+76], 8
  mov dword [other+80], 0x10
  mov dword [other+84], 0x10
  int 0x30
there:
  mov al, 0x42
`],
  // CR0.NE is KVM's on VT-x: a MOV that is refused for another bit must not change what the guest reads of it.
  ["a refused MOV to CR0 that would have cleared NE", 0x20, `
  mov edi, 13
  mov eax, refused
  call gate
  mov eax, 0x31
  mov cr0, eax
  mov eax, 0x20000011
  mov cr0, eax
refused:
  mov eax, cr0
  and eax, 0x20
`],
  // INT1 is an exception to SVM: met by a fault of the shadow tables it has to be run again, not injected without its length.
  ["INT1 whose stack the shadow tables do not map yet", 0x51, `${paging}
  mov edi, 1
  mov eax, trap
  call gate
  mov dword [0x200004], 0x400083
  mov esp, 0x600000
  db 0xf1
behind:
  mov al, 0x50
  jmp finish
trap:
  mov eax, [esp]
  sub eax, behind
  sete al
  or al, 0x50
`],
  // The address of the second of two page faults is in CR2 when the double fault's task begins.
  ["the address of a page fault met while a page fault was delivered", 0x3c, `${paging}
  mov edi, 14
  mov eax, finish
  call gate
  mov dword [idt+8*8], 0x200000
  mov dword [idt+8*8+4], 0x8500
  mov dword [other+28], 0x200000
  mov dword [other+32], there
  mov dword [other+36], 2
  mov dword [other+56], 0x117000
  mov dword [other+72], 0x10
  mov dword [other+76], 8
  mov dword [other+80], 0x10
  mov dword [other+84], 0x10
  mov esp, 0x8007c0
  mov eax, [0x900000]
there:
  mov eax, cr2
`],
  // The host's own registers: a guest that could write VM_HSAVE_PA would say where the host is saved.
  ["RDMSR and WRMSR of SVM's host save area", 0x77, `
  mov edi, 13
  mov eax, second
  call gate
  mov ecx, 0xc0010117
  rdmsr
  mov al, 0
  jmp finish
second:
  mov eax, third
  call gate
  mov eax, 0x1000
  xor edx, edx
  wrmsr
  mov al, 0
  jmp finish
third:
  mov al, 0x77
`],
  // KVM completes OUT, has a trap pending and an interrupt to inject: an entry with both forgets the trap.
  ["a single step over an OUT that raises an interrupt", 0x31, `
  mov edi, 1
  mov eax, trap
  call gate
  mov edi, 0x20
  mov eax, interrupt
  call gate
  mov al, 0x11
  out 0x20, al
  mov al, 0x20
  out 0x21, al
  mov al, 4
  out 0x21, al
  mov al, 1
  out 0x21, al
  mov al, 0xfe
  out 0x21, al
  mov al, 0x34
  push 0x302
  popfd
  out 0x43, al
interrupt:
  mov al, 0x32
  jmp finish
trap:
  mov al, 0x31
`],
  // A table that shadow paging protects is written by software: CMPXCHG16B, too.
  ["CMPXCHG16B on a page table", 0x17, `
  mov dword [0x200000], 0x201003
  mov dword [0x201000], 0x202003
  mov dword [0x202000], 0x83
  mov dword [0x202008], 0x83
  mov dword [0x202010], 0x203003
  mov dword [0x203000], 0x300003
  mov eax, 0x20
  mov cr4, eax
  mov eax, 0x200000
  mov cr3, eax
  mov ecx, 0xc0000080
  mov eax, 0x100
  xor edx, edx
  wrmsr
  mov eax, 0x80000031
  mov cr0, eax
  jmp 0x28:wide
bits 64
wide:
  mov eax, [0x400000]
  mov eax, [0x202000]
  xor eax, eax
  xor edx, edx
  mov ebx, 0x301003
  xor ecx, ecx
  lock cmpxchg16b [0x202020]
  setz al
  or al, 0x16
  mov ecx, [0x202020]
  cmp ecx, ebx
  je finish
  mov al, 0
  jmp finish
bits 32
`],
  // INT n that does not get through counts nothing, also when an exit has interrupted it on the way to its gate.
  ["INT n with a gate that is none, in a table that the shadow does not map yet", 0x0d, `${paging}
  mov dword [0x200004], 0x400083
  mov edi, 13
  mov eax, finish
  call gate
  mov esi, idt
  mov edi, 0x600000
  mov ecx, 512
  rep movsd
  mov dword [idt_pointer+2], 0x600000
  lidt [idt_pointer]
  mov eax, cr3
  mov cr3, eax
  mov al, 0x0d
  int 0x30
`],
  // SVM does not tell the #DB of INT1 from a trap's: DR6 may have any cause of old.
  ["INT1 with an old cause in DR6 whose stack the shadow tables do not map yet", 0x51, `${paging}
  mov edi, 1
  mov eax, trap
  call gate
  mov dword [0x200004], 0x400083
  mov eax, 0x4000
  mov dr6, eax
  mov esp, 0x600000
  db 0xf1
behind:
  mov al, 0x50
  jmp finish
trap:
  mov eax, [esp]
  sub eax, behind
  sete al
  or al, 0x50
`],
  // What KVM completes ends as it would on the processor: INT n clears TF, and no trap comes of it.
  ["a single step over INT n whose stack is a directory of page tables", 0x40, `${paging}
  mov edi, 1
  mov eax, trap
  call gate
  mov edi, 0x30
  mov eax, interrupt
  call gate
  xor ebx, ebx
  mov esp, 0x200800
  push 0x102
  popfd
  int 0x30
interrupt:
  nop
  mov al, 0x40
  or al, bl
  jmp finish
trap:
  inc ebx
  iretd
`],
  ["a write breakpoint on a directory of page tables", 0x21, `${paging}
  mov edi, 1
  mov eax, trap
  call gate
  mov eax, 0x200ff8
  mov dr0, eax
  mov eax, 0xd0402
  mov dr7, eax
  mov dword [0x200ff8], 0
behind:
  mov al, 0x50
  jmp finish
trap:
  mov eax, [esp]
  sub eax, behind
  sete al
  or al, 0x20
`],
  // A VMCS has 32 bits for it, and an entry clears the others.
  ["the upper half of IA32_SYSENTER_CS", 0x17, `
  mov ecx, 0x174
  mov eax, 8
  mov edx, -1
  wrmsr
  cpuid
  mov ecx, 0x174
  rdmsr
  cmp edx, 1
  sbb eax, eax
  and al, 0x17
`],
  // What an instruction has translated holds to its end: KVM stores 16 bytes in two pieces.
  ["a store of 16 bytes whose first half unmaps the second", 0x33, `${paging}
  mov eax, 0x210
  mov cr4, eax
  mov dword [0x20000c], 0x200003
  mov eax, [0xc03000]
  xorps xmm0, xmm0
  movups [0xc03008], xmm0
  mov al, 0x33
`],
] as const)("%s is the same on every engine", async (_, status, body) => {
  const image = { name: "found", bytes: assemble(guest(body)).bytes },
    found: Record<string, unknown> = {};
  for (const engine of engines) {
    const { machine, vm } = await openMachine(core, engine, { ramSize: 16 * MIB, kernel: image, noReboot: true }),
      stop = machine.run(100_000);
    found[engine.name] = [stop, vm.clock.now(), machine.stateHash()];
    expect([engine.name, stop]).toMatchObject([engine.name, { kind: "exit" }]);
  }
  for (const engine of engines) expect([engine.name, found[engine.name]]).toEqual([engine.name, found.bare]);
  const [stop] = found.bare as [{ status: number }];
  expect((stop.status - 1) / 2).toBe(status);
});
