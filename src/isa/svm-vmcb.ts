/** Fields of the virtual machine control block: "VMCB Layout, Control Area" and "VMCB Layout, State Save Area" in the APM. */
export interface VmcbField {
  readonly name: string;
  readonly offset: number;
  /** Bytes. A segment register takes 16: selector 2, attributes 2, limit 4, base 8. */
  readonly size: number;
}

const table = `
000 INTERCEPT_CR_READ 2     002 INTERCEPT_CR_WRITE 2    004 INTERCEPT_DR_READ 2     006 INTERCEPT_DR_WRITE 2
008 INTERCEPT_EXCEPTION 4   00c INTERCEPT_INSTR1 4      010 INTERCEPT_INSTR2 4      014 INTERCEPT_INSTR3 4
03c PAUSE_FILTER_THRESHOLD 2  03e PAUSE_FILTER_COUNT 2  040 IOPM_BASE_PA 8          048 MSRPM_BASE_PA 8
050 TSC_OFFSET 8            058 GUEST_ASID 4            05c TLB_CONTROL 1           060 V_TPR_IRQ 4
064 V_INTR_VECTOR 1         068 INTERRUPT_SHADOW 8      070 EXITCODE 8              078 EXITINFO1 8
080 EXITINFO2 8             088 EXITINTINFO 8           090 NP_ENABLE 8             0a8 EVENTINJ 8
0b0 N_CR3 8                 0b8 LBR_VIRTUALIZATION_ENABLE 8  0c0 VMCB_CLEAN 4       0c8 NRIP 8
0d0 BYTES_FETCHED 1         0d1 GUEST_INSTRUCTION_BYTES 15
400 ES 16                   410 CS 16                   420 SS 16                   430 DS 16
440 FS 16                   450 GS 16                   460 GDTR 16                 470 LDTR 16
480 IDTR 16                 490 TR 16                   4cb CPL 1                   4d0 EFER 8
548 CR4 8                   550 CR3 8                   558 CR0 8                   560 DR7 8
568 DR6 8                   570 RFLAGS 8                578 RIP 8                   5d8 RSP 8
5f8 RAX 8                   600 STAR 8                  608 LSTAR 8                 610 CSTAR 8
618 SFMASK 8                620 KERNEL_GS_BASE 8        628 SYSENTER_CS 8           630 SYSENTER_ESP 8
638 SYSENTER_EIP 8          640 CR2 8                   668 G_PAT 8                 670 DBGCTL 8
678 BR_FROM 8               680 BR_TO 8                 688 LASTEXCPFROM 8          690 LASTEXCPTO 8
`;

export const vmcbFields: readonly VmcbField[] = [...table.matchAll(/([0-9a-f]{3}) (\w+) (\d+)/g)].map((m) => ({
  name: m[2] ?? "",
  offset: Number.parseInt(m[1] ?? "0", 16),
  size: Number(m[3]),
}));

const byName = new Map(vmcbFields.map((f) => [f.name, f]));

/** A field by the manual's name; throws on a name that does not exist. */
export function vmcbField(name: string): VmcbField {
  const field = byName.get(name);
  if (!field) throw new Error(`VMCB: no field ${name}; the names are in src/isa/svm-vmcb.ts`);
  return field;
}
