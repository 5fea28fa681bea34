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

; ---------------------------------------------------------------------------------------------------------------------
; Faults and interrupts. All come here on IST 1; [RSP] is the return address of the stub.
common_64:
  push rax
  push rdx
  mov eax, [rsp+16]
  sub eax, stubs_64+5
  shr eax, 3
  cmp eax, 32
  jae interrupt
  ; What the fault says goes into the sum: vector, error code or RIP, RIP or CS, address.
  mov rdx, [sum]
  imul rdx, rdx, 31
  add rdx, rax
  add rdx, [rsp+24]
  imul rdx, rdx, 31
  add rdx, [rsp+32]
  cmp eax, 14
  jne .no_address
  mov rax, cr2
  add rdx, rax
.no_address:
  mov [sum], rdx
  jmp recover
interrupt:
  cmp eax, SYSTEM_CALL
  je recover
  add [sum], rax
  ; An end of interrupt for whichever controller it was.
  mov edx, APIC
  mov dword [rdx+0xb0], 0
  mov al, 0x20
  out 0x20, al
  out 0xa0, al
  dec dword [patience]
  js recover
  cmp byte [in_sandbox], 0
  jne recover
  pop rdx
  pop rax
  add rsp, 8
  iretq

; The monitor's own state again, from whatever 64-bit state there is.
recover:
  mov rsp, stack
  lgdt [gdt_pointer]
  lidt [idt_64_pointer]
  mov eax, DATA
  mov ds, eax
  mov es, eax
  mov ss, eax
  xor eax, eax
  mov fs, eax
  mov gs, eax
  lldt ax
  mov byte [gdt+TSS64+5], 0x89
  mov eax, TSS64
  ltr ax
  mov rax, cr0
  cmp eax, CR0_USUAL
  je .cr0
  mov eax, CR0_USUAL
  mov cr0, rax
.cr0:
  mov rax, cr4
  mov edx, [usual_64]
  cmp eax, edx
  je .cr4
  mov cr4, rdx
.cr4:
  cmp byte [dirty], 0
  je .clean
  mov byte [dirty], 0
  mov eax, 0x200000
  mov cr3, rax
  xor eax, eax
  mov dr7, rax
  mov ecx, 0xc0000080
  mov eax, EFER_USUAL
  xor edx, edx
  wrmsr
.clean:
  cmp byte [apic_moved], 0
  je .apic
  mov byte [apic_moved], 0
  mov ecx, 0x1b
  mov eax, APIC+0x100
  xor edx, edx
  wrmsr
  or eax, 0x800
  wrmsr
.apic:
  mov byte [in_sandbox], 0
  push 2
  popfq

; One step. Steps end by coming back here, with whatever registers.
again:
  mov rsp, stack
  inc qword [steps]
  mov dword [patience], PATIENCE
  call random
  mov ecx, eax
  and ecx, 63
  movzx ecx, byte [ecx+choices]
  bt [allowed], ecx
  jnc again
  inc dword [taken+rcx*4]
  jmp [step+rcx*8]

; RAX random; R11 changes. (xorshift64*)
random:
  mov rax, [seed]
  mov r11, rax
  shl r11, 13
  xor rax, r11
  mov r11, rax
  shr r11, 7
  xor rax, r11
  mov r11, rax
  shl r11, 17
  xor rax, r11
  mov [seed], rax
  mov r11, 0x2545f4914f6cdd1d
  imul rax, r11
  mov r11, rax
  shr r11, 32
  xor rax, r11
  ret

; RAX a number that some register may have an opinion of: a small one, one bit, all but one, or any.
number:
  call random
  mov rdx, rax
  mov rcx, rax
  shr rcx, 8
  mov r8d, eax
  shr r8d, 24
  and r8d, 7
  jz .any
  cmp r8d, 3
  jb .bit
  cmp r8d, 5
  jb .byte
  je .ones
  mov eax, edx
  shr eax, 8
  ret
.any:
  ret
.bit:
  mov eax, 1
  shl rax, cl
  ret
.byte:
  movzx eax, dh
  ret
.ones:
  mov rax, -1
  btc rax, rcx
  ret

; ---------------------------------------------------------------------------------------------------------------------
; Page tables of four levels.

; RAX what could be an entry.
entry:
  call random
  mov rdx, rax
  mov ecx, eax
  and ecx, 15
  shr rdx, 8
  mov rax, rdx
  and eax, 0x166
  test edx, 0x10000e00
  jz .absent
  or eax, 1
.absent:
  cmp ecx, 8
  jb .frame
  cmp ecx, 11
  jb .table
  je .huge
  cmp ecx, 13
  jb .reserved
  je .device
  cmp ecx, 14
  je .any
  xor eax, eax
  ret
.frame:
  shr edx, 12
  mov ecx, edx
  and ecx, 15
  shl ecx, 12
  lea rax, [rax+rcx+FRAMES]
  test edx, 0x30
  jnz .executable
  bts rax, 63
.executable:
  ret
.table:
  shr edx, 12
  and edx, 7
  shl edx, 12
  lea rax, [rdx+TABLES+0x67]
  ret
.huge:
  shr edx, 12
  and edx, 1
  shl edx, 21
  lea rax, [rax+rdx+USER+0x80]
  ret
.reserved:
  ; A frame, and one bit that may be reserved.
  mov ecx, edx
  shr ecx, 12
  add rax, FRAMES
  bts rax, rcx
  ret
.device:
  shr edx, 12
  and edx, 7
  mov ecx, [rdx*4+devices]
  add rax, rcx
  ret
.any:
  jmp random

