import { expect, test } from "vitest";
import { assemble } from "../isa/index.ts";
import { testMachine } from "./fixtures/dirtier.ts";

/** Writes the TSC, then halts. */
const bytes = assemble(`bits 32
org 0x100000
header: dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
start:
  mov ecx, 0x10
  mov eax, 0x12345678
  mov edx, 9
  wrmsr
  jmp $
image_end:
`).bytes;

test.each([{}, { accel: "kvm" }, { accel: "kvm", silicon: "amd" }] as const)("RESET begins the TSC at 0, whatever the guest has made of it: %j", async (place) => {
  const { machine, vm, runTo } = await testMachine({ kernel: { name: "tsc", bytes }, ...place });
  runTo(1000);
  const tsc = (): bigint => BigInt.asUintN(64, BigInt(JSON.parse(JSON.stringify(machine.save(), (_, v) => (typeof v === "bigint" ? v.toString() : v))).accel.cpus[0].msrs.find(([index]: [number]) => index === 0x10)[1]));
  expect(tsc()).toBeGreaterThan(0x912345678n);
  machine.reset();
  expect([tsc(), vm.clock.now()]).toEqual([0n, 1000]);
  runTo(2000);
  expect(tsc()).toBeGreaterThan(0x912345678n);
});
