import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseCpu } from "../isa/index.ts";
import { HostComputer, HUGE, PAGE } from "./index.ts";

const MB = 1024 * 1024;
const wasm = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))),
);
const open = () => HostComputer.create({ module: wasm, memory: 16 * MB, cpu: parseCpu("qemu64") });

test("a mapping takes no frame before it is touched, then a huge page where 2 MiB fit", async () => {
  const host = await open(),
    { mm } = host.fork("a"),
    before = host.frames.freeBytes;
  const va = mm.mmap(3 * MB);
  expect(va % HUGE).toBe(0);
  expect(mm.lookup(va)).toBeUndefined();
  expect(host.frames.freeBytes).toBe(before);
  expect(mm.touch(va + 5)?.size).toBe(HUGE);
  expect(mm.touch(va + 2 * MB)?.size).toBe(PAGE); // only 1 MiB is left of this block
  expect(mm.touch(va + 3 * MB)).toBeUndefined();
});

test("the page tables in host memory say what lookup says", async () => {
  const host = await open(),
    { mm } = host.fork("a"),
    va = mm.mmap(HUGE),
    page = mm.touch(va);
  const entry = (table: number, shift: number): bigint =>
    host.memory.read64(table + (Math.floor(va / 2 ** shift) % 512) * 8);
  const next = (e: bigint): number => Number(e & 0xffffffffff000n);
  const leaf = entry(next(entry(next(entry(mm.root, 39)), 30)), 21);
  expect(leaf & 0xfffn).toBe(0xe7n); // present, writable, user, accessed, dirty, 2 MiB
  expect(next(leaf)).toBe(page?.pa);
});

test("discarding part of a huge page splits it, tells the notifiers, and reads zeros afterwards", async () => {
  const host = await open(),
    { mm } = host.fork("a"),
    va = mm.mmap(HUGE),
    ranges: string[] = [];
  mm.register({
    invalidateRangeStart: (a, b) => {
      ranges.push(`start ${a - va} ${b - va}`);
    },
    invalidateRangeEnd: (a, b) => {
      ranges.push(`end ${a - va} ${b - va}`);
    },
  });
  const page = mm.touch(va);
  host.memory.write32((page?.pa ?? 0) + 3 * PAGE, 0x12345678);
  mm.discard(va + 3 * PAGE, PAGE);
  expect(ranges).toEqual([`start ${3 * PAGE} ${4 * PAGE}`, `end ${3 * PAGE} ${4 * PAGE}`]);
  expect(mm.lookup(va + 3 * PAGE)).toBeUndefined();
  expect(mm.lookup(va + 4 * PAGE)).toEqual({ pa: (page?.pa ?? 0) + 4 * PAGE, size: PAGE });
  const fresh = mm.touch(va + 3 * PAGE);
  expect(host.memory.read32(fresh?.pa ?? 0)).toBe(0);
});

test("unmapping gives every frame of the pages back", async () => {
  const host = await open(),
    { mm } = host.fork("a"),
    va = mm.mmap(HUGE + 8 * PAGE);
  mm.touch(va);
  for (let i = 0; i < 8; i++) mm.touch(va + HUGE + i * PAGE);
  const before = host.frames.freeBytes;
  mm.munmap(va, HUGE + 8 * PAGE);
  expect(host.frames.freeBytes - before).toBe(HUGE + 8 * PAGE);
  expect(mm.mappings).toEqual([]);
});

test("no frame is handed out twice, and memory that runs out is an error with a cure", async () => {
  const host = await open(),
    seen = new Set<number>();
  for (;;) {
    try {
      seen.add(host.frames.frame());
    } catch (error) {
      expect(String(error)).toMatch(/no free frame; give the emulated computer more memory/);
      break;
    }
  }
  expect(seen.size).toBe((16 * MB) / PAGE - 1); // frame 0 stays unused
});

test("a device that no module has made cannot be opened", async () => {
  const host = await open();
  expect(() => host.open("/dev/kvm", host.fork("a"))).toThrow(/\/dev\/kvm: no such device; load the module/);
});
