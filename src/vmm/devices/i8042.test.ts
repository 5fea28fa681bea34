import { describe, expect, test } from "vitest";
import { I8042 } from "./i8042.ts";
import { expectRoundTrip, Probe } from "./testing.ts";

function make() {
  const keyboardIrq = new Probe();
  const mouseIrq = new Probe();
  let resets = 0;
  const kbc = new I8042({ keyboardIrq, mouseIrq, requestReset: () => resets++ });
  const command = (v: number) => kbc.portWrite(0x64, 1, v);
  const data = (v: number) => kbc.portWrite(0x60, 1, v);
  const drain = () => {
    const out: number[] = [];
    while (kbc.portRead(0x64) & 1) out.push(kbc.portRead(0x60));
    return out;
  };
  return { kbc, keyboardIrq, mouseIrq, command, data, drain, resets: () => resets };
}

test("controller and interface self tests pass", () => {
  const { command, drain } = make();
  command(0xaa);
  expect(drain()).toEqual([0x55]);
  command(0xab);
  expect(drain()).toEqual([0]);
  command(0xa9);
  expect(drain()).toEqual([0]);
});

test("the command byte is written and read back, and mouse off shows in it", () => {
  const { command, data, drain } = make();
  command(0x60);
  data(0x47);
  command(0xa7);
  command(0x20);
  expect(drain()).toEqual([0x67]);
  command(0xa8);
  command(0x20);
  expect(drain()).toEqual([0x47]);
});

test("the keyboard resets, identifies itself and takes LEDs and scan code set", () => {
  const { kbc, data, drain } = make();
  data(0xff);
  expect(drain()).toEqual([0xfa, 0xaa]);
  data(0xf2);
  expect(drain()).toEqual([0xfa, 0xab, 0x83]);
  data(0xed);
  data(5);
  expect([drain(), kbc.keyboard.leds]).toEqual([[0xfa, 0xfa], 5]);
  data(0xf0);
  data(0);
  expect(drain()).toEqual([0xfa, 0xfa, 2]);
  data(0xf0);
  data(9);
  expect(drain()).toEqual([0xfa, 0xfe]);
  data(0x00);
  expect(drain()).toEqual([0xfe]);
});

test("keys arrive in set 2 raw and in set 1 translated, with releases and E0 prefixes", () => {
  const { kbc, command, data, drain } = make();
  kbc.key("KeyA", true);
  kbc.key("KeyA", false);
  expect(drain()).toEqual([0x1c, 0xf0, 0x1c]);
  command(0x60);
  data(0x47);
  kbc.key("KeyA", true);
  kbc.key("KeyA", false);
  kbc.key("ArrowUp", true);
  kbc.key("ArrowUp", false);
  kbc.key("F7", true);
  expect(drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x41]);
  expect(kbc.key("NoSuchKey", true)).toBe(false);
  expect(kbc.key("toString", true)).toBe(false);
});

test("each byte gives IRQ 1 its own edge, and none when it is masked", () => {
  const { kbc, keyboardIrq, command, data, drain } = make();
  kbc.key("ArrowUp", true);
  expect(keyboardIrq.level).toBe(true);
  drain();
  expect([keyboardIrq.rises, keyboardIrq.level]).toEqual([2, false]);
  command(0x60);
  data(0x40);
  kbc.key("KeyA", true);
  expect([keyboardIrq.rises, drain()]).toEqual([2, [0x1e]]);
});

test("a disabled keyboard keeps its bytes until it is enabled", () => {
  const { kbc, command, drain } = make();
  command(0xad);
  kbc.key("KeyB", true);
  expect(drain()).toEqual([]);
  command(0xae);
  expect(drain()).toEqual([0x32]);
});

test("D2 and D3 loop bytes back as from keyboard and mouse", () => {
  const { kbc, mouseIrq, command, data, drain } = make();
  command(0xd3);
  data(0x5a);
  expect(kbc.portRead(0x64) & 0x21).toBe(0x21);
  expect(mouseIrq.level).toBe(true);
  expect(drain()).toEqual([0x5a]);
  command(0xd2);
  data(0xa5);
  expect(kbc.portRead(0x64) & 0x21).toBe(1);
});

