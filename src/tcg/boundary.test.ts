// The order of events at one instant: alarms first, then interrupts (ARCHITECTURE.md, "One clock").
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { zeroRegs } from "../base/accel.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { TcgVm } from "./index.ts";

const MIB = 1 << 20, END = 20_000;
const module = await WebAssembly.compile(readFileSync(new URL("../../build/core.wasm", import.meta.url)));

/** PIT in mode 2 on IRQ 0, a line of ours on IRQ 5 whose level follows bit 0 of what is written to port 99h. */
const source = `
bits 16
org 0x1000
  mov sp, 0x1000
  mov word [0x20], tick
  mov word [0x34], line
  mov al, 0x11
  out 0x20, al
  mov al, 8
  out 0x21, al
  mov al, 4
  out 0x21, al
  mov al, 1
  out 0x21, al
  mov al, 0xde
  out 0x21, al
  mov al, 0x34
  out 0x43, al
  mov al, 11
  out 0x40, al
  mov al, 0
  out 0x40, al
  sti
again:
  inc ax
  out 0x99, al
  test ax, 7
  jnz again
  hlt
  jmp again
tick:
  inc word [0x2000]
  jmp done
line:
  inc word [0x2002]
done:
  push ax
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
`;

/** Runs to t = 20,000 in slices; the instants of the acknowledgements, and how often an alarm was due at one. */
async function acknowledged(slice: number) {
  const vm = await TcgVm.create({ module, ramSize: MIB, userMemory: MIB, cpu: parseCpu("vitrine") });
  vm.setRegion(0, 0, MIB, 0);
  const { bytes } = assemble(source);
  vm.memory.write(0x1000, bytes);
  let fired = 0, late = 0;
  const alarm = vm.clock.alarm(() => { fired++; });
  vm.attach({
    portRead: () => 0xff, mmioRead: () => 0n, mmioWrite: () => {},
    portWrite: (port, _size, value) => {
      if (port !== 0x99) return;
      vm.irqLine(5, (value & 1) === 1);
      // Due at the boundary behind the OUT, where the line's interrupt is taken.
      alarm.set(vm.clock.now() + 1);
    },
  });
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
  vm.setRegs({ ...zeroRegs(), rip: 0x1000n, rflags: 2n });
  const seen: string[] = [];
  const acknowledge = vm.chips.acknowledge.bind(vm.chips);
  vm.chips.acknowledge = (cpu: number) => {
    if (vm.clock.next() <= vm.clock.now()) late++;
    const vector = acknowledge(cpu);
    seen.push(`${vm.clock.now()} ${vector}`);
    return vector;
  };
  while (vm.clock.now() < END) vm.run(vm.clock.now() + slice);
  return { seen, late, fired };
}

test("no interrupt is acknowledged while an alarm of the same instant is still to fire, however the slices are cut", async () => {
  const whole = await acknowledged(END);
  expect(whole.seen.filter((s) => s.endsWith(" 8")).length).toBeGreaterThan(0);
  expect(whole.seen.filter((s) => s.endsWith(" 13")).length).toBeGreaterThan(5);
  expect([whole.fired > 20, whole.late]).toEqual([true, 0]);
  for (const slice of [1, 7, 1000]) expect(await acknowledged(slice)).toEqual(whole);
});
