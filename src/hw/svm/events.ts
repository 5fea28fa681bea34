// Interrupts while a guest runs ("Interrupt and Local APIC Support" in the APM): physical ones, which exit or are taken; the virtual
// one of V_IRQ; the virtual task priority.
import { EFLAGS, RIP, INTR, N_INTERRUPT, STOP_REQUEST } from "../cpu/state";
import { IF } from "../cpu/flags";
import { next, stop, clockNow } from "../cpu/flow";
import { deliver, KIND_EXTERNAL } from "../cpu/interrupt";
import { crValue, setCrValue, setCrHandled } from "../cpu/control";
import { vmexit } from "./exit";
import { applyIntercepts } from "./intercepts";
import * as V from "./vmcb";
import * as S from "./state";

@external("env", "intAck") declare function envIntAck(): i32;

export const V_IRQ: u32 = 1 << 8;
export const V_GIF: u32 = 1 << 9;
const V_IGN_TPR: u32 = 1 << 20;
export const V_INTR_MASKING: u32 = 1 << 24;
export const V_GIF_ENABLE: u32 = 1 << 25;

function setControl(v: u32): void { store<u32>(S.CONTROL + V.INT_CTL, v); }
/** Is V_IRQ set, above V_TPR, and does a virtual GIF let it through? RFLAGS.IF and the shadow are the CPU's to test. */
export function virtualPending(): bool {
  const c = S.control32(V.INT_CTL);
  if (!(c & V_IRQ) || ((c & V_GIF_ENABLE) && !(c & V_GIF))) return false;
  return (c & V_IGN_TPR) != 0 || ((c >> 16) & 15) > (c & 15);
}
/** May a physical interrupt come in? With V_INTR_MASKING the host's RFLAGS.IF decides, else the guest's. */
function physicalOpen(): bool {
  const masking = S.control32(V.INT_CTL) & V_INTR_MASKING;
  return (masking ? load<u32>(S.HOST_IF) : load<u32>(EFLAGS) & IF) != 0;
}
export function physicalInterrupt(): usize {
  if (!physicalOpen()) return 0;
  if (S.intercepted(0x60)) return vmexit(0x60, 0, 0, 0);
  // Taken with the guest's IF clear, one comes after the other: a line that never falls must not keep the embedder waiting.
  const t = clockNow();
  if (t != takenAt) { takenAt = t; taken = 0; }
  if (++taken > MAX_TAKEN) { taken = 0; return stop(STOP_REQUEST); }
  const vector = envIntAck();
  if (vector < 0) return 0;
  return take(vector);
}
let taken: u32 = 0;
let takenAt: i64 = 0;
const MAX_TAKEN: u32 = 256;
/** The guest could take a virtual interrupt now: physical ones come first. */
export function virtualInterrupt(): usize {
  if (!virtualPending() || (load<u32>(INTR) && physicalOpen())) return 0;
  if (S.intercepted(0x64)) return vmexit(0x64, 0, 0, 0);
  setControl(S.control32(V.INT_CTL) & ~V_IRQ);
  applyIntercepts();
  return take(<i32>S.control32(V.INT_VECTOR) & 0xff);
}
function take(vector: i32): usize {
  store<u64>(N_INTERRUPT, load<u64>(N_INTERRUPT) + 1);
  return deliver(vector, -1, KIND_EXTERNAL, load<u64>(RIP));
}
/** MOV to and from CR8. Writes always reach V_TPR; with V_INTR_MASKING they reach nothing else, and reads come from it. */
export function taskPriority(rec: usize, read: bool): usize {
  const c = S.control32(V.INT_CTL), masking = (c & V_INTR_MASKING) != 0;
  setCrHandled(masking);
  if (read) { if (masking) setCrValue(<u64>(c & 15)); return 0; }
  setControl((c & ~0xff) | (<u32>crValue & 15));
  applyIntercepts();
  return masking ? next(rec) : 0;
}
/** STGI and CLGI of a guest with a virtual GIF. @returns false when it has none */
export function setVirtualGif(on: bool): bool {
  const c = S.control32(V.INT_CTL);
  if (!(c & V_GIF_ENABLE)) return false;
  setControl(on ? c | V_GIF : c & ~V_GIF);
  applyIntercepts();
  return true;
}
