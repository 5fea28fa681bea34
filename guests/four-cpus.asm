; Several processors: the boot processor starts the others with INIT and SIPI, then all count, lock, interrupt one another,
; drop a translation and run changed code together. Protected mode, 2-level page tables, no devices but the serial port.
;
; physical                          linear
;   008000  where the others start    0 - 3FFFFF          identity, 4 KiB pages
;   100000  this image                400000 - FFFFFFFF   identity, 4 MiB pages
;   200000  page directory            300000              one page: frame 202000, then 203000
;   201000  page table of the first 4 MiB

%define COM1 0x3f8
%define APIC 0xfee00000
%define ID 0x20
%define EOI 0xb0
%define LDR 0xd0
%define SVR 0xf0
%define ICR 0x300
%define ICR_HIGH 0x310
%define CODE 0x08
%define DATA 0x10
%define STARTUP 0x8000
%define DIRECTORY 0x200000
%define TABLE 0x201000
%define FRAME_A 0x202000
%define FRAME_B 0x203000
%define WINDOW 0x300000
%define WORK 0x43
%define COUNTED 0x42
%define FORGET 0x41
%define PING 0x40
%define PONG 0x44
; Destination shorthands, and the logical destination of the interrupt command register.
%define SELF 0x40000
%define ALL 0x80000
%define OTHERS 0xc0000
%define LOGICAL 0x800
%define LOWEST 0x100
%define ROUNDS 10000

bits 32
org 0x100000

header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, bss_end, start

start:
  cli
  cld
  mov esp, stacks+1024
  ; Page tables: the first 4 MiB in small pages, the rest in large ones, accessed and dirty already.
  mov edi, TABLE
  mov eax, 3
  mov ecx, 1024
.small:
  mov [edi], eax
  add eax, 4096
  add edi, 4
  loop .small
  mov edi, DIRECTORY
  mov eax, 0xe3
  mov ecx, 1024
.large:
  mov [edi], eax
  add eax, 0x400000
  add edi, 4
  loop .large
  mov dword [DIRECTORY], TABLE+3
  mov dword [TABLE+WINDOW/4096*4], FRAME_A+3
  mov byte [FRAME_A], 'A'
  mov byte [FRAME_B], 'B'
  ; Gates: everything leads to `unexpected` but what is listed.
  mov edi, idt
  mov ecx, 256
.gates:
  mov eax, unexpected
  call set_gate
  loop .gates
  mov edi, idt+2*8
  mov eax, nmi
  call set_gate
  mov edi, idt+PING*8
  mov eax, ping
  call set_gate
  mov edi, idt+FORGET*8
  mov eax, forget
  call set_gate
  mov edi, idt+COUNTED*8
  mov eax, counted
  call set_gate
  mov edi, idt+WORK*8
  mov eax, work
  call set_gate
  mov edi, idt+PONG*8
  mov eax, pong
  call set_gate
  call join
  ; Firmware has left the PIC open; nothing of it is wanted here.
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  ; How many there are: fw_cfg, item 5.
  mov dx, 0x510
  mov ax, 5
  out dx, ax
  inc dx
  in al, dx
  movzx eax, al
  mov [cpus], eax
  mov esi, banner
  call print
  mov eax, [cpus]
  call print_number
  mov esi, processors
  call print

  ; Each of the others: INIT, then a SIPI whose vector is the page of the start-up code.
  mov esi, startup
  mov edi, STARTUP
  mov ecx, startup_end-startup
  rep movsb
  mov dword [alive], 1
  mov ebx, 1
.next:
  cmp ebx, [cpus]
  jae .started
  mov eax, ebx
  shl eax, 24
  mov [APIC+ICR_HIGH], eax
  mov dword [APIC+ICR], 0x4500
  call delay
  mov dword [APIC+ICR], 0x4600+STARTUP/4096
.wait:
  pause
  cmp [alive], ebx
  jbe .wait
  ; A second SIPI is nothing to one that runs.
  mov dword [APIC+ICR], 0x4600+STARTUP/4096
  mov esi, number
  call print
  mov eax, [identity+ebx*4]
  call print_number
  mov esi, started
  call print
  inc ebx
  jmp .next
.started:
  sti

  mov edx, add_up
  call everywhere
  mov esi, locked
  mov eax, [sum]
  call report
  mov edx, take_turns
  call everywhere
  mov esi, ticket
  mov eax, [guarded]
  call report

  ; To each of the others and back, a hundred times.
  mov ebx, 1
.players:
  cmp ebx, [cpus]
  jae .played
  mov ecx, 100
.round:
  mov eax, [rounds]
  mov edi, ebx
  shl edi, 24
  mov [APIC+ICR_HIGH], edi
  mov dword [APIC+ICR], 0x4000+PING
