import { expect, test } from "vitest";
import { VirtualClock } from "../../base/index.ts";
import { MachineBus } from "../bus.ts";
import { expectRoundTrip, Probe } from "../devices/testing.ts";
import { PciFunction } from "./function.ts";
import { I440fx, type PamSegment } from "./i440fx.ts";
import { PciBus } from "./pcibus.ts";
import { Piix3 } from "./piix3.ts";
import { Piix4Pm } from "./piix4pm.ts";

class Card extends PciFunction {
  readonly id = "card";
  constructor(bus: MachineBus) {
    super(bus, { vendor: 0x1234, device: 0x5678, revision: 1, classCode: 0x0200ff, interruptPin: 1 });
    this.addBar({ kind: "io", index: 0, size: 32, device: { portRead: (p) => p & 31, portWrite() {} } });
    this.addBar({ kind: "memory", index: 1, size: 4096, device: { mmioRead: (o) => o, mmioWrite() {} } });
  }
}

function make() {
  const bus = new MachineBus();
  const pci = new PciBus();
  bus.ports.map(0xcf8, 8, pci, { width: 4 });
  const address = (device: number, fn: number, reg: number) =>
    bus.portWrite(0xcf8, 4, 0x80000000 + (device << 11) + (fn << 8) + (reg & 0xfc));
  const read = (device: number, fn: number, reg: number, size: 1 | 2 | 4) => {
    address(device, fn, reg);
    return bus.portRead(0xcfc + (reg & 3), size);
  };
  const write = (device: number, fn: number, reg: number, size: 1 | 2 | 4, v: number) => {
    address(device, fn, reg);
    bus.portWrite(0xcfc + (reg & 3), size, v);
  };
  return { bus, pci, read, write };
}

test("an empty slot reads as ones, and so does data while the enable bit is clear", () => {
  const { bus, pci, read } = make();
  pci.plug(0, 0, new I440fx(bus, () => {}));
  expect(read(5, 0, 0, 4)).toBe(0xffffffff);
  expect(read(0, 0, 0, 4)).toBe(0x12378086);
  expect(read(0, 0, 2, 2)).toBe(0x1237);
  bus.portWrite(0xcf8, 4, 0);
  expect(bus.portRead(0xcfc, 4)).toBe(0xffffffff);
});

test("a base address sizes itself and maps only while its space is enabled", () => {
  const { bus, pci, read, write } = make();
  pci.plug(3, 0, new Card(bus));
  write(3, 0, 0x10, 4, 0xffffffff);
  write(3, 0, 0x14, 4, 0xffffffff);
  expect([read(3, 0, 0x10, 4), read(3, 0, 0x14, 4)]).toEqual([0xffffffe1, 0xfffff000]);
  write(3, 0, 0x10, 4, 0xc001);
  write(3, 0, 0x14, 4, 0xfeb00000);
  expect(bus.portRead(0xc005, 1)).toBe(0xff);
  write(3, 0, 4, 2, 3);
  expect(bus.portRead(0xc005, 1)).toBe(5);
  expect(bus.mmioRead(0xfeb00010, 4)).toBe(0x10);
  write(3, 0, 0x10, 4, 0xd001);
  expect([bus.portRead(0xc005, 1), bus.portRead(0xd006, 1)]).toEqual([0xff, 6]);
  write(3, 0, 4, 2, 0);
  expect(bus.portRead(0xd006, 1)).toBe(0xff);
});

test("identity registers cannot be written", () => {
  const { bus, pci, read, write } = make();
  pci.plug(3, 0, new Card(bus));
  write(3, 0, 0, 4, 0);
  write(3, 0, 8, 4, 0);
  expect([read(3, 0, 0, 4), read(3, 0, 8, 4)]).toEqual([0x56781234, 0x0200ff01]);
});

test("PAM nibbles become thirteen segments of C0000-FFFFF", () => {
  const { bus, pci, write } = make();
  let seen: readonly PamSegment[] = [];
  pci.plug(
    0,
    0,
    new I440fx(bus, (s) => {
      seen = s;
    }),
  );
  write(0, 0, 0x59, 1, 0xff);
  write(0, 0, 0x5a, 1, 0x21);
  expect(seen.length).toBe(13);
  expect(seen[0]).toEqual({ base: 0xc0000, size: 0x4000, readDram: true, writeDram: false });
  expect(seen[1]).toEqual({ base: 0xc4000, size: 0x4000, readDram: false, writeDram: true });
  expect(seen[11]).toEqual({ base: 0xec000, size: 0x4000, readDram: false, writeDram: false });
  expect(seen[12]).toEqual({ base: 0xf0000, size: 0x10000, readDram: true, writeDram: true });
});

