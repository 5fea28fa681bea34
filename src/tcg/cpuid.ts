import { type Core, featureIndex, layout } from "../hw/index.ts";

/** One CPUID answer. `exact` leaves match their subleaf (ECX); the others answer any. */
export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly exact: boolean;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** What the processor says it is, and which instructions decode. */
export interface CpuModel {
  readonly leaves: readonly CpuidLeaf[];
  /** Feature names as the opcode rows spell them. */
  readonly features: ReadonlySet<string>;
  readonly physicalBits: number;
}

/** Writes the CPUID table and the decoder's feature bytes. */
export function installCpuid(core: Core, model: CpuModel): void {
  const base = layout.CPUID_TABLE / 4;
  model.leaves.forEach((l, i) => {
    core.u32.set([l.leaf, l.subleaf, l.eax, l.ebx, l.ecx, l.edx, l.exact ? 1 : 0, 0], base + i * 8);
  });
  core.u32[layout.CPUID_COUNT / 4] = model.leaves.length;
  for (const [name, index] of Object.entries(featureIndex)) core.u8[layout.FEATURES + index] = model.features.has(name) ? 1 : 0;
  core.exports.setPhysicalBits(model.physicalBits);
  core.exports.flushCode();
}
