// Model-specific registers (volume 4 of the SDM).
//
//   rdmsr(rec), wrmsr(rec): usize        rows RDMSR, WRMSR
//   readMsr(n): u64, writeMsr(n, v)      msrFault() afterwards is 1 where the instruction would give #GP(0);
//   setHostInitiated(1) around a write by the embedder allows what a guest may not do
import {
  REGS, RAX, RCX, RDX, CPL, CR0, EFER, STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE, SYSENTER_CS,
  SYSENTER_ESP, SYSENTER_EIP, PAT, TSC_AUX, MISC_ENABLE, DEBUGCTL, FEATURE_CONTROL, TSC_ADJUST, TSC_OFFSET,
  MTRR, VM_CR, VM_HSAVE_PA, SEG_BASE, FS, GS, MAILBOX, APIC_BASE, exception,
} from "./state";
import { canonical } from "../mmu/access";
import { flushSpace } from "../mmu/tlb";
import { physBits } from "../mmu/walk";
import { yank, setInflight, inflight } from "../mmu/phys";
import { intercepts, intercept, I_MSR_READ, I_MSR_WRITE } from "./intercept";
import { updateMode } from "./segment";
import { readTsc } from "./control";
import { cpuidBit } from "./cpuid";
import { next, raise } from "./flow";

// APIC registers live with the embedder; the value is in MAILBOX; a result other than 0 means #GP(0).
@external("env", "msrRead") declare function envMsrRead(n: u32): i32;
@external("env", "msrWrite") declare function envMsrWrite(n: u32): i32;

/** Spare slots of the MTRR array. */
const MICROCODE: usize = MTRR + 28 * 8;
const MCG_STATUS: usize = MTRR + 29 * 8;
const POWER: usize = MTRR + 30 * 8;
const MICROCODE_REVISION: u64 = 0x100000000;

let bad: i32 = 0;
/** Has the last readMsr() or writeMsr() met a register or a value that does not exist? */
export function msrFault(): i32 { return bad; }
let host: bool = false;
export function setHostInitiated(v: i32): void { host = v != 0; }
/** Table index of (n: u32): u64 for the VMX capability MSRs 480h to 491h. */
let vmxHook: i32 = -1;
export function setVmxMsrHook(index: i32): void { vmxHook = index; }

/** Slots that only hold a value; 0 for any other number. */
function plain(n: u32): usize {
  switch (n) {
    case 0xc0000081: return STAR;
    case 0xc0000082: return LSTAR;
    case 0xc0000083: return CSTAR;
    case 0xc0000084: return SFMASK;
    case 0xc0000100: return SEG_BASE + (FS << 3);
    case 0xc0000101: return SEG_BASE + (GS << 3);
    case 0xc0000102: return KERNEL_GS_BASE;
    case 0xc0000103: return TSC_AUX;
    case 0xc0000080: return EFER;
    case 0x174: return SYSENTER_CS;
    case 0x175: return SYSENTER_ESP;
    case 0x176: return SYSENTER_EIP;
    case 0x277: return PAT;
    case 0x1a0: return MISC_ENABLE;
    case 0x1d9: return DEBUGCTL;
    case 0x3a: return FEATURE_CONTROL;
    case 0x3b: return TSC_ADJUST;
    case 0x8b: return MICROCODE;
    case 0x17a: return MCG_STATUS;
    case 0x140: return POWER;
    case 0x2ff: return MTRR;
    case 0xc0010114: return VM_CR;
    case 0xc0010117: return VM_HSAVE_PA;
    case 0x250: return MTRR + 8;
    case 0x258: return MTRR + 16;
    case 0x259: return MTRR + 24;
    default: break;
  }
  if (n >= 0x268 && n <= 0x26f) return MTRR + 32 + (<usize>(n - 0x268) << 3);
  if (n >= 0x200 && n <= 0x20f) return MTRR + 96 + (<usize>(n - 0x200) << 3);
  return 0;
}
@inline function atEmbedder(n: u32): bool { return n == 0x1b || n == 0x6e0 || (n >= 0x800 && n <= 0x8ff); }
/** IA32_SPEC_CTRL and IA32_PRED_CMD: CPUID bit IBRS, or AMD's bit IBPB for the latter. */
function hasSpeculationControl(): bool { return (cpuidBit(7, 0, 3) & (1 << 26)) != 0; }
@inline function hasSvm(): bool { return (cpuidBit(0x80000001, 0, 2) & 4) != 0; }
@inline function isSvm(n: u32): bool { return n == 0xc0010114 || n == 0xc0010117; }
@inline function hasVmx(): bool { return (cpuidBit(1, 0, 2) & 0x20) != 0; }

