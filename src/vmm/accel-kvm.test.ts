import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { AccelVm, IoBus } from "../base/index.ts";
import { decode, encode } from "../base/index.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { taskGates, tasksSource } from "./fixtures/tasks.ts";

const MB = 1024 * 1024;
const wasm = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))),
);
const settings = {
  module: wasm,
  ramSize: 8 * MB,
  userMemory: 8 * MB,
  cpu: parseCpu("qemu64,kvm=off,-hypervisor"),
};

interface Log {
  readonly vm: AccelVm;
  readonly events: string[];
}

/** A machine whose bus writes down every access with its time; reads answer 5Ah, or the offset for memory. */
function prepare(vm: AccelVm, code: readonly number[], at = 0x1000): Log {
  const events: string[] = [];
  const bus: IoBus = {
    portRead: (port, size) => {
      events.push(`${vm.clock.now()} in ${port.toString(16)}/${size}`);
      return 0x5a;
    },
    portWrite: (port, size, v) => {
      events.push(`${vm.clock.now()} out ${port.toString(16)}/${size} ${v.toString(16)}`);
    },
    mmioRead: (gpa, size) => {
      events.push(`${vm.clock.now()} load ${gpa.toString(16)}/${size}`);
      return BigInt.asUintN(8 * size, 0x8877665544332211n);
    },
    mmioWrite: (gpa, size, v) => {
      events.push(`${vm.clock.now()} store ${gpa.toString(16)}/${size} ${v.toString(16)}`);
    },
  };
  vm.attach(bus);
  vm.setRegion(0, 0, 0xa0000, 0, {});
  vm.setRegion(1, MB, 7 * MB, MB, {});
  vm.memory.write(at, Uint8Array.from(code));
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n }, ds: { ...s.ds, selector: 0, base: 0n } });
  vm.setRegs({ ...vm.regs(), rip: BigInt(at), rsp: 0x8000n });
  return { vm, events };
}

const saved = (vm: AccelVm): unknown => decode(encode(vm.save()));
/** Runs both to each time and expects the same stop, state, memory and device accesses. */
async function expectEqual(
  code: readonly number[],
  times: readonly number[],
  prepareBoth: (l: Log) => void = () => {},
): Promise<{ tcg: Log; kvm: Log }> {
  const tcg = prepare(await TcgVm.create(settings), code),
    kvm = prepare(await KvmAccel.create(settings), code);
  for (const l of [tcg, kvm]) prepareBoth(l);
  for (const t of times) {
    const stops = [tcg, kvm].map(({ vm }) => vm.run(t));
    expect(stops[1], `stop at ${t}`).toEqual(stops[0]);
    expect(saved(kvm.vm), `state at ${t}`).toEqual(saved(tcg.vm));
    expect(kvm.events).toEqual(tcg.events);
  }
  expect(Buffer.from(kvm.vm.pageDigests()).equals(Buffer.from(tcg.vm.pageDigests()))).toBe(true);
  return { tcg, kvm };
}

test("a real-mode program that halts ends in the same state and at the same t as on the bare machine", async () => {
  // mov ax,1234h; mov [2000h],ax; cpuid; rdtsc; hlt
  const { kvm } = await expectEqual(
    [0xb8, 0x34, 0x12, 0xa3, 0x00, 0x20, 0x0f, 0xa2, 0x0f, 0x31, 0xf4],
    [1, 2, 3, 4, 5, 1000],
  );
  expect(kvm.vm.memory.readU16(0x2000)).toBe(0x1234);
  expect(kvm.vm.mpState()).toBe("halted");
});

const osfxsr = [0x66, 0xb8, 0x00, 0x02, 0x00, 0x00, 0x0f, 0x22, 0xe0]; // mov eax,200h; mov cr4,eax

