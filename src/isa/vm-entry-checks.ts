/** The VM-entry checks by the number that the core leaves behind (`vmxFailedCheck()`), for the entry doctor. */
export interface VmEntryCheck {
  readonly number: number;
  /** Section title in the SDM. */
  readonly section: string;
  /** VMCS fields that the check looks at, by encoding. */
  readonly fields: readonly number[];
  readonly sentence: string;
}

const EXECUTION = "VM-Execution Control Fields";
const EXIT = "VM-Exit Control Fields";
const ENTRY = "VM-Entry Control Fields";
const HOST_CONTROL = "Checks on Host Control Registers, MSRs, and SSP";
const HOST_SEGMENT = "Checks on Host Segment and Descriptor-Table Registers";
const HOST_SIZE = "Checks Related to Address-Space Size";
const GUEST_CONTROL = "Checks on Guest Control Registers, Debug Registers, and MSRs";
const GUEST_SEGMENT = "Checks on Guest Segment Registers";
const GUEST_TABLE = "Checks on Guest Descriptor-Table Registers";
const GUEST_RIP = "Checks on Guest RIP, RFLAGS, and SSP";
const GUEST_OTHER = "Checks on Guest Non-Register State";
const GUEST_PDPTE = "Checks on Guest Page-Directory-Pointer-Table Entries";

type Row = readonly [number, string, readonly number[], string];

