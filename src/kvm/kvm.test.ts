import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { HostComputer, HUGE, PAGE } from "../host/index.ts";
import { parseCpu } from "../isa/index.ts";
import {
  Errno,
  KvmError,
  KvmExit,
  type KvmVcpu,
  type KvmVm,
  loadKvm,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  openKvm,
  parseParams,
  Trace,
} from "./uapi.ts";

const MB = 1024 * 1024;
const wasm = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))),
);

async function openVm(modprobe: Readonly<Record<string, string>> = {}) {
  const cpu = parseCpu("qemu64"),
    host = await HostComputer.create({ module: wasm, memory: 24 * MB, cpu });
  loadKvm(host, cpu, parseParams(new Map(Object.entries(modprobe)), "intel"));
  const task = host.fork("test"),
    system = openKvm(host, task),
    vm = system.createVm(),
    ram = task.mm.mmap(8 * MB);
  vm.createIrqchip();
  vm.createPit2();
  return { host, task, system, vm, ram };
}
const region = (ram: number, slot: number, gpa: number, size: number, flags = 0) => ({
  slot,
  flags,
  guestPhysAddr: gpa,
  memorySize: size,
  userspaceAddr: ram + gpa,
});

/** A guest in real mode at 0:1000h with 8 MiB of RAM. */
async function openGuest(code: readonly number[], flags = 0) {
  const opened = await openVm(),
    { vm, ram, task, host } = opened;
  vm.setUserMemoryRegion(region(ram, 0, 0, 8 * MB, flags));
  const vcpu = vm.createVcpu(0),
    page = task.mm.touch(ram);
  host.memory.write((page?.pa ?? 0) + 0x1000, Uint8Array.from(code));
  const s = vcpu.getSregs();
  vcpu.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vcpu.setRegs({ ...vcpu.getRegs(), rip: 0x1000n, rsp: 0x8000n });
  vcpu.run.until = 100000;
  return { ...opened, vcpu };
}

function refusal(act: () => unknown): [number, string] {
  try {
    act();
  } catch (error) {
    if (error instanceof KvmError) return [error.errno, error.message];
    throw error;
  }
  return [0, ""];
}

test("misused ioctls answer with the kernel's errno and a sentence", async () => {
  const { system, vm, ram } = await openVm();
  expect(system.getApiVersion()).toBe(12);
  expect(system.checkExtension("USER_MEMORY")).toBe(1);
  expect(system.checkExtension("NO_SUCH")).toBe(0);
  const rows: [() => unknown, number, RegExp][] = [
    [() => system.createVm(1), Errno.EINVAL, /KVM_CREATE_VM: type 1; give 0/],
    [() => vm.createIrqchip(), Errno.EEXIST, /there is one already/],
    [() => vm.createPit2(), Errno.EEXIST, /there is one already/],
    [() => vm.createVcpu(7), Errno.EINVAL, /vCPU 7/],
    [() => vm.irqLine(24, true), Errno.EINVAL, /GSI 24; give 0 to 23/],
    [() => vm.setTssAddr(5), Errno.EINVAL, /KVM_SET_TSS_ADDR/],
    [() => vm.getDirtyLog(3), Errno.ENOENT, /slot 3/],
    [() => vm.setUserMemoryRegion(region(ram, 0, 0, 0)), Errno.EINVAL, /slot 0 does not exist/],
    [() => vm.setUserMemoryRegion(region(ram, 0, 0, 100)), Errno.EINVAL, /align/],
    [() => vm.setUserMemoryRegion(region(ram, 0, 10, 4096)), Errno.EINVAL, /align/],
    [() => vm.setUserMemoryRegion(region(ram, 9999, 0, 4096)), Errno.EINVAL, /give 0 to 511/],
    [() => vm.setUserMemoryRegion(region(ram, 0, 0, 4096, 8)), Errno.EINVAL, /flags 8/],
    [() => vm.setUserMemoryRegion(region(ram, 0, 2 ** 40, 4096)), Errno.EINVAL, /physical-address width/],
  ];
  for (const [act, errno, message] of rows) {
    const [number, text] = refusal(act);
    expect([number, message.test(text)], text).toEqual([errno, true]);
  }
  vm.setUserMemoryRegion(region(ram, 0, 0, 4 * PAGE));
  expect(refusal(() => vm.setUserMemoryRegion(region(ram, 1, 3 * PAGE, PAGE)))[0]).toBe(Errno.EEXIST);
  expect(refusal(() => vm.setUserMemoryRegion(region(ram, 0, 0, 5 * PAGE)))[1]).toMatch(
    /delete the slot before/,
  );
  vm.createVcpu(0);
  expect(refusal(() => vm.createVcpu(0))[0]).toBe(Errno.EEXIST);
});

