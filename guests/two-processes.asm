; Two processes that both use virtual address 10000h, on 32-bit two-level page tables.
;
;   process 1: page directory 200000, page table 202000, 10000h -> frame 204000
;   process 2: page directory 201000, page table 203000, 10000h -> frame 205000
;
; Everything else below 4 MiB is the kernel's and mapped to itself in both, for supervisor use only;
; the code of the processes lies at 11000h, one frame for both, and their stacks at 12000h, apart.

%define COM1 0x3f8
%define DIRECTORY_1 0x200000
%define DIRECTORY_2 0x201000
%define TABLE_1 0x202000
%define TABLE_2 0x203000
%define FRAME_1 0x204000
%define FRAME_2 0x205000
%define DATA 0x10000
%define CODE 0x11000
%define STACK 0x13000
%define ROUNDS 4

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stack_1
  mov edi, DIRECTORY_1
  mov ecx, 0x8000/4
  xor eax, eax
  rep stosd
  ; Both tables map the first 4 MiB to themselves.
  mov edi, TABLE_1
  mov eax, 3
  mov ecx, 1024
.identity:
  mov [edi], eax
  mov [edi+TABLE_2-TABLE_1], eax
  add eax, 0x1000
  add edi, 4
  loop .identity
  mov dword [DIRECTORY_1], TABLE_1+7
  mov dword [DIRECTORY_2], TABLE_2+7
  ; What makes them two processes.
  mov dword [TABLE_1+(DATA>>12)*4], FRAME_1+7
  mov dword [TABLE_2+(DATA>>12)*4], FRAME_2+7
  mov dword [TABLE_1+(CODE>>12)*4], process+5
  mov dword [TABLE_2+(CODE>>12)*4], process+5
  mov dword [TABLE_1+(CODE>>12)*4+4], 0x206007
  mov dword [TABLE_2+(CODE>>12)*4+4], 0x207007
  mov dword [FRAME_1], 1
  mov dword [FRAME_1+4], 100
  mov dword [FRAME_2], 2
  mov dword [FRAME_2+4], 200
  mov eax, DIRECTORY_1
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  ; Segments, task state, interrupts.
  lgdt [gdt_pointer]
  jmp 8:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov eax, tss
  mov [gdt_tss+2], ax
  shr eax, 16
  mov [gdt_tss+4], al
  mov [gdt_tss+7], ah
  mov ax, 0x28
  ltr ax
  mov edi, idt+0x20*8
  mov eax, timer
  mov edx, 0x8e00
  call set_gate
  mov edi, idt+0x27*8
  mov eax, spurious
  call set_gate
  mov edi, idt+0x80*8
  mov eax, system_call
  mov edx, 0xee00
  call set_gate
  lidt [idt_pointer]
  ; PIT channel 0: 100 Hz; then the PIC, vectors 20 and 28, IRQ 0 open.
  mov al, 0x34
  out 0x43, al
  mov ax, 11932
  out 0x40, al
  mov al, ah
  out 0x40, al
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x20
  out 0x21, al
  mov al, 0x28
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, 0xfe
  out 0x21, al
  mov al, 0xff
  out 0xa1, al

  ; UART: 8 bits, no parity.
  mov dx, COM1+3
  mov al, 3
  out dx, al
  mov esi, banner
  call print
  ; Process 2 waits on its own stack as if interrupted at its first instruction: 8 registers, then EIP to SS.
  mov dword [task_2], stack_2-13*4
  mov dword [stack_2-5*4], CODE
  mov dword [stack_2-4*4], 0x23
  mov dword [stack_2-3*4], 0x202
  mov dword [stack_2-2*4], STACK
  mov dword [stack_2-1*4], 0x1b
  mov dword [tss+4], stack_1
  mov dword [tss+8], 0x10
  mov ax, 0x1b
  mov ds, ax
  mov es, ax
  push 0x1b
  push STACK
  push 0x202
  push 0x23
  push CODE
  iretd

