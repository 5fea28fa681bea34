import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { flatSegment } from "../base/index.ts";
import { HostComputer } from "../host/index.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { KvmExit, loadKvm, openKvm, parseParams } from "./uapi.ts";

const MB = 1024 * 1024;
const wasm = new WebAssembly.Module(readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))));
const vendors = ["intel", "amd"] as const;
type Vendor = (typeof vendors)[number];
const own = { intel: "vmcall", amd: "vmmcall" } as const;
const SYSTEM_TIME = 0x4b564d01,
  WALL_CLOCK = 0x4b564d00,
  STEAL_TIME = 0x4b564d03,
  PV_EOI = 0x4b564d04;

/** A guest in real mode at 0:1000h with 4 MiB of RAM; the handler of vector `at` lies where the source says. */
async function guest(vendor: Vendor, source: string, model = "qemu64", modprobe: Readonly<Record<string, string>> = {}) {
  const cpu = parseCpu(model),
    host = await HostComputer.create({ module: wasm, memory: 24 * MB, cpu, silicon: vendor });
  loadKvm(host, cpu, parseParams(new Map(Object.entries(modprobe)), vendor));
  const task = host.fork("test"),
    vm = openKvm(host, task).createVm(),
    ram = task.mm.mmap(4 * MB);
  vm.createIrqchip();
  vm.setUserMemoryRegion({ slot: 0, flags: 0, guestPhysAddr: 0, memorySize: 4 * MB, userspaceAddr: ram });
  const vcpu = vm.createVcpu(0),
    pa = task.mm.touch(ram)?.pa ?? 0;
  host.memory.write(pa + 0x1000, assemble(`bits 16\norg 0x1000\n${source}`).bytes);
  const s = vcpu.getSregs();
  vcpu.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vcpu.setRegs({ ...vcpu.getRegs(), rip: 0x1000n, rsp: 0x8000n });
  vcpu.run.until = 100_000;
  const bytes = (at: number, n: number): Buffer => Buffer.from(host.memory.bytes(pa + at, n));
  const put = (at: number, ...values: number[]): void => host.memory.write(pa + at, Uint8Array.from(values));
  return { vm, vcpu, bytes, put, eax: () => Number(vcpu.getRegs().rax & 0xffffffffn) | 0 };
}

test.each(vendors)("a hypercall answers in RAX on %s, one that does not exist with -ENOSYS", async (vendor) => {
  for (const [nr, answer] of [[1, 0], [5, 0], [11, 0], [9, -1000], [12345, -1000]] as const) {
    const { vcpu, eax } = await guest(vendor, `mov eax, ${nr}\n${own[vendor]}\nin al, 0x60`);
    expect(vcpu.enter()).toBe(KvmExit.IO);
    expect(eax(), `hypercall ${nr}`).toBe(answer);
  }
});

test.each(vendors)("a user program on %s may not call: -EPERM", async (vendor) => {
  const { vcpu, eax } = await guest(vendor, `bits 32\nmov eax, 1\n${own[vendor]}\nin al, 0x60`),
    s = vcpu.getSregs(),
    user = (selector: number, type: 3 | 11) => ({ ...flatSegment(selector, type), dpl: 3 });
  const data = user(0x23, 3);
  vcpu.setSregs({ ...s, cr0: 0x11n, cs: user(0x1b, 11), ss: data, ds: data, es: data });
  vcpu.setRegs({ ...vcpu.getRegs(), rflags: 0x3002n });
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect(eax()).toBe(-1);
});

test.each(vendors)("the other vendor's hypercall is replaced in the guest's memory on %s", async (vendor) => {
  const { vcpu, bytes, eax } = await guest(vendor, `mov eax, 1\n${vendor === "intel" ? "vmmcall" : "vmcall"}\nin al, 0x60`);
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect([eax(), bytes(0x1006, 3).toString("hex")]).toEqual([0, vendor === "intel" ? "0f01c1" : "0f01d9"]);
});

