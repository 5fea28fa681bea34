// The guest of the current VMCS as one register block, for an embedder that lets another processor go on with it: what
// VM entry would load, at the same distances as in src/hw/cpu/state.ts, with all of RFLAGS in EFLAGS.
//
//   vmxGuestImage(): offset of the block         vmxSetGuestImage(): the block becomes the guest's state
//   vmxSameImage(): would the block be the last one but for general registers, RIP, flags and what no MOV looks at?
import {
  REGS, RSP, RIP, EFLAGS, CR0, CR2, CR3, CR4, EFER, DR7, PDPTE, SEG_SEL, SEG_BASE, SEG_LIMIT, SEG_ATTR, GDT_BASE, GDT_LIMIT,
  IDT_BASE, IDT_LIMIT, XMM, BOUNCE, SHADOW, NMI_BLOCKED, ACTIVITY, DB_PENDING, A20, CPL, MODE, PMODE,
} from "../cpu/state";
import { isKept, settle, share } from "./kept";
import { vmRead, vmWrite } from "./operations";
import * as F from "./fields";
import * as S from "./state";

const SIZE: usize = A20 - REGS;
const IMAGE = memory.data(0x800, 16);
/** From the place of a word in the state to its place in the block. */
@inline function at(word: usize): usize { return IMAGE + (word - REGS); }

