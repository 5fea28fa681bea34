import { offeredLeaves } from "../hw/index.ts";
import { type CpuidLeaf, type CpuModel, cpuidFeature, cpuidHas } from "../isa/index.ts";

export interface CpuidAnswer {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

const INDEXED: ReadonlySet<number> = new Set([4, 7, 0xb, 0xd, 0x14, 0x8000001d]);
const SIGNATURE = 0x40000000;
/** KVM_CPUID_FEATURES and the bits of its EAX ("KVM CPUID bits" in the kernel's documentation). */
export const FEATURES = SIGNATURE + 1;
export const Feature = { CLOCKSOURCE: 0, NOP_IO_DELAY: 1, CLOCKSOURCE2: 3, STEAL_TIME: 5, PV_EOI: 6, CLOCKSOURCE_STABLE: 24 } as const;
const OFFERED = Object.values(Feature).reduce<number>((word, bit) => word | (1 << bit), 0);

/** The leaves of a model as KVM shows them to its guest: its own signature at 4000_0000h unless kvm=off. */
export function kvmLeaves(model: CpuModel): CpuidLeaf[] {
  // No nesting yet: what the guest's processor has, it has without VT-x and SVM.
  const vmx = cpuidFeature("vmx"),
    leaves = offeredLeaves({ ...model, asked: model.asked.filter((name) => name !== "svm") }).map((l) => ({ ...l }));
  for (const l of leaves)
    if (vmx && l.leaf === vmx.leaf) l[vmx.register] = (l[vmx.register] & ~(1 << vmx.bit)) >>> 0;
  if (!model.kvm) return leaves;
  // "KVMKVMKVM\0\0\0", and what QEMU shows by default but asynchronous page faults and the extended MSI destinations.
  const own: CpuidLeaf[] = [
    { leaf: SIGNATURE, subleaf: 0, eax: SIGNATURE + 1, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d },
    { leaf: FEATURES, subleaf: 0, eax: OFFERED, ebx: 0, ecx: 0, edx: 0 },
  ];
  return [...leaves, ...own];
}

/** State that the answer follows ("CPUID" in the SDM). */
export interface CpuidState {
  cr4(): bigint;
  xcr0(): bigint;
  apicEnabled(): boolean;
}

/** CPUID for a guest: the leaves given with KVM_SET_CPUID2, and the bits that follow its state. */
export class Cpuid {
  readonly #leaves: readonly CpuidLeaf[];
  readonly #apicId: number;

  /** @param apicId the initial APIC ID that leaves 1 and 0Bh tell */
  constructor(leaves: readonly CpuidLeaf[], apicId = 0) {
    this.#leaves = leaves;
    this.#apicId = apicId;
  }

  get leaves(): readonly CpuidLeaf[] {
    return this.#leaves;
  }

  /** Does leaf 0 say GenuineIntel? */
  get isIntel(): boolean {
    return this.find(0, 0)?.ebx === 0x756e6547;
  }

  has(feature: string): boolean {
    return cpuidHas(this.#leaves, feature);
  }

  find(leaf: number, subleaf: number): CpuidLeaf | undefined {
    for (const l of this.#leaves) if (l.leaf === leaf && (l.subleaf === subleaf || !INDEXED.has(leaf))) return l;
    return undefined;
  }

  answer(asked: number, subleaf: number, state: CpuidState): CpuidAnswer {
    const highest = this.find((asked & 0x80000000) >>> 0, 0)?.eax ?? 0;
    const leaf = asked > highest && asked >>> 28 !== 4 ? (this.find(0, 0)?.eax ?? 0) : asked;
    const found = this.find(leaf, subleaf);
    let { eax, ebx, ecx, edx } = found ?? { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    if (!found && leaf === 11) ecx = subleaf & 0xff;
    if (leaf === 11) edx = this.#apicId;
    else if (leaf === 1) {
      ebx = ((ebx & 0xffffff) | (this.#apicId << 24)) >>> 0;
      ecx = ((ecx & ~(1 << 27)) | (Number((state.cr4() >> 18n) & 1n) << 27)) >>> 0;
      if (!state.apicEnabled()) edx = (edx & ~(1 << 9)) >>> 0;
    } else if (leaf === 13 && found) {
      if (subleaf === 0) ebx = this.#areaSize(state.xcr0(), false);
      else if (subleaf === 1 && (eax & 2) !== 0) ebx = this.#areaSize(state.xcr0(), true);
    }
    return { eax, ebx, ecx, edx };
  }

  /** Size of an XSAVE area with these components. */
  #areaSize(components: bigint, compacted: boolean): number {
    let size = 576;
    for (let i = 2; i < 63; i++) {
      const e = (components >> BigInt(i)) & 1n ? this.find(13, i) : undefined;
      if (!e) continue;
      if (compacted) size = ((e.ecx & 2) !== 0 ? Math.ceil(size / 64) * 64 : size) + e.eax;
      else size = Math.max(size, e.ebx + e.eax);
    }
    return size;
  }
}
