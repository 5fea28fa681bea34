// Small programs in the assembler's language on a bare core, for the tests of this folder.
//
//   1000h code (org 0x1000)   8000h GDT, 9000h IDT, A000h TSS, B000h page tables   20000h free   30000h device page
import { readFileSync } from "node:fs";
import { assemble } from "../../isa/index.ts";
import type { Segment } from "../../base/index.ts";
import { Core, featureIndex, layout, readRegs, resetRegisters, writeRegs, writeSregs } from "../index.ts";

const KIB = 1024, RAM = 256 * KIB, ORIGIN = 0x1000;
const at = { gdt: 0x8000, idt: 0x9000, tss: 0xa000, tables: 0xb000 } as const;
/** Supervisor stack, user stack, and a page that is a device. */
export const STACK = 0x7000, USER_STACK = 0x6000, DEVICE = 0x30000;
/** Code 64 and data at CPL 0, code 32, data and code 64 at CPL 3 (in SYSRET's order), TSS. */
export const selector = { code: 8, data: 0x10, user32: 0x1b, userData: 0x23, user64: 0x2b, tss: 0x30 } as const;
const GDT = [0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn, 0x00cffb000000ffffn, 0x00cff3000000ffffn, 0x00affb000000ffffn];
const CR0 = 0x80000033n, CR4 = 0x628n, EFER = 0x501n; // PG NE ET MP PE; DE PAE OSFXSR OSXMMEXCPT; LMA LME SCE
const module = await WebAssembly.compile(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));

export interface Access { readonly write: boolean; readonly address: number; readonly size: number; readonly value: bigint }
/** Rows of CPUID: leaf, subleaf, EAX, EBX, ECX, EDX. */
export type CpuidRows = readonly (readonly [number, number, number, number, number, number])[];
const INTEL: CpuidRows = [[0, 0, 13, 0x756e6547, 0x6c65746e, 0x49656e69], [1, 0, 0x306c3, 0, 0, 0x078bfbff], [0x80000000, 0, 0x80000008, 0, 0, 0], [0x80000001, 0, 0, 0, 1, 0x28100800]];

/** A program in 64-bit mode at CPL 0, interrupts off; a label `vectorN` is the handler of vector N. */
export class Program {
  readonly core: Core;
  readonly symbols: ReadonlyMap<string, bigint>;
  /** What the device page was asked for, in order. Reads give the address's low byte in every byte. */
  readonly accesses: readonly Access[];

  private constructor(core: Core, symbols: ReadonlyMap<string, bigint>, accesses: readonly Access[]) {
    this.core = core;
    this.symbols = symbols;
    this.accesses = accesses;
  }

  static async open(source: string, cpuid: CpuidRows = INTEL): Promise<Program> {
    const accesses: Access[] = [], byte = (n: number): bigint => BigInt(n & 0xff);
    const core = await Core.create(module, RAM, {
      portRead: () => 0, portWrite: () => undefined, intAck: () => -1, msrRead: () => undefined, msrWrite: () => false, tprRead: () => 0, tprWrite: () => undefined,
      mmioRead: (address, size) => {
        const value = Array.from({ length: size }, (_, i) => byte(address + i) << BigInt(8 * i)).reduce((a, b) => a | b);
        accesses.push({ write: false, address, size, value });
        return value;
      },
      mmioWrite: (address, size, value) => { accesses.push({ write: true, address, size, value: BigInt(value) }); },
    });
    core.map(0, RAM, 1);
    core.map(DEVICE, 4096, 0);
    core.u8.fill(1, layout.FEATURES, layout.FEATURES + Object.keys(featureIndex).length);
    cpuid.forEach((row, i) => { row.forEach((v, j) => { core.u32[layout.CPUID_TABLE / 4 + i * 8 + j] = v; }); });
    core.u32[layout.CPUID_COUNT / 4] = cpuid.length;
    const { bytes, symbols } = assemble(`bits 64\norg ${ORIGIN}\n${source}`);
    core.u8.set(bytes, layout.RAM + ORIGIN);
    const program = new Program(core, symbols, accesses);
    resetRegisters(core);
    program.#tables();
    program.#start();
    return program;
  }

  #put(address: number, value: bigint): void { this.core.view.setBigUint64(layout.RAM + address, value, true); }

  #tables(): void {
    this.#put(at.tables, BigInt(at.tables + 0x1000) | 7n);
    this.#put(at.tables + 0x1000, BigInt(at.tables + 0x2000) | 7n);
    this.#put(at.tables + 0x2000, 0x87n);
    GDT.forEach((d, i) => { this.#put(at.gdt + 8 * i, d); });
    this.#put(at.tss + 4, BigInt(STACK));
    for (let v = 0; v < 32; v++) {
      const to = this.symbols.get(`vector${v}`);
      if (to === undefined) continue;
      this.#put(at.idt + v * 16, (to & 0xffffn) | (8n << 16n) | (0xeen << 40n) | ((to & 0xffff0000n) << 32n));
    }
  }

  #start(): void {
    const flat = (s: number, type: number, l: 0 | 1): Segment => ({ selector: s, base: 0n, limit: 0xffffffff, type, s: 1, dpl: 0, present: 1, avl: 0, l, db: l ? 0 : 1, g: 1, unusable: 0 });
    const data = flat(selector.data, 3, 0), none: Segment = { ...data, selector: 0, s: 0, present: 0, unusable: 1 };
    writeSregs(this.core, {
      cs: flat(selector.code, 11, 1), ss: data, ds: data, es: data, fs: data, gs: data, ldt: none,
      tr: { ...none, selector: selector.tss, base: BigInt(at.tss), limit: 0x67, type: 11, present: 1, g: 0, unusable: 0 },
      gdt: { base: BigInt(at.gdt), limit: 0x3f }, idt: { base: BigInt(at.idt), limit: 0x1ff },
      cr0: CR0, cr2: 0n, cr3: BigInt(at.tables), cr4: CR4, efer: EFER,
    });
    writeRegs(this.core, { ...readRegs(this.core), rsp: BigInt(STACK), rip: BigInt(ORIGIN), rflags: 2n });
  }

  /** Runs to HLT, in slices of `slice` instructions; throws when it does not get there. */
  run(slice = 10_000): this {
    for (let n = 0; n < 10_000; n += slice) if (this.core.exports.run(slice) === layout.STOP_HALT) return this;
    throw new Error(`not at HLT: RIP ${readRegs(this.core).rip.toString(16)}`);
  }

  label(name: string): number { return Number(this.symbols.get(name)); }
  u64(where: number | string): bigint { return this.core.view.getBigUint64(layout.RAM + (typeof where === "string" ? this.label(where) : where), true); }
  u32(where: number | string): number { return Number(this.u64(where) & 0xffffffffn); }
}
