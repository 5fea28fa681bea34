; The number of the step, in two columns.
step:
  inc dword [steps]
  mov eax, [steps]
  cmp eax, 10
  jae .wide
  push eax
  mov al, ' '
  call print_character
  pop eax
.wide:
  call print_decimal
  mov al, ' '
  jmp print_character
