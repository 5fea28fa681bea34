// The ten engines, and the guests that they run to the same state.
import { existsSync, readFileSync } from "node:fs";
import { guestImages, type GuestName } from "../../guests/build.ts";
import { parseCpu } from "../../src/isa/index.ts";
import { parseParams } from "../../src/kvm/uapi.ts";
import { TcgVm } from "../../src/tcg/index.ts";
import { KvmAccel, Machine, type MachineOptions, userMemorySize } from "../../src/vmm/public.ts";

export interface Engine {
  readonly name: string;
  /** None: the bare machine, which the others have to equal. */
  readonly kvm?: { readonly silicon: "intel" | "amd"; readonly modprobe: Readonly<Record<string, string>> };
}
const intel = (modprobe: Record<string, string>): Engine["kvm"] => ({ silicon: "intel", modprobe });
const amd = (modprobe: Record<string, string>): Engine["kvm"] => ({ silicon: "amd", modprobe });
export const engines: readonly Engine[] = [
  { name: "bare" },
  { name: "vmx-vtlb", kvm: intel({ "kvm_intel.ept": "0", "kvm.mmu": "vtlb" }) },
  { name: "vmx-cached", kvm: intel({ "kvm_intel.ept": "0", "kvm.mmu": "cached" }) },
  { name: "vmx-ept", kvm: intel({}) },
  { name: "vmx-real", kvm: intel({ "kvm_intel.unrestricted_guest": "0" }) },
  { name: "vmx-auto", kvm: intel({ "kvm.mmu": "auto" }) },
  { name: "svm-vtlb", kvm: amd({ "kvm_amd.npt": "0", "kvm.mmu": "vtlb" }) },
  { name: "svm-cached", kvm: amd({ "kvm_amd.npt": "0", "kvm.mmu": "cached" }) },
  { name: "svm-npt", kvm: amd({}) },
  { name: "svm-auto", kvm: amd({ "kvm.mmu": "auto" }) },
];

const MIB = 1 << 20;
const FIRMWARE = 256 * 1024;
/** Guests by name: where the run ends, in billions of instructions. */
export const guests: Readonly<Record<string, { readonly end: number; readonly bench?: boolean }>> = {
  hello64: { end: 0.04 },
  "two-processes": { end: 0.02 },
  seabios: { end: 0.2 },
  "linux-amd64": { end: 3.9, bench: true },
  "linux-i386": { end: 9.7, bench: true },
};

/** Is everything there that a guest needs? Linux and SeaBIOS come from `npm run guests`. */
export function guestPresent(root: string, name: string): boolean {
  if (name === "seabios") return existsSync(`${root}/guests/cache/seabios/bios-256k.bin`);
  return !name.startsWith("linux-") || existsSync(`${root}/guests/cache/${name}/bzImage`);
}
function optionsOf(root: string, name: string): MachineOptions {
  const image = (path: string) => ({ name: path, bytes: new Uint8Array(readFileSync(`${root}/guests/cache/${path}`)) });
  const common = { noReboot: true };
  if (name === "seabios")
    return {
      ...common,
      ramSize: 64 * MIB,
      bios: image("seabios/bios-256k.bin"),
      vgaBios: image("seabios/vgabios-stdvga.bin").bytes,
    };
  if (!name.startsWith("linux-"))
    return { ...common, ramSize: 16 * MIB, kernel: { name, bytes: guestImages()[name as GuestName] } };
  return {
    ...common,
    ramSize: 256 * MIB,
    kernel: image(`${name}/bzImage`),
    initrd: image(`${name}/initrd.cpio.gz`),
    append: "console=ttyS0 panic=-1 tsc=reliable bench",
  };
}

/** A machine at its reset state on one of the engines. */
export const open = (root: string, module: WebAssembly.Module, engine: Engine, guest: string) =>
  openMachine(module, engine, optionsOf(root, guest));
export async function openMachine(module: WebAssembly.Module, { kvm }: Engine, options: MachineOptions) {
  const { ramSize } = options;
  const settings = {
    module,
    ramSize,
    userMemory: userMemorySize(ramSize, options.bios ? FIRMWARE : 0, options.vga),
    cpu: parseCpu("qemu64,kvm=off,-hypervisor"),
  };
  const vm = kvm
    ? await KvmAccel.create({
        ...settings,
        silicon: kvm.silicon,
        params: parseParams(new Map(Object.entries(kvm.modprobe)), kvm.silicon),
      })
    : await TcgVm.create(settings);
  return { vm, machine: new Machine(vm, { rtcBase: 1_704_067_200, ...options }) };
}
export type Opened = Awaited<ReturnType<typeof open>>;

/** State hash at each of the times, and what the run took. */
export async function hashes(root: string, module: WebAssembly.Module, engine: Engine, guest: string, times: readonly number[]) {
  const { vm, machine } = await open(root, module, engine, guest),
    from = process.cpuUsage().user;
  const found = times.map((t) => {
    machine.run(t);
    return machine.stateHash();
  });
  const seconds = (process.cpuUsage().user - from) / 1e6;
  return { hashes: found, seconds, exits: vm instanceof KvmAccel ? vm.stats.byReason() : {} };
}

const PAGE = 4096;
/** What differs between two machines at the same t: registers by name, memory by its place in user memory; at most `most` lines. */
export function differences(a: Opened, b: Opened, most: number): string[] {
  const lines: string[] = [];
  const state = (m: Opened): Map<string, string> => {
    const flat = new Map<string, string>();
    const add = (value: unknown, name: string): void => {
      if (typeof value === "object" && value !== null)
        for (const [key, inner] of Object.entries(value)) add(inner, `${name}.${key}`);
      else flat.set(name, typeof value === "bigint" ? `0x${value.toString(16)}` : String(value));
    };
    add({ ...m.vm.regs(), ...m.vm.sregs(), ...m.vm.debugRegs() }, "");
    add(m.vm.events(), ".events");
    return flat;
  };
  const other = state(b);
  for (const [name, value] of state(a))
    if (other.get(name) !== value && lines.length < most) lines.push(`${name.slice(1)}: ${value} and ${other.get(name)}`);
  const pages = [a, b].map(() => new Uint8Array(PAGE)) as [Uint8Array, Uint8Array];
  for (let page = 0; page < a.vm.userMemory.pages && lines.length < most; page++) {
    a.vm.userMemory.readPage(page, pages[0].fill(0));
    b.vm.userMemory.readPage(page, pages[1].fill(0));
    const [x, y] = pages.map((bytes) => new DataView(bytes.buffer)) as [DataView, DataView];
    for (let i = 0; i < PAGE && lines.length < most; i += 8) {
      const [v, w] = [x.getBigUint64(i, true), y.getBigUint64(i, true)];
      if (v !== w) lines.push(`memory ${(page * PAGE + i).toString(16)}: ${v.toString(16)} and ${w.toString(16)}`);
    }
  }
  return lines;
}
