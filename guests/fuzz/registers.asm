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
