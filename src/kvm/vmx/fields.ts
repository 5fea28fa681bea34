import { vmcsFields } from "../../isa/index.ts";

const encodings = new Map(vmcsFields.map((f) => [f.name, f.encoding]));
const field = (name: string): number => {
  const encoding = encodings.get(name);
  if (encoding === undefined) throw new Error(`no VMCS field ${name}`);
  return encoding;
};

/** Encodings of the fields that KVM uses; the names are the manual's, the numbers come from src/isa/vmcs.ts. */
export const F = {
  VPID: field("VPID"),
  GUEST_ES_SELECTOR: field("GUEST_ES_SELECTOR"),
  GUEST_ES_BASE: field("GUEST_ES_BASE"),
  GUEST_ES_LIMIT: field("GUEST_ES_LIMIT"),
  GUEST_ES_AR: field("GUEST_ES_AR_BYTES"),
  PML_INDEX: field("GUEST_PML_INDEX"),
  PML_ADDRESS: field("PML_ADDRESS"),
  IO_BITMAP_A: field("IO_BITMAP_A"),
  MSR_BITMAP: field("MSR_BITMAP"),
  TSC_OFFSET: field("TSC_OFFSET"),
  EPT_POINTER: field("EPT_POINTER"),
  GUEST_PHYSICAL: field("GUEST_PHYSICAL_ADDRESS"),
  LINK: field("VMCS_LINK_POINTER"),
  GUEST_DEBUGCTL: field("GUEST_IA32_DEBUGCTL"),
  GUEST_PAT: field("GUEST_IA32_PAT"),
  GUEST_EFER: field("GUEST_IA32_EFER"),
  GUEST_PDPTE0: field("GUEST_PDPTE0"),
  PIN: field("PIN_BASED_VM_EXEC_CONTROL"),
  PROC: field("CPU_BASED_VM_EXEC_CONTROL"),
  PROC2: field("SECONDARY_VM_EXEC_CONTROL"),
  PLE_GAP: field("PLE_GAP"),
  PLE_WINDOW: field("PLE_WINDOW"),
  EXCEPTION_BITMAP: field("EXCEPTION_BITMAP"),
  PF_MASK: field("PAGE_FAULT_ERROR_CODE_MASK"),
  PF_MATCH: field("PAGE_FAULT_ERROR_CODE_MATCH"),
  EXIT_CONTROLS: field("VM_EXIT_CONTROLS"),
  ENTRY_CONTROLS: field("VM_ENTRY_CONTROLS"),
  ENTRY_INFO: field("VM_ENTRY_INTR_INFO_FIELD"),
  ENTRY_CODE: field("VM_ENTRY_EXCEPTION_ERROR_CODE"),
  ENTRY_LENGTH: field("VM_ENTRY_INSTRUCTION_LEN"),
  EXIT_REASON: field("VM_EXIT_REASON"),
  VECTORING: field("IDT_VECTORING_INFO_FIELD"),
  VECTORING_CODE: field("IDT_VECTORING_ERROR_CODE"),
  EXIT_LENGTH: field("VM_EXIT_INSTRUCTION_LEN"),
  EXIT_INFO: field("VM_EXIT_INTR_INFO"),
  EXIT_CODE: field("VM_EXIT_INTR_ERROR_CODE"),
  EXIT_INSTRUCTION: field("VMX_INSTRUCTION_INFO"),
  QUALIFICATION: field("EXIT_QUALIFICATION"),
  GUEST_LINEAR: field("GUEST_LINEAR_ADDRESS"),
  GUEST_GDTR_BASE: field("GUEST_GDTR_BASE"),
  GUEST_GDTR_LIMIT: field("GUEST_GDTR_LIMIT"),
  GUEST_IDTR_BASE: field("GUEST_IDTR_BASE"),
  GUEST_IDTR_LIMIT: field("GUEST_IDTR_LIMIT"),
  INTERRUPTIBILITY: field("GUEST_INTERRUPTIBILITY_INFO"),
  ACTIVITY: field("GUEST_ACTIVITY_STATE"),
  PENDING_DEBUG: field("GUEST_PENDING_DBG_EXCEPTIONS"),
  GUEST_SYSENTER_CS: field("GUEST_SYSENTER_CS"),
  GUEST_SYSENTER_ESP: field("GUEST_SYSENTER_ESP"),
  GUEST_SYSENTER_EIP: field("GUEST_SYSENTER_EIP"),
  CR0_MASK: field("CR0_GUEST_HOST_MASK"),
  CR4_MASK: field("CR4_GUEST_HOST_MASK"),
  CR0_SHADOW: field("CR0_READ_SHADOW"),
  CR4_SHADOW: field("CR4_READ_SHADOW"),
  GUEST_CR0: field("GUEST_CR0"),
  GUEST_CR3: field("GUEST_CR3"),
  GUEST_CR4: field("GUEST_CR4"),
  GUEST_DR7: field("GUEST_DR7"),
  GUEST_RSP: field("GUEST_RSP"),
  GUEST_RIP: field("GUEST_RIP"),
  GUEST_RFLAGS: field("GUEST_RFLAGS"),
  HOST_CR3: field("HOST_CR3"),
} as const;

/** Words of what vmReadExit() reads at every exit; those of 64 bits have a second word behind them. */
export const X = { REASON: 0, VECTORING: 1, LENGTH: 2, INFO: 3, QUALIFICATION: 4, PHYSICAL: 6, LINEAR: 8, RIP: 10, RFLAGS: 12 } as const;
export const EXIT_WORDS = 14;

/** VM-execution, exit and entry controls ("VM-Execution Control Fields" in the SDM). */
export const PIN = { INTR: 1 << 0, NMI: 1 << 3, VIRTUAL_NMI: 1 << 5 } as const;
export const PROC = {
  INTR_WINDOW: 1 << 2,
  TSC_OFFSET: 1 << 3,
  HLT: 1 << 7,
  INVLPG: 1 << 9,
  CR3_LOAD: 1 << 15,
  CR3_STORE: 1 << 16,
  CR8_LOAD: 1 << 19,
  CR8_STORE: 1 << 20,
  NMI_WINDOW: 1 << 22,
  IO: 1 << 24,
  MSR_BITMAP: 1 << 28,
  SECONDARY: 0x80000000,
} as const;
export const PROC2 = {
  EPT: 1 << 1,
  RDTSCP: 1 << 3,
  VPID: 1 << 5,
  UNRESTRICTED: 1 << 7,
  PLE: 1 << 10,
  INVPCID: 1 << 12,
  PML: 1 << 17,
} as const;
export const EXIT = {
  SAVE_DEBUG: 1 << 2,
  HOST64: 1 << 9,
  SAVE_PAT: 1 << 18,
  LOAD_PAT: 1 << 19,
  SAVE_EFER: 1 << 20,
  LOAD_EFER: 1 << 21,
} as const;
export const ENTRY = { LOAD_DEBUG: 1 << 2, IA32E: 1 << 9, LOAD_PAT: 1 << 14, LOAD_EFER: 1 << 15 } as const;
/** Capability MSRs, the "true" ones. */
export const CAPABILITY = { PIN: 0x48d, PROC: 0x48e, EXIT: 0x48f, ENTRY: 0x490, PROC2: 0x48b } as const;