test("PIRQs reach the interrupt they are routed to, shared, and none while unrouted", () => {
  const { bus, pci, write } = make();
  const irqs = Array.from({ length: 16 }, () => new Probe());
  const piix3 = new Piix3(bus, irqs);
  pci.plug(1, 0, piix3);
  const a = piix3.intx(3, 1);
  const b = piix3.intx(7, 1);
  a.set(true);
  expect(irqs.some((i) => i.level)).toBe(false);
  write(1, 0, 0x62, 1, 11);
  expect(irqs[11]?.level).toBe(true);
  b.set(true);
  a.set(false);
  expect(irqs[11]?.level).toBe(true);
  write(1, 0, 0x62, 1, 2);
  expect(irqs.some((i) => i.level)).toBe(false);
  expectRoundTrip(piix3, new Piix3(bus, irqs));
});

function makePm() {
  const machine = make();
  const sci = new Probe();
  let t = 0;
  let off = 0;
  const clock = new VirtualClock(() => t);
  const pm = new Piix4Pm(machine.bus, { clock, sci, powerOff: () => off++ });
  machine.pci.plug(1, 3, pm);
  machine.write(1, 3, 0x40, 4, 0x601);
  machine.write(1, 3, 0x80, 1, 1);
  const advance = (to: number) => {
    t = to;
    clock.runDue();
  };
  return { ...machine, pm, sci, clock, advance, off: () => off };
}

test("the PM timer counts 3.579545 MHz in 24 bits", () => {
  const { bus, advance } = makePm();
  expect(bus.portRead(0x608, 4)).toBe(0);
  advance(1_000_000_000);
  expect(bus.portRead(0x608, 4)).toBe(3579545);
  advance(5_000_000_000);
  expect(bus.portRead(0x608, 4)).toBe(17897725 % 0x1000000);
  expect([bus.portRead(0x608, 2), bus.portRead(0x60a, 2), bus.portRead(0x609, 1), bus.portRead(0x60b, 1)]).toEqual([0x18fd, 0x11, 0x18, 0]);
});

test("the power block follows PMBASE and its enable bit", () => {
  const { bus, read, write } = makePm();
  expect(read(1, 3, 0x40, 4)).toBe(0x601);
  expect(bus.portRead(0x604, 2)).toBe(0);
  write(1, 3, 0x80, 1, 0);
  expect(bus.portRead(0x604, 2)).toBe(0xffff);
  expect(read(1, 3, 0x5b, 1) & 2).toBe(2);
});

test("B2h hands over to ACPI, then the timer's turn of bit 23 raises SCI until cleared", () => {
  const { bus, sci, clock, advance } = makePm();
  bus.portWrite(0xb2, 1, 0xf1);
  expect(bus.portRead(0x604, 2)).toBe(1);
  bus.portWrite(0x602, 2, 1);
  const due = clock.next();
  expect(due).toBe(Math.ceil((0x800000 * 1e9) / 3579545));
  advance(due - 1);
  expect(sci.level).toBe(false);
  advance(due);
  expect(sci.level).toBe(true);
  expect(bus.portRead(0x600, 2)).toBe(1);
  bus.portWrite(0x600, 2, 1);
  expect([sci.level, bus.portRead(0x600, 2)]).toEqual([false, 0]);
  bus.portWrite(0xb2, 1, 0xf0);
  expect(bus.portRead(0x604, 2)).toBe(0);
});

test("the power button is an event, and S5 turns the machine off", () => {
  const { bus, pm, sci, off } = makePm();
  bus.portWrite(0xb2, 1, 0xf1);
  bus.portWrite(0x602, 2, 0x100);
  pm.pressPowerButton();
  expect(sci.level).toBe(true);
  bus.portWrite(0x604, 2, 0x2401);
  expect(off()).toBe(0);
  bus.portWrite(0x604, 2, 0x2001);
  expect(off()).toBe(1);
});

test("PM and host bridge state survive a round trip, the I/O block included", () => {
  const a = makePm();
  a.bus.portWrite(0xb2, 1, 0xf1);
  a.bus.portWrite(0x602, 2, 0x101);
  a.pm.pressPowerButton();
  const b = makePm();
  b.pm.reset();
  expect(b.bus.portRead(0x604, 2)).toBe(0xffff);
  expectRoundTrip(a.pm, b.pm);
  expect([b.sci.level, b.bus.portRead(0x604, 2)]).toEqual([true, 1]);
  expectRoundTrip(new I440fx(new MachineBus(), () => {}), new I440fx(new MachineBus(), () => {}));
  expectRoundTrip(a.pci, b.pci);
});
