// The compiled core as a silicon case sees it: CPL 3, paging on, one instruction.
//
// Physical memory: page tables, descriptor tables, a TSS and a ring-0 stack in the first 128 KiB, then the four pages
// of the case. Each IDT gate leads to a HLT of its own, so the address at which the core stops names the vector; the
// frame on the ring-0 stack holds the rest.
import { readFileSync } from "node:fs";
import { Core, featureIndex, layout, readFxsave, readRegs, writeFxsave, writeRegs, writeSregs } from "../index.ts";
import type { Segment as CoreSegment } from "../../base/index.ts";
import type { Case, Mode, OneStep, Outcome, Segment } from "./fixtures/load.ts";
import { codePage, dataPage, pageSize, readOnlyPage, stackPage } from "./fixtures/load.ts";

const KIB = 1024;
const at = {
  pml4: 0x1000, pdpt: 0x2000, pd: 0x3000, table: 0x4000, idt: 0x5000, gdt: 0x6000, tss: 0x7000, handlers: 0x8000, stack: 0x9000,
  highTable: 0xb000, pages: 0x10000,
} as const;
/** Linear address at which the first 64 KiB are mapped for the supervisor, out of reach of a case. */
const system = 0x7ff00000;
const HANDLER_STRIDE = 16;
const pageAddresses = [dataPage, stackPage, readOnlyPage, codePage] as const;
const P = 1n, W = 2n, U = 4n, NX = 1n << 63n;
const CR0 = 0x80050033n; // PG AM WP NE ET MP PE
const CR4 = 0x620n; // PAE OSFXSR OSXMMEXCPT
const EFER = 0xd01n; // NXE LMA LME SCE
/** Vectors that push an error code. */
const withCode = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const unused: CoreSegment = { selector: 0, base: 0n, limit: 0, type: 0, s: 0, dpl: 0, present: 0, avl: 0, l: 0, db: 0, g: 0, unusable: 1 };

/** A string instruction with a repeat prefix. */
function repeated(bytes: Uint8Array): boolean {
  const prefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
  let i = 0, rep = false;
  for (; prefixes.has(bytes[i]!) || (bytes[i]! & 0xf0) === 0x40; i++) rep ||= (bytes[i]! & 0xfe) === 0xf2;
  return rep && /^(6[c-f]|a[4-7a-f])$/.test(bytes[i]!.toString(16));
}
const linear = (mode: Mode, rip: bigint): bigint => (mode === 16 ? rip + BigInt(codePage) : rip);

class Binding implements OneStep {
  readonly #core: Core;
  #mode: Mode | 0 = 0;

  constructor(core: Core) {
    this.#core = core;
    core.map(0, 256 * KIB, 1);
    const cpuidFeatures = new Set(["", "vmx", "svm"]);
    for (const [name, i] of Object.entries(featureIndex)) if (!cpuidFeatures.has(name)) core.u8[layout.FEATURES + i] = 1;
    core.u64[layout.XCR0 / 8] = 1n;
    this.#tables();
  }

  #put(address: number, value: bigint): void { this.#core.view.setBigUint64(layout.RAM + address, value, true); }

