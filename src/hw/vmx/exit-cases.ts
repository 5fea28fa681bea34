// VM exits and what they tell: guest code, the fields it needs, and which fields of the exit the manual defines.
import { type Fields, fieldData, reportData, type Variant, variants } from "./entry-cases.ts";

export interface ExitCase {
  /** Guest code, NASM's syntax, lines parted by semicolons. */
  readonly code: string;
  readonly fields: Fields;
  /** Letters of REPORTS; reason, qualification and RIP are always told. */
  readonly report: string;
  readonly variant: Variant | "unpaged";
}
const REPORTS: Readonly<Record<string, readonly string[]>> = {
  n: ["VM_EXIT_INSTRUCTION_LEN"],
  i: ["VMX_INSTRUCTION_INFO"],
  e: ["VM_EXIT_INTR_INFO"],
  c: ["VM_EXIT_INTR_ERROR_CODE"],
  v: ["IDT_VECTORING_INFO_FIELD"],
  d: ["IDT_VECTORING_ERROR_CODE"],
  l: ["GUEST_LINEAR_ADDRESS"],
  p: ["GUEST_PHYSICAL_ADDRESS"],
  a: ["GUEST_ACTIVITY_STATE"],
  b: ["GUEST_INTERRUPTIBILITY_INFO"],
  g: ["GUEST_PENDING_DBG_EXCEPTIONS"],
  t: ["VM_ENTRY_INTR_INFO_FIELD"],
};
const PROC = 0x04006172 | 0x80, SECONDARY = 0x80000000;
const proc = (bits: number): Fields => ({ CPU_BASED_VM_EXEC_CONTROL: (PROC | bits) >>> 0 });
const secondary = (bits: number, primary = 0): Fields => ({ CPU_BASED_VM_EXEC_CONTROL: (PROC | SECONDARY | primary) >>> 0, SECONDARY_VM_EXEC_CONTROL: bits });
const pin = (bits: number): Fields => ({ PIN_BASED_VM_EXEC_CONTROL: 0x16 | bits });
const inject = (bits: number): Fields => ({ VM_ENTRY_INTR_INFO_FIELD: (0x80000000 | bits) >>> 0 });
const CR3_EXITS = proc(0x18000), TABLES = secondary(4), TASK: Fields = { GUEST_IDTR_BASE: "idt", GUEST_IDTR_LIMIT: 0x1ff };
const REAL_TABLES = secondary(0x86), REAL_IO = secondary(0x82, 1 << 24);
const IDT: Fields = { GUEST_IDTR_BASE: "idt", GUEST_IDTR_LIMIT: 0x1ff };

