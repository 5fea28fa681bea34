import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type AccelVm, decode, encode } from "../base/index.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { defaultParams } from "../kvm/uapi.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";

const MB = 1 << 20;
const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const settings = { module, ramSize: 8 * MB, userMemory: 8 * MB, cpu: parseCpu("qemu64,kvm=off,-hypervisor") };

/** Gates of 8 bytes: an interrupt gate to 8:handler, a task gate to a selector. */
type Gates = Readonly<Record<number, { readonly handler: string } | { readonly task: number }>>;

/** A program in flat 32-bit code, started in real mode: what is common to all, then `body`; tasks are TSS selectors from 20h on. */
function program(body: string, tasks: readonly string[], gates: Gates) {
  const source = `bits 16
org 0x1000
  cli
  lgdt [gdtr]
  lidt [idtr]
  mov eax, 1
  mov cr0, eax
  jmp 0x8:pm
bits 32
pm:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov esp, 0x8000
  mov ax, 0x18
  ltr ax
  mov dword [0xfee000f0], 0x1ff
  mov dword [0xfee00310], 0
${body}
align 8
gdt: dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
  dw 0x67, tss_main, 0x8900, 0
${tasks.map((name) => `  dw 0x67, tss_${name}, 0x8900, 0`).join("\n")}
gdtr: dw ${8 * (4 + tasks.length) - 1}
  dd gdt
idtr: dw 0x7ff
  dd 0x2000
align 16
${["main", ...tasks].map((name, i) => `tss_${name}: dd 0, ${0x7800 - i * 0x400}, 0x10, 0,0,0,0, 0, ${i === 0 ? 0 : name}, 2, 0,0,0,0, ${0x7800 - i * 0x400}, 0,0,0, 0x10, 8, 0x10, 0x10, 0x10, 0x10, 0, 0x680000`).join("\n")}
`;
  const { bytes, symbols } = assemble(source);
  return (vm: AccelVm): void => {
    vm.attach({ portRead: () => 0, portWrite: () => undefined, mmioRead: () => 0n, mmioWrite: () => undefined });
    vm.setRegion(0, 0, 0xa0000, 0, {});
    vm.setRegion(1, MB, 7 * MB, MB, {});
    vm.memory.write(0x1000, bytes);
    for (const [vector, gate] of Object.entries(gates)) {
      const offset = "handler" in gate ? Number(symbols.get(gate.handler) ?? 0) : 0,
        words = "handler" in gate ? [offset & 0xffff, 8, 0x8e00, offset >>> 16] : [0, gate.task, 0x8500, 0];
      vm.memory.write(0x2000 + Number(vector) * 8, new Uint8Array(Uint16Array.from(words).buffer));
    }
    const s = vm.sregs();
    vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n } });
    vm.setRegs({ ...vm.regs(), rip: 0x1000n, rsp: 0x8000n });
  };
}

/** State, and the memory that programs write. */
function stateOf(vm: AccelVm): Buffer {
  const memory = new Uint8Array(0x1000);
  vm.memory.read(0, memory);
  return Buffer.concat([encode(vm.save()), memory]);
}
/** Bare, on VT-x and on SVM, under the second stage and shadow tables: the same state after every instruction. */
async function compare(load: (vm: AccelVm) => void, end: number): Promise<KvmAccel[]> {
  const bare = await TcgVm.create(settings);
  const kvm = await Promise.all(
    (["intel", "amd"] as const).flatMap((silicon) =>
      [true, false].map((tdp) => KvmAccel.create({ ...settings, silicon, params: { ...defaultParams, tdp } })),
    ),
  );
  for (const vm of [bare, ...kvm]) load(vm);
  for (let t = 1; t <= end; t++) {
    bare.run(t);
    const wanted = stateOf(bare);
    for (const vm of kvm) {
      vm.run(t);
      if (stateOf(vm).equals(wanted)) continue;
      expect(decode(encode(vm.save())), `${vm.host.silicon} at ${t}`).toEqual(decode(encode(bare.save())));
      expect.fail(`${vm.host.silicon} at ${t}: memory differs`);
    }
  }
  return kvm;
}
const reasons = (vm: KvmAccel): Record<string, number> => vm.stats.byReason();

test("an NMI is delivered once, blocks others to the end of its IRET, waits behind MOV SS and wakes from HLT", async () => {
  const nmi = "mov dword [0xfee00300], 0x400";
  const load = program(
    `  ${nmi}
  inc ebx
  mov ax, 0x10
  mov ss, ax
  ${nmi}
  inc ebx
  ${nmi}
  mov ss, ax
  inc ebx
  sti
  hlt
  inc ebx
stop:
  hlt
  jmp stop
nmi:
  inc dword [0x500]
  cmp dword [0x500], 1
  jne .once
  ${nmi}
  ${nmi}
  inc ecx
  inc ecx
.once:
  iretd
timer:
  mov dword [0xfee000b0], 0
  ${nmi}
  iretd
`,
    [],
    { 2: { handler: "nmi" }, 64: { handler: "timer" } },
  );
  const kvm = await compare(load, 80);
  // Three from the main line; of the two sent while the first was handled one waited.
  for (const vm of kvm) expect([vm.memory.readU16(0x500), vm.mpState()]).toEqual([4, "halted"]);
});

test("what is delivered through a task gate is delivered once: interrupt, NMI, exceptions with and without error code, INT n", async () => {
  const load = program(
    `  sti
  mov dword [0xfee00300], 0x40
  inc ebx
  mov dword [0xfee00300], 0x400
  inc ebx
  int3
  inc ebx
  int 0x30
  inc ebx
  mov ax, 0x1234
  mov ds, ax
  inc ebx
  hlt
irq:
  inc dword [0x500]
  mov dword [0xfee000b0], 0
  iretd
  jmp irq
nmi:
  inc dword [0x504]
  cmp dword [0x504], 2
  je .last
  mov dword [0xfee00300], 0x400
  inc edx
.last:
  iretd
  jmp nmi
breakpoint:
  inc dword [0x508]
  iretd
  jmp breakpoint
software:
  inc dword [0x50c]
  iretd
  jmp software
protection:
  pop dword [0x510]
  inc dword [0x514]
  add dword [tss_main + 0x20], 3
  iretd
  jmp protection
`,
    ["irq", "nmi", "breakpoint", "software", "protection"],
    { 64: { task: 0x20 }, 2: { task: 0x28 }, 3: { task: 0x30 }, 48: { task: 0x38 }, 13: { task: 0x40 } },
  );
  const kvm = await compare(load, 100);
  for (const vm of kvm) {
    const word = (at: number) => vm.memory.readU16(at);
    expect([word(0x500), word(0x504), word(0x508), word(0x50c), word(0x514)]).toEqual([1, 2, 1, 1, 1]);
    // The selector's error code.
    expect(word(0x510)).toBe(0x1234);
    expect(reasons(vm).TASK_SWITCH).toBeGreaterThan(9);
  }
});
