// Guest code for tests of the translator, on the real core: long mode, four-level page tables with 4 KiB pages, an IDT.
//
// Physical memory: tables below 64 KiB, code at CODE, data at DATA. The page after the first data page is not present
// until the #PF handler maps it, so a loop over the data faults once in its middle and then goes on.
import { Core, featureIndex, layout } from "../index.ts";
import { findBlock } from "./region.ts";

export const RAM_BYTES = 1024 * 1024;
export const CODE = 0x20000;
export const DATA = 0x30000;
const PML4 = 0x1000,
  PDPT = 0x2000,
  PD = 0x3000,
  TABLE = 0x4000,
  IDT = 0x5000,
  GDT = 0x6000,
  HANDLERS = 0x8000,
  STACK = 0xa000;
const STRIDE = 64;
const PRESENT = 1n,
  WRITE = 2n;

export type Setup = Readonly<
  Partial<Record<"rax" | "rcx" | "rdx" | "rbx" | "rsp" | "rbp" | "rsi" | "rdi" | "r8" | "r9", bigint>>
>;
const ORDER = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9"] as const;

/** #PF: map the page whose table entry is at r15, count in r14, return. */
const PAGE_FAULT = [0x41, 0x83, 0x0f, 0x01, 0x49, 0xff, 0xc6, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf];

export async function createCore(module: WebAssembly.Module): Promise<Core> {
  const core = await Core.create(module, RAM_BYTES, {
    portRead: () => 0xffffffff,
    portWrite: () => {},
    mmioRead: () => 0n,
    mmioWrite: () => {},
    intAck: () => -1,
    msrRead: () => undefined,
    msrWrite: () => false,
    tprRead: () => 0,
    tprWrite: () => {},
  });
  core.map(0, RAM_BYTES, 1);
  for (const i of Object.values(featureIndex)) core.u8[layout.FEATURES + i] = 1;
  return core;
}
/** A fresh machine with `code` at CODE and the given registers; `hole` leaves the second data page to the #PF handler. */
export function load(core: Core, code: readonly number[], registers: Setup, hole = false): void {
  const { u8, u32, u64, view, exports } = core;
  const put = (at: number, value: bigint): void => view.setBigUint64(layout.RAM + at, value, true);
  u8.fill(0, layout.RAM, layout.RAM + RAM_BYTES);
  put(PML4, BigInt(PDPT) | PRESENT | WRITE);
  put(PDPT, BigInt(PD) | PRESENT | WRITE);
  put(PD, BigInt(TABLE) | PRESENT | WRITE);
  for (let i = 0; i < RAM_BYTES / 4096; i++)
    put(TABLE + i * 8, BigInt(i * 4096) | WRITE | (hole && i === DATA / 4096 + 1 ? 0n : PRESENT));
  for (let v = 0; v < 32; v++) {
    const to = BigInt(HANDLERS + v * STRIDE);
    put(IDT + v * 16, (to & 0xffffn) | (8n << 16n) | (0x8en << 40n) | ((to >> 16n) << 48n));
    u8[layout.RAM + HANDLERS + v * STRIDE] = 0xf4;
  }
  u8.set(PAGE_FAULT, layout.RAM + HANDLERS + 14 * STRIDE);
  put(GDT + 8, 0x00209b0000000000n);
  u8.set(code, layout.RAM + CODE);
  for (let i = 0; i < 8192; i += 4)
    view.setUint32(layout.RAM + DATA + i, Math.imul(i + 1, 0x9e3779b1) >>> 0, true);
  u64.fill(0n, layout.REGS / 8, layout.REGS / 8 + 16);
  ORDER.forEach((name, i) => {
    u64[layout.REGS / 8 + i] = registers[name] ?? 0n;
  });
  if (registers.rsp === undefined) u64[layout.REGS / 8 + 4] = BigInt(STACK);
  u64[layout.REGS / 8 + 15] = BigInt(TABLE + (DATA / 4096 + 1) * 8);
  u64[layout.CR0 / 8] = 0x80010033n;
  u64[layout.CR2 / 8] = 0n;
  u64[layout.CR3 / 8] = BigInt(PML4);
  u64[layout.CR4 / 8] = 0x620n; // PAE OSFXSR OSXMMEXCPT
  u64[layout.XCR0 / 8] = 1n;
  u32[layout.FCW / 4] = 0x37f;
  u32[layout.MXCSR / 4] = 0x1f80;
  u64[layout.EFER / 8] = 0x500n;
  u64[layout.IDT_BASE / 8] = BigInt(IDT);
  u64[layout.IDT_LIMIT / 8] = 0xfffn;
  u64[layout.GDT_BASE / 8] = BigInt(GDT);
  u64[layout.GDT_LIMIT / 8] = 0xfffn;
  u32[layout.SEG_SEL / 4 + layout.CS] = 8;
  u32[layout.SEG_ATTR / 4 + layout.CS] = 0xa09b;
  for (const s of [layout.ES, layout.SS, layout.DS]) u32[layout.SEG_ATTR / 4 + s] = 0xc093;
  u32[layout.CPL / 4] = 0;
  u32[layout.ACTIVITY / 4] = 0;
  u64[layout.RIP / 8] = BigInt(CODE);
  exports.setRflags(2);
  exports.updateMode();
  exports.flushTlb();
  exports.flushCode();
  exports.setClock(0);
}
/** Everything that must agree: registers, RIP, lazy flags as stored, control state, the clock, all of RAM. */
export function snapshot(core: Core): { state: string; ram: Uint8Array } {
  const words = [...Array(16).keys()].map((i) => core.u64[layout.REGS / 8 + i] ?? 0n);
  const rest = [layout.RIP, layout.LF_RES, layout.LF_AUX, layout.EFLAGS, layout.CR2].map(
    (at) => core.u64[at / 8] ?? 0n,
  );
  const state = [...words, ...rest].map((v) => v.toString(16)).join(" ");
  return {
    state: `${state} flags=${core.exports.rflags().toString(16)} t=${core.exports.clock()}`,
    ram: core.u8.slice(layout.RAM, layout.RAM + RAM_BYTES),
  };
}
/** The decoded block at a physical address, in the current mode. */
export const blockAt = (core: Core, pa: number): number =>
  findBlock({ u8: core.u8, u16: new Uint16Array(core.memory.buffer), u32: core.u32, view: core.view }, pa, core.u32[layout.MODE / 4] ?? 0);
/** Instructions that ran translated since the core was made. */
export const translated = (core: Core): number => Number(core.u64[layout.N_TRANSLATED / 8]);