test("guest memory is mapped when it is touched, with a 2 MiB page whose frame is the process's", async () => {
  const { vm, vcpu, task, ram } = await openGuest([0xa3, 0x00, 0x20, 0xf4]); // mov [2000h],ax; hlt
  expect(vm.space.tdp.lookup(0).entry).toBe(0n);
  expect(vcpu.enter()).toBe(KvmExit.INTR);
  const { entry, level } = vm.space.tdp.lookup(0x1000);
  expect(level).toBe(2);
  expect(Number(entry & 0xffffffffff000n)).toBe(task.mm.lookup(ram)?.pa);
  expect(entry & 0xbfn).toBe(0xb7n); // read, write, execute, write-back, leaf
  expect(entry & 0x300n).toBe(0x300n); // the processor has marked it accessed and dirty
  expect(vm.space.tdp.counts).toMatchObject({ pages2m: 1, pages4k: 0 });
  expect(vm.stats.byReason()).toEqual({ EPT_VIOLATION: 1, HLT: 1 });
});

test("taking the pages away from the process zaps the second stage, and the next touch maps new ones", async () => {
  const { vm, vcpu, task, ram } = await openGuest([0xa3, 0x00, 0x20, 0xeb, 0xfb]); // again: mov [2000h],ax; jmp again
  vcpu.run.until = 1000;
  vcpu.enter();
  expect(vm.space.tdp.lookup(0x1000).level).toBe(2);
  task.mm.discard(ram, HUGE);
  expect(vm.space.tdp.lookup(0x1000).entry).toBe(0n);
  expect(vm.space.tdp.flushNeeded).toBe(true);
});

/** Bit list of a log. */
const pages = (log: Uint8Array): number[] =>
  [...log].flatMap((byte, i) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((b) => (byte >> b) & 1).map((b) => i * 8 + b),
  );

// mov [2000h],ax; mov ax,[3000h]; mov [5000h],ax; in al,60h; mov [2000h],ax; mov [7000h],ax; in al,60h; mov ax,[2000h]; in al,60h
const writer = [
  0xa3, 0, 0x20, 0xa1, 0, 0x30, 0xa3, 0, 0x50, 0xe4, 0x60, 0xa3, 0, 0x20, 0xa3, 0, 0x70, 0xe4, 0x60, 0xa1, 0,
  0x20, 0xe4, 0x60,
];

function untilIo(vcpu: KvmVcpu): void {
  expect(vcpu.enter()).toBe(KvmExit.IO);
}

test("the dirty log has exactly the pages written since the last reading, none that was only read", async () => {
  const { vm, vcpu } = await openGuest(writer, MEM_LOG_DIRTY_PAGES);
  untilIo(vcpu);
  expect(pages(vm.getDirtyLog(0))).toEqual([2, 5]);
  expect(pages(vm.getDirtyLog(0))).toEqual([]);
  untilIo(vcpu);
  expect(pages(vm.getDirtyLog(0))).toEqual([2, 7]);
  untilIo(vcpu);
  expect(pages(vm.getDirtyLog(0))).toEqual([]);
  expect(vm.space.tdp.counts.pages2m).toBe(0);
});

test("a write to a read-only slot is a device access for user space, a read is plain memory", async () => {
  const { vm, vcpu, ram } = await openGuest([0xb8, 0x34, 0x12, 0xa3, 0x00, 0x20, 0xa1, 0x00, 0x20, 0xf4]);
  vm.setUserMemoryRegion(region(ram, 0, 0, 8 * MB, MEM_READONLY));
  expect(vcpu.enter()).toBe(KvmExit.MMIO);
  expect(vcpu.run.mmio).toMatchObject({ write: true, physAddr: 0x2000, size: 2, data: 0x1234 });
  expect(vcpu.enter()).toBe(KvmExit.INTR);
  expect(vcpu.getRegs().rax & 0xffffn).toBe(0n);
});

