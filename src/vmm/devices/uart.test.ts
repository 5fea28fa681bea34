import { expect, test } from "vitest";
import { expectRoundTrip, Probe } from "./testing.ts";
import { Uart } from "./uart.ts";

function make() {
  const irq = new Probe();
  const out: number[] = [];
  const uart = new Uart({ irq, output: (b) => out.push(b) });
  const w = (reg: number, v: number) => uart.portWrite(0x3f8 + reg, 1, v);
  const r = (reg: number) => uart.portRead(0x3f8 + reg);
  return { irq, out, uart, w, r };
}

const text = (s: string) => new TextEncoder().encode(s);

test("a byte written to THR is out at once and the transmitter is empty again", () => {
  const { out, w, r } = make();
  w(0, 0x41);
  expect(out).toEqual([0x41]);
  expect(r(5)).toBe(0x60);
});

test("a driver that probes as Linux's 8250 does finds a 16550A", () => {
  const { w, r } = make();
  w(1, 0);
  expect(r(1)).toBe(0);
  w(1, 0xff);
  expect(r(1)).toBe(0x0f);
  w(4, 0x1a);
  expect(r(6) & 0xf0).toBe(0x90);
  w(4, 8);
  w(7, 0x5a);
  expect(r(7)).toBe(0x5a);
  w(2, 1);
  expect(r(2) >> 6).toBe(3);
  w(3, 0x80);
  expect(r(2)).not.toBe(0);
  w(3, 0);
  w(2, 0x21);
  expect(r(2) >> 5).toBe(6);
  w(2, 0);
  expect(r(2) >> 6).toBe(0);
});

test("THRE interrupts when enabled and after each byte, and reading IIR acknowledges it", () => {
  const { irq, w, r } = make();
  w(4, 8);
  w(1, 2);
  expect(irq.level).toBe(true);
  expect(r(2)).toBe(2);
  expect(irq.level).toBe(false);
  expect(r(2)).toBe(1);
  w(0, 65);
  expect(irq.level).toBe(true);
  w(1, 0);
  expect(irq.level).toBe(false);
});

test("no interrupt leaves the chip without OUT2", () => {
  const { irq, uart, w } = make();
  w(1, 1);
  uart.receive(text("a"));
  expect(irq.level).toBe(false);
  w(4, 8);
  expect(irq.level).toBe(true);
});

test("received data comes in order, as timeout below the trigger and as data at it", () => {
  const { irq, uart, w, r } = make();
  w(2, 0x81);
  w(4, 8);
  w(1, 1);
  expect(uart.receive(text("abc"))).toBe(3);
  expect(r(2)).toBe(0xcc);
  uart.receive(text("0123456789"));
  expect(r(2)).toBe(0xc4);
  let got = "";
  while (r(5) & 1) got += String.fromCharCode(r(0));
  expect(got).toBe("abc0123456789");
  expect(irq.level).toBe(false);
});

test("receive takes a bounded number of bytes and loses none of them", () => {
  const { uart, w, r } = make();
  w(2, 1);
  expect(uart.receive(new Uint8Array(10000).fill(7))).toBe(4096);
  expect(uart.room).toBe(16);
  let n = 0;
  while (r(5) & 1) {
    expect(r(0)).toBe(7);
    n++;
  }
  expect(n).toBe(4096);
});

test("clearing the FIFO drops what it holds but not what is typed ahead", () => {
  const { uart, w, r } = make();
  w(2, 1);
  uart.receive(text("0123456789abcdefXY"));
  w(2, 3);
  expect(String.fromCharCode(r(0), r(0))).toBe("XY");
});

test("loopback hands the byte back, keeps the line silent and counts overruns", () => {
  const { out, irq, w, r } = make();
  w(4, 0x1b);
  w(1, 4);
  w(0, 1);
  w(0, 2);
  expect(out).toEqual([]);
  expect(irq.level).toBe(false);
  expect(r(5) & 3).toBe(3);
  expect(r(0)).toBe(1);
});

test("the divisor latch hides data and interrupt enable", () => {
  const { out, w, r } = make();
  w(3, 0x83);
  w(0, 1);
  w(1, 0);
  expect([r(0), r(1), out.length]).toEqual([1, 0, 0]);
  w(3, 3);
  expect(r(1)).toBe(0);
});

test("modem status reports changes once", () => {
  const { w, r } = make();
  w(4, 0x10);
  expect(r(6)).toBe(0x0b);
  expect(r(6)).toBe(0);
});

test("state survives a round trip with the interrupt level", () => {
  const a = make();
  a.w(2, 1);
  a.w(4, 8);
  a.w(1, 3);
  a.uart.receive(text("hello, this is longer than the FIFO"));
  const b = make();
  expectRoundTrip(a.uart, b.uart);
  expect(b.irq.level).toBe(true);
  expect(b.r(0)).toBe(0x68);
});
