import { PackedRing } from "../base/index.ts";
import { type ExitNames, exitNames } from "./exit-names.ts";

/*
 * Static tracepoints with the kernel's names (include/trace/events and arch/x86/kvm name them). A record is eight
 * words; a point that is off costs its caller one test of `on`.
 *
 *   0 event, vCPU in bits 8 and up   1,2 t (low, high)   3.. arguments in the order of FIELDS, 64-bit ones as two words
 */
export const events = [
  "kvm_entry",
  "kvm_exit",
  "kvm_page_fault",
  "kvm_pio",
  "kvm_mmio",
  "kvm_cpuid",
  "kvm_msr",
  "kvm_inj_virq",
  "kvm_inj_exception",
  "kvm_cr",
  "kvm_emulate_insn",
  "kvm_userspace_exit",
  "kvm_vcpu_wakeup",
  "kvm_set_irq",
  "kvm_mmu_get_page",
  "kvm_mmu_set_spte",
  "kvm_mmu_split_huge_page",
  "kvm_unmap_hva_range",
  "kvm_mmu_prepare_zap_page",
  "kvm_mmu_unsync_page",
  "kvm_mmu_sync_page",
  "kvm_mmu_switch",
  "kvm_hypercall",
  "kvm_pv_eoi",
  "kvm_pml_full",
  "kvm_dirty_ring_push",
  "kvm_dirty_ring_reset",
  "kvm_dirty_ring_exit",
  "kvm_age_hva",
  "kvm_test_age_hva",
] as const;
export type EventName = (typeof events)[number];

/** Names of the arguments; a trailing `:` marks one of 64 bits, which takes two words. */
const FIELDS: Readonly<Record<EventName, readonly string[]>> = {
  kvm_entry: ["rip:"],
  kvm_exit: ["reason", "rip:", "info1:"],
  kvm_page_fault: ["rip:", "address:", "error_code"],
  kvm_pio: ["write", "port", "size", "val"],
  kvm_mmio: ["type", "len", "gpa:", "val"],
  kvm_cpuid: ["func", "index", "eax", "ebx", "ecx"],
  kvm_msr: ["write", "ecx", "data:", "exception"],
  kvm_inj_virq: ["vector"],
  kvm_inj_exception: ["exception", "error_code"],
  kvm_cr: ["rw", "cr", "val:"],
  kvm_emulate_insn: ["rip:", "len", "failed"],
  kvm_userspace_exit: ["reason"],
  kvm_vcpu_wakeup: ["ns:"],
  kvm_set_irq: ["gsi", "level"],
  kvm_mmu_get_page: ["gfn", "level", "spt"],
  kvm_mmu_set_spte: ["gfn", "spte:", "level"],
  kvm_mmu_split_huge_page: ["gfn", "level"],
  kvm_unmap_hva_range: ["start:", "end:"],
  kvm_mmu_prepare_zap_page: ["gfn", "level"],
  kvm_mmu_unsync_page: ["gfn", "level"],
  kvm_mmu_sync_page: ["gfn", "level"],
  kvm_mmu_switch: ["shadow", "cost", "other"],
  kvm_hypercall: ["nr", "a0:", "a1:"],
  kvm_pv_eoi: ["apicid", "vector"],
  kvm_pml_full: ["vcpu"],
  kvm_dirty_ring_push: ["slot", "offset"],
  kvm_dirty_ring_reset: ["count"],
  kvm_dirty_ring_exit: ["vcpu"],
  kvm_age_hva: ["start:", "end:"],
  kvm_test_age_hva: ["start:", "end:"],
};
const STRIDE = 8;
const VCPU = 8;
/** The event that the first word of a record names. */
export const eventOf = (word: number): EventName => events[word & 0xff] ?? "kvm_entry";
/** A BigInt is cut in two through memory: no other one is made for it. */
const long = new BigUint64Array(1);
const halves = new Uint32Array(long.buffer);
const NUMBERS = new Map(events.map((event, n) => [event, n]));
const WIDE = new Map(events.map((event) => [event, FIELDS[event].map((name) => name.endsWith(":"))]));

export interface TraceRecord {
  readonly event: EventName;
  readonly vcpu: number;
  readonly t: number;
  readonly fields: Readonly<Record<string, number>>;
}

/** The trace buffer of one VM. */
export class Trace {
  on = false;
  /** The vCPU that runs, or ran last. */
  vcpu = 0;
  readonly ring = new PackedRing(16384, STRIDE);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Call only when `on`. Numbers above 2^32 keep their exact value below 2^53. */
  write(event: EventName, ...values: (number | bigint)[]): void {
    const w = this.ring.words,
      wide = WIDE.get(event) ?? [],
      t = this.#now();
    let at = this.ring.push();
    const end = at + STRIDE;
    w[at++] = (NUMBERS.get(event) ?? 0) | (this.vcpu << VCPU);
    w[at++] = t;
    w[at++] = t / 0x100000000;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0;
      if (typeof value === "bigint") {
        long[0] = value;
        w[at++] = halves[0] ?? 0;
        if (wide[i]) w[at++] = halves[1] ?? 0;
      } else {
        // A 32-bit array takes numbers modulo 2^32.
        w[at++] = value;
        if (wide[i]) w[at++] = Math.floor(value / 0x100000000);
      }
    }
    while (at < end) w[at++] = 0;
  }

  /** Record number n, or undefined when it is gone. */
  read(n: number): TraceRecord | undefined {
    let at = this.ring.at(n);
    if (at < 0) return undefined;
    const word = (): number => this.ring.words[at++] ?? 0;
    const first = word(),
      event = eventOf(first),
      t = word() + word() * 0x100000000;
    const fields: Record<string, number> = {};
    for (const name of FIELDS[event]) {
      const low = word();
      if (name.endsWith(":")) fields[name.slice(0, -1)] = low + word() * 0x100000000;
      else fields[name] = low;
    }
    return { event, vcpu: first >>> VCPU, t, fields };
  }

  /** One line as trace-cmd prints it. */
  static text(r: TraceRecord, names: ExitNames = exitNames.intel): string {
    const parts = Object.entries(r.fields).map(([name, v]) =>
      name === "reason" && r.event === "kvm_exit"
        ? `reason ${names.name(v)}`
        : `${name} 0x${v.toString(16)}`,
    );
    return `${r.event}: vcpu ${r.vcpu} ${parts.join(" ")}`;
  }
}
