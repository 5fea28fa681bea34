// VM entries that must fail, one or more for every check of src/isa/vm-entry-checks.ts, and the entries beside them that must not.
//
// A case starts from `common`, a VMCS that enters a guest which halts at once; its variant and then its own fields change that.
import { vmcsFields } from "../../isa/index.ts";

/** Field values by name; a string is a symbol of the guest, a name like "@204000" the eight bytes of memory there. */
export type Fields = Readonly<Record<string, number | bigint | string>>;
export type Variant = "long" | "ept" | "real" | "protected" | "pae" | "virtual-8086" | "events";
export interface EntryCase {
  /** Number of the check that must fail, 0 for an entry that succeeds. */
  readonly check: number;
  readonly variant: Variant;
  readonly fields: Fields;
  /** Exit qualification where it is not 0. */
  readonly qualification?: number;
  /** Exit reason of a guest that enters, where it is not that of HLT. */
  readonly reason?: number;
  /** Bochs 2.7 does not come back from it: what it does instead. */
  readonly bochsStops?: string;
}

const SECONDARY = 0x80000000;
/** Default1 bits without those that the true capability MSRs free; HLT exiting. */
const PROC = 0x04006172 | 0x80;
const EXIT = 0x36dfb, ENTRY = 0x11fb, HOST64 = 0x200, IA32E = 0x200, LOAD_DEBUG = 4;
const EXIT_PAT = 1 << 19, EXIT_EFER = 1 << 21, ENTRY_PAT = 1 << 14, ENTRY_EFER = 1 << 15;
const TPR_SHADOW = 1 << 21, PML = 1 << 17, VALID = 0x80000000;
const VMCS_REGION = 0x20c000, VIRTUAL_APIC = 0x208000, BITMAP = 0x209000, AREA = 0x20a000, PLAIN = 0x20d000;
const WIDE = 1n << 52n, UNCANONICAL = 1n << 47n, HIGH = 1n << 32n;
const EPTP = 0x20601e;

const segments = "ES CS SS DS FS GS LDTR TR".split(" ");
function every(names: readonly string[], field: (segment: string) => string, value: number | bigint): Fields {
  return Object.fromEntries(names.map((segment) => [field(segment), value]));
}
const data = ["ES", "SS", "DS", "FS", "GS"], user = ["CS", ...data];

