; A 64-bit host.
  mov eax, 0x2020
  mov cr4, eax
  mov eax, PML4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, 0x80000031
  mov cr0, eax
  jmp 8:begin
bits 64
; edx: the low half of field eax.
read:
  vmread rdx, rax
  ret
; Field eax becomes the value at esi+4; CF or ZF when refused.
write:
  mov rdx, [rsi+4]
  vmwrite rax, rdx
  ret
; The eight bytes at eax become the value at esi+4.
memory:
  mov rdx, [rsi+4]
  mov [rax], rdx
  ret
