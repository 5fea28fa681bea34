; The embedded guest: 64-bit long mode, two address spaces, user mode, timer and serial interrupts.
;
; physical                           virtual, the same in both spaces
;   100000  this image                 0 - 3FFFFFFF         identity, supervisor, 2 MiB pages
;   200000  PML4 of A, 201000 of B     40000000  user code   read only, one frame for both
;   202000  PDPT of A, 203000 of B     40001000  user data   A: 20A000  B: 20B000
;   204000  PD of the kernel           40002000  user stack  A: 20C000  B: 20D000
;   205000  PD of A, 206000 of B
;   207000  PT of A, 208000 of B

%define COM1 0x3f8
%define PML4_A 0x200000
%define PML4_B 0x201000
%define FRAME_A 0x20a000
%define FRAME_B 0x20b000
%define USER 0x40000000
%define USER_DATA 0x40001000
%define USER_STACK 0x40003000
%define CODE64 0x08
%define DATA64 0x10
%define USER_SS 0x1b
%define USER_CS 0x23
%define TSS 0x28

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stack_a
  ; Tables start out empty.
  mov edi, PML4_A
  mov ecx, 0xe000/4
  xor eax, eax
  rep stosd
  ; Level 4 and 3 of both spaces; user bits as wide as anything below needs.
  mov dword [PML4_A], 0x202007
  mov dword [PML4_B], 0x203007
  mov dword [0x202000], 0x204003
  mov dword [0x203000], 0x204003
  mov dword [0x202008], 0x205007
  mov dword [0x203008], 0x206007
  mov dword [0x205000], 0x207007
  mov dword [0x206000], 0x208007
  ; User pages: code shared, data and stack apart.
  mov dword [0x207000], user_code+5
  mov dword [0x208000], user_code+5
  mov dword [0x207008], FRAME_A+7
  mov dword [0x208008], FRAME_B+7
  mov dword [0x207010], 0x20c007
  mov dword [0x208010], 0x20d007
  mov byte [FRAME_A], 'A'
  mov byte [FRAME_B], 'B'
  ; The kernel's identity map: 512 pages of 2 MiB.
  mov edi, 0x204000
  mov eax, 0x83
  mov ecx, 512
.identity:
  mov [edi], eax
  add eax, 0x200000
  add edi, 8
  loop .identity
  ; PAE, then long mode, then paging.
  mov eax, cr4
  or eax, 0x20
  mov cr4, eax
  mov eax, PML4_A
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr0
  or eax, 0x80010001
  mov cr0, eax
  lgdt [gdt_pointer]
  jmp CODE64:long_mode

bits 64
default rel

long_mode:
  mov eax, DATA64
  mov ds, eax
  mov es, eax
  mov ss, eax
  xor eax, eax
  mov fs, eax
  mov gs, eax
  mov rsp, stack_a
  ; The base of the task state segment goes into its descriptor piece by piece.
  mov rax, tss
  mov [gdt_tss+2], ax
  shr rax, 16
  mov [gdt_tss+4], al
  mov [gdt_tss+7], ah
  mov eax, TSS
  ltr ax
  ; 32 exceptions, then the timer, the serial port, the spurious interrupt and the system call.
  mov rdi, idt
  mov rax, exceptions
  mov ecx, 32
