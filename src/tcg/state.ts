import { type Saved, SavedRecord, StateError } from "../base/index.ts";
import { type Core, layout } from "../hw/index.ts";

/** Words of the core's memory that hold what is pending; names and ranges as AccelVm.events() has them. */
const words: readonly (readonly [string, number, number])[] = [
  ["nmi", layout.NMI, 1],
  ["nmiBlocked", layout.NMI_BLOCKED, 1],
  ["shadow", layout.SHADOW, 2],
  ["init", layout.INIT, 1],
  ["sipi", layout.SIPI, 256],
  ["debug", layout.DB_PENDING, 0xffff],
  ["a20", layout.A20, 1],
];
/** ACTIVITY of a CPU that a triple fault has stopped. */
const SHUTDOWN = 2;

export function readEvents(core: Core): Saved {
  return {
    ...Object.fromEntries(words.map(([name, at]) => [name, core.u32[at / 4] ?? 0])),
    tripleFault: core.u32[layout.ACTIVITY / 4] === SHUTDOWN ? 1 : 0,
    seed: core.u64[layout.SEED / 8] ?? 0n,
  };
}

/** After the MP state: a triple fault overrides it. Throws StateError. */
export function writeEvents(core: Core, events: Saved): void {
  const r = new SavedRecord("events", events);
  const values = words.map(([name, at, max]) => [at, r.int(name, max)] as const);
  const seed = r.u64("seed"), tripleFault = r.int("tripleFault", 1) === 1;
  for (const [at, value] of values) core.u32[at / 4] = value;
  core.u64[layout.SEED / 8] = seed;
  if (tripleFault) core.u32[layout.ACTIVITY / 4] = SHUTDOWN;
}

/** State of VMX operation (src/hw/vmx/state.ts) fills this much from layout.VMX on. */
const VMX_SIZE = 0x600;
/** The same of SVM (src/hw/svm/state.ts); behind it stand four bytes: are events held (the global interrupt flag is 0)? */
const SVM_SIZE = 0x400;
const SVME = 0x1000n;

/** The state of VMX or SVM operation, KVM_GET_NESTED_STATE's part; null where there is neither. */
export function readNested(core: Core): Uint8Array | null {
  if (((core.u64[layout.EFER / 8] ?? 0n) & SVME) !== 0n) {
    const saved = new Uint8Array(SVM_SIZE + 4);
    saved.set(core.u8.subarray(layout.SVM, layout.SVM + SVM_SIZE));
    saved[SVM_SIZE] = core.u8[layout.EVENTS_HELD] ?? 0;
    return saved;
  }
  return core.exports.vmxOperation() === 0 ? null : core.u8.slice(layout.VMX, layout.VMX + VMX_SIZE);
}

/** After the registers: what the VMCS holds is applied to them. Throws StateError. */
export function writeNested(core: Core, nested: Saved): void {
  core.exports.svmReset();
  if (nested === null) {
    core.exports.vmxReset();
  } else if (nested instanceof Uint8Array && nested.length === SVM_SIZE + 4) {
    core.exports.vmxReset();
    core.u8.set(nested.subarray(0, SVM_SIZE), layout.SVM);
    core.u32[layout.EVENTS_HELD / 4] = nested[SVM_SIZE] ? 1 : 0;
    core.exports.svmRestored();
  } else {
    const valid = nested instanceof Uint8Array && nested.length === VMX_SIZE && (nested[0] ?? 0) <= 2;
    if (!valid) throw new StateError("vmx", "no state of VMX operation");
    core.u8.set(nested, layout.VMX);
    core.exports.vmxRestored();
  }
  core.exports.updateMode();
  core.exports.flushTlb();
}
