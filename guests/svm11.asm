; The eleven steps of vmm11 with AMD's SVM: two virtual machines take turns on one processor.
; Each VM has a VMCB of its own, plain memory that the hypervisor writes; VMRUN takes it in RAX and comes back behind itself.
; Layout: "VMCB Layout, Control Area" and "VMCB Layout, State Save Area" in the APM. 32-bit, one 4 MiB page for all.

%define COM1 0x3f8
%define EFER 0xc0000080
%define VM_CR 0xc0010114
%define VM_HSAVE_PA 0xc0010117
%define DIRECTORY 0x200000
%define HOST_SAVE 0x201000
%define VMCB_1 0x202000
%define VMCB_2 0x203000
; Nested tables, in the hypervisor's own paging mode: one 4 MiB page that lies where it seems to lie.
%define NESTED 0x204000
; Fields of a VMCB.
%define INTERCEPT_INSTR1 0x00c
%define INTERCEPT_INSTR2 0x010
%define GUEST_ASID 0x058
%define EXITCODE 0x070
%define NP_ENABLE 0x090
%define N_CR3 0x0b0
%define G_PAT 0x668
%define VMCB_EFER 0x4d0
%define VMCB_CR4 0x548
%define VMCB_CR3 0x550
%define VMCB_CR0 0x558
%define VMCB_DR7 0x560
%define VMCB_DR6 0x568
%define VMCB_RFLAGS 0x570
%define VMCB_RIP 0x578
%define VMCB_RSP 0x5d8
%define VMCB_RAX 0x5f8
%define INTERCEPT_CPUID 0x00040000
%define INTERCEPT_HLT 0x01000000
%define INTERCEPT_SHUTDOWN 0x80000000
%define INTERCEPT_VMRUN 1
%define INTERCEPT_VMMCALL 2
; What the hypervisor keeps of a VM beside its VMCB: ECX EDX EBX EBP ESI EDI. EAX and ESP are in the VMCB.
%define VM_ECX 0
%define VM_EDX 4
%define VM_EBX 8
%define VM_EBP 12
%define VM_ESI 16
%define VM_EDI 20
%define VM_VMCB 24
%define VM_NUMBER 28

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
  mov ecx, 0x5000/4
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
  ; UART: 8 bits, no parity.
  mov dx, COM1+3
  mov al, 3
  out dx, al
  mov esi, banner
  call print
  ; Is there SVM at all, and does firmware allow it?
  mov eax, 0x80000000
  cpuid
  cmp eax, 0x8000000a
  jb no_svm
  mov eax, 0x80000001
  cpuid
  test ecx, 4
  jz no_svm
  mov ecx, VM_CR
  rdmsr
  test eax, 0x10
  jnz no_svm
  mov eax, 0x8000000a
  cpuid
  and edx, 1
  mov [nested], edx
  ; Paging on.
  mov dword [DIRECTORY], 0x83
  mov dword [NESTED], 0x87
  mov eax, DIRECTORY
  mov cr3, eax
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax

  ; 1: switch SVM on, give VMRUN a page for the host's state.
  mov ecx, EFER
  rdmsr
  or eax, 0x1000
  wrmsr
  mov ecx, VM_HSAVE_PA
  mov eax, HOST_SAVE
  xor edx, edx
  wrmsr
  call step
  mov esi, on_text
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
  mov dword [current], vm1
  call enter

  ; 10: VM1 comes back and has finished.
  call step
  call report
  call new_line

  ; 11: back to regular mode.
  stgi
  mov ecx, EFER
  rdmsr
  and eax, 0xffffefff
  wrmsr
  call step
  mov esi, off_text
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

no_svm:
  mov esi, no_svm_text
  call print_line
  mov al, 1
  jmp end

