; A moving picture on the standard VGA: a square wanders over it, the mouse drags another one, keys 1 to 4 choose 8, 16, 24 or
; 32 bits a pixel. Every key and packet of the mouse is told on the serial port. 32-bit protected mode, no paging.
;
;   100000  this image     600000  interrupt descriptors     700000  stack, downwards

%define COM1 0x3f8
%define CODE 0x08
%define DATA 0x10
%define IDT 0x600000
%define STACK 0x700000
%define WIDTH 640
%define HEIGHT 480
%define SQUARE 48
%define POINTER 12
%define BACK 0x01
%define WANDERER 0xfc
%define DRAGGED 0xe3
; 60 pictures a second: 1193182/60
%define RATE 19886

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start

start:
  cli
  cld
  mov esp, STACK
  lgdt [gdtr]
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  push dword CODE
  push dword reloaded
  retf
reloaded:
  ; The framebuffer is where BAR 0 of device 2 says.
  mov dx, 0xcf8
  mov eax, 0x80001010
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  and eax, 0xfffffff0
  mov [framebuffer], eax
  ; Gates of vectors 20h to 2Fh: PIC inputs.
  mov edi, IDT+0x20*8
  mov ecx, 16
gates:
  mov eax, quiet
  call gate
  loop gates
  mov edi, IDT+0x20*8
  mov eax, timer
  call gate
  mov eax, keyboard
  call gate
  mov edi, IDT+0x2c*8
  mov eax, mouse
  call gate
  lidt [idtr]
  mov esi, ports
  mov ecx, (ports_end-ports)/4
program:
  lodsd
  mov edx, eax
  shr edx, 16
  out dx, al
  loop program
  call open_mouse
  mov al, 32
  call set_mode
  mov esi, ready
  call print
  sti
again:
  hlt
  cmp dword [asked], 0
  je same_mode
  mov eax, [asked]
  mov dword [asked], 0
  call set_mode
same_mode:
  cmp dword [ticks], 0
  je again
  mov dword [ticks], 0
  call paint
  jmp again

; eax handler -> descriptor at edi, which moves on.
gate:
  push eax
  mov [edi], ax
  mov word [edi+2], CODE
  mov word [edi+4], 0x8e00
  shr eax, 16
  mov [edi+6], ax
  add edi, 8
  pop eax
  ret

timer:
  push eax
  inc dword [ticks]
  mov al, 0x20
  out 0x20, al
  pop eax
  iretd
quiet:
  push eax
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop eax
  iretd
keyboard:
  pushad
  in al, 0x60
  mov bl, al
  mov esi, key_text
  call print
  mov al, bl
  call print_hex
  mov esi, line_end
  call print
  ; Keys 1 to 4, going down: codes 2 to 5 of set 1.
  sub bl, 2
  cmp bl, 3
  ja key_done
  movzx ebx, bl
  movzx eax, byte [depths+ebx]
  mov [asked], eax
key_done:
  mov al, 0x20
  out 0x20, al
  popad
  iretd
mouse:
  pushad
  in al, 0x60
  mov ecx, [have]
  mov [packet+ecx], al
  inc ecx
  mov [have], ecx
  cmp ecx, [length]
  jb mouse_done
  mov dword [have], 0
  mov esi, mouse_text
  call print
  xor ebx, ebx
told:
  mov al, [packet+ebx]
  call print_hex
  inc ebx
  cmp ebx, [length]
  jb told
  mov esi, line_end
  call print
  call move_pointer
mouse_done:
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  popad
  iretd

; Byte 1 moves right, byte 2 up; their ninth bits are 4 and 5 of byte 0.
move_pointer:
  movzx eax, byte [packet+1]
  test byte [packet], 0x10
  jz right
  sub eax, 256
right:
  add eax, [pointer_x]
  mov ebx, WIDTH-POINTER
  call within
  mov [pointer_x], eax
  movzx eax, byte [packet+2]
  test byte [packet], 0x20
  jz upwards
  sub eax, 256
