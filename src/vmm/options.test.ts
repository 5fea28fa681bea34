import { cpuidHas } from "../isa/index.ts";
import { expect, test } from "vitest";
import { OptionError } from "./optionerror.ts";
import { parseModules, parseOptions } from "./options.ts";

const mib = 1024 * 1024;

test("without arguments the machine has QEMU's 128 MiB and runs under KVM on Intel", () => {
  const o = parseOptions([]);
  expect([o.memory, o.smp, o.accel, o.host, o.maxInsns]).toEqual([128 * mib, 1, "kvm", "intel", Infinity]);
});

test("the line of a Linux boot is understood", () => {
  const o = parseOptions([
    "-m",
    "256",
    "-kernel",
    "bzImage",
    "-initrd",
    "i.gz",
    "-append",
    "console=ttyS0 panic=-1",
    "-smp",
    "1",
    "-nographic",
    "-no-reboot",
    "-accel",
    "tcg,thread=single",
    "-cpu",
    "qemu64,vendor=GenuineIntel,kvm=off,-hypervisor,+vmx",
  ]);
  expect([o.kernel, o.initrd, o.append, o.serial, o.noReboot, o.accel]).toEqual([
    "bzImage",
    "i.gz",
    "console=ttyS0 panic=-1",
    "stdio",
    true,
    "tcg",
  ]);
  expect([o.cpu.name, o.cpu.kvm, cpuidHas(o.cpu.leaves, "hypervisor"), cpuidHas(o.cpu.leaves, "vmx")]).toEqual(["qemu64", false, false, true]);
  // GenuineIntel lies in EBX, EDX, ECX of leaf 0.
  expect(o.cpu.leaves[0]?.ebx).toBe(0x756e6547);
});

test("the dirty log's parameters and the size of its ring are taken", () => {
  expect(parseOptions(["-accel", "kvm,dirty-ring-size=4096"]).dirtyRing).toBe(4096);
  expect(parseOptions(["-accel", "kvm"]).dirtyRing).toBe(0);
  const { params } = parseOptions(["-modprobe", "kvm_intel.pml=0,kvm.eager_page_split=0,kvm.dirty_log=dbits"]);
  expect(params).toMatchObject({ pml: false, eagerPageSplit: false, dirtyLog: "dbits" });
});
test("hot code is translated unless the accelerator's jit property says otherwise", () => {
  expect(parseOptions(["-accel", "kvm,jit=on"])).toMatchObject({ accel: "kvm", jit: true });
  expect(parseOptions(["-accel", "tcg,jit=off"])).toMatchObject({ accel: "tcg", jit: false });
  expect(parseOptions(["-accel", "tcg"]).jit).toBe(true);
});

test("our own options are understood, with one dash or two", () => {
  const o = parseOptions([
    "-host",
    "amd",
    "--modprobe",
    "kvm_amd.npt=1,kvm.ignore_msrs=Y",
    "-until",
    "BOOTED",
    "-max-insns",
    "300000000",
    "-stats",
    "s.json",
    "-state-hash",
    "-clock",
    "cost",
    "-pace",
    "real",
  ]);
  expect([o.host, o.until, o.maxInsns, o.stats, o.stateHash, o.clock, o.pace]).toEqual([
    "amd",
    "BOOTED",
    3e8,
    "s.json",
    true,
    "cost",
    "real",
  ]);
  expect([...o.modprobe]).toEqual([
    ["kvm_amd.npt", "1"],
    ["kvm.ignore_msrs", "Y"],
  ]);
});

test.each([
  ["64", 64],
  ["64M", 64],
  ["1G", 1024],
  ["65536k", 64],
  ["size=96M", 96],
  ["3G", 3072],
  ["2049K", 3],
])("-m %s is %i MiB", (text, n) => {
  expect(parseOptions(["-m", text]).memory).toBe(n * mib);
});