; RDI a place in the tables that are written at random, mostly where it is looked at.
place:
  call random
  mov edi, eax
  and edi, 0xf07f
  add edi, TABLES
  and edi, -8
  test eax, 0x70000
  jnz .near
  shr eax, 20
  and eax, 0xff8
  and edi, -4096
  add edi, eax
.near:
  ; Eight tables.
  and edi, ~0x8000
  ret
; RDI an address that they translate.
address:
  call random
  mov edi, eax
  and edi, 0xffff
  mov ecx, eax
  shr ecx, 16
  and ecx, 15
  shl ecx, 21
  add rdi, rcx
  mov rcx, rax
  shr rcx, 20
  and ecx, 3
  shl rcx, 30
  add rdi, rcx
  test eax, 0x7000000
  jz .odd
  and edi, -8
.odd:
  mov rcx, FUZZED
  add rdi, rcx
  ret

edit:
  call place
  push rdi
  call entry
  pop rdi
  mov [rdi], rax
flush:
  call address
  mov ebx, eax
  shr ebx, 28
  cmp ebx, 12
  jae .unflushed
  cmp ebx, 4
  jb .everything
  cmp ebx, 5
  jb .globals
  invlpg [rdi]
  mov rax, cr3
  mov cr3, rax
  jmp touch
.everything:
  mov rax, cr3
  mov cr3, rax
.globals:
  mov rax, cr4
  mov rcx, rax
  btc rcx, 7
  mov cr4, rcx
  mov cr4, rax
  jmp touch
.unflushed:
  ; A processor may go on with what it has cached: engines differ here.
  cmp byte [allowed+7], 0
  je .everything
  test ebx, 1
  jz touch
  invlpg [rdi]
  jmp touch

; Many entries, then a flush.
several:
  mov ebp, 24
.more:
  call place
  push rdi
  call entry
  pop rdi
  mov [rdi], rax
  dec ebp
  jnz .more
  jmp flush
; Entries that lead somewhere, in all tables.
build:
  mov edi, TABLES
  xor ebx, ebx
.entry:
  mov eax, ebx
  and eax, 15
  mov ecx, eax
  and ecx, 1
  shl ecx, 12
  add ecx, TABLES+0x1007
  cmp ebx, 16
  jb .store
  mov ecx, eax
  and ecx, 3
  shl ecx, 12
  add ecx, TABLES+0x3007
  ; Tables 3 to 7 are page tables.
  cmp ebx, 48
  jb .store
  shl eax, 12
  lea ecx, [eax+FRAMES+7]
.store:
  mov [rdi], rcx
  add edi, 8
  inc ebx
  test ebx, 15
  jnz .entry
  add edi, 4096-16*8
  cmp ebx, 128
  jb .entry
  jmp flush

; One access through them, by the supervisor.
touch:
  call random
  mov ebx, eax
  shr ebx, 4
  and eax, 15
  cmp eax, 5
  jb touch_user
  call address
  mov ecx, ebx
  and ecx, 15
  shr ebx, 4
  jmp [touches+rcx*8]
touch_1:
  movzx eax, byte [rdi]
  add [sum], rax
  jmp again
touch_4:
  mov eax, [rdi]
  add [sum], rax
  jmp again
touch_8:
  mov rax, [rdi]
  add [sum], rax
  jmp again
touch_store:
  mov [rdi], ebx
  jmp again
touch_store_8:
  mov [rdi], rdi
  jmp again
touch_change:
  lock add [rdi], ebx
  jmp again
touch_exchange:
  xchg [rdi], rbx
  add [sum], rbx
  jmp again
touch_copy:
  mov esi, FRAMES
  mov ecx, ebx
  and ecx, 0xff
  rep movsq
  jmp again
touch_fill:
  mov ecx, ebx
  and ecx, 0x3ff
  rep stosb
  jmp again
touch_vector:
  movups xmm0, [rdi]
  movups [rdi+0x1000], xmm0
  jmp again
touch_save:
  and rdi, -16
  fxsave [rdi]
  jmp again
touch_push:
  mov rsp, rdi
  push rbx
  pop rax
  jmp again
touch_call:
  mov byte [dirty], 1
  mov byte [in_sandbox], 1
  call arm
  call rdi
  jmp recover
touch_compare:
  and rdi, -16
  lock cmpxchg16b [rdi]
  jmp again
touch_bits:
  lock bts [rdi], ebx
  jmp again
touch_scan:
  mov ecx, ebx
  and ecx, 0x1ff
  mov al, bl
  repne scasb
  add [sum], rcx
  jmp again
; And by the user: a stub does it and calls back.
touch_user:
  call address
  mov ecx, ebx
  and ecx, 7
  shr ebx, 3
  lea rdx, [rcx*8+USER]
  push USER_DATA
  push USER_STACK
  push 2
  push USER_CODE64
  push rdx
  iretq

; ---------------------------------------------------------------------------------------------------------------------
; Registers of the processor.

; One bit of CR0, CR4, EFER or CR8, or any value, then an access.
control:
  mov byte [dirty], 1
  call number
  mov rdx, rax
  call random
  mov ecx, eax
  and ecx, 7
  cmp ecx, 2
  jb .cr0
  cmp ecx, 5
  jb .cr4
  je .efer
  cmp ecx, 6
  je .cr8
  ; CR3: the other space; with another low bit; sometimes any.
  mov rax, cr3
  mov ecx, edx
  xor eax, 0x1000
  and ecx, 0x18
  xor rax, rcx
  test r11d, 0x7f00
  jnz .cr3
  cmp byte [allowed+7], 0
  je .cr3
  mov rax, rdx
.cr3:
  mov cr3, rax
  jmp touch
