// node bench/mmu.mjs [--host intel|amd] [--until M]: what the two workloads of guests/which-mmu.asm cost under each way of
// mapping a guest, in the account of src/kvm/mmu/auto/account.ts: cycles for each of its M million instructions. No clock is read.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { buildCore } from "../tools/build-core.mjs";
import { at } from "../tools/lib/fingerprint.mjs";
import { runTool, say, ToolError } from "../tools/lib/say.mjs";

const RAM = 128 << 20;
const WORKLOADS = ["random", "fork", "phases"];
/** Parameters by column. */
const COLUMNS = {
  intel: { vtlb: ["kvm_intel.ept=0", "kvm.mmu=vtlb"], cached: ["kvm_intel.ept=0", "kvm.mmu=cached"], EPT: [], auto: ["kvm.mmu=auto"] },
  amd: { vtlb: ["kvm_amd.npt=0", "kvm.mmu=vtlb"], cached: ["kvm_amd.npt=0", "kvm.mmu=cached"], NPT: [], auto: ["kvm.mmu=auto"] },
};

async function sources() {
  await buildCore();
  const outfile = at("build/mmu.mjs");
  await build({
    entryPoints: [at("bench/mmu.ts")], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error",
    loader: { ".asm": "text" },
  });
  return { ...(await import(pathToFileURL(outfile).href)), module: new WebAssembly.Module(readFileSync(at("build/core.wasm"))) };
}

/** Instructions, and what was spent besides: references, exits, cycles. */
async function measure(s, workload, silicon, modprobe, until) {
  const vm = await s.KvmAccel.create({
    module: s.module, ramSize: RAM, userMemory: s.userMemorySize(RAM, 0), cpu: s.parseCpu("qemu64"), silicon,
    params: s.parseParams(new Map(modprobe.map((one) => one.split("="))), silicon),
  });
  const kernel = { name: "which-mmu", bytes: s.guestImages()["which-mmu"] };
  const machine = new s.Machine(vm, { ramSize: RAM, kernel, append: workload, rtcBase: 0, onSerial: () => {} });
  machine.run(until);
  const { tlbMisses, walkRefs } = vm.counters(), { mmu, pagesFixed } = vm.stats;
  const work = s.pagingWork(tlbMisses, walkRefs, mmu, pagesFixed);
  return { ...work, total: until + s.walkCost(work) + s.exitCost(work), switches: mmu.switches, hash: machine.stateHash() };
}

await runTool(async () => {
  const { host, until } = parseArgs({ options: { host: { type: "string", default: "intel" }, until: { type: "string", default: "400" } } }).values;
  const columns = COLUMNS[host], end = Number(until) * 1e6;
  if (!columns) throw new ToolError(`mmu: --host ${host}: give intel or amd`);
  if (!(end > 0)) throw new ToolError(`mmu: --until ${until}: give millions of instructions`);
  const s = await sources();
  for (const workload of WORKLOADS) {
    const title = `${workload}, ${until} M instructions`.padEnd(34);
    say(`${title}references M  faults  exits  writes  cycles M  of the best  switches`);
    const rows = [];
    for (const [name, modprobe] of Object.entries(columns)) rows.push([name, await measure(s, workload, host, modprobe, end)]);
    const best = Math.min(...rows.map(([, r]) => r.total));
    for (const [name, r] of rows) {
      const numbers = [(r.references / 1e6).toFixed(1).padStart(12), String(r.faults).padStart(8), String(r.exits).padStart(7), String(r.writes).padStart(8),
        (r.total / 1e6).toFixed(0).padStart(10), (r.total / best).toFixed(2).padStart(13), String(r.switches).padStart(10)];
      say(`  ${name.padEnd(32)}${numbers.join("")}`);
    }
    if (new Set(rows.map(([, r]) => r.hash)).size > 1) throw new ToolError(`mmu: ${workload}: the columns end in different states`);
  }
});
