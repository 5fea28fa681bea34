; A small hypervisor in eleven steps, on the bare CPU: two virtual machines take turns on one processor.
; Each VM has a VMCS of its own; the hypervisor reads why a VM came back, does what the VM asked for, and goes on.
; Field encodings: "Field Encoding in VMCS" in the SDM. 32-bit, one 4 MiB page for all.

%define COM1 0x3f8
%define IA32_FEATURE_CONTROL 0x3a
%define IA32_VMX_BASIC 0x480
%define IA32_VMX_PINBASED_CTLS 0x481
%define IA32_VMX_PROCBASED_CTLS 0x482
%define IA32_VMX_EXIT_CTLS 0x483
%define IA32_VMX_ENTRY_CTLS 0x484
%define IA32_VMX_CR0_FIXED0 0x486
%define IA32_VMX_CR0_FIXED1 0x487
%define IA32_VMX_CR4_FIXED0 0x488
%define IA32_VMX_CR4_FIXED1 0x489
%define PIN_BASED_VM_EXEC_CONTROL 0x4000
%define CPU_BASED_VM_EXEC_CONTROL 0x4002
%define VM_EXIT_CONTROLS 0x400c
%define VM_ENTRY_CONTROLS 0x4012
%define VM_INSTRUCTION_ERROR 0x4400
%define VM_EXIT_REASON 0x4402
%define VM_EXIT_INSTRUCTION_LEN 0x440c
%define GUEST_CR0 0x6800
%define GUEST_CR3 0x6802
%define GUEST_CR4 0x6804
%define GUEST_RSP 0x681c
%define GUEST_RIP 0x681e
%define HOST_CR0 0x6c00
%define HOST_CR3 0x6c02
%define HOST_CR4 0x6c04
%define HOST_RSP 0x6c14
%define HOST_RIP 0x6c16
%define HLT_EXITING 0x80
%define DIRECTORY 0x200000
%define VMXON_REGION 0x201000
%define VMCS_1 0x202000
%define VMCS_2 0x203000
; What the hypervisor keeps of a VM beside its VMCS: EAX ECX EDX EBX EBP ESI EDI, whether it was launched.
%define VM_EAX 0
%define VM_ECX 4
%define VM_EDX 8
%define VM_EBX 12
%define VM_EBP 16
%define VM_ESI 20
%define VM_EDI 24
%define VM_LAUNCHED 28
%define VM_VMCS 32
%define VM_NUMBER 40

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stack
  mov edi, DIRECTORY
  mov ecx, 0x4000/4
  xor eax, eax
  rep stosd
  lgdt [gdt_pointer]
  jmp 8:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov eax, tss
  mov [gdt_tss+2], ax
  shr eax, 16
  mov [gdt_tss+4], al
  mov [gdt_tss+7], ah
  mov ax, 0x18
  ltr ax
  ; UART: 8 bits, no parity.
  mov dx, COM1+3
  mov al, 3
  out dx, al
  mov esi, banner
  call print
  ; Is there VMX at all, and does firmware allow it?
  mov eax, 1
  cpuid
  test ecx, 0x20
  jz no_vmx
  mov ecx, IA32_FEATURE_CONTROL
  rdmsr
  test eax, 1
  jnz .locked
  or eax, 5
  wrmsr
.locked:
  and eax, 5
  cmp eax, 5
  jne no_vmx
  ; Paging on, then the bits VMX operation wants in CR0 and CR4.
  mov dword [DIRECTORY], 0x83
  mov eax, DIRECTORY
  mov cr3, eax
  mov eax, cr4
  or eax, 0x2010
  mov ecx, IA32_VMX_CR4_FIXED0
  call fix
  mov cr4, ebx
  mov eax, cr0
  or eax, 0x80000000
  mov ecx, IA32_VMX_CR0_FIXED0
  call fix
  mov cr0, ebx
  ; The regions begin with the revision of the VMCS format.
  mov ecx, IA32_VMX_BASIC
  rdmsr
  and eax, 0x7fffffff
  mov [VMXON_REGION], eax
  mov [VMCS_1], eax
  mov [VMCS_2], eax

  ; 1: switch into VMX mode, to the hypervisor.
  vmxon [vmxon_pointer]
  jbe failed
  call step
  mov esi, vmxon_text
  call print_line

  ; 2, 3: start VM1; it comes back.
  mov ebx, vm1
  mov edx, vm1_code
  call prepare
  call step
  call enter
  call step
  call report
  call new_line

  ; 4, 5: start VM2; it comes back.
  mov ebx, vm2
  mov edx, vm2_code
  call prepare
  call step
  call enter
  call step
  call report
  call new_line

  ; 6, 7 and 8: VM2 goes on, twice.
  call step
  call enter
  call step
  call report
  call new_line
  call step
  call enter

  ; 9: VM2 comes back, VM1 is switched in.
  call step
  call report
  mov esi, then_text
  call print
  mov ebx, vm1
  call select
  call enter

  ; 10: VM1 comes back and has finished.
  call step
  call report
  call new_line

  ; 11: back to regular mode.
  vmxoff
  jbe failed
  call step
  mov esi, vmxoff_text
  call print_line
  mov esi, done_text
  call print_line
  mov al, 0
