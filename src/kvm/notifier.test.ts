// Host pages of a guest are taken away, moved and aged under it ("mmu notifiers").
import { describe, expect, test } from "vitest";
import { HUGE, PAGE } from "../host/index.ts";
import { KvmExit, MEM_LOG_DIRTY_PAGES } from "./uapi.ts";
import { MB, openLogged, pages } from "./dirty/fixture.ts";

// again: inc word [2000h]; mov ax,[5000h]; jmp again
const LOOP = [0xff, 0x06, 0, 0x20, 0xa1, 0, 0x50, 0xeb, 0xf7];
const machines = [
  ["EPT", {}], ["EPT without accessed flags", { modprobe: { "kvm_intel.eptad": "0" } }], ["nested paging", { silicon: "amd" }],
] as const;

async function open(settings: (typeof machines)[number][1]) {
  const guest = await openLogged(LOOP, settings),
    { vm, vcpu } = guest,
    { mm } = vm.space,
    ram = vm.space.slots.get(0)?.hva ?? 0;
  let until = 0;
  const run = (n: number): void => {
    until += n;
    vcpu.run.until = until;
    expect(vcpu.enter()).toBe(KvmExit.INTR);
  };
  const count = (): number => Number(vm.space.load(0x2000, 2));
  return { ...guest, mm, ram, run, count };
}

describe.each(machines)("with %s", (_, settings) => {
  test("a page goes to the swap file between two slices, and comes back with what the guest wrote", async () => {
    const { vm, mm, ram, run, count } = await open(settings);
    run(3000);
    expect(mm.pageOut(ram, 8 * PAGE)).toBe(8);
    expect([vm.space.tdp.lookup(0x2000).entry, vm.space.tdp.flushNeeded]).toEqual([0n, true]);
    run(3000);
    expect(count()).toBe(2000);
    expect(mm.lookup(ram)?.size).toBe(PAGE);
  });

  test("a page that moves is written at its new place alone", async () => {
    const { host, mm, ram, run, count } = await open(settings);
    run(3000);
    const before = (mm.lookup(ram + 0x2000)?.pa ?? 0) + 0x2000;
    expect([host.memory.read32(before), mm.migrate(ram + 0x2000, PAGE)]).toEqual([1000, 1]);
    const after = mm.lookup(ram + 0x2000)?.pa ?? 0;
    expect(after).not.toBe(before);
    run(3000);
    expect([count(), host.memory.read32(after)]).toEqual([2000, 2000]);
    expect(host.memory.read32(before)).not.toBe(2000);
    // The next huge page of the host is not built while its frames are scattered.
    expect(mm.lookup(ram)?.size).toBe(PAGE);
  });

  test("ageing tells pages that were used since the last time from those that were not", async () => {
    const { mm, ram, run } = await open(settings);
    mm.pageOut(ram, 16 * PAGE);
    run(3000);
    const young = (page: number): boolean => mm.isYoung(ram + page * PAGE, PAGE);
    expect([young(1), young(2), young(5), young(9)]).toEqual([true, true, true, false]);
    expect([mm.age(ram + 2 * PAGE, PAGE), mm.age(ram + 2 * PAGE, PAGE), young(2)]).toEqual([true, false, false]);
    expect([mm.age(ram + 9 * PAGE, PAGE), young(5)]).toEqual([false, true]);
    run(3000);
    expect([young(2), young(9)]).toEqual([true, false]);
  });

  test("a page that goes between its look-up and its mapping is not mapped: the fault is taken again", async () => {
    const { vm, mm, ram, run, count } = await open(settings);
    mm.pageOut(ram, HUGE);
    let moved = 0;
    mm.meanwhile = (va) => {
      if (va < ram || va >= ram + HUGE || moved >= 20) return;
      moved++;
      mm.migrate(va - (va % PAGE), PAGE);
    };
    run(3000);
    expect([moved, count()]).toEqual([20, 1000]);
    mm.meanwhile = undefined;
    for (const page of [1, 2, 5]) {
      const { entry } = vm.space.tdp.lookup(page * PAGE);
      expect(Number(entry & 0xffffffffff000n), `page ${page}`).toBe(mm.lookup(ram + page * PAGE)?.pa);
    }
  });

  test("what moves while it is logged stays logged", async () => {
    const { vm, mm, ram, run, flags } = await open(settings);
    flags(MEM_LOG_DIRTY_PAGES);
    run(3000);
    mm.migrate(ram, 16 * PAGE);
    expect(pages(vm.getDirtyLog(0))).toEqual([2]);
    run(3000);
    expect(pages(vm.getDirtyLog(0))).toEqual([2]);
    flags(0);
  });
});

test("pages that are swapped, moved and discarded give their frames back", async () => {
  const { host, mm, ram } = await open({});
  mm.touch(ram + 2 * MB);
  const before = host.frames.freeBytes;
  mm.pageOut(ram + 2 * MB, HUGE);
  // The huge page's table stays.
  expect(host.frames.freeBytes - before).toBe(HUGE - PAGE);
  mm.migrate(ram + 2 * MB, HUGE);
  expect(host.frames.freeBytes - before).toBe(HUGE - PAGE);
  expect(mm.lookup(ram + 2 * MB)?.size).toBe(PAGE);
  mm.discard(ram + 2 * MB, HUGE);
  expect(host.frames.freeBytes - before).toBe(HUGE - PAGE);
  for (const act of [() => mm.pageOut(ram + 1, PAGE), () => mm.migrate(ram, 100), () => mm.discard(ram, 0)])
    expect(act).toThrow(/madvise: .*align to 4096/);
});