type Row = readonly [code: string, report?: string, fields?: Fields, variant?: ExitCase["variant"]];
const rows: readonly Row[] = [
  ["cpuid", "nv"], ["hlt", "na"], ["nop; invd", "n"], ["wbinvd", "n", secondary(0x40)], ["xor ecx, ecx; xsetbv", "n", { GUEST_CR4: 0x42020 }],
  ["mov eax, 0x1234; mov ecx, 3; invlpg [rax+rcx*8+0x10]", "n", proc(1 << 9)],
  ["rdpmc", "n", proc(1 << 11)], ["rdtsc", "n", proc(1 << 12)], ["rdtscp", "n", secondary(8, 1 << 12)], ["rdtscp", "e"],
  ["monitor", "n", proc(1 << 29)], ["mwait", "n", proc(1 << 10)], ["pause", "n", proc(1 << 30)],
  ["rdmsr", "n"], ["wrmsr", "n"], ["mov ecx, 0x174; rdmsr; mov ecx, 0x40000000; rdmsr", "n", { ...proc(1 << 28) }],
  // Control registers.
  ["mov rdx, cr3", "n", CR3_EXITS], ["mov r11, cr3", "n", CR3_EXITS], ["mov cr3, rsp", "n", CR3_EXITS],
  ["mov eax, 0x200000; mov cr3, rax; hlt", "n", { ...CR3_EXITS, CR3_TARGET_COUNT: 2, CR3_TARGET_VALUE1: 0x200000 }],
  ["mov rbx, cr0; hlt", "n", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }],
  ["mov rbx, cr0; btc ebx, 3; mov cr0, rbx", "n", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }],
  ["mov rbx, cr4; bts ebx, 9; mov cr4, rbx", "n", { CR4_GUEST_HOST_MASK: 0x200, CR4_READ_SHADOW: 0 }],
  ["clts", "n", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }], ["clts; hlt", "n", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 0 }],
  ["mov ax, 0x1239; lmsw ax", "n", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 1 }],
  ["mov dword [0x20e000], 0x9; lmsw [0x20e000]", "nl", { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 1 }],
  ["mov cr8, rbx", "n", proc(1 << 19)], ["mov r9, cr8", "n", proc(1 << 20)],
  ["mov eax, 5; mov cr8, rax; mov rbx, cr8; mov eax, 2; mov cr8, rax; nop", "", { ...proc(1 << 21), TPR_THRESHOLD: 0 }],
  ["mov eax, 5; mov cr8, rax; mov eax, 2; mov cr8, rax; nop", "", { ...proc(1 << 21), TPR_THRESHOLD: 3, "@208080": 0x50 }],
  ["mov dr7, rsi", "n", proc(1 << 23)], ["mov r8, dr6", "n", proc(1 << 23)],
  // Ports.
  ["mov dx, 0x60; in al, dx", "n", proc(1 << 24)], ["in eax, 0x71", "n", proc(1 << 24)], ["mov dx, 0x8000; out dx, ax", "n", proc(1 << 24)],
  ["mov dx, 0x60; in al, dx", "n", { ...proc(1 << 25), "@209008": 0x0000000100000000n }], ["mov dx, 0xffff; out dx, ax", "n", proc(1 << 25)],
  ["mov dx, 0x60; mov edi, 0x20e000; insb", "nl", proc(1 << 24)], ["mov dx, 0x60; mov esi, 0x20e000; mov ecx, 5; rep outsd", "nil", proc(1 << 24)],
  ["mov dx, 0x60; mov esi, 0x20e000; fs outsb", "nil", { ...proc(1 << 24), GUEST_FS_BASE: 0x100 }], ["mov dx, 0x60; mov edi, 0x20e000; a32 rep insw", "nl", proc(1 << 24)],
  // VMX instructions.
  ["vmcall", "n"], ["vmlaunch", "n"], ["vmresume", "n"], ["vmxoff", "n"],
  ["vmclear [rax+rcx*4+0x12345]", "ni"], ["vmptrld [rsp+8]", "ni"], ["vmptrst [rbp+r9]", "ni"], ["vmxon [fs:rbx-8]", "ni"],
  ["vmptrld [rel guest]", "ni"], ["a32 vmclear [0x1234]", "ni"],
  ["vmread rdx, rbx", "ni"], ["vmread [r12+r13*8], r14", "ni"], ["vmwrite rsi, r10", "ni"], ["vmwrite rdi, [rax*2+0x40]", "ni"],
  ["invept rcx, [rdx]", "ni"], ["invvpid r15, [gs:r8+0x7f]", "ni"], ["invpcid rbp, [rax+16]", "ni", secondary(0x1000, 1 << 9)], ["invpcid rbp, [rax]", "e"],
  // Descriptor tables.
  ["sgdt [rax+2]", "ni", TABLES], ["sidt [rcx+rdx*2]", "ni", TABLES], ["lgdt [rel guest]", "ni", TABLES], ["lidt [r8+0x80]", "ni", TABLES],
  ["sldt ax", "ni", TABLES], ["sldt [rbx+4]", "ni", TABLES], ["str rdi", "ni", TABLES], ["str [rsi]", "ni", TABLES],
  ["lldt cx", "ni", TABLES], ["lldt [rdx+rax*8]", "ni", TABLES], ["ltr r11w", "ni", TABLES], ["ltr [gs:rax]", "ni", TABLES],
  ["lgdt [eax+2]", "ni", TABLES, "protected"], ["lidt [ecx*4+0x100]", "ni", TABLES, "protected"], ["o16 sgdt [ebx]", "ni", TABLES, "protected"],
  ["sidt [bx+si+5]", "ni", TABLES, "protected"],
  ["rdrand rbx", "ni", secondary(0x800)], ["rdrand r9d", "ni", secondary(0x800)], ["rdseed ax", "ni", secondary(0x10000)],
  // Exceptions and delivery.
  ["ud2", "ev"], ["int3", "env"], ["db 0xf1", "ev"], ["xor ecx, ecx; div ecx", "ev"], ["mov eax, [0x40000010]", "ecv"], ["mov byte [0x40000010], 1", "ecv"],
  ["mov rax, 0x800000000000; mov [rax], al", "ecv"], ["push 0x103; popf; nop; nop", "eg"], ["int 0x80", "ecv", IDT], ["int 0x21", "ecv", IDT],
  ["int 0x20", "vd", { ...IDT, EXCEPTION_BITMAP: 0 }], ["ud2", "v", { GUEST_IDTR_LIMIT: 0, EXCEPTION_BITMAP: 0 }], ["ud2", "ecv", { GUEST_IDTR_LIMIT: 0, EXCEPTION_BITMAP: 0x2000 }],
  ["ud2", "ecvd", { GUEST_IDTR_LIMIT: 0, EXCEPTION_BITMAP: 0x100 }],
  ["mov eax, [0x40000010]", "ecv", { EXCEPTION_BITMAP: 0x4000, PAGE_FAULT_ERROR_CODE_MASK: 2, PAGE_FAULT_ERROR_CODE_MATCH: 0 }],
  ["mov byte [0x40000010], 1", "ecv", { EXCEPTION_BITMAP: 0, PAGE_FAULT_ERROR_CODE_MASK: 2, PAGE_FAULT_ERROR_CODE_MATCH: 0, GUEST_IDTR_LIMIT: 0 }],
  // Injection, windows, timer, trap flag.
  ["nop", "ecvdt", { ...inject(0x30d), GUEST_IDTR_LIMIT: 0, VM_ENTRY_INTR_INFO_FIELD: 0x80000b0d, VM_ENTRY_EXCEPTION_ERROR_CODE: 0x1234 }],
  ["nop", "ecvnt", { ...inject(0x430), VM_ENTRY_INSTRUCTION_LEN: 3, GUEST_IDTR_LIMIT: 0 }], ["nop", "ecvb", { ...inject(0x202), ...pin(0x28), GUEST_IDTR_LIMIT: 0 }],
  ["nop", "ecv", { ...inject(0x30), GUEST_RFLAGS: 0x202, GUEST_IDTR_LIMIT: 0 }], ["nop", "n", { ...inject(0x603), VM_ENTRY_INSTRUCTION_LEN: 1, GUEST_IDTR_LIMIT: 0 }],
  ["nop; nop", "", proc(1 << 27)], ["mov ss, ax; nop; nop", "b", proc(1 << 27)],
  ["nop; sti; nop; nop", "b", proc(4)], ["nop", "a", { ...proc(4), GUEST_RFLAGS: 0x202, GUEST_ACTIVITY_STATE: 1 }], ["nop", "", { ...proc(1 << 22), ...pin(0x28) }],
  ["nop", "", { ...pin(0x40), VMX_PREEMPTION_TIMER_VALUE: 0 }], ["nop", "eg", { GUEST_PENDING_DBG_EXCEPTIONS: 0x1001 }], ["nop", "eg", { GUEST_PENDING_DBG_EXCEPTIONS: 0x1002, ...pin(0x40), VMX_PREEMPTION_TIMER_VALUE: 0 }],
  // Second stage, APIC page.
  ["mov eax, [0x50000010]", "lpv", {}, "unpaged"], ["mov [0x50000010], eax", "lp", {}, "unpaged"], ["jmp 8:0x50000010", "lp", {}, "unpaged"], ["inc dword [0x50000010]", "lp", {}, "unpaged"],
  ["mov eax, [0x40000010]", "p", { EPT_POINTER: 0x20601e, "@207008": 0xb2 }, "unpaged"], ["mov eax, [0x40000010]", "p", { "@207008": 0x9f }, "unpaged"],
  ["mov eax, [0x40000010]", "lp", { "@207008": 0xb4 }, "unpaged"], ["mov [0x40000010], eax", "lp", { "@207008": 0xb1 }, "unpaged"],
  ["mov eax, [0x209020]", "", secondary(1)], ["mov [0x2090b0], eax", "", secondary(1)], ["mov eax, [0x209080]", "", secondary(1)],
  ["mov eax, [0x209080]; mov [0x209083], ax", "", { ...secondary(1, 1 << 21), "@208080": 0x50 }], ["mov rax, [0x209080]", "", { ...secondary(1, 1 << 21), "@208080": 0x50 }],
  ["mov dword [0x209080], 0x20; nop; hlt", "", { ...secondary(1, 1 << 21), TPR_THRESHOLD: 3, "@208080": 0x50 }],
  ["mov dword [0x209080], 0x30; nop; hlt", "", { ...secondary(1, 1 << 21), TPR_THRESHOLD: 3, "@208080": 0x50 }],
  ["nop", "", { ...secondary(1, 1 << 21), TPR_THRESHOLD: 6, "@208080": 0x50 }],
  // Task switches.
  ["jmp 0x28:0", "nv", TASK, "protected"], ["call 0x28:0", "n", TASK, "protected"], ["jmp 0x30:0", "n", TASK, "protected"], ["call 0x30:0", "n", TASK, "protected"],
  ["int 0x30", "nv", { ...TASK, EXCEPTION_BITMAP: 0 }, "protected"], ["int3", "nv", { ...TASK, EXCEPTION_BITMAP: 0 }, "protected"], ["ud2", "v", { ...TASK, EXCEPTION_BITMAP: 0 }, "protected"],
  ["jmp 0x18:0", "ec", TASK, "protected"],
  // Real mode of an unrestricted guest.
  ["cpuid", "n", {}, "real"], ["vmcall", "n", {}, "real"], ["vmread eax, ebx", "e", {}, "real"], ["sldt ax", "e", REAL_TABLES, "real"], ["ud2", "ev", {}, "real"],
  ["mov dx, 0x3f8; in ax, dx", "n", REAL_IO, "real"], ["mov si, 0x100; mov cx, 9; cs rep outsw", "nil", REAL_IO, "real"], ["mov di, 0x100; a32 insd", "nl", REAL_IO, "real"],
  ["mov bx, 2; lgdt [bx+si+4]", "ni", REAL_TABLES, "real"], ["o32 lidt [bp+di]", "ni", REAL_TABLES, "real"], ["a32 sgdt [eax+edx*8+9]", "ni", REAL_TABLES, "real"],
  ["mov bx, 0x1234; invlpg [bx]", "n", secondary(0x82, 1 << 9), "real"], ["mov ax, 1; lmsw ax", "n", { CR0_GUEST_HOST_MASK: 1 }, "real"],
  ["mov eax, 0x31; mov cr0, eax", "n", { CR0_GUEST_HOST_MASK: 1 }, "real"], ["int 0x21", "ecv", { GUEST_IDTR_LIMIT: 0 }, "real"], ["int3", "ev", { GUEST_IDTR_LIMIT: 0, EXCEPTION_BITMAP: 0x2000 }, "real"],
  ["mov al, 0x7f; add al, 1; into", "env", {}, "real"], ["mov al, 0x7f; add al, 1; into", "ev", { GUEST_IDTR_LIMIT: 0, EXCEPTION_BITMAP: 0x2000 }, "real"],
  ["nop", "ecv", { ...inject(0x421), VM_ENTRY_INSTRUCTION_LEN: 2, GUEST_IDTR_LIMIT: 0 }, "real"], ["mov ax, [0xffff]", "ev", {}, "real"], ["xor sp, sp; push ss; mov ss, ax; nop; cpuid", "b", {}, "real"],
  // Virtual-8086 mode: the bytes of the code lie at 10000h.
  ["int 0x21", "ecv", { "@10000": 0xf421cd }, "virtual-8086"], ["cli", "ecv", { "@10000": 0xf4fa }, "virtual-8086"], ["hlt", "ecv", { "@10000": 0xf4 }, "virtual-8086"],
  ["vmcall", "n", { "@10000": 0xc1010f }, "virtual-8086"], ["cpuid", "n", { "@10000": 0xa20f }, "virtual-8086"], ["in al, 0x60", "ecv", { "@10000": 0x60e4, ...proc(1 << 24), GUEST_TR_BASE: 0x20e000, "@20e060": 0x0068000000000000n }, "virtual-8086"],
  ["mov eax, cr0", "ec", { "@10000": 0xc0200f }, "virtual-8086"], ["vmxoff", "ec", { "@10000": 0xc4010f }, "virtual-8086"], ["rdtsc", "n", { "@10000": 0x310f, ...proc(1 << 12) }, "virtual-8086"],
  ["sgdt [bx]", "ni", { "@10000": 0x07010f, ...TABLES }, "virtual-8086"], ["pause", "n", { "@10000": 0x90f3, ...proc(1 << 30) }, "virtual-8086"], ["push 0x4002; popf; iret", "ecv", { ...TASK, GUEST_TR_BASE: 0x20e000, "@20e000": 0x28 }, "protected"],
];
export const exitCases: readonly ExitCase[] = rows.map(([code, report = "", fields = {}, variant = "long"]) => ({ code, report, fields, variant }));