; Interrupt gate at edi: handler eax, type edx.
set_gate:
  mov [edi], ax
  mov word [edi+2], 8
  mov [edi+4], dx
  shr eax, 16
  mov [edi+6], ax
  ret

; Every tick gives the processor to the other process: its stack, its page directory.
timer:
  pushad
  mov al, 0x20
  out 0x20, al
  mov ebx, [running]
  mov [task_1+ebx*4], esp
  xor ebx, 1
  mov [running], ebx
  mov esp, [task_1+ebx*4]
  mov eax, [tops+ebx*4]
  mov [tss+4], eax
  mov eax, [spaces+ebx*4]
  mov cr3, eax
  popad
spurious:
  iretd

; eax 0: wait for the next turn. 1: print the string at esi. 2: print ebx in decimal. 3: end.
; 4: print the frame behind the virtual address in ebx.
system_call:
  pushad
  cmp eax, 1
  je .print
  cmp eax, 2
  je .number
  cmp eax, 3
  je .end
  cmp eax, 4
  je .frame
  sti
  hlt
  cli
  jmp .done
.print:
  call print
  jmp .done
.number:
  mov eax, ebx
  call print_decimal
  jmp .done
.frame:
  ; The tables are mapped to themselves: walk those of the current space.
  mov eax, cr3
  mov eax, [eax]
  and eax, -4096
  shr ebx, 12
  mov eax, [eax+ebx*4]
  and eax, -4096
  call print_hex
.done:
  popad
  iretd
.end:
  inc dword [ended]
  cmp dword [ended], 2
  je .both
  ; The first to end waits for the other.
.idle:
  sti
  hlt
  jmp .idle
.both:
  mov esi, bye_text
  call print
  mov al, 0
  out 0xf4, al
.stop:
  cli
  hlt
  jmp .stop

%include "lib/print.asm"

print_hex:
  mov ebx, eax
  mov ecx, 8
.digit:
  rol ebx, 4
  mov eax, ebx
  and eax, 15
  cmp al, 10
  jb .small
  add al, 'A'-'0'-10
.small:
  add al, '0'
  call print_character
  loop .digit
  ret

banner: db "Vitrine two processes: 32-bit, 2-level page tables, one virtual address", 13, 10, 0
bye_text: db "both ended", 13, 10, 0

align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
  dq 0x00cff2000000ffff
  dq 0x00cffa000000ffff
gdt_tss:
  dq 0x0000890000000067
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dd gdt
idt_pointer:
  dw 256*8-1
  dd idt

align 4
spaces: dd DIRECTORY_1, DIRECTORY_2
tops: dd stack_1, stack_2
task_1: dd 0
task_2: dd 0
running: dd 0
ended: dd 0
tss: times 104 db 0

; Ring 3, the same code for both, seen at 11000h.
align 4096
process:
  mov edi, ROUNDS
.round:
  mov esi, process_text-process+CODE
  mov eax, 1
  int 0x80
  mov ebx, [DATA]
  mov eax, 2
  int 0x80
  mov esi, reads_text-process+CODE
  mov eax, 1
  int 0x80
  mov ebx, [DATA+4]
  mov eax, 2
  int 0x80
  mov esi, frame_text-process+CODE
  mov eax, 1
  int 0x80
  mov ebx, DATA
  mov eax, 4
  int 0x80
  mov esi, end_text-process+CODE
  mov eax, 1
  int 0x80
  inc dword [DATA+4]
  mov eax, 0
  int 0x80
  dec edi
  jnz .round
  mov eax, 3
  int 0x80
process_text: db "process ", 0
reads_text: db " reads ", 0
frame_text: db " at 00010000, frame ", 0
end_text: db 13, 10, 0

align 4096
image_end:
idt equ image_end
stack_1 equ image_end+0x2000
stack_2 equ image_end+0x3000
bss_end equ image_end+0x3000
