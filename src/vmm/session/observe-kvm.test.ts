import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpu } from "../../isa/index.ts";
import { KvmAccel } from "../accel-kvm.ts";
import { observeKvm } from "./observe-kvm.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));
const ramSize = 1 << 20;

test("the exits shown say which of them went to user space", async () => {
  const vm = await KvmAccel.create({ module, ramSize, userMemory: ramSize, cpu: parseCpu("qemu64") });
  vm.attach({
    portRead: () => 0,
    portWrite: () => undefined,
    mmioRead: () => 0n,
    mmioWrite: () => undefined,
  });
  const observer = observeKvm(vm, ramSize);
  vm.setRegion(0, 0, 0xa0000, 0, {});
  // cpuid; in al, 60h; in al, 21h; mov [A0000h], al; hlt
  vm.memory.write(
    0x1000,
    Uint8Array.from([0x0f, 0xa2, 0xe4, 0x60, 0xe4, 0x21, 0xb8, 0, 0xa0, 0x8e, 0xd8, 0xa2, 0, 0, 0xf4]),
  );
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vm.setRegs({ ...vm.regs(), rip: 0x1000n });
  observer.recordExits(true);
  vm.run(100);
  expect(observer.exits()?.records.map((r) => [r.reason, r.user])).toEqual([
    ["EPT_VIOLATION", false],
    ["CPUID", false],
    ["IO_INSTRUCTION", true],
    ["IO_INSTRUCTION", false],
    ["EPT_VIOLATION", true],
    ["HLT", false],
  ]);
});