// Every form has DS:0 at A0000h, where the device is, and registers with distinct values.
const forms: Readonly<Record<string, readonly number[]>> = {
  "mov al,[10h]": [0xa0, 0x10, 0x00],
  "mov [10h],ax": [0xa3, 0x10, 0x00],
  "mov eax,[10h]": [0x66, 0xa1, 0x10, 0x00],
  "mov [10h],ebx": [0x66, 0x89, 0x1e, 0x10, 0x00],
  "mov ch,[bx]": [0x8a, 0x2f],
  "mov byte [10h],5": [0xc6, 0x06, 0x10, 0x00, 5],
  "mov dword [si+10h],12345678h": [0x66, 0xc7, 0x44, 0x10, 0x78, 0x56, 0x34, 0x12],
  "mov [10h],ds": [0x8c, 0x1e, 0x10, 0x00],
  "movzx eax,byte [10h]": [0x66, 0x0f, 0xb6, 0x06, 0x10, 0x00],
  "movsx ecx,word [10h]": [0x66, 0x0f, 0xbf, 0x0e, 0x10, 0x00],
  "add [10h],al": [0x00, 0x06, 0x10, 0x00],
  "add eax,[10h]": [0x66, 0x03, 0x06, 0x10, 0x00],
  "adc [10h],cx": [0x11, 0x0e, 0x10, 0x00],
  "sub bx,[10h]": [0x2b, 0x1e, 0x10, 0x00],
  "sbb [10h],edx": [0x66, 0x19, 0x16, 0x10, 0x00],
  "cmp [10h],cl": [0x38, 0x0e, 0x10, 0x00],
  "cmp dword [10h],-1": [0x66, 0x83, 0x3e, 0x10, 0x00, 0xff],
  "and word [10h],0ff0h": [0x81, 0x26, 0x10, 0x00, 0xf0, 0x0f],
  "or [10h],dl": [0x08, 0x16, 0x10, 0x00],
  "xor eax,[10h]": [0x66, 0x33, 0x06, 0x10, 0x00],
  "test [10h],bx": [0x85, 0x1e, 0x10, 0x00],
  "test byte [10h],80h": [0xf6, 0x06, 0x10, 0x00, 0x80],
  "inc byte [10h]": [0xfe, 0x06, 0x10, 0x00],
  "dec dword [10h]": [0x66, 0xff, 0x0e, 0x10, 0x00],
  "neg word [10h]": [0xf7, 0x1e, 0x10, 0x00],
  "not byte [10h]": [0xf6, 0x16, 0x10, 0x00],
  "xchg [10h],ax": [0x87, 0x06, 0x10, 0x00],
  "xadd [10h],ecx": [0x66, 0x0f, 0xc1, 0x0e, 0x10, 0x00],
  "cmpxchg [10h],bl": [0x0f, 0xb0, 0x1e, 0x10, 0x00],
  "bt dword [10h],3": [0x66, 0x0f, 0xba, 0x26, 0x10, 0x00, 3],
  "bts word [10h],4": [0x0f, 0xba, 0x2e, 0x10, 0x00, 4],
  "btr [10h],bx": [0x0f, 0xb3, 0x1e, 0x10, 0x00],
  "btc dword [10h],31": [0x66, 0x0f, 0xba, 0x3e, 0x10, 0x00, 31],
  "cmovb ax,[10h]": [0x0f, 0x42, 0x06, 0x10, 0x00],
  "setz [10h]": [0x0f, 0x94, 0x06, 0x10, 0x00],
  movsb: [0xa4],
  "rep movsw": [0xf3, 0xa5],
  "rep stosd": [0x66, 0xf3, 0xab],
  lodsw: [0xad],
  "repne scasb": [0xf2, 0xae],
  "repe cmpsw": [0xf3, 0xa7],
  "mov es:[di],al": [0x26, 0x88, 0x05],
  "mov eax,[fffh]": [0x66, 0xa1, 0xff, 0x0f],
  "bt [10h],eax": [0x66, 0x0f, 0xa3, 0x06, 0x10, 0x00],
  "shl word [10h],cl": [0xd3, 0x26, 0x10, 0x00],
  "shld [10h],bx,5": [0x0f, 0xa4, 0x1e, 0x10, 0x00, 5],
  "imul cx,[10h]": [0x0f, 0xaf, 0x0e, 0x10, 0x00],
  "mul dword [10h]": [0x66, 0xf7, 0x26, 0x10, 0x00],
  "cmpxchg8b [10h]": [0x0f, 0xc7, 0x0e, 0x10, 0x00],
  "push word [10h]": [0xff, 0x36, 0x10, 0x00],
  "pop word [10h]": [0x8f, 0x06, 0x10, 0x00],
  "les bx,[10h]": [0xc4, 0x1e, 0x10, 0x00],
  "jmp word [10h]": [0xff, 0x26, 0x10, 0x00],
  "sgdt [10h]": [0x0f, 0x01, 0x06, 0x10, 0x00],
  "bound bx,[10h]": [0x62, 0x1e, 0x10, 0x00],
  "fld dword [10h]; fstp qword [20h]": [0xdb, 0xe3, 0xd9, 0x06, 0x10, 0x00, 0xdd, 0x1e, 0x20, 0x00],
  "fnstcw [10h]": [0xd9, 0x3e, 0x10, 0x00],
  "movups xmm1,[10h]; movups [20h],xmm1": [
    ...osfxsr, 0x0f, 0x10, 0x0e, 0x10, 0x00, 0x0f, 0x11, 0x0e, 0x20, 0x00,
  ],
  "paddd xmm1,[10h]": [...osfxsr, 0x66, 0x0f, 0xfe, 0x0e, 0x10, 0x00],
  "addsd xmm1,[10h]": [...osfxsr, 0xf2, 0x0f, 0x58, 0x0e, 0x10, 0x00],
  "fxsave [0]": [...osfxsr, 0x0f, 0xae, 0x06, 0x00, 0x00],
  "outsb from a device": [0xba, 0x80, 0x01, 0x6e],
  "rep insw into a device": [0xba, 0x80, 0x01, 0xf3, 0x6d],
  "push on a device, pop from it": [0x8c, 0xd8, 0x8e, 0xd0, 0xbc, 0x20, 0x00, 0x53, 0x59],
  "int 44h on a stack in a device": [0x8c, 0xd8, 0x8e, 0xd0, 0xbc, 0x20, 0x00, 0xcd, 0x44],
};

