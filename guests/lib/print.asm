; Text on the first serial port, from 32-bit code; needs the constant COM1.

print_line:
  call print
  jmp new_line

; Zero-terminated string at esi.
print:
  mov al, [esi]
  inc esi
  test al, al
  jz .end
  call print_character
  jmp print
.end:
  ret

new_line:
  mov al, 13
  call print_character
  mov al, 10

; Character al; keeps everything but al.
print_character:
  push edx
  push eax
  mov dx, COM1+5
.wait:
  in al, dx
  test al, 0x20
  jz .wait
  pop eax
  mov dx, COM1
  out dx, al
  pop edx
  ret

; eax as a decimal number; loses eax, ecx and edx.
print_decimal:
  push ebx
  mov ebx, 10
  xor ecx, ecx
.divide:
  xor edx, edx
  div ebx
  push edx
  inc ecx
  test eax, eax
  jnz .divide
.digit:
  pop eax
  add al, '0'
  call print_character
  loop .digit
  pop ebx
  ret