end:
  out 0xf4, al
.stop:
  cli
  hlt
  jmp .stop

no_vmx:
  mov esi, no_vmx_text
  call print_line
  mov al, 1
  jmp end

; eax with the bits set that MSR ecx wants, and those cleared that MSR ecx+1 does not allow, in ebx.
fix:
  mov ebx, eax
  rdmsr
  or ebx, eax
  inc ecx
  rdmsr
  and ebx, eax
  ret

; Makes the VM at ebx the current one.
select:
  mov [current], ebx
  vmptrld [ebx+VM_VMCS]
  jbe failed
  ret

; A fresh VMCS for the VM at ebx, whose first instruction is at edx.
prepare:
  vmclear [ebx+VM_VMCS]
  jbe failed
  call select
  push edx
  ; What is the same for both VMs stands in a table.
  mov esi, fields
.field:
  lodsd
  mov edx, eax
  lodsd
  vmwrite edx, eax
  jbe failed
  cmp esi, fields_end
  jb .field
  pop eax
  mov edx, GUEST_RIP
  vmwrite edx, eax
  mov edx, GUEST_RSP
  mov eax, guest_stack
  vmwrite edx, eax
  mov eax, cr0
  mov edx, HOST_CR0
  vmwrite edx, eax
  mov edx, GUEST_CR0
  vmwrite edx, eax
  mov eax, cr3
  mov edx, HOST_CR3
  vmwrite edx, eax
  mov edx, GUEST_CR3
  vmwrite edx, eax
  mov eax, cr4
  mov edx, HOST_CR4
  vmwrite edx, eax
  mov edx, GUEST_CR4
  vmwrite edx, eax
  ; Controls: what we want, plus what the processor insists on.
  mov ecx, IA32_VMX_PINBASED_CTLS
  mov edi, PIN_BASED_VM_EXEC_CONTROL
  xor esi, esi
  call control
  mov ecx, IA32_VMX_PROCBASED_CTLS
  mov edi, CPU_BASED_VM_EXEC_CONTROL
  mov esi, HLT_EXITING
  call control
  mov ecx, IA32_VMX_EXIT_CTLS
  mov edi, VM_EXIT_CONTROLS
  xor esi, esi
  call control
  mov ecx, IA32_VMX_ENTRY_CTLS
  mov edi, VM_ENTRY_CONTROLS
  xor esi, esi

; Field edi becomes esi within what MSR ecx allows: its low half must be set, its high half may be.
control:
  rdmsr
  or esi, eax
  and esi, edx
  vmwrite edi, esi
  jbe failed
  ret

; Runs the current VM until it comes back here.
enter:
  mov ebx, [current]
  mov esi, resume_text
  cmp dword [ebx+VM_LAUNCHED], 0
  jne .say
  mov esi, launch_text
.say:
  call print
  mov al, [ebx+VM_NUMBER]
  call print_character
  call new_line
  pushad
  mov edx, HOST_RSP
  vmwrite edx, esp
  jbe failed
  mov ebx, [current]
  cmp dword [ebx+VM_LAUNCHED], 0
  mov eax, [ebx+VM_EAX]
  mov ecx, [ebx+VM_ECX]
  mov edx, [ebx+VM_EDX]
  mov ebp, [ebx+VM_EBP]
  mov esi, [ebx+VM_ESI]
  mov edi, [ebx+VM_EDI]
  mov ebx, [ebx+VM_EBX]
  je .launch
  vmresume
  jmp failed
.launch:
  vmlaunch
  jmp failed
; HOST_RIP: the registers are still the VM's.
exit_point:
  push ebx
  mov ebx, [current]
  mov [ebx+VM_EAX], eax
  mov [ebx+VM_ECX], ecx
  mov [ebx+VM_EDX], edx
  mov [ebx+VM_EBP], ebp
  mov [ebx+VM_ESI], esi
  mov [ebx+VM_EDI], edi
  pop dword [ebx+VM_EBX]
  mov dword [ebx+VM_LAUNCHED], 1
  popad
  ret

; Says why the current VM came back, does what it asked for, and steps over the instruction.
report:
  mov esi, vm_text
  call print
  mov ebx, [current]
  mov al, [ebx+VM_NUMBER]
  call print_character
  mov esi, exits_text
  call print
  mov edx, VM_EXIT_REASON
  vmread eax, edx
  push eax
  call print_decimal
  pop eax
  mov esi, cpuid_text
  cmp eax, 10
  je .name
  mov esi, hlt_text
  cmp eax, 12
  je .name
  mov esi, vmcall_text
  cmp eax, 18
  je .name
  mov esi, other_text