.gate:
  mov edx, 0x8e00
  call set_gate
  add rax, 8
  loop .gate
  mov rdi, idt+0x20*16
  mov rax, timer
  mov edx, 0x8e00
  call set_gate
  mov rdi, idt+0x24*16
  mov rax, serial
  call set_gate
  mov rdi, idt+0x27*16
  mov rax, spurious
  call set_gate
  mov rdi, idt+0x80*16
  mov rax, system_call
  mov edx, 0xee00
  call set_gate
  lidt [idt_pointer]
  ; UART: 8 bits, no parity, FIFO, interrupt on received data.
  mov dx, COM1+1
  mov al, 0
  out dx, al
  mov dx, COM1+3
  mov al, 3
  out dx, al
  mov dx, COM1+2
  mov al, 7
  out dx, al
  mov dx, COM1+4
  mov al, 0x0b
  out dx, al
  mov dx, COM1+1
  mov al, 1
  out dx, al
  ; PIT channel 0: 100 Hz; before the PIC, whose initialization forgets the edge this makes.
  mov al, 0x34
  out 0x43, al
  mov ax, 11932
  out 0x40, al
  mov al, ah
  out 0x40, al
  ; PIC: vectors 20 and 28; IRQ 0 and 4 open.
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
  mov al, 0xee
  out 0x21, al
  mov al, 0xff
  out 0xa1, al

  lea rsi, [banner]
  call print
  call print_spaces
  ; Task B waits on its own stack as if the timer had just interrupted it at its first instruction.
  mov rdi, stack_b-20*8
  mov qword [task_b], rdi
  mov qword [stack_b-5*8], USER
  mov qword [stack_b-4*8], USER_CS
  mov qword [stack_b-3*8], 0x202
  mov qword [stack_b-2*8], USER_STACK
  mov qword [stack_b-1*8], USER_SS
  ; Task A starts here and now.
  mov rax, stack_a
  mov [tss+4], rax
  push USER_SS
  mov eax, USER_STACK
  push rax
  push 0x202
  push USER_CS
  mov eax, USER
  push rax
  iretq

; Interrupt gate at rdi: handler rax, type edx; rdi goes on to the next.
set_gate:
  push rax
  mov [rdi], ax
  mov word [rdi+2], CODE64
  mov [rdi+4], dx
  shr rax, 16
  mov [rdi+6], ax
  shr rax, 16
  mov [rdi+8], eax
  mov dword [rdi+12], 0
  add rdi, 16
  pop rax
  ret

%macro save_registers 0
  push rax
  push rcx
  push rdx
  push rbx
  push rbp
  push rsi
  push rdi
  push r8
  push r9
  push r10
  push r11
  push r12
  push r13
  push r14
  push r15
%endmacro

%macro restore_registers 0
  pop r15
  pop r14
  pop r13
  pop r12
  pop r11
  pop r10
  pop r9
  pop r8
  pop rdi
  pop rsi
  pop rbp
  pop rbx
  pop rdx
  pop rcx
  pop rax
%endmacro

; Every tick gives the processor to the other task: its stack, its address space.
timer:
  save_registers
  mov al, 0x20
  out 0x20, al
  inc qword [ticks]
  mov rax, [ticks]
  cmp rax, 300
  ja .switch
  xor edx, edx
  mov ecx, 100
  div rcx
  test edx, edx
  jnz .switch
  lea rsi, [tick_text]
  call print
  mov rax, [ticks]
  call print_decimal
  call new_line
.switch:
  mov rbx, [running]
  mov [task_a+rbx*8], rsp
  xor ebx, 1
  mov [running], rbx
  mov rsp, [task_a+rbx*8]
  mov rax, [tops+rbx*8]
  mov [tss+4], rax
  mov rax, [spaces+rbx*8]
  mov cr3, rax
  restore_registers
  iretq

; A key came in: echo it, and obey it if it is a command.
serial:
  save_registers
  mov dx, COM1+2
  in al, dx
.next:
  mov dx, COM1+5
  in al, dx
  test al, 1
  jz .done
  mov dx, COM1
  in al, dx
  inc qword [keys]
  call command
  jmp .next
.done:
  mov al, 0x20
  out 0x20, al
  restore_registers
  iretq

spurious:
  iretq

; rax 0: wait for the next turn. rax 1: print the string at rsi.
system_call:
  save_registers
  test rax, rax
  jnz .print
  sti
  hlt
  cli
  jmp .done
.print:
  ; The string lies in the caller's address space, which is still the current one.
  call print
.done:
  restore_registers
  iretq

command:
  cmp al, 13
  je new_line
  cmp al, 10
  je new_line
  push rax
  call print_character
  pop rax
  lea rsi, [help_text]
  cmp al, 'h'
  je .text
  cmp al, 'p'
  je .spaces
  cmp al, 't'
  je .ticks
  cmp al, 'c'
  je .counts
  cmp al, 'x'
  je .exit
  ret
.text:
  call new_line
  jmp print
.spaces:
  call new_line
  jmp print_spaces
.ticks:
  call new_line
  lea rsi, [tick_text]
  call print
  mov rax, [ticks]
  call print_decimal
  jmp new_line
.counts:
  call new_line
  lea rsi, [turns_text]
  call print
  mov rax, [abs FRAME_A+8]
  call print_decimal
  mov al, ' '
  call print_character
  mov rax, [abs FRAME_B+8]
  call print_decimal
  jmp new_line
