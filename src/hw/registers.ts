// The architectural state of a core in KVM's shapes, read from and written to its memory.
import type { DebugRegs, Regs, Segment, Sregs } from "../base/index.ts";
import type { Core } from "./index.ts";
import { layout } from "./layout.ts";

const GPRS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"] as const;

export function readRegs(core: Core): Regs {
  const at = layout.REGS / 8;
  const regs = Object.fromEntries(GPRS.map((name, i) => [name, core.u64[at + i] ?? 0n])) as unknown as Regs;
  return { ...regs, rip: core.u64[layout.RIP / 8] ?? 0n, rflags: BigInt(core.exports.rflags() >>> 0) };
}

export function writeRegs(core: Core, regs: Regs): void {
  GPRS.forEach((name, i) => { core.u64[layout.REGS / 8 + i] = regs[name]; });
  core.u64[layout.RIP / 8] = regs.rip;
  core.exports.setRflags(Number(regs.rflags & 0xffffffffn));
  core.exports.updateMode();
}

/** Access rights in VMX format ("Guest Register State"): type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
export function readSegment(core: Core, index: number): Segment {
  const attr = core.u32[layout.SEG_ATTR / 4 + index] ?? 0;
  const flag = (n: number): 0 | 1 => (((attr >>> n) & 1) === 1 ? 1 : 0);
  return {
    selector: (core.u32[layout.SEG_SEL / 4 + index] ?? 0) & 0xffff,
    base: core.u64[layout.SEG_BASE / 8 + index] ?? 0n,
    limit: core.u32[layout.SEG_LIMIT / 4 + index] ?? 0,
    type: attr & 15, s: flag(4), dpl: (attr >>> 5) & 3, present: flag(7), avl: flag(12), l: flag(13), db: flag(14), g: flag(15), unusable: flag(16),
  };
}

export function writeSegment(core: Core, index: number, s: Segment): void {
  core.u32[layout.SEG_SEL / 4 + index] = s.selector;
  core.u64[layout.SEG_BASE / 8 + index] = s.base;
  core.u32[layout.SEG_LIMIT / 4 + index] = s.limit;
  core.u32[layout.SEG_ATTR / 4 + index] =
    s.type | (s.s << 4) | (s.dpl << 5) | (s.present << 7) | (s.avl << 12) | (s.l << 13) | (s.db << 14) | (s.g << 15) | (s.unusable << 16);
}

/** Three-level paging, whose top entries are registers ("PDPTE Registers"). */
function paePaging(cr0: bigint, cr4: bigint, efer: bigint): boolean {
  return (cr0 & 0x80000000n) !== 0n && (cr4 & 0x20n) !== 0n && (efer & 0x400n) === 0n;
}

/** Everything of kvm_sregs that lives in the core; APIC base and CR8 belong to the local APIC. */
export function readSregs(core: Core): Omit<Sregs, "apicBase" | "cr8"> {
  const segments = Object.fromEntries(SEGMENTS.map((name, i) => [name, readSegment(core, i)])) as unknown as Record<(typeof SEGMENTS)[number], Segment>;
  const word = (at: number): bigint => core.u64[at / 8] ?? 0n;
  return {
    ...segments,
    gdt: { base: word(layout.GDT_BASE), limit: core.u32[layout.GDT_LIMIT / 4] ?? 0 },
    idt: { base: word(layout.IDT_BASE), limit: core.u32[layout.IDT_LIMIT / 4] ?? 0 },
    ...(paePaging(word(layout.CR0), word(layout.CR4), word(layout.EFER))
      ? { pdptrs: [0, 8, 16, 24].map((i) => word(layout.PDPTE + i)) }
      : {}),
    cr0: word(layout.CR0), cr2: word(layout.CR2), cr3: word(layout.CR3), cr4: word(layout.CR4), efer: word(layout.EFER),
  };
}

export function writeSregs(core: Core, s: Omit<Sregs, "apicBase" | "cr8">): void {
  SEGMENTS.forEach((name, i) => { writeSegment(core, i, s[name]); });
  core.u64[layout.GDT_BASE / 8] = s.gdt.base;
  core.u32[layout.GDT_LIMIT / 4] = s.gdt.limit;
  core.u64[layout.IDT_BASE / 8] = s.idt.base;
  core.u32[layout.IDT_LIMIT / 4] = s.idt.limit;
  core.u64[layout.CR0 / 8] = s.cr0;
  core.u64[layout.CR2 / 8] = s.cr2;
  core.u64[layout.CR3 / 8] = s.cr3;
  core.u64[layout.CR4 / 8] = s.cr4;
  core.u64[layout.EFER / 8] = s.efer;
  s.pdptrs?.forEach((v, i) => { core.u64[layout.PDPTE / 8 + i] = v; });
  // CPL is the DPL of SS ("Current Privilege Level" in the SDM's segment chapter).
  core.u32[layout.CPL / 4] = (s.cr0 & 1n) === 0n ? 0 : s.ss.dpl;
  core.exports.updateMode();
  core.exports.flushTlb();
}

export function readDebugRegs(core: Core): DebugRegs {
  const at = (i: number): bigint => core.u64[layout.DR0 / 8 + i] ?? 0n;
  return { db: [at(0), at(1), at(2), at(3)], dr6: core.u64[layout.DR6 / 8] ?? 0n, dr7: core.u64[layout.DR7 / 8] ?? 0n };
}

export function writeDebugRegs(core: Core, d: DebugRegs): void {
  d.db.forEach((v, i) => { core.u64[layout.DR0 / 8 + i] = v; });
  core.u64[layout.DR6 / 8] = d.dr6;
  core.u64[layout.DR7 / 8] = d.dr7;
  core.exports.updateDebug();
}