/** Every field that a case changes is set here. */
export function commonFields(host: 32 | 64): Fields {
  const long = host === 64;
  return {
    PIN_BASED_VM_EXEC_CONTROL: 0x16,
    CPU_BASED_VM_EXEC_CONTROL: PROC,
    SECONDARY_VM_EXEC_CONTROL: 0,
    VM_EXIT_CONTROLS: EXIT | (long ? HOST64 : 0),
    VM_ENTRY_CONTROLS: ENTRY | (long ? IA32E : 0),
    EXCEPTION_BITMAP: 0xffffffff, PAGE_FAULT_ERROR_CODE_MASK: 0, PAGE_FAULT_ERROR_CODE_MATCH: 0, CR3_TARGET_COUNT: 0,
    VM_EXIT_MSR_STORE_COUNT: 0, VM_EXIT_MSR_LOAD_COUNT: 0, VM_ENTRY_MSR_LOAD_COUNT: 0,
    VM_EXIT_MSR_STORE_ADDR: 0, VM_EXIT_MSR_LOAD_ADDR: 0, VM_ENTRY_MSR_LOAD_ADDR: 0,
    VM_ENTRY_INTR_INFO_FIELD: 0, VM_ENTRY_EXCEPTION_ERROR_CODE: 0, VM_ENTRY_INSTRUCTION_LEN: 0, TPR_THRESHOLD: 0,
    VPID: 0, IO_BITMAP_A: BITMAP, IO_BITMAP_B: BITMAP, MSR_BITMAP: BITMAP, VIRTUAL_APIC_PAGE_ADDR: VIRTUAL_APIC,
    APIC_ACCESS_ADDR: BITMAP, PML_ADDRESS: BITMAP, GUEST_PML_INDEX: 511, EPT_POINTER: 0, TSC_OFFSET: 0, VMCS_LINK_POINTER: 0xffffffffffffffffn,
    CR0_GUEST_HOST_MASK: 0, CR4_GUEST_HOST_MASK: 0, CR0_READ_SHADOW: 0, CR4_READ_SHADOW: 0,
    ...every(segments.slice(0, 6), (s) => `HOST_${s}_SELECTOR`, 0x10),
    HOST_CS_SELECTOR: long ? 8 : 0x20, HOST_TR_SELECTOR: 0x18,
    HOST_CR0: 0x80000031, HOST_CR3: long ? 0x200000 : 0x203000, HOST_CR4: long ? 0x2020 : 0x2010,
    HOST_FS_BASE: 0, HOST_GS_BASE: 0, HOST_TR_BASE: 0, HOST_GDTR_BASE: "gdt", HOST_IDTR_BASE: 0,
    HOST_IA32_SYSENTER_CS: 0, HOST_IA32_SYSENTER_ESP: 0, HOST_IA32_SYSENTER_EIP: 0,
    HOST_IA32_PAT: 0x0007040600070406n, HOST_IA32_EFER: long ? 0x500 : 0, HOST_RSP: "stack", HOST_RIP: "back",
    ...every(segments, (s) => `GUEST_${s}_BASE`, 0),
    ...every(segments, (s) => `GUEST_${s}_LIMIT`, 0xffffffff),
    ...every(data, (s) => `GUEST_${s}_SELECTOR`, 0x10),
    ...every(data, (s) => `GUEST_${s}_AR_BYTES`, 0xc093),
    GUEST_CS_SELECTOR: 8, GUEST_CS_AR_BYTES: long ? 0xa09b : 0xc09b,
    GUEST_LDTR_SELECTOR: 0, GUEST_LDTR_LIMIT: 0, GUEST_LDTR_AR_BYTES: 0x10000,
    GUEST_TR_SELECTOR: 0x18, GUEST_TR_LIMIT: 0x67, GUEST_TR_AR_BYTES: 0x8b,
    GUEST_GDTR_BASE: "gdt", GUEST_GDTR_LIMIT: 55, GUEST_IDTR_BASE: 0, GUEST_IDTR_LIMIT: 0xffff,
    GUEST_CR0: 0x80000031, GUEST_CR3: long ? 0x200000 : 0x203000, GUEST_CR4: long ? 0x2020 : 0x2010, GUEST_DR7: 0x400,
    GUEST_RSP: "stack", GUEST_RIP: "guest", GUEST_RFLAGS: 2,
    GUEST_SYSENTER_CS: 0, GUEST_SYSENTER_ESP: 0, GUEST_SYSENTER_EIP: 0,
    GUEST_IA32_DEBUGCTL: 0, GUEST_IA32_PAT: 0x0007040600070406n, GUEST_IA32_EFER: long ? 0x500 : 0,
    GUEST_INTERRUPTIBILITY_INFO: 0, GUEST_ACTIVITY_STATE: 0, GUEST_PENDING_DBG_EXCEPTIONS: 0,
    GUEST_PDPTE0: 0x205001, GUEST_PDPTE1: 0, GUEST_PDPTE2: 0, GUEST_PDPTE3: 0,
    VMX_PREEMPTION_TIMER_VALUE: 0, CR3_TARGET_VALUE0: 0, CR3_TARGET_VALUE1: 0,
    "@204000": 0x205001, "@204008": 0, "@207008": 0, "@208080": 0, "@209008": 0, "@20e000": 0, "@10000": 0,
  };
}
const protectedMode: Fields = {
  VM_ENTRY_CONTROLS: ENTRY, GUEST_CS_AR_BYTES: 0xc09b, GUEST_CR3: 0x203000, GUEST_CR4: 0x2010, GUEST_IA32_EFER: 0,
};
const ept: Fields = { CPU_BASED_VM_EXEC_CONTROL: PROC | SECONDARY, SECONDARY_VM_EXEC_CONTROL: 2, EPT_POINTER: EPTP };
const virtual8086: Fields = {
  GUEST_RFLAGS: 0x20002,
  ...every(user, (s) => `GUEST_${s}_SELECTOR`, 0x1000),
  ...every(user, (s) => `GUEST_${s}_BASE`, 0x10000),
  ...every(user, (s) => `GUEST_${s}_LIMIT`, 0xffff),
  ...every(user, (s) => `GUEST_${s}_AR_BYTES`, 0xf3),
};
/** What each variant changes. */
export const variants: Readonly<Record<Variant, Fields>> = {
  long: {},
  ept,
  /** Real mode of an unrestricted guest; CS is based so that IP 0 is the guest. */
  real: {
    ...ept, SECONDARY_VM_EXEC_CONTROL: 0x82, VM_ENTRY_CONTROLS: ENTRY, GUEST_IA32_EFER: 0, GUEST_CR0: 0x30, GUEST_CR3: 0, GUEST_CR4: 0x2000,
    ...every(user, (s) => `GUEST_${s}_LIMIT`, 0xffff),
    ...every(data, (s) => `GUEST_${s}_AR_BYTES`, 0x93),
    GUEST_CS_AR_BYTES: 0x9b, GUEST_CS_BASE: "guest", GUEST_RIP: 0, GUEST_RSP: 0x8000,
  },
  protected: protectedMode,
  pae: { ...protectedMode, GUEST_CR3: 0x204000, GUEST_CR4: 0x2030 },
  "virtual-8086": { ...protectedMode, ...virtual8086 },
  /** Interrupts open and exiting with NMIs, virtual NMIs. */
  events: { PIN_BASED_VM_EXEC_CONTROL: 0x3f, GUEST_RFLAGS: 0x202 },
};