.cr0:
  mov rax, cr0
  xor rax, rdx
  or eax, 1
  mov cr0, rax
  jmp touch
.cr4:
  mov rax, cr4
  cmp byte [allowed+7], 0
  jne .any_bit
  btr rdx, 7
.any_bit:
  xor rax, rdx
  mov cr4, rax
  jmp touch
.cr8:
  mov cr8, rdx
  xor eax, eax
  mov cr8, rax
  jmp again
.efer:
  mov r9, rdx
  mov ecx, 0xc0000080
  rdmsr
  xor eax, r9d
  wrmsr
  jmp touch

; One MSR is read, and written now and then. The base of the APIC is rarely moved.
msr:
  mov byte [dirty], 1
  mov byte [apic_moved], 1
  call random
  mov r9, rax
  mov ecx, eax
  and ecx, 63
  mov ecx, [rcx*4+msrs]
  test r9d, 0x700
  jnz .known
  mov ecx, r9d
  shr ecx, 12
  and ecx, 0x1fff
  test r9d, 0x800
  jz .known
  or ecx, 0xc0000000
.known:
  rdmsr
  ; The time is the same everywhere, too.
  add [sum], eax
  test r9d, 0x7000
  jz .any
  ; What it had, with one bit changed.
  mov r8d, r9d
  shr r8d, 16
  and r8d, 31
  btc eax, r8d
  jmp .write
.any:
  push rcx
  call number
  pop rcx
  mov rdx, rax
  shr rdx, 32
.write:
  cmp ecx, 0xc0000080
  je again
  wrmsr
  rdmsr
  add [sum], eax
  jmp again

segments:
  call random
  mov ecx, eax
  shr ecx, 8
  and ecx, 7
  shr rax, 16
  test ecx, 1
  jz .random
  and eax, 0x7f
.random:
  cmp ecx, 1
  jb .es
  je .fs
  cmp ecx, 3
  jb .gs
  je .ss
  cmp ecx, 5
  jb .ldt
  je .task
  ; An access through GS, whatever it is now.
  mov gs, eax
  mov eax, [gs:0x400000]
  add [sum], eax
  jmp again
.es:
  mov es, eax
  jmp recover
.fs:
  mov fs, eax
  jmp again
.gs:
  mov gs, eax
  lsl eax, ax
  jmp again
.ss:
  mov ss, eax
  jmp recover
.ldt:
  lldt ax
  mov es, eax
  jmp recover
.task:
  ltr ax
  jmp recover

; Descriptors of any content, where nothing of the monitor's is.
descriptors:
  call random
  mov ecx, eax
  and ecx, 15
  push rcx
  call number
  pop rcx
  mov [gdt_spare+rcx*8], rax
  mov [ldt+rcx*8], rax
  lea eax, [ecx*8+gdt_spare-gdt]
  mov ecx, LDT
  lldt cx
  test r11d, 1
  jz segments.es
  or eax, 7
  jmp segments.gs

; IRET with a frame of which each part is good or bad.
frame:
  call random
  mov ebx, eax
  mov eax, USER_DATA
  test ebx, 3
  jnz .ss
  movzx eax, bh
.ss:
  push rax
  mov eax, USER_STACK
  test ebx, 0xc
  jnz .rsp
  call random
.rsp:
  push rax
  call random
  and eax, 0x3f7fd7
  test ebx, 0x30
  jnz .flags
  mov eax, 2
.flags:
  and eax, ~0x20000
  push rax
  mov eax, USER_CODE64
  test ebx, 0x40
  jz .cs
  mov eax, USER_CODE32
  test ebx, 0x180
  jnz .cs
  mov eax, ebx
  shr eax, 16
  and eax, 0x7f
.cs:
  push rax
  mov eax, USER+7*8
  test ebx, 0x600
  jnz .rip
  call random
.rip:
  push rax
  mov byte [in_sandbox], 1
  call arm
  iretq

debug:
  mov byte [dirty], 1
  call number
  mov rdx, rax
  call random
  mov ecx, eax
  and ecx, 7
  cmp ecx, 2
  jb .seven
  cmp ecx, 3
  jb .six
  ; An address that will be met: a frame of data, the user's stubs.
  and edx, 0xfff
  add edx, FRAMES
  mov dr0, rdx
  mov edx, USER+7*8
  mov dr1, rdx
  mov dr3, rdi
  mov rax, dr2
  mov dr2, rax
.seven:
  mov eax, edx
  or eax, 0xf
  mov dr7, rax
  mov rax, dr6
  add [sum], rax
  mov esi, FRAMES
  mov ecx, 64
  rep lodsq
  jmp touch
.six:
  mov dr6, rdx
  mov rax, dr6
  add [sum], rax
  jmp recover

identify:
  call random
  mov ecx, eax
  shr ecx, 8
  and ecx, 7
  and eax, 0x8000001f
  test r11d, 15
  jnz .low
  mov eax, r11d
.low:
  cpuid
  add eax, ebx
  add eax, ecx
  add eax, edx
  add [sum], eax
  jmp again

; ---------------------------------------------------------------------------------------------------------------------
; Code at random.

; The APIC's timer, so that the sandbox ends. The 32-bit modes do not map the APIC: an interrupt that was taken there ends here.
arm:
  push rax
  mov eax, APIC
  mov dword [rax+0xb0], 0
  mov dword [rax+0xf0], 0x1ff
  mov dword [rax+0x3e0], 0xb
  mov dword [rax+0x320], 0x40
  mov dword [rax+0x380], SANDBOX_TIME
  pop rax
  ret
; 256 bytes at RDI: any, with pieces of code that is close to an instruction.
bytes:
  mov ebp, 32
