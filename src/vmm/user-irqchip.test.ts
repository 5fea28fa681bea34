import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decode, encode } from "../base/index.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { KvmAccel } from "./accel-kvm.ts";

const MB = 1024 * 1024;
const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));

/** PIT at 1 kHz through the PIC in virtual-wire mode; the program halts and spins, its interrupts open and shut, in turns. */
const source = `bits 16
org 0x1000
  mov word [0x20], tick
  mov word [0x22], 0
  mov al, 0x11
  out 0x20, al
  mov al, 8
  out 0x21, al
  mov al, 4
  out 0x21, al
  mov al, 1
  out 0x21, al
  mov al, 0xfe
  out 0x21, al
  mov al, 0x34
  out 0x43, al
  mov al, 0xa9
  out 0x40, al
  mov al, 4
  out 0x40, al
again:
  sti
  hlt
  mov cx, 2000
  loop $
  cli
  mov cx, 3000
  loop $
  mov dx, 0x55
  in al, dx
  sti
  mov cx, 4000
  loop $
  jmp again
tick:
  inc word [0x500]
  push ax
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
`;

async function machine(silicon: "intel" | "amd", kernelIrqchip: "on" | "off" | "split") {
  const vm = await KvmAccel.create({ module, ramSize: MB, userMemory: MB, cpu: parseCpu("qemu64,kvm=off,-hypervisor"), silicon, kernelIrqchip });
  vm.attach({ portRead: () => 0x77, portWrite: () => undefined, mmioRead: () => 0n, mmioWrite: () => undefined });
  vm.setRegion(0, 0, 0xa0000, 0, {});
  vm.memory.write(0x1000, assemble(source).bytes);
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vm.setRegs({ ...vm.regs(), rip: 0x1000n, rsp: 0x8000n });
  return vm;
}
const ticks = (vm: KvmAccel): number => {
  const word = new Uint8Array(2);
  vm.memory.read(0x500, word);
  return (word[0] ?? 0) + 256 * (word[1] ?? 0);
};

test.each([
  ["intel", "off"],
  ["amd", "off"],
  ["intel", "split"],
  ["amd", "split"],
] as const)("interrupts come at the same t whether the chips are in the kernel or in user space (%s, %s)", async (silicon, where) => {
  const on = await machine(silicon, "on"), off = await machine(silicon, where);
  for (let t = 5_003; t < 12_000_000; t += 1_234_567) {
    expect(off.run(t)).toEqual(on.run(t));
    expect(decode(encode(off.save())), `state at ${t}`).toEqual(decode(encode(on.save())));
  }
  expect([ticks(on) > 9, ticks(off)]).toEqual([true, ticks(on)]);
});

test.each(["off", "split"] as const)("a machine whose chips are in user space is saved halted and goes on elsewhere, also in the kernel (%s)", async (where) => {
  const off = await machine("intel", where), on = await machine("intel", "on"), there = await machine("intel", where);
  off.run(500_000);
  expect(off.mpState()).toBe("halted");
  for (const other of [on, there]) {
    const memory = new Uint8Array(0x9000);
    off.memory.read(0, memory);
    other.memory.write(0, memory);
    other.restore(decode(encode(off.save())));
  }
  for (const vm of [off, on, there]) vm.run(9_000_000);
  expect(decode(encode(there.save()))).toEqual(decode(encode(off.save())));
  expect(decode(encode(on.save()))).toEqual(decode(encode(off.save())));
});

/** IOAPIC pin 16, level-triggered, to vector 40h of the processor; a port write of the guest takes the device's level away. */
const levels = `bits 16
org 0x1000
  cli
  mov dx, 0x55
  out dx, al
  mov ax, 0
  mov ds, ax
  mov word [0x40*4], handler
  mov word [0x40*4+2], 0
  lgdt [pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov bx, 8
  mov fs, bx
  and al, 0xfe
  mov cr0, eax
  mov esi, 0xfee000f0
  mov dword [fs:esi], 0x1ff
  mov esi, 0xfec00000
  mov dword [fs:esi], 0x31
  mov dword [fs:esi+16], 0
  mov dword [fs:esi], 0x30
  mov dword [fs:esi+16], 0x8040
  sti
again:
  hlt
  jmp again
handler:
  inc word [0x500]
  cmp word [0x500], 3
  jb .end
  mov dx, 0x56
  out dx, al
.end:
  mov esi, 0xfee000b0
  mov dword [fs:esi], 0
  iret
pointer:
  dw 15
  dd gdt
gdt:
  dq 0
  dq 0x00cf93000000ffff
`;
test.each(["on", "off", "split"] as const)("a level that stays comes again after each EOI, which an IOAPIC in user space is told (%s)", async (where) => {
  const vm = await KvmAccel.create({ module, ramSize: MB, userMemory: MB, cpu: parseCpu("qemu64,kvm=off,-hypervisor"), kernelIrqchip: where });
  vm.attach({
    portRead: () => 0,
    // 55h raises the line, 56h lowers it.
    portWrite: (port) => vm.irqLine(16, port === 0x55),
    mmioRead: () => 0n,
    mmioWrite: () => undefined,
  });
  vm.setRegion(0, 0, 0xa0000, 0, {});
  vm.memory.write(0x1000, assemble(levels).bytes);
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vm.setRegs({ ...vm.regs(), rip: 0x1000n, rsp: 0x8000n });
  vm.run(100_000);
  expect([ticks(vm), vm.mpState()]).toEqual([3, "halted"]);
  vm.irqLine(16, true);
  vm.run(200_000);
  expect(ticks(vm)).toBe(4);
});
