import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HostComputer } from "../../../../host/index.ts";
import { parseCpu } from "../../../../isa/index.ts";
import { defaultParams } from "../../../params.ts";
import { KvmStats } from "../../../stats.ts";
import { Trace } from "../../../trace.ts";
import { GuestSpace } from "../../../x86/space.ts";
import { P, TABLE, W, writeEntry } from "../entry.ts";
import { PagingRegisters } from "../registers.ts";
import { VirtualTlb } from "../vtlb.ts";
import { CachingMmu } from "./mmu.ts";
import { ACCESS_ALL, LONG } from "./page.ts";
import { ShadowPages } from "./pages.ts";
import { makeUnsync, syncAll } from "./sync.ts";
import { tableWritten } from "./writes.ts";

const MIB = 1 << 20;
const core = new WebAssembly.Module(readFileSync(new URL("../../../../../build/core.wasm", import.meta.url)));
const role = (level: number): number => level | ACCESS_ALL | LONG;

async function open() {
  const host = await HostComputer.create({ module: core, memory: 24 * MIB, cpu: parseCpu("qemu64") }),
    { mm } = host.fork("test"),
    trace = new Trace(() => 0),
    stats = new KvmStats();
  const space = new GuestSpace(host, mm, trace, { ...defaultParams, tdp: false });
  space.setRegion({ slot: 0, flags: 0, guestPhysAddr: 0, memorySize: 8 * MIB, userspaceAddr: mm.mmap(8 * MIB) });
  const pages = new ShadowPages({ host, space, trace, stats }, () => {}, () => {});
  /** A leaf of `page` at i that maps gfn writable. */
  const map = (page: ReturnType<ShadowPages["make"]>, i: number, gfn: number): void => {
    writeEntry(host.memory, page.frame + i * 8, 0x1000 * gfn + (TABLE | W), 0);
    pages.rmap.add(page, i, gfn);
  };
  const entry = (page: ReturnType<ShadowPages["make"]>, i: number): number => host.memory.read32(page.frame + i * 8);
  return { host, space, stats, pages, map, entry };
}

test("shadow tables stay under their bound: the oldest go, but for roots", async () => {
  const { pages, stats } = await open(),
    root = pages.make(1, role(4));
  root.roots = 1;
  for (let gfn = 2; gfn < 200; gfn++) {
    pages.recycle();
    pages.make(gfn, role(1));
    expect(pages.tables).toBeLessThanOrEqual(pages.limit);
  }
  expect(pages.limit).toBe(64);
  expect(stats.mmu.recycled).toBeGreaterThan(100);
  expect([pages.find(1, role(4)), pages.find(2, role(1)), pages.find(199, role(1))?.gfn]).toEqual([root, undefined, 199]);
});

test("where memory of the guest goes, the bound goes down and the tables with it", async () => {
  const host = await HostComputer.create({ module: core, memory: 48 * MIB, cpu: parseCpu("qemu64") }),
    { mm } = host.fork("test"),
    trace = new Trace(() => 0),
    space = new GuestSpace(host, mm, trace, { ...defaultParams, tdp: false }),
    mmu = new CachingMmu({ host, space, trace, stats: new KvmStats() }),
    more = { slot: 1, flags: 0, guestPhysAddr: 16 * MIB, memorySize: 24 * MIB, userspaceAddr: mm.mmap(24 * MIB) };
  space.shadow = mmu;
  space.setRegion({ slot: 0, flags: 0, guestPhysAddr: 0, memorySize: 8 * MIB, userspaceAddr: mm.mmap(8 * MIB) });
  space.setRegion(more);
  for (let gfn = 2; gfn < 142; gfn++) mmu.pages.make(gfn, role(1));
  expect([mmu.tables, mmu.limit]).toEqual([140, 163]);
  space.setRegion({ ...more, memorySize: 0 });
  expect(mmu.limit).toBe(64);
  expect(mmu.tables).toBeLessThanOrEqual(64);
});

test.each([
  ["cached", CachingMmu],
  ["vtlb", VirtualTlb],
] as const)("%s: eight vCPUs on tables that lead everywhere stay under the bound of all tables together", async (_, Mmu) => {
  const { host, space, stats } = await open(),
    mmu = new Mmu({ host, space, trace: new Trace(() => 0), stats });
  // Sixty pages whose entries lead to one another: each is a table of every level.
  for (let i = 0; i < 60 * 512; i++) space.store(0x1000 + i * 8, 8, BigInt(0x1067 + ((i * 37) % 60) * 0x1000));
  const contexts = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => {
    const guest = new PagingRegisters();
    Object.assign(guest, n < 4 ? { cr0: 0x80000001, cr4: 0x20, efer: 0x500, cr3Low: 0x1000 } : { cr0: 1 });
    return mmu.context(guest);
  });
  let most = 0;
  for (let n = 0; n < 2000; n++) {
    const context = contexts[n % 8];
    expect(context?.fault(n % 8 < 4 ? (n * 0x2400000) >>> 0 : (n << 12) & 0x7fffff, n % 8 < 4 ? n & 0x7fff : 0, 0, 0)).toBe("fixed");
    most = Math.max(most, mmu.tables);
    expect(mmu.tables).toBeLessThanOrEqual(mmu.limit);
  }
  expect(most).toBeGreaterThan(mmu.limit - 6);
});

