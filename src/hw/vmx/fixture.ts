// A bare core as the host of small guests, for the tests of this folder.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Core, type Environment, featureIndex, layout } from "../index.ts";

const RAM = 16 * 1024 * 1024;
export const VMXON = 0x100000, VMCS = 0x101000, EPT = 0x110000, BITMAPS = 0x108000, GUEST = 0x200000;

/** Sixteen megabytes of RAM, all features, ports that read 5Ah and record writes. */
export async function openCore(writes: [number, number][] = [], ports?: Pick<Environment, "portRead" | "portWrite">): Promise<Core> {
  const environment: Environment = {
    portRead: ports?.portRead ?? (() => 0x5a),
    portWrite: ports?.portWrite ?? ((port, _size, value) => { writes.push([port, value]); }),
    mmioRead: () => 0n,
    mmioWrite: () => undefined,
    intAck: () => 0x41,
    msrRead: () => undefined,
    msrWrite: () => false,
    tprRead: () => 0,
    tprWrite: () => undefined,
  };
  const path = fileURLToPath(new URL("../../../build/core.wasm", import.meta.url));
  const core = await Core.create(await WebAssembly.compile(readFileSync(path)), RAM, environment);
  core.map(0, RAM, 1);
  core.u8.fill(1, layout.FEATURES, layout.FEATURES + Object.keys(featureIndex).length);
  setCpuid(core, [[0, 0, 0xd, 0, 0, 0], [1, 0, 0x306c3, 0, 0xffffffff, 0xffffffff], [7, 0, 0, 0x00ffffff, 0, 0], [0x80000001, 0, 0, 0, 0x21, 0x2c100800]]);
  return core;
}
function setCpuid(core: Core, rows: readonly (readonly number[])[]): void {
  rows.forEach((row, i) => {
    row.forEach((v, j) => { core.u32[layout.CPUID_TABLE / 4 + i * 8 + j] = v; });
    core.u32[layout.CPUID_TABLE / 4 + i * 8 + 6] = 0;
  });
  core.u32[layout.CPUID_COUNT / 4] = rows.length;
}
/** Put bytes at a physical address. */
export function poke(core: Core, at: number, bytes: ArrayLike<number>): void {
  core.u8.set(Uint8Array.from(bytes), layout.RAM + at);
  core.exports.written(layout.RAM + at, bytes.length);
}
export function poke64(core: Core, at: number, v: bigint): void { core.view.setBigUint64(layout.RAM + at, v, true); }
export function poke32(core: Core, at: number, v: number): void { core.view.setUint32(layout.RAM + at, v, true); }

/** EPT: guest-physical 0..2 MiB on 4 KiB pages from GUEST, all rights; nothing behind them. */
export function buildEpt(core: Core): void {
  poke64(core, EPT, BigInt(EPT + 0x1000) | 7n);
  poke64(core, EPT + 0x1000, BigInt(EPT + 0x2000) | 7n);
  poke64(core, EPT + 0x2000, BigInt(EPT + 0x3000) | 7n);
  for (let i = 0; i < 512; i++) poke64(core, EPT + 0x3000 + i * 8, BigInt(GUEST + i * 4096) | 0x37n);
}
export const SELECTORS = [0x800, 0x802, 0x804, 0x806, 0x808, 0x80a, 0x80c, 0x80e] as const;

/** A current VMCS that enters a real-mode guest at 0:1000h under EPT and VPID 1. Returns the VMCS writer. */
export function openGuest(core: Core): (field: number, value: number | bigint) => number {
  const x = core.exports;
  x.vmxBecomeHost();
  poke32(core, VMXON, 0x17);
  poke32(core, VMCS, 0x17);
  if (x.vmOn(BigInt(VMXON)) !== 0) throw new Error("VMXON");
  if (x.vmClear(BigInt(VMCS)) !== 0) throw new Error("VMCLEAR");
  if (x.vmPtrld(BigInt(VMCS)) !== 0) throw new Error("VMPTRLD");
  x.vmxHostFields();
  buildEpt(core);
  const w = (field: number, value: number | bigint): number => x.vmWrite(field, BigInt(value));
  w(0x4000, 0x16);
  w(0x4002, 0x84006172 | 0x80); // secondary controls, HLT exiting
  w(0x401e, 0x2 | 0x20 | 0x80 | 0x8 | 0x1000); // EPT, VPID, unrestricted guest, RDTSCP, INVPCID
  w(0x400c, 0x36dfb | 0x200 | 0x300000); // 64-bit host, save and load EFER
  w(0x4012, 0x11fb | 0x8000); // load EFER
  w(0x0000, 1);
  w(0x201a, BigInt(EPT) | 0x1en);
  w(0x2800, 0xffffffffffffffffn);
  SELECTORS.forEach((f, i) => {
    w(f, 0);
    w(0x6806 + i * 2, 0);
    w(0x4800 + i * 2, 0xffff);
    w(0x4814 + i * 2, i === 1 ? 0x9b : i === 6 ? 0x10000 : i === 7 ? 0x8b : 0x93);
  });
  w(0x4810, 0xffff);
  w(0x4812, 0xffff);
  w(0x6800, 0x20);
  w(0x6802, 0);
  w(0x6804, 0x2000);
  w(0x6000, 0);
  w(0x6002, 0x2000);
  w(0x681a, 0x400);
  w(0x681c, 0x8000);
  w(0x681e, 0x1000);
  w(0x6820, 2);
  w(0x2806, 0);
  return w;
}
