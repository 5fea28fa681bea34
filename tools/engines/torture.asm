; Edits its page tables at random, flushes what it has edited, and touches memory through them. Two directories share one
; page table; the first 4 MiB are mapped to themselves by large pages. What reads and page faults give goes into EBP.
;
;   EBX random number   ESI where a page fault goes on   EBP sum of everything seen
;   ENTRY (4 or 8 bytes) and what follows from it stand before this text
bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
DIRECTORY_0 equ 0x200000
DIRECTORY_1 equ 0x201000
TABLE_0 equ 0x203000
TABLE_1 equ 0x204000
POINTERS_0 equ 0x205000
POINTERS_1 equ 0x206000
STACK equ 0x20a000
FRAMES equ 0x210000
REGION equ 0x400000
start:
  cli
  cld
  mov esp, STACK
  mov edi, 0x200000
  mov ecx, 0x8000/4
  xor eax, eax
  rep stosd
  mov edi, FRAMES
  mov ecx, 0x10000/4
fill:
  mov [edi], edi
  add edi, 4
  loop fill
  mov dword [DIRECTORY_0], 0x87
  mov dword [DIRECTORY_1], 0x87
  mov dword [DIRECTORY_0+ENTRY], SECOND
  mov dword [DIRECTORY_1+ENTRY], SECOND
  mov dword [DIRECTORY_0+SLOT*ENTRY], TABLE_0+7
  mov dword [DIRECTORY_1+SLOT*ENTRY], TABLE_0+7
  mov dword [POINTERS_0], DIRECTORY_0+1
  mov dword [POINTERS_1], DIRECTORY_1+1
  lgdt [gdt_pointer]
  jmp 8:flat
flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, page_fault
  mov [idt+14*8], ax
  shr eax, 16
  mov [idt+14*8+6], ax
  lidt [idt_pointer]
  mov eax, CONTROL
  mov cr4, eax
  mov eax, ROOT_0
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  mov ebx, SEED
  xor ebp, ebp
again:
  call random
  and eax, 15
  cmp eax, 8
  jb edit_entry
  cmp eax, 10
  jb edit_flags
  je edit_directory
  cmp eax, 11
  je switch
  cmp eax, 12
  je toggle
  cmp eax, 13
  je several
touch:
  mov esi, again
  call random
  mov edi, eax
  and edi, 0x3fffc
  add edi, REGION
  test eax, 0x1000000
  jnz store_it
  test eax, 0x2000000
  jnz change_it
  add ebp, [edi]
  jmp again
store_it:
  mov [edi], ebx
  jmp again
change_it:
  lock add [edi], ebx
  jmp again

; One entry of a page table: any frame, any of P W U A D.
edit_entry:
  call entry
  mov [edi], eax
  invlpg [edx]
  jmp touch
; Its low byte alone.
edit_flags:
  call entry
  mov [edi], al
  invlpg [edx]
  jmp touch
; Sixteen entries, then everything is flushed.
several:
  mov ecx, 16
more:
  push ecx
  call entry
  mov [edi], eax
  pop ecx
  loop more
  jmp reload
edit_directory:
  call random
  mov edi, DIRECTORY_0+SLOT*ENTRY
  test eax, 0x1000000
  jz first
  add edi, DIRECTORY_1-DIRECTORY_0
first:
  mov ecx, TABLE_0
  test eax, 0x2000000
  jz same
  mov ecx, TABLE_1
same:
  and eax, 7
  or eax, ecx
  mov [edi], eax
reload:
  mov eax, cr3
  mov cr3, eax
  jmp touch
switch:
  mov eax, cr3
  xor eax, ROOT_0^ROOT_1
  mov cr3, eax
  jmp touch
toggle:
  mov eax, cr0
  xor eax, 0x10000
  mov cr0, eax
  jmp touch

; EDI the place of an entry, EAX its new value, EDX an address that it translates
entry:
  call random
  mov edx, eax
  shr edx, 8
  and edx, 63
  mov edi, edx
  shl edx, 12
  add edx, REGION
  shl edi, SHIFT
  add edi, TABLE_0
  test eax, 0x4000000
  jz lower
  add edi, TABLE_1-TABLE_0
lower:
  mov ecx, eax
  shr ecx, 16
  and ecx, 15
  shl ecx, 12
  and eax, 0x67
  or eax, ecx
  add eax, FRAMES
  ret
random:
  imul ebx, ebx, 1664525
  add ebx, 1013904223
  mov eax, ebx
  shr eax, 3
  xor eax, ebx
  ret
page_fault:
  pop eax
  imul ebp, ebp, 31
  add ebp, eax
  mov eax, cr2
  add ebp, eax
  mov [esp], esi
  iret
align 16
gdt:
  dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
  dw 23
  dd gdt
idt_pointer:
  dw 15*8-1
  dd idt
align 16
idt:
  times 14 dq 0
  dw 0, 8, 0x8e00, 0
image_end:
