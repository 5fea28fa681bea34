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
