import { expect, test } from "vitest";
import { expectRoundTrip } from "./testing.ts";
import { type TextRam, VgaText } from "./vga.ts";

function make() {
  const vga = new VgaText();
  vga.reset();
  const type = (cell: number, s: string) =>
    [...s].forEach((c, i) => {
      vga.mmioWrite(0x18000 + 2 * (cell + i), 2, c.charCodeAt(0) | 0x0700);
    });
  const crtc = (i: number, v: number) => {
    vga.portWrite(0x3d4, 1, i);
    vga.portWrite(0x3d5, 1, v);
  };
  return { vga, type, crtc };
}

test("after reset the screen is 80 by 25 and blank", () => {
  const { vga } = make();
  const { columns, rows, cells } = vga.screen();
  expect([columns, rows, cells[0], cells[1]]).toEqual([80, 25, 0x20, 7]);
  expect(vga.text().join("")).toBe("");
});

test("what is written at B8000 is on the screen, reads back, and marks it dirty once", () => {
  const { vga, type } = make();
  vga.takeDirty();
  type(80, "Hello");
  expect(vga.text()[1]).toBe("Hello");
  expect(vga.mmioRead(0x18000 + 160, 4)).toBe(0x07650748);
  expect([vga.takeDirty(), vga.takeDirty()]).toEqual([true, false]);
});

test("the start address scrolls and the cursor is counted from it", () => {
  const { vga, type, crtc } = make();
  type(160, "third row");
  crtc(12, 0);
  crtc(13, 160);
  crtc(14, 0);
  crtc(15, 169);
  expect([vga.text()[0], vga.screen().cursor]).toEqual(["third row", 9]);
});

test("addresses outside the selected window read ones and change nothing", () => {
  const { vga } = make();
  vga.mmioWrite(0, 4, 0);
  expect(vga.mmioRead(0, 2)).toBe(0xffff);
});

test("a font goes to plane 2 through the flat window without touching the text", () => {
  const { vga, type } = make();
  type(0, "A");
  const put = (index: number, data: number, i: number, v: number) => {
    vga.portWrite(index, 1, i);
    vga.portWrite(data, 1, v);
  };
  put(0x3c4, 0x3c5, 2, 4);
  put(0x3c4, 0x3c5, 4, 7);
  put(0x3ce, 0x3cf, 4, 2);
  put(0x3ce, 0x3cf, 5, 0);
  put(0x3ce, 0x3cf, 6, 0);
  vga.mmioWrite(1, 1, 0x5a);
  expect(vga.mmioRead(1, 1)).toBe(0x5a);
  expect(vga.text()[0]).toBe("A");
});

test("the attribute flip-flop is cleared by status 1, and the DAC steps through its bytes", () => {
  const { vga } = make();
  vga.portWrite(0x3c0, 1, 0x11);
  vga.portRead(0x3da);
  vga.portWrite(0x3c0, 1, 0x12);
  expect(vga.portRead(0x3c0)).toBe(0x12);
  vga.portWrite(0x3c8, 1, 255);
  for (const v of [1, 2, 3, 4]) vga.portWrite(0x3c9, 1, v);
  vga.portWrite(0x3c7, 1, 255);
  expect([1, 2, 3, 4].map(() => vga.portRead(0x3c9))).toEqual([1, 2, 3, 4]);
});

test("CRTC registers 0 to 7 are locked as register 11h says", () => {
  const { vga, crtc } = make();
  crtc(1, 0x27);
  expect(vga.screen().columns).toBe(80);
  crtc(0x11, 0x0e);
  crtc(1, 0x27);
  expect(vga.screen().columns).toBe(40);
});

test("state survives a round trip", () => {
  const { vga, type } = make();
  type(0, "kept");
  const other = new VgaText();
  expectRoundTrip(vga, other);
  expect(other.text()[0]).toBe("kept");
});

/** RAM whose window a test sees. */
function withRam() {
  const ram = { bytes: new Uint8Array(0x10000), window: undefined as { base: number; size: number } | undefined };
  const port: TextRam = {
    show: (window) => {
      ram.window = window;
    },
    read: () => ram.bytes.slice(),
    write: (text) => ram.bytes.set(text),
    takeWritten: () => false,
  };
  const vga = new VgaText(port);
  vga.reset();
  return { vga, ram };
}

test("text memory is RAM while nothing lies between it and the processor, and its text follows when that changes", () => {
  const { vga, ram } = withRam();
  const set = (index: number, data: number, i: number, v: number) => {
    vga.portWrite(index, 1, i);
    vga.portWrite(data, 1, v);
  };
  expect(ram.window).toEqual({ base: 0x18000, size: 0x8000 });
  ram.bytes.set([0x41, 7]);
  expect(vga.text()[0]).toBe("A");
  // Each of these makes more of an access than a move of bytes.
  const rows: [number, number, number, number][] = [
    [0x3c4, 0x3c5, 2, 4], // map mask
    [0x3c4, 0x3c5, 4, 6], // memory mode
    [0x3ce, 0x3cf, 1, 1], // set/reset
    [0x3ce, 0x3cf, 3, 8], // logical function
    [0x3ce, 0x3cf, 4, 2], // read map
    [0x3ce, 0x3cf, 5, 0x11], // write mode
    [0x3ce, 0x3cf, 5, 0], // flat reads
    [0x3ce, 0x3cf, 8, 0x7f], // bit mask
  ];
  for (const [index, data, i, v] of rows) {
    vga.portWrite(index, 1, i);
    const was = vga.portRead(data);
    set(index, data, i, v);
    expect(ram.window, `${i}=${v}`).toBeUndefined();
    expect(vga.text()[0]).toBe("A");
    set(index, data, i, was);
    expect(ram.window).toEqual({ base: 0x18000, size: 0x8000 });
  }
  set(0x3c4, 0x3c5, 4, 6);
  vga.mmioWrite(0x18000, 1, 0x42);
  set(0x3c4, 0x3c5, 4, 2);
  expect([ram.bytes[0], vga.text()[0]]).toEqual([0x42, "B"]);
  // The monochrome window.
  set(0x3ce, 0x3cf, 6, 0x0a);
  expect(ram.window).toEqual({ base: 0x10000, size: 0x8000 });
  const other = withRam();
  other.vga.restore(vga.save());
  expect([other.ram.window, other.vga.text()[0]]).toEqual([ram.window, "B"]);
});
