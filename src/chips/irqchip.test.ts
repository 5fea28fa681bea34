import { expect, test } from "vitest";
import { StateError, VitrineError } from "../base/errors.ts";
import { Irqchip } from "./irqchip.ts";
import { LapicReg } from "./lapic.ts";
import { roundTrip } from "./round-trip.ts";
import { TestClock } from "./test-clock.ts";

function setup(cpus = 2) {
  const clock = new TestClock();
  const log: string[] = [];
  const eois: number[] = [];
  const chip = new Irqchip({
    clock,
    cpus,
    signals: {
      nmi: (cpu) => log.push(`nmi${cpu}`),
      smi: (cpu) => log.push(`smi${cpu}`),
      init: (cpu) => log.push(`init${cpu}`),
      startUp: (cpu, vector) => log.push(`sipi${cpu}:${vector}`),
    },
    onChange: (cpu) => log.push(`intr${cpu}=${chip.pendingInterrupt(cpu)}`),
    onEoi: (gsi) => eois.push(gsi),
  });
  const write = (cpu: number, register: number, value: number) =>
    chip.lapics[cpu]?.mmioWrite(register, 4, value);
  const read = (cpu: number, register: number) => chip.lapics[cpu]?.mmioRead(register, 4);
  /** Enables the APICs and closes the way of the PIC, as symmetric I/O mode does. */
  const enable = () =>
    chip.lapics.forEach((_, cpu) => {
      write(cpu, LapicReg.svr, 0x1ff);
      write(cpu, LapicReg.lvtLint0, 0x10000);
    });
  const entry = (pin: number, low: number, dest: number) => {
    chip.ioapic.mmioWrite(0, 4, 0x11 + 2 * pin);
    chip.ioapic.mmioWrite(0x10, 4, dest << 24);
    chip.ioapic.mmioWrite(0, 4, 0x10 + 2 * pin);
    chip.ioapic.mmioWrite(0x10, 4, low);
  };
  const ipi = (cpu: number, dest: number, low: number) => {
    write(cpu, LapicReg.icrHigh, dest << 24);
    write(cpu, LapicReg.icrLow, low);
  };
  const remapPic = () => {
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x30],
      [0x21, 4],
      [0x21, 1],
    ] as const) {
      chip.pic.portWrite(port, 1, value);
    }
  };
  return { clock, chip, log, eois, write, read, enable, entry, ipi, remapPic };
}

test("at reset the PIC reaches the boot CPU alone, through LINT0", () => {
  const { chip, remapPic } = setup();
  remapPic();
  chip.setGsi(4, true);
  expect([chip.pendingInterrupt(0), chip.pendingInterrupt(1)]).toEqual([true, false]);
  expect(chip.acknowledge(0)).toBe(0x34);
  expect(chip.pendingInterrupt(0)).toBe(false);
});

test("masking LINT0 hides the PIC, and a disabled APIC lets it through again", () => {
  const { chip, enable, remapPic } = setup(1);
  remapPic();
  enable();
  chip.setGsi(4, true);
  expect(chip.pendingInterrupt(0)).toBe(false);
  expect(chip.lapics[0]?.setBase(0xfee00100n)).toBe(true);
  expect(chip.acknowledge(0)).toBe(0x34);
});

test("an edge interrupt goes to its CPU once and needs no broadcast", () => {
  const { chip, enable, entry, write } = setup();
  enable();
  entry(10, 0x51, 1);
  chip.setGsi(10, true);
  expect([chip.pendingInterrupt(0), chip.acknowledge(1), chip.pendingInterrupt(1)]).toEqual([
    false,
    0x51,
    false,
  ]);
  write(1, LapicReg.eoi, 0);
  expect(chip.pendingInterrupt(1)).toBe(false);
  expect(chip.ioapic.entry(10)[0]).toBe(0x51);
});

test("a level interrupt sets remote IRR, stays quiet until EOI and asks again while its line is up", () => {
  const { chip, enable, entry, write, eois } = setup();
  enable();
  entry(11, 0x8061, 0);
  chip.setGsi(11, true);
  expect(chip.ioapic.entry(11)[0]).toBe(0xc061);
  expect(chip.acknowledge(0)).toBe(0x61);
  expect(chip.pendingInterrupt(0)).toBe(false);
  write(0, LapicReg.eoi, 0);
  expect(chip.acknowledge(0)).toBe(0x61);
  chip.setGsi(11, false);
  write(0, LapicReg.eoi, 0);
  expect([chip.pendingInterrupt(0), chip.ioapic.entry(11)[0], eois]).toEqual([false, 0x8061, [11, 11]]);
});

