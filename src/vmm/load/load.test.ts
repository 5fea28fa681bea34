import { expect, test } from "vitest";
import { ArrayMemory, readBytes } from "../memory.ts";
import { crc32 } from "./crc32.ts";
import { type E820Entry, LoadError, type LoadInput } from "./image.ts";
import { checkFirmware, loadKernel } from "./kernel.ts";

const mib = 1 << 20;
const text = (s: string) => new TextEncoder().encode(s);

function input(
  bytes: Uint8Array,
  more: Partial<LoadInput> = {},
  size = 32,
): LoadInput & { memory: ArrayMemory } {
  const e820: E820Entry[] = [
    { base: 0, size: 0x9fc00, type: 1 },
    { base: 0xe0000, size: 0x20000, type: 2 },
    { base: mib, size: (size - 1) * mib, type: 1 },
  ];
  const memory = new ArrayMemory(size * mib);
  return { kernel: { name: "kernel", bytes }, append: "console=ttyS0", e820, rsdp: 0xe0000, ...more, memory };
}

/** A bzImage of protocol 2.15 with one setup sector and 4 KiB of code. */
function bzImage(change: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(1024 + 4096).fill(0x90, 1024);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = 1;
  view.setUint32(0x1f4, 256, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x66eb, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x020f, true);
  bytes[0x211] = 1;
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint32(0x238, 2047, true);
  view.setBigUint64(0x258, 0x1000000n, true);
  view.setUint32(0x260, 0x10000, true);
  view.setUint16(0x20e, 0x100, true);
  bytes.set(text("6.1.0 test"), 0x300);
  change(view);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
  return bytes;
}

test("the CRC is the one of the catalogues, at every alignment and length", () => {
  const text = new TextEncoder().encode("123456789");
  expect(~crc32(text) >>> 0).toBe(0xcbf43926); // "check" of CRC-32/ISO-HDLC
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i * 167 + 13) & 0xff);
  for (let from = 0; from < 9; from++)
    for (let to = from; to < bytes.length; to++) {
      let slow = 0xffffffff;
      for (const byte of bytes.subarray(from, to)) for (let bit = 0, b = byte; bit < 8; bit++, b >>= 1) slow = (slow >>> 1) ^ ((slow ^ b) & 1 ? 0xedb88320 : 0);
      expect(crc32(bytes.subarray(from, to))).toBe(slow >>> 0);
    }
});

test("a bzImage starts at 1 MiB with ESI at a zero page that tells e820, command line, RSDP and initrd", () => {
  const initrd = { name: "initrd", bytes: text("cpio") };
  const i = input(bzImage(), { initrd });
  const start = loadKernel(i);
  expect([start.kind, start.entry, start.regs.rsi]).toEqual(["bzImage", 0x100000, 0x10000n]);
  expect([start.sregs.cs.selector, start.sregs.ds.selector, start.sregs.cr0]).toEqual([0x10, 0x18, 0x11n]);
  const m = i.memory;
  expect(m.readU8(0x100000)).toBe(0x90);
  expect([m.readU8(0x101e8), m.readU64(0x102d0 + 40), m.readU32(0x102d0 + 36)]).toEqual([3, 0x100000n, 2]);
  expect(m.readU64(0x10070)).toBe(0xe0000n);
  expect(new TextDecoder().decode(readBytes(m, m.readU32(0x10228), 14))).toBe("console=ttyS0\0");
  expect([m.readU32(0x10218), m.readU32(0x1021c)]).toEqual([32 * mib - 4096, 4]);
  expect(m.readU32(32 * mib - 4096)).toBe(0x6f697063);
  expect([m.readU8(0x10007), m.readU8(0x1000e), m.readU8(0x1000f)]).toEqual([80, 25, 1]);
});

test("the initrd obeys initrd_addr_max", () => {
  const i = input(
    bzImage((v) => v.setUint32(0x22c, 0x17fffff, true)),
    { initrd: { name: "i", bytes: text("x") } },
  );
  loadKernel(i);
  expect(i.memory.readU32(0x10218)).toBe(0x17ff000);
});