/** Protected mode without paging, under EPT of which only the first gigabyte is there. */
const unpaged: Fields = {
  ...variants.protected, CPU_BASED_VM_EXEC_CONTROL: (PROC | SECONDARY) >>> 0, SECONDARY_VM_EXEC_CONTROL: 0x82, EPT_POINTER: 0x20601e,
  GUEST_CR0: 0x31, GUEST_CR3: 0, GUEST_CR4: 0x2000, "@207008": 0,
};
export function exitData(c: ExitCase, index: number): string {
  const variant = c.variant === "unpaged" ? unpaged : variants[c.variant];
  const names = [...c.report].flatMap((letter) => REPORTS[letter] ?? []);
  const label = `exit_${index}`;
  const start: Fields = c.variant === "real" ? { GUEST_CS_BASE: label } : c.variant === "virtual-8086" ? { GUEST_RIP: 0 } : { GUEST_RIP: label };
  return `${fieldData({ VMX_PREEMPTION_TIMER_VALUE: 0, ...variant, ...start, ...c.fields })}\n${reportData(["VM_EXIT_REASON", "EXIT_QUALIFICATION", "GUEST_RIP", ...names])}`;
}
/** The code of every case, and the interrupt-descriptor table of those that need one: task gates for 3, 6 and 30h. */
export function exitCode(): string {
  const gates = Array.from({ length: 64 }, (_, i) => (i === 3 || i === 6 || i === 0x30 ? "dq 0x0000850000280000" : "dq 0"));
  const codes = exitCases.map((c, i) => `bits ${c.variant === "long" ? 64 : c.variant === "real" || c.variant === "virtual-8086" ? 16 : 32}\nexit_${i}:\n${c.code.split(";").join("\n")}\nhlt`);
  return ["align 16", "idt:", ...gates, ...codes, "bits 64", ""].join("\n");
}