upwards:
  neg eax
  add eax, [pointer_y]
  mov ebx, HEIGHT-POINTER
  call within
  mov [pointer_y], eax
  ret
; eax into 0 to ebx
within:
  test eax, eax
  jns not_below
  xor eax, eax
not_below:
  cmp eax, ebx
  jbe not_above
  mov eax, ebx
not_above:
  ret

paint:
  mov al, BACK
  mov ebx, [square_x]
  mov ecx, [square_y]
  mov ebp, SQUARE
  call fill
  mov al, BACK
  mov ebx, [drawn_x]
  mov ecx, [drawn_y]
  mov ebp, POINTER
  call fill
  mov eax, [square_x]
  add eax, [step_x]
  mov [square_x], eax
  mov ebx, WIDTH-SQUARE
  cmp eax, ebx
  jb keeps_x
  neg dword [step_x]
  call within
  mov [square_x], eax
keeps_x:
  mov eax, [square_y]
  add eax, [step_y]
  mov [square_y], eax
  mov ebx, HEIGHT-SQUARE
  cmp eax, ebx
  jb keeps_y
  neg dword [step_y]
  call within
  mov [square_y], eax
keeps_y:
  mov al, WANDERER
  mov ebx, [square_x]
  mov ecx, [square_y]
  mov ebp, SQUARE
  call fill
  mov ebx, [pointer_x]
  mov [drawn_x], ebx
  mov ecx, [pointer_y]
  mov [drawn_y], ecx
  mov al, DRAGGED
  mov ebp, POINTER
  call fill
  ret

; A square of colour al (RRRGGGBB) at ebx, ecx, with sides of ebp pixels.
fill:
  call native
  push eax
  mov eax, ecx
  imul eax, eax, WIDTH
  add eax, ebx
  imul eax, [bytes]
  add eax, [framebuffer]
  mov edx, eax
  pop eax
  mov esi, ebp
fill_line:
  mov edi, edx
  mov ecx, esi
  call run
  push eax
  mov eax, [bytes]
  imul eax, eax, WIDTH
  add edx, eax
  pop eax
  dec ebp
  jnz fill_line
  ret

; ecx pixels of native colour eax at edi
run:
  cmp dword [bytes], 2
  jb run8
  je run16
  cmp dword [bytes], 4
  je run32
run24:
  mov [edi], ax
  push eax
  shr eax, 16
  mov [edi+2], al
  pop eax
  add edi, 3
  loop run24
  ret
run8:
  rep stosb
  ret
run16:
  rep stosw
  ret
run32:
  rep stosd
  ret

; RRRGGGBB in al -> what the mode has for it in eax. Keeps ebx, ecx, ebp.
native:
  cmp dword [bytes], 1
  jne in_colour
  ret
in_colour:
  push ebx
  push ecx
  movzx eax, al
  mov ebx, eax
  shr ebx, 5
  imul ebx, ebx, 36
  mov ecx, eax
  shr ecx, 2
  and ecx, 7
  imul ecx, ecx, 36
  and eax, 3
  imul eax, eax, 85
  cmp dword [bytes], 2
  je in_565
  shl ebx, 16
  shl ecx, 8
  or eax, ebx
  or eax, ecx
  pop ecx
  pop ebx
  ret
in_565:
  shr eax, 3
  shr ecx, 2
  shl ecx, 5
  shr ebx, 3
  shl ebx, 11
  or eax, ebx
  or eax, ecx
  pop ecx
  pop ebx
  ret

; 640 x 480 with al bits a pixel, and the background.
set_mode:
  movzx eax, al
  mov [depth], eax
  mov ebx, eax
  shr ebx, 3
  mov [bytes], ebx
  mov esi, mode
  mov ecx, 5
registers:
  mov dx, 0x1ce
  lodsw
  out dx, ax
  inc dx
  lodsw
  cmp ax, 0xffff
  jne as_told
  mov eax, [depth]
