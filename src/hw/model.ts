import type { Core } from "./index.ts";
import { featureIndex, layout } from "./layout.ts";
import { absentFeatures, type CpuidLeaf, type CpuModel, cpuidFeature, cpuidHas } from "../isa/index.ts";

/** Leaves whose answer depends on ECX. */
const INDEXED: ReadonlySet<number> = new Set([4, 7, 0xb, 0xd, 0x14, 0x8000001d]);

const SVM_FEATURES = 0x8000000a;

/** The leaves of a model without what the silicon lacks. SVM is there only when asked for by name (+svm): a machine is the
 *  same with and without a hypervisor below it. No silicon has both VT-x and SVM: with VT-x there is none. */
export function offeredLeaves(model: CpuModel): readonly CpuidLeaf[] {
  const svm = model.asked.includes("svm") && !cpuidHas(model.leaves, "vmx");
  const absent = [...absentFeatures, ...(svm ? [] : ["svm"])].map(cpuidFeature);
  return model.leaves.map((leaf) => {
    const masked = { ...leaf };
    for (const feature of absent) {
      if (feature?.leaf === leaf.leaf && feature.subleaf === leaf.subleaf)
        masked[feature.register] = (masked[feature.register] & ~(2 ** feature.bit)) >>> 0;
    }
    if (leaf.leaf === SVM_FEATURES && !svm) masked.edx = 0;
    return masked;
  });
}

/** Writes the CPUID table and the decoder's feature bytes. */
export function installCpuid(core: Core, model: CpuModel): void {
  const leaves = offeredLeaves(model);
  leaves.forEach((l, i) => {
    core.u32.set(
      [l.leaf, l.subleaf, l.eax, l.ebx, l.ecx, l.edx, INDEXED.has(l.leaf) ? 1 : 0, 0],
      layout.CPUID_TABLE / 4 + i * 8,
    );
  });
  core.u32[layout.CPUID_COUNT / 4] = leaves.length;
  for (const [name, index] of Object.entries(featureIndex))
    core.u8[layout.FEATURES + index] = cpuidHas(leaves, name) ? 1 : 0;
  const sizes = leaves.find((l) => l.leaf === 0x80000008);
  core.exports.setPhysicalBits(sizes ? sizes.eax & 0xff : 36);
  core.exports.flushCode();
}
