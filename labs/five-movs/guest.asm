; Five MOVs, each alone between two labels. Before each one its translation is thrown away with INVLPG, so that
; what it costs is what a first use costs. Everything else it needs has been used before.
;
;   400000 -> 300000     an ordinary page
;   401000 -> nothing    the handler maps 301000
;   402000 -> 203000     the page table that maps all this
;   403000 -> FED00000   the HPET's registers

%define PML4 0x200000
%define TABLE 0x203000

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stack
  mov edi, PML4
  mov ecx, 0x4000/4
  xor eax, eax
  rep stosd
  mov dword [PML4], 0x201003
  mov dword [0x201000], 0x202003
  ; Code and tables: two 2 MiB pages, mapped to themselves.
  mov dword [0x202000], 0x83
  mov dword [0x202008], 0x200083
  mov dword [0x202010], TABLE+3
  mov dword [TABLE], 0x300003
  mov dword [TABLE+16], TABLE+3
  mov dword [TABLE+24], 0xfed00003
  mov eax, cr4
  or eax, 0x20
  mov cr4, eax
  mov eax, PML4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr0
  or eax, 0x80010001
  mov cr0, eax
  lgdt [gdt_pointer]
  jmp 8:long_mode

bits 64
long_mode:
  mov eax, 0x10
  mov ds, eax
  mov es, eax
  mov ss, eax
  mov rsp, stack
  mov edi, idt+14*16
  mov eax, page_fault
  call set_gate
  mov edi, idt+0x30*16
  mov eax, nothing
  call set_gate
  lidt [idt_pointer]
  ; Use the interrupt table, the stack and every page once.
  int 0x30
  xor eax, eax
  xor edx, edx
  mov [0x300000], eax
  mov [0x301000], eax
  mov [0x400000], eax
  mov [0x402800], eax
  mov [0x403010], eax

  jmp case_register
align 64
case_register:
  mov eax, edx
case_register_end:
  mov ebx, 0x400000
  invlpg [rbx]
case_mapped:
  mov [rbx], eax
case_mapped_end:
  mov ebx, 0x401000
  invlpg [rbx]
case_absent:
  mov [rbx], eax
case_absent_end:
  mov ebx, 0x402800
  invlpg [rbx]
case_table:
  mov [rbx], eax
case_table_end:
  mov ebx, 0x403010
  invlpg [rbx]
case_mmio:
  mov [rbx], eax
case_mmio_end:
  mov al, 0
  out 0xf4, al
stop:
  hlt
  jmp stop

; The page that was not there is there from now on.
page_fault:
  nop
  mov qword [TABLE+8], 0x301003
  add rsp, 8
nothing:
  iretq

set_gate:
  mov [rdi], ax
  mov word [rdi+2], 8
  mov word [rdi+4], 0x8e00
  shr eax, 16
  mov [rdi+6], ax
  ret

align 8
gdt: dq 0, 0x00209a0000000000, 0x0000920000000000
gdt_end:
gdt_pointer:
  dw gdt_end-gdt-1
  dd gdt
  dd 0
idt_pointer:
  dw 256*16-1
  dq idt

align 4096
image_end:
idt equ image_end
stack equ image_end+0x3000
bss_end equ image_end+0x3000
