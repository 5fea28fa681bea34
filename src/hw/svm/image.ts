// The guest of a VMCB as one register block, for an embedder that lets another processor go on with it: what VMRUN would load, at the
// same distances as in src/hw/cpu/state.ts, with all of RFLAGS in EFLAGS.
//
//   svmGuestImage(vmcb): offset of the block         svmSetGuestImage(vmcb): the block becomes the guest's state
import {
  REGS, RSP, RAX, RIP, EFLAGS, CPL, CR0, CR2, CR3, CR4, EFER, DR6, DR7, SEG_SEL, SEG_BASE, SEG_LIMIT, SEG_ATTR, GDT_BASE, GDT_LIMIT,
  IDT_BASE, IDT_LIMIT, XMM, BOUNCE, SHADOW, ACTIVITY, DB_PENDING, A20,
} from "../cpu/state";
import { UNUSABLE } from "../cpu/segment";
import { EFER_SVME, pageOrNowhere, touch } from "./state";
import * as V from "./vmcb";

const SIZE: usize = A20 - REGS;
const IMAGE = memory.data(0x800, 16);
/** From the place of a word in the state to its place in the block. */
@inline function to(word: usize): usize { return IMAGE + (word - REGS); }

export function svmGuestImage(pa: u64): usize {
  const at = pageOrNowhere(pa);
  // FS, GS, LDTR, TR and the rest of what VMLOAD carries is the processor's own.
  memory.copy(IMAGE, REGS, SIZE);
  store<u64>(to(REGS + RAX), load<u64>(at, V.RAX_AT));
  store<u64>(to(REGS + RSP), load<u64>(at, V.RSP_AT));
  store<u64>(to(RIP), load<u64>(at, V.RIP_AT));
  store<u32>(to(EFLAGS), <u32>load<u64>(at, V.RFLAGS_AT));
  store<u32>(to(CPL), load<u8>(at, V.CPL_AT));
  store<u64>(to(CR0), load<u64>(at, V.CR0_AT));
  store<u64>(to(CR3), load<u64>(at, V.CR3_AT));
  store<u64>(to(CR4), load<u64>(at, V.CR4_AT));
  store<u64>(to(EFER), load<u64>(at, V.EFER_AT) & ~EFER_SVME);
  store<u64>(to(DR6), load<u64>(at, V.DR6_AT));
  store<u64>(to(DR7), load<u64>(at, V.DR7_AT));
  for (let s: usize = 0; s < 4; s++) {
    const packed = <u32>load<u16>(at + V.ES_AT + (s << 4), 2);
    store<u32>(to(SEG_SEL + (s << 2)), load<u16>(at + V.ES_AT + (s << 4)));
    store<u32>(to(SEG_ATTR + (s << 2)), (packed & 0xff) | ((packed & 0xf00) << 4) | (packed & 0x80 ? 0 : UNUSABLE));
    store<u32>(to(SEG_LIMIT + (s << 2)), load<u32>(at + V.ES_AT + (s << 4), 4));
    store<u64>(to(SEG_BASE + (s << 3)), load<u64>(at + V.ES_AT + (s << 4), 8));
  }
  store<u32>(to(GDT_LIMIT), load<u32>(at + V.GDTR_AT, 4));
  store<u64>(to(GDT_BASE), load<u64>(at + V.GDTR_AT, 8));
  store<u32>(to(IDT_LIMIT), load<u32>(at + V.IDTR_AT, 4));
  store<u64>(to(IDT_BASE), load<u64>(at + V.IDTR_AT, 8));
  store<u32>(to(SHADOW), <u32>load<u64>(at, V.INT_STATE) & 1);
  store<u32>(to(ACTIVITY), 0);
  store<u32>(to(DB_PENDING), 0);
  return IMAGE;
}
/** Registers, segments, control and debug registers and the interrupt shadow; nothing else can an instruction on memory change. */
export function svmSetGuestImage(pa: u64): void {
  const at = pageOrNowhere(pa);
  const rax = load<u64>(REGS + RAX), rsp = load<u64>(REGS + RSP);
  memory.copy(REGS, IMAGE, 0x80);
  store<u64>(REGS + RAX, rax);
  store<u64>(REGS + RSP, rsp);
  memory.copy(XMM, to(XMM), BOUNCE - XMM);
  for (let s: usize = 4; s < 8; s++) {
    store<u32>(SEG_SEL + (s << 2), load<u32>(to(SEG_SEL + (s << 2))));
    store<u64>(SEG_BASE + (s << 3), load<u64>(to(SEG_BASE + (s << 3))));
    store<u32>(SEG_LIMIT + (s << 2), load<u32>(to(SEG_LIMIT + (s << 2))));
    store<u32>(SEG_ATTR + (s << 2), load<u32>(to(SEG_ATTR + (s << 2))));
  }
  store<u64>(CR2, load<u64>(to(CR2)));
  store<u64>(at, load<u64>(to(REGS + RAX)), V.RAX_AT);
  store<u64>(at, load<u64>(to(REGS + RSP)), V.RSP_AT);
  store<u64>(at, load<u64>(to(RIP)), V.RIP_AT);
  store<u64>(at, <u64>load<u32>(to(EFLAGS)), V.RFLAGS_AT);
  store<u8>(at, <u8>load<u32>(to(CPL)), V.CPL_AT);
  store<u64>(at, load<u64>(to(CR0)), V.CR0_AT);
  store<u64>(at, load<u64>(to(CR3)), V.CR3_AT);
  store<u64>(at, load<u64>(to(DR6)), V.DR6_AT);
  store<u64>(at, load<u64>(to(DR7)), V.DR7_AT);
  for (let s: usize = 0; s < 4; s++) {
    const attr = load<u32>(to(SEG_ATTR + (s << 2)));
    store<u16>(at + V.ES_AT + (s << 4), <u16>load<u32>(to(SEG_SEL + (s << 2))));
    store<u16>(at + V.ES_AT + (s << 4), <u16>((attr & (attr & UNUSABLE ? 0x7f : 0xff)) | ((attr >> 4) & 0xf00)), 2);
    store<u32>(at + V.ES_AT + (s << 4), load<u32>(to(SEG_LIMIT + (s << 2))), 4);
    store<u64>(at + V.ES_AT + (s << 4), load<u64>(to(SEG_BASE + (s << 3))), 8);
  }
  store<u32>(at + V.GDTR_AT, load<u32>(to(GDT_LIMIT)), 4);
  store<u64>(at + V.GDTR_AT, load<u64>(to(GDT_BASE)), 8);
  store<u32>(at + V.IDTR_AT, load<u32>(to(IDT_LIMIT)), 4);
  store<u64>(at + V.IDTR_AT, load<u64>(to(IDT_BASE)), 8);
  store<u64>(at, load<u32>(to(SHADOW)) ? 1 : 0, V.INT_STATE);
  touch(at);
}