.answer:
  pause
  cmp [rounds], eax
  je .answer
  loop .round
  inc ebx
  jmp .players
.played:
  mov esi, pingpong
  mov eax, [rounds]
  call report

  ; Every kind of destination: how many have heard it.
  mov esi, to_self
  mov eax, 0x4000+SELF+COUNTED
  call send_counted
  mov esi, to_all
  mov eax, 0x4000+ALL+COUNTED
  call send_counted
  mov esi, to_others
  mov eax, 0x4000+OTHERS+COUNTED
  call send_counted
  mov dword [APIC+ICR_HIGH], 0xff000000
  mov esi, to_broadcast
  mov eax, 0x4000+COUNTED
  call send_counted
  mov dword [APIC+ICR_HIGH], 0x06000000
  mov esi, to_flat
  mov eax, 0x4000+LOGICAL+COUNTED
  call send_counted
  mov dword [APIC+ICR_HIGH], 0xff000000
  mov esi, to_lowest
  mov eax, 0x4000+LOGICAL+LOWEST+COUNTED
  call send_counted
  ; Clusters of two.
  mov edx, into_clusters
  call everywhere
  mov dword [APIC+ICR_HIGH], 0x03000000
  mov esi, to_cluster
  mov eax, 0x4000+LOGICAL+COUNTED
  call send_counted
  mov dword [APIC+ICR_HIGH], 0x12000000
  mov esi, to_member
  mov eax, 0x4000+LOGICAL+COUNTED
  call send_counted
  mov dword [APIC+ICR], 0x4400+OTHERS
  call delay
  mov esi, to_nmi
  mov eax, [nmis]
  call report

  ; Everybody has the page in its TLB; then it is another frame.
  mov edx, look
  call everywhere
  mov esi, before
  call print_looks
  mov dword [TABLE+WINDOW/4096*4], FRAME_B+3
  invlpg [WINDOW]
  mov dword [forgotten], 1
  mov dword [APIC+ICR], 0x4000+OTHERS+FORGET
  mov eax, [cpus]
.shoot:
  pause
  cmp [forgotten], eax
  jne .shoot
  mov edx, look
  call everywhere
  mov esi, after
  call print_looks
  ; Everybody has run a piece of code; then it is another one.
  mov edx, execute
  call everywhere
  mov esi, code_before
  call print_looks
  mov byte [piece+1], 'b'
  mov edx, execute
  call everywhere
  mov esi, code_after
  call print_looks
  mov esi, the_end
  call print
  mov dx, 0xf4
  xor eax, eax
  out dx, eax
.rest:
  hlt
  jmp .rest

; What every processor does first: tables, paging, its local APIC. Leaves its number in ebp.
join:
  lgdt [gdt_pointer]
  jmp CODE:.code
.code:
  mov eax, DATA
  mov ds, eax
  mov es, eax
  mov ss, eax
  lidt [idt_pointer]
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, DIRECTORY
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  mov dword [APIC+SVR], 0x1ff
  mov ebp, [APIC+ID]
  shr ebp, 24
  mov ecx, ebp
  mov eax, 1
  shl eax, cl
  shl eax, 24
  mov [APIC+LDR], eax
  mov [identity+ebp*4], ebp
  ret

; The start-up code runs at STARTUP in real mode; there is no stack yet.
bits 16
startup:
  cli
  xor ax, ax
  mov ds, ax
  o32 lgdt [STARTUP+startup_gdt-startup]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  ; A far jump with a 32-bit offset.
  db 0x66, 0xea
  dd other
  dw CODE
startup_gdt:
  dw 3*8-1
  dd gdt
startup_end:

bits 32
; Another processor: joins, then does what it is given, and sleeps meanwhile.
other:
  mov eax, DATA
  mov ds, eax
  mov es, eax
  mov ss, eax
  mov eax, [APIC+ID]
  shr eax, 24
  inc eax
  shl eax, 10
  lea esp, [stacks+eax]
  call join
  xor ebx, ebx
  lock inc dword [alive]
.idle:
  cli
  cmp ebx, [jobs]
  jne .job
  sti
  hlt
  jmp .idle
.job:
  sti
  inc ebx
  call [job]
  lock inc dword [done]
  jmp .idle

; Lets all processors do what lies at edx, and waits for them.
everywhere:
  mov [job], edx
  mov dword [done], 0
  lock inc dword [jobs]
  mov dword [APIC+ICR], 0x4000+OTHERS+WORK
  xor ebp, ebp
  call edx
  lock inc dword [done]
  mov eax, [cpus]
.wait:
  pause
  cmp [done], eax
  jne .wait
  ret

add_up:
  mov ecx, ROUNDS
.again:
  lock inc dword [sum]
  loop .again
  ret

