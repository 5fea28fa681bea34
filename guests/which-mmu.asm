; What maps a guest best? Two workloads in long mode, and both by turns; the last word of the command line chooses.
;
;   random   loads from a working set of 64 MiB, at random: each is a TLB miss, no table is ever written
;   fork     a process copies itself: its pages are made read-only in both, copied when they are written, and freed
;   phases   4 million loads, 150 forks, and so on
;
; physical                                  virtual
;   100000  this image, its stack below     0 - 3FFFFFFF          identity, 2 MiB pages
;   200000  PML4 of the parent, 201000 child
;   202000  PDPT of the parent, 203000 child
;   204000  PD of the kernel, for both      40000000 - 4003FFFF   PAGES pages of the process
;   205000  PD of the parent, 206000 child  80000000 - 83FFFFFF   the working set
;   207000  PT of the parent, 208000 child
;   209000  PD of the working set           210000  its 32 PTs
;  1000000  the parent's pages, 1400000 the child's
;  2000000  the working set

%define PML4 0x200000
%define PML4_CHILD 0x201000
%define PT 0x207000
%define PT_CHILD 0x208000
%define PAGES 64
%define PROCESS 0x40000000
%define FRAMES 0x1000000
%define FRAMES_CHILD 0x1400000
%define SET 0x80000000
%define SET_FRAMES 0x2000000
%define SET_PAGES 16384
%define WORK_PER_PAGE 400

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stack
  ; The first letter of the command line's last word.
  mov esi, [ebx+16]
  mov [choice], esi
.letter:
  mov al, [esi]
  inc esi
  cmp al, ' '
  jne .next
  mov [choice], esi
.next:
  test al, al
  jnz .letter
  mov esi, [choice]
  mov al, [esi]
  mov [choice], al
  ; Tables start out empty.
  mov edi, PML4
  mov ecx, 0x30000/4
  xor eax, eax
  rep stosd
  mov dword [PML4], 0x202003
  mov dword [PML4_CHILD], 0x203003
  mov dword [0x202000], 0x204003
  mov dword [0x203000], 0x204003
  mov dword [0x202008], 0x205003
  mov dword [0x203008], 0x206003
  mov dword [0x202010], 0x209003
  mov dword [0x205000], PT+3
  mov dword [0x206000], PT_CHILD+3
  mov edi, 0x204000
  mov eax, 0x83
  mov ecx, 512
.identity:
  mov [edi], eax
  add eax, 0x200000
  add edi, 8
  loop .identity
  mov edi, PT
  mov eax, FRAMES+3
  mov ecx, PAGES
  call map
  mov edi, 0x209000
  mov eax, 0x210003
  mov ecx, SET_PAGES/512
  call map
  mov edi, 0x210000
  mov eax, SET_FRAMES+3
  mov ecx, SET_PAGES
  call map
  ; PAE, then long mode, then paging with write protection.
  mov eax, cr4
  or eax, 0x20
  mov cr4, eax
  mov eax, PML4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr0
  or eax, 0x80010001
  mov cr0, eax
  lgdt [gdt_pointer]
  jmp 8:long_mode

; ecx entries from edi on, the first one eax.
map:
  mov [edi], eax
  add eax, 0x1000
  add edi, 8
  loop map
  ret

bits 64
default rel

long_mode:
  mov eax, 0x10
  mov ds, eax
  mov es, eax
  mov ss, eax
  lea rax, [page_fault]
  lea rdi, [idt+14*16]
  mov [rdi], ax
  mov word [rdi+2], 8
  mov word [rdi+4], 0x8e00
  shr rax, 16
  mov [rdi+6], ax
  lidt [idt_pointer]
  mov r8, 88172645463325252
  mov al, [choice]
  cmp al, 'r'
  je random_only
  cmp al, 'f'
  je fork_only
phases:
  mov ecx, 4000000
  call random
  mov r14d, 150
.fork:
  call fork
  dec r14d
  jnz .fork
  jmp phases
random_only:
  mov ecx, 8000000
  call random
  jmp random_only
fork_only:
  call fork
  jmp fork_only

; ecx loads from the working set.
random:
  mov r9, 6364136223846793005
  mov ebx, SET
.load:
  imul r8, r9
  inc r8
  mov rax, r8
  shr rax, 32
  and eax, SET_PAGES*4096-8
  add rdx, [rbx+rax]
  dec ecx
  jnz .load
  ret

; The parent's pages become read-only and the child's as well; each writes all of them in turn.
fork:
  lea rsi, [PT]
  lea rdi, [PT_CHILD]
  mov ecx, PAGES
.entry:
  mov rax, [rsi]
  and rax, -3
  mov [rsi], rax
  mov [rdi], rax
  add rsi, 8
  add rdi, 8
  dec ecx
  jnz .entry
  mov eax, PML4_CHILD
  mov cr3, rax
  mov dword [table], PT_CHILD
  call touch
  ; The child is gone, its table with it.
  mov edi, PT_CHILD
  mov ecx, PAGES
  xor eax, eax
  rep stosq
  mov eax, PML4
  mov cr3, rax
  mov dword [table], PT
  jmp touch

; Writes to every page of the process, with some work for each.
touch:
  mov ebx, PROCESS
.page:
  inc qword [rbx]
  mov ecx, WORK_PER_PAGE
.work:
  add rdx, [rbx+rcx*8]
  dec ecx
  jnz .work
  add ebx, 0x1000
  cmp ebx, PROCESS+PAGES*4096
  jb .page
  ret

; A write to a read-only page: the child gets a copy, the parent, alone again, its right back.
page_fault:
  push rax
  push rcx
  push rsi
  push rdi
  mov rax, cr2
  sub eax, PROCESS
  shr eax, 12
  mov edi, [table]
  lea rdi, [rdi+rax*8]
  cmp dword [table], PT
  je .alone
  push rdi
  shl eax, 12
  lea esi, [rax+FRAMES]
  lea edi, [rax+FRAMES_CHILD]
  mov rax, rdi
  mov ecx, 512
  rep movsq
  pop rdi
  or eax, 3
  mov [rdi], rax
  jmp .done
.alone:
  or qword [rdi], 2
.done:
  mov rax, cr2
  invlpg [rax]
  pop rdi
  pop rsi
  pop rcx
  pop rax
  add rsp, 8
  iretq

align 8
gdt:
  dq 0
  dq 0x00af9a000000ffff
  dq 0x00cf92000000ffff
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dq gdt
idt_pointer:
  dw 256*16-1
  dq idt
choice: dd 0
table: dd PT

align 4096
image_end:
idt equ image_end
stack equ image_end+0x2000
bss_end equ image_end+0x2000
