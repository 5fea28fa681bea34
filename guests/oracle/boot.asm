; Boot sector for Bochs, which has no -kernel: reads SECTORS sectors (at most 62, the rest of the first track), copies them
; to 100000 and jumps to ENTRY.
%ifndef SECTORS
%define SECTORS 8
%endif
bits 16
org 0x7c00
  xor ax,ax
  mov ds,ax
  mov ss,ax
  mov sp,0x7c00
  mov [drive],dl
  mov ax,0x1000
  mov es,ax
  xor bx,bx
  mov ax,0x0200+SECTORS
  mov cx,2
  mov dh,0
  mov dl,[drive]
  int 0x13
  cli
  in al,0x92
  or al,2
  out 0x92,al
  lgdt [gp]
  mov eax,cr0
  or al,1
  mov cr0,eax
  jmp dword 8:pm
bits 32
pm: mov ax,16
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov esi,0x10000
  mov edi,0x100000
  mov ecx,SECTORS*512
  cld
  rep movsb
  mov eax,ENTRY
  jmp eax
drive: db 0
align 8
g: dq 0,0x00cf9b000000ffff,0x00cf93000000ffff
gp: dw 23
  dd g
times 510-($-$$) db 0
dw 0xaa55
