/** The door of `isa`: the manuals as data. */
export type { Bits, Decoded } from "./decode.ts";
export { decode, operandSizeOf } from "./decode.ts";
export { disassemble, disassembleBytes, operandBytes, registerName } from "./disassemble.ts";
export type { FlagEffects, Prefix, Row } from "./row.ts";
export { rows } from "./rows.ts";
export type { Exception } from "./exceptions.ts";
export { exceptionOf, exceptions } from "./exceptions.ts";
export type { ExitReason } from "./exits.ts";
export { exitQualification, exitReasonName, exitReasonNumber, exitReasons } from "./exits.ts";
export type { VmcsField, VmcsGroup, VmcsWidth } from "./vmcs.ts";
export { vmcsField, vmcsFields, vmcsGroup, vmcsWidth } from "./vmcs.ts";
export type { Msr } from "./msr.ts";
export { msrName, msrs } from "./msr.ts";
export type { CpuidFeature, CpuidLeaf, CpuidRegister, CpuModel } from "./cpuid.ts";
export { cpuidFeature, cpuidFeatures, cpuidHas, cpuModelNames, parseCpu } from "./cpuid.ts";
export type { Assembled } from "./assemble/index.ts";
export { assemble, AssembleError } from "./assemble/index.ts";
