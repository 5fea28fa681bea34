; A guest that does everything wrong, at random and for ever: the test of the promise that no guest can crash, hang or
; grow the host.
;
;   again --> one of 32 steps --> again          Each step takes its numbers from one random sequence that starts at
;     ^         | any fault                      `seed`; the image is loaded anew at a reset, so the same seed is the
;     '---- recover                              same run. `allowed` has one bit for each step that may be taken.
;
; Whatever a step has broken (segments, descriptor tables, control registers) `recover` puts right. What it cannot put
; right, because the step has hit the monitor itself, ends in a triple fault, in a reset, or in a loop without end:
; `steps` stands still then, and whoever runs this guest resets it with the next seed.
;
; physical = linear, mapped for the supervisor by pages of 2 MiB up to 4 GiB
;   100000  this image, its tables of descriptors, its stacks
;   200000  PML4 A, 201000 PML4 B   202000  PDPT   203000 - 206FFF  four directories   207000  the user's page table
;   210000  eight tables (F0 to F7) that are written at random: linear 8000000000 to 807FFFFFFF and what they make of it
;   218000  the 32-bit modes' tables: PAE pointers, directory, two tables; directory, two tables; low tables of both
;   220000  sixteen frames of data   230000  four pages that look like VMXON regions, VMCSs and VMCBs
;   400000  the user's: code (stubs), 410000 the sandbox, 420000 stack; 600000 nobody's; pages of 2 MiB are made of both
;    10000  the sandbox of virtual-8086 mode

%define TABLES 0x210000
%define FUZZED 0x8000000000
%define POINTERS 0x218000
%define PAE_DIRECTORY 0x219000
%define PAE_TABLES 0x21a000
%define DIRECTORY 0x21c000
%define NARROW_TABLES 0x21d000
%define PAE_LOW 0x21f000
%define NARROW_LOW 0x207000
%define FRAMES 0x220000
%define VM_PAGES 0x230000
%define USER 0x400000
%define SANDBOX 0x410000
%define USER_STACK 0x421000
%define V86_SANDBOX 0x10000
%define APIC 0xfee00000
%define CODE64 0x08
%define DATA 0x10
%define CODE32 0x18
%define USER_DATA 0x23
%define USER_CODE32 0x2b
%define USER_CODE64 0x33
%define TSS64 0x38
%define TSS32 0x48
%define TSS_OTHER 0x50
%define LDT 0x58
%define SYSTEM_CALL 0x80
%define TASK 0x81
%define CR0_USUAL 0x80010031
%define CR4_USUAL 0x6b0
%define EFER_USUAL 0xd01
; CR4 of the 32-bit modes: PSE, OSFXSR, OSXMMEXCPT; with PAE.
%define CR4_NARROW 0x610
%define CR4_PAE 0x630
%define STEPS 32
; Interrupts that one step may take, and instructions that the sandbox may.
%define PATIENCE 32
%define SANDBOX_TIME 1500

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start
; What the harness writes and reads, at 100020, 100028 and 100030.
seed: dq 1
allowed: dq 0xffffffff
steps: dq 0
; A hash of everything that the guest has seen, at 100038.
sum: dq 0
; Steps taken, by their number, at 100040.
taken: times 32 dd 0

start:
  cli
  cld
  mov esp, stack
  ; Tables start out empty.
  mov edi, 0x200000
  mov ecx, 0x38000/4
  xor eax, eax
  rep stosd
  mov dword [0x200000], 0x202007
  mov dword [0x201000], 0x202007
  mov dword [0x200008], TABLES+7
  mov dword [0x201008], TABLES+0x1007
  mov edi, 0x202000
  mov eax, 0x203007
.directory:
  mov [edi], eax
  add edi, 8
  add eax, 0x1000
  cmp eax, 0x207007
  jb .directory
  mov edi, 0x203000
  mov eax, 0x83
  mov ecx, 2048
.identity:
  mov [edi], eax
  add eax, 0x200000
  add edi, 8
  loop .identity
  ; The user's 2 MiB.
  or byte [0x203000+2*8], 4
  ; 32-bit modes: the first 2 or 4 MiB by small pages, of which the user has virtual-8086 mode's.
  mov edi, PAE_LOW
  mov esi, NARROW_LOW
  mov eax, 3
  mov ecx, 1024
