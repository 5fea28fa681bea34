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