.eight:
  call random
  mov [rdi], rax
  test r11d, 3
  jnz .any
  mov ecx, r11d
  shr ecx, 8
  and ecx, 31
  cmp byte [allowed+7], 0
  jne .piece
  ; A hypervisor answers VMCALL, and says no to VMRUN, where the bare processor knows neither.
  cmp ecx, 2
  jae .piece
  add ecx, 2
.piece:
  mov eax, [rcx*4+pieces]
  mov [rdi], eax
.any:
  add edi, 8
  dec ebp
  jnz .eight
  ; What falls off the end calls back.
  mov rax, 0x80cd80cd80cd80cd
  mov [rdi], rax
  mov [rdi+8], rax
  ret
; Registers that lead somewhere.
registers:
  call random
  mov ecx, eax
  and ecx, 0x3ff
  mov edx, eax
  shr edx, 16
  mov rbx, FUZZED
  mov esi, FRAMES
  mov edi, USER+0x30000
  mov ebp, USER+0x38000
  mov r8, rax
  mov r9d, SANDBOX
  mov r10, rbx
  ret
sandbox_user:
  mov byte [dirty], 1
  mov byte [in_sandbox], 1
  mov edi, SANDBOX
  call bytes
  call arm
  call random
  push USER_DATA
  push USER_STACK
  ; Interrupts on; single steps and port access as it comes.
  mov ecx, eax
  and ecx, 0x3100
  or ecx, 0x202
  push rcx
  mov ecx, USER_CODE64
  test eax, 0x30000
  jnz .long
  mov ecx, USER_CODE32
.long:
  push rcx
  push SANDBOX
  call registers
  iretq
sandbox_supervisor:
  mov byte [dirty], 1
  mov byte [in_sandbox], 1
  mov edi, SANDBOX
  call bytes
  call arm
  call random
  and eax, 0x100
  or eax, 0x202
  push rax
  call registers
  popfq
  mov eax, SANDBOX
  jmp rax
; Code that changes the instructions right behind the one that does so.
modify:
  mov edi, SANDBOX
  mov eax, 0xc3c3c3c3
  mov ecx, 32
  rep stosd
  mov edi, SANDBOX
  call random
  ; mov byte [rip+n], imm8; inc eax ...; ret
  mov word [rdi], 0x05c6
  mov ecx, eax
  and ecx, 15
  mov [rdi+2], ecx
  mov byte [rdi+6], 0xc3
  mov dword [rdi+7], 0xc0ffc0ff
  mov dword [rdi+11], 0xc0ffc0ff
  mov ebp, 8
.again:
  xor eax, eax
  call rdi
  add [sum], eax
  xor byte [rdi+6], 0x53
  dec ebp
  jnz .again
  jmp again
; Images of the FPU.
images:
  mov edi, FRAMES
  call random
  mov ebx, eax
  fxsave [rdi]
  mov ecx, ebx
  and ecx, 0x1f8
  call number
  mov [rdi+rcx], rax
  test ebx, 0x400
  jz .sse
  and dword [rdi+24], 0xffff
.sse:
  fxrstor [rdi]
  test ebx, 0x800
  jz .done
  mov eax, 3
  xor edx, edx
  xsave [rdi+0x400]
  xrstor [rdi+0x400]
.done:
  fld1
  fild word [rdi]
  faddp st1
  fistp dword [rdi+0x800]
  mov eax, [rdi+0x800]
  fninit
  add [sum], eax
  jmp again
; System calls by their MSRs.
calls:
  mov byte [dirty], 1
  mov byte [in_sandbox], 1
  call random
  mov ebx, eax
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, 0x00230008
  wrmsr
  inc ecx
  mov eax, recover
  xor edx, edx
  wrmsr
  mov ecx, 0x174
  mov eax, CODE64
  wrmsr
  mov ecx, 0x176
  mov eax, recover
  wrmsr
  mov ecx, USER+7*8
  mov edx, USER+7*8
  mov r11d, 2
  test ebx, 1
  jz .exit
  push USER_DATA
  push USER_STACK
  push 2
  push USER_CODE64
  push USER+8*8
  iretq
.exit:
  test ebx, 2
  jz .sysexit
  db 0x48
  sysret
.sysexit:
  db 0x48
  sysexit

; ---------------------------------------------------------------------------------------------------------------------
; Virtualization that this processor does not have: pages filled at random, with a revision that may be right.
virtual:
  call random
  mov ebx, eax
  mov edi, eax
  and edi, 0x3000
  add edi, VM_PAGES
  mov [address_of], rdi
  mov ecx, eax
  shr ecx, 16
  and ecx, 0xff8
  call number
  mov [rdi+rcx], rax
  mov dword [rdi], 1
  mov rcx, cr4
  bts ecx, 13
  shr ebx, 8
  and ebx, 15
  mov eax, edi
  jmp [virtuals+rbx*8]
v_on:
  mov byte [dirty], 1
  mov cr4, rcx
  vmxon [address_of]
  jmp recover
v_vmclear:
  vmclear [address_of]
  jmp again
v_ptrld:
  vmptrld [address_of]
  jmp again
v_ptrst:
  vmptrst [address_of]
  jmp again
v_launch:
  vmlaunch
  jmp again
v_resume:
  vmresume
  jmp again
v_read:
  vmread rax, rdi
  jmp again
v_write:
  vmwrite rdi, rax
  jmp again
v_off:
  vmxoff
  jmp again
v_call:
  cmp byte [allowed+7], 0
  je again
  xor eax, eax
  vmcall
  add [sum], eax
  jmp again
v_mmcall:
  cmp byte [allowed+7], 0
  je again
  mov eax, 0x1234
  vmmcall
  add [sum], eax
  jmp again
