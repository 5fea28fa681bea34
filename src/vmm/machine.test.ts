import { expect, test } from "vitest";
import { decode, encode, StateError } from "../base/index.ts";
import { FakeAccel } from "./fakeaccel.ts";
import { LoadError } from "./load/image.ts";
import { Machine, type MachineOptions } from "./machine.ts";

const mib = 1 << 20;

function multibootKernel(): Uint8Array {
  const bytes = new Uint8Array(256);
  const words = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), 0x100000, 0x100000, 0, 0, 0x100040];
  bytes.set(new Uint8Array(new Uint32Array(words).buffer));
  return bytes;
}

function make(options: Partial<MachineOptions> = {}) {
  const accel = new FakeAccel(16 * mib, 17 * mib);
  let serial = "";
  let debug = "";
  const machine = new Machine(accel, {
    ramSize: 16 * mib,
    ...options,
    onSerial: (b) => {
      serial += new TextDecoder().decode(b);
    },
    onDebug: (b) => {
      debug += new TextDecoder().decode(b);
    },
  });
  return { accel, machine, serial: () => serial, debug: () => debug };
}

const direct = { kernel: { name: "k", bytes: multibootKernel() } };
const bios = { name: "bios", bytes: new Uint8Array(0x40000).map((_, i) => (i >> 12) & 0xff) };

test("serial and debug output arrive when run comes back", () => {
  const { accel, machine, serial, debug } = make(direct);
  accel.program = [..."hi"].map((c) => (bus) => {
    bus.portWrite(0x3f8, 1, c.charCodeAt(0));
  });
  accel.program.push((bus) => {
    bus.portWrite(0xe9, 1, 0x21);
  });
  expect(machine.run(100)).toEqual({ kind: "halt" });
  expect([serial(), debug(), accel.t]).toEqual(["hi", "!", 3]);
});

test("debug-exit ends the machine with (code << 1) | 1, and it stays ended", () => {
  const { accel, machine } = make(direct);
  accel.program = [
    (bus) => {
      bus.portWrite(0xf4, 4, 0x10);
    },
    () => {},
  ];
  expect(machine.run(100)).toEqual({ kind: "exit", status: 33, cause: "debug-exit" });
  expect(machine.run(100)).toEqual({ kind: "exit", status: 33, cause: "debug-exit" });
});

test.each<[string, number, number]>([
  ["CF9", 0xcf9, 6],
  ["the 8042", 0x64, 0xfe],
  ["port 92", 0x92, 1],
])("%s resets: the kernel starts again, or under noReboot the machine ends with 0", (_name, port, value) => {
  const again = make(direct);
  again.accel.program = [
    (bus) => {
      bus.portWrite(port, 1, value);
    },
  ];
  expect(again.machine.run(100)).toEqual({ kind: "halt" });
  expect([again.accel.resets, again.accel.regs().rip]).toEqual([2, 0x100040n]);
  const once = make({ ...direct, noReboot: true });
  once.accel.program = [
    (bus) => {
      bus.portWrite(port, 1, value);
    },
  ];
  expect(once.machine.run(100)).toEqual({ kind: "exit", status: 0, cause: "reset" });
});

test("direct boot leaves ACPI, power management and interrupt routing as firmware would", () => {
  const { accel, machine } = make(direct);
  expect(
    new TextDecoder().decode(Uint8Array.from({ length: 8 }, (_, i) => accel.memory.readU8(0xe0000 + i))),
  ).toBe("RSD PTR ");
  expect(machine.bus.portRead(0x604, 2)).toBe(0);
  machine.bus.portWrite(0xcf8, 4, 0x80000860);
  expect(machine.bus.portRead(0xcfc, 4)).toBe(0x0b0b0a0a);
  expect([accel.regs().rax, accel.sregs().cr0]).toEqual([0x2badb002n, 0x11n]);
});

