; Tries one VM entry after the other and prints what the processor answers: a small host for the cases of ../entry-cases.ts.
; start.asm, then host32.asm or host64.asm, then cases.asm, then the cases as data. Multiboot 1; Bochs gets a boot sector.
;
;   NNN I        VMfailInvalid                     NNN V E      VMfailValid with VM-instruction error E
;   NNN X F ..   VM exit, with the fields asked for            NNN W F ..   VMWRITE of field F failed
;
; A case is a count and that many {field u32, value u64}, then the fields u32 to print after a VM exit and a zero. A field of
; 1000_0000h and above is memory: the eight bytes at the rest of the number.

%define COM1 0x3f8
%define PML4 0x200000
%define PDPT 0x201000
%define DIRECTORY 0x202000
%define SMALL_DIRECTORY 0x203000
%define PAE_PDPT 0x204000
%define PAE_DIRECTORY 0x205000
%define EPT_PML4 0x206000
%define EPT_PDPT 0x207000
%define VMXON_REGION 0x20b000
%define VMCS_REGION 0x20c000
%define TABLES_END 0x210000
%define VM_INSTRUCTION_ERROR 0x4400

bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start

start:
  cli
  cld
  mov esp, stack
  mov edi, PML4
  mov ecx, (TABLES_END-PML4)/4
  xor eax, eax
  rep stosd
  ; 1 GiB one to one in every kind of table.
  mov dword [PML4], PDPT+7
  mov dword [PDPT], DIRECTORY+7
  mov dword [SMALL_DIRECTORY], 0x87
  mov dword [PAE_PDPT], PAE_DIRECTORY+1
  mov dword [EPT_PML4], EPT_PDPT+7
  mov dword [EPT_PDPT], 0xb7
  mov edi, DIRECTORY
  mov esi, PAE_DIRECTORY
  mov eax, 0x83
  mov ecx, 512
.page:
  mov [edi], eax
  mov [esi], eax
  add eax, 0x200000
  add edi, 8
  add esi, 8
  dec ecx
  jnz .page
  mov dx, COM1+3
  mov al, 3
  out dx, al
  lgdt [gdt_pointer]
  mov ax, 0x18
  ltr ax
  mov ecx, 0x3a
  rdmsr
  test eax, 1
  jnz .locked
  or eax, 5
  wrmsr
.locked:
  mov ecx, 0x480
  rdmsr
  and eax, 0x7fffffff
  mov [VMXON_REGION], eax
  mov [VMCS_REGION], eax