v_run:
  vmrun
  jmp recover
v_load:
  vmload
  jmp again
v_save:
  vmsave
  jmp again
v_gif:
  clgi
  stgi
  jmp again
v_invept:
  invept rax, [address_of]
  jmp again

; ---------------------------------------------------------------------------------------------------------------------
; Devices.

; EDX a port, EAX a number
port:
  call random
  mov edx, eax
  and edx, 127
  movzx edx, word [rdx*2+ports]
  test eax, 0xf00
  jnz .known
  movzx edx, ax
  bswap eax
.known:
  push rdx
  call number
  pop rdx
  mov ebx, r11d
  ret
out_step:
  mov ebp, 4
.again:
  call port
  test ebx, 0x300
  jz .four
  test ebx, 0x100
  jz .two
  out dx, al
  dec ebp
  jnz .again
  jmp again
.two:
  out dx, ax
  jmp again
.four:
  out dx, eax
  jmp again
in_step:
  mov ebp, 4
.again:
  call port
  xor eax, eax
  test ebx, 0x300
  jz .four
  test ebx, 0x100
  jz .two
  in al, dx
  add [sum], eax
  dec ebp
  jnz .again
  jmp again
.two:
  in ax, dx
  add [sum], eax
  jmp again
.four:
  in eax, dx
  add [sum], eax
  jmp again
; String instructions, from and to memory that may not be there.
strings:
  call port
  mov ecx, ebx
  and ecx, 63
  mov edi, FRAMES+0x8000
  mov esi, FRAMES
  test ebx, 0x3000
  jnz .mapped
  push rcx
  call address
  pop rcx
  mov rsi, rdi
.mapped:
  shr ebx, 16
  test ebx, 0x80
  jz .forwards
  std
.forwards:
  and ebx, 7
  cmp ebx, 1
  jb .insb
  je .insw
  cmp ebx, 3
  jb .insd
  je .outsb
  cmp ebx, 5
  jb .outsw
  je .outsd
  insb
  outsb
  jmp .done
.insb:
  rep insb
  jmp .done
.insw:
  rep insw
  jmp .done
.insd:
  rep insd
  jmp .done
.outsb:
  rep outsb
  jmp .done
.outsw:
  rep outsw
  jmp .done
.outsd:
  rep outsd
.done:
  cld
  jmp again
; Any register of any device on the PCI bus; mostly of those that are there.
configure:
  call random
  mov ebx, eax
  and eax, 0x1ffc
  test ebx, 0x10000000
  jz .near
  mov eax, ebx
  and eax, 0xfffffc
.near:
  bts eax, 31
  mov dx, 0xcf8
  out dx, eax
  call number
  mov ecx, ebx
  shr ecx, 24
  and ecx, 3
  lea edx, [ecx+0xcfc]
  test ebx, 0x4000000
  jz .read
  test ebx, 0x20000000
  jz .wide
  out dx, al
  jmp again
.wide:
  mov edx, 0xcfc
  out dx, eax
.read:
  in eax, dx
  add [sum], eax
  jmp again
; Registers of the local APIC: any, then it is made to work again now and then.
apic:
  call random
  mov ebx, eax
  and ebx, 0xff0
  test eax, 0x7000
  jnz .aligned
  mov ebx, eax
  shr ebx, 16
  and ebx, 0xfff
.aligned:
  ; The command register less often than the others: most of what it can say stops this processor.
  mov ecx, ebx
  and ecx, 0xff0
  cmp ecx, 0x300
  jne .write
  test eax, 0x700000
  jnz again
.write:
  push rax
  call number
  pop rcx
  test ecx, 0x8000
  jz .read
  mov [ebx+APIC], eax
.read:
  mov eax, [ebx+APIC]
  add [sum], eax
  jmp again
ioapic:
  call number
  mov ebx, eax
  call random
  mov ecx, eax
  and ecx, 0x3f
  mov edx, 0xfec00000
  mov [rdx], ecx
  mov [rdx+0x10], ebx
  mov eax, [rdx+0x10]
  add [sum], eax
  jmp again
hpet:
  call number
  mov rbx, rax
  call random
  mov ecx, eax
  and ecx, 0x1f8
  test eax, 0x7000
  jnz .aligned
  mov ecx, eax
  shr ecx, 16
  and ecx, 0x3ff
.aligned:
  test eax, 0x8000
  jz .narrow
  mov [ecx+0xfed00000], rbx
  jmp .read
.narrow:
  mov [ecx+0xfed00000], ebx
.read:
  mov rax, [ecx+0xfed00000]
  add [sum], rax
  jmp again
; The window of the VGA, through whatever its registers are.
video:
  call random
  mov ebx, eax
  mov edi, eax
  and edi, 0x1ffff
  add edi, 0xa0000
  mov ecx, eax
  shr ecx, 24
  and ecx, 31
  test ebx, 0x200000
  jz .read
  rep stosd
  jmp again
.read:
  mov rsi, rdi
  mov edi, FRAMES
  rep movsb
  jmp again
; Interrupts, as they come.
open:
  sti
  mov ecx, 50
.wait:
  loop .wait
  cli
  jmp again
; Until the timer: at most 1,000 instructions of idle time.
halt:
  mov byte [in_sandbox], 1
  call arm
  mov eax, APIC
  mov dword [rax+0x380], 900
  mov dword [rax+0x80], 0
  sti
  hlt
  cli
  jmp again
; Work: nothing forbidden happens.
compute:
  mov esi, FRAMES
  mov ecx, 0x400
  mov rdx, [sum]