test.each<[string, Uint8Array, Partial<LoadInput>, RegExp, number?]>([
  ["an empty file", new Uint8Array(0), {}, /is empty/],
  ["text", text("hello world".repeat(100)), {}, /is no kernel/],
  ["a cut bzImage", bzImage().subarray(0, 3000), {}, /ends at 0xbb8, its header promises 0x1400/],
  ["a header only", bzImage().subarray(0, 0x230), {}, /needs|ends at/],
  ["a missing boot mark", bzImage((v) => v.setUint16(0x1fe, 0, true)), {}, /0xaa55 at offset 0x1fe/],
  ["an old protocol", bzImage((v) => v.setUint16(0x206, 0x0200, true)), {}, /protocol 2.00 is too old/],
  ["a zImage", bzImage((v) => v.setUint8(0x211, 0)), {}, /zImage/],
  ["a changed byte", bzImage().fill(0, 2000, 2001), {}, /corrupt: the checksum/],
  ["a payload outside", bzImage((v) => v.setUint32(0x24c, 0x7fffffff, true)), {}, /payload at offset/],
  ["too little memory", bzImage((v) => v.setUint32(0x260, 0x4000000, true)), {}, /give at least -m 80/],
  ["a long command line", bzImage(), { append: "x".repeat(3000) }, /takes a command line of 2047 bytes/],
  ["a big initrd", bzImage(), { initrd: { name: "i", bytes: new Uint8Array(20 * mib) } }, /do not fit/],
])("%s is refused with what and where", (_name, bytes, more, message) => {
  expect(() => loadKernel(input(bytes, more))).toThrow(LoadError);
  expect(() => loadKernel(input(bytes, more))).toThrow(message);
});

/** An ELF of one segment at `physical`, entry at its start, with an optional note. */
function elf(is64: boolean, physical: number, body: Uint8Array, note?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4096 + body.length);
  const v = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  v.setUint16(0x12, is64 ? 62 : 3, true);
  const segments = [
    [1, 4096, physical, body.length, body.length + 16],
    ...(note ? [[4, 2048, 0, note.length, note.length]] : []),
  ];
  if (is64) v.setBigUint64(0x18, BigInt(physical), true);
  else v.setUint32(0x18, physical + 0x1000000, true);
  if (is64) v.setBigUint64(0x20, 0x40n, true);
  else v.setUint32(0x1c, 0x40, true);
  v.setUint16(is64 ? 0x36 : 0x2a, is64 ? 56 : 32, true);
  v.setUint16(is64 ? 0x38 : 0x2c, segments.length, true);
  segments.forEach(([type = 0, offset = 0, address = 0, fileSize = 0, memorySize = 0], i) => {
    const at = 0x40 + i * (is64 ? 56 : 32);
    v.setUint32(at, type, true);
    if (is64)
      [offset, address, address, fileSize, memorySize, 4].forEach((x, k) => {
        v.setBigUint64(at + 8 + 8 * k, BigInt(x), true);
      });
    else
      [offset, address + 0x1000000, address, fileSize, memorySize].forEach((x, k) => {
        v.setUint32(at + 4 + 4 * k, x, true);
      });
  });
  bytes.set(body, 4096);
  if (note) bytes.set(note, 2048);
  return bytes;
}

function multibootHeader(flags: number, ...addresses: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array([0x1badb002, flags, -(0x1badb002 + flags), ...addresses]).buffer);
}

test("a multiboot ELF32 gets its physical entry, argv[0], modules and a memory map", () => {
  const bytes = elf(false, 0x400000, multibootHeader(0));
  const modules = [
    { image: { name: "env", bytes: text("NR_CPUS=1\n") }, commandLine: "env a" },
    { image: { name: "two", bytes: text("2") }, commandLine: "two" },
  ];
  const i = input(bytes, { modules });
  const start = loadKernel(i);
  expect([start.kind, start.entry, start.regs.rax, start.regs.rbx]).toEqual([
    "multiboot",
    0x400000,
    0x2badb002n,
    0x9000n,
  ]);
  const u32 = (at: number) => i.memory.readU32(0x9000 + at);
  expect(u32(0) & 0x4d).toBe(0x4d);
  expect([u32(4), u32(8), u32(20), u32(44)]).toEqual([639, 31 * 1024, 2, 72]);
  const string = (at: number) => new TextDecoder().decode(readBytes(i.memory, at, 64)).split("\0")[0];
  expect(string(u32(16))).toBe("kernel console=ttyS0");
  const mod = (n: number) => i.memory.readU32(u32(24) + 4 * n);
  expect([mod(0) % 4096, mod(1) - mod(0), string(mod(2)), string(mod(0)), string(mod(6))]).toEqual([
    0,
    10,
    "env a",
    "NR_CPUS=1\n",
    "two",
  ]);
  expect([i.memory.readU32(u32(48)), i.memory.readU64(u32(48) + 4 + 48)]).toEqual([20, 0x100000n]);
});