.low:
  mov edx, eax
  and edx, 0xff0000
  cmp edx, V86_SANDBOX
  mov edx, eax
  jne .supervisor
  or edx, 4
.supervisor:
  mov [esi], edx
  add esi, 4
  cmp eax, 0x200000
  jae .wide_done
  mov [edi], edx
  add edi, 8
.wide_done:
  add eax, 0x1000
  loop .low
  ; Interrupt stubs: a call for each vector, whose return address says which. Both descriptor tables lead to them.
  mov edi, stubs_64
  mov ebx, common_64
  call make_stubs
  mov edi, stubs_32
  mov ebx, common_32
  call make_stubs
  mov edi, idt_64
  mov eax, stubs_64
  mov ecx, 256
.gate_64:
  mov [edi], eax
  mov word [edi+2], CODE64
  mov word [edi+4], 0x8e01
  mov edx, eax
  shr edx, 16
  mov [edi+6], dx
  add edi, 16
  add eax, 8
  loop .gate_64
  mov byte [idt_64+3*16+5], 0xee
  mov byte [idt_64+SYSTEM_CALL*16+5], 0xee
  mov edi, idt_32
  mov eax, stubs_32
  mov ecx, 256
.gate_32:
  mov [edi], eax
  mov word [edi+2], CODE32
  mov word [edi+4], 0x8e00
  mov edx, eax
  shr edx, 16
  mov [edi+6], dx
  add edi, 8
  add eax, 8
  loop .gate_32
  mov byte [idt_32+3*8+5], 0xee
  mov byte [idt_32+SYSTEM_CALL*8+5], 0xee
  ; A double fault has a task of its own, and so has a vector that the user may call.
  mov dword [idt_32+8*8], TSS_OTHER<<16
  mov dword [idt_32+8*8+4], 0x8500
  mov dword [idt_32+TASK*8], TSS_OTHER<<16
  mov dword [idt_32+TASK*8+4], 0xe500
  mov eax, tss_64
  mov edi, gdt+TSS64
  call set_base
  mov eax, tss_32
  mov edi, gdt+TSS32
  call set_base
  mov eax, tss_other
  mov edi, gdt+TSS_OTHER
  call set_base
  mov eax, ldt
  mov edi, gdt+LDT
  call set_base
  ; The user's stubs.
  mov esi, user_stubs
  mov edi, USER
  mov ecx, (user_stubs_end-user_stubs+3)/4
  rep movsd
  fninit
  ; Where engines are compared there are no global pages: who still knows one after CR3 was loaded is left open.
  cmp byte [allowed+7], 0
  jne to_long_mode
  and byte [usual_64], 0x7f
  jmp to_long_mode

; EDI 256 calls of EBX, eight bytes each.
make_stubs:
  mov ecx, 256
.stub:
  mov byte [edi], 0xe8
  mov eax, ebx
  sub eax, edi
  sub eax, 5
  mov [edi+1], eax
  add edi, 8
  loop .stub
  ret
; Base EAX of the descriptor at EDI.
set_base:
  mov [edi+2], ax
  shr eax, 16
  mov [edi+4], al
  mov [edi+7], ah
  ret

; From any 32-bit mode, whatever its paging.
to_long_mode:
  mov eax, 0x31
  mov cr0, eax
  mov eax, [usual_64]
  mov cr4, eax
  mov eax, 0x200000
  mov cr3, eax
  mov ecx, 0xc0000080
  mov eax, EFER_USUAL
  xor edx, edx
  wrmsr
  mov eax, CR0_USUAL
  mov cr0, eax
  lgdt [gdt_pointer]
  jmp CODE64:recover

bits 64
default abs

%include "fuzz/monitor.asm"
%include "fuzz/tables.asm"
%include "fuzz/registers.asm"
%include "fuzz/code.asm"
%include "fuzz/virtual.asm"
%include "fuzz/devices.asm"
%include "fuzz/narrow.asm"
%include "fuzz/user.asm"
%include "fuzz/data.asm"

image_end:
stubs_64 equ image_end
stubs_32 equ image_end+0x800
idt_64 equ image_end+0x1000
idt_32 equ image_end+0x2000
; Room below the stacks: a fault that is met again and again must not reach the code.
stack equ image_end+0x5000
ist_stack equ image_end+0x7000
bss_end equ image_end+0x7000