.exit:
  call new_line
  lea rsi, [bye_text]
  call print
  mov al, 0
  out 0xf4, al
.stop:
  cli
  hlt
  jmp .stop

; One line per space: CR3, and where the walk of its own tables leads.
print_spaces:
  lea rsi, [space_a_text]
  mov rdi, PML4_A
  call .one
  lea rsi, [space_b_text]
  mov rdi, PML4_B
.one:
  call print
  mov rax, rdi
  call print_hex
  lea rsi, [maps_text]
  call print
  mov rax, [rdi]
  and rax, -4096
  mov rax, [rax+(USER_DATA>>30)*8]
  and rax, -4096
  mov rax, [rax]
  and rax, -4096
  mov rax, [rax+8]
  and rax, -4096
  call print_hex
  jmp new_line

; Zero-terminated string at rsi.
print:
  mov al, [rsi]
  inc rsi
  test al, al
  jz .end
  call print_character
  jmp print
.end:
  ret

new_line:
  mov al, 13
  call print_character
  mov al, 10

; Character al; keeps everything but al.
print_character:
  push rdx
  push rax
  mov dx, COM1+5
.wait:
  in al, dx
  test al, 0x20
  jz .wait
  pop rax
  mov dx, COM1
  out dx, al
  pop rdx
  ret

; rax as eight hexadecimal digits.
print_hex:
  mov rbx, rax
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

print_decimal:
  mov ebx, 10
  xor ecx, ecx
.divide:
  xor edx, edx
  div rbx
  push rdx
  inc ecx
  test rax, rax
  jnz .divide
.digit:
  pop rax
  add al, '0'
  call print_character
  loop .digit
  ret

; 32 entries of 8 bytes: the number of the exception, then the common end.
align 8
exceptions:
%assign n 0
%macro exception 0
  push n
  jmp near unexpected
  align 8
%assign n n+1
%endmacro
%macro eight 0
  exception
  exception
  exception
  exception
  exception
  exception
  exception
  exception
%endmacro
  eight
  eight
  eight
  eight

unexpected:
  pop rax
  push rax
  lea rsi, [exception_text]
  call print
  pop rax
  call print_decimal
  call new_line
  mov al, 1
  out 0xf4, al
.stop:
  cli
  hlt
  jmp .stop

banner: db "Vitrine hello64: long mode, 4-level page tables, ring 3", 13, 10, 0
space_a_text: db "space A: CR3 ", 0
space_b_text: db "space B: CR3 ", 0
maps_text: db ", 40001000 -> ", 0
tick_text: db "tick ", 0
turns_text: db "turns of A and B: ", 0
help_text:
  db "h help  p page tables  t ticks  c turns of the tasks  x exit; other keys come back", 13, 10, 0
bye_text: db "bye", 13, 10, 0
exception_text: db "exception ", 0

align 8
gdt:
  dq 0
  dq 0x00209a0000000000
  dq 0x0000920000000000
  dq 0x0000f20000000000
  dq 0x0020fa0000000000
gdt_tss:
  dq 0x0000890000000067, 0
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dq gdt
idt_pointer:
  dw 256*16-1
  dq idt

align 8
spaces: dq PML4_A, PML4_B
tops: dq stack_a, stack_b
task_a: dq 0
task_b: dq 0
running: dq 0
ticks: dq 0
keys: dq 0
tss: times 104 db 0

; Ring 3, the same code in both spaces: what lies at 40001000 tells which one it is in.
align 4096
user_code:
  mov ebx, USER_DATA
  mov al, [rbx]
  mov [rbx+0x100], al
  mov rax, " runs in"
  mov [rbx+0x101], rax
  mov rax, " ring 0"
  mov [rbx+0x109], rax
  mov eax, cs
  and eax, 3
  add [rbx+0x10f], al
  mov dword [rbx+0x110], 0x0a0d
  lea rsi, [rbx+0x100]
  mov eax, 1
  int 0x80
.turn:
  inc qword [rbx+8]
  xor eax, eax
  int 0x80
  jmp .turn

align 4096
image_end:
idt equ image_end
stack_a equ image_end+0x3000
stack_b equ image_end+0x5000
bss_end equ image_end+0x5000