test.each<[string[], string]>([
  [["-m", "3073"], "-m: 3073 MiB is too much; give at most 3072"],
  [["-m", "4G"], "-m: 4096 MiB is too much; give at most 3072"],
  [["-m", "lots"], '-m: "lots"; give a size in MiB, or with K, M or G: -m 256'],
  [["-m", "0"], "-m: 0 MiB is too little; give at least 2"],
  [["-m"], "-m: has no value; write -m VALUE"],
  [["-kernal", "x"], "-kernal: unknown option; did you mean -kernel?"],
  [["disk.img"], "disk.img: is no option; there are no disks yet: give -kernel FILE or -bios FILE"],
  [["-smp", "9"], '-smp: "9"; the most SMP CPUs are 8'],
  [["-smp", "255"], '-smp: "255"; the most SMP CPUs are 8'],
  [["-smp", "0"], '-smp: "0"; write a number of CPUs from 1 to 8'],
  [["-smp", "4,sockets=2,cores=2"], '-smp: "4,sockets=2,cores=2"; each socket holds one core: sockets=4'],
  [["-accel", "hvf"], '-accel: "hvf"; choose kvm or tcg'],
  [["-accel", "kvm,dirty-ring-size=100"], '-accel dirty-ring-size: "100"; give a power of two, such as 4096, or 0 for bitmaps'],
  [["-accel", "tcg,dirty-ring-size=4096"], '-accel dirty-ring-size: "4096"; only KVM has a dirty ring: -accel kvm'],
  [["-modprobe", "kvm.mmu=auto,kvm_intel.ept=0"], "-modprobe: kvm.mmu=auto: without EPT there is nothing to choose; give cached or vtlb"],
  [["-host", "amd", "-modprobe", "kvm.mmu=auto,kvm_amd.npt=0"], "kvm.mmu=auto: without nested paging there is nothing to choose"],
  [["-modprobe", "kvm.mmu=auto,kvm.dirty_log=dbits"], "kvm.mmu=auto: shadow tables have no dirty flags to read; leave kvm.dirty_log=dbits out"],
  [["-modprobe", "kvm_intel.ple_gap=often"], "kvm_intel.ple_gap=often: not a number that fits; give 0 to 4294967295"],
  [["-host", "amd", "-modprobe", "kvm_amd.pause_filter_count=65536"], "kvm_amd.pause_filter_count=65536: not a number that fits; give 0 to 65535"],
  [["-modprobe", "kvm_intel.unrestricted_guest=0,kvm_intel.emulate_invalid_guest_state=0"], "kvm_intel.emulate_invalid_guest_state=0: real mode is emulated without an unrestricted guest; leave it out"],
  [["-modprobe", "kvm.dirty_log=maybe"], "-modprobe: kvm.dirty_log=maybe: no such method; give auto or dbits"],
  [["-accel", "tcg,jit=maybe"], '-accel jit: "maybe"; choose on or off'],
  [["-machine", "q35"], '-machine: "q35"; the machine is pc'],
  [["-cpu", "qemu64,=1"], '-cpu: "=1"; no such feature or setting'],
  [["-initrd", "i"], "-initrd: has no kernel to go with; add -kernel FILE"],
  [["-append", "x"], "-append: has no kernel to go with; add -kernel FILE"],
  [["-max-insns", "-1"], '-max-insns: "-1"; give a whole number from 1 up'],
  [["-modprobe", "ext4.x=1"], '-modprobe: "ext4.x=1"; write module.parameter=value, such as kvm_intel.ept=1'],
  [
    ["-modprobe", "kvm_intel.nested=1"],
    "-modprobe: kvm_intel.nested=1: a guest has no VT-x yet; leave it out, or give kvm_intel.nested=0",
  ],
  [
    ["-modprobe", "kvm_intel.preemption_timer=1"],
    "-modprobe: kvm_intel.preemption_timer=1: timers of the guest end its slices; leave it out, or give",
  ],
  [["-modprobe", "kvm_intel.eptt=1"], "-modprobe: kvm_intel.eptt: module kvm_intel has no such parameter; known are"],
  [["-modprobe", "kvm_amd.npt=1"], "-modprobe: kvm_amd.npt: no module kvm_amd on this host; known are kvm and"],
  [["-host", "amd", "-modprobe", "kvm_intel.vpid=1"], "-modprobe: kvm_intel.vpid: no module kvm_intel on this host; known are kvm and kvm_amd"],
  [["-host", "amd", "-modprobe", "kvm.mmu=fast"], "-modprobe: kvm.mmu=fast: no such method; give"],
  [["-modprobe", "kvm_intel.vpid=2"], "-modprobe: kvm_intel.vpid=2: not a truth value; give 0 or 1"],
  [["-host", "arm"], '-host: "arm"; choose intel or amd'],
  [["-serial", "tcp:1"], '-serial: "tcp:1"; choose stdio or none'],
  [["-until", ""], "-until: is empty; give the text to wait for"],
  [["-device", "e1000"], '-device: "e1000"; known are isa-debug-exit, pc-testdev, pci-testdev'],
  [["-device", "pc-testdev,x=1"], '-device: "pc-testdev,x=1"; known are isa-debug-exit, pc-testdev, pci-testdev'],
  [["-device", "isa-debug-exit,iobase=0x10000"], '"iobase=0x10000"; write iobase=0xf4,iosize=4'],
  [["-device", "isa-debug-exit,iosize=3"], '"iosize=3"; write iobase=0xf4,iosize=4'],
  [["-machine", "kernel-irqchip=maybe"], '-machine kernel-irqchip: "maybe"; choose on or off or split'],
  [["-accel", "tcg", "-no-kvm-irqchip"], '"off"; without KVM there is no kernel for the chips: leave it out'],
  [["-machine", "vmport=on"], '-machine vmport: "on"; choose off or auto'],
  [["-machine", "nvdimm=on"], '-machine: "nvdimm=on"; known are accel, kernel-irqchip, pit, hpet'],
  [["-global", "kvm-pit.lost_tick_policy=slew"], '-global kvm-pit.lost_tick_policy: "slew"; choose delay or discard'],
  [["-accel", "tcg", "-global", "kvm-pit.lost_tick_policy=delay"], '"delay"; the PIT is not in KVM: give discard, or -accel kvm with all chips in the kernel'],
  [["-machine", "kernel-irqchip=split", "-global", "kvm-pit.lost_tick_policy=delay"], '"delay"; the PIT is not in KVM'],
  [["-global", "mc146818rtc.lost_tick_policy=slew"], '-global: "mc146818rtc.lost_tick_policy=slew"; known is kvm-pit.lost_tick_policy=delay|discard'],
  [["-overcommit", "cpu-pm=maybe"], '-overcommit cpu-pm: "maybe"; choose on or off'],
  [["-vnc", ":0"], '-vnc: ":0"; choose none'],
  [["-cpu", "qemu64,+avx"], '-cpu: "+avx"; the silicon does not have it: leave it out'],
  [["-cpu", "host,hv_passthrough"], '-cpu: "hv_passthrough"; no such feature or setting'],
  [["-cpu", "max,phys-bits=52"], '-cpu: "phys-bits=52"; give a number from 0 to 40'],
  [["-rtc", "base=now"], '-rtc: "base=now"; write base=utc, base=localtime or base=2026-01-31T12:00:00'],
  [["-boot", "menu=yes"], '-boot menu: "yes"; choose on or off'],
])("%j is refused in one line", (args, message) => {
  expect(() => parseOptions(args)).toThrow(OptionError);
  expect(() => parseOptions(args)).toThrow(message);
});