/** x87 and SSE state as FXSAVE64 stores it, 512 bytes. */
export function readFxsave(core: Core): Uint8Array {
  const image = new Uint8Array(512), v = new DataView(image.buffer), u32 = (at: number): number => core.u32[at / 4] ?? 0;
  v.setUint16(0, u32(layout.FCW), true);
  v.setUint16(2, u32(layout.FSW), true);
  v.setUint8(4, u32(layout.FTW));
  v.setUint16(6, u32(layout.FOP), true);
  v.setBigUint64(8, core.u64[layout.FIP / 8] ?? 0n, true);
  v.setBigUint64(16, core.u64[layout.FDP / 8] ?? 0n, true);
  v.setUint32(24, u32(layout.MXCSR), true);
  v.setUint32(28, 0xffff, true);
  const top = (u32(layout.FSW) >>> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const from = layout.FPR + ((top + i) & 7) * 16;
    image.set(core.u8.subarray(from, from + 10), 32 + i * 16);
  }
  image.set(core.u8.subarray(layout.XMM, layout.XMM + 256), 160);
  return image;
}

export function writeFxsave(core: Core, image: Uint8Array): void {
  const v = new DataView(image.buffer, image.byteOffset), put = (at: number, n: number): void => { core.u32[at / 4] = n; };
  put(layout.FCW, v.getUint16(0, true));
  put(layout.FSW, v.getUint16(2, true));
  put(layout.FTW, v.getUint8(4));
  put(layout.FOP, v.getUint16(6, true));
  core.u64[layout.FIP / 8] = v.getBigUint64(8, true);
  core.u64[layout.FDP / 8] = v.getBigUint64(16, true);
  put(layout.MXCSR, v.getUint32(24, true));
  const top = (v.getUint16(2, true) >>> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const to = layout.FPR + ((top + i) & 7) * 16;
    core.u8.fill(0, to, to + 16);
    core.u8.set(image.subarray(32 + i * 16, 42 + i * 16), to);
  }
  core.u8.set(image.subarray(160, 416), layout.XMM);
}

/** Where FCS and FDS lie in readXsave's image: FXSAVE64 leaves bytes 464 to 511 to software. */
const FCS_AT = 464, FDS_AT = 466;

/** The FXSAVE64 image, with the x87 segment selectors that its 64-bit pointers leave no room for. */
export function readXsave(core: Core): Uint8Array {
  const image = readFxsave(core), v = new DataView(image.buffer);
  v.setUint16(FCS_AT, core.u32[layout.FCS / 4] ?? 0, true);
  v.setUint16(FDS_AT, core.u32[layout.FDS / 4] ?? 0, true);
  return image;
}

export function writeXsave(core: Core, image: Uint8Array): void {
  const v = new DataView(image.buffer, image.byteOffset, image.byteLength);
  writeFxsave(core, image);
  core.u32[layout.FCS / 4] = v.getUint16(FCS_AT, true);
  core.u32[layout.FDS / 4] = v.getUint16(FDS_AT, true);
}

/** Registers as RESET leaves them ("Processor State After Reset" in the SDM). */
export function resetRegisters(core: Core): void {
  core.u8.fill(0, layout.REGS, layout.REGS + 0x80);
  core.u8.fill(0, layout.XMM, layout.FPR + 0x80);
  const put = (at: number, v: number): void => { core.u32[at / 4] = v; }, put64 = (at: number, v: bigint): void => { core.u64[at / 8] = v; };
  const code: Segment = { selector: 0xf000, base: 0xffff0000n, limit: 0xffff, type: 11, s: 1, dpl: 0, present: 1, avl: 0, l: 0, db: 0, g: 0, unusable: 0 };
  const data: Segment = { ...code, selector: 0, base: 0n, type: 3 };
  const system: Segment = { ...data, s: 0 };
  for (const i of [0, 2, 3, 4, 5]) writeSegment(core, i, data);
  writeSegment(core, 1, code);
  writeSegment(core, 6, { ...system, type: 2 });
  writeSegment(core, 7, { ...system, type: 11 });
  for (const at of [layout.GDT_BASE, layout.IDT_BASE, layout.CR2, layout.CR3, layout.CR4, layout.EFER, layout.DR0, layout.DR0 + 8, layout.DR0 + 16, layout.DR0 + 24,
    layout.STAR, layout.LSTAR, layout.CSTAR, layout.SFMASK, layout.KERNEL_GS_BASE, layout.SYSENTER_CS, layout.SYSENTER_ESP, layout.SYSENTER_EIP, layout.TSC_AUX, layout.DEBUGCTL, layout.FIP, layout.FDP]) put64(at, 0n);
  put(layout.GDT_LIMIT, 0xffff);
  put(layout.IDT_LIMIT, 0xffff);
  put64(layout.CR0, 0x60000010n);
  put64(layout.XCR0, 1n);
  put64(layout.DR6, 0xffff0ff0n);
  put64(layout.DR7, 0x400n);
  put64(layout.PAT, 0x0007040600070406n);
  put64(layout.MISC_ENABLE, 1n);
  put(layout.FCW, 0x40);
  put(layout.FSW, 0);
  put(layout.FTW, 0xff);
  put(layout.MXCSR, 0x1f80);
  put(layout.CPL, 0);
  for (const at of [layout.INTR, layout.NMI, layout.NMI_BLOCKED, layout.SHADOW, layout.ACTIVITY, layout.INIT, layout.SMI, layout.SIPI, layout.DB_PENDING]) put(at, 0);
  core.exports.svmReset();
  put64(layout.RIP, 0xfff0n);
  put64(layout.REGS + 16, 0x663n); // EDX: family 6, model 6, stepping 3
  core.exports.setRflags(2);
  core.exports.updateDebug();
  core.exports.updateMode();
  core.exports.flushTlb();
}