test("#UD of the guest's own is the guest's", async () => {
  const { vcpu, put } = await guest("intel", "ud2\ntimes 0x100-2 db 0x90\nin al, 0x61");
  put(0x18, 0x00, 0x11, 0, 0);
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect([vcpu.run.io.port, vcpu.getRegs().rsp]).toEqual([0x61, 0x7ffan]);
});

const write = (msr: number, value: number): string => `mov ecx, ${msr}\nmov eax, ${value}\nxor edx, edx\nwrmsr\n`;

test("the system time is t, with the TSC it belongs to, behind an even version; the wall clock is the time of day at t = 0", async () => {
  const { vm, vcpu, bytes } = await guest("intel", `nop\n${write(SYSTEM_TIME, 0x2001)}${write(WALL_CLOCK, 0x3000)}in al, 0x60`);
  vm.wallClock = 1_700_000_000;
  expect(vcpu.enter()).toBe(KvmExit.IO);
  const page = bytes(0x2000, 32);
  // Four instructions came before; WRMSR reads the time before its own tick.
  expect([page.readUInt32LE(0), page.readBigUInt64LE(8), page.readBigUInt64LE(16)]).toEqual([2, 4n, 4n]);
  // ns = (ticks << shift) * mul >> 32 is one to one, and the TSC is stable.
  expect([page.readUInt32LE(24), page.readInt8(28), page[29]]).toEqual([0x80000000, 1, 1]);
  expect([bytes(0x3000, 4).readUInt32LE(0), bytes(0x3004, 4).readUInt32LE(0)]).toEqual([2, 1_700_000_000]);
  expect(vm.getClock()).toBe(vm.clock.now());
});

test("a write of the TSC renews the system time", async () => {
  const { vcpu, bytes } = await guest("intel", `${write(SYSTEM_TIME, 0x2001)}${write(0x10, 1_000_000)}in al, 0x60`);
  expect(vcpu.enter()).toBe(KvmExit.IO);
  const page = bytes(0x2000, 32);
  expect([page.readUInt32LE(0), page.readBigUInt64LE(8), page.readBigUInt64LE(16)]).toEqual([4, 1_000_000n, 7n]);
});

test("KVM's MSRs are there where CPUID announces them: not with kvm=off, asynchronous page faults never", async () => {
  const on = await guest("intel", "hlt"), off = await guest("intel", "hlt", "qemu64,kvm=off");
  for (const msr of [0x11, 0x12, WALL_CLOCK, SYSTEM_TIME, STEAL_TIME, PV_EOI])
    expect([on.vcpu.getMsr(msr), off.vcpu.getMsr(msr)], msr.toString(16)).toEqual([0n, undefined]);
  expect([on.vcpu.getMsr(0x4b564d02), on.vcpu.setMsr(STEAL_TIME, 0x2003n), on.vcpu.setMsr(PV_EOI, 0x2003n)]).toEqual([undefined, false, false]);
});