test.each(["\n\n", "-\u0000", "-constructor", "-__proto__", "--", "-", "-x".repeat(500), "-a\nb"])(
  "%j is an OptionError of one short line",
  (bad) => {
    expect(() => parseOptions([bad])).toThrow(OptionError);
    expect(() => parseOptions([bad])).toThrow(/^[\x20-\x7e]{1,200}$/);
  },
);

test("-device places isa-debug-exit as QEMU does and plugs pc-testdev", () => {
  const plain = parseOptions([]);
  expect([plain.debugExit, plain.pcTestdev]).toEqual([{ base: 0xf4, size: 4 }, false]);
  const o = parseOptions(["-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"]);
  expect([o.debugExit, o.pcTestdev]).toEqual([{ base: 0xf4, size: 4 }, true]);
  expect(parseOptions(["-device", "isa-debug-exit"]).debugExit).toEqual({ base: 0x501, size: 2 });
});

test("multiboot modules have words of their own, and a doubled comma is one", () => {
  expect(parseModules("env a b,second")).toEqual([
    { file: "env", commandLine: "env a b" },
    { file: "second", commandLine: "second" },
  ]);
  expect(parseModules("a,,b")).toEqual([{ file: "a,b", commandLine: "a,b" }]);
});

test("the line that kvm-unit-tests' own script gives is understood", () => {
  const line = "--no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 -display none -serial stdio -device pci-testdev -machine accel=kvm -kernel x86/vmexit.flat -smp 1 -machine pit=off -cpu qemu64,+x2apic,+tsc-deadline -append";
  expect(parseOptions([...line.split(" "), "ipi"])).toMatchObject({
    noReboot: true, debugExit: { base: 0xf4, size: 4 }, pcTestdev: true, pciTestdev: true, serial: "stdio", accel: "kvm", pit: false, append: "ipi",
  });
});

test("questions are answered instead of a run, in QEMU's form", () => {
  const shown = (...args: string[]) => parseOptions(args).show ?? "";
  expect(shown("--help").split("\n")[0]).toMatch(/^\S+ emulator version \d+\.\d+\.\d+ .*QEMU/);
  for (const question of ["?", "help"]) expect(shown("-device", question)).toContain('name "pc-testdev", bus ISA');
  expect(shown("-machine", "?")).toContain("pc   ");
  expect(shown("-cpu", "help")).toContain("x86 IvyBridge\n");
  expect([shown("-accel", "help"), shown("-version")]).toEqual([expect.stringContaining("kvm"), expect.stringMatching(/^Vitrine emulator version/)]);
});

test("older spellings stand for properties of the machine", () => {
  expect(parseOptions(["-no-kvm"]).accel).toBe("tcg");
  expect(parseOptions(["-no-kvm-irqchip", "-no-hpet", "-debugcon", "stdio"])).toMatchObject({ accel: "kvm", kernelIrqchip: "off", hpet: false, debugcon: "stdio" });
  expect(parseOptions(["-machine", "pc,accel=kvm,kernel-irqchip=off,pit=off,usb=off"])).toMatchObject({ kernelIrqchip: "off", pit: false });
});

test("processor max is the silicon's: the host's under KVM, on the bare machine the one that has what is asked for", () => {
  const vendor = (...args: string[]) => (parseOptions(args).cpu.leaves[0]?.ebx === 0x756e6547 ? "intel" : "amd");
  expect([vendor("-cpu", "max"), vendor("-cpu", "max", "-host", "amd"), vendor("-accel", "tcg", "-cpu", "max,+svm")]).toEqual(["intel", "amd", "amd"]);
  expect(vendor("-cpu", "max,+svm")).toBe("intel");
});
