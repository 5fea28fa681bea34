import { describe, expect, test } from "vitest";
import { Errno, KvmExit, type KvmVm, MEM_LOG_DIRTY_PAGES } from "../uapi.ts";
import { type LoggedGuest, openLogged, pages, refusal, type Settings } from "./fixture.ts";

const ALL = 2048;
// mov [2000h],ax; mov ax,[3000h]; mov [5000h],ax; in al,60h; mov [2000h],ax; mov [7000h],ax; in al,60h; mov ax,[2000h]; in al,60h
const WRITER = [
  0xa3, 0, 0x20, 0xa1, 0, 0x30, 0xa3, 0, 0x50, 0xe4, 0x60, 0xa3, 0, 0x20, 0xa3, 0, 0x70, 0xe4, 0x60, 0xa1, 0,
  0x20, 0xe4, 0x60,
];
// again: mov [2000h],ax; jmp again
const LOOP = [0xa3, 0, 0x20, 0xeb, 0xfb];
// xor bx,bx; mov ds,bx; mov [800h],al; add bx,100h; cmp bx,9000h; jne -15; in al,60h; jmp -21: pages 0 to 143, round and round
const SWEEP = [0x31, 0xdb, 0x8e, 0xdb, 0xa2, 0, 8, 0x81, 0xc3, 0, 1, 0x81, 0xfb, 0, 0x90, 0x75, 0xf1, 0xe4, 0x60, 0xeb, 0xeb];

const protect = { modprobe: { "kvm_intel.pml": "0" } },
  dbits = { modprobe: { "kvm.dirty_log": "dbits" } };
const methods: readonly (readonly [string, Settings])[] = [
  ["write protection, VT-x", protect],
  ["page-modification logging", {}],
  ["dirty flags, VT-x", dbits],
  ["write protection without dirty flags in the EPT", { modprobe: { "kvm_intel.eptad": "0" } }],
  ["write protection, SVM", { silicon: "amd" }],
  ["dirty flags, SVM", { silicon: "amd", ...dbits }],
  ["write protection, huge pages split at the first write", { modprobe: { "kvm_intel.pml": "0", "kvm.eager_page_split": "0" } }],
  ["page-modification logging, huge pages split at the first write", { modprobe: { "kvm.eager_page_split": "0" } }],
  ["dirty flags, huge pages split at the first write", { modprobe: { ...dbits.modprobe, "kvm.eager_page_split": "0" } }],
];

describe.each(methods)("%s", (name, settings) => {
  test("the log has exactly the pages written since the last reading, none that was only read", async () => {
    const { vm, flags, untilIo } = await openLogged(WRITER, settings);
    flags(MEM_LOG_DIRTY_PAGES);
    untilIo();
    expect(pages(vm.getDirtyLog(0))).toEqual([2, 5]);
    expect(pages(vm.getDirtyLog(0))).toEqual([]);
    untilIo();
    expect(pages(vm.getDirtyLog(0))).toEqual([2, 7]);
    untilIo();
    expect(pages(vm.getDirtyLog(0))).toEqual([]);
    expect(vm.space.tdp.counts.pages2m).toBe(0);
  });

  test("the huge page is split when the log begins or at the first write, and is one again when the log ends", async () => {
    const { vm, flags, untilIo } = await openLogged(WRITER, settings),
      { counts } = vm.space.tdp;
    untilIo();
    expect(counts).toMatchObject({ pages2m: 1, pages4k: 0, splits: 0 });
    flags(MEM_LOG_DIRTY_PAGES);
    expect(counts.splits).toBe(name.includes("first write") ? 0 : 1);
    untilIo();
    expect(counts).toMatchObject({ pages2m: 0, pages4k: 512, splits: 1 });
    expect(pages(vm.getDirtyLog(0))).toEqual([2, 7]);
    flags(0);
    expect(counts).toMatchObject({ pages2m: 1, pages4k: 0 });
    const { pagesFixed, dirtyLogExits } = vm.stats;
    untilIo();
    expect([vm.stats.pagesFixed, vm.stats.dirtyLogExits]).toEqual([pagesFixed, dirtyLogExits]);
  });

  test("a guest whose slice ended in guest mode does not keep the rights that it had", async () => {
    const { vm, vcpu, flags } = await openLogged(LOOP, settings);
    flags(MEM_LOG_DIRTY_PAGES);
    for (let t = 1000; t < 6000; t += 1000) {
      vcpu.run.until = t;
      expect(vcpu.enter()).toBe(KvmExit.INTR);
      expect(pages(vm.getDirtyLog(0)), `at ${t}`).toEqual([2]);
    }
    vcpu.run.until = 6000;
    vcpu.enter();
    flags(0);
    flags(MEM_LOG_DIRTY_PAGES);
    vcpu.run.until = 7000;
    vcpu.enter();
    expect(pages(vm.getDirtyLog(0))).toEqual([2]);
  });

  test("with manual protection reading changes nothing, and clearing is what the next write is noticed after", async () => {
    const { vm, flags, untilIo } = await openLogged(WRITER, settings);
    vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", 1);
    flags(MEM_LOG_DIRTY_PAGES);
    untilIo();
    const bits = vm.getDirtyLog(0);
    expect([pages(bits), pages(vm.getDirtyLog(0))]).toEqual([[2, 5], [2, 5]]);
    // Page 5 is left out of the bits, and the second call has no bits of this part of the slot.
    vm.clearDirtyLog(0, 0, 64, Uint8Array.of(0b100, 0, 0, 0, 0, 0, 0, 0));
    vm.clearDirtyLog(0, 64, 64, new Uint8Array(8).fill(0xff));
    expect(pages(vm.getDirtyLog(0))).toEqual([5]);
    untilIo();
    expect(pages(vm.getDirtyLog(0))).toEqual([2, 5, 7]);
  });

  test("initially set, every page counts as dirty and no huge page is split before its bits are cleared", async () => {
    const { vm, flags, untilIo } = await openLogged(WRITER, settings);
    untilIo();
    vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", 3);
    flags(MEM_LOG_DIRTY_PAGES);
    expect(vm.space.tdp.counts).toMatchObject({ pages2m: 1, splits: 0 });
    const bits = vm.getDirtyLog(0);
    expect(pages(bits)).toHaveLength(ALL);
    vm.clearDirtyLog(0, 0, ALL, bits);
    expect(pages(vm.getDirtyLog(0))).toEqual([]);
    untilIo();
    expect(pages(vm.getDirtyLog(0))).toEqual([2, 7]);
  });
});