; A VMCB for the VM at ebx, whose first instruction is at edx. The VM becomes the current one.
prepare:
  mov [current], ebx
  mov edi, [ebx+VM_VMCB]
  mov dword [edi+INTERCEPT_INSTR1], INTERCEPT_CPUID+INTERCEPT_HLT+INTERCEPT_SHUTDOWN
  mov dword [edi+INTERCEPT_INSTR2], INTERCEPT_VMRUN+INTERCEPT_VMMCALL
  ; ASID 0 is the hypervisor's.
  movzx eax, byte [ebx+VM_NUMBER]
  and eax, 15
  mov [edi+GUEST_ASID], eax
  mov eax, [nested]
  mov [edi+NP_ENABLE], eax
  mov dword [edi+N_CR3], NESTED
  mov dword [edi+G_PAT], 0x00070406
  mov dword [edi+G_PAT+4], 0x00070406
  ; Flat segments ES CS SS DS: selector, attributes, limit, base.
  mov dword [edi+0x400], 0x0c930010
  mov dword [edi+0x410], 0x0c9b0008
  mov dword [edi+0x420], 0x0c930010
  mov dword [edi+0x430], 0x0c930010
  mov dword [edi+0x404], -1
  mov dword [edi+0x414], -1
  mov dword [edi+0x424], -1
  mov dword [edi+0x434], -1
  mov dword [edi+0x464], gdt_end-gdt-1
  mov dword [edi+0x468], gdt
  mov dword [edi+VMCB_EFER], 0x1000
  mov eax, cr0
  mov [edi+VMCB_CR0], eax
  mov eax, cr3
  mov [edi+VMCB_CR3], eax
  mov eax, cr4
  mov [edi+VMCB_CR4], eax
  mov dword [edi+VMCB_DR6], 0xffff0ff0
  mov dword [edi+VMCB_DR7], 0x400
  mov dword [edi+VMCB_RFLAGS], 2
  mov [edi+VMCB_RIP], edx
  mov dword [edi+VMCB_RSP], guest_stack
  ret

; Runs the current VM until it comes back here. VMRUN keeps EAX and ESP apart, the rest is up to us.
enter:
  mov esi, run_text
  call print
  mov ebx, [current]
  mov al, [ebx+VM_NUMBER]
  call print_character
  call new_line
  pushad
  clgi
  mov ebx, [current]
  mov eax, [ebx+VM_VMCB]
  mov ecx, [ebx+VM_ECX]
  mov edx, [ebx+VM_EDX]
  mov ebp, [ebx+VM_EBP]
  mov esi, [ebx+VM_ESI]
  mov edi, [ebx+VM_EDI]
  mov ebx, [ebx+VM_EBX]
  vmrun
  push ebx
  mov ebx, [current]
  mov [ebx+VM_ECX], ecx
  mov [ebx+VM_EDX], edx
  mov [ebx+VM_EBP], ebp
  mov [ebx+VM_ESI], esi
  mov [ebx+VM_EDI], edi
  pop dword [ebx+VM_EBX]
  stgi
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
  mov edi, [ebx+VM_VMCB]
  mov eax, [edi+EXITCODE]
  push eax
  call print_hex
  pop eax
  mov esi, cpuid_text
  mov ecx, 2
  cmp eax, 0x72
  je .name
  mov esi, hlt_text
  mov ecx, 1
  cmp eax, 0x78
  je .name
  mov esi, vmmcall_text
  mov ecx, 3
  cmp eax, 0x81
  je .name
  mov esi, other_text
  call print_line
  mov al, 2
  jmp end
.name:
  ; The instruction's length: not every processor saves the next rIP.
  add [edi+VMCB_RIP], ecx
  push eax
  call print
  pop eax
  cmp eax, 0x72
  jne .done
  ; Give the VM the answer, with the hypervisor bit added.
  mov ebp, ebx
  mov eax, [edi+VMCB_RAX]
  mov ecx, [ebp+VM_ECX]
  cpuid
  or ecx, 0x80000000
  mov [edi+VMCB_RAX], eax
  mov [ebp+VM_ECX], ecx
  mov [ebp+VM_EDX], edx
  mov [ebp+VM_EBX], ebx
.done:
  ret

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
  vmmcall
  mov eax, 1
  cpuid
  bt ecx, 31
  adc byte [seen], 0
  hlt
  jmp vm2_code

%include "lib/step.asm"

%include "lib/print.asm"

; al in two hexadecimal digits.
print_hex:
  push eax
  shr al, 4
  call .digit
  pop eax
  and al, 15
.digit:
  cmp al, 10
  jb .decimal
  add al, 'A'-'0'-10
.decimal:
  add al, '0'
  jmp print_character

banner: db "Vitrine svm11: the same day with SVM", 13, 10, 0
no_svm_text: db "no SVM here: start the machine with -cpu vitrine-amd,+svm", 0
on_text: db "EFER.SVME = 1", 0
off_text: db "EFER.SVME = 0", 0
run_text: db "VMRUN VM", 0
vm_text: db "VM", 0
exits_text: db " exits: code ", 0
then_text: db "; ", 0
cpuid_text: db " CPUID", 0
hlt_text: db " HLT", 0
vmmcall_text: db " VMMCALL", 0
other_text: db " (unexpected)", 0
done_text: db "both machines are gone", 0

align 8
gdt:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dd gdt

align 8
vm1: times 6 dd 0
  dd VMCB_1
  db '1'
align 8
vm2: times 6 dd 0
  dd VMCB_2
  db '2'
align 4
current: dd 0
steps: dd 0
seen: dd 0
nested: dd 0

align 4096
image_end:
guest_stack equ image_end+0x1000
stack equ image_end+0x2000
bss_end equ image_end+0x2000
