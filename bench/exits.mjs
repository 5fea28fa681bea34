// npm run bench:exits -- [--host intel|amd] [--seconds N]: VM exits a second that KVM handles, by kind of exit.
// A guest does nothing but make one exit after the other; nobody traces. CPU time of this process, not wall time.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { buildCore } from "../tools/build-core.mjs";
import { at } from "../tools/lib/fingerprint.mjs";
import { runTool, say } from "../tools/lib/say.mjs";

const MEGABYTE = 1 << 20;
const SLICE = 100_000;
/** Instructions after which V8 has compiled what there is. */
const WARM = 3_000_000;

/** Kind of exit: what the guest does once, and for ever after. */
const KINDS = {
  CPUID: ["xor eax, eax", "cpuid"],
  "RDMSR of the APIC base": ["mov ecx, 0x1b", "rdmsr"],
  "IN, interrupt chip in the kernel": ["", "in al, 0x21"],
  "OUT, serial port in user space": ["mov edx, 0x3ff", "out dx, al"],
  "IN, serial port in user space": ["mov edx, 0x3fd", "in al, dx"],
  "load, APIC in the kernel": ["mov ebx, 0xfee00080", "mov eax, [ebx]"],
  "load, HPET in user space": ["mov ebx, 0xfed000f0", "mov eax, [ebx]"],
  "store, HPET in user space": ["mov ebx, 0xfed00010", "mov [ebx], eax"],
};

/** A multiboot image whose loop holds the instruction eight times. */
function guest([once, forever]) {
  const body = Array.from({ length: 8 }, () => `  ${forever}`).join("\n");
  return `bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000), header, 0x100000, 0, 0, start
start:
  xor eax, eax
  ${once}
again:
${body}
  jmp again
`;
}

async function sources() {
  await buildCore();
  const outfile = at("build/exits.mjs");
  await build({ entryPoints: [at("bench/exits.ts")], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error" });
  return import(pathToFileURL(outfile).href);
}

async function rate({ assemble, parseCpu, KvmAccel, Machine, userMemorySize }, kind, silicon, seconds) {
  const ramSize = 16 * MEGABYTE, module = new WebAssembly.Module(readFileSync(at("build/core.wasm")));
  const vm = await KvmAccel.create({ module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu("qemu64"), silicon });
  const machine = new Machine(vm, { ramSize, kernel: { name: "exits", bytes: assemble(guest(kind)).bytes }, onSerial: () => {} });
  machine.run(WARM);
  const exits = vm.stats.exits, before = process.cpuUsage();
  let used = 0;
  while (used < seconds * 1e6) {
    machine.run(vm.clock.now() + SLICE);
    used = process.cpuUsage(before).user;
  }
  return (1e6 * (vm.stats.exits - exits)) / used;
}

await runTool(async () => {
  const { host, seconds } = parseArgs({ options: { host: { type: "string", default: "intel" }, seconds: { type: "string", default: "1" } } }).values;
  const from = await sources();
  for (const [name, kind] of Object.entries(KINDS))
    say(`${name.padEnd(34)}${Math.round(await rate(from, kind, host, Number(seconds))).toLocaleString("en").padStart(10)} exits/s`);
});