test("write protection costs an exit a page; page-modification logging and dirty flags cost none while the log has room", async () => {

  const exits: number[] = [];
  for (const settings of [protect, {}, dbits]) {
    const { vm, flags, untilIo } = await openLogged(SWEEP, settings);
    untilIo();
    flags(MEM_LOG_DIRTY_PAGES);
    for (let round = 0; round < 4; round++) {
      untilIo();
      expect(pages(vm.getDirtyLog(0))).toEqual(Array.from({ length: 144 }, (_, i) => i));
    }
    exits.push(vm.stats.dirtyLogExits);
  }
  expect(exits).toEqual([4 * 144, 0, 0]);
});

const ringOf = (entries: number) => (vm: KvmVm): void => vm.enableCap("DIRTY_LOG_RING", entries * 16);
/** What a user space does when it is told that the ring is full, and at the end. */
function harvest({ vm, vcpu }: LoggedGuest, into: number[]): number {
  vcpu.syncDirtyLog();
  vcpu.dirtyRing?.harvest(({ slot, page }) => {
    expect(slot).toBe(0);
    into.push(page);
  });
  return vm.resetDirtyRings();
}

describe.each([["write protection", protect, 1024], ["page-modification logging", {}, 1024], ["write protection, SVM", { silicon: "amd" } as const, 256]] as const)("the dirty ring with %s", (_, settings, entries) => {
  test("has the pages in the order of their writes, and again after they were reset", async () => {
    const guest = await openLogged(WRITER, { ...settings, prepare: ringOf(entries) }),
      found: number[] = [];
    guest.flags(MEM_LOG_DIRTY_PAGES);
    guest.untilIo();
    expect(harvest(guest, found)).toBe(2);
    expect([found.splice(0), harvest(guest, found)]).toEqual([[2, 5], 0]);
    guest.untilIo();
    harvest(guest, found);
    expect(found).toEqual([2, 7]);
    expect(refusal(() => guest.vm.getDirtyLog(0))).toEqual([Errno.ENXIO, expect.stringMatching(/in rings; harvest/)]);
  });

  test("ends KVM_RUN while it is full, and loses nothing", async () => {
    const guest = await openLogged(SWEEP, { ...settings, prepare: ringOf(entries) }),
      { vcpu } = guest,
      rounds: number[][] = [[]];
    guest.untilIo();
    guest.flags(MEM_LOG_DIRTY_PAGES);
    let full = 0;
    // Pages are noticed again only when the ring is reset: without that, a round writes nothing into it.
    while (rounds.length < 12) {
      const exit = vcpu.enter();
      if (exit === KvmExit.DIRTY_RING_FULL) {
        full++;
        expect(vcpu.enter()).toBe(KvmExit.DIRTY_RING_FULL);
        harvest(guest, rounds.at(-1) ?? []);
      } else {
        expect(exit).toBe(KvmExit.IO);
        vcpu.syncDirtyLog();
        // The ring is harvested, and is not reset: KVM sees it fill.
        vcpu.dirtyRing?.harvest(({ page }) => rounds.at(-1)?.push(page));
        guest.flags(0);
        guest.flags(MEM_LOG_DIRTY_PAGES);
        rounds.push([]);
      }
    }
    const every = Array.from({ length: 144 }, (_, i) => i);
    for (const round of rounds.slice(0, -1)) expect([...new Set(round)].sort((a, b) => a - b)).toEqual(every);
    expect(full).toBeGreaterThan(0);
  });
});