.word:
  lodsq
  xor rdx, rax
  rol rdx, 7
  imul rdx, rdx, 31
  mov [rsi-8], rdx
  loop .word
  mov [sum], rdx
  jmp again

; ---------------------------------------------------------------------------------------------------------------------
; 32-bit paging: out of long mode, some steps with tables of two levels or three, and back.
narrow:
  mov byte [dirty], 1
  push CODE32
  push to_32
  o64 retf

bits 32
to_32:
  mov eax, DATA
  mov ds, eax
  mov es, eax
  mov ss, eax
  mov esp, stack
  mov eax, 0x11
  mov cr0, eax
  mov ecx, 0xc0000080
  mov eax, [seed]
  and eax, 0x800
  xor edx, edx
  wrmsr
  call random_32
  mov ebx, eax
  ; How many steps.
  and eax, 31
  mov [rest], eax
  ; The parts of both trees that lead to the monitor.
  mov dword [POINTERS], PAE_DIRECTORY+1
  mov dword [PAE_DIRECTORY], PAE_LOW+7
  mov dword [PAE_DIRECTORY+1*8], 0x200083
  mov dword [PAE_DIRECTORY+2*8], 0x400087
  mov dword [PAE_DIRECTORY+4*8], PAE_TABLES+7
  mov dword [PAE_DIRECTORY+5*8], PAE_TABLES+0x1007
  mov dword [DIRECTORY], NARROW_LOW+7
  mov dword [DIRECTORY+1*4], 0x400087
  mov dword [DIRECTORY+2*4], NARROW_TABLES+7
  mov dword [DIRECTORY+3*4], NARROW_TABLES+0x1007
  lidt [idt_32_pointer]
  mov ecx, CR4_PAE
  mov edx, POINTERS
  mov dword [wide], 1
  test ebx, 0x100
  jz .wide
  mov ecx, CR4_NARROW
  mov edx, DIRECTORY
  mov dword [wide], 0
.wide:
  mov [usual_cr4], ecx
  mov [usual_cr3], edx
  mov [tss_32+28], edx
  mov [tss_other+28], edx
  mov cr4, ecx
  mov cr3, edx
  mov eax, CR0_USUAL
  mov cr0, eax
  jmp recover_32

; EAX random; ECX changes.
random_32:
  mov eax, [seed]
  imul eax, eax, 1664525
  add eax, 1013904223
  mov [seed], eax
  mov ecx, eax
  shr ecx, 15
  xor eax, ecx
  add [seed+4], eax
  ret

common_32:
  mov eax, [esp]
  sub eax, stubs_32+5
  shr eax, 3
  mov edx, DATA
  mov ds, edx
  mov es, edx
  cmp eax, SYSTEM_CALL
  je recover_32
  cmp eax, 32
  jb .fault
  mov al, 0x20
  out 0x20, al
  jmp recover_32
.fault:
  imul edx, [sum], 31
  add edx, eax
  add edx, [esp+4]
  cmp eax, 14
  jne .no_address
  mov eax, cr2
  add edx, eax
.no_address:
  mov [sum], edx
; The 32-bit monitor's own state; TSS_OTHER's task begins here as well.
recover_32:
  cld
  mov eax, DATA
  mov ss, eax
  mov esp, stack
  mov ds, eax
  mov es, eax
  lgdt [gdt_pointer]
  lidt [idt_32_pointer]
  mov dword [POINTERS+8], 0
  clts
  mov eax, cr0
  cmp eax, CR0_USUAL
  je .cr0
  mov eax, CR0_USUAL
  mov cr0, eax
.cr0:
  mov eax, cr4
  cmp eax, [usual_cr4]
  je .cr4
  mov eax, [usual_cr4]
  mov cr4, eax
.cr4:
  xor eax, eax
  mov fs, eax
  mov gs, eax
  lldt ax
  mov byte [gdt+TSS32+5], 0x89
  mov byte [gdt+TSS_OTHER+5], 0x89
  mov dword [tss_other+32], recover_32
  mov dword [tss_other+36], 2
  mov dword [tss_other+56], stack
  mov dword [tss_other+72], DATA
  mov dword [tss_other+76], CODE32
  mov dword [tss_other+80], DATA
  mov dword [tss_other+84], DATA
  mov eax, TSS32
  ltr ax
  push 2
  popfd
again_32:
  mov esp, stack
  inc dword [steps]
  dec dword [rest]
  js to_long_mode
  call random_32
  shr eax, 8
  and eax, 15
  jmp [steps_32+eax*4]

; EDI an address in the region that both kinds of tables give to chance: 800000 and four pages of them each.
address_32:
  call random_32
  mov edi, eax
  shr edi, 4
  and edi, 0x1ffff
  add edi, 0x800000
  test eax, 0x80000000
  jz .first
  add edi, 0x200000
  cmp dword [wide], 0
  jne .first
  add edi, 0x200000
.first:
  test eax, 0x70000000
  jz .odd
  and edi, -4
.odd:
  ret
edit_32:
  call random_32
  mov ebx, eax
  shr eax, 8
  and eax, 0x1166
  or eax, 1
  mov edx, ebx
  shr edx, 20
  and edx, 15
  shl edx, 12
  add edx, FRAMES
  and eax, 0xfff
  add eax, edx
  test ebx, 0xf0
  jnz .frame
  call random_32
.frame:
  mov edx, eax
  mov edi, ebx
  and edi, 31
  cmp dword [wide], 0
  jne .wide
  shl edi, 2
  add edi, NARROW_TABLES
  test ebx, 0x1000000
  jz .store
  add edi, 0x1000
.store:
  mov [edi], edx
  jmp flush_32