/** Between two instructions none is in hand, so the clock is one further than an instruction sees it. */
function timeNow(): u64 { return readTsc() + (host ? 1 : 0); }
export function readMsr(n: u32): u64 {
  bad = 0;
  if (atEmbedder(n)) {
    if (n == 0x1b && host) return load<u64>(APIC_BASE);
    const was = inflight;
    setInflight(1);
    bad = envMsrRead(n) ? 1 : 0;
    setInflight(was);
    return load<u64>(MAILBOX);
  }
  if (n == 0x10) return timeNow();
  if (n == 0x3a && !hasVmx() && !host) { bad = 1; return 0; }
  if (isSvm(n) && !hasSvm()) { bad = 1; return 0; }
  const at = plain(n);
  if (n == 0xc0000103 && !host && !(cpuidBit(0x80000001, 0, 3) & (1 << 27))) { bad = 1; return 0; }
  if (at) return n == 0x8b && load<u64>(at) == 0 ? MICROCODE_REVISION : load<u64>(at);
  switch (n) {
    case 0xfe: return 0x508; // MTRRCAP: 8 variable ranges, fixed ranges, write-combining
    case 0x17: // PLATFORM_ID
    case 0x179: // MCG_CAP: no banks
    case 0x2a: case 0xc1: case 0xc2: case 0x186: case 0x187: case 0x38f: case 0x390: case 0x34: // no events counted
    case 0xe7: case 0xe8: // MPERF, APERF
    case 0x19c: case 0x19b: case 0x1b0: case 0x1fc:
    case 0xc0010010: case 0xc0010015: // SYSCFG and HWCR, which AMD models are asked for
    // INT_PENDING_MSG, NB_CFG, MMIO_CONF_BASE, DC_CFG and BU_CFG2 of AMD: read as 0 by KVM too (arch/x86/kvm/x86.c)
    case 0xc0010055: case 0xc001001f: case 0xc0010058: case 0xc0011022: case 0xc001102a:
    case 0xc0010000: case 0xc0010001: case 0xc0010002: case 0xc0010003: // PERF_CTL and PERF_CTR of AMD: nothing is counted
    case 0xc0010004: case 0xc0010005: case 0xc0010006: case 0xc0010007:
    case 0x1db: case 0x1dc: case 0x1dd: case 0x1de: // last branch
      return 0;
    case 0xce: return (<u64>10 << 8) | ((<u64>10) << 40); // PLATFORM_INFO: 1 GHz
    case 0x10a: return 0x2b; // ARCH_CAPABILITIES: RDCL_NO IBRS_ALL SKIP_L1DFL MDS_NO
    default: break;
  }
  if (n >= 0x480 && n <= 0x491 && hasVmx() && vmxHook >= 0) return call_indirect<u64>(vmxHook, n);
  bad = 1;
  return 0;
}
/** Memory types 0, 1, 4, 5, 6 and, in the PAT, 7. */
function memoryTypes(v: u64, pat: bool): bool {
  for (let i: u64 = 0; i < 8; i++) {
    const t = (v >> (i << 3)) & 0xff;
    if (t == 2 || t == 3 || t > (pat ? 7 : 6)) return false;
  }
  return true;
}
function setBad(): void { bad = 1; }
/** "VM_CR MSR" and "VM_HSAVE_PA MSR" in the APM: LOCK keeps itself and SVMDIS; SVME keeps SVMDIS from being set. */
function svmAllowed(n: u32, v: u64): bool {
  if (!hasSvm()) return false;
  if (n == 0xc0010117) return !(v & 0xfff) && !(v >> physBits);
  const old = load<u64>(VM_CR);
  if (v & ~0x1f) return false;
  if ((old & 8) && ((v ^ old) & 0x18)) return false;
  return !(v & 0x10) || !(load<u64>(EFER) & 0x1000);
}
/** IA32_EFER: SCE, LME, NXE and SVME can be written; LMA follows CR0.PG. */
function writeEfer(v: u64): void {
  const old = load<u64>(EFER), d = cpuidBit(0x80000001, 0, 3);
  let known: u64 = 0x400;
  if (d & (1 << 11)) known |= 1;
  if (d & (1 << 29)) known |= 0x100;
  if (d & (1 << 20)) known |= 0x800;
  if (hasSvm() && !(load<u64>(VM_CR) & 0x10)) known |= 0x1000;
  if (v & ~known) { setBad(); return; }
  if (((v ^ old) & 0x100) && (load<u64>(CR0) >> 31) && !host) { setBad(); return; }
  store<u64>(EFER, host ? v : (v & ~0x400) | (old & 0x400));
  if ((v ^ old) & 0x800) flushSpace(true);
  if (host) updateMode();
}
export function writeMsr(n: u32, v: u64): void {
  bad = 0;
  if (atEmbedder(n)) {
    if (n == 0x1b) {
      // Reserved bits, and the transitions of "x2APIC State Transitions".
      const high = ~(((<u64>1) << physBits) - 1), x2 = cpuidBit(1, 0, 2) & (1 << 21) ? <u64>0x400 : 0;
      const old = load<u64>(APIC_BASE) & 0xc00, to = v & 0xc00;
      if (v & (high | 0x2ff | (0x400 & ~x2)) || to == 0x400) { setBad(); return; }
      if (!host && ((old == 0xc00 && to == 0x800) || (old == 0 && to == 0xc00))) { setBad(); return; }
    }
    store<u64>(MAILBOX, v);
    const was = inflight;
    setInflight(1);
    bad = envMsrWrite(n) ? 1 : 0;
    setInflight(was);
    if (!host) yank();
    if (n == 0x1b && !bad) store<u64>(APIC_BASE, v);
    return;
  }
  switch (n) {
    case 0x10: { // the difference goes to TSC_ADJUST as well
      const delta = v - timeNow();
      store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + delta);
      store<u64>(TSC_ADJUST, load<u64>(TSC_ADJUST) + delta);
      return;
    }
    case 0x3b:
      if (!host) store<u64>(TSC_OFFSET, load<u64>(TSC_OFFSET) + v - load<u64>(TSC_ADJUST));
      store<u64>(TSC_ADJUST, v);
      return;
    case 0xc0000080: writeEfer(v); return;
    case 0xc0000082: case 0xc0000083: case 0xc0000100: case 0xc0000101: case 0xc0000102: case 0x175: case 0x176:
      if (!canonical(v)) { setBad(); return; }
      store<u64>(plain(n), v);
      if (n == 0xc0000100 || n == 0xc0000101) updateMode();
      return;
    case 0xc0000103:
      if (v >> 32 || (!host && !(cpuidBit(0x80000001, 0, 3) & (1 << 27)))) { setBad(); return; }
      break;
    case 0xc0010114: case 0xc0010117: if (!svmAllowed(n, v)) { setBad(); return; } break;
    case 0x277: if (!memoryTypes(v, true)) { setBad(); return; } break;
    case 0x3a:
      if (!host && (!hasVmx() || (load<u64>(FEATURE_CONTROL) & 1))) { setBad(); return; }
      if (v & ~7) { setBad(); return; }
      break;
    case 0x174: v &= 0xffffffff; break; // a selector: a VMCS has 32 bits for it
    case 0x1d9: if (v & ~3) { setBad(); return; } break;
    case 0x1a0: // bits that report something keep their value
      if (!host) v = (v & ~0x1880) | (load<u64>(MISC_ENABLE) & 0x1880);
      break;
    case 0x2ff: if ((v & ~0xcff) || (v & 0xff) > 6 || (v & 0xff) == 2 || (v & 0xff) == 3) { setBad(); return; } break;
    case 0x8b: if (host) store<u64>(MICROCODE, v); return; // a guest write only asks for the revision
    case 0x79: return; // microcode update trigger
    case 0x17a: if (v && !host) { setBad(); return; } break;
    case 0x179: case 0x17: case 0xfe: case 0xce: case 0x10a: if (!host) setBad(); return;
    case 0x48: if (!hasSpeculationControl()) setBad(); return;
    case 0x49: if (v & ~1 || !(hasSpeculationControl() || cpuidBit(0x80000008, 0, 1) & (1 << 12))) setBad(); return;
    case 0x186: case 0x187: case 0xc1: case 0xc2: case 0x38f: case 0x390: case 0xe7: case 0xe8:
    case 0xc0010010: case 0xc0010015:
    case 0xc0010000: case 0xc0010001: case 0xc0010002: case 0xc0010003:
    case 0xc0010004: case 0xc0010005: case 0xc0010006: case 0xc0010007:
    case 0x19b: case 0x1b0: case 0x1fc: case 0x2a: case 0x1db: case 0x1dc: case 0x1dd: case 0x1de: case 0x34: return;
    default: break;
  }
  const at = plain(n);
  if (!at) { setBad(); return; }
  if (n >= 0x250 && n <= 0x26f && !memoryTypes(v, false)) { setBad(); return; }
  if (n >= 0x200 && n <= 0x20f) {
    const high = ~(((<u64>1) << physBits) - 1);
    if (v & (high | (n & 1 ? 0x7ff : 0xf00))) { setBad(); return; }
    if (!(n & 1) && ((v & 0xff) > 6 || (v & 0xff) == 2 || (v & 0xff) == 3)) { setBad(); return; }
  }
  store<u64>(at, v);
}
export function rdmsr(rec: usize): usize {
  if (load<u32>(CPL) != 0) { exception(13, 0); return raise(rec); }
  const n = load<u32>(REGS + RCX);
  if (intercepts & I_MSR_READ) { const pc = intercept(I_MSR_READ, rec, <u64>n, 0); if (pc) return pc; }
  host = false;
  const v = readMsr(n);
  if (bad) { exception(13, 0); return raise(rec); }
  store<u64>(REGS + RAX, v & 0xffffffff);
  store<u64>(REGS + RDX, v >> 32);
  return rec + 16;
}
export function wrmsr(rec: usize): usize {
  if (load<u32>(CPL) != 0) { exception(13, 0); return raise(rec); }
  const n = load<u32>(REGS + RCX), v = <u64>load<u32>(REGS + RAX) | (<u64>load<u32>(REGS + RDX) << 32);
  if (intercepts & I_MSR_WRITE) { const pc = intercept(I_MSR_WRITE, rec, <u64>n, v); if (pc) return pc; }
  host = false;
  writeMsr(n, v);
  if (bad) { exception(13, 0); return raise(rec); }
  // FS.base, GS.base and KERNEL_GS_BASE: what a context switch writes.
  return n >= 0xc0000100 && n <= 0xc0000102 ? rec + 16 : next(rec);
}