test.each(Object.entries(forms))(
  "the emulator completes %s on device memory as the processor itself does",
  async (_, bytes) => {
    // mov ax,a000h; mov ds,ax; mov es,ax; then constants into the registers
    const setUp = [
      0xb8, 0x00, 0xa0, 0x8e, 0xd8, 0x8e, 0xc0, 0x66, 0xb8, 0x21, 0x43, 0x65, 0x87, 0xbb, 0x20, 0x10, 0x66,
      0xb9, 0x03, 0, 0, 0, 0x66, 0xba, 0xef, 0xbe, 0xad, 0xde, 0xbe, 0x10, 0x00, 0xbf, 0x40, 0x00, 0xf9,
    ];
    const { kvm } = await expectEqual([...setUp, ...bytes, 0xf4], [9, 10, 11, 12, 13, 14, 15, 16, 100]);
    expect(kvm.events.length).toBeGreaterThan(0);
  },
);

test("string ports move one element at its own t, also out of and into device memory's neighbour", async () => {
  // mov cx,5; mov si,2000h; mov di,3000h; mov dx,60h; cld; rep outsb; mov cx,3; rep insw; std; mov cx,2; rep outsw; hlt
  const code = [
    0xb9, 5, 0, 0xbe, 0, 0x20, 0xbf, 0, 0x30, 0xba, 0x80, 0x01, 0xfc, 0xf3, 0x6e, 0xb9, 3, 0, 0xf3, 0x6d,
    0xfd, 0xb9, 2, 0, 0xf3, 0x6f, 0xf4,
  ];
  const { kvm } = await expectEqual(code, [6, 7, 9, 12, 14, 17, 100]);
  expect(kvm.events).toHaveLength(10);
});

/** Interrupt vectors 8 and up of the PIC at 20h.., timer interrupt handler counting at [500h]. */
function timerProgram(): number[] {
  return [
    0xfa, // cli
    0xb0,
    0x11,
    0xe6,
    0x20,
    0xb0,
    0x20,
    0xe6,
    0x21,
    0xb0,
    0x04,
    0xe6,
    0x21,
    0xb0,
    0x01,
    0xe6,
    0x21,
    0xb0,
    0xfe,
    0xe6,
    0x21, // PIC: vectors 20h.., IRQ 0 only
    0xb0,
    0x34,
    0xe6,
    0x43,
    0xb0,
    0x05,
    0xe6,
    0x40,
    0xb0,
    0x00,
    0xe6,
    0x40, // PIT: channel 0, mode 2, divisor 5
    0xc7,
    0x06,
    0x80,
    0x00,
    0x00,
    0x15,
    0xc7,
    0x06,
    0x82,
    0x00,
    0x00,
    0x00, // vector 20h = 0:1500h
    0xfb,
    0xf4, // again: sti; hlt
    0x41,
    0xeb,
    0xfb, // inc cx; jmp again
  ];
}
const handler = [0x50, 0xff, 0x06, 0x00, 0x05, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf]; // push ax; inc word [500h]; eoi; pop ax; iret

