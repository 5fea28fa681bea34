import { expect, test } from "vitest";
import { Stop } from "../index.ts";
import { GUEST, openCore, openGuest, poke } from "./fixture.ts";

const RIP = 0x681e;
const BEYOND = 1n << 52n, NOT_CANONICAL = 1n << 47n;
/** A field, a value that must not pass, and the check that refuses it: fields of every area that is compared, and around its ends. */
const refused: readonly (readonly [field: number, value: number | bigint, check: number])[] = [
  [0x0000, 0, 115], // VPID
  [0x080e, 4, 320], // guest TR selector
  [0x0c00, 1, 210], // host ES selector
  [0x0c0c, 0, 212], // host TR selector
  [0x201a, 5, 116], // EPT pointer
  [0x2806, 2, 311], // guest EFER
  [0x2c02, 2, 206], // host EFER
  [0x4000, 0, 101],
  [0x4002, 0, 102],
  [0x400a, 5, 104],
  [0x400c, 0, 130],
  [0x4012, 0, 140],
  [0x401e, 0x80000000, 103],
  [0x4800, 0x100000, 340], // guest ES limit
  [0x4810, 0x10000, 361], // guest GDTR limit
  [0x4814, 0x13, 337], // guest ES access rights
  [0x4822, 0x8c, 350], // guest TR access rights
  [0x4824, 0x20, 390],
  [0x4826, 4, 380],
  [0x6800, 0, 301],
  [0x6802, BEYOND, 307],
  [0x6804, 0, 303],
  [0x6806, 1n << 32n, 326], // guest ES base
  [0x6818, NOT_CANONICAL, 360], // guest IDTR base
  [0x6826, NOT_CANONICAL, 309], // guest SYSENTER_EIP
  [0x6820, 0x20002, 328], // RFLAGS.VM
  [RIP, 1n << 32n, 370],
  [0x6c00, 0, 201],
  [0x6c04, 0, 202],
  [0x6c0a, NOT_CANONICAL, 214], // host TR base
  [0x6c10, NOT_CANONICAL, 204], // host SYSENTER_ESP
  [0x6c16, NOT_CANONICAL, 223], // host RIP
];

/** With virtual NMIs the guest stays in the processor between the exit and the next entry (kept.ts). */
test.each([["leaves the processor", 0x16], ["stays in it", 0x3e]])("a field that changes after an entry has passed is checked at the next, whichever it is, of a guest that %s", async (_, pin) => {
  const core = await openCore(), w = openGuest(core), x = core.exports;
  w(0x4000, pin);
  w(0x400c, 0x36dff | 0x200 | 0x300000); // debug controls are saved and loaded
  w(0x4012, 0x11ff | 0x8000);
  poke(core, GUEST + 0x1000, [0xf4]); // hlt
  const good = (how: () => number): void => {
    w(RIP, 0x1000);
    expect([how(), x.vmxFailedCheck(), x.run(10), x.vmRead(0x4402)]).toEqual([0, 0, Stop.VmExit, 12n]);
    w(RIP, 0x1000);
  };
  good(x.vmLaunch);
  good(x.vmResume);
  for (const [field, value, check] of refused) {
    const before = BigInt.asUintN(64, x.vmRead(field));
    expect(w(field, value)).toBe(0);
    expect(x.vmResume(), `field ${field.toString(16)}`).not.toBe(0);
    expect(x.vmxFailedCheck(), `field ${field.toString(16)}`).toBe(check);
    // Refused once is not passed the next time.
    x.vmResume();
    expect(x.vmxFailedCheck(), `field ${field.toString(16)} again`).toBe(check);
    w(field, before);
    good(x.vmResume);
  }
});