type Row = readonly [check: number, fields: Fields, variant?: Variant, more?: Omit<EntryCase, "check" | "variant" | "fields">];
const secondary = (bits: number): Fields => ({ CPU_BASED_VM_EXEC_CONTROL: PROC | SECONDARY, SECONDARY_VM_EXEC_CONTROL: bits });
const proc = (bits: number): Fields => ({ CPU_BASED_VM_EXEC_CONTROL: (PROC | bits) >>> 0 });
const pin = (bits: number): Fields => ({ PIN_BASED_VM_EXEC_CONTROL: 0x16 | bits });
const inject = (bits: number): Fields => ({ VM_ENTRY_INTR_INFO_FIELD: (VALID | bits) >>> 0 });
const exit = (bits: number): Fields => ({ VM_EXIT_CONTROLS: EXIT | HOST64 | bits });
const entry = (bits: number): Fields => ({ VM_ENTRY_CONTROLS: ENTRY | IA32E | bits });

const controls: readonly Row[] = [
  [0, {}], [0, {}, "ept"], [0, {}, "real"], [0, {}, "protected"], [0, {}, "pae"], [0, {}, "events"],
  [0, { ...ept }, "pae"],
  [101, { PIN_BASED_VM_EXEC_CONTROL: 0 }], [101, pin(1 << 31)],
  [102, { CPU_BASED_VM_EXEC_CONTROL: 0 }], [102, proc(1)],
  [103, secondary(1 << 29)],
  [104, { CR3_TARGET_COUNT: 5 }],
  [105, { ...proc(1 << 25), IO_BITMAP_A: BITMAP + 8 }], [105, { ...proc(1 << 25), IO_BITMAP_B: BITMAP + 8 }], [105, { ...proc(1 << 25), IO_BITMAP_A: WIDE }],
  [106, { ...proc(1 << 28), MSR_BITMAP: BITMAP + 8 }], [106, { ...proc(1 << 28), MSR_BITMAP: WIDE }],
  [107, { ...proc(TPR_SHADOW), VIRTUAL_APIC_PAGE_ADDR: VIRTUAL_APIC + 8 }], [107, { ...proc(TPR_SHADOW), VIRTUAL_APIC_PAGE_ADDR: WIDE }],
  [108, { ...proc(TPR_SHADOW), TPR_THRESHOLD: 0x10 }],
  [109, { ...proc(TPR_SHADOW), TPR_THRESHOLD: 3, "@208080": 0x2f }], [0, { ...proc(TPR_SHADOW), TPR_THRESHOLD: 2, "@208080": 0x2f }],
  [111, pin(0x20)],
  [112, proc(1 << 22)], [112, { ...proc(1 << 22), ...pin(8) }],
  [113, { ...secondary(1), APIC_ACCESS_ADDR: BITMAP + 8 }], [113, { ...secondary(1), APIC_ACCESS_ADDR: WIDE }],
  [115, secondary(0x20)],
  [116, { EPT_POINTER: EPTP - 5 }, "ept"], [117, { EPT_POINTER: EPTP - 8 }, "ept"],
  [118, { EPT_POINTER: EPTP + 0x80 }, "ept"], [118, { EPT_POINTER: WIDE + BigInt(EPTP) }, "ept"],
  [119, secondary(PML)], [119, { SECONDARY_VM_EXEC_CONTROL: PML | 2, PML_ADDRESS: BITMAP + 8 }, "ept"],
  [119, { SECONDARY_VM_EXEC_CONTROL: PML | 2, PML_ADDRESS: WIDE }, "ept"], [0, { SECONDARY_VM_EXEC_CONTROL: PML | 2 }, "ept"],
  [120, secondary(0x80)],
  [130, { VM_EXIT_CONTROLS: 0 }], [130, exit(1 << 30)],
  [131, exit(1 << 22)],
  [132, { VM_EXIT_MSR_STORE_COUNT: 1, VM_EXIT_MSR_STORE_ADDR: AREA + 8 }], [132, { VM_EXIT_MSR_STORE_COUNT: 1, VM_EXIT_MSR_STORE_ADDR: WIDE }],
  [133, { VM_EXIT_MSR_LOAD_COUNT: 1, VM_EXIT_MSR_LOAD_ADDR: AREA + 8 }], [133, { VM_EXIT_MSR_LOAD_COUNT: 1, VM_EXIT_MSR_LOAD_ADDR: WIDE }],
  [140, { VM_ENTRY_CONTROLS: 0 }], [140, entry(1 << 31)],
  [141, inject(0x141)],
  [142, inject(0x203)], [142, inject(0x320)],
  [142, inject(0x701), "long", { bochsStops: "panics: unsupported event injection type 7" }],
  [143, inject(0x30e)], [143, inject(0xb06)], [143, inject(0x820)], [143, inject(0xb0d), "real"],
  [144, inject(0x1306)],
  [145, { ...inject(0xb0d), VM_ENTRY_EXCEPTION_ERROR_CODE: 0x10000 }],
  [146, { ...inject(0x420), VM_ENTRY_INSTRUCTION_LEN: 16 }],
  [147, { VM_ENTRY_MSR_LOAD_COUNT: 1, VM_ENTRY_MSR_LOAD_ADDR: AREA + 8 }], [147, { VM_ENTRY_MSR_LOAD_COUNT: 1, VM_ENTRY_MSR_LOAD_ADDR: WIDE }],
  [148, entry(1 << 10)], [148, entry(1 << 11)],
];
const hostState: readonly Row[] = [
  [201, { HOST_CR0: 0x80000011 }], [201, { HOST_CR0: 0x31 }], [201, { HOST_CR0: HIGH + 0x80000031n }],
  [202, { HOST_CR4: 0x20 }], [202, { HOST_CR4: 0x80002020 }],
  [203, { HOST_CR3: WIDE }],
  [204, { HOST_IA32_SYSENTER_ESP: UNCANONICAL }], [204, { HOST_IA32_SYSENTER_EIP: UNCANONICAL }],
  [205, { ...exit(EXIT_PAT), HOST_IA32_PAT: 2 }], [205, { ...exit(EXIT_PAT), HOST_IA32_PAT: 8 }], [0, { HOST_IA32_PAT: 2 }],
  [206, { ...exit(EXIT_EFER), HOST_IA32_EFER: 0x502 }], [0, { HOST_IA32_EFER: 2 }],
  [207, { ...exit(EXIT_EFER), HOST_IA32_EFER: 0x100 }], [207, { ...exit(EXIT_EFER), HOST_IA32_EFER: 0x400 }],
  [210, { HOST_ES_SELECTOR: 0x13 }], [210, { HOST_CS_SELECTOR: 0xc }], [210, { HOST_SS_SELECTOR: 1 }], [210, { HOST_DS_SELECTOR: 4 }],
  [210, { HOST_FS_SELECTOR: 2 }], [210, { HOST_GS_SELECTOR: 0x14 }], [210, { HOST_TR_SELECTOR: 0x1c }],
  [211, { HOST_CS_SELECTOR: 0 }], [212, { HOST_TR_SELECTOR: 0 }],
  [214, { HOST_FS_BASE: UNCANONICAL }], [214, { HOST_GS_BASE: UNCANONICAL }], [214, { HOST_TR_BASE: UNCANONICAL }],
  [214, { HOST_GDTR_BASE: UNCANONICAL }], [214, { HOST_IDTR_BASE: UNCANONICAL }],
  [221, { VM_EXIT_CONTROLS: EXIT }], [221, { VM_EXIT_CONTROLS: EXIT }, "protected"],
  [223, { HOST_CR4: 0x2000 }], [223, { HOST_RIP: UNCANONICAL }],
];
const registers: readonly Row[] = [
  [301, { GUEST_CR0: 0x80000011 }], [301, { GUEST_CR0: 0x31 }], [301, { GUEST_CR0: HIGH + 0x80000031n }],
  [302, { GUEST_CR0: 0x80000030 }, "real"],
  [303, { GUEST_CR4: 0x20 }], [303, { GUEST_CR4: 0x80002020 }],
  [304, { ...entry(LOAD_DEBUG), GUEST_IA32_DEBUGCTL: 1n << 40n }], [0, { GUEST_IA32_DEBUGCTL: 1n << 40n }],
  [305, { GUEST_CR4: 0x2000 }], [305, entry(0), "real"],
  [306, { GUEST_CR4: 0x22010 }, "protected"], [0, { GUEST_CR4: 0x22020 }],
  [307, { GUEST_CR3: WIDE }],
  [308, { ...entry(LOAD_DEBUG), GUEST_DR7: HIGH }], [0, { GUEST_DR7: HIGH }],
  [309, { GUEST_SYSENTER_ESP: UNCANONICAL }], [309, { GUEST_SYSENTER_EIP: UNCANONICAL }],
  [310, { ...entry(ENTRY_PAT), GUEST_IA32_PAT: 3 }], [0, { GUEST_IA32_PAT: 3 }],
  [311, { ...entry(ENTRY_EFER), GUEST_IA32_EFER: 0x502 }], [0, { GUEST_IA32_EFER: 2 }],
  [312, { ...entry(ENTRY_EFER), GUEST_IA32_EFER: 0x100 }], [312, { ...entry(ENTRY_EFER), GUEST_IA32_EFER: 0x400 }],
  [312, { VM_ENTRY_CONTROLS: ENTRY | ENTRY_EFER, GUEST_IA32_EFER: 0x100 }, "protected"],
];
const segmentRegisters: readonly Row[] = [
  [320, { GUEST_TR_SELECTOR: 0x1c }],
  [321, { GUEST_LDTR_SELECTOR: 4, GUEST_LDTR_AR_BYTES: 0x82 }], [0, { GUEST_LDTR_SELECTOR: 4 }],
  [322, { GUEST_SS_SELECTOR: 0x13 }],
  ...user.map((s): Row => [323, { [`GUEST_${s}_BASE`]: 0x10010 }, "virtual-8086"]),
  [324, { GUEST_TR_BASE: UNCANONICAL }], [324, { GUEST_FS_BASE: UNCANONICAL }], [324, { GUEST_GS_BASE: UNCANONICAL }],
  [324, { GUEST_LDTR_BASE: UNCANONICAL, GUEST_LDTR_AR_BYTES: 0x82 }], [0, { GUEST_LDTR_BASE: UNCANONICAL }],
  [325, { GUEST_CS_BASE: HIGH }],
  ...["ES", "SS", "DS"].map((s): Row => [326, { [`GUEST_${s}_BASE`]: HIGH }]),
  ...["ES", "SS", "DS"].map((s): Row => [0, { [`GUEST_${s}_BASE`]: HIGH, [`GUEST_${s}_AR_BYTES`]: 0x10000 }]),
  ...user.map((s): Row => [327, { [`GUEST_${s}_LIMIT`]: 0xfffff }, "virtual-8086"]),
  ...user.map((s): Row => [328, { [`GUEST_${s}_AR_BYTES`]: 0x93 }, "virtual-8086"]),
  [330, { GUEST_CS_AR_BYTES: 0xa093 }], [330, { GUEST_CS_AR_BYTES: 0xa09a }], [330, { GUEST_CS_AR_BYTES: 0x91 }, "real"], [0, { GUEST_CS_AR_BYTES: 0x93 }, "real"],
  [331, { GUEST_SS_AR_BYTES: 0xc091 }], [331, { GUEST_SS_AR_BYTES: 0xc09b }], [0, { GUEST_SS_AR_BYTES: 0xc097 }],
  ...["ES", "DS", "FS", "GS"].flatMap((s): Row[] => [[332, { [`GUEST_${s}_AR_BYTES`]: 0xc092 }], [332, { [`GUEST_${s}_AR_BYTES`]: 0xc099 }]]),
  [333, { GUEST_ES_AR_BYTES: 0xc083 }], [333, { GUEST_CS_AR_BYTES: 0xa08b }], [333, { GUEST_SS_AR_BYTES: 0xc083 }],
  [334, { GUEST_CS_AR_BYTES: 0xa0fb }], [334, { GUEST_CS_AR_BYTES: 0xa0ff }], [334, { GUEST_CS_AR_BYTES: 0xf3 }, "real"], [0, { GUEST_CS_AR_BYTES: 0xa09f }],
  [335, { GUEST_CS_AR_BYTES: 0xa0fb, GUEST_SS_AR_BYTES: 0xc0f3 }], [335, { GUEST_CS_AR_BYTES: 0xfb, GUEST_SS_AR_BYTES: 0xf3 }, "real"],
  ...["ES", "DS", "FS", "GS"].map((s): Row => [336, { [`GUEST_${s}_SELECTOR`]: 0x13 }]),
  [0, { GUEST_ES_SELECTOR: 0x13, GUEST_ES_AR_BYTES: 0xc09f }],
  [337, { GUEST_DS_AR_BYTES: 0xc013 }], [337, { GUEST_CS_AR_BYTES: 0xa01b }], [337, { GUEST_SS_AR_BYTES: 0xc013 }],
  [338, { GUEST_DS_AR_BYTES: 0xc193 }], [338, { GUEST_CS_AR_BYTES: 0xaf9b }], [338, { GUEST_GS_AR_BYTES: 0x2c093 }],
  [339, { GUEST_CS_AR_BYTES: 0xe09b }],
  [340, { GUEST_ES_LIMIT: 0xfffff000 }], [340, { GUEST_CS_LIMIT: 0xfffffe }], [340, { GUEST_SS_AR_BYTES: 0x4093 }], [340, { GUEST_FS_LIMIT: 0x100000 }, "real"],
  [350, { GUEST_TR_AR_BYTES: 0x82 }], [350, { GUEST_TR_AR_BYTES: 0x83 }], [350, { GUEST_TR_AR_BYTES: 0x89 }], [0, { GUEST_TR_AR_BYTES: 0x83 }, "protected"],
  [351, { GUEST_TR_AR_BYTES: 0x9b }], [352, { GUEST_TR_AR_BYTES: 0x0b }],
  [353, { GUEST_TR_AR_BYTES: 0x18b }], [353, { GUEST_TR_AR_BYTES: 0x2008b }],
  [354, { GUEST_TR_LIMIT: 0x100000 }], [354, { GUEST_TR_AR_BYTES: 0x808b }],
  [355, { GUEST_TR_AR_BYTES: 0x1008b }],
  [356, { GUEST_LDTR_AR_BYTES: 0x83 }], [356, { GUEST_LDTR_AR_BYTES: 0x92 }], [356, { GUEST_LDTR_AR_BYTES: 0x02 }], [356, { GUEST_LDTR_AR_BYTES: 0x182 }],
  [357, { GUEST_LDTR_AR_BYTES: 0x82, GUEST_LDTR_LIMIT: 0x100000 }], [357, { GUEST_LDTR_AR_BYTES: 0x8082 }], [0, { GUEST_LDTR_AR_BYTES: 0x82, GUEST_LDTR_LIMIT: 0xfffff }],
];
const rest: readonly Row[] = [
  [360, { GUEST_GDTR_BASE: UNCANONICAL }], [360, { GUEST_IDTR_BASE: UNCANONICAL }],
  [361, { GUEST_GDTR_LIMIT: 0x10000 }], [361, { GUEST_IDTR_LIMIT: 0x80000000 }],
  [370, { GUEST_RIP: HIGH, GUEST_CS_AR_BYTES: 0xc09b }], [370, { GUEST_RIP: HIGH }, "protected"],
  [371, { GUEST_RIP: 1n << 48n }], [371, { GUEST_RIP: 1n << 63n }],
  // Bit 47 is not looked at: the guest enters, and its first fetch is #GP.
  [0, { GUEST_RIP: UNCANONICAL }, "long", { reason: 0 }],
  [372, { GUEST_RFLAGS: 0 }], [372, { GUEST_RFLAGS: 0xa }], [372, { GUEST_RFLAGS: 0x400002 }], [372, { GUEST_RFLAGS: HIGH + 2n }],
  [373, virtual8086], [373, virtual8086, "real", { bochsStops: "enters, and executes what lies at 10000h" }],
  [374, inject(0x20)], [374, inject(0x20), "protected"],
  [380, { GUEST_ACTIVITY_STATE: 4 }],
  [381, { GUEST_ACTIVITY_STATE: 1, GUEST_CS_SELECTOR: 0xb, GUEST_SS_SELECTOR: 0x13, GUEST_CS_AR_BYTES: 0xa0fb, GUEST_SS_AR_BYTES: 0xc0f3 }],
  [382, { GUEST_ACTIVITY_STATE: 1, GUEST_INTERRUPTIBILITY_INFO: 1 }, "events"], [382, { GUEST_ACTIVITY_STATE: 2, GUEST_INTERRUPTIBILITY_INFO: 2 }],
  [383, { GUEST_ACTIVITY_STATE: 1, ...inject(0x306) }], [383, { GUEST_ACTIVITY_STATE: 1, ...inject(0x420), VM_ENTRY_INSTRUCTION_LEN: 2 }],
  [383, { GUEST_ACTIVITY_STATE: 2, ...inject(0x20) }, "events"], [383, { GUEST_ACTIVITY_STATE: 3, ...inject(0x202) }],
  [390, { GUEST_INTERRUPTIBILITY_INFO: 0x20 }], [390, { GUEST_INTERRUPTIBILITY_INFO: 0x80000000 }],
  [391, { GUEST_INTERRUPTIBILITY_INFO: 3 }, "events"],
  [392, { GUEST_INTERRUPTIBILITY_INFO: 1 }],
  [393, { GUEST_INTERRUPTIBILITY_INFO: 1, ...inject(0x20) }, "events"], [393, { GUEST_INTERRUPTIBILITY_INFO: 2, ...inject(0x20) }, "events"],
  [394, { GUEST_INTERRUPTIBILITY_INFO: 2, ...inject(0x202) }, "events"],
  [395, { GUEST_INTERRUPTIBILITY_INFO: 4 }],
  [396, { GUEST_INTERRUPTIBILITY_INFO: 8, ...inject(0x202) }, "events"],
  [397, { GUEST_INTERRUPTIBILITY_INFO: 0x10 }],
  [400, { GUEST_PENDING_DBG_EXCEPTIONS: 0x10 }], [400, { GUEST_PENDING_DBG_EXCEPTIONS: 0x2000 }], [400, { GUEST_PENDING_DBG_EXCEPTIONS: 1n << 63n }],
  [401, { GUEST_INTERRUPTIBILITY_INFO: 1, GUEST_RFLAGS: 0x302 }, "events"], [401, { GUEST_INTERRUPTIBILITY_INFO: 2, GUEST_PENDING_DBG_EXCEPTIONS: 0x4000 }],
  [401, { GUEST_ACTIVITY_STATE: 1, GUEST_PENDING_DBG_EXCEPTIONS: 0x4000 }, "long", { bochsStops: "enters, and the next entry never ends" }],
  [402, { GUEST_PENDING_DBG_EXCEPTIONS: 0x11000 }],
  [410, { VMCS_LINK_POINTER: PLAIN + 8 }, "long", { qualification: 4 }], [410, { VMCS_LINK_POINTER: WIDE }, "long", { qualification: 4 }],
  [411, { VMCS_LINK_POINTER: PLAIN }, "long", { qualification: 4 }], [412, { VMCS_LINK_POINTER: VMCS_REGION }, "long", { qualification: 4 }],
  [420, { "@204000": 0x205003 }, "pae", { qualification: 2 }], [420, { "@204008": WIDE + 1n }, "pae", { qualification: 2 }], [0, { "@204008": 0x205002 }, "pae"],
  [420, { ...ept, GUEST_PDPTE0: 0x205021 }, "pae", { qualification: 2 }], [420, { ...ept, GUEST_PDPTE3: 0x205181 }, "pae", { qualification: 2 }],
  [0, { ...ept, GUEST_PDPTE3: 0x2051fe }, "pae"],
];
/** Entries by a host outside IA-32e mode; its guests are "protected". */
const host32: readonly Row[] = [
  [0, {}], [0, { GUEST_CR3: 0x204000, GUEST_CR4: 0x2030 }], [0, ept],
  [213, { HOST_SS_SELECTOR: 0 }],
  [220, { VM_EXIT_CONTROLS: EXIT | HOST64 }], [220, { VM_ENTRY_CONTROLS: ENTRY | IA32E }],
  // Of check 222 only this is left: an IA-32e mode guest is 220 before, and no 32-bit host can write bits 63:32 of HOST_RIP.
  [222, { HOST_CR4: 0x22010 }],
  [202, { HOST_CR4: 0x10 }], [212, { HOST_TR_SELECTOR: 0 }], [301, { GUEST_CR0: 0x31 }], [372, { GUEST_RFLAGS: 0 }],
  [420, { GUEST_CR3: 0x204000, GUEST_CR4: 0x2030, "@204000": 0x205003 }, "long", { qualification: 2 }],
  [207, { VM_EXIT_CONTROLS: EXIT | EXIT_EFER, HOST_IA32_EFER: 0x500 }],
  [0, { VM_EXIT_CONTROLS: EXIT | EXIT_EFER, HOST_IA32_EFER: 0x800 }],
];

