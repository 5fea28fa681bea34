// How each system body is called. The semantics live in src/hw/cpu; here stands only what is passed to them.
//
//   flow  returns the next record
//   rec   falls through after the fault check
//   val   returns the value of the first operand
//   arguments: pc, size (operand bytes), io (bytes of a port operand), e16/e32/e64/eT (value of the ModRM.rm operand), a, b
//   (raw bytes), reg (register number in b), imm, disp, mem (1 when the operand lies in memory), gT; anything else as it stands
export interface Body {
  readonly module: string;
  readonly kind: "flow" | "rec" | "val";
  readonly args: string;
  readonly name?: string;
}

const body = (kind: Body["kind"]) => (module: string, args = "pc", name?: string): Body => ({ module, kind, args, ...(name ? { name } : {}) });
const flow = body("flow"), rec = body("rec"), val = body("val");

export const bodies: Readonly<Record<string, Body>> = {
  ud: flow("flow", "pc", "invalidOpcode"),
  // segment.ts
  mov_to_seg: flow("segment", "pc a e16"),
  mov_from_seg: val("segment", "a", "selectorValue"),
  load_far_es: flow("segment", "pc size a"),
  load_far_ss: flow("segment", "pc size a"),
  load_far_ds: flow("segment", "pc size a"),
  load_far_fs: flow("segment", "pc size a"),
  load_far_gs: flow("segment", "pc size a"),
  sldt: flow("segment", "pc size mem b"),
  str: flow("segment", "pc size mem b"),
  lldt: flow("segment", "pc e16"),
  ltr: flow("segment", "pc e16"),
  verr: rec("segment", "e16"),
  verw: rec("segment", "e16"),
  lar: val("segment", "gT e16"),
  lsl: val("segment", "gT e16"),
  // interrupt.ts
  int: flow("interrupt", "pc imm"),
  int3: flow("interrupt"),
  int1: flow("interrupt"),
  into: flow("interrupt"),
  iret: flow("interrupt", "pc size"),
  // control.ts
  mov_to_cr: flow("control", "pc a reg"),
  mov_from_cr: flow("control", "pc a reg"),
  mov_to_dr: flow("debug", "pc a reg"),
  mov_from_dr: flow("debug", "pc a reg"),
  clts: flow("control"),
  lmsw: flow("control", "pc e16"),
  smsw: flow("control", "pc size mem b"),
  sgdt: flow("control"),
  sidt: flow("control"),
  lgdt: flow("control", "pc size"),
  lidt: flow("control", "pc size"),
  invlpg: flow("control"),
  invpcid: flow("control", "pc gT"),
  xsetbv: flow("control"),
  xgetbv: rec("control"),
  swapgs: flow("control"),
  rdfsbase: val("control"),
  rdgsbase: val("control"),
  wrfsbase: flow("control", "pc eT"),
  wrgsbase: flow("control", "pc eT"),
  stac: flow("control"),
  clac: flow("control"),
  hlt: flow("control"),
  cli: flow("control"),
  sti: flow("control"),
  monitor: flow("control"),
  mwait: flow("control"),
  invd: flow("control"),
  wbinvd: flow("control"),
  rsm: flow("control"),
  rdpmc: flow("control"),
  rdtsc: flow("control"),
  rdtscp: flow("control"),
  pause: flow("eflags"),
  pushf: rec("eflags", "size"),
  popf: flow("eflags", "pc size"),
  bound: rec("eflags", "pc size gT"),
  // far.ts
  call_far: flow("far", "pc size far"),
  jmp_far: flow("far", "pc size far"),
  ret_far: flow("far", "pc size release"),
  syscall: flow("far"),
  sysret: flow("far", "pc size"),
  sysenter: flow("far"),
  sysexit: flow("far", "pc size"),
  // msr.ts, cpuid.ts, io.ts
  rdmsr: flow("msr"),
  wrmsr: flow("msr"),
  cpuid: flow("cpuid"),
  in: flow("io", "pc io port", "port_in"),
  out: flow("io", "pc io port", "port_out"),
  ins: flow("io", "pc io"),
  outs: flow("io", "pc io"),
  // random.ts
  rdrand: flow("random", "pc size b"),
  rdseed: flow("random", "pc size b"),
  // decimal.ts
  aaa: rec("decimal", ""),
  aas: rec("decimal", ""),
  daa: rec("decimal", ""),
  das: rec("decimal", ""),
  aam: rec("decimal", "pc imm"),
  aad: rec("decimal", "pc imm"),
  salc: rec("decimal", ""),
  // vmx/instructions.ts, through the hook: number, record, 1 when the operand lies in memory
  vmcall: flow("intercept", "0 pc mem", "virtualInstructionHook"),
  vmlaunch: flow("intercept", "1 pc mem", "virtualInstructionHook"),
  vmresume: flow("intercept", "2 pc mem", "virtualInstructionHook"),
  vmxoff: flow("intercept", "3 pc mem", "virtualInstructionHook"),
  vmfunc: flow("intercept", "4 pc mem", "virtualInstructionHook"),
  vmread: flow("intercept", "5 pc mem", "virtualInstructionHook"),
  vmwrite: flow("intercept", "6 pc mem", "virtualInstructionHook"),
  vmptrld: flow("intercept", "7 pc mem", "virtualInstructionHook"),
  vmclear: flow("intercept", "8 pc mem", "virtualInstructionHook"),
  vmxon: flow("intercept", "9 pc mem", "virtualInstructionHook"),
  vmptrst: flow("intercept", "10 pc mem", "virtualInstructionHook"),
  invept: flow("intercept", "11 pc mem", "virtualInstructionHook"),
  invvpid: flow("intercept", "12 pc mem", "virtualInstructionHook"),
  getsec: flow("intercept", "13 pc mem", "virtualInstructionHook"),
  // svm/instructions.ts, through a hook of its own
  vmrun: flow("intercept", "0 pc", "secureInstructionHook"),
  vmmcall: flow("intercept", "1 pc", "secureInstructionHook"),
  vmload: flow("intercept", "2 pc", "secureInstructionHook"),
  vmsave: flow("intercept", "3 pc", "secureInstructionHook"),
  stgi: flow("intercept", "4 pc", "secureInstructionHook"),
  clgi: flow("intercept", "5 pc", "secureInstructionHook"),
  skinit: flow("intercept", "6 pc", "secureInstructionHook"),
  invlpga: flow("intercept", "7 pc", "secureInstructionHook"),
};