test("timer interrupts wake a halted guest at the same instruction on both", async () => {
  const times = [30, 100, 1000, 4190, 4191, 4192, 4193, 4200, 20000, 100000, 500000];
  const { kvm } = await expectEqual(timerProgram(), times, ({ vm }) => {
    vm.memory.write(0x1500, Uint8Array.from(handler));
  });
  expect(kvm.vm.memory.readU16(0x500)).toBeGreaterThan(100);
  if (kvm.vm instanceof KvmAccel) expect(kvm.vm.stats.irqInjections).toBe(kvm.vm.memory.readU16(0x500));
});

test("an interrupt that meets closed doors waits for the interrupt window", async () => {
  const program = timerProgram();
  // again: sti; nop; cli; nop; nop; jmp again
  program.splice(program.length - 5, 5, 0xfb, 0x90, 0xfa, 0x90, 0x90, 0xeb, 0xf9);
  const { kvm } = await expectEqual(program, [100, 4200, 4250, 10000, 50000], ({ vm }) => {
    vm.memory.write(0x1500, Uint8Array.from(handler));
  });
  if (!(kvm.vm instanceof KvmAccel)) throw new Error("no KVM");
  expect(kvm.vm.memory.readU16(0x500)).toBeGreaterThan(8);
  expect(kvm.vm.stats.byReason()).toHaveProperty("INTERRUPT_WINDOW");
});

test("a saved guest goes on in another machine, KVM or bare, exactly where it stood", async () => {
  const first = prepare(await KvmAccel.create(settings), timerProgram());
  first.vm.memory.write(0x1500, Uint8Array.from(handler));
  first.vm.run(33333);
  const state = decode(encode(first.vm.save())),
    page = new Uint8Array(4096);
  const others = [prepare(await KvmAccel.create(settings), []), prepare(await TcgVm.create(settings), [])];
  for (const { vm } of others) {
    for (let n = 0; n < first.vm.userMemory.pages; n++)
      vm.userMemory.writePage(n, first.vm.userMemory.readPage(n, page) ? page : null);
    vm.restore(state);
    expect(saved(vm)).toEqual(saved(first.vm));
  }
  first.vm.run(77777);
  for (const { vm } of others) {
    vm.run(77777);
    expect(saved(vm)).toEqual(saved(first.vm));
    expect(Buffer.from(vm.pageDigests()).equals(Buffer.from(first.vm.pageDigests()))).toBe(true);
  }
});

test("the dirty log joins what the guest wrote with what user space wrote", async () => {
  // mov [2000h],ax; in al,60h; mov [3000h],ax; hlt
  const { vm } = prepare(await KvmAccel.create(settings), [0xa3, 0, 0x20, 0xe5, 0x60, 0xa3, 0, 0x30, 0xf4]);
  const pages = (log: Uint8Array): number[] =>
    [...log].flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((b) => (byte >> b) & 1).map((b) => i * 8 + b),
    );
  vm.setDirtyLog(true);
  expect(pages(vm.dirtyLog())).toEqual([]);
  vm.run(1);
  vm.memory.writeU8(0x9000, 1);
  vm.userMemory.writePage(300, new Uint8Array(4096).fill(7));
  expect(pages(vm.dirtyLog())).toEqual([2, 9, 300]);
  vm.run(100);
  expect(pages(vm.dirtyLog())).toEqual([3]);
  vm.setDirtyLog(false);
  expect(pages(vm.dirtyLog())).toEqual([]);
});

test("stop() from a device ends the run at the next boundary, with the access complete", async () => {
  const { vm } = prepare(await KvmAccel.create(settings), [0xe4, 0x60, 0x40, 0x40, 0xf4]);
  vm.attach({
    portRead: () => {
      vm.stop();
      return 0x42;
    },
    portWrite: () => undefined,
    mmioRead: () => 0n,
    mmioWrite: () => undefined,
  });
  expect(vm.run(100)).toEqual({ kind: "stopped" });
  expect([vm.clock.now(), vm.regs().rip, vm.regs().rax & 0xffn]).toEqual([1, 0x1002n, 0x42n]);
});

