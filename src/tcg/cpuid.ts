import { type Core, featureIndex, layout } from "../hw/index.ts";
import { type CpuModel, cpuidHas } from "../isa/index.ts";

/** Leaves whose answer depends on ECX. */
const INDEXED: ReadonlySet<number> = new Set([4, 7, 0xb, 0xd, 0x14, 0x8000001d]);

/** Writes the CPUID table and the decoder's feature bytes. */
export function installCpuid(core: Core, model: CpuModel): void {
  model.leaves.forEach((l, i) => {
    core.u32.set([l.leaf, l.subleaf, l.eax, l.ebx, l.ecx, l.edx, INDEXED.has(l.leaf) ? 1 : 0, 0], layout.CPUID_TABLE / 4 + i * 8);
  });
  core.u32[layout.CPUID_COUNT / 4] = model.leaves.length;
  for (const [name, index] of Object.entries(featureIndex)) core.u8[layout.FEATURES + index] = cpuidHas(model.leaves, name) ? 1 : 0;
  const sizes = model.leaves.find((l) => l.leaf === 0x80000008);
  core.exports.setPhysicalBits(sizes ? sizes.eax & 0xff : 36);
  core.exports.flushCode();
}