test("port input completes in the next KVM_RUN with what user space has put in", async () => {
  const { vcpu } = await openGuest([0xe4, 0x60, 0xf4]); // in al,60h; hlt
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect(vcpu.run.io).toMatchObject({ write: false, port: 0x60, size: 1 });
  vcpu.run.io.data = 0x77;
  expect(vcpu.getRegs().rax & 0xffn).toBe(0n);
  vcpu.run.immediateExit = true;
  expect(vcpu.enter()).toBe(KvmExit.INTR);
  expect([vcpu.getRegs().rax & 0xffn, vcpu.getRegs().rip]).toEqual([0x77n, 0x1002n]);
});

test("a triple fault is KVM_EXIT_SHUTDOWN, for good", async () => {
  const { vcpu } = await openGuest([0x0f, 0x01, 0x1e, 0x00, 0x30, 0x0f, 0x0b]); // lidt [3000h] (limit 0); ud2
  expect(vcpu.enter()).toBe(KvmExit.SHUTDOWN);
  expect(vcpu.enter()).toBe(KvmExit.SHUTDOWN);
});

test("an x87 store to device memory is completed, in as many exits as it has accesses", async () => {
  const { vm, vcpu, ram } = await openGuest([0xdb, 0xe3, 0xd9, 0xe8, 0xdb, 0x3e, 0x00, 0x90, 0xf4]); // fninit; fld1; fstp tword [9000h]; hlt
  vm.setUserMemoryRegion({ ...region(ram, 0, 0, 0) });
  vm.setUserMemoryRegion(region(ram, 0, 0, 0x9000));
  expect(vcpu.enter()).toBe(KvmExit.MMIO);
  expect(vcpu.run.mmio).toMatchObject({ write: true, physAddr: 0x9000, size: 8, data: 0x8000000000000000n });
  expect(vcpu.enter()).toBe(KvmExit.MMIO);
  expect(vcpu.run.mmio).toMatchObject({ write: true, physAddr: 0x9008, size: 2, data: 0x3fff });
  expect(vcpu.enter()).toBe(KvmExit.INTR);
});

test("tracepoints are silent when off and tell entry, exit and cause when on", async () => {
  const off = await openGuest([0x0f, 0xa2, 0xf4]),
    on = await openGuest([0x0f, 0xa2, 0xf4]);
  off.vcpu.enter();
  expect(off.vm.trace.ring.count).toBe(0);
  on.vm.trace.on = true;
  on.vcpu.enter();
  const records = Array.from({ length: on.vm.trace.ring.count }, (_, n) => on.vm.trace.read(n)).flatMap(
    (r) => (r ? [r] : []),
  );
  expect(records.map((r) => r.event).filter((e) => !e.startsWith("kvm_mmu"))).toEqual([
    "kvm_entry",
    "kvm_exit",
    "kvm_page_fault",
    "kvm_entry",
    "kvm_exit",
    "kvm_cpuid",
    "kvm_entry",
    "kvm_exit",
  ]);
  const exits = records.filter((r) => r.event === "kvm_exit").map((r) => Trace.text(r));
  expect(exits[1]).toBe("kvm_exit: vcpu 0 reason CPUID rip 0x1000 info1 0x0");
});

test("a VM without interrupt chips in the kernel takes KVM_INTERRUPT, one vector at a time, and has no PIT", async () => {
  const cpu = parseCpu("qemu64"),
    host = await HostComputer.create({ module: wasm, memory: 8 * MB, cpu });
  loadKvm(host, cpu);
  const vm: KvmVm = openKvm(host, host.fork("t")).createVm();
  const vcpu = vm.createVcpu(0);
  expect(refusal(() => vcpu.interrupt(256))[0]).toBe(Errno.EINVAL);
  vcpu.interrupt(32);
  expect(refusal(() => vcpu.interrupt(33))[0]).toBe(Errno.EEXIST);
  expect(refusal(() => vm.createPit2())[0]).toBe(Errno.ENOENT);
});