test.each([
  ["an edge is lost", 0x10071, 0x71, false],
  ["a level is seen at unmask", 0x18071, 0x8071, true],
])("%s when it arrives at a masked pin", (_, masked, open, replayed) => {
  const { chip, enable, entry } = setup();
  enable();
  entry(9, masked, 0);
  chip.setGsi(9, true);
  entry(9, open, 0);
  expect(chip.pendingInterrupt(0)).toBe(replayed);
});

test("sources sharing a GSI keep it up until the last one leaves", () => {
  const { chip, enable, entry, write } = setup();
  enable();
  entry(11, 0x8061, 0);
  chip.setGsi(11, true, 0);
  chip.setGsi(11, true, 3);
  chip.acknowledge(0);
  chip.setGsi(11, false, 0);
  write(0, LapicReg.eoi, 0);
  expect(chip.acknowledge(0)).toBe(0x61);
  chip.setGsi(11, false, 3);
  write(0, LapicReg.eoi, 0);
  expect(chip.pendingInterrupt(0)).toBe(false);
});

test("IRQ0 arrives at IOAPIC pin 2, and the PIT drives it", () => {
  const { clock, chip, enable, entry } = setup();
  enable();
  for (const [port, value] of [
    [0x43, 0x34],
    [0x40, 0x9c],
    [0x40, 0x2e],
  ] as const) {
    chip.pit?.portWrite(port, 1, value);
  }
  entry(2, 0x30, 0);
  clock.advance(9_999_000);
  expect(chip.pendingInterrupt(0)).toBe(false);
  clock.advance(3_000);
  expect(chip.acknowledge(0)).toBe(0x30);
});

test("priority: TPR and the interrupt in service hold back their class and below", () => {
  const { chip, enable, ipi, write } = setup(1);
  enable();
  ipi(0, 0, 0x55);
  expect(chip.acknowledge(0)).toBe(0x55);
  ipi(0, 0, 0x5f);
  expect(chip.pendingInterrupt(0)).toBe(false);
  ipi(0, 0, 0x61);
  expect(chip.acknowledge(0)).toBe(0x61);
  write(0, LapicReg.eoi, 0);
  write(0, LapicReg.eoi, 0);
  expect(chip.pendingInterrupt(0)).toBe(true);
  chip.writeCr8(0, 5);
  expect([chip.pendingInterrupt(0), chip.readCr8(0)]).toEqual([false, 5]);
  chip.writeCr8(0, 4);
  expect(chip.acknowledge(0)).toBe(0x5f);
});

test("INIT and start-up reach all but the sender; INIT de-assert reaches nobody", () => {
  const { ipi, enable, log } = setup(3);
  enable();
  log.length = 0;
  ipi(0, 0, 0xc4500);
  ipi(0, 0, 0xc8500);
  ipi(0, 0, 0xc4600 | 0x9a);
  ipi(0, 2, 0x4400);
  expect(log).toEqual(["init1", "init2", "sipi1:154", "sipi2:154", "nmi2"]);
});

test.each([
  ["physical", 0xffffffff, [0, 0, 0], 1, 0x40, [1]],
  ["physical broadcast", 0xffffffff, [0, 0, 0], 0xff, 0x40, [0, 1, 2]],
  ["flat", 0xffffffff, [1, 2, 4], 5, 0x840, [0, 2]],
  ["cluster", 0x0fffffff, [0x11, 0x12, 0x21], 0x13, 0x840, [0, 1]],
  ["cluster, other", 0x0fffffff, [0x11, 0x12, 0x21], 0x21, 0x840, [2]],
  ["lowest priority", 0xffffffff, [1, 2, 4], 7, 0x940, [1]],
  ["self", 0xffffffff, [1, 2, 4], 0, 0x40040, [0]],
  ["all", 0xffffffff, [1, 2, 4], 0, 0x80040, [0, 1, 2]],
] as const)("an IPI to %s finds its CPUs", (_, dfr, ldrs, dest, low, wanted) => {
  const { chip, enable, write, ipi } = setup(3);
  enable();
  ldrs.forEach((ldr, cpu) => {
    write(cpu, LapicReg.dfr, dfr);
    write(cpu, LapicReg.ldr, ldr << 24);
  });
  if (low === 0x940) for (const cpu of [0, 2]) chip.writeCr8(cpu, 2);
  ipi(0, dest, low);
  expect([0, 1, 2].filter((cpu) => chip.pendingInterrupt(cpu))).toEqual(wanted);
});

