; nasm -f bin first-hypervisor.asm, then hexadecimal: first-hypervisor.hex
bits 64
org 0x1000
; a hypervisor on the bare CPU: VMXON, VMCLEAR, VMPTRLD, host and guest state, VMLAUNCH, exit, VMRESUME, exit, VMXOFF
%macro W 2
  mov rax, %1
  mov rcx, %2
  vmwrite rax, rcx
  jbe fail
%endmacro
start:
  mov rsp, 0x9000
  mov rax, cr4
  or rax, 0x2000
  mov cr4, rax
  mov ecx, 0x480
  rdmsr
  mov [0x20000], eax
  mov [0x21000], eax
  vmxon [regionp]
  jbe fail
  vmclear [vmcsp]
  jbe fail
  vmptrld [vmcsp]
  jbe fail
  mov rax, 0x4402
  mov rcx, 0
  vmwrite rax, rcx
  jnz fail           ; read-only: VMfailValid
  W 0x4000, 0x16
  W 0x4002, 0x04006172 | 0x80
  W 0x400c, 0x36dfb | 0x200
  W 0x4012, 0x11fb | 0x200
  W 0x2800, -1
  W 0x0c02, 8
  W 0x0c0c, 0x10
  mov rcx, cr0
  mov rax, 0x6c00
  vmwrite rax, rcx
  mov rax, 0x6800
  vmwrite rax, rcx
  mov rcx, cr3
  mov rax, 0x6c02
  vmwrite rax, rcx
  mov rax, 0x6802
  vmwrite rax, rcx
  mov rcx, cr4
  mov rax, 0x6c04
  vmwrite rax, rcx
  mov rax, 0x6804
  vmwrite rax, rcx
  W 0x6c14, 0x9000
  W 0x6c16, onexit
  W 0x0802, 8
  W 0x4802, 0xffffffff
  W 0x4816, 0xa09b
  W 0x4814, 0x10000
  W 0x4818, 0x10000
  W 0x481a, 0x10000
  W 0x481c, 0x10000
  W 0x481e, 0x10000
  W 0x4820, 0x10000
  W 0x4822, 0x8b
  W 0x480e, 0x67
  W 0x681a, 0x400
  W 0x681c, 0xa000
  W 0x681e, guest
  W 0x6820, 2
  xor ebx, ebx
  vmlaunch
fail:
  mov dword [0x3000], 0xdead
  hlt
guest:
  mov eax, 1
  cpuid
  vmcall
  hlt
onexit:
  mov rax, 0x4402
  vmread rcx, rax
  mov [0x3000+rbx*4], ecx
  inc ebx
  cmp ebx, 3
  je done
  mov rax, 0x440c
  vmread [0x3100], rax
  mov rax, 0x681e
  vmread rcx, rax
  add rcx, [0x3100]
  vmwrite rax, rcx
  vmresume
  jmp fail
done:
  vmptrst [0x3108]
  vmxoff
  jbe fail
  mov dword [0x3020], 0x600d
  hlt
align 8
regionp: dq 0x20000
vmcsp: dq 0x21000
