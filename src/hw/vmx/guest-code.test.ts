import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { vmEntryChecks } from "../../isa/vm-entry-checks.ts";
import { layout, Stop } from "../index.ts";
import { type CpuidRows, Program } from "../cpu/program.ts";
import { GUEST, openCore, openGuest, poke, poke64 } from "./fixture.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));

test("a hypervisor in guest code goes from VMXON through two exits to VMXOFF", async () => {
  const core = await openCore(), x = core.exports;
  const hex = readFileSync(`${folder}first-hypervisor.hex`, "utf8").replace(/\s/g, "");
  poke(core, 0x1000, Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)));
  x.vmxBecomeHost(); // a 64-bit processor with a locked IA32_FEATURE_CONTROL
  core.u32[layout.STOP_ON_EXIT / 4] = 0;
  core.u64[layout.CR4 / 8] = 0x20n;
  poke64(core, 0x10000, 0x11007n);
  poke64(core, 0x11000, 0x87n);
  core.u64[layout.CR3 / 8] = 0x10000n;
  core.u64[layout.RIP / 8] = 0x1000n;
  x.updateMode();
  expect(x.run(100000)).toBe(Stop.Halt);
  const word = (at: number): number => core.view.getUint32(layout.RAM + at, true);
  expect([word(0x3000), word(0x3004), word(0x3008)]).toEqual([10, 18, 12]); // CPUID, VMCALL, HLT
  expect(word(0x3020)).toBe(0x600d);
  expect(word(0x3108)).toBe(0x21000);
  expect(x.vmxOperation()).toBe(0);
});

test("every check number that the core can leave behind has a sentence, and the other way round", () => {
  const sources = readdirSync(folder).filter((name) => /^check-.*\.ts$/.test(name)).map((name) => readFileSync(folder + name, "utf8"));
  const used = new Set(sources.flatMap((s) => [...s.matchAll(/return (\d{3})\b/g)].map((m) => Number(m[1]))));
  for (const m of sources.join("").matchAll(/\? \d+ : .*return (\d{3})/g)) used.add(Number(m[1]));
  expect([...used].sort((a, b) => a - b)).toEqual(vmEntryChecks.map((c) => c.number));
});

test("a guest that is stopped in non-root operation goes on in another core from the saved state", async () => {
  const a = await openCore(), w = openGuest(a);
  poke(a, GUEST + 0x1000, [0x40, 0x3d, 0x00, 0x30, 0x75, 0xfa, 0xf4]); // inc ax; cmp ax,3000h; jne; hlt
  a.u64[layout.REGS / 8] = 0n;
  w(0x4000, 0x56);
  w(0x482e, 0x10000000);
  a.exports.vmLaunch();
  expect(a.exports.run(1000)).toBe(Stop.Budget);
  const b = await openCore();
  b.u8.set(a.u8.subarray(0x100, 0x1000), 0x100);
  b.u8.set(a.u8.subarray(layout.RAM, layout.RAM + a.ramBytes), layout.RAM);
  b.exports.setClock(a.exports.clock());
  b.exports.updateMode();
  b.exports.flushTlb();
  b.exports.vmxRestored();
  for (const core of [a, b]) {
    expect(core.exports.run(1000000)).toBe(Stop.VmExit);
    expect([core.exports.vmRead(0x4402), core.u64[layout.REGS / 8]]).toEqual([12n, 0x3000n]);
  }
  expect(b.exports.clock()).toBe(a.exports.clock());
});

test("VMXON takes every bit of CR4 that CPUID offers, UMIP too, and no other", async () => {
  const rows = (umip: number): CpuidRows => [[0, 0, 13, 0x756e6547, 0x6c65746e, 0x49656e69], [1, 0, 0x306c3, 0, 0x20, 0x078bfbff], [7, 0, 0, 0, umip, 0], [0x80000000, 0, 0x80000008, 0, 0, 0], [0x80000001, 0, 0, 0, 1, 0x28100800]];
  const source = (bits: number) => `
    mov ecx, 0x3a
    mov eax, 5
    xor edx, edx
    wrmsr
    mov rax, cr4
    or rax, ${bits}
    mov cr4, rax
    mov dword [0x20000], 0x17
    push 0x20000
    vmxon [rsp]
    setbe bl
    hlt
    vector13: mov bl, 13
    hlt`;
  const result = async (umip: number, bits: number) => Number(((await Program.open(source(bits), rows(umip))).run().core.u64[layout.REGS / 8 + 3] ?? 0n) & 0xffn);
  expect([await result(4, 0x2800), await result(0, 0x2000), await result(0, 0x2800)]).toEqual([0, 0, 13]);
});