as_told:
  out dx, ax
  loop registers
  ; The palette of 8 bits a pixel: RRRGGGBB, six bits each.
  mov dx, 0x3c8
  xor eax, eax
  out dx, al
  inc dx
  xor ebx, ebx
palette:
  mov eax, ebx
  shr eax, 5
  imul eax, eax, 9
  out dx, al
  mov eax, ebx
  shr eax, 2
  and eax, 7
  imul eax, eax, 9
  out dx, al
  mov eax, ebx
  and eax, 3
  imul eax, eax, 21
  out dx, al
  inc bl
  jnz palette
  mov al, BACK
  call native
  mov edi, [framebuffer]
  mov ecx, WIDTH*HEIGHT
  call run
  ret

; Asks the mouse for its wheel, and for reports. Interrupts are off: answers are waited for.
open_mouse:
  mov al, 0xa8
  call command
  mov esi, knock
  mov ecx, knock_end-knock
knocking:
  mov al, 0xd4
  call command
  lodsb
  call data
  call answer
  loop knocking
  ; F2h: the identity comes behind the acknowledgement.
  mov al, 0xd4
  call command
  mov al, 0xf2
  call data
  call answer
  call answer
  cmp al, 3
  jne no_wheel
  mov dword [length], 4
no_wheel:
  mov al, 0xd4
  call command
  mov al, 0xf4
  call data
  call answer
  ; Interrupts of both, translation to set 1.
  mov al, 0x60
  call command
  mov al, 0x47
  call data
  ret
command:
  push eax
command_wait:
  in al, 0x64
  test al, 2
  jnz command_wait
  pop eax
  out 0x64, al
  ret
data:
  push eax
data_wait:
  in al, 0x64
  test al, 2
  jnz data_wait
  pop eax
  out 0x60, al
  ret
answer:
  in al, 0x64
  test al, 1
  jz answer
  in al, 0x60
  ret

print:
  mov dx, COM1
  lodsb
  test al, al
  jz printed
  out dx, al
  jmp print
printed:
  ret
print_hex:
  push eax
  shr al, 4
  call digit
  pop eax
  and al, 15
digit:
  cmp al, 10
  jb decimal
  add al, 'a'-10-'0'
decimal:
  add al, '0'
  mov dx, COM1
  out dx, al
  ret

align 8
gdt:
  dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
  dw gdtr-gdt-1
  dd gdt
idtr:
  dw 0x30*8-1
  dd IDT
; Port in the high half, byte in the low one: both PICs at vectors 20h and 28h, inputs 0, 1, 2 and 12 open; the timer's rate.
align 4
ports:
  dd 0x200011, 0x210020, 0x210004, 0x210001, 0xa00011, 0xa10028, 0xa10002, 0xa10001, 0x2100f8, 0xa100ef
  dd 0x430034, 0x400000+(RATE&0xff), 0x400000+(RATE>>8)
ports_end:
; Index and value: off, width, height, depth (FFFFh: the one asked for), on with a linear framebuffer.
mode:
  dw 4, 0, 1, WIDTH, 2, HEIGHT, 3, 0xffff, 4, 0x41
depths:
  db 8, 16, 24, 32
knock:
  db 0xf3, 200, 0xf3, 100, 0xf3, 80
knock_end:
ready:
  db "picture: 640 x 480", 13, 10, 0
key_text:
  db "key ", 0
mouse_text:
  db "mouse ", 0
line_end:
  db 13, 10, 0
align 4
framebuffer: dd 0
depth: dd 0
bytes: dd 0
ticks: dd 0
asked: dd 0
have: dd 0
length: dd 3
square_x: dd 20
square_y: dd 30
step_x: dd 3
step_y: dd 2
pointer_x: dd 320
pointer_y: dd 240
drawn_x: dd 320
drawn_y: dd 240
packet: dd 0
image_end:
