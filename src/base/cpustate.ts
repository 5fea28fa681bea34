import type { AccelVm, DescriptorTable, Segment, Sregs } from "./accel.ts";
import { StateError } from "./errors.ts";
import type { Saved } from "./persist.ts";
import { SavedRecord } from "./saved.ts";

/*
 * The canonical state of one virtual CPU, the same for every accelerator: it is made of nothing but what the
 * interface shows, so the bare machine and KVM at the same instruction save the same bytes.
 */

/** The part of an accelerator that a CPU's state goes through. */
export type CpuAccess = Pick<
  AccelVm,
  | "regs" | "setRegs" | "sregs" | "setSregs" | "debugRegs" | "setDebugRegs" | "msrs" | "setMsr"
  | "xcr0" | "setXcr0" | "xsave" | "setXsave" | "events" | "setEvents" | "mpState" | "setMpState"
>;

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

/**
 * The MSRs of a saved state, in the order in which they are restored. TSC before TSC_ADJUST, which a write of TSC
 * changes. EFER and the APIC base are in the system registers, the TSC deadline in the local APIC.
 */
export const savedMsrs: readonly number[] = [
  0x10, 0x3b, 0x3a, 0x8b, 0x140, 0x174, 0x175, 0x176, 0x17a, 0x1a0, 0x1d9, 0x277,
  ...range(0x200, 16), 0x250, 0x258, 0x259, ...range(0x268, 8), 0x2ff,
  0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
  // KVM's own; only a processor that announces them has them.
  0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d04,
];

const generalRegisters = [
  "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
  "rip", "rflags",
] as const;
const segments = ["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt"] as const;
const controls = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer", "apicBase"] as const;
const mpStates = ["runnable", "uninitialized", "init", "sipi", "halted"] as const;

/** Registers, segments, tables, MSRs, XSAVE image, debug registers, events and MP state. */
export function saveCpu(cpu: CpuAccess): Saved {
  const regs = cpu.regs(), sregs = cpu.sregs(), debug = cpu.debugRegs(), values = cpu.msrs(savedMsrs);
  const msrs: Saved[] = [];
  savedMsrs.forEach((index, i) => {
    const value = values[i];
    if (value !== undefined) msrs.push([index, value]);
  });
  return {
    regs: pick(regs, generalRegisters),
    segments: Object.fromEntries(segments.map((name) => [name, saveSegment(name, sregs[name])])),
    gdt: { ...sregs.gdt },
    idt: { ...sregs.idt },
    controls: pick(sregs, controls),
    pdptrs: sregs.pdptrs ? [...sregs.pdptrs] : null,
    debug: { db: [...debug.db], dr6: debug.dr6, dr7: debug.dr7 },
    msrs,
    xcr0: cpu.xcr0(),
    xsave: cpu.xsave(),
    events: cpu.events(),
    mpState: cpu.mpState(),
  };
}

/** Takes back what saveCpu made; throws StateError. The clock must stand where it stood. */
export function restoreCpu(cpu: CpuAccess, state: Saved): void {
  const r = new SavedRecord("cpu", state);
  const regs = r.record("regs"), control = r.record("controls"), debug = r.record("debug"), saved = r.record("segments");
  const read = <K extends string>(from: SavedRecord, keys: readonly K[]): Record<K, bigint> =>
    Object.fromEntries(keys.map((key) => [key, from.u64(key)])) as Record<K, bigint>;
  const parts = Object.fromEntries(segments.map((name) => [name, readSegment(saved.record(name))])) as
    Record<(typeof segments)[number], Segment>;
  const sregs: Sregs = { ...parts, ...read(control, controls), gdt: readTable(r.record("gdt")), idt: readTable(r.record("idt")) };
  if (r.value("pdptrs") !== null) sregs.pdptrs = r.list("pdptrs", 4).map((v) => wide("pdptrs", v));
  const [a, b, c, d] = debug.list("db", 4).map((v) => wide("db", v)) as [bigint, bigint, bigint, bigint];
  const debugRegs = { db: [a, b, c, d] as [bigint, bigint, bigint, bigint], dr6: debug.u64("dr6"), dr7: debug.u64("dr7") };
  const msrs = r.list("msrs").map(readMsr);
  const xcr0 = r.u64("xcr0"), xsave = r.bytes("xsave", cpu.xsave().length);
  const mpState = mpStates.find((name) => name === r.text("mpState"));
  if (!mpState) throw new StateError("cpu", `MP state ${r.text("mpState").slice(0, 20)}`);
  const general = read(regs, generalRegisters);

  cpu.setSregs(sregs);
  cpu.setXcr0(xcr0);
  for (const [index, value] of msrs) {
    if (!cpu.setMsr(index, value)) throw new StateError("cpu", `MSR ${index.toString(16)}h cannot hold ${value.toString(16)}h`);
  }
  cpu.setDebugRegs(debugRegs);
  cpu.setXsave(xsave);
  cpu.setMpState(mpState);
  cpu.setEvents(r.value("events"));
  cpu.setRegs(general);
}

function pick<T, K extends keyof T & string>(from: T, keys: readonly K[]): { [key: string]: Saved } {
  return Object.fromEntries(keys.map((key) => [key, from[key] as Saved]));
}

/** An unusable segment is its selector; but the DPL of SS is the CPL even then. */
function saveSegment(name: string, s: Segment): Saved {
  if (s.unusable === 0) return { ...s };
  return { selector: s.selector, unusable: 1, dpl: name === "ss" ? s.dpl : 0 };
}

function readSegment(r: SavedRecord): Segment {
  const flag = (key: string): 0 | 1 => (r.int(key, 1) === 1 ? 1 : 0);
  const selector = r.int("selector", 0xffff), dpl = r.int("dpl", 3);
  if (flag("unusable") === 1) {
    return { selector, base: 0n, limit: 0, type: 0, s: 0, dpl, present: 0, avl: 0, l: 0, db: 0, g: 0, unusable: 1 };
  }
  return {
    selector, dpl, base: r.u64("base"), limit: r.int("limit"), type: r.int("type", 15), s: flag("s"), present: flag("present"),
    avl: flag("avl"), l: flag("l"), db: flag("db"), g: flag("g"), unusable: 0,
  };
}

function readTable(r: SavedRecord): DescriptorTable {
  return { base: r.u64("base"), limit: r.int("limit", 0xffff) };
}

function readMsr(saved: Saved): [number, bigint] {
  const [index, value] = Array.isArray(saved) && saved.length === 2 ? saved : [];
  if (typeof index !== "number" || !savedMsrs.includes(index)) throw new StateError("cpu", "an MSR that is not in the list");
  return [index, wide("MSR", value)];
}

function wide(what: string, v: Saved | undefined): bigint {
  if (typeof v !== "bigint" || v < 0n || v > 0xffffffffffffffffn) throw new StateError("cpu", `${what} has a value it cannot hold`);
  return v;
}