test("a page that becomes a table loses its write right wherever it is mapped", async () => {
  const { pages, map, entry } = await open(),
    [a, b] = [pages.make(10, role(1)), pages.make(11, role(1))];
  map(a, 3, 20);
  map(b, 5, 20);
  map(b, 6, 21);
  pages.make(20, role(1));
  expect([entry(a, 3) & W, entry(b, 5) & W, entry(b, 6) & W]).toEqual([0, 0, W]);
  pages.unmap(20);
  expect([entry(a, 3), entry(b, 5), entry(b, 6) & P]).toEqual([0, 0, P]);
});

test.each([
  // The page at 8000000000 is the table of the levels 3 to 1 on the way to it.
  ["a page that is its own directory", [0x80, 0], 2, { 0x1008: 0x2007, 0x2000: 0x2007 }, ["emulate", true, false]],
  ["a page table seen through itself", [0, 0x1000], 4, { 0x1000: 0x2007, 0x2000: 0x3007, 0x3000: 0x4007, 0x4008: 0x4007 }, ["fixed", false, true]],
  ["2 MiB that hold their own directories", [0, 0x2f0000], 0x201, { 0x1000: 0x201007, 0x201000: 0x202007, 0x202008: 0x200087 }, ["fixed", true, false]],
] as const)("the first write to %s leaves no table both in sync and writable", async (_, [high, low], table, entries, expected) => {
  const { host, space, stats } = await open(),
    mmu = new CachingMmu({ host, space, trace: new Trace(() => 0), stats }),
    context = mmu.context(Object.assign(new PagingRegisters(), { cr0: 0x80010001, cr4: 0x20, efer: 0x500, cr3Low: 0x1000 }));
  for (const [at, e] of Object.entries(entries)) space.store(Number(at), 8, BigInt(e));
  const result = context.fault(low, high, 2, 0),
    inSync = mmu.pages.shadowing(table)?.some((page) => !page.unsync);
  let writable = false,
    mapped = 0;
  mmu.pages.rmap.each(table, (page, i) => {
    if ((host.memory.read32(page.frame + i * 8) & W) !== 0) writable = true;
  });
  mmu.pages.rmap.eachLarge(table, () => {
    writable = true;
  });
  expect([result, inSync, writable]).toEqual(expected);
  mmu.pages.rmap.each(Math.floor(context.gpa / 4096), () => mapped++);
  expect(mapped).toBe(1);
});

test("the guest may write a page table itself until the next sync point, a directory never", async () => {
  const { pages, map, entry, stats } = await open(),
    table = pages.make(30, role(1)),
    reader = pages.make(31, role(1));
  expect(makeUnsync(pages, 30)).toBe(true);
  map(reader, 0, 30);
  map(table, 7, 40);
  syncAll(pages);
  // The guest's entry is 0: what it mapped is gone, and the table is protected again.
  expect([table.unsync, entry(table, 7), entry(reader, 0) & W, stats.mmu.synced]).toEqual([false, 0, 0, 1]);
  pages.make(30, role(2));
  expect(makeUnsync(pages, 30)).toBe(false);
});

test.each([
  ["the third write in a row to a directory", 2, [8, 16, 24], 8],
  ["a write across two entries", 2, [12], 8],
  ["a write of two bytes", 1, [16], 2],
] as const)("%s ends its shadow", async (_, level, offsets, size) => {
  const { pages, stats } = await open();
  pages.make(50, role(level));
  for (const offset of offsets) {
    expect(pages.find(50, role(level))).toBeDefined();
    tableWritten(pages, 50 * 4096 + offset, size);
  }
  expect([pages.find(50, role(level)), stats.mmu.flooded]).toEqual([undefined, 1]);
});

test("a write to one entry takes one shadow entry away, and any number to a page table", async () => {
  const { pages, map, entry } = await open(),
    table = pages.make(60, role(1));
  for (const i of [1, 2, 3, 4]) map(table, i, 70 + i);
  for (const i of [1, 2, 3]) tableWritten(pages, 60 * 4096 + i * 8, 8);
  expect([1, 2, 3, 4].map((i) => entry(table, i) & P)).toEqual([0, 0, 0, P]);
});