function cases(rows: readonly Row[]): readonly EntryCase[] {
  return rows.map(([check, fields, variant = "long", more]) => ({ check, fields, variant, ...more }));
}
/** The cases of a 64-bit or 32-bit host, in the order of the guest's output. */
export const entryCases: Readonly<Record<32 | 64, readonly EntryCase[]>> = {
  64: cases([...controls, ...hostState, ...registers, ...segmentRegisters, ...rest]),
  32: cases(host32),
};

const encodings = new Map(vmcsFields.map((field) => [field.name, field.encoding]));
function encoding(name: string): number {
  if (name.startsWith("@")) return 0x10000000 + Number.parseInt(name.slice(1), 16);
  const found = encodings.get(name);
  if (found === undefined) throw new Error(`VM-entry cases: ${name} is no VMCS field; use the names of src/isa/vmcs.ts`);
  return found;
}
/** The fields as data for the guest. */
export function fieldData(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, value]) => `dd ${encoding(name)}\ndq ${typeof value === "number" ? value >>> 0 : value}`);
  return [`dd ${rows.length}`, ...rows].join("\n");
}
/** What to print of a VM exit, as data behind a case. */
export function reportData(names: readonly string[]): string { return `dd ${[...names.map(encoding), 0].join(", ")}`; }
