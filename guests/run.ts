// Runs one of our guests in Node, for tests and labs.
import { readFileSync } from "node:fs";
import { parseCpu } from "../src/isa/index.ts";
import { TcgVm } from "../src/tcg/index.ts";
import { KvmAccel, Machine, type MachineStop, userMemorySize } from "../src/vmm/public.ts";
import { guestImages, type GuestName } from "./build.ts";

export interface RunOptions {
  readonly cpu?: string;
  /** The bare machine by default. */
  readonly accel?: "tcg" | "kvm";
  /** Whose processor KVM finds; Intel's by default. */
  readonly silicon?: "intel" | "amd";
  /** CPUs of the machine, and of the computer that KVM runs on. */
  readonly cpus?: number;
  readonly hostCpus?: number;
  /** Instructions at most; four billion by default, most of which are idle time. */
  readonly limit?: number;
  readonly until?: (serial: string) => boolean;
  /** Typed once the serial output holds `keysAfter`. */
  readonly keys?: string;
  readonly keysAfter?: string;
}

export interface RunResult {
  readonly serial: string;
  readonly stop: MachineStop;
  readonly vm: TcgVm | KvmAccel;
}

const MEMORY = 16 << 20;
const SLICE = 10_000_000;

/** Starts a guest through the multiboot loader and gives what it printed on the serial port. */
export async function runGuest(name: GuestName, options: RunOptions): Promise<RunResult> {
  const core = readFileSync(new URL("../build/core.wasm", import.meta.url));
  const settings = {
    module: new WebAssembly.Module(core),
    ramSize: MEMORY,
    userMemory: userMemorySize(MEMORY, 0),
    cpu: parseCpu(options.cpu ?? "qemu64"),
    ...(options.silicon && { silicon: options.silicon }),
    cpus: options.cpus,
    hostCpus: options.hostCpus,
  };
  const vm = options.accel === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  let serial = "";
  const machine = new Machine(vm, {
    ramSize: MEMORY,
    cpus: options.cpus ?? 1,
    kernel: { name, bytes: guestImages()[name] },
    noReboot: true,
    onSerial: (bytes) => {
      serial += new TextDecoder("latin1").decode(bytes);
    },
  });
  let keys = new TextEncoder().encode(options.keys ?? "");
  const limit = options.limit ?? 4_000_000_000;
  for (;;) {
    const stop = machine.run(Math.min(vm.clock.now() + SLICE, limit));
    const done = options.until?.(serial) || vm.clock.now() >= limit;
    if (stop.kind !== "budget" || done) return { serial, stop, vm };
    if (keys.length > 0 && serial.includes(options.keysAfter ?? "")) {
      keys = keys.slice(machine.uart.receive(keys));
    }
  }
}
