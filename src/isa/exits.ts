/** VM exits: "VMX Basic Exit Reasons" and "Exit Qualification" in the SDM. */

const table = `
0 EXCEPTION_NMI            1 EXTERNAL_INTERRUPT      2 TRIPLE_FAULT             3 INIT_SIGNAL
4 SIPI_SIGNAL              5 IO_SMI                  6 OTHER_SMI                7 INTERRUPT_WINDOW
8 NMI_WINDOW               9 TASK_SWITCH            10 CPUID                   11 GETSEC
12 HLT                    13 INVD                   14 INVLPG                  15 RDPMC
16 RDTSC                  17 RSM                    18 VMCALL                  19 VMCLEAR
20 VMLAUNCH               21 VMPTRLD                22 VMPTRST                 23 VMREAD
24 VMRESUME               25 VMWRITE                26 VMOFF                   27 VMON
28 CR_ACCESS              29 DR_ACCESS              30 IO_INSTRUCTION          31 MSR_READ
32 MSR_WRITE              33 INVALID_STATE          34 MSR_LOAD_FAIL           36 MWAIT_INSTRUCTION
37 MONITOR_TRAP_FLAG      39 MONITOR_INSTRUCTION    40 PAUSE_INSTRUCTION       41 MCE_DURING_VMENTRY
43 TPR_BELOW_THRESHOLD    44 APIC_ACCESS            45 EOI_INDUCED             46 GDTR_IDTR
47 LDTR_TR                48 EPT_VIOLATION          49 EPT_MISCONFIG           50 INVEPT
51 RDTSCP                 52 PREEMPTION_TIMER       53 INVVPID                 54 WBINVD
55 XSETBV                 56 APIC_WRITE             57 RDRAND                  58 INVPCID
59 VMFUNC                 60 ENCLS                  61 RDSEED                  62 PML_FULL
63 XSAVES                 64 XRSTORS
`;

export interface ExitReason {
  readonly number: number;
  readonly name: string;
}

export const exitReasons: readonly ExitReason[] = [...table.matchAll(/(\d+) ([A-Z_]+)/g)].map((m) => ({
  number: Number(m[1]),
  name: m[2] ?? "",
}));

const byNumber = new Map(exitReasons.map((r) => [r.number, r.name]));
const byName = new Map(exitReasons.map((r) => [r.name, r.number]));

/** Name of a basic exit reason (bits 15:0 of the field). */
export const exitReasonName = (reason: number): string =>
  byNumber.get(reason & 0xffff) ?? `EXIT_${reason & 0xffff}`;

/** Number of a named exit reason, or undefined. */
export const exitReasonNumber = (name: string): number | undefined => byName.get(name);

const REGISTERS = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const pick = (names: readonly string[], value: bigint): string => names[Number(value)] ?? String(value);

/** The exit qualification as named fields, in the manual's order; empty where the reason has none. */
export function exitQualification(reason: number, q: bigint): readonly (readonly [string, string])[] {
  const bits = (low: number, high: number): bigint =>
    (q >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  const flag = (bit: number): string => String(bits(bit, bit));
  switch (exitReasonName(reason)) {
    case "IO_INSTRUCTION":
      return [
        ["size", String(bits(0, 2) + 1n)],
        ["direction", bits(3, 3) === 1n ? "in" : "out"],
        ["string", flag(4)],
        ["rep", flag(5)],
        ["immediate", flag(6)],
        ["port", `0x${bits(16, 31).toString(16)}`],
      ];
    case "CR_ACCESS":
      return [
        ["register", `cr${bits(0, 3)}`],
        ["access", pick(["mov to cr", "mov from cr", "clts", "lmsw"], bits(4, 5))],
        ["lmsw memory", flag(6)],
        ["source", pick(REGISTERS, bits(8, 11))],
        ["lmsw data", `0x${bits(16, 31).toString(16)}`],
      ];
    case "DR_ACCESS":
      return [
        ["register", `dr${bits(0, 2)}`],
        ["direction", bits(4, 4) === 1n ? "from dr" : "to dr"],
        ["general register", pick(REGISTERS, bits(8, 11))],
      ];
    case "EPT_VIOLATION":
      return [
        ["read", flag(0)],
        ["write", flag(1)],
        ["fetch", flag(2)],
        ["readable", flag(3)],
        ["writable", flag(4)],
        ["executable", flag(5)],
        ["linear address valid", flag(7)],
        ["translated", flag(8)],
        ["nmi unblocking", flag(12)],
      ];
    case "APIC_ACCESS":
      return [
        ["offset", `0x${bits(0, 11).toString(16)}`],
        ["access", pick(["linear read", "linear write", "linear fetch", "event delivery"], bits(12, 15))],
      ];
    case "TASK_SWITCH":
      return [
        ["selector", `0x${bits(0, 15).toString(16)}`],
        ["source", pick(["call", "iret", "jmp", "gate"], bits(30, 31))],
      ];
    case "INVLPG":
      return [["linear address", `0x${q.toString(16)}`]];
    case "EXCEPTION_NMI":
      return [["qualification", `0x${q.toString(16)}`]];
    case "EOI_INDUCED":
      return [["vector", String(bits(0, 7))]];
    default:
      return [];
  }
}
