// A guest in real mode with eight megabytes of RAM in slot 0, for the tests of this folder.
import { readFileSync } from "node:fs";
import { HostComputer } from "../../host/index.ts";
import { parseCpu } from "../../isa/index.ts";
import { KvmError, KvmExit, type KvmVcpu, type KvmVm, loadKvm, openKvm, parseParams } from "../uapi.ts";

export const MB = 1 << 20;
const wasm = new WebAssembly.Module(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));

export interface Settings {
  readonly silicon?: "intel" | "amd";
  readonly modprobe?: Readonly<Record<string, string>>;
  /** Called before there is a vCPU. */
  readonly prepare?: (vm: KvmVm) => void;
}
export interface LoggedGuest {
  readonly vm: KvmVm;
  readonly vcpu: KvmVcpu;
  readonly host: HostComputer;
  /** Sets the flags of slot 0. */
  flags(flags: number): void;
  /** Runs to the guest's next IN from port 60h. */
  untilIo(): void;
}

/** `code` lies at 0:1000h. */
export async function openLogged(code: readonly number[], settings: Settings = {}): Promise<LoggedGuest> {
  const { silicon = "intel", modprobe = {} } = settings,
    cpu = parseCpu("qemu64"),
    host = await HostComputer.create({ module: wasm, memory: 24 * MB, cpu, silicon });
  loadKvm(host, cpu, parseParams(new Map(Object.entries(modprobe)), silicon));
  const task = host.fork("test"),
    vm = openKvm(host, task).createVm(),
    ram = task.mm.mmap(8 * MB);
  vm.createIrqchip();
  vm.createPit2();
  settings.prepare?.(vm);
  const flags = (bits: number): void => {
    vm.setUserMemoryRegion({ slot: 0, flags: bits, guestPhysAddr: 0, memorySize: 8 * MB, userspaceAddr: ram });
  };
  flags(0);
  const vcpu = vm.createVcpu(0);
  host.memory.write((task.mm.touch(ram)?.pa ?? 0) + 0x1000, Uint8Array.from(code));
  const s = vcpu.getSregs();
  vcpu.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vcpu.setRegs({ ...vcpu.getRegs(), rip: 0x1000n, rsp: 0x8000n });
  vcpu.run.until = 1_000_000;
  const untilIo = (): void => {
    const exit = vcpu.enter();
    if (exit !== KvmExit.IO) throw new Error(`the guest left with ${exit} at t ${vm.clock.now()}`);
  };
  return { vm, vcpu, host, flags, untilIo };
}

/** Pages whose bit is set. */
export const pages = (log: Uint8Array): number[] =>
  [...log].flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].filter((b) => (byte >> b) & 1).map((b) => i * 8 + b));

/** The errno and the sentence with which a call is refused; 0 when it is not. */
export function refusal(act: () => unknown): [number, string] {
  try {
    act();
  } catch (error) {
    if (error instanceof KvmError) return [error.errno, error.message];
    throw error;
  }
  return [0, ""];
}
