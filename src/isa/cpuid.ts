/**
 * CPUID: "CPUID - CPU Identification" in the SDM and "Obtaining Processor Information Via the CPUID Instruction"
 * in the APM. Models are leaves as data; `-cpu MODEL,+feature,-feature,key=value` edits them.
 */
import { modelTables, silicon } from "./cpuid-models.ts";

export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

export interface CpuidFeature {
  readonly name: string;
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

export interface CpuModel {
  readonly name: string;
  /** Text of leaves 80000002 to 80000004. */
  readonly modelId: string;
  /** False with `kvm=off`: the hypervisor leaves stay hidden. */
  readonly kvm: boolean;
  readonly leaves: readonly CpuidLeaf[];
  /** Features that the argument switches on by name, in the table's spelling. */
  readonly asked: readonly string[];
}

/** One line per register: leaf, subleaf, register, then name:bit. */
const featureTable = `
1 0 edx  fpu:0 vme:1 de:2 pse:3 tsc:4 msr:5 pae:6 mce:7 cx8:8 apic:9 sep:11 mtrr:12 pge:13 mca:14 cmov:15 pat:16
1 0 edx  pse36:17 clflush:19 mmx:23 fxsr:24 sse:25 sse2:26 ss:27 ht:28
1 0 ecx  sse3:0 pclmulqdq:1 monitor:3 vmx:5 smx:6 ssse3:9 fma:12 cx16:13 pcid:17 sse4_1:19 sse4_2:20 x2apic:21
1 0 ecx  movbe:22 popcnt:23 tsc_deadline:24 aes:25 xsave:26 osxsave:27 avx:28 f16c:29 rdrand:30 hypervisor:31
6 0 eax  arat:2
7 0 ebx  fsgsbase:0 tsc_adjust:1 bmi1:3 avx2:5 smep:7 bmi2:8 erms:9 invpcid:10 rdseed:18 adx:19 smap:20
7 0 ebx  hle:4 mpx:14 rtm:11 avx512f:16 clflushopt:23 clwb:24 sha_ni:29
7 0 ecx  umip:2 pku:3 shstk:7 la57:16 rdpid:22 pks:31
7 0 edx  fsrm:4 ibt:20 spec_ctrl:26 stibp:27 arch_capabilities:29 ssbd:31
7 1 eax  lam:26
d 1 eax  xsaveopt:0 xsavec:1 xgetbv1:2 xsaves:3
80000001 0 edx  syscall:11 nx:20 mmxext:22 fxsr_opt:25 pdpe1gb:26 rdtscp:27 lm:29 3dnowext:30 3dnow:31
80000001 0 ecx  lahf_lm:0 svm:2 abm:5 sse4a:6 3dnowprefetch:8 xop:11 skinit:12 fma4:16
80000007 0 edx  invtsc:8
80000008 0 ebx  rdpru:4 ibpb:12
8000000a 0 edx  npt:0 lbrv:1 svm_lock:2 nrip_save:3 tsc_scale:4 vmcb_clean:5 flushbyasid:6 decodeassists:7
8000000a 0 edx  pause_filter:10 pfthreshold:12 avic:13 v_vmsave_vmload:15 vgif:16 svme_addr_chk:28
`;

const isRegister = (text: string): text is CpuidRegister => /^e[abcd]x$/.test(text);

export const cpuidFeatures: readonly CpuidFeature[] = featureTable
  .trim()
  .split("\n")
  .flatMap((line) => {
    const [leaf = "", subleaf = "", register = "", ...names] = line.trim().split(/ +/);
    return names.map((word) => {
      const [name = "", bit = ""] = word.split(":");
      if (!isRegister(register)) throw new Error(`cpuid table: no register in "${line}"`);
      return { name, leaf: Number.parseInt(leaf, 16), subleaf: Number(subleaf), register, bit: Number(bit) };
    });
  });

const byName = new Map(cpuidFeatures.map((f) => [f.name, f]));

/** Finds a feature; `-` and `.` may stand for `_`, as in QEMU's names. */
export function cpuidFeature(name: string): CpuidFeature | undefined {
  const plain = name.toLowerCase().replace(/[-.]/g, "_");
  const synonyms: Readonly<Record<string, string>> = {
    pni: "sse3",
    sse4: "sse4_1",
    cmpxchg16b: "cx16",
    lahf: "lahf_lm",
  };
  return byName.get(plain) ?? byName.get(synonyms[plain] ?? "");
}

/** Names `-cpu` accepts. */
export const cpuModelNames: readonly string[] = [...Object.keys(modelTables), "max", "host"];

/** Features that no silicon of ours has: models do not announce them, whatever their table says, and nobody can ask for them. */
export const absentFeatures: readonly string[] = [
  ..."pclmulqdq smx fma aes avx f16c bmi1 avx2 bmi2 adx hle mpx rtm avx512f clwb sha_ni pku shstk la57 pks fsrm ibt lam".split(" "),
  ..."xsaves mmxext 3dnowext 3dnow abm sse4a xop fma4 skinit invtsc rdpid rdpru lbrv tsc_scale avic v_vmsave_vmload".split(" "),
];

const pack = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((text.charCodeAt(at + i) || 0) << (8 * i)), 0) >>> 0;

type Draft = { -readonly [K in keyof CpuidLeaf]: CpuidLeaf[K] };

const refuse = (value: string, cure: string): Error => new Error(`-cpu: ${value}; ${cure}`);

/** Settings that may stand without a value. */
const SWITCHES: ReadonlySet<string> = new Set(["host-phys-bits", "migratable", "kvm"]);

/** The setting that `key=value` makes; returns false when the key is none of these. */
function set(
  draft: { leaf(l: number, s?: number): Draft; id: string; kvm: boolean },
  key: string,
  value: string,
): boolean {
  const number = Number(value);
  const numeric = (max: number): number => {
    if (value === "" || !Number.isInteger(number) || number < 0 || number > max) {
      throw refuse(`${key}=${value}`, `give a number from 0 to ${max}`);
    }
    return number;
  };
  const one = draft.leaf(1);
  switch (key) {
    case "vendor": {
      if (value.length !== 12) throw refuse(`vendor=${value}`, "give exactly 12 characters");
      for (const leaf of [draft.leaf(0), draft.leaf(0x80000000)]) {
        [leaf.ebx, leaf.edx, leaf.ecx] = [pack(value, 0), pack(value, 4), pack(value, 8)];
      }
      return true;
    }
    case "stepping":
      one.eax = (one.eax & ~0xf) | numeric(15);
      return true;
    case "model":
      one.eax = (one.eax & ~0xf00f0) | ((numeric(255) & 15) << 4) | ((number >> 4) << 16);
      return true;
    case "family": {
      const family = numeric(270);
      one.eax = (one.eax & ~0x0ff00f00) | (Math.min(family, 15) << 8) | (Math.max(family - 15, 0) << 20);
      return true;
    }
    case "level":
      draft.leaf(0).eax = numeric(0xffffffff);
      return true;
    case "xlevel":
      draft.leaf(0x80000000).eax = numeric(0xffffffff);
      return true;
    case "model-id":
    case "model_id":
      draft.id = value;
      return true;
    case "kvm":
      draft.kvm = value !== "off";
      return true;
    // Of the silicon's 40 bits; with fewer, more bits of a table entry are reserved.
    case "phys-bits":
      if (numeric(40) < 32) throw refuse(`${key}=${value}`, "give a number from 32 to 40");
      draft.leaf(0x80000008).eax = (draft.leaf(0x80000008).eax & ~0xff) | number;
      return true;
    case "host-phys-bits":
    case "migratable":
      return true;
    default:
      return false;
  }
}

/**
 * Parses the argument of `-cpu`; throws naming the word it cannot read. Leaves come sorted.
 * @param vendor whose silicon `max` and `host` are
 */
export function parseCpu(argument: string, vendor: "intel" | "amd" = "intel"): CpuModel {
  const [name = "", ...words] = argument.split(",");
  const table = name === "max" || name === "host" ? silicon[vendor] : Object.hasOwn(modelTables, name) ? modelTables[name] : undefined;
  if (!table) throw refuse(name, `choose one of ${cpuModelNames.join(", ")}`);
  const leaves = new Map<string, Draft>();
  const leaf = (number: number, subleaf = 0): Draft => {
    const key = `${number}.${subleaf}`;
    const found = leaves.get(key) ?? { leaf: number, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0 };
    leaves.set(key, found);
    return found;
  };
  for (const line of table.leaves.trim().split("\n")) {
    const [where = "", ...values] = line.trim().split(/ +/);
    const [number = 0, subleaf = 0] = where.split(".").map((w) => Number.parseInt(w, 16));
    const [eax = 0, ebx = 0, ecx = 0, edx = 0] = values.map((w) => Number.parseInt(w, 16));
    Object.assign(leaf(number, subleaf), { eax, ebx, ecx, edx });
  }
  const draft = { leaf, id: table.modelId, kvm: true };
  const asked = new Set<string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word.replace(/^[+-]/, "") : word.slice(0, equals);
    const value = equals < 0 ? (word.startsWith("-") ? "off" : "on") : word.slice(equals + 1);
    if ((equals >= 0 || SWITCHES.has(key)) && set(draft, key, value)) continue;
    const feature = cpuidFeature(key);
    // Parts of VT-x are what the capability MSRs say.
    if (!feature && value === "off" && /^vmx-/.test(key)) continue;
    if (!feature) throw refuse(word, "no such feature or setting");
    if (value !== "on" && value !== "off") throw refuse(word, "say on or off");
    if (value === "on" && absentFeatures.includes(feature.name)) throw refuse(word, "the silicon does not have it: leave it out");
    if (value === "on") asked.add(feature.name);
    else asked.delete(feature.name);
    const target = leaf(feature.leaf, feature.subleaf);
    const bit = 2 ** feature.bit;
    const on = Math.floor(target[feature.register] / bit) % 2 === 1;
    if (on !== (value === "on")) target[feature.register] += on ? -bit : bit;
  }
  if (draft.id !== "" && leaf(0x80000000).eax >= 0x80000004) {
    for (let i = 0; i < 3; i++) {
      const text = [0, 4, 8, 12].map((at) => pack(draft.id.slice(0, 47), 16 * i + at));
      Object.assign(leaf(0x80000002 + i), { eax: text[0], ebx: text[1], ecx: text[2], edx: text[3] });
    }
  }
  const sorted = [...leaves.values()].sort((a, b) => a.leaf - b.leaf || a.subleaf - b.subleaf);
  for (const l of sorted)
    Object.assign(l, { eax: l.eax >>> 0, ebx: l.ebx >>> 0, ecx: l.ecx >>> 0, edx: l.edx >>> 0 });
  return { name, modelId: draft.id, kvm: draft.kvm, leaves: sorted, asked: [...asked] };
}

/** Whether a set of leaves announces the named feature. */
export function cpuidHas(leaves: readonly CpuidLeaf[], name: string): boolean {
  const feature = cpuidFeature(name);
  if (!feature) return false;
  const leaf = leaves.find((l) => l.leaf === feature.leaf && l.subleaf === feature.subleaf);
  return leaf !== undefined && ((leaf[feature.register] >>> feature.bit) & 1) === 1;
}
