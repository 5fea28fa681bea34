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
  call settle
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

; A store may have changed the table of a translation that is still in use: where engines are compared none outlives it.
stored:
  call settle
  jmp again
settle:
  cmp byte [allowed+7], 0
  jne .wild
  mov rax, cr3
  mov cr3, rax
.wild:
  ret

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