test("a guest that does nothing but exit is left in time, and goes on as if it had not been", async () => {
  // CPUID in a loop.
  const loop = [0x0f, 0xa2, 0xeb, 0xfc];
  const [hurried, whole] = [await KvmAccel.create(settings), await KvmAccel.create(settings)];
  for (const vm of [hurried, whole]) prepare(vm, loop);
  hurried.patience = 50;
  expect(hurried.run(1000)).toEqual({ kind: "budget" });
  // The first exit maps the page of the code; between 49 CPUIDs lie 48 jumps.
  expect([hurried.vm.stats.exits, hurried.clock.now()]).toEqual([50, 97]);
  while (hurried.clock.now() < 1000) expect(hurried.run(1000)).toEqual({ kind: "budget" });
  whole.run(1000);
  expect([hurried.clock.now(), hurried.regs(), hurried.vm.stats.exits]).toEqual([1000, whole.regs(), whole.vm.stats.exits]);
});

test("single-stepping traps after every instruction, also after those that KVM completes", async () => {
  const program = [
    0xc7,
    0x06,
    0x04,
    0x00,
    0x00,
    0x15,
    0xc7,
    0x06,
    0x06,
    0x00,
    0x00,
    0x00, // vector 1 = 0:1500h
    0xb8,
    0x00,
    0xa0,
    0x8e,
    0xc0, // es = a000h
    0x9c,
    0x58,
    0x80,
    0xcc,
    0x01,
    0x50,
    0x9d, // pushf; pop ax; or ah,1; push ax; popf: TF on
    0x90,
    0x0f,
    0xa2,
    0xe4,
    0x60,
    0x26,
    0xa2,
    0x10,
    0x00,
    0xcd,
    0x44,
    0x90,
    0xf4, // nop; cpuid; in al,60h; mov es:[10h],al; int 44h; nop; hlt
  ];
  const trap = [0xff, 0x06, 0x00, 0x05, 0xcf]; // inc word [500h]; iret
  const { kvm } = await expectEqual(program, [200], ({ vm }) => {
    vm.memory.write(0x1500, Uint8Array.from(trap));
    vm.memory.write(0x1600, Uint8Array.from([0xcf]));
    vm.memory.write(0x44 * 4, Uint8Array.from([0x00, 0x16, 0, 0]));
  });
  expect(kvm.vm.memory.readU16(0x500)).toBeGreaterThan(5);
});

test("an interrupt whose delivery touches a page for the first time is delivered once, and INT n counts once", async () => {
  // Stack, vector table and handlers lie on pages of their own that a log has protected or nothing has touched.
  const code = [0xbc, 0x00, 0x90, 0xcd, 0x50, 0x40, 0xcc, 0x40, 0x0f, 0x0b, 0xf4]; // mov sp,9000h; int 50h; inc ax; int3; inc ax; ud2; hlt
  await expectEqual(code, [1, 2, 3, 4, 5, 6, 7, 8, 50], ({ vm }) => {
    for (const [vector, at] of [
      [0x50, 0x6000],
      [3, 0x7000],
      [6, 0xa000],
    ] as const) {
      vm.memory.write(vector * 4, Uint8Array.from([at & 0xff, at >> 8, 0, 0]));
      vm.memory.write(at, Uint8Array.from([0xb1, vector, 0xcf]));
    }
    vm.memory.write(0xa000, Uint8Array.from([0xf4]));
    vm.setDirtyLog(true);
  });
});

test("task switches by CALL, IRET, JMP and task gates end as on the bare machine, instruction by instruction", async () => {
  const code = [...assemble(tasksSource).bytes],
    times = Array.from({ length: 40 }, (_, i) => i + 1);
  const { kvm } = await expectEqual(code, [...times, 1000], ({ vm }) => {
    for (const [vector, gate] of taskGates) vm.memory.write(0x2000 + vector * 8, Uint8Array.from(gate));
  });
  if (!(kvm.vm instanceof KvmAccel)) throw new Error("no KVM");
  expect(kvm.vm.stats.byReason()).toMatchObject({ TASK_SWITCH: 7 });
  expect([kvm.vm.mpState(), kvm.vm.regs().rax & 0xffffn]).toEqual(["halted", 0x28n]);
});