; A ticket lock guards a sum that is not added to in one piece.
take_turns:
  mov ecx, 1000
.again:
  mov eax, 1
  lock xadd [tickets], eax
.wait:
  cmp [serving], eax
  je .mine
  pause
  jmp .wait
.mine:
  mov eax, [guarded]
  inc eax
  mov [guarded], eax
  inc dword [serving]
  loop .again
  ret

; Logical APIC ID in the cluster model: pairs.
into_clusters:
  mov dword [APIC+0xe0], 0x0fffffff
  mov ecx, ebp
  and ecx, 1
  mov eax, 1
  shl eax, cl
  mov edx, ebp
  shr edx, 1
  shl edx, 4
  or eax, edx
  shl eax, 24
  mov [APIC+LDR], eax
  ret

look:
  mov al, [WINDOW]
  mov [looks+ebp], al
  ret

execute:
  call piece
  mov [looks+ebp], al
  ret
piece:
  mov al, 'a'
  ret

; Sends what eax tells the interrupt command register, and reports how many have got it.
send_counted:
  mov dword [heard], 0
  mov [APIC+ICR], eax
  call delay
  mov eax, [heard]
  call report
  ret

ping:
  push eax
  mov dword [APIC+ICR_HIGH], 0
  mov dword [APIC+ICR], 0x4000+PONG
  jmp end_of_interrupt
pong:
  push eax
  inc dword [rounds]
  jmp end_of_interrupt
counted:
  push eax
  lock inc dword [heard]
  jmp end_of_interrupt
forget:
  push eax
  invlpg [WINDOW]
  lock inc dword [forgotten]
  jmp end_of_interrupt
work:
  push eax
end_of_interrupt:
  mov dword [APIC+EOI], 0
  pop eax
  iretd
nmi:
  lock inc dword [nmis]
  iretd
unexpected:
  mov esi, trouble
  call print
.stop:
  cli
  hlt
  jmp .stop

; Interrupt gate at edi with the handler eax; edi goes on to the next.
set_gate:
  mov [edi], ax
  mov word [edi+2], CODE
  mov word [edi+4], 0x8e00
  shr eax, 16
  mov [edi+6], ax
  add edi, 8
  ret

; Long enough for every other processor to look at its interrupts.
delay:
  push ecx
  mov ecx, 200000
.again:
  pause
  loop .again
  pop ecx
  ret

; The text at esi, then the number in eax as a line.
report:
  push eax
  call print
  pop eax
  call print_number
  mov esi, line
  jmp print
print_looks:
  call print
  mov esi, looks
  call print
  mov esi, line
print:
  push eax
  push edx
  mov dx, COM1
.next:
  lodsb
  test al, al
  jz .end
  out dx, al
  jmp .next
.end:
  pop edx
  pop eax
  ret
print_number:
  push ebx
  push edx
  push edi
  mov edi, digits_end
  mov ebx, 10
.digit:
  xor edx, edx
  div ebx
  add dl, '0'
  dec edi
  mov [edi], dl
  test eax, eax
  jnz .digit
  push esi
  mov esi, edi
  call print
  pop esi
  pop edi
  pop edx
  pop ebx
  ret

align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
gdt_pointer:
  dw 3*8-1
  dd gdt
idt_pointer:
  dw 256*8-1
  dd idt
banner: db "Vitrine four-cpus: ", 0
processors: db " processors", 13, 10, 0
number: db "processor ", 0
started: db " has started", 13, 10, 0
locked: db "locked counter: ", 0
ticket: db "ticket lock: ", 0
pingpong: db "ping-pong rounds: ", 0
to_self: db "to self: ", 0
to_all: db "to all: ", 0
to_others: db "to all others: ", 0
to_broadcast: db "to physical FFh: ", 0
to_flat: db "to logical 06h, flat: ", 0
to_lowest: db "lowest priority: ", 0
to_cluster: db "to cluster 0: ", 0
to_member: db "to member 1 of cluster 1: ", 0
to_nmi: db "NMIs: ", 0
before: db "page before: ", 0
after: db "page after: ", 0
code_before: db "code before: ", 0
code_after: db "code after: ", 0
the_end: db "the end", 13, 10, 0
trouble: db "unexpected interrupt", 13, 10, 0
line: db 13, 10, 0
digits: times 10 db 0
digits_end: db 0
align 4
cpus: dd 0
alive: dd 0
jobs: dd 0
job: dd 0
done: dd 0
sum: dd 0
tickets: dd 0
serving: dd 0
guarded: dd 0
rounds: dd 0
heard: dd 0
nmis: dd 0
forgotten: dd 0
looks: times 9 db 0
align 4
identity: times 8 dd 0
image_end:
idt equ image_end
stacks equ idt+2048
bss_end equ stacks+8*1024
