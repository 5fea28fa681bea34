import { KvmError } from "./errno.ts";

/** What the parameters of the modules kvm, kvm_intel and kvm_amd decide here. */
export interface ModuleParams {
  /** Tag cached translations with a VPID, instead of forgetting them at every entry and exit. */
  readonly vpid: boolean;
  /** Accessed and dirty flags in the EPT tables. */
  readonly eptad: boolean;
  /** Unknown MSRs read as 0 and take every write, instead of #GP. */
  readonly ignoreMsrs: boolean;
  /** A VM entry that is refused tells the guest state that was refused. */
  readonly dumpInvalidVmcs: boolean;
  /** A second stage of translation, EPT or nested paging; without it the guest's tables are shadowed. */
  readonly tdp: boolean;
  /** VT-x with EPT: the processor runs real mode and unpaged protected mode; without it real mode is emulated. */
  readonly unrestrictedGuest: boolean;
  /** How they are shadowed then, or whether, while the guest runs. */
  readonly mmu: MmuKind;
  /** What the processor cannot enter is emulated. Of no effect with an unrestricted guest, which it can always enter. */
  readonly emulateInvalidState: boolean;
  /** "ud2; kvm" before an instruction of the guest has it completed in software. */
  readonly forceEmulation: boolean;
  /** Let the processor log written pages (VT-x with accessed and dirty flags in the EPT). */
  readonly pml: boolean;
  /** Split huge pages when dirty logging begins, not at the first write. */
  readonly eagerPageSplit: boolean;
  /** Ours: "dbits" reads the dirty log from the dirty flags, without an exit; "auto" does what the kernel does. */
  readonly dirtyLog: "auto" | "dbits";
  /** Shadow tables are compared with the guest's: what each exit has made, and every 1,000 exits everything. */
  readonly mmuCheck: boolean;
  /** VT-x: PAUSEs no further apart than the gap exit when they have gone on for longer than the window, in ticks; gap 0: never. */
  readonly pleGap: number;
  readonly pleWindow: number;
  /** SVM: so many PAUSEs no further apart than the threshold, in ticks, make the next one exit; count 0: none does. */
  readonly pauseFilterThresh: number;
  readonly pauseFilterCount: number;
}
/**
 * Shadow tables as a TLB that is filled in software, or kept as long as the guest's tables stay the same; "auto": the latter
 * or the second stage, whatever costs less of what the guest does (mmu/auto).
 */
export type MmuKind = "vtlb" | "cached" | "auto";
/** Names of the parameters that are true or false. */
type Truth = { [K in keyof ModuleParams]: ModuleParams[K] extends boolean ? K : never }[keyof ModuleParams];

/** The same of those that are numbers. */
type Count = { [K in keyof ModuleParams]: ModuleParams[K] extends number ? K : never }[keyof ModuleParams];

/** A boolean parameter: what it sets, or why only one value will do; or a number, up to which; or one that is a word, and the words it takes. */
type Parameter = { readonly sets: Truth } | { readonly number: Count; readonly max: number } | { readonly fixed: boolean; readonly why: string } | { readonly word: "dirtyLog" | "mmu"; readonly of: readonly string[] };
const fixed = (value: boolean, why: string): Parameter => ({ fixed: value, why });

/** Names are modinfo's. */
const modules: Readonly<Record<string, Readonly<Record<string, Parameter>>>> = {
  kvm: {
    ignore_msrs: { sets: "ignoreMsrs" },
    mmu: { word: "mmu", of: ["vtlb", "cached", "auto"] },
    mmu_check: { sets: "mmuCheck" },
    eager_page_split: { sets: "eagerPageSplit" },
    dirty_log: { word: "dirtyLog", of: ["auto", "dbits"] },
    tdp_mmu: fixed(true, "the second stage is mapped by the TDP MMU alone"),
    mmio_caching: fixed(false, "device pages are looked up at each access"),
    force_emulation_prefix: { sets: "forceEmulation" },
    enable_pmu: fixed(false, "no performance counters are offered"),
  },
  kvm_intel: {
    vpid: { sets: "vpid" },
    eptad: { sets: "eptad" },
    pml: { sets: "pml" },
    dump_invalid_vmcs: { sets: "dumpInvalidVmcs" },
    emulate_invalid_guest_state: { sets: "emulateInvalidState" },
    ept: { sets: "tdp" },
    unrestricted_guest: { sets: "unrestrictedGuest" },
    ple_gap: { number: "pleGap", max: 0xffffffff },
    ple_window: { number: "pleWindow", max: 0xffffffff },
    vnmi: fixed(true, "NMI windows need virtual NMIs"),
    preemption_timer: fixed(false, "timers of the guest end its slices"),
    flexpriority: fixed(false, "the local APIC is emulated without an APIC-access page"),
    enable_apicv: fixed(false, "the processor has no APIC-register virtualization"),
    enable_shadow_vmcs: fixed(false, "the processor has no VMCS shadowing"),
    nested: fixed(false, "a guest has no VT-x yet"),
    sgx: fixed(false, "the processor has no SGX"),
  },
  kvm_amd: {
    npt: { sets: "tdp" },
    pause_filter_thresh: { number: "pauseFilterThresh", max: 0xffff },
    pause_filter_count: { number: "pauseFilterCount", max: 0xffff },
    vgif: fixed(false, "the global interrupt flag is not virtualized"),
    avic: fixed(false, "the processor has no AVIC"),
    vnmi: fixed(false, "the processor has no virtual NMIs"),
    nested: fixed(false, "a guest has no SVM yet"),
    sev: fixed(false, "the processor has no SEV"),
  },
};

