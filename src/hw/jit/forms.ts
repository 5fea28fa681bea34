// Guest programs, assembled by nasm. Each form stands in the loop `mov ecx, 300 / start: FORM / add rsi, 4 / dec ecx / jnz start / hlt`
// (and `f: lea eax, [rax+rcx*2+5] / ret` behind it); rsi starts 512 bytes before a page that may be absent.

export interface Form {
  readonly name: string;
  readonly code: readonly number[];
}

const form = (name: string, hex: string): Form => ({
  name,
  code: (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)),
});

export const forms: readonly Form[] = [
  // add eax,[rsi]; add [rsi+4],eax
  form("add r32, m32; add m32, r32", "b92c01000003060146044883c604ffc90f85effffffff48d444805c3"),
  // adc [rsi],rdx; sbb rbx,[rsi+8]
  form("adc m64, r64; sbb r64, m64", "b92c010000481116481b5e084883c604ffc90f85edfffffff48d444805c3"),
  // mov [rsi],rbx; mov rbx,[rsi+8]; mov word [rsi+2],0x1234
  form(
    "mov m64, r64; mov r64, m64; mov m16, imm",
    "b92c01000048891e488b5e0866c7460234124883c604ffc90f85e7fffffff48d444805c3",
  ),
  // sub al,[rsi+1]; mov ah,al; xor dl,ah; xor [rsi],dh
  form("sub r8, m8; mov high byte; xor", "b92c0100002a460188c430e230364883c604ffc90f85ebfffffff48d444805c3"),
  // movzx eax,byte [rsi]; movsx rdx,word [rsi+2]; movsxd rbx,dword [rsi]; add rbx,rdx
  form("movzx, movsx, movsxd", "b92c0100000fb606480fbf560248631e4801d34883c604ffc90f85e6fffffff48d444805c3"),
  // cmp eax,[rsi]; setl dl; setp [rsi+1]; cmovb ebx,[rsi]; cmovg rax,rdx
  form(
    "cmp, setcc, cmovcc",
    "b92c0100003b060f9cc20f9a46010f421e480f4fc24883c604ffc90f85e4fffffff48d444805c3",
  ),
  // inc dword [rsi]; dec word [rsi+2]; neg rdx; not byte [rsi]; adc eax,0
  form(
    "inc, dec, neg, not in memory",
    "b92c010000ff0666ff4e0248f7daf61683d0004883c604ffc90f85e6fffffff48d444805c3",
  ),
  // shl eax,3; shr rdx,7; sar dword [rsi],1; add eax,[rsi]; shl rdx,cl; add rdx,rcx; sar bx,cl
  form(
    "shl, shr, sar by immediate and CL",
    "b92c010000c1e00348c1ea07d13e030648d3e24801ca66d3fb4883c604ffc90f85e0fffffff48d444805c3",
  ),
  // rol eax,5; ror rdx,cl; rcl eax,1; rcr word [rsi],cl; rol bl,9; add ebx,eax
  form(
    "rol, ror, rcl, rcr",
    "b92c010000c1c00548d3cad1d066d31ec0c30901c34883c604ffc90f85e4fffffff48d444805c3",
  ),
  // imul eax,[rsi],7; imul rbx,rdx; mul dword [rsi]; mul rbx; imul byte [rsi]; add rbx,rcx
  form("imul, mul", "b92c0100006b0607480fafdaf72648f7e3f62e4801cb4883c604ffc90f85e3fffffff48d444805c3"),
  // mov edi,[rsi]; or edi,1; mov eax,ecx; xor edx,edx; div edi; mov eax,[rsi+4]; cdq; idiv edi; mov rax,rsi; xor edx,edx; div rdi
  form(
    "div, idiv",
    "b92c0100008b3e83cf0189c831d2f7f78b460499f7ff4889f031d248f7f74883c604ffc90f85dbfffffff48d444805c3",
  ),
  // push rax; push qword [rsi]; pop rbx; push 5; pop rdx; pop rax; add rax,rbx; push rbp; mov rbp,rsp; sub rsp,24; mov [rbp-8],rax; leave
  form(
    "push, pop, leave",
    "b92c01000050ff365b6a055a584801d8554889e54883ec18488945f8c94883c604ffc90f85dcfffffff48d444805c3",
  ),
  // call near f; add ebx,eax; call near f
  form("call, ret", "b92c010000e81400000001c3e80d0000004883c604ffc90f85e8fffffff48d444805c3"),
  // xchg eax,[rsi]; xadd [rsi],edx; cmpxchg [rsi],ebx; lock xadd [rsi+4],rbx; xchg rbx,rdx
  form(
    "xchg, xadd, cmpxchg",
    "b92c01000087060fc1160fb11ef0480fc15e044887da4883c604ffc90f85e3fffffff48d444805c3",
  ),
  // bt eax,ecx; bts dword [rsi],5; bsf edx,[rsi]; bsr rbx,rax; popcnt edx,[rsi]; bswap rbx; adc rbx,rdx; btr dword [rsi],ebx; mov eax,[rsi]
  form(
    "bt, bts, bsf, bsr, popcnt, bswap",
    "b92c0100000fa3c80fba2e050fbc16480fbdd8f30fb816480fcb4811d30fb31e8b064883c604ffc90f85d7fffffff48d444805c3",
  ),
  // add eax,[rsi]; js .1; inc ebx; .1: ja .2; add edx,3; .2: cmp eax,edx; jle .3; xor ebx,0x55; .3: jp .4; inc rdx; .4: add eax,eax; jo .5; not rbx; .5:
  form(
    "jcc forward: s, a, le, p, o",
    "b92c01000003067802ffc3770383c20339d07e0383f3557a0348ffc201c0700348f7d34883c604ffc90f85d6fffffff48d444805c3",
  ),
  // mov eax,[rel start]; mov edx,[rsi+rcx*8-32]; lea rbx,[rbx+rdx*4+0x11]; mov [rsp-16],rcx; add ebx,[rsp-16]; mov edi,[rsi*1+0]
  form(
    "RIP-relative, SIB, stack operands",
    "b92c0100008b05faffffff8b54cee0488d5c931148894c24f0035c24f08b3e4883c604ffc90f85dafffffff48d444805c3",
  ),
  // mov eax,[rsi]; cbw; cwde; cdqe; cwd; add ebx,edx; cqo; add rbx,rdx
  form(
    "cbw, cwde, cdqe, cwd, cqo",
    "b92c0100008b066698984898669901d348994801d34883c604ffc90f85e4fffffff48d444805c3",
  ),
  // shld eax,ebx,7; shrd [rsi],rdx,cl; shld [rsi+2],ax,3; add ebx,[rsi]
  form("shld, shrd", "b92c0100000fa4d807480fad16660fa4460203031e4883c604ffc90f85e4fffffff48d444805c3"),
  // stc; adc eax,[rsi]; cmc; sbb edx,edx; lahf; and ebx,[rsi]; or [rsi],ebx; test byte [rsi],0x81; sahf; adc ebx,1; xor ax,[rsi]
  form(
    "clc, stc, cmc, lahf, sahf, logic",
    "b92c010000f91306f519d29f231e091ef606819e83d3016633064883c604ffc90f85dffffffff48d444805c3",
  ),
  // mov edi,3; .1: add eax,[rsi]; dec edi; jnz .1; jmp .2; ud2; .2: jrcxz .3; add edx,eax; .3:
  form(
    "jrcxz, inner loop, jmp",
    "b92c010000bf030000000306ffcf75faeb020f0be30201c24883c604ffc90f85e1fffffff48d444805c3",
  ),
  // mov [rsi+2],eax; add [rsi+2],rdx; add eax,[rsi+3]
  form("stores that cross a page", "b92c010000894602480156020346034883c604ffc90f85eafffffff48d444805c3"),
  // mov eax,[rsi]; mov edx,0; lea edi,[rcx-200]; div edi; add ebx,eax
  form(
    "#DE in the middle",
    "b92c0100008b06ba000000008db938fffffff7f701c34883c604ffc90f85e3fffffff48d444805c3",
  ),
  // add eax,1; mov byte [rel start+2],7; add ebx,0x10; mov edx,[rsi]
  form(
    "a store into its own code",
    "b92c01000083c001c605f8ffffff0783c3108b164883c604ffc90f85e5fffffff48d444805c3",
  ),
  // add eax,[rsi]; cpuid; mov ecx,[rsp-64]; add ebx,eax
  form(
    "an instruction left to the interpreter",
    "b92c010000894c24c003060fa28b4c24c001c34883c604ffc90f85e6fffffff4",
  ),
];

/** Loops for the clock; ebp counts. */
export const loops: readonly Form[] = [
  // mov eax,[rsi+rcx*4]; add ebx,eax; xor edx,ebx; rol edx,5; mov [rdi+rcx*4],edx; inc ecx; cmp ecx,512; jb; 512 times, then xor ecx,ecx; dec ebp; jnz
  form("loads and stores", "31c98b048e01c331dac1c20589148fffc181f90002000072e931c9ffcd75e3f4"),
  // push rbx; mov edi,ecx; call f; add ebx,eax; pop rdx; dec ebp; jnz; f: push rbp; mov; lea; cmp; cmovb; test; je; xor; pop rbp; ret
  form("calls and stack", "5389cfe80800000001c35affcd75f1f4554889e58d047f39d00f42c2a801740535341200005dc3"),
  // add, xor, rol, lea, sub, and, or, dec ebp, jnz
  form("registers only", "01d831c2c1c2058d5c930729d621f709f8ffcd75ebf4"),
];