test("KVM_NMI is delivered once, is blocked until IRET, and KVM_INTERRUPT belongs to other machines", async () => {
  // again: jmp again; the handler of vector 2 counts at [500h] and asks port 60h before its IRET
  const { vcpu, task, host, ram } = await openGuest([0xeb, 0xfe]),
    pa = task.mm.touch(ram)?.pa ?? 0;
  host.memory.write(pa + 8, Uint8Array.from([0x00, 0x15, 0, 0]));
  host.memory.write(pa + 0x1500, Uint8Array.from([0xff, 0x06, 0x00, 0x05, 0xe4, 0x60, 0xcf]));
  const count = (): number => host.memory.bytes(pa + 0x500, 1)[0] ?? 0;
  vcpu.nmi();
  expect(vcpu.enter()).toBe(KvmExit.IO);
  vcpu.nmi();
  expect([count(), vcpu.getEvents().nmiBlocked, vcpu.getEvents().nmi]).toEqual([1, 1, 1]);
  expect(vcpu.enter()).toBe(KvmExit.IO); // the second one came right after the IRET of the first
  expect(count()).toBe(2);
  expect(vcpu.enter()).toBe(KvmExit.INTR);
  expect([count(), vcpu.getEvents().nmiBlocked, vcpu.getEvents().nmi]).toEqual([2, 0, 0]);
  expect(refusal(() => vcpu.interrupt(32))[0]).toBe(Errno.ENXIO);
});

test("an NMI whose stack is not mapped yet is delivered after the EPT violation, and blocks once", async () => {
  // The handler of vector 2 counts at [500h] and asks port 60h.
  const { vcpu, task, host, ram } = await openGuest([0xeb, 0xfe]),
    pa = task.mm.touch(ram)?.pa ?? 0,
    s = vcpu.getSregs();
  vcpu.setSregs({ ...s, ss: { ...s.ss, base: 4n * BigInt(MB) } });
  host.memory.write(pa + 8, Uint8Array.from([0x00, 0x15, 0, 0]));
  host.memory.write(pa + 0x1500, Uint8Array.from([0xff, 0x06, 0x00, 0x05, 0xe4, 0x60, 0xcf]));
  vcpu.nmi();
  expect(vcpu.enter()).toBe(KvmExit.IO);
  const { nmiBlocked, nmi } = vcpu.getEvents();
  expect([host.memory.bytes(pa + 0x500, 1)[0], nmiBlocked, nmi]).toEqual([1, 1, 0]);
  expect(vcpu.enter()).toBe(KvmExit.INTR);
  expect(vcpu.getEvents().nmiBlocked).toBe(0);
});

test("the local APIC of a vCPU can be read and set", async () => {
  const { vcpu } = await openGuest([0xf4]);
  const state = vcpu.getLapic();
  expect(vcpu.setMsr(0x1b, 0xfee00100n)).toBe(true);
  expect(vcpu.getMsr(0x1b)).toBe(0xfee00100n);
  vcpu.setLapic(state);
  expect(vcpu.getMsr(0x1b)).toBe(0xfee00900n);
});

test("an entry that is refused names the check, and tells the state where dump_invalid_vmcs asks for it", async () => {
  for (const [value, told] of [
    ["0", false],
    ["1", true],
  ] as const) {
    const { vm } = await openVm({ "kvm_intel.dump_invalid_vmcs": value }),
      vcpu = vm.createVcpu(0),
      s = vcpu.getSregs();
    vcpu.setSregs({ ...s, cr0: 0x11n, cs: { ...s.cs, type: 0 } }); // protected mode, and CS is no code
    expect(vcpu.enter()).toBe(KvmExit.FAIL_ENTRY);
    expect(vcpu.run.failEntry.check).toBeGreaterThan(0);
    expect(/^GUEST_CR0 0x[0-9a-f]{2}$/m.test(vcpu.run.failEntry.dump)).toBe(told);
  }
});

test("a vCPU that runs without memory asks user space for every access, and no call of it hangs", async () => {
  const { vm } = await openVm(),
    vcpu = vm.createVcpu(0);
  vcpu.run.until = 1_000_000;
  for (let i = 0; i < 20; i++) {
    expect(vcpu.enter()).toBe(KvmExit.MMIO);
    // What cannot be fetched is #UD: its vector and its frame are in the memory that is not there.
    expect(vcpu.run.mmio.physAddr).toBeLessThan(0x20000);
  }
  expect(vm.clock.now()).toBeLessThan(1000);
});