test("IA32_APIC_BASE allows exactly the documented transitions", () => {
  const off = 0xfee00100n;
  const x1 = 0xfee00900n;
  const x2 = 0xfee00d00n;
  const table: [bigint, bigint, boolean][] = [
    [x1, off, true],
    [x1, x2, true],
    [x1, x1, true],
    [off, x1, true],
    [off, x2, false],
    [x2, off, true],
    [x2, x1, false],
    [x2, x2, true],
    [x1, 0xfee00500n, false],
    [x1, x1 | 1n, false],
    [x1, x1 | (1n << 50n), false],
  ];
  for (const [from, to, allowed] of table) {
    const lapic = setup(1).chip.lapics[0];
    if (from !== x1) lapic?.setBase(x1);
    lapic?.setBase(from);
    expect([lapic?.base, lapic?.setBase(to)]).toEqual([from, allowed]);
  }
});

test("the APIC works again after EN 1, 0, 1 and reads all ones while off", () => {
  const { chip, enable, ipi, read } = setup(1);
  enable();
  const lapic = chip.lapics[0];
  lapic?.setBase(0xfee00100n);
  expect(read(0, LapicReg.version)).toBe(0xffffffff);
  lapic?.setBase(0xfee00900n);
  expect(read(0, LapicReg.version)).toBe(0x50014);
  ipi(0, 0, 0x55);
  expect(chip.acknowledge(0)).toBe(0x55);
});

test("x2APIC MSRs refuse reserved bits, read-only and absent registers; all refuse in xAPIC mode", () => {
  const lapic = setup(2).chip.lapics[1];
  if (lapic === undefined) throw new Error("no APIC");
  expect([lapic.msrRead(0x802), lapic.msrWrite(0x808, 0n)]).toEqual([null, false]);
  lapic.setBase(0xfee00c00n);
  expect([lapic.msrRead(0x802), lapic.msrRead(0x80d)]).toEqual([1n, 2n]);
  const refused: [number, bigint][] = [
    [0x802, 0n],
    [0x803, 0n],
    [0x80d, 0n],
    [0x80e, 0n],
    [0x831, 0n],
    [0x839, 0n],
    [0x808, 0x100n],
    [0x80b, 1n],
    [0x828, 1n],
    [0x808, 1n << 32n],
    [0x832, 1n << 20n],
    [0x810, 0n],
    [0x900, 0n],
  ];
  for (const [msr, value] of refused) expect([msr, lapic.msrWrite(msr, value)]).toEqual([msr, false]);
  for (const msr of [0x80b, 0x80e, 0x831, 0x83f]) expect([msr, lapic.msrRead(msr)]).toEqual([msr, null]);
});

test("x2APIC: self IPI, 32-bit destinations and the logical cluster of the ID", () => {
  const { chip } = setup(18);
  for (const lapic of chip.lapics) {
    lapic.setBase(lapic.base | 0xc00n);
    lapic.msrWrite(0x80f, 0x1ffn);
  }
  chip.lapics[3]?.msrWrite(0x83f, 0x44n);
  expect(chip.acknowledge(3)).toBe(0x44);
  chip.lapics[0]?.msrWrite(0x830, (17n << 32n) | 0x45n);
  expect(chip.acknowledge(17)).toBe(0x45);
  chip.lapics[17]?.msrWrite(0x80b, 0n);
  chip.lapics[0]?.msrWrite(0x830, (0x10003n << 32n) | 0x846n);
  expect([chip.acknowledge(16), chip.pendingInterrupt(17), chip.pendingInterrupt(1)]).toEqual([
    0x46,
    true,
    false,
  ]);
});

test("MSIs address like the IOAPIC does", () => {
  const { chip, enable } = setup();
  enable();
  expect(chip.deliverMsi(0xfee01000, 0x42)).toBe(true);
  expect(chip.acknowledge(1)).toBe(0x42);
  expect(chip.deliverMsi(0xfee05000, 0x42)).toBe(false);
});

test("errors show in ESR after it is written, and raise LVT error", () => {
  const { chip, enable, write, read, ipi } = setup(1);
  enable();
  write(0, LapicReg.lvtError, 0xfe);
  ipi(0, 0, 0x05);
  expect(chip.acknowledge(0)).toBe(0xfe);
  expect(read(0, LapicReg.esr)).toBe(0);
  write(0, LapicReg.esr, 0);
  expect(read(0, LapicReg.esr)).toBe(0x20);
});

