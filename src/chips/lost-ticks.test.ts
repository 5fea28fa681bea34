import { expect, test } from "vitest";
import { GsiSource, Irqchip } from "./irqchip.ts";
import { TestClock } from "./test-clock.ts";

const MS = 1_000_000;
/** PIT at 1 kHz; IRQ0 through the PIC in virtual wire, or through IOAPIC pin 2 as vector 30h. */
function machine(reinject: boolean, through: "pic" | "ioapic") {
  const clock = new TestClock(),
    silent = () => undefined;
  const chips = new Irqchip({ clock, cpus: 1, signals: { nmi: silent, smi: silent, init: silent, startUp: silent }, onChange: silent });
  const { pit, pic, ioapic } = chips,
    lapic = chips.lapics[0];
  if (!pit || !lapic) throw new Error("a PIT and a local APIC");
  pit.reinject = reinject;
  const unmask = (on: boolean): void => {
    if (through === "pic") pic.portWrite(0x21, 1, on ? 0xfe : 0xff);
    else {
      ioapic.mmioWrite(0, 4, 0x14);
      ioapic.mmioWrite(0x10, 4, on ? 0x30 : 0x10030);
    }
  };
  for (const [port, value] of [[0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, 1], [0x21, 0xff]] as const) pic.portWrite(port, 1, value);
  lapic.mmioWrite(0xf0, 4, 0x1ff);
  for (const [port, value] of [[0x43, 0x34], [0x40, 0xa9], [0x40, 4]] as const) pit.portWrite(port, 1, value);
  unmask(true);
  /** The interrupt is taken and ended; false when there is none. */
  const serve = (): boolean => {
    if (!chips.pendingInterrupt(0)) return false;
    expect(chips.acknowledge(0)).toBe(through === "pic" ? 0x20 : 0x30);
    if (through === "pic") pic.portWrite(0x20, 1, 0x20);
    else lapic.mmioWrite(0xb0, 4, 0);
    return true;
  };
  const served = (): number => {
    let count = 0;
    while (serve()) count++;
    return count;
  };
  return { clock, chips, pit, unmask, serve, served };
}

test.each(["pic", "ioapic"] as const)("ticks that come while the guest looks away are lost, or delivered one for each end of an interrupt (%s)", (through) => {
  const found = [false, true].map((reinject) => {
    const { clock, served } = machine(reinject, through);
    clock.advanceTo(clock.now() + 2 * MS);
    served();
    clock.advanceTo(clock.now() + 10 * MS);
    return served();
  });
  // Eleven periods of 1,193 ticks end in those 10 ms.
  expect(found).toEqual([1, 11]);
});

test("no tick is added to those that came in time", () => {
  const counts = [false, true].map((reinject) => {
    const { clock, pit, served } = machine(reinject, "pic");
    let all = served();
    for (let i = 0; i < 100; i++) {
      clock.advanceTo(clock.now() + MS / 4);
      all += served();
    }
    return [all, pit.missed];
  });
  // One more for OUT0, which rises with the control word.
  expect(counts).toEqual([[26, 0], [26, 0]]);
});

test.each(["pic", "ioapic"] as const)("a guest that unmasks the line begins without what it missed before (%s)", (through) => {
  const { clock, pit, unmask, served } = machine(true, through);
  clock.advanceTo(clock.now() + 2 * MS);
  served();
  unmask(false);
  clock.advanceTo(clock.now() + 20 * MS);
  expect(pit.missed).toBeGreaterThan(15);
  unmask(true);
  expect(pit.missed).toBe(0);
  expect(served()).toBeLessThanOrEqual(1);
});

test("missed ticks are saved, and a machine that delivers none takes the state all the same", () => {
  const one = machine(true, "pic"),
    same = machine(true, "pic"),
    plain = machine(false, "pic");
  one.clock.advanceTo(one.clock.now() + 7 * MS);
  const state = one.chips.save(),
    { missed } = one.pit;
  expect(missed).toBeGreaterThan(4);
  for (const other of [same, plain]) {
    other.clock.advanceTo(one.clock.now());
    other.chips.restore(state);
  }
  expect([same.served(), plain.served()]).toEqual([missed + 1, 1]);
  one.chips.setGsi(0, false, GsiSource.pit);
  expect(one.served()).toBe(missed + 1);
});
