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
