/** The checks of VMRUN by the number that the core leaves behind (`svmFailedCheck()`), for the entry doctor. */
export interface VmrunCheck {
  readonly number: number;
  /** VMCB fields that the check looks at, by name. */
  readonly fields: readonly string[];
  readonly sentence: string;
}

/** "Canonicalization and Consistency Checks" in the APM, and the sections on event injection and nested paging. */
export const vmrunChecks: readonly VmrunCheck[] = [
  { number: 1, fields: ["EFER"], sentence: "EFER.SVME is 0." },
  { number: 2, fields: ["CR0"], sentence: "CR0.NW is set while CR0.CD is clear." },
  { number: 3, fields: ["CR0"], sentence: "Bits 63:32 of CR0 are not 0." },
  { number: 4, fields: ["CR3"], sentence: "CR3 has bits above the physical-address width." },
  { number: 5, fields: ["CR4"], sentence: "CR4 has a bit that this processor does not have." },
  { number: 6, fields: ["DR6"], sentence: "Bits 63:32 of DR6 are not 0." },
  { number: 7, fields: ["DR7"], sentence: "Bits 63:32 of DR7 are not 0." },
  { number: 8, fields: ["EFER"], sentence: "EFER has a bit that this processor does not have." },
  { number: 9, fields: ["EFER"], sentence: "EFER.LME or EFER.LMA is set on a processor without long mode." },
  { number: 10, fields: ["EFER", "CR0", "CR4"], sentence: "EFER.LME and CR0.PG are set and CR4.PAE is clear." },
  { number: 11, fields: ["EFER", "CR0"], sentence: "EFER.LME and CR0.PG are set and CR0.PE is clear." },
  { number: 12, fields: ["EFER", "CR0", "CR4", "CS"], sentence: "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set." },
  { number: 13, fields: ["INTERCEPT_INSTR2"], sentence: "The intercept of VMRUN is clear." },
  { number: 14, fields: ["MSRPM_BASE_PA"], sentence: "The MSR permission map exceeds the physical-address width." },
  { number: 15, fields: ["IOPM_BASE_PA"], sentence: "The I/O permission map exceeds the physical-address width." },
  { number: 16, fields: ["EVENTINJ"], sentence: "The event to inject has a type or a vector that cannot be." },
  { number: 17, fields: ["GUEST_ASID"], sentence: "The ASID is 0, which is the host's." },
  { number: 18, fields: ["G_PAT"], sentence: "The guest PAT has a memory type that does not exist." },
  { number: 19, fields: ["N_CR3"], sentence: "nCR3 exceeds the physical-address width." },
  { number: 20, fields: ["CR3"], sentence: "A PAE directory-pointer entry has reserved bits set." },
];

const byNumber = new Map(vmrunChecks.map((c) => [c.number, c]));
export const vmrunCheck = (number: number): VmrunCheck | undefined => byNumber.get(number);
