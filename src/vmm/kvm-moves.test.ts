import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { AccelVm, IoBus, Segment, Sregs } from "../base/index.ts";
import { decode, encode } from "../base/index.ts";
import { assemble, parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";

const MB = 1024 * 1024;
const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const settings = { module, ramSize: 8 * MB, userMemory: 8 * MB, cpu: parseCpu("qemu64,kvm=off,-hypervisor") };
const ORIGIN = 0x1000;
/** Page tables, two levels or four; every device page has an entry of its own in the last one. */
const TABLES = 0x10000;
/** Linear addresses: memory is mapped to itself, and devices, which lie from A0000h, at 400000h. */
const DEVICES = 0x400000,
  DEVICE_PAGES = 8;
const [P, W, U] = [1, 2, 4];

type Bits = 32 | 64 | "pae";
interface Run {
  readonly vm: AccelVm;
  readonly events: string[];
}

/** A device whose registers count up with every read: two reads in place of one would show. */
function countingBus(vm: AccelVm, events: string[]): IoBus {
  let reads = 0;
  return {
    portRead: () => 0,
    portWrite: () => undefined,
    mmioRead: (gpa, size) => {
      events.push(`${vm.clock.now()} load ${gpa.toString(16)}/${size}`);
      const value = 0x8877665544332211n + BigInt(reads++) * 0x101010101010101n;
      return size === 8 ? BigInt.asUintN(64, value) : Number(BigInt.asUintN(8 * size, value));
    },
    mmioWrite: (gpa, size, v) => {
      events.push(`${vm.clock.now()} store ${gpa.toString(16)}/${size} ${v.toString(16)}`);
    },
  };
}

/** Entries of one table as bytes of `wide` or four-byte entries. */
function writeTable(vm: AccelVm, at: number, wide: boolean, entries: readonly (readonly [number, number])[]): void {
  const size = wide ? 8 : 4,
    bytes = new Uint8Array(4096),
    view = new DataView(bytes.buffer);
  for (const [i, e] of entries) view.setUint32(i * size, e, true);
  vm.memory.write(at, bytes);
}
/** PAE paging with two directories, at 2000h and 4000h behind the top table, whose devices lie a page apart. */
function writePaeTables(vm: AccelVm): void {
  const table = P | W | U;
  writeTable(vm, TABLES, true, [[0, (TABLES + 0x2000) | P]]);
  [0x2000, 0x4000].forEach((at, i) => {
    const directory = TABLES + at;
    writeTable(vm, directory, true, [[0, (TABLES + 0x6000) | table], [2, (directory + 0x1000) | table]]);
    writeTable(vm, directory + 0x1000, true, Array.from({ length: DEVICE_PAGES }, (_, n) => [n, (0xa0000 + (n + i) * 4096) | table] as const));
  });
  writeTable(vm, TABLES + 0x6000, true, Array.from({ length: 160 }, (_, i) => [i, (i * 4096) | table] as const));
}
function writeTables(vm: AccelVm, bits: Bits): void {
  if (bits === "pae") {
    writePaeTables(vm);
    return;
  }
  const table = P | W | U,
    wide = bits === 64,
    span = wide ? 512 : 1024;
  const [memory, devices] = wide ? [TABLES + 0x3000, TABLES + 0x4000] : [TABLES + 0x1000, TABLES + 0x2000];
  const directory = wide ? TABLES + 0x2000 : TABLES;
  if (wide) {
    writeTable(vm, TABLES, true, [[0, (TABLES + 0x1000) | table]]);
    writeTable(vm, TABLES + 0x1000, true, [[0, directory | table]]);
  }
  writeTable(vm, directory, wide, [
    [0, memory | table],
    [DEVICES / (span * 4096), devices | table],
  ]);
  writeTable(vm, memory, wide, Array.from({ length: 160 }, (_, i) => [i, (i * 4096) | table] as const));
  writeTable(vm, devices, wide, Array.from({ length: DEVICE_PAGES }, (_, i) => [i, (0xa0000 + i * 4096) | table] as const));
}

function flat(bits: Bits, s: Segment, code: boolean): Segment {
  return { ...s, selector: code ? 8 : 16, base: 0n, limit: 0xffffffff, type: code ? 11 : 3, s: 1, dpl: 0, present: 1, l: code && bits === 64 ? 1 : 0, db: code && bits === 64 ? 0 : 1, g: 1, unusable: 0 };
}
/** A program at CPL 0 with paging on, `edi` at the first device page. */
function prepare(vm: AccelVm, bits: Bits, source: string): Run {
  const events: string[] = [];
  vm.attach(countingBus(vm, events));
  vm.setRegion(0, 0, 0xa0000, 0, {});
  vm.setRegion(1, MB, 7 * MB, MB, {});
  vm.memory.write(ORIGIN, assemble(`bits ${bits === 64 ? 64 : 32}\norg ${ORIGIN}\n${source}`).bytes);
  writeTables(vm, bits);
  const s = vm.sregs(),
    data = flat(bits, s.ds, false);
  const sregs: Sregs = {
    ...{ ...s, cs: flat(bits, s.cs, true), ds: data, es: data, ss: data, fs: data, gs: data },
    ...(bits === "pae" ? { pdptrs: [BigInt(TABLES + 0x2000) | 1n, 0n, 0n, 0n] } : {}),
    ...{ cr3: BigInt(TABLES), cr4: bits === 32 ? 0n : 0x20n, efer: bits === 64 ? 0x500n : 0n, cr0: 0x80000011n },
  };
  vm.setSregs(sregs);
  vm.setRegs({ ...vm.regs(), rip: BigInt(ORIGIN), rsp: 0x8000n, rdi: BigInt(DEVICES), rax: 0x1122334455667788n });
  return { vm, events };
}

const saved = (vm: AccelVm): unknown => decode(encode(vm.save()));
/** Bare, under KVM, and under KVM with a trace, for which every instruction takes the long way: the same state, accesses and memory. */
async function expectEqual(silicon: "intel" | "amd", bits: Bits, source: string, times: readonly number[] = [7, 31, 32, 33, 1000]): Promise<Run> {
  const traced = await KvmAccel.create({ ...settings, silicon });
  traced.trace.on = true;
  const [bare, ...others] = [await TcgVm.create(settings), await KvmAccel.create({ ...settings, silicon }), traced].map((vm) => prepare(vm, bits, source));
  if (!bare) throw new Error("no machine");
  for (const t of times) {
    const stop = bare.vm.run(t);
    for (const { vm, events } of others) {
      expect(vm.run(t), `stop at ${t}`).toEqual(stop);
      expect(saved(vm), `state at ${t}`).toEqual(saved(bare.vm));
      expect(events).toEqual(bare.events);
    }
  }
  expect(bare.vm.mpState()).toBe("halted");
  for (const { vm } of others) expect(Buffer.from(vm.pageDigests()).equals(Buffer.from(bare.vm.pageDigests()))).toBe(true);
  return bare;
}

/** What is done six times over, each time with registers that the last time has left. ENTRY maps the first device page. */
const LOOPS: Readonly<Record<string, string>> = {
  "one load": "mov ebx, [edi+0x10]",
  "loads of every size": "mov al, [edi]\nmov bh, [edi+1]\nmov dx, [edi+2]\nmovzx esi, byte [edi+3]\nmovsx ebp, word [edi+4]",
  "stores of every size": "mov [edi], al\nmov [edi+2], cx\nmov [edi+4], edi\nmov byte [edi+8], 0x5a\nmov dword [edi+12], 0x12345678",
  "a load into the address register": "mov ebx, edi\nmov ebx, [ebx+4]",
  "a load into the stack pointer": "mov esp, [edi+4]",
  "a load behind other segments": "mov ax, 0\nmov fs, ax\nmov ebx, [edi]\nmov gs, ax",
  "an instruction with two accesses between": "mov ebx, [edi]\nadd [edi+4], ecx\nmov edx, [edi]",
  "a load that crosses pages sometimes": "lea esi, [ecx+ecx*2]\nmov ebx, [edi+esi+0xff8]",
  "memory and a device by the same instruction": "mov esi, ecx\nand esi, 1\nimul esi, esi, 0x3f8000\nmov ebx, [esi+0x8000]",
  "code that changes": "inc byte [behind-1]\nmov ebx, [edi+0x10]\nbehind:",
  "another page under the address": "add dword [ENTRY], 0x1000\ninvlpg [edi]\nmov ebx, [edi]\nsub dword [ENTRY], 0x1000\ninvlpg [edi]",
  "accessed and dirty flags that are cleared": "and byte [ENTRY], 0x9f\nand byte [ENTRY+SIZE], 0x9f\ninvlpg [edi]\ninvlpg [edi+0x1000]\nmov ebx, [edi]\nmov [edi+0x1004], ebx",
};

for (const silicon of ["intel", "amd"] as const)
  for (const bits of [32, 64] as const)
    test.each(Object.entries(LOOPS))(`under ${silicon} with ${bits} bits, %s is completed alike every time`, async (_, body) => {
      const entry = TABLES + (bits === 64 ? 0x4000 : 0x2000);
      body = body.replaceAll("ENTRY", String(entry)).replaceAll("SIZE", String(bits / 8));
      const { events } = await expectEqual(silicon, bits, `mov ecx, 6\nagain:\n${body}\ndec ecx\njnz again\nhlt`);
      expect(events.length).toBeGreaterThan(2);
    });

test.each(["intel", "amd"] as const)("a directory that CR3 brings anew, itself the same, is used with PAE paging (%s)", async (silicon) => {
  // The first entry of the top table is changed between two directories, of which the other has another device page.
  const change = `xor dword [${TABLES}], 0x6000\nmov eax, cr3\nmov cr3, eax\nmov ebx, [edi]`;
  // Nested paging has no registers for them: what is shown between the change and CR3's load is memory.
  const { events } = await expectEqual(silicon, "pae", `mov ecx, 6\nagain:\n${change}\ndec ecx\njnz again\nhlt`, silicon === "intel" ? undefined : [1000]);
  expect(new Set(events.map((e) => e.split(" ")[2])).size).toBe(2);
});

test("loads and stores of eight bytes are completed alike every time", async () => {
  await expectEqual("intel", 64, "mov ecx, 6\nagain:\nmov rbx, [rdi]\nmov [rdi+8], rbx\nmovsxd rdx, dword [rdi+16]\ndec ecx\njnz again\nhlt");
});

test.each(["intel", "amd"] as const)("a walk for the emulator sets the accessed flag, and a store the dirty flag (%s)", async (silicon) => {
  const { vm } = await expectEqual(silicon, 32, "mov eax, [edi]\nmov [edi+0x1000], eax\nhlt");
  const flags = [0, 1, 2].map((page) => vm.memory.readU32(TABLES + 0x2000 + 4 * page) & 0x60);
  expect(flags).toEqual([0x20, 0x60, 0]);
});