test("S5 powers off with status 0", () => {
  const { accel, machine } = make(direct);
  accel.program = [
    (bus) => {
      bus.portWrite(0x604, 2, 0x2000);
    },
  ];
  expect(machine.run(100)).toEqual({ kind: "exit", status: 0, cause: "power-off" });
});

test("firmware shows at the top of 4 GiB and its last 128 KiB below 1 MiB, until PAM turns to RAM", () => {
  const { accel, machine } = make({ bios });
  const { memory } = accel;
  expect([memory.readU8(0xfffc0000), memory.readU8(0xfffff000)]).toEqual([0, 63]);
  expect([memory.readU8(0xe0000), memory.readU8(0xff000), memory.readU8(0xc0000)]).toEqual([32, 63, 0xff]);
  expect(accel.regs().rip).toBe(0xfff0n);
  const pam = (reg: number, v: number) => {
    machine.bus.portWrite(0xcf8, 4, 0x80000000 + (reg & 0xfc));
    machine.bus.portWrite(0xcfc + (reg & 3), 1, v);
  };
  pam(0x59, 0x30);
  memory.writeU8(0xff000, 0xaa);
  expect([memory.readU8(0xff000), memory.readU8(0xfffff000), memory.readU8(0xe0000)]).toEqual([0xaa, 63, 32]);
  pam(0x59, 0x10);
  const region = [...accel.slots.regions.values()].find((r) => r.gpa <= 0xf0000 && r.gpa + r.size > 0xf0000);
  expect(region?.readonly).toBe(true);
  pam(0x59, 0);
  expect(memory.readU8(0xff000)).toBe(63);
});

test("received bytes raise IRQ 4 and reach the guest, keys raise IRQ 1", () => {
  const { accel, machine } = make(direct);
  machine.bus.portWrite(0x3fc, 1, 8);
  machine.bus.portWrite(0x3f9, 1, 1);
  machine.uart.receive(Uint8Array.of(65));
  machine.i8042.key("KeyA", true);
  expect([accel.lines[4], accel.lines[1]]).toEqual([true, true]);
  expect(machine.bus.portRead(0x3f8, 1)).toBe(65);
  expect(accel.lines[4]).toBe(false);
});

test("the whole machine survives a round trip through bytes", () => {
  const a = make(direct);
  a.machine.uart.receive(new TextEncoder().encode("typed"));
  a.machine.bus.portWrite(0x3fc, 1, 8);
  a.machine.bus.portWrite(0x3f9, 1, 1);
  a.accel.memory.write(0xb8000, Uint8Array.of(0x41, 7));
  a.machine.i8042.key("Enter", true);
  const b = make(direct);
  const bytes = encode(a.machine.save());
  b.machine.restore(decode(bytes));
  expect(Buffer.compare(encode(b.machine.save()), bytes)).toBe(0);
  expect(b.accel.lines).toEqual(a.accel.lines);
  expect(b.machine.vga.text()[0]).toBe("A");
  expect(() => b.machine.restore({ devices: {} })).toThrow(StateError);
});

test("the clock chip tells memory size and time, and the HPET takes over the timer's interrupt", () => {
  const { accel, machine } = make({ ...direct, rtcBase: 1_767_225_600 + 3600 });
  const cmos = (i: number) => {
    machine.bus.portWrite(0x70, 1, i);
    return machine.bus.portRead(0x71, 1);
  };
  expect([cmos(4), cmos(0x30) + 256 * cmos(0x31), cmos(0x5f)]).toEqual([1, 15 * 1024, 0]);
  expect(machine.bus.mmioRead(0xfed00000, 4)).toBe(0x8086a201);
  machine.bus.mmioWrite(0xfed00010, 8, 3n);
  expect(accel.hpetLegacy).toBe(true);
});

test("a bad image is refused when the machine is built", () => {
  expect(() => make({ kernel: { name: "k", bytes: new Uint8Array(4096) } })).toThrow(LoadError);
  expect(() => make({ bios: { name: "b", bytes: new Uint8Array(100) } })).toThrow(LoadError);
});
