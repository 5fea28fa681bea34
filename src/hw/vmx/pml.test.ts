// Page-modification logging ("Page-Modification Logging" in the SDM).
import { expect, test } from "vitest";
import { type Core, layout } from "../index.ts";
import { BITMAPS, EPT, GUEST, openCore, openGuest, poke, poke64 } from "./fixture.ts";

const REASON = 0x4402, RIP = 0x681e, PROC2 = 0x401e, PML_ADDRESS = 0x200e, PML_INDEX = 0x0812;
const CONTROLS = 0x2 | 0x20 | 0x80 | 0x8 | 0x1000, PML = 1 << 17;
const LOG = BITMAPS;

/** A guest under EPT with accessed and dirty flags and a log whose next entry is `index`. */
async function openLogged(index: number, code: readonly number[]): Promise<Core> {
  const core = await openCore(), w = openGuest(core);
  w(0x201a, BigInt(EPT) | 0x5en);
  w(PROC2, CONTROLS | PML);
  w(PML_ADDRESS, LOG);
  w(PML_INDEX, index);
  poke(core, GUEST + 0x1000, code);
  return core;
}
const logged = (core: Core, index: number): bigint => core.view.getBigUint64(layout.RAM + LOG + index * 8, true);
const flags = (core: Core, page: number): bigint => core.view.getBigUint64(layout.RAM + EPT + 0x3000 + page * 8, true) & 0x300n;

// mov al,[3000h]; mov [4123h],al; mov [5000h],al; mov [4000h],al; hlt
const CODE = [0xa0, 0, 0x30, 0xa2, 0x23, 0x41, 0xa2, 0, 0x50, 0xa2, 0, 0x40, 0xf4];

test("each page whose dirty flag is set is logged once, downwards; a page that is only read is not", async () => {
  const core = await openLogged(511, CODE), x = core.exports;
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(PML_INDEX)]).toEqual([12n, 509n]);
  expect([logged(core, 511), logged(core, 510), logged(core, 509)]).toEqual([0x4000n, 0x5000n, 0n]);
  expect([flags(core, 3), flags(core, 4), flags(core, 5)]).toEqual([0x100n, 0x300n, 0x300n]);
});

test("a full log exits before any flag is set and before the access; with room again it goes on", async () => {
  const core = await openLogged(0, CODE), x = core.exports;
  x.vmLaunch();
  x.run(100);
  // The first write took the last place: the index has gone from 0 to FFFFh.
  expect([x.vmRead(REASON), x.vmRead(RIP), x.vmRead(PML_INDEX)]).toEqual([62n, 0x1006n, 0xffffn]);
  expect([logged(core, 0), flags(core, 4), flags(core, 5)]).toEqual([0x4000n, 0x300n, 0n]);
  x.vmWrite(PML_INDEX, 511n);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), logged(core, 511)]).toEqual([12n, 0x5000n]);
});

test("an index outside the log exits even where only an accessed flag is to be set", async () => {
  const core = await openLogged(512, [0xa0, 0, 0x30, 0xf4]), x = core.exports;
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(RIP)]).toEqual([62n, 0x1000n]);
});

test("nothing is logged without the control, nor without accessed and dirty flags", async () => {
  for (const [controls, eptp] of [[CONTROLS, 0x5en], [CONTROLS | PML, 0x1en]] as const) {
    const core = await openLogged(511, CODE), x = core.exports;
    x.vmWrite(PROC2, BigInt(controls));
    x.vmWrite(0x201a, BigInt(EPT) | eptp);
    x.vmLaunch();
    x.run(100);
    expect([x.vmRead(REASON), x.vmRead(PML_INDEX), logged(core, 511)]).toEqual([12n, 511n, 0n]);
  }
});

test("a log that is full while an event is delivered leaves the event in the IDT-vectoring information", async () => {
  const core = await openLogged(512, [0x0f, 0x0b]), x = core.exports;
  // Everything has been accessed but the stack, which the delivery writes.
  x.vmWrite(0x681c, 0x5000n);
  for (let page = 0; page < 512; page++) poke64(core, EPT + 0x3000 + page * 8, BigInt(GUEST + page * 4096) | 0x137n);
  for (const table of [0, 0x1000, 0x2000]) poke64(core, EPT + table, BigInt(EPT + table + 0x1000) | 0x107n);
  x.vmLaunch();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(0x4408), x.vmRead(RIP)]).toEqual([62n, 0x80000306n, 0x1000n]);
});

test("without VPIDs a dirty flag that the hypervisor clears between two entries is set and logged again, INVEPT or not", async () => {
  const core = await openLogged(511, CODE), x = core.exports;
  x.vmWrite(PROC2, BigInt((CONTROLS & ~0x20) | PML));
  x.vmLaunch();
  x.run(100);
  core.view.setBigUint64(layout.RAM + EPT + 0x3000 + 4 * 8, core.view.getBigUint64(layout.RAM + EPT + 0x3000 + 4 * 8, true) & ~0x300n, true);
  x.vmWrite(RIP, 0x1000n);
  x.vmResume();
  x.run(100);
  expect([x.vmRead(REASON), x.vmRead(PML_INDEX), logged(core, 509), flags(core, 4)]).toEqual([12n, 508n, 0x4000n, 0x300n]);
});