test("a software-disabled APIC takes no fixed interrupt and holds its LVT masked", () => {
  const { chip, write, read, enable, ipi, log } = setup(1);
  enable();
  write(0, LapicReg.svr, 0xff);
  write(0, LapicReg.lvtTimer, 0x30);
  expect(read(0, LapicReg.lvtTimer)).toBe(0x10030);
  log.length = 0;
  ipi(0, 0, 0x4055);
  ipi(0, 0, 0x4400);
  expect([chip.pendingInterrupt(0), log]).toEqual([false, ["nmi0"]]);
});

test("routes can be replaced, and a bad table changes nothing", () => {
  const { chip, enable } = setup();
  enable();
  const before = chip.routes;
  expect(() => chip.setRoutes([{ gsi: 0, kind: "ioapic", pin: 24 }])).toThrow(VitrineError);
  expect(chip.routes).toBe(before);
  chip.setRoutes([{ gsi: 30, kind: "msi", address: 0xfee01000, data: 0x77 }]);
  chip.pulseGsi(30);
  expect(chip.acknowledge(1)).toBe(0x77);
});

test("a saved irqchip comes back identical, lines to the CPUs included", () => {
  const a = setup();
  a.enable();
  a.entry(11, 0x8061, 1);
  a.chip.setGsi(11, true);
  a.remapPic();
  a.write(0, LapicReg.lvtLint0, 0x700);
  a.chip.setGsi(4, true);
  a.write(0, LapicReg.timerDivide, 0xb);
  a.write(0, LapicReg.lvtTimer, 0x20030);
  a.write(0, LapicReg.timerInitial, 100_000);
  a.clock.advanceTo(250_000);
  const b = setup();
  b.clock.advanceTo(250_000);
  const [before, after] = roundTrip(a.chip, b.chip);
  expect(after).toStrictEqual(before);
  expect([b.chip.pendingInterrupt(0), b.chip.acknowledge(1)]).toEqual([true, 0x61]);
  expect(b.chip.acknowledge(0)).toBe(a.chip.acknowledge(0));
  expect(() => setup(1).chip.restore(before)).toThrow(StateError);
});

test("a register page taken from one APIC sets up another, its timer included", () => {
  const a = setup(1);
  a.enable();
  a.write(0, LapicReg.timerDivide, 0xb);
  a.write(0, LapicReg.lvtTimer, 0x20030);
  a.write(0, LapicReg.timerInitial, 100_000);
  a.ipi(0, 0, 0x55);
  a.clock.advanceTo(40_000);
  const b = setup(1);
  b.clock.advanceTo(1_000_000);
  const page = a.chip.lapics[0]?.registerPage() ?? new Uint8Array();
  b.chip.lapics[0]?.setRegisterPage(page);
  expect(b.chip.lapics[0]?.registerPage()).toEqual(page);
  expect(b.chip.acknowledge(0)).toBe(0x55);
  b.write(0, LapicReg.eoi, 0);
  expect(b.clock.next()).toBe(1_060_000);
  b.clock.advanceTo(1_060_000);
  expect(b.chip.acknowledge(0)).toBe(0x30);
  expect(() => b.chip.lapics[0]?.setRegisterPage(new Uint8Array(5))).toThrow(StateError);
});

test("an APIC answers to the ID that is written into it, and two may have the same; enabling begins with the initial one, INIT keeps it", () => {
  const { chip, enable, write, read, ipi } = setup();
  enable();
  const pending = () => [0, 1].map((cpu) => chip.pendingInterrupt(cpu));
  write(1, LapicReg.id, 0);
  ipi(0, 1, 0x40);
  expect(pending()).toEqual([false, false]);
  ipi(0, 0, 0x41);
  expect(pending()).toEqual([true, true]);
  write(1, LapicReg.id, 0x7f000000);
  const other = setup();
  const [before, after] = roundTrip(chip, other.chip);
  expect(after).toEqual(before);
  expect([other.read(1, LapicReg.id), other.read(0, LapicReg.id)]).toEqual([0x7f000000, 0]);
  chip.lapics[1]?.initReset();
  expect(read(1, LapicReg.id)).toBe(0x7f000000);
  chip.lapics[1]?.setBase(0xfee00000n);
  chip.lapics[1]?.setBase(0xfee00800n);
  expect(read(1, LapicReg.id)).toBe(0x1000000);
});

test("in x2APIC mode the ID is the initial one and cannot be written", () => {
  const { chip, write } = setup();
  write(1, LapicReg.id, 0x7f000000);
  const lapic = chip.lapics[1];
  lapic?.setBase(0xfee00c00n);
  expect([lapic?.msrRead(0x802), lapic?.msrWrite(0x802, 5n)]).toEqual([1n, false]);
  expect([lapic?.matches(1, false, true), lapic?.matches(0x7f, false, true)]).toEqual([true, false]);
});
