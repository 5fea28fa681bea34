; Devices.

; EDX a port, EAX a number
port:
  call random
  mov edx, eax
  and edx, 127
  movzx edx, word [rdx*2+ports]
  test eax, 0xf00
  jnz .known
  movzx edx, ax
  bswap eax
.known:
  push rdx
  call number
  pop rdx
  mov ebx, r11d
  ret
out_step:
  mov ebp, 4
.again:
  call port
  test ebx, 0x300
  jz .four
  test ebx, 0x100
  jz .two
  out dx, al
  dec ebp
  jnz .again
  jmp again
.two:
  out dx, ax
  jmp again
.four:
  out dx, eax
  jmp again
in_step:
  mov ebp, 4
.again:
  call port
  xor eax, eax
  test ebx, 0x300
  jz .four
  test ebx, 0x100
  jz .two
  in al, dx
  add [sum], eax
  dec ebp
  jnz .again
  jmp again
.two:
  in ax, dx
  add [sum], eax
  jmp again
.four:
  in eax, dx
  add [sum], eax
  jmp again
; String instructions, from and to memory that may not be there.
strings:
  call port
  mov ecx, ebx
  and ecx, 63
  mov edi, FRAMES+0x8000
  mov esi, FRAMES
  test ebx, 0x3000
  jnz .mapped
  push rcx
  call address
  pop rcx
  mov rsi, rdi
.mapped:
  shr ebx, 16
  test ebx, 0x80
  jz .forwards
  std
.forwards:
  and ebx, 7
  cmp ebx, 1
  jb .insb
  je .insw
  cmp ebx, 3
  jb .insd
  je .outsb
  cmp ebx, 5
  jb .outsw
  je .outsd
  insb
  outsb
  jmp .done
.insb:
  rep insb
  jmp .done
.insw:
  rep insw
  jmp .done
.insd:
  rep insd
  jmp .done
.outsb:
  rep outsb
  jmp .done
.outsw:
  rep outsw
  jmp .done
.outsd:
  rep outsd
.done:
  cld
  jmp again
; Any register of any device on the PCI bus; mostly of those that are there.
configure:
  call random
  mov ebx, eax
  and eax, 0x1ffc
  test ebx, 0x10000000
  jz .near
  mov eax, ebx
  and eax, 0xfffffc
.near:
  bts eax, 31
  mov dx, 0xcf8
  out dx, eax
  call number
  mov ecx, ebx
  shr ecx, 24
  and ecx, 3
  lea edx, [ecx+0xcfc]
  test ebx, 0x4000000
  jz .read
  test ebx, 0x20000000
  jz .wide
  out dx, al
  jmp again
.wide:
  mov edx, 0xcfc
  out dx, eax
.read:
  in eax, dx
  add [sum], eax
  jmp again
; Registers of the local APIC: any, then it is made to work again now and then.
apic:
  call random
  mov ebx, eax
  and ebx, 0xff0
  test eax, 0x7000
  jnz .aligned
  mov ebx, eax
  shr ebx, 16
  and ebx, 0xfff
.aligned:
  ; The command register less often than the others: most of what it can say stops this processor.
  mov ecx, ebx
  and ecx, 0xff0
  cmp ecx, 0x300
  jne .write
  test eax, 0x700000
  jnz again
.write:
  push rax
  call number
  pop rcx
  test ecx, 0x8000
  jz .read
  mov [ebx+APIC], eax
.read:
  mov eax, [ebx+APIC]
  add [sum], eax
  jmp again
ioapic:
  call number
  mov ebx, eax
  call random
  mov ecx, eax
  and ecx, 0x3f
  mov edx, 0xfec00000
  mov [rdx], ecx
  mov [rdx+0x10], ebx
  mov eax, [rdx+0x10]
  add [sum], eax
  jmp again
hpet:
  call number
  mov rbx, rax
  call random
  mov ecx, eax
  and ecx, 0x1f8
  test eax, 0x7000
  jnz .aligned
  mov ecx, eax
  shr ecx, 16
  and ecx, 0x3ff
.aligned:
  test eax, 0x8000
  jz .narrow
  mov [ecx+0xfed00000], rbx
  jmp .read
.narrow:
  mov [ecx+0xfed00000], ebx
.read:
  mov rax, [ecx+0xfed00000]
  add [sum], rax
  jmp again
; The window of the VGA, through whatever its registers are.
video:
  call random
  mov ebx, eax
  mov edi, eax
  and edi, 0x1ffff
  add edi, 0xa0000
  mov ecx, eax
  shr ecx, 24
  and ecx, 31
  test ebx, 0x200000
  jz .read
  rep stosd
  jmp again
.read:
  mov rsi, rdi
  mov edi, FRAMES
  rep movsb
  jmp again
; Interrupts, as they come.
open:
  sti
  mov ecx, 50
.wait:
  loop .wait
  cli
  jmp again
; Until the timer: at most 1,000 instructions of idle time.
halt:
  mov byte [in_sandbox], 1
  call arm
  mov eax, APIC
  mov dword [rax+0x380], 900
  mov dword [rax+0x80], 0
  sti
  hlt
  cli
  jmp again
; Work: nothing forbidden happens.
compute:
  mov esi, FRAMES
  mov ecx, 0x400
  mov rdx, [sum]
.word:
  lodsq
  xor rdx, rax
  rol rdx, 7
  imul rdx, rdx, 31
  mov [rsi-8], rdx
  loop .word
  mov [sum], rdx
  jmp again
