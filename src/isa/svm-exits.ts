/** #VMEXIT codes: "SVM Intercept Exit Codes" in the APM. */
const table = `
60 INTR               61 NMI                62 SMI                63 INIT               64 VINTR
65 CR0_SEL_WRITE      66 IDTR_READ          67 GDTR_READ          68 LDTR_READ          69 TR_READ
6a IDTR_WRITE         6b GDTR_WRITE         6c LDTR_WRITE         6d TR_WRITE           6e RDTSC
6f RDPMC              70 PUSHF              71 POPF               72 CPUID              73 RSM
74 IRET               75 SWINT              76 INVD               77 PAUSE              78 HLT
79 INVLPG             7a INVLPGA            7b IOIO               7c MSR                7d TASK_SWITCH
7e FERR_FREEZE        7f SHUTDOWN           80 VMRUN              81 VMMCALL            82 VMLOAD
83 VMSAVE             84 STGI               85 CLGI               86 SKINIT             87 RDTSCP
88 ICEBP              89 WBINVD             8a MONITOR            8b MWAIT              8c MWAIT_CONDITIONAL
8d XSETBV             8e RDPRU              8f EFER_WRITE_TRAP    a2 INVPCID            400 NPF
`;

export interface SvmExit {
  readonly code: number;
  /** Without the manual's prefix VMEXIT_. */
  readonly name: string;
}

const family = (first: number, count: number, name: (n: number) => string): SvmExit[] =>
  Array.from({ length: count }, (_, n) => ({ code: first + n, name: name(n) }));

export const svmExits: readonly SvmExit[] = [
  ...family(0x00, 16, (n) => `CR${n}_READ`),
  ...family(0x10, 16, (n) => `CR${n}_WRITE`),
  ...family(0x20, 16, (n) => `DR${n}_READ`),
  ...family(0x30, 16, (n) => `DR${n}_WRITE`),
  ...family(0x40, 32, (n) => `EXCP${n}`),
  ...family(0x90, 16, (n) => `CR${n}_WRITE_TRAP`),
  ...[...table.matchAll(/([0-9a-f]+) ([A-Z0-9_]+)/g)].map((m) => ({
    code: Number.parseInt(m[1] ?? "0", 16),
    name: m[2] ?? "",
  })),
].sort((a, b) => a.code - b.code);

const byCode = new Map(svmExits.map((e) => [e.code, e.name]));
const INVALID = 0xffffffffffffffffn;

/** Name of an EXITCODE; INVALID for -1. */
export function svmExitName(code: bigint): string {
  if (code === INVALID) return "INVALID";
  return byCode.get(Number(code)) ?? `EXIT_${code.toString(16)}`;
}

const bits = (v: bigint, low: number, high: number): bigint => (v >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

/** EXITINFO1 and EXITINFO2 as named fields; empty where the code has none. */
export function svmExitInfo(code: bigint, info1: bigint, info2: bigint): readonly (readonly [string, string])[] {
  const flag = (n: number): string => String(bits(info1, n, n));
  const hex = (v: bigint): string => `0x${v.toString(16)}`;
  switch (svmExitName(code)) {
    case "IOIO":
      return [
        ["direction", flag(0) === "1" ? "in" : "out"],
        ["string", flag(2)],
        ["rep", flag(3)],
        ["size", String(bits(info1, 4, 6))],
        ["port", hex(bits(info1, 16, 31))],
        ["next rip", hex(info2)],
      ];
    case "MSR":
      return [["access", flag(0) === "1" ? "write" : "read"]];
    case "EXCP14":
      return [["error code", hex(info1)], ["address", hex(info2)]];
    case "NPF":
      return [
        ["present", flag(0)],
        ["write", flag(1)],
        ["user", flag(2)],
        ["reserved", flag(3)],
        ["fetch", flag(4)],
        ["final address", flag(32)],
        ["guest table", flag(33)],
        ["guest-physical address", hex(info2)],
      ];
    case "TASK_SWITCH":
      return [["selector", hex(bits(info1, 0, 15))]];
    default:
      return [];
  }
}
