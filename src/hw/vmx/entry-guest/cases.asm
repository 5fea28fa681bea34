; From here on the same text for both hosts.
begin:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  vmxon [vmxon_pointer]
  mov ebx, cases
  xor ebp, ebp
next:
  cmp ebx, cases_end
  jae done
  mov edx, ebp
  shl edx, 20
  mov ecx, 3
  call digits
  vmclear [vmcs_pointer]
  vmptrld [vmcs_pointer]
  mov esi, shared
  call fields
  mov esi, ebx
  call fields
  mov [report], esi
.report:
  mov eax, [esi]
  add esi, 4
  test eax, eax
  jnz .report
  mov ebx, esi
  ; The guest may change every register.
  mov [mine], ebx
  mov [mine+4], ebp
  vmlaunch
  jc invalid
  jnz invalid
  mov al, 'V'
  call say
  mov eax, VM_INSTRUCTION_ERROR
  call field
  jmp line
invalid:
  mov al, 'I'
  call say
  jmp line
; HOST_RIP
back:
  mov esp, stack
  mov ebx, [mine]
  mov ebp, [mine+4]
  mov al, 'X'
  call say
  mov esi, [report]
.one:
  mov eax, [esi]
  test eax, eax
  jz line
  add esi, 4
  call field
  jmp .one
line:
  mov al, 10
  call letter
  inc ebp
  jmp next
done:
  mov al, '.'
  call letter
  mov al, 10
  call letter
  mov al, 0
  out 0xf4, al
.stop:
  cli
  hlt
  jmp .stop

; Writes the fields at esi, and leaves esi behind them.
fields:
  mov ecx, [esi]
  add esi, 4
.one:
  dec ecx
  js .end
  mov eax, [esi]
  btr eax, 28
  jc .memory
  call write
  ja .next
  mov [kept], ecx
  mov al, 'W'
  call say
  mov edx, [esi]
  call value
  mov ecx, [kept]
  jmp .next
.memory:
  call memory
.next:
  add esi, 12
  jmp .one
.end:
  ret
; Field eax in hexadecimal behind a space.
field:
  call read
value:
  mov al, ' '
  call letter
  mov ecx, 8
; The first ecx digits of edx.
digits:
  rol edx, 4
  mov eax, edx
  and eax, 15
  add eax, '0'
  cmp eax, '9'
  jbe .print
  add eax, 'a'-'9'-1
.print:
  call letter
  dec ecx
  jnz digits
  ret
; A space and al.
say:
  mov [kept+4], al
  mov al, ' '
  call letter
  mov al, [kept+4]
letter:
  mov edi, edx
  mov ah, al
  mov dx, COM1+5
.wait:
  in al, dx
  test al, 0x20
  jz .wait
  mov dx, COM1
  mov al, ah
  out dx, al
  mov edx, edi
  ret
; Guest code of every mode.
guest:
  hlt
  jmp guest

align 8
gdt:
  dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067, 0x00cf9b000000ffff
  dq 0x00008920e0000067, 0x0000850000280000 ; a TSS, a task gate to it
gdt_pointer:
  dw 55
  dd gdt
  dd 0
align 8
vmxon_pointer: dq VMXON_REGION
vmcs_pointer: dq VMCS_REGION
kept: dq 0
mine: dq 0
report: dq 0
times 512 db 0
stack:
