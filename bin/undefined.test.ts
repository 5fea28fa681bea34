import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { UndefinedLog } from "./undefined-log.ts";
import { parseCpu } from "../src/isa/index.ts";
import { TcgVm } from "../src/tcg/index.ts";
import { KvmAccel, Machine, userMemorySize } from "../src/vmm/public.ts";

const wasm = new WebAssembly.Module(readFileSync(new URL("../build/core.wasm", import.meta.url)));
const ramSize = 2 << 20;

/** NOP; UD2, which is meant; or 0F 04, which no processor knows; both end in a triple fault, as there is no IDT. */
function kernel(opcode: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(256);
  const header = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), 0x100000, 0x100000, 0, 0, 0x100040];
  bytes.set(new Uint8Array(new Uint32Array(header).buffer));
  bytes.set([0x90, ...opcode], 0x40);
  return bytes;
}

async function run(accel: "tcg" | "kvm", opcode: readonly number[]) {
  const settings = { module: wasm, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64") };
  const vm = accel === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  const machine = new Machine(vm, { ramSize, kernel: { name: "undefined", bytes: kernel(opcode) } });
  expect(machine.run(1000).kind).toBe("shutdown");
  return vm;
}

test.each(["tcg", "kvm"] as const)("an opcode that the processor does not know is #UD with a record, %s", async (accel) => {
  const vm = await run(accel, [0x0f, 0x04]);
  const { count, latest } = vm.undefinedInstructions();
  expect(count).toBe(1);
  expect(latest[0]?.linear).toBe(0x100041n);
  expect([...(latest[0]?.bytes ?? [])].slice(0, 3)).toEqual([0x0f, 0x04, 0]);
  const lines: string[] = [];
  const log = new UndefinedLog(() => vm.undefinedInstructions(), (line) => lines.push(line));
  log.write();
  log.write();
  expect(lines).toEqual(["unimp: t=1 at 0000000000100041: 0f 04 00 00 00 00 00 00 00 00 00 00 00 00 00: #UD"]);
});

test("UD2 is no unknown opcode", async () => {
  expect((await run("tcg", [0x0f, 0x0b])).undefinedInstructions().count).toBe(0);
});
