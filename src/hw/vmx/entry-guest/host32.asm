; A 32-bit host without PAE.
  mov eax, 0x2010
  mov cr4, eax
  mov eax, SMALL_DIRECTORY
  mov cr3, eax
  mov eax, 0x80000031
  mov cr0, eax
  jmp 0x20:begin
; edx: the low half of field eax.
read:
  vmread edx, eax
  ret
; Field eax becomes the value at esi+4, a 64-bit field in two halves; CF or ZF when refused.
write:
  mov edx, [esi+4]
  vmwrite eax, edx
  jbe .end
  mov edi, eax
  and edi, 0x6000
  cmp edi, 0x2000
  jne .one
  inc eax
  mov edx, [esi+8]
  vmwrite eax, edx
.end:
  ret
.one:
  test esp, esp
  ret
; The eight bytes at eax become the value at esi+4.
memory:
  mov edx, [esi+4]
  mov [eax], edx
  mov edx, [esi+8]
  mov [eax+4], edx
  ret