test("a multiboot header with addresses loads without ELF and clears its BSS", () => {
  const bytes = new Uint8Array(256).fill(0x90);
  bytes.set(multibootHeader(0x10000, 0x100020, 0x100000, 0, 0x100200, 0x100040), 0x20);
  const i = input(bytes);
  i.memory.bytes.fill(0xff, 0x100000, 0x100300);
  expect(loadKernel(i).entry).toBe(0x100040);
  expect([i.memory.readU8(0x1000ff), i.memory.readU8(0x100100), i.memory.readU8(0x100200)]).toEqual([
    0x90, 0, 0xff,
  ]);
});

test("a multiboot kernel in low memory is not overwritten by its information block", () => {
  const bytes = new Uint8Array(0x3000).fill(0x90);
  bytes.set(multibootHeader(0x10000, 0x8000, 0x8000, 0, 0xc000, 0x8040), 0);
  const i = input(bytes);
  const start = loadKernel(i);
  expect(start.regs.rbx).toBe(0xc000n);
  expect(readBytes(i.memory, 0x8020, 0x2fe0).every((b) => b === 0x90)).toBe(true);
  expect(readBytes(i.memory, 0xb000, 0x1000).every((b) => b === 0)).toBe(true);
  expect(i.memory.readU32(0xc000) & 0x4d).toBe(0x4d);
});

const xenNote = (entry: number) => {
  const note = new Uint8Array(new Uint32Array([4, 4, 18, 0, entry]).buffer);
  note.set(text("Xen\0"), 12);
  return note;
};

test.each([true, false])(
  "an ELF with a PVH note starts at the note's entry with hvm_start_info in EBX (64-bit: %s)",
  (is64) => {
    const i = input(elf(is64, 0x1000000, text("code"), xenNote(0x1000010)), {
      initrd: { name: "i", bytes: text("cpio") },
    });
    const start = loadKernel(i);
    expect([start.kind, start.entry, start.regs.rbx]).toEqual(["pvh", 0x1000010, 0x6000n]);
    const m = i.memory;
    expect([m.readU32(0x6000), m.readU32(0x6004), m.readU32(0x600c), m.readU32(0x6030)]).toEqual([
      0x336ec578, 1, 1, 3,
    ]);
    expect(m.readU64(0x6020)).toBe(0xe0000n);
    expect(m.readU32(Number(m.readU64(Number(m.readU64(0x6010)))))).toBe(0x6f697063);
  },
);

test("an ELF without a note, for another machine, or with a wild segment is refused with a cure", () => {
  expect(() => loadKernel(input(elf(true, 0x1000000, text("x"))))).toThrow(/without a PVH note.*CONFIG_PVH/);
  const arm = elf(true, 0x1000000, text("x"));
  arm[0x12] = 183;
  expect(() => loadKernel(input(arm))).toThrow(/machine 183/);
  expect(() => loadKernel(input(elf(true, 0x3000000, text("x"), xenNote(0))))).toThrow(/give at least -m 49/);
});

test("no damaged image raises anything but LoadError", () => {
  const images = [
    bzImage(),
    elf(false, 0x400000, multibootHeader(0)),
    elf(true, 0x1000000, text("code"), xenNote(0x1000000)),
  ];
  let seed = 1;
  const random = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed % n;
  };
  const memory = input(bzImage());
  let refused = 0;
  for (let round = 0; round < 600; round++) {
    const bytes = (images[round % 3] as Uint8Array).slice();
    for (let k = 0; k < 4; k++) bytes[random(round % 2 ? 0x300 : 0x80)] = random(256);
    try {
      loadKernel({
        ...memory,
        kernel: { name: "k", bytes: round % 5 ? bytes : bytes.subarray(0, random(bytes.length)) },
      });
    } catch (e) {
      expect(e).toBeInstanceOf(LoadError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

test("firmware must have a whole number of 64 KiB blocks", () => {
  expect(() => checkFirmware({ name: "bios", bytes: new Uint8Array(1000) })).toThrow(/1000 bytes long/);
  expect(() => checkFirmware({ name: "bios", bytes: new Uint8Array(0x40000) })).not.toThrow();
});