export const defaultParams: ModuleParams = {
  vpid: true,
  eptad: true,
  ignoreMsrs: false,
  dumpInvalidVmcs: false,
  tdp: true,
  unrestrictedGuest: true,
  emulateInvalidState: true,
  mmu: "cached",
  forceEmulation: false,
  pml: true,
  eagerPageSplit: true,
  dirtyLog: "auto",
  mmuCheck: false,
  pleGap: 128,
  pleWindow: 4096,
  pauseFilterThresh: 128,
  pauseFilterCount: 3000,
};

/**
 * Parameters as `module.parameter` to value, as on the command line of modprobe. Throws KvmError for a module, parameter
 * or value that will not do, with the one that will.
 */
export function parseParams(given: ReadonlyMap<string, string>, vendor: "intel" | "amd"): ModuleParams {
  const params: { -readonly [K in keyof ModuleParams]: ModuleParams[K] } = { ...defaultParams };
  const loaded = ["kvm", `kvm_${vendor}`];
  for (const [name, text] of given) {
    const [module = "", parameter = ""] = name.split("."),
      known = loaded.includes(module) ? modules[module] : undefined;
    if (!known) throw refusal(name, `no module ${module} on this host`, `known are ${loaded.join(" and ")}`);
    const p = Object.hasOwn(known, parameter) ? known[parameter] : undefined;
    if (!p)
      throw refusal(name, `module ${module} has no such parameter`, `known are ${Object.keys(known).join(", ")}`);
    if ("word" in p) {
      if (!p.of.includes(text)) throw refusal(`${name}=${text}`, "no such method", `give ${p.of.join(" or ")}`);
      Object.assign(params, { [p.word]: text });
      continue;
    }
    if ("number" in p) {
      if (!/^[0-9]+$/.test(text) || Number(text) > p.max) throw refusal(`${name}=${text}`, "not a number that fits", `give 0 to ${p.max}`);
      Object.assign(params, { [p.number]: Number(text) });
      continue;
    }
    const value = { "0": false, n: false, N: false, "1": true, y: true, Y: true }[text];
    if (value === undefined) throw refusal(`${name}=${text}`, "not a truth value", "give 0 or 1");
    if ("sets" in p) params[p.sets] = value;
    else if (p.fixed !== value)
      throw refusal(`${name}=${text}`, p.why, `leave it out, or give ${name}=${p.fixed ? 1 : 0}`);
  }
  if (params.dirtyLog === "dbits" && !params.eptad && vendor === "intel")
    throw refusal("kvm.dirty_log=dbits", "the EPT has no dirty flags with kvm_intel.eptad=0", "leave one of them out");
  if (vendor === "intel" && !params.emulateInvalidState && !(params.tdp && params.unrestrictedGuest))
    throw refusal("kvm_intel.emulate_invalid_guest_state=0", "real mode is emulated without an unrestricted guest", "leave it out");
  if (params.mmu === "auto" && !params.tdp)
    throw refusal("kvm.mmu=auto", `without ${vendor === "amd" ? "nested paging" : "EPT"} there is nothing to choose`, "give cached or vtlb");
  if (params.mmu === "auto" && params.dirtyLog === "dbits")
    throw refusal("kvm.mmu=auto", "shadow tables have no dirty flags to read", "leave kvm.dirty_log=dbits out");
  return params;
}

const refusal = (what: string, why: string, cure: string): KvmError =>
  new KvmError("EINVAL", what.slice(0, 60), why, cure);