test("steal time says that nothing is stolen", async () => {
  const { vcpu, bytes, put } = await guest("intel", `${write(STEAL_TIME, 0x2041)}in al, 0x60`);
  put(0x2048, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect([bytes(0x2040, 8).readBigUInt64LE(0), bytes(0x2048, 4).readUInt32LE(0), bytes(0x2050, 1)[0]]).toEqual([0n, 2, 0]);
});

test.each([true, false])("an interrupt that the guest ends in its memory (%s) is over at the next exit", async (ends) => {
  // The handler of vector 30h lies at 1100h.
  const { vm, vcpu, bytes, put } = await guest("intel", `sti\nnop\njmp $\ntimes 0x100-4 db 0x90\n${ends ? "btr word [0x2000], 0\n" : "mov al, [0x2000]\n"}in al, 0x60`),
    lapic = vm.chips.lapics[0];
  put(0xc0, 0x00, 0x11, 0, 0);
  vcpu.setMsr(PV_EOI, 0x2001n);
  lapic?.mmioWrite(0xf0, 4, 0x1ff);
  vcpu.run.until = 100;
  vcpu.enter();
  lapic?.accept(0, 0x30, false);
  vcpu.run.until = 1000;
  expect(vcpu.enter()).toBe(KvmExit.IO);
  // Whoever has not ended it there has to do so by the register: the offer is gone.
  expect([lapic?.inService, bytes(0x2000, 1)[0], vcpu.getRegs().rflags & 1n]).toEqual(ends ? [-1, 0, 1n] : [0x30, 0, 0n]);
});

const PREFIX = "db 0x0f, 0x0b, 0x6b, 0x76, 0x6d\n";
test.each(vendors)("the test prefix has an instruction completed in software on %s, and counted once", async (vendor) => {
  const source = `mov bx, 0x500\n${PREFIX}add word [bx], 7\n${PREFIX}cpuid\nin al, 0x60`;
  const { vm, vcpu, bytes } = await guest(vendor, source, "qemu64", { "kvm.force_emulation_prefix": "1" });
  expect(vcpu.enter()).toBe(KvmExit.IO);
  expect([bytes(0x500, 1)[0], vcpu.getRegs().rbx & 0xffffffffn, vm.clock.now()]).toEqual([7, 0x68747541n, 3]);
  const off = await guest(vendor, source);
  off.put(0x18, 0x00, 0x15, 0, 0);
  off.put(0x1500, 0xe4, 0x66);
  expect([off.vcpu.enter(), off.vcpu.run.io.port]).toEqual([KvmExit.IO, 0x66]);
});

test("a forced WRMSR is checked as the processor would", async () => {
  const prefixed = (index: number, high: number) => `mov ecx, ${index}\nmov edx, ${high}\nxor eax, eax\n${PREFIX}wrmsr\nin al, 0x60`;
  for (const [index, high, port] of [[0xc0000100, 0x800000, 0x66], [0xc0000100, 0xffff8000, 0x60], [0x277, 0x2000000, 0x66], [0x1d9, 1, 0x66]] as const) {
    const { vcpu, put } = await guest("intel", prefixed(index, high), "qemu64", { "kvm.force_emulation_prefix": "1" });
    put(0x34, 0x00, 0x15, 0, 0);
    put(0x1500, 0xe4, 0x66);
    expect([vcpu.enter(), vcpu.run.io.port], index.toString(16)).toEqual([KvmExit.IO, port]);
  }
});

test.each(vendors)("a second NMI on %s waits for the IRET of the first, and comes", async (vendor) => {
  const { vcpu, bytes, put } = await guest(vendor, "jmp $");
  put(8, 0x00, 0x15, 0, 0);
  put(0x1500, 0xff, 0x06, 0x00, 0x05, 0xe4, 0x60, 0xcf); // inc word [500h]; in al,60h; iret
  vcpu.nmi();
  expect(vcpu.enter()).toBe(KvmExit.IO);
  vcpu.nmi();
  expect([vcpu.enter(), bytes(0x500, 1)[0]]).toEqual([KvmExit.IO, 2]);
  expect(vcpu.enter()).toBe(KvmExit.INTR);
});

test.each(vendors)("a single step over HLT traps at once on %s", async (vendor) => {
  const { vcpu, put } = await guest(vendor, "pushf\npop ax\nor ax, 0x100\npush ax\npopf\nhlt\nin al, 0x61");
  put(4, 0x00, 0x15, 0, 0);
  put(0x1500, 0xe4, 0x60); // in al,60h
  expect([vcpu.enter(), vcpu.run.io.port, vcpu.getRegs().rip]).toEqual([KvmExit.IO, 0x60, 0x1500n]);
  expect(vcpu.getMpState()).toBe("runnable");
});

test("x2APIC mode is refused where CPUID does not have it", async () => {
  const without = await guest("intel", "hlt"), with_ = await guest("intel", "hlt", "qemu64,+x2apic");
  expect([without.vcpu.setMsr(0x1b, 0xfee00d00n), with_.vcpu.setMsr(0x1b, 0xfee00d00n)]).toEqual([false, true]);
  expect(without.vcpu.setMsr(0x1b, 0x100_fee0_0900n)).toBe(false);
});