  #tables(): void {
    this.#put(at.pml4, BigInt(at.pdpt) | P | W | U);
    this.#put(at.pdpt, BigInt(at.pd) | P | W | U);
    this.#put(at.pdpt + 8, 0x0n);
    // The case's pages lie in the 2 MiB from 10000000h, the system's in those from 7FE00000h.
    const second = 0xc000;
    this.#put(at.pd + (dataPage >>> 21) * 8, BigInt(at.table) | P | W | U);
    this.#put(at.pdpt + (system >>> 30) * 8, BigInt(second) | P | W | U);
    this.#put(second + ((system >>> 21) & 511) * 8, BigInt(at.highTable) | P | W | U);
    pageAddresses.forEach((page, i) => {
      const rights = P | U | (page === readOnlyPage ? 0n : page === codePage ? 0n : W) | (page === codePage ? 0n : NX);
      this.#put(at.table + ((page >>> 12) & 511) * 8, BigInt(at.pages + i * pageSize) | rights);
    });
    for (let i = 0; i < 16; i++) this.#put(at.highTable + (((system >>> 12) & 511) + i) * 8, BigInt(i * pageSize) | P | W);
    for (let v = 0; v < 256; v++) {
      const to = BigInt(system + at.handlers + v * HANDLER_STRIDE), dpl = v === 3 || v === 4 ? 3n : 0n;
      this.#put(at.idt + v * 16, (to & 0xffffn) | (8n << 16n) | ((0x8en | (dpl << 5n)) << 40n) | ((to & 0xffff0000n) << 32n));
      this.#put(at.idt + v * 16 + 8, to >> 32n);
      this.#core.u8[layout.RAM + at.handlers + v * HANDLER_STRIDE] = 0xf4;
    }
    this.#put(at.gdt + 8, 0x00209b0000000000n);
    this.#put(at.tss + 4, BigInt(system + at.stack + 0x1000));
    this.#put(at.tss + 0x60, 0x68n << 48n); // no I/O permission bitmap
  }

  #segments(c: Case): void {
    const code = (s: Segment): CoreSegment => ({
      selector: 0x1b, base: s.base, limit: s.limit, type: 11, s: 1, dpl: 3, present: 1, avl: 0, l: c.mode === 64 ? 1 : 0,
      db: c.mode === 32 ? 1 : 0, g: s.limit > 0xfffff ? 1 : 0, unusable: 0,
    });
    const data = (s: Segment, selector: number): CoreSegment => ({
      selector, base: s.base, limit: s.limit, type: s.writable ? 3 : 1, s: 1, dpl: 3, present: 1, avl: 0, l: 0,
      db: s.big ? 1 : 0, g: s.limit > 0xfffff ? 1 : 0, unusable: 0,
    });
    const { cs, ss, ds, es, fs, gs } = c.segments;
    writeSregs(this.#core, {
      cs: code(cs), ss: data(ss, 0x23), ds: data(ds, 0x2b), es: data(es, 0x33), fs: data(fs, 0x3b), gs: data(gs, 0x43),
      ldt: unused, tr: { ...unused, selector: 0x48, base: BigInt(system + at.tss), limit: 0x67, type: 11, present: 1, unusable: 0 },
      gdt: { base: BigInt(system + at.gdt), limit: 0xff }, idt: { base: BigInt(system + at.idt), limit: 0xfff },
      cr0: CR0, cr2: 0n, cr3: BigInt(at.pml4), cr4: CR4, efer: EFER,
    });
  }

  run(c: Case): Outcome {
    const core = this.#core, { exports } = core, ram = core.u8;
    if (this.#mode !== c.mode) { this.#mode = c.mode; exports.flushCode(); exports.flushTlb(); }
    const pages = layout.RAM + at.pages;
    ram.set(c.memory, pages);
    exports.written(pages + 3 * pageSize, pageSize);
    ram.set(c.code, pages + 3 * pageSize);
    ram.fill(0, layout.RAM + at.stack, layout.RAM + at.stack + 0x1000);
    this.#segments(c);
    writeFxsave(core, c.fxsave);
    const g = c.gpr;
    writeRegs(core, {
      rax: g[0]!, rcx: g[1]!, rdx: g[2]!, rbx: g[3]!, rsp: g[4]!, rbp: g[5]!, rsi: g[6]!, rdi: g[7]!, r8: g[8]!, r9: g[9]!, r10: g[10]!,
      r11: g[11]!, r12: g[12]!, r13: g[13]!, r14: g[14]!, r15: g[15]!, rip: c.rip, rflags: BigInt(c.rflags),
    });
    core.u32[layout.ACTIVITY / 4] = 0;
    core.u32[layout.SHADOW / 4] = 0;
    core.u32[layout.DB_PENDING / 4] = 0;
    core.u64[layout.CR2 / 8] = 0n;
    const start = exports.clock();
    // A repeated string instruction takes a unit of the clock for every iteration.
    do exports.run(1); while (repeated(c.bytes) && core.u32[layout.CPL / 4] === 3 && core.u64[layout.RIP / 8] === c.rip && exports.clock() - start < 100_000);
    return this.#outcome(c, exports.clock() !== start);
  }

  #outcome(c: Case, retired: boolean): Outcome {
    const core = this.#core, r = readRegs(core);
    const gpr = BigUint64Array.of(r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15);
    let vector = -1, errorCode = 0, { rip } = r, rflags = Number(r.rflags), cr2 = 0n;
    if (core.u32[layout.CPL / 4] === 0) {
      vector = Math.floor((Number(r.rip) - system - at.handlers) / HANDLER_STRIDE);
      let frame = layout.RAM + Number(r.rsp) - system;
      if (withCode.has(vector)) {
        errorCode = core.view.getUint32(frame, true);
        frame += 8;
      }
      rip = core.view.getBigUint64(frame, true);
      rflags = core.view.getUint32(frame + 16, true);
      gpr[4] = core.view.getBigUint64(frame + 24, true);
      if (vector === 14) cr2 = core.u64[layout.CR2 / 8] ?? 0n;
      // The instruction is done; what faulted is the fetch of the next one.
      if (retired && vector === 14 && cr2 === linear(c.mode, rip)) { vector = -1; errorCode = 0; cr2 = 0n; }
    }
    const pages = layout.RAM + at.pages;
    return { vector, errorCode, cr2, gpr, rip, rflags, fxsave: readFxsave(core), memory: core.u8.slice(pages, pages + 3 * pageSize) };
  }
}

/** Build the core first: `npm run build:core` writes build/core.wasm. */
export async function createOneStep(): Promise<OneStep> {
  const module = await WebAssembly.compile(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));
  const core = await Core.create(module, 256 * KIB, {
    portRead: () => 0xffffffff, portWrite: () => {}, mmioRead: () => 0xffffffffffffffffn, mmioWrite: () => {}, intAck: () => -1,
    msrRead: () => undefined, msrWrite: () => false, tprRead: () => 0, tprWrite: () => {},
  });
  return new Binding(core);
}