const rows: readonly Row[] = [
  [101, EXECUTION, [0x4000], "A pin-based control has a value that IA32_VMX_(TRUE_)PINBASED_CTLS does not allow."],
  [102, EXECUTION, [0x4002], "A primary processor-based control has a value that IA32_VMX_(TRUE_)PROCBASED_CTLS does not allow."],
  [103, EXECUTION, [0x401e], "A secondary processor-based control is set that IA32_VMX_PROCBASED_CTLS2 does not allow."],
  [104, EXECUTION, [0x400a], "The CR3-target count is above 4."],
  [105, EXECUTION, [0x2000, 0x2002], "An I/O-bitmap address is not page-aligned or exceeds the physical-address width."],
  [106, EXECUTION, [0x2004], "The MSR-bitmap address is not page-aligned or exceeds the physical-address width."],
  [107, EXECUTION, [0x2012], "The virtual-APIC address is not page-aligned or exceeds the physical-address width."],
  [108, EXECUTION, [0x401c], "Bits 31:4 of the TPR threshold are not 0."],
  [109, EXECUTION, [0x401c, 0x2012], "The TPR threshold is above bits 7:4 of the virtual TPR."],
  [111, EXECUTION, [0x4000], "Virtual NMIs are on without NMI exiting."],
  [112, EXECUTION, [0x4002, 0x4000], "NMI-window exiting is on without virtual NMIs."],
  [113, EXECUTION, [0x2014], "The APIC-access address is not page-aligned or exceeds the physical-address width."],
  [115, EXECUTION, [0x0000], "VPID is enabled with VPID 0."],
  [116, EXECUTION, [0x201a], "The EPT memory type is neither uncacheable nor write-back."],
  [117, EXECUTION, [0x201a], "The EPT page-walk length is not 4."],
  [118, EXECUTION, [0x201a], "Reserved bits of the EPT pointer are set."],
  [119, EXECUTION, [0x401e, 0x200e], "Page-modification logging is on without EPT, or the PML address is not page-aligned or exceeds the physical-address width."],
  [120, EXECUTION, [0x401e], "Unrestricted guest is on without EPT."],
  [130, EXIT, [0x400c], "A VM-exit control has a value that IA32_VMX_(TRUE_)EXIT_CTLS does not allow."],
  [131, EXIT, [0x400c, 0x4000], "The preemption timer is to be saved but not activated."],
  [132, EXIT, [0x2006, 0x400e], "The VM-exit MSR-store area is not 16-byte aligned or exceeds the physical-address width."],
  [133, EXIT, [0x2008, 0x4010], "The VM-exit MSR-load area is not 16-byte aligned or exceeds the physical-address width."],
  [140, ENTRY, [0x4012], "A VM-entry control has a value that IA32_VMX_(TRUE_)ENTRY_CTLS does not allow."],
  [141, ENTRY, [0x4016], "The event to inject has the reserved type 1."],
  [142, ENTRY, [0x4016], "The vector to inject does not fit its type."],
  [143, ENTRY, [0x4016, 0x6800], "Error-code delivery does not fit the event to inject."],
  [144, ENTRY, [0x4016], "Reserved bits of the interruption information are set."],
  [145, ENTRY, [0x4018], "Bits 31:16 of the exception error code are not 0."],
  [146, ENTRY, [0x401a], "The instruction length of a software event is above 15."],
  [147, ENTRY, [0x200a, 0x4014], "The VM-entry MSR-load area is not 16-byte aligned or exceeds the physical-address width."],
  [148, ENTRY, [0x4012], "Entry to SMM or deactivation of the dual-monitor treatment is asked for outside SMM."],
  [201, HOST_CONTROL, [0x6c00], "Host CR0 has a bit that VMX operation does not allow."],
  [202, HOST_CONTROL, [0x6c04], "Host CR4 has a bit that VMX operation does not allow."],
  [203, HOST_CONTROL, [0x6c02], "Host CR3 exceeds the physical-address width."],
  [204, HOST_CONTROL, [0x6c10, 0x6c12], "Host IA32_SYSENTER_ESP or IA32_SYSENTER_EIP is not canonical."],
  [205, HOST_CONTROL, [0x2c00], "Host IA32_PAT holds a reserved memory type."],
  [206, HOST_CONTROL, [0x2c02], "Host IA32_EFER has reserved bits set."],
  [207, HOST_CONTROL, [0x2c02, 0x400c], "LMA and LME of host IA32_EFER differ from the host address-space size."],
  [210, HOST_SEGMENT, [0x0c00, 0x0c02, 0x0c04, 0x0c06, 0x0c08, 0x0c0a, 0x0c0c], "A host selector has RPL or TI set."],
  [211, HOST_SEGMENT, [0x0c02], "The host CS selector is 0."],
  [212, HOST_SEGMENT, [0x0c0c], "The host TR selector is 0."],
  [213, HOST_SEGMENT, [0x0c04], "The host SS selector is 0 for a 32-bit host."],
  [214, HOST_SEGMENT, [0x6c06, 0x6c08, 0x6c0a, 0x6c0c, 0x6c0e], "A host base address is not canonical."],
  [220, HOST_SIZE, [0x400c, 0x4012], "A 64-bit host or guest is asked for outside IA-32e mode."],
  [221, HOST_SIZE, [0x400c], "The host address-space size is 32 bits in IA-32e mode."],
  [222, HOST_SIZE, [0x400c, 0x4012, 0x6c04, 0x6c16], "A 32-bit host excludes an IA-32e mode guest, CR4.PCIDE and a RIP above 4 GiB."],
  [223, HOST_SIZE, [0x6c04, 0x6c16], "A 64-bit host needs CR4.PAE and a canonical RIP."],
  [301, GUEST_CONTROL, [0x6800], "Guest CR0 has a bit that VMX operation does not allow."],
  [302, GUEST_CONTROL, [0x6800], "Guest CR0 has PG without PE."],
  [303, GUEST_CONTROL, [0x6804], "Guest CR4 has a bit that VMX operation does not allow."],
  [304, GUEST_CONTROL, [0x2802], "Guest IA32_DEBUGCTL has reserved bits set."],
  [305, GUEST_CONTROL, [0x4012, 0x6800, 0x6804], "An IA-32e mode guest needs CR0.PG and CR4.PAE."],
  [306, GUEST_CONTROL, [0x4012, 0x6804], "CR4.PCIDE needs an IA-32e mode guest."],
  [307, GUEST_CONTROL, [0x6802], "Guest CR3 exceeds the physical-address width."],
  [308, GUEST_CONTROL, [0x681a], "Bits 63:32 of guest DR7 are not 0."],
  [309, GUEST_CONTROL, [0x6824, 0x6826], "Guest IA32_SYSENTER_ESP or IA32_SYSENTER_EIP is not canonical."],
  [310, GUEST_CONTROL, [0x2804], "Guest IA32_PAT holds a reserved memory type."],
  [311, GUEST_CONTROL, [0x2806], "Guest IA32_EFER has reserved bits set."],
  [312, GUEST_CONTROL, [0x2806, 0x4012], "LMA of guest IA32_EFER differs from the IA-32e mode guest control, or with paging from LME."],
  [320, GUEST_SEGMENT, [0x080e], "The TR selector has TI set."],
  [321, GUEST_SEGMENT, [0x080c], "The LDTR selector has TI set."],
  [322, GUEST_SEGMENT, [0x0804, 0x0802], "The RPL of SS differs from the RPL of CS."],
  [323, GUEST_SEGMENT, [0x6806, 0x6808, 0x680a, 0x680c, 0x680e, 0x6810], "In virtual-8086 mode a base is not its selector times 16."],
  [324, GUEST_SEGMENT, [0x6814, 0x680e, 0x6810, 0x6812], "The base of TR, FS, GS or LDTR is not canonical."],
  [325, GUEST_SEGMENT, [0x6808], "Bits 63:32 of the CS base are not 0."],
  [326, GUEST_SEGMENT, [0x680a, 0x680c, 0x6806], "Bits 63:32 of the base of SS, DS or ES are not 0."],
  [327, GUEST_SEGMENT, [0x4800, 0x4802, 0x4804, 0x4806, 0x4808, 0x480a], "In virtual-8086 mode a limit is not FFFFh."],
  [328, GUEST_SEGMENT, [0x4814, 0x4816, 0x4818, 0x481a, 0x481c, 0x481e], "In virtual-8086 mode access rights are not F3h."],
  [330, GUEST_SEGMENT, [0x4816], "The type of CS is not that of accessed code (or of data for an unrestricted guest)."],
  [331, GUEST_SEGMENT, [0x4818], "The type of SS is not that of accessed writable data."],
  [332, GUEST_SEGMENT, [0x4814, 0x481a, 0x481c, 0x481e], "A data segment is not accessed, or is code that cannot be read."],
  [333, GUEST_SEGMENT, [0x4814, 0x4816, 0x4818, 0x481a, 0x481c, 0x481e], "A usable segment is a system segment (S is 0)."],
  [334, GUEST_SEGMENT, [0x4816, 0x4818], "The DPL of CS does not fit its type and the DPL of SS."],
  [335, GUEST_SEGMENT, [0x4818, 0x0804], "The DPL of SS does not fit its RPL, or real mode."],
  [336, GUEST_SEGMENT, [0x4814, 0x481a, 0x481c, 0x481e], "The DPL of a data segment is below its RPL."],
  [337, GUEST_SEGMENT, [0x4814, 0x4816, 0x4818, 0x481a, 0x481c, 0x481e], "A usable segment is not present."],
  [338, GUEST_SEGMENT, [0x4814, 0x4816, 0x4818, 0x481a, 0x481c, 0x481e], "Reserved access-rights bits are set."],
  [339, GUEST_SEGMENT, [0x4816], "CS has both L and D set in IA-32e mode."],
  [340, GUEST_SEGMENT, [0x4800, 0x4802, 0x4804, 0x4806, 0x4808, 0x480a], "A limit does not fit its granularity bit."],
  [350, GUEST_SEGMENT, [0x4822], "TR does not hold a busy TSS of the right size."],
  [351, GUEST_SEGMENT, [0x4822], "TR is not a system segment."],
  [352, GUEST_SEGMENT, [0x4822], "TR is not present."],
  [353, GUEST_SEGMENT, [0x4822], "Reserved access-rights bits of TR are set."],
  [354, GUEST_SEGMENT, [0x480e, 0x4822], "The limit of TR does not fit its granularity bit."],
  [355, GUEST_SEGMENT, [0x4822], "TR is unusable."],
  [356, GUEST_SEGMENT, [0x4820], "LDTR is usable but does not hold a present LDT."],
  [357, GUEST_SEGMENT, [0x480c, 0x4820], "The limit of LDTR does not fit its granularity bit."],
  [360, GUEST_TABLE, [0x6816, 0x6818], "The base of GDTR or IDTR is not canonical."],
  [361, GUEST_TABLE, [0x4810, 0x4812], "Bits 31:16 of the limit of GDTR or IDTR are not 0."],
  [370, GUEST_RIP, [0x681e], "Bits 63:32 of RIP are not 0 outside 64-bit mode."],
  [371, GUEST_RIP, [0x681e], "Bits 63:48 of RIP are not all equal in 64-bit mode."],
  [372, GUEST_RIP, [0x6820], "Reserved bits of RFLAGS have the wrong value."],
  [373, GUEST_RIP, [0x6820], "RFLAGS.VM is set in IA-32e mode or without CR0.PE."],
  [374, GUEST_RIP, [0x6820, 0x4016], "An external interrupt is to be injected with RFLAGS.IF clear."],
  [380, GUEST_OTHER, [0x4826], "The activity state does not exist."],
  [381, GUEST_OTHER, [0x4826, 0x4818], "HLT state with a DPL of SS other than 0."],
  [382, GUEST_OTHER, [0x4826, 0x4824], "An activity state other than active while STI or MOV SS blocks."],
  [383, GUEST_OTHER, [0x4826, 0x4016], "The event to inject cannot reach a processor in this activity state."],
  [390, GUEST_OTHER, [0x4824], "Reserved interruptibility bits are set."],
  [391, GUEST_OTHER, [0x4824], "Blocking by STI and by MOV SS at once."],
  [392, GUEST_OTHER, [0x4824, 0x6820], "Blocking by STI with RFLAGS.IF clear."],
  [393, GUEST_OTHER, [0x4824, 0x4016], "An external interrupt is to be injected while STI or MOV SS blocks."],
  [394, GUEST_OTHER, [0x4824, 0x4016], "An NMI is to be injected while MOV SS blocks."],
  [395, GUEST_OTHER, [0x4824], "Blocking by SMI outside SMM."],
  [396, GUEST_OTHER, [0x4824, 0x4016], "A virtual NMI is to be injected while NMIs are blocked."],
  [397, GUEST_OTHER, [0x4824], "An enclave interruption without enclaves."],
  [400, GUEST_OTHER, [0x6822], "Reserved bits of the pending debug exceptions are set."],
  [401, GUEST_OTHER, [0x6822, 0x6820], "The pending single step does not follow RFLAGS.TF."],
  [402, GUEST_OTHER, [0x6822], "A pending debug exception of a transaction without transactions."],
  [410, GUEST_OTHER, [0x2800], "The VMCS link pointer is not page-aligned or exceeds the physical-address width."],
  [411, GUEST_OTHER, [0x2800], "The VMCS link pointer refers to a region with another revision."],
  [412, GUEST_OTHER, [0x2800], "The VMCS link pointer refers to the current VMCS."],
  [420, GUEST_PDPTE, [0x280a, 0x280c, 0x280e, 0x2810], "A present page-directory-pointer-table entry has reserved bits set."],
];

export const vmEntryChecks: readonly VmEntryCheck[] = rows.map(([number, section, fields, sentence]) => ({ number, section, fields, sentence }));

const byNumber = new Map(vmEntryChecks.map((check) => [check.number, check]));
/** The check of a number, undefined for 0 and unknown numbers. */
export function vmEntryCheck(number: number): VmEntryCheck | undefined { return byNumber.get(number); }