test("calls of the dirty log that are misused answer with the kernel's errno and a sentence", async () => {
  const { vm, flags } = await openLogged([0xf4]);
  const bits = new Uint8Array(ALL / 8);
  expect(refusal(() => vm.getDirtyLog(0))).toEqual([Errno.ENOENT, expect.stringMatching(/give a slot with KVM_MEM_LOG_DIRTY_PAGES/)]);
  flags(MEM_LOG_DIRTY_PAGES);
  const rows: [() => unknown, number, RegExp][] = [
    [() => vm.getDirtyLog(3), Errno.ENOENT, /slot 3/],
    [() => vm.getDirtyLog(512), Errno.EINVAL, /give 0 to 511/],
    [() => vm.getDirtyLog(-1), Errno.EINVAL, /slot -1/],
    [() => vm.clearDirtyLog(0, 1, 64, bits), Errno.EINVAL, /first page 1; give a multiple of 64/],
    [() => vm.clearDirtyLog(0, -64, 64, bits), Errno.EINVAL, /first page -64/],
    [() => vm.clearDirtyLog(0, 0, 65, bits), Errno.EINVAL, /65 pages; give a multiple of 64/],
    [() => vm.clearDirtyLog(0, 64, ALL, bits), Errno.EINVAL, /slot 0 has 2048/],
    [() => vm.clearDirtyLog(0, ALL + 64, 0, bits), Errno.EINVAL, /slot 0 has 2048/],
    [() => vm.clearDirtyLog(0, 0, 128, bits.subarray(0, 8)), Errno.EINVAL, /8 bytes of bits/],
    [() => vm.clearDirtyLog(5, 0, 64, bits), Errno.ENOENT, /slot 5/],
    [() => vm.resetDirtyRings(), Errno.EINVAL, /enable KVM_CAP_DIRTY_LOG_RING first/],
    [() => vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", 2), Errno.EINVAL, /give 0, 1 \(enable\), or 3/],
    [() => vm.enableCap("MANUAL_DIRTY_LOG_PROTECT2", 4), Errno.EINVAL, /flags 4/],
    [() => vm.enableCap("NO_SUCH", 1), Errno.EINVAL, /KVM_CAP_NO_SUCH/],
    [() => vm.enableCap("DIRTY_LOG_RING", 3000), Errno.EINVAL, /give a power of two/],
    [() => vm.enableCap("DIRTY_LOG_RING", 0), Errno.EINVAL, /give a power of two/],
    [() => vm.enableCap("DIRTY_LOG_RING", 4096), Errno.EINVAL, /room for more than 576 entries/],
    [() => vm.enableCap("DIRTY_LOG_RING", 2 << 20), Errno.E2BIG, /give at most 1048576/],
    [() => vm.enableCap("DIRTY_LOG_RING", 16384), Errno.EINVAL, /enable rings before KVM_CREATE_VCPU/],
  ];
  for (const [act, errno, message] of rows) {
    const [number, text] = refusal(act);
    expect([number, message.test(text)], text).toEqual([errno, true]);
  }
  const twice = await openLogged([0xf4], { prepare: ringOf(1024) });
  expect(refusal(() => twice.vm.enableCap("DIRTY_LOG_RING", 16384))[1]).toMatch(/enable them once/);
  const flagged = await openLogged([0xf4], dbits);
  expect(refusal(() => flagged.vm.enableCap("DIRTY_LOG_RING", 16384))).toEqual([Errno.EINVAL, expect.stringMatching(/leave that parameter out/)]);
  await expect(openLogged([0xf4], { modprobe: { "kvm.dirty_log": "dbits", "kvm_intel.eptad": "0" } })).rejects.toThrow(/no dirty flags with kvm_intel.eptad=0/);
});
