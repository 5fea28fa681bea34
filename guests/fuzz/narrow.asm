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
