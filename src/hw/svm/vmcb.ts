// Offsets in the virtual machine control block ("VMCB Layout, Control Area" and "VMCB Layout, State Save Area" in the APM).
//
//   000h control area                        400h state save area
//   segment: selector u16, attributes u16, limit u32, base u64
//   attributes  11 G  10 D/B  9 L  8 AVL  7 P  6..5 DPL  4 S  3..0 type

export const INTERCEPT_CR: usize = 0x000; // u16 reads, u16 writes
export const INTERCEPT_DR: usize = 0x004; // u16 reads, u16 writes
export const INTERCEPT_EXCEPTIONS: usize = 0x008;
export const INTERCEPT_3: usize = 0x00c; // bit n: exit code 60h + n
export const INTERCEPT_4: usize = 0x010; // 80h + n
export const INTERCEPT_5: usize = 0x014; // A0h + n
export const PAUSE_FILTER_THRESHOLD: usize = 0x03c; // u16
export const PAUSE_FILTER_COUNT: usize = 0x03e; // u16
export const IOPM_BASE_PA: usize = 0x040;
export const MSRPM_BASE_PA: usize = 0x048;
export const TSC_OFFSET_FIELD: usize = 0x050;
export const GUEST_ASID: usize = 0x058; // u32
export const TLB_CONTROL: usize = 0x05c; // u8
export const INT_CTL: usize = 0x060; // u32: 24 V_INTR_MASKING  20 V_IGN_TPR  19..16 V_INTR_PRIO  8 V_IRQ  7..0 V_TPR
export const INT_VECTOR: usize = 0x064; // u8
export const INT_STATE: usize = 0x068; // bit 0: interrupt shadow
export const EXITCODE: usize = 0x070;
export const EXITINFO1: usize = 0x078;
export const EXITINFO2: usize = 0x080;
export const EXITINTINFO: usize = 0x088; // as EVENTINJ
export const NP_ENABLE: usize = 0x090;
export const EVENTINJ: usize = 0x0a8; // 63..32 error code  31 V  11 EV  10..8 type  7..0 vector
export const N_CR3_FIELD: usize = 0x0b0;
export const NRIP: usize = 0x0c8;
export const FETCHED: usize = 0x0d0; // u8 number, then 15 instruction bytes

export const ES_AT: usize = 0x400;
export const CS_AT: usize = 0x410;
export const SS_AT: usize = 0x420;
export const DS_AT: usize = 0x430;
export const FS_AT: usize = 0x440;
export const GS_AT: usize = 0x450;
export const GDTR_AT: usize = 0x460;
export const LDTR_AT: usize = 0x470;
export const IDTR_AT: usize = 0x480;
export const TR_AT: usize = 0x490;
export const CPL_AT: usize = 0x4cb; // u8
export const EFER_AT: usize = 0x4d0;
export const CR4_AT: usize = 0x548;
export const CR3_AT: usize = 0x550;
export const CR0_AT: usize = 0x558;
export const DR7_AT: usize = 0x560;
export const DR6_AT: usize = 0x568;
export const RFLAGS_AT: usize = 0x570;
export const RIP_AT: usize = 0x578;
export const RSP_AT: usize = 0x5d8;
export const RAX_AT: usize = 0x5f8;
export const STAR_AT: usize = 0x600;
export const LSTAR_AT: usize = 0x608;
export const CSTAR_AT: usize = 0x610;
export const SFMASK_AT: usize = 0x618;
export const KERNEL_GS_BASE_AT: usize = 0x620;
export const SYSENTER_CS_AT: usize = 0x628;
export const SYSENTER_ESP_AT: usize = 0x630;
export const SYSENTER_EIP_AT: usize = 0x638;
export const CR2_AT: usize = 0x640;
export const G_PAT: usize = 0x668;

// Exit codes that the code names ("SVM Intercept Exit Codes"); src/isa/svm-exits.ts has all of them.
export const EXIT_CR0_SEL_WRITE: u64 = 0x65;
export const EXIT_NPF: u64 = 0x400;
export const EXIT_INVALID: u64 = ~0;