.wide:
  shl edi, 3
  add edi, PAE_TABLES
  test ebx, 0x1000000
  jz .store_wide
  add edi, 0x1000
.store_wide:
  mov [edi], edx
  xor edx, edx
  test ebx, 0x6000000
  jnz .high
  call random_32
  mov edx, eax
  test ebx, 0x8000000
  jnz .high
  and edx, 0x80000000
.high:
  mov [edi+4], edx
flush_32:
  mov eax, cr3
  mov cr3, eax
  jmp touch_32
; An entry of a directory, or one of the four pointers.
directory_32:
  call random_32
  mov ebx, eax
  mov edx, eax
  and edx, 0xfe7
  shr eax, 12
  and eax, 1
  shl eax, 12
  cmp dword [wide], 0
  jne .wide
  lea eax, [eax+edx+NARROW_TABLES]
  mov [DIRECTORY+2*4], eax
  test ebx, 0x70000000
  jnz flush_32
  mov dword [DIRECTORY+3*4], 0x600087
  jmp flush_32
.wide:
  lea eax, [eax+edx+PAE_TABLES]
  mov [PAE_DIRECTORY+4*8], eax
  test ebx, 0x70000000
  jnz flush_32
  ; Under nested paging AMD's processors read the pointers at every walk, others when CR3 is loaded.
  test byte [allowed+7], 1
  jz flush_32
  mov [POINTERS+8], ebx
  jmp flush_32
touch_32:
  call address_32
  call random_32
  shr eax, 5
  mov ebx, eax
  and eax, 7
  cmp eax, 2
  jb .user
  je .store
  cmp eax, 4
  jb .change
  je .copy
  add ebx, [edi]
  add [sum], ebx
  jmp again_32
.store:
  mov [edi], ebx
  jmp again_32
.change:
  lock add [edi], ebx
  jmp again_32
.copy:
  mov esi, FRAMES
  mov ecx, 64
  rep movsd
  jmp again_32
.user:
  mov ecx, ebx
  shr ecx, 3
  and ecx, 7
  lea edx, [ecx*8+USER]
  push USER_DATA
  push USER_STACK
  push 2
  push USER_CODE32
  push edx
  mov eax, USER_DATA
  mov ds, eax
  iretd
segment_32:
  call random_32
  shr eax, 4
  mov ebx, eax
  and eax, 0x7f
  test ebx, 0x80
  jz .es
  mov gs, eax
  mov eax, [gs:0]
  add [sum], eax
  jmp recover_32
.es:
  mov es, eax
  mov edi, FRAMES
  stosd
  jmp recover_32
gate_32:
  int TASK
  jmp recover_32
control_32:
  call random_32
  shr eax, 4
  mov ecx, eax
  and ecx, 31
  mov edx, 1
  shl edx, cl
  test eax, 0x100
  jz .cr4
  mov ecx, cr0
  xor ecx, edx
  ; Neither real mode nor paging off: those are another step's.
  or ecx, 0x80000001
  mov cr0, ecx
  jmp touch_32
.cr4:
  mov ecx, cr4
  xor ecx, edx
  and ecx, ~0x20
  mov edx, [usual_cr4]
  and edx, 0x20
  or ecx, edx
  mov cr4, ecx
  jmp touch_32
; The sandbox of the user, for single steps, or to the first interrupt.
sandbox_32:
  mov edi, SANDBOX
  call bytes_32
  push USER_DATA
  push USER_STACK
  push 0x302
  push USER_CODE32
  push SANDBOX
  mov eax, USER_DATA
  mov ds, eax
  mov es, eax
  mov esi, FRAMES
  mov edi, USER+0x30000
  mov ecx, 40
  iretd
; Virtual-8086 mode, one instruction; GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP
virtual_8086:
  mov edi, V86_SANDBOX
  call bytes_32
  push 0x1000
  push 0x1000
  push 0x1000
  push 0x1000
  push 0x1000
  push 0x8000
  push 0x20302
  push 0x1000
  push 0
  iretd
bytes_32:
  mov ebx, 16
.more:
  call random_32
  mov [edi], eax
  add edi, 4
  dec ebx
  jnz .more
  mov dword [edi], 0x80cd80cd
  ret
; Real mode and back, with paging off.
real:
  test byte [allowed+7], 1
  jz touch_32
  mov eax, 0x11
  mov cr0, eax
  mov eax, 0x10
  mov cr0, eax
  mov eax, 0x11
  mov cr0, eax
  jmp to_long_mode

align 8
steps_32: dd edit_32, edit_32, edit_32, edit_32, directory_32, touch_32, touch_32, touch_32, touch_32, segment_32, gate_32
  dd control_32, sandbox_32, sandbox_32, virtual_8086, real

; The user's stubs, eight bytes each, the same in 32 and 64 bits: EDI or RDI the address, EBX a number.
align 8
user_stubs:
  mov eax, [edi]
  int SYSTEM_CALL
align 8
  mov [edi], ebx
  int SYSTEM_CALL
align 8
  lock add [edi], ebx
  int SYSTEM_CALL
align 8
  mov al, [edi]
  int SYSTEM_CALL
align 8
  xchg [edi], bl
  int SYSTEM_CALL
align 8
  call edi
  int SYSTEM_CALL
align 8
  movups xmm0, [edi]
  int SYSTEM_CALL
align 8
  int SYSTEM_CALL
  int SYSTEM_CALL
align 8
  syscall
  int SYSTEM_CALL
align 8
  sysenter
  int SYSTEM_CALL
align 8
user_stubs_end:

