import { expect, test } from "vitest";
import { MachineBus } from "./bus.ts";
import { expectRoundTrip } from "./devices/testing.ts";
import { FwCfg, FwCfgKey } from "./fwcfg.ts";
import { ArrayMemory, readBytes } from "./memory.ts";

function make() {
  const memory = new ArrayMemory(0x100000);
  const fwCfg = new FwCfg(memory);
  const bus = new MachineBus();
  bus.ports.map(0x510, 12, fwCfg, { width: 4 });
  const read = (key: number, n: number) => {
    bus.portWrite(0x510, 2, key);
    return Array.from({ length: n }, () => bus.portRead(0x511, 1));
  };
  const dma = (control: number, length: number, address: number, at = 0x1000) => {
    const request = new DataView(new ArrayBuffer(16));
    request.setUint32(0, control);
    request.setUint32(4, length);
    request.setUint32(12, address);
    memory.write(at, new Uint8Array(request.buffer));
    bus.portWrite(0x514, 4, 0);
    bus.portWrite(0x518, 4, new DataView(Uint8Array.of(0, 0, at >> 8, at & 0xff).buffer).getUint32(0, true));
    return memory.readU8(at + 3);
  };
  return { memory, fwCfg, bus, read, dma };
}

const text = (s: string) => new TextEncoder().encode(s);

test("the signature, the DMA signature and the feature word say what is there", () => {
  const { bus, read } = make();
  expect(String.fromCharCode(...read(0, 4))).toBe("QEMU");
  expect(read(1, 4)).toEqual([3, 0, 0, 0]);
  const dma = new DataView(new ArrayBuffer(8));
  dma.setUint32(0, bus.portRead(0x514, 4), true);
  dma.setUint32(4, bus.portRead(0x518, 4), true);
  expect(new TextDecoder().decode(dma.buffer)).toBe("QEMU CFG");
});

test("numbers stream little endian, and zeros come after the end and for unknown keys", () => {
  const { fwCfg, read } = make();
  fwCfg.addNumber(FwCfgKey.nbCpus, 2, 3);
  fwCfg.addNumber(FwCfgKey.ramSize, 8, 0x8000000);
  expect(read(5, 4)).toEqual([3, 0, 0, 0]);
  expect(read(3, 8)).toEqual([0, 0, 0, 8, 0, 0, 0, 0]);
  expect(read(0x7777, 2)).toEqual([0, 0]);
});

test("files are listed big endian with size, key and name", () => {
  const { fwCfg, read } = make();
  fwCfg.addFile("etc/a", text("hello"));
  fwCfg.addFile("etc/b", text("x"));
  fwCfg.addFile("etc/a", text("hello!"));
  const directory = new Uint8Array(read(0x19, 132));
  const view = new DataView(directory.buffer);
  expect([view.getUint32(0), view.getUint32(4), view.getUint16(8)]).toEqual([2, 6, 0x20]);
  expect(new TextDecoder().decode(directory.subarray(12, 18))).toBe("etc/a\0");
  expect(read(0x20, 6)).toEqual([...text("hello!")]);
});

test("DMA selects, skips and reads", () => {
  const { memory, fwCfg, dma } = make();
  fwCfg.addFile("etc/a", text("0123456789"));
  expect(dma((0x20 << 16) | 8 | 4, 3, 0)).toBe(0);
  expect(dma(2, 4, 0x2000)).toBe(0);
  expect(new TextDecoder().decode(readBytes(memory, 0x2000, 4))).toBe("3456");
});

test("DMA outside memory, or writing, reports an error and moves nothing", () => {
  const { dma, memory } = make();
  expect(dma(8 | 2, 0xffffffff, 0x2000)).toBe(1);
  expect(dma(2, 4, 0xfffff000)).toBe(1);
  expect(dma(16, 4, 0x2000)).toBe(1);
  expect(memory.readU32(0x2000)).toBe(0);
});

test("the stream position survives a round trip", () => {
  const a = make();
  const b = make();
  expect(a.read(0, 2)).toEqual([81, 69]);
  expectRoundTrip(a.fwCfg, b.fwCfg);
  expect(b.bus.portRead(0x511, 1)).toBe(77);
});
