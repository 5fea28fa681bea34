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
  jmp stored
touch_store_8:
  mov [rdi], rdi
  jmp stored
touch_change:
  lock add [rdi], ebx
  jmp stored
touch_exchange:
  xchg [rdi], rbx
  add [sum], rbx
  jmp stored
touch_copy:
  ; Of several stores each goes by the tables that the one before has left, or does not.
  cmp byte [allowed+7], 0
  je touch_scan
  mov esi, FRAMES
  mov ecx, ebx
  and ecx, 0xff
  rep movsq
  jmp again
touch_fill:
  cmp byte [allowed+7], 0
  je touch_scan
  mov ecx, ebx
  and ecx, 0x3ff
  rep stosb
  jmp again
touch_vector:
  movups xmm0, [rdi]
  movups [rdi+0x1000], xmm0
  jmp stored
touch_save:
  and rdi, -16
  fxsave [rdi]
  jmp stored
touch_push:
  cmp byte [allowed+7], 0
  je touch_store
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
  jmp stored
touch_bits:
  lock bts [rdi], ebx
  jmp stored
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