bits 64
align 8
step: dq edit, several, build, touch, control, msr, segments, descriptors, frame, debug, identify, sandbox_user
  dq sandbox_supervisor, modify, images, calls, virtual, out_step, in_step, strings, configure, apic, ioapic, hpet
  dq video, open, halt, compute, narrow, touch, touch, touch
touches: dq touch_1, touch_4, touch_8, touch_8, touch_store, touch_store_8, touch_change, touch_exchange, touch_copy
  dq touch_fill, touch_vector, touch_save, touch_push, touch_call, touch_compare, touch_scan
virtuals: dq v_on, v_vmclear, v_ptrld, v_ptrst, v_launch, v_resume, v_read, v_write, v_off, v_call, v_mmcall, v_run
  dq v_load, v_save, v_gif, v_invept

; Which step, by six bits of chance.
choices: db 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 3
  db 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11, 11
  db 11, 11, 12, 12, 13, 13, 14, 15, 16, 16, 17, 17, 18, 18, 19, 20
  db 20, 21, 21, 22, 22, 23, 23, 24, 24, 25, 26, 27, 28, 28, 28, 28
align 4
devices: dd 0xfee00000, 0xfec00000, 0xfed00000, 0xa0000, 0xb8000, 0xfd000000, 0xfebe0000, 0xfffff000
; Time, APIC, system calls, PAT, MTRRs, machine checks, VT-x and SVM, what KVM and Hyper-V would answer, and some that are nobody's.
msrs: dd 0x10, 0x1b, 0x17, 0x3a, 0x3b, 0x79, 0x8b, 0xce, 0xe7, 0xe8, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a
  dd 0x186, 0x198, 0x1a0, 0x1d9, 0x200, 0x201, 0x20f, 0x250, 0x258, 0x26f, 0x277, 0x2ff, 0x38f, 0x400, 0x401, 0x402
  dd 0x480, 0x481, 0x485, 0x48b, 0x491, 0x6e0, 0x802, 0x808, 0x80b, 0x80f, 0x830, 0x832, 0x838, 0x83e, 0xda0, 0x40000000
  dd 0x40000001, 0x40000020, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d04, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084
  dd 0xc0000100, 0xc0000102, 0xc0000103, 0xc0010015, 0xc0010114, 0xc0010117
; Pieces of code: system instructions, transfers, port access, long runs.
pieces: dd 0x90c1010f, 0x90d8010f, 0x90d0010f, 0x90d1010f, 0x90f8010f, 0x9010010f, 0x90c0200f, 0x90d8220f
  dd 0x90e0220f, 0x90f8230f, 0x9090300f, 0x9090320f, 0x9090a20f, 0x909090f4, 0x909090fb, 0x90909d9c
  dd 0x909090cf, 0x909021cd, 0x9090050f, 0x9090340f, 0x90d8000f, 0x90c0008e, 0x90906cf3, 0x90906ef3
  dd 0x9090a4f3, 0x90aa48f3, 0x900fc70f, 0x9007ae0f, 0x900fae0f, 0x9090310f, 0x90c7ff48, 0x9090e8d9
ports: dw 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64, 0x60
  dw 0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3cc, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x3da, 0x3b4
  dw 0x1ce, 0x1cf, 0x1d0, 0x1ce, 0x1cf, 0x1ce, 0x1cf, 0x1d0, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff
  dw 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 0x81, 0x87
  dw 0xc0, 0xc2, 0xd0, 0xd4, 0xd6, 0xd8, 0xde, 0x80, 0xcf8, 0xcfa, 0xcfc, 0xcfd, 0xcfe, 0xcff, 0xcf9, 0x92
  dw 0x510, 0x511, 0x510, 0x511, 0x514, 0x518, 0x514, 0x518, 0xb2, 0xb3, 0x600, 0x601, 0x602, 0x604, 0x608, 0x60c
  dw 0x402, 0xe9, 0x1f0, 0x1f7, 0x3f6, 0x376, 0x170, 0x3f2, 0x3f5, 0xf0, 0xf4, 0x700, 0x720, 0xb000, 0xb004, 0xb008
  dw 0x3c4, 0x3c5, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x3c0, 0x3c0, 0x71, 0x70, 0x40, 0x43, 0x20, 0x21, 0x64, 0x60

align 8
gdt:
  dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
  dq 0x00cff3000000ffff, 0x00cffb000000ffff, 0x00affb000000ffff
  dq 0x0000890000000067, 0
  dq 0x0000890000000067, 0x0000890000000067
  dq 0x000082000000007f, 0
gdt_spare: times 16 dq 0
gdt_end:
ldt: times 16 dq 0
gdt_pointer:
  dw gdt_end-gdt-1
  dq gdt
idt_64_pointer:
  dw 256*16-1
  dq idt_64
idt_32_pointer:
  dw 256*8-1
  dd idt_32
align 8
address_of: dq 0
tss_64:
  dd 0
  dq stack, 0, 0, 0
  dq ist_stack
  times 60 db 0
  dw 0, 104
tss_32:
  dd 0, stack, DATA
  times 90 db 0
  dw 104
tss_other:
  dd 0, stack, DATA
  times 90 db 0
  dw 104
align 8
patience: dd 0
rest: dd 0
wide: dd 0
usual_64: dd CR4_USUAL
usual_cr4: dd 0
usual_cr3: dd 0
dirty: db 1
in_sandbox: db 0
apic_moved: db 0
align 16
image_end:
stubs_64 equ image_end
stubs_32 equ image_end+0x800
idt_64 equ image_end+0x1000
idt_32 equ image_end+0x2000
; Room below the stacks: a fault that is met again and again must not reach the code.
stack equ image_end+0x5000
ist_stack equ image_end+0x7000
bss_end equ image_end+0x7000