test("the mouse resets, identifies itself and sends packets once enabled", () => {
  const { kbc, command, data, drain } = make();
  const mouse = (v: number) => {
    command(0xd4);
    data(v);
  };
  mouse(0xff);
  expect(drain()).toEqual([0xfa, 0xaa, 0]);
  kbc.mouse.move(1, 1, 0);
  expect(drain()).toEqual([]);
  mouse(0xf4);
  mouse(0xf3);
  mouse(200);
  expect(drain()).toEqual([0xfa, 0xfa, 0xfa]);
  kbc.mouse.move(-3, 5, 1);
  expect(drain()).toEqual([0x19, 0xfd, 5]);
  mouse(0xe9);
  expect(drain()).toEqual([0xfa, 0x24, 2, 200]);
});

test("FEh and the output port's bit 0 reset the machine", () => {
  const { command, data, resets } = make();
  command(0xfe);
  expect(resets()).toBe(1);
  command(0xd1);
  data(0xdf);
  expect(resets()).toBe(1);
  command(0xd1);
  data(0xde);
  expect(resets()).toBe(2);
});

test("a thousand keys nobody reads fill a bounded queue", () => {
  const { kbc, drain } = make();
  for (let i = 0; i < 1000; i++) kbc.key("KeyA", true);
  expect(drain().length).toBeLessThan(80);
});

test("state survives a round trip with bytes in flight", () => {
  const a = make();
  a.kbc.key("ArrowUp", true);
  a.command(0xd4);
  a.data(0xf2);
  const b = make();
  expectRoundTrip(a.kbc, b.kbc);
  expect(b.keyboardIrq.level).toBe(true);
  expect(b.drain()).toEqual([0xe0, 0x75, 0xfa, 0]);
});

describe("scan code set 1 and the wheel", () => {
  const made = () => {
    const { kbc: device, command, data, drain: answers } = make();
    const toMouse = (...bytes: number[]): number[] =>
      bytes.flatMap((byte) => {
        command(0xd4);
        data(byte);
        return answers();
      });
    return { device, answers, toMouse };
  };

  test("a keyboard that was told to speaks set 1 itself; the controller translates set 2 for who does not", () => {
    const { device, answers } = made();
    device.portWrite(0x64, 1, 0x60);
    device.portWrite(0x60, 1, 0x01); // no translation
    device.key("KeyA", true);
    device.key("KeyA", false);
    device.key("ArrowUp", false);
    expect(answers()).toEqual([0x1c, 0xf0, 0x1c, 0xe0, 0xf0, 0x75]);
    device.portWrite(0x60, 1, 0xf0);
    device.portWrite(0x60, 1, 1);
    expect(answers()).toEqual([0xfa, 0xfa]);
    device.key("KeyA", true);
    device.key("KeyA", false);
    device.key("ArrowUp", false);
    expect(answers()).toEqual([0x1e, 0x9e, 0xe0, 0xc8]);
  });

  test("the rates 200, 100 and 80 one after the other give packets a fourth byte, other rates do not", () => {
    const { device, answers, toMouse } = made();
    toMouse(0xf4, 0xf3, 200, 0xf3, 200, 0xf3, 80);
    expect(toMouse(0xf2)).toEqual([0xfa, 0]);
    device.mouse.move(1, 2, 4, 1);
    expect(answers()).toEqual([0x0c, 1, 2]);
    toMouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
    expect(toMouse(0xf2)).toEqual([0xfa, 3]);
    device.mouse.move(-1, 0, 0, -2);
    expect(answers()).toEqual([0x18, 0xff, 0, 0xfe]);
    expect(toMouse(0xeb)).toEqual([0xfa, 0x08, 0, 0, 0]);
    expect(toMouse(0xff, 0xf2)).toEqual([0xfa, 0xaa, 0, 0xfa, 0]);
  });

  test("a long move comes in as many packets as it takes", () => {
    const { device, answers, toMouse } = made();
    toMouse(0xf4);
    device.mouse.move(600, -300, 0);
    const bytes = answers();
    expect(bytes).toHaveLength(9);
    const signed = (flags: number, byte: number, bit: number): number => (flags & bit ? byte - 256 : byte);
    const sum = (at: number, bit: number): number => [0, 3, 6].reduce((n, i) => n + signed(bytes[i] ?? 0, bytes[i + at] ?? 0, bit), 0);
    expect([sum(1, 0x10), sum(2, 0x20)]).toEqual([600, -300]);
  });

  test("a mouse with its wheel on survives saving, and one without saves what it always did", () => {
    const { device, toMouse } = made(), other = made();
    expect(Object.keys(device.mouse.save() as object)).not.toContain("wheel");
    toMouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
    expectRoundTrip(device, other.device);
    expect(other.toMouse(0xf2)).toEqual([0xfa, 3]);
  });
});
