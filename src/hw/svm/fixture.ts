// A bare core as the host of small SVM guests, for the tests of this folder.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assemble, vmcbField } from "../../isa/index.ts";
import { Core, type Environment, featureIndex, layout } from "../index.ts";

const RAM = 16 * 1024 * 1024;
export const HSAVE = 0x100000, VMCB = 0x101000, NPT = 0x110000, IOPM = 0x120000, MSRPM = 0x124000, GUEST = 0x200000;
const SVM_FEATURES = 0x114ed;

/** Sixteen megabytes of RAM, an AMD with every SVM feature of ours, ports that read 5Ah and record writes.
 *  @param storm the interrupt line stays up when its vector 41h is fetched */
export async function openCore(writes: [number, number][] = [], storm = false): Promise<Core> {
  let line = (): void => undefined;
  const environment: Environment = {
    portRead: () => 0x5a,
    portWrite: (port, _size, value) => { writes.push([port, value]); },
    mmioRead: () => 0n,
    mmioWrite: () => undefined,
    intAck: () => {
      line();
      return 0x41;
    },
    msrRead: () => undefined,
    msrWrite: () => false,
    tprRead: () => 7,
    tprWrite: (value) => { writes.push([8, value]); },
  };
  const path = fileURLToPath(new URL("../../../build/core.wasm", import.meta.url));
  const core = await Core.create(await WebAssembly.compile(readFileSync(path)), RAM, environment);
  if (!storm) line = () => { core.u32[layout.INTR / 4] = 0; };
  core.map(0, RAM, 1);
  core.u8.fill(1, layout.FEATURES, layout.FEATURES + Object.keys(featureIndex).length);
  const cpuid = [
    [0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65], [1, 0, 0x800f12, 0, 0xffffffdf, 0xffffffff], [7, 0, 0, 0x00ffffff, 0, 0],
    [0x80000000, 0, 0x8000000a, 0, 0, 0], [0x80000001, 0, 0, 0, 0x25, 0x2c100800], [0x8000000a, 0, 1, 64, 0, SVM_FEATURES],
  ];
  cpuid.forEach((row, i) => {
    row.forEach((v, j) => { core.u32[layout.CPUID_TABLE / 4 + i * 8 + j] = v; });
    core.u32[layout.CPUID_TABLE / 4 + i * 8 + 6] = 0;
  });
  core.u32[layout.CPUID_COUNT / 4] = cpuid.length;
  return core;
}
/** Put bytes at a physical address. */
export function poke(core: Core, at: number, bytes: ArrayLike<number>): void {
  core.u8.set(Uint8Array.from(bytes), layout.RAM + at);
  core.exports.written(layout.RAM + at, bytes.length);
}
export function poke64(core: Core, at: number, v: bigint): void { core.view.setBigUint64(layout.RAM + at, v, true); }
export const peek64 = (core: Core, at: number): bigint => core.view.getBigUint64(layout.RAM + at, true);

/** A VMCB field, or a segment register's part at an offset into it. */
export interface Vmcb {
  get(name: string, part?: number): bigint;
  set(name: string, value: number | bigint, part?: number): void;
  /** Set the intercept with this exit code (00h to A2h). */
  intercept(code: number): void;
}
function open(core: Core): Vmcb {
  // Of a segment register: selector, attributes, limit, base.
  const sizes: Readonly<Record<number, number>> = { 0: 2, 2: 2, 4: 4, 8: 8 };
  const where = (name: string, part: number): readonly [number, number] => {
    const f = vmcbField(name);
    return [layout.RAM + VMCB + f.offset + part, f.size === 16 ? (sizes[part] ?? 8) : f.size];
  };
  return {
    get(name, part = 0) {
      const [at, size] = where(name, part);
      return core.view.getBigUint64(at, true) & ((1n << BigInt(size * 8)) - 1n);
    },
    set(name, value, part = 0) {
      const [at, size] = where(name, part);
      for (let i = 0; i < size; i++) core.u8[at + i] = Number((BigInt(value) >> BigInt(i * 8)) & 0xffn);
    },
    intercept(code) {
      const at = layout.RAM + VMCB + (code >> 3);
      // Reads and writes of CR and DR, exceptions, then instructions: bit n of the vector has exit code n, but for 40h and 60h on.
      const shifted = code < 0x60 ? at : layout.RAM + VMCB + 0xc + ((code - 0x60) >> 3);
      core.u8[shifted] = (core.u8[shifted] ?? 0) | (1 << (code & 7));
    },
  };
}
/** A VMCB that runs a real-mode guest at 0:1000h under nested paging: guest-physical 0 to 2 MiB on 4 KiB pages from GUEST. */
export function openGuest(core: Core, source = "hlt"): Vmcb {
  core.exports.svmBecomeHost(BigInt(HSAVE));
  poke64(core, NPT, BigInt(NPT + 0x1000) | 7n);
  poke64(core, NPT + 0x1000, BigInt(NPT + 0x2000) | 7n);
  poke64(core, NPT + 0x2000, BigInt(NPT + 0x3000) | 7n);
  for (let i = 0; i < 512; i++) poke64(core, NPT + 0x3000 + i * 8, BigInt(GUEST + i * 4096) | 7n);
  const v = open(core);
  for (const code of [0x78, 0x7f, 0x80, 0x81]) v.intercept(code); // HLT, shutdown, VMRUN, VMMCALL
  v.set("GUEST_ASID", 1);
  v.set("NP_ENABLE", 1);
  v.set("N_CR3", NPT);
  v.set("G_PAT", 0x0007040600070406n);
  v.set("IOPM_BASE_PA", IOPM);
  v.set("MSRPM_BASE_PA", MSRPM);
  for (const name of ["ES", "CS", "SS", "DS"]) {
    v.set(name, name === "CS" ? 0x9b : 0x93, 2);
    v.set(name, 0xffff, 4);
  }
  v.set("IDTR", 0x3ff, 4);
  v.set("EFER", 0x1000);
  v.set("CR0", 0x10);
  v.set("DR6", 0xffff0ff0n);
  v.set("DR7", 0x400);
  v.set("RFLAGS", 2);
  v.set("RIP", 0x1000);
  v.set("RSP", 0x8000);
  load(core, source);
  return v;
}
/** Assemble 16-bit guest code to guest-physical 1000h. */
export function load(core: Core, source: string): void {
  poke(core, GUEST + 0x1000, assemble(`bits 16\norg 0x1000\n${source}\n`).bytes);
}
/** VMRUN and on until the guest exits, at most `budget` instructions. @returns EXITCODE, -1n while the guest still runs */
export function vmrun(core: Core, v: Vmcb, budget = 1000): bigint {
  if (core.exports.svmRun(BigInt(VMCB)) === 1 && core.exports.run(budget) !== layout.STOP_VMEXIT) return -1n;
  return v.get("EXITCODE");
}