.name:
  push eax
  call print
  pop eax
  cmp eax, 10
  jne .advance
  ; CPUID always comes here: give the VM the answer, with the hypervisor bit added.
  mov edi, [current]
  mov eax, [edi+VM_EAX]
  mov ecx, [edi+VM_ECX]
  cpuid
  or ecx, 0x80000000
  mov [edi+VM_EAX], eax
  mov [edi+VM_ECX], ecx
  mov [edi+VM_EDX], edx
  mov [edi+VM_EBX], ebx
.advance:
  mov edx, VM_EXIT_INSTRUCTION_LEN
  vmread ecx, edx
  mov edx, GUEST_RIP
  vmread eax, edx
  add eax, ecx
  vmwrite edx, eax
  ret

failed:
  mov esi, failed_text
  call print
  mov edx, VM_INSTRUCTION_ERROR
  vmread eax, edx
  call print_decimal
  call new_line
  mov al, 2
  jmp end

; VM1 asks who it runs on, VM2 asks its hypervisor first.
vm1_code:
  mov eax, 1
  cpuid
  bt ecx, 31
  adc byte [seen], 0
  hlt
  jmp vm1_code
vm2_code:
  mov eax, 7
  vmcall
  mov eax, 1
  cpuid
  bt ecx, 31
  adc byte [seen], 0
  hlt
  jmp vm2_code

%include "lib/step.asm"

%include "lib/print.asm"

banner: db "Vitrine vmm11: one day in VMM paradise", 13, 10, 0
no_vmx_text: db "no VMX here: start the machine with -cpu vitrine,+vmx", 0
vmxon_text: db "VMXON", 0
vmxoff_text: db "VMXOFF", 0
launch_text: db "VMLAUNCH VM", 0
resume_text: db "VMRESUME VM", 0
vm_text: db "VM", 0
exits_text: db " exits: reason ", 0
then_text: db "; ", 0
cpuid_text: db " CPUID", 0
hlt_text: db " HLT", 0
vmcall_text: db " VMCALL", 0
other_text: db " (unexpected)", 0
failed_text: db "VMX instruction failed, error ", 0
done_text: db "both machines are gone", 0

align 8
gdt:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
gdt_tss:
  dq 0x0000890000000067
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dd gdt

align 8
vmxon_pointer: dq VMXON_REGION
vm1: times 8 dd 0
  dq VMCS_1
  db '1'
align 8
vm2: times 8 dd 0
  dq VMCS_2
  db '2'
align 4
current: dd 0
steps: dd 0
seen: dd 0

; Fields both VMs share, with their values.
align 4
fields:
  ; No exceptions, masks, bitmaps or lists.
  dd 0x4004,0, 0x4006,0, 0x4008,0, 0x400a,0, 0x400e,0, 0x4010,0, 0x4014,0, 0x4016,0
  dd 0x6000,0, 0x6002,0, 0x6004,0, 0x6006,0
  ; No other VMCS is linked.
  dd 0x2800,0xffffffff, 0x2801,0xffffffff
  ; Guest: flat segments ES CS SS DS FS GS, no LDT, the hypervisor's task state.
  dd 0x800,0x10, 0x802,8, 0x804,0x10, 0x806,0x10, 0x808,0x10, 0x80a,0x10, 0x80c,0, 0x80e,0x18
  dd 0x4800,-1, 0x4802,-1, 0x4804,-1, 0x4806,-1, 0x4808,-1, 0x480a,-1, 0x480c,0, 0x480e,0x67
  dd 0x4814,0xc093, 0x4816,0xc09b, 0x4818,0xc093, 0x481a,0xc093, 0x481c,0xc093, 0x481e,0xc093
  dd 0x4820,0x10000, 0x4822,0x8b
  dd 0x6806,0, 0x6808,0, 0x680a,0, 0x680c,0, 0x680e,0, 0x6810,0, 0x6812,0, 0x6814,tss
  dd 0x6816,gdt, 0x4810,gdt_end-gdt-1, 0x6818,0, 0x4812,0
  ; Guest: DR7, RFLAGS, nothing pending, active, no SYSENTER, no DEBUGCTL.
  dd 0x681a,0x400, 0x6820,2, 0x6822,0, 0x4824,0, 0x4826,0, 0x482a,0, 0x6824,0, 0x6826,0, 0x2802,0, 0x2803,0
  ; Host: where an exit leads.
  dd 0xc00,0x10, 0xc02,8, 0xc04,0x10, 0xc06,0x10, 0xc08,0x10, 0xc0a,0x10, 0xc0c,0x18
  dd 0x6c06,0, 0x6c08,0, 0x6c0a,tss, 0x6c0c,gdt, 0x6c0e,0, 0x4c00,0, 0x6c10,0, 0x6c12,0
  dd HOST_RIP,exit_point
fields_end:

tss: times 104 db 0

align 4096
image_end:
guest_stack equ image_end+0x1000
stack equ image_end+0x2000
bss_end equ image_end+0x2000