/** A control register as the guest reads it: the hypervisor's bits from the shadow. */
@inline function seen(field: u32, mask: u32, shadow: u32): u64 {
  const m = S.r64(mask);
  return (S.r64(field) & ~m) | (S.r64(shadow) & m);
}
@inline function set(field: u32, mask: u32, shadow: u32, v: u64): void {
  const m = S.r64(mask);
  S.w64(field, (v & ~m) | (S.r64(field) & m));
  S.w64(shadow, (S.r64(shadow) & ~m) | (v & m));
}
/** Registers as the last block found them; in the place of RAX the VMCS that was current, ~0 when the guest was not in the processor. */
const BEFORE = memory.data(0x270, 16);
const SIZE_BEFORE: usize = DR7 + 8 - REGS;
@inline function differ(word: usize): u64 { return load<u64>(word) ^ load<u64>(BEFORE + (word - REGS)); }
export function vmxSameImage(): bool {
  if (!isKept() || load<u64>(BEFORE) != load<u64>(S.CURRENT)) return false;
  // How instructions are decoded, where they lie, and how addresses are translated. Of other segments a MOV needs what its exit has checked.
  const control = differ(CR0) | differ(CR3) | differ(CR4) | differ(EFER) | differ(DR7), code = differ(MODE) | differ(PMODE) | differ(SEG_BASE + 8);
  return (control | code | <u64>(load<u32>(CPL) ^ load<u32>(BEFORE + (CPL - REGS)))) == 0;
}
export function vmxGuestImage(): usize {
  const stays = isKept();
  share();
  memory.copy(IMAGE, REGS, SIZE);
  memory.copy(BEFORE, REGS, SIZE_BEFORE);
  store<u64>(BEFORE, stays ? load<u64>(S.CURRENT) : ~0);
  store<u64>(at(REGS + RSP), S.r64(F.GUEST_RSP));
  store<u64>(at(RIP), S.r64(F.GUEST_RIP));
  store<u32>(at(EFLAGS), <u32>S.r64(F.GUEST_RFLAGS));
  store<u64>(at(CR0), seen(F.GUEST_CR0, F.CR0_MASK, F.CR0_SHADOW));
  store<u64>(at(CR3), S.r64(F.GUEST_CR3));
  store<u64>(at(CR4), seen(F.GUEST_CR4, F.CR4_MASK, F.CR4_SHADOW));
  store<u64>(at(EFER), S.r64(F.GUEST_EFER));
  store<u64>(at(DR7), S.r64(F.GUEST_DR7));
  for (let s: u32 = 0; s < 8; s++) {
    store<u32>(at(SEG_SEL + (s << 2)), S.r16(F.GUEST_ES_SELECTOR + s * 2));
    store<u64>(at(SEG_BASE + (s << 3)), S.r64(F.GUEST_ES_BASE + s * 2));
    store<u32>(at(SEG_LIMIT + (s << 2)), S.r32(F.GUEST_ES_LIMIT + s * 2));
    store<u32>(at(SEG_ATTR + (s << 2)), S.r32(F.GUEST_ES_RIGHTS + s * 2) & 0x1f0ff);
  }
  store<u64>(at(GDT_BASE), S.r64(F.GUEST_GDTR_BASE));
  store<u32>(at(GDT_LIMIT), S.r32(F.GUEST_GDTR_LIMIT));
  store<u64>(at(IDT_BASE), S.r64(F.GUEST_IDTR_BASE));
  store<u32>(at(IDT_LIMIT), S.r32(F.GUEST_IDTR_LIMIT));
  for (let i = 0; i < 4; i++) store<u64>(at(PDPTE + i * 8), S.r64(F.GUEST_PDPTE0 + i * 2));
  const blocking = S.r32(F.GUEST_INTERRUPTIBILITY);
  store<u32>(at(SHADOW), blocking & 3);
  store<u32>(at(NMI_BLOCKED), (blocking >> 3) & 1);
  store<u32>(at(ACTIVITY), 0);
  store<u32>(at(DB_PENDING), <u32>S.r64(F.GUEST_PENDING_DEBUG) & 0x400f);
  return IMAGE;
}
/** Registers, segments, control and debug registers and what is pending; nothing else can an instruction on memory change. */
export function vmxSetGuestImage(): void {
  settle();
  memory.copy(REGS, IMAGE, 0x80);
  memory.copy(XMM, at(XMM), BOUNCE - XMM);
  store<u64>(CR2, load<u64>(at(CR2)));
  S.w64(F.GUEST_RSP, load<u64>(at(REGS + RSP)));
  S.w64(F.GUEST_RIP, load<u64>(at(RIP)));
  S.w64(F.GUEST_RFLAGS, <u64>load<u32>(at(EFLAGS)));
  set(F.GUEST_CR0, F.CR0_MASK, F.CR0_SHADOW, load<u64>(at(CR0)));
  S.w64(F.GUEST_CR3, load<u64>(at(CR3)));
  S.w64(F.GUEST_DR7, load<u64>(at(DR7)));
  for (let s: u32 = 0; s < 8; s++) {
    S.w16(F.GUEST_ES_SELECTOR + s * 2, load<u32>(at(SEG_SEL + (s << 2))));
    S.w64(F.GUEST_ES_BASE + s * 2, load<u64>(at(SEG_BASE + (s << 3))));
    S.w32(F.GUEST_ES_LIMIT + s * 2, load<u32>(at(SEG_LIMIT + (s << 2))));
    S.w32(F.GUEST_ES_RIGHTS + s * 2, load<u32>(at(SEG_ATTR + (s << 2))) & 0x1f0ff);
  }
  S.w64(F.GUEST_GDTR_BASE, load<u64>(at(GDT_BASE)));
  S.w32(F.GUEST_GDTR_LIMIT, load<u32>(at(GDT_LIMIT)));
  S.w64(F.GUEST_IDTR_BASE, load<u64>(at(IDT_BASE)));
  S.w32(F.GUEST_IDTR_LIMIT, load<u32>(at(IDT_LIMIT)));
  for (let i = 0; i < 4; i++) S.w64(F.GUEST_PDPTE0 + i * 2, load<u64>(at(PDPTE + i * 8)));
  S.w32(F.GUEST_INTERRUPTIBILITY, (load<u32>(at(SHADOW)) & 3) | (load<u32>(at(NMI_BLOCKED)) ? 8 : 0));
  // A single step counts as one instruction: the trap is pending when TF was set before it.
  const pending = <u64>load<u32>(at(DB_PENDING)) & 0x400f;
  S.w64(F.GUEST_PENDING_DEBUG, pending & 15 ? pending | 0x1000 : pending);
  S.touchRegion();
}
/** VMREAD without a 64-bit result: a number is cheaper than a BigInt to an embedder. @param high the upper 32 bits */
export function vmReadWord(field: u32, high: u32): u32 {
  const v = vmRead(field);
  return high ? <u32>(v >> 32) : <u32>v;
}
/** VMWRITE of two words, for the same reason. */
export function vmWriteWords(field: u32, low: u32, high: u32): i32 { return vmWrite(field, <u64>low | (<u64>high << 32)); }
