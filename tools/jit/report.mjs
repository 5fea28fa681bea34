// npm run jit:report -- [GUEST] [INSTRUCTIONS]: what becomes of each instruction form in translated code, with how often
// code that the interpreter runs or lends came by on the benchmark guest, in all and up to each mark. The whole list goes to
// build/jit/report.txt.
import { readFileSync, writeFileSync } from "node:fs";
import { at } from "../lib/fingerprint.mjs";
import { runTool, say } from "../lib/say.mjs";
import { sources } from "./sources.mjs";

const MEGABYTE = 1 << 20;
const COUNTERS = 49_152;
const STEP = 2_000_000;
/** What the guest prints at the end of each part of its work. */
const MARK = /^(BOOTED|BENCH-\w+)/gm;
const CALLED = 4;
const RETURNS = ["left to the interpreter, or a miss of the fast TLB", "branch out of the region", "indirect branch out of the region", "block that does not fit in the slice"];

await runTool(async () => {
  const [guest = "amd64", limit = "3800000000"] = process.argv.slice(2);
  const s = await sources(), { layout } = s, image = (name) => ({ name, bytes: s.read(`guests/cache/linux-${guest}/${name}`) });
  const vm = await s.TcgVm.create({ module: s.module, ramSize: 256 * MEGABYTE, userMemory: s.userMemorySize(256 * MEGABYTE, 0), cpu: s.parseCpu(guest === "i386" ? "pentium3" : "qemu64") });
  const places = [];
  vm.core.jit = new s.Jit(vm.core, s.stencils, { maker: (memory, stencils) => new s.Workshop(memory, stencils, (place) => (places.length < COUNTERS ? places.push(place) - 1 : -1)) });
  const machine = new s.Machine(vm, {
    ramSize: 256 * MEGABYTE, kernel: image("bzImage"), initrd: image("initrd.cpio.gz"), append: "console=ttyS0 panic=-1 tsc=reliable bench",
    nographic: true, noReboot: true, rtcBase: 1e9, onSerial: (bytes) => { serial += Buffer.from(bytes).toString("latin1"); },
  });
  let serial = "", marks = 0, before = { t: 0, translated: 0, lent: 0 };
  /** Executions so far of what the interpreter runs or lends. */
  const lent = () => places.reduce((n, { how, reason }, i) => (reason === "" || (how !== 0 && how !== CALLED) ? n : n + vm.core.u32[layout.JIT_PROFILE / 4 + i]), 0);
  const parts = [];
  while (vm.clock.now() < Number(limit) && machine.run(Math.min(Number(limit), vm.clock.now() + STEP)).kind === "budget") {
    const seen = serial.match(MARK) ?? [];
    if (seen.length === marks) continue;
    marks = seen.length;
    const now = { t: vm.clock.now(), translated: s.translated(vm.core), lent: lent() }, of = (n) => `${((100 * n) / (now.t - before.t)).toFixed(2)} %`;
    parts.push(`  ${seen[marks - 1].padEnd(12)} ${now.t - before.t} instructions, ${of(now.translated - before.translated)} translated, ${of(now.lent - before.lent)} called or left`);
    before = now;
  }
  const labels = new Map([...readFileSync(at("src/hw/cpu/generated/report.txt"), "utf8").matchAll(/^(\d+) (?:hot|cold) (.*)$/gm)].map((m) => [Number(m[1]), m[2]]));
  const forms = new Map(), returns = [0, 0, 0, 0];
  places.forEach(({ how, caseNumber, reason }, i) => {
    const n = vm.core.u32[layout.JIT_PROFILE / 4 + i];
    if (how < CALLED) returns[how] += n;
    if (reason === "" || (how !== 0 && how !== CALLED)) return;
    const key = `${how === CALLED ? "called" : "left"}  ${labels.get(caseNumber) ?? caseNumber}: ${reason}`;
    forms.set(key, (forms.get(key) ?? 0) + n);
  });
  const total = vm.clock.now(), translated = s.translated(vm.core), share = (n) => `${((100 * n) / total).toFixed(3)} %`;
  const lines = [...forms].sort((a, b) => b[1] - a[1]).map(([key, n]) => `${String(n).padStart(11)} ${share(n).padStart(9)}  ${key}`);
  writeFileSync(at("build/jit/report.txt"), `${lines.join("\n")}\n`);
  say(`jit:report: ${guest}, ${total} instructions, ${share(translated)} of them translated`);
  for (const line of parts) say(line);
  for (const [i, n] of returns.entries()) say(`  ${String(n).padStart(11)} times out: ${RETURNS[i]}`);
  for (const line of lines.slice(0, 25)) say(line);
  say(`build/jit/report.txt: ${lines.length} forms; ${JSON.stringify(vm.core.jit.statistics)}`);
});
