// npm run diverge -- [--guests amd64,i386] [--at 0.3,1,3]
// The state hash of Debian's kernels on the bare machine and under KVM at the same t, in billions of instructions. A
// difference is narrowed down to the first instruction after which it shows.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildCore } from "./build-core.mjs";
import { buildNode, COMMAND } from "./build-node.mjs";
import { guestFiles } from "../bench/engines.mjs";
import { run, runTool, say, ToolError } from "./lib/say.mjs";

const OPTIONS = {
  guests: { type: "string", default: "amd64,i386" },
  at: { type: "string", default: "0.3,1,3" },
};
const BILLION = 1e9;

function choose() {
  let values;
  try {
    values = parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new ToolError(`diverge: ${error.message}`);
  }
  const guests = values.guests.split(",");
  for (const guest of guests) {
    if (!["amd64", "i386"].includes(guest))
      throw new ToolError(`diverge: guest ${guest}: unknown; choose from amd64, i386`);
    if (!existsSync(guestFiles(guest).kernel))
      throw new ToolError(`diverge: the ${guest} kernel is not here; run npm run guests`);
  }
  const times = values.at.split(",").map((text) => Math.round(Number(text) * BILLION));
  if (times.some((t) => !(t >= 1)))
    throw new ToolError(`diverge: --at ${values.at}: give billions of instructions, such as 0.3,1`);
  return { guests, times };
}

/** State hash after t instructions. */
async function hashAt(accel, guest, t) {
  const { kernel, initrd } = guestFiles(guest);
  const machine = ["-accel", accel, "-m", "256", "-cpu", "qemu64,kvm=off,-hypervisor", "-no-reboot"];
  const boot = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 tsc=reliable"];
  const until = ["-rtc", "base=2024-01-01T00:00:00", "-max-insns", String(t), "-state-hash"];
  const { stdout, stderr } = await run(process.execPath, [COMMAND, ...machine, ...boot, ...until], {
    timeoutMs: 600_000,
  });
  const found = /state-hash: ([0-9a-f]{64})/.exec(stdout)?.[1];
  if (!found) throw new ToolError(`diverge: ${guest} on ${accel}: ${stderr.trim() || "no hash"}`);
  return found;
}

async function differs(guest, t) {
  return (await hashAt("tcg", guest, t)) !== (await hashAt("kvm", guest, t));
}

/** The smallest t at which the hashes differ; they are equal at `low` and not at `high`. */
async function firstDifference(guest, low, high) {
  let [equal, different] = [low, high];
  while (different - equal > 1) {
    const middle = Math.floor((equal + different) / 2);
    if (await differs(guest, middle)) different = middle;
    else equal = middle;
    say(`${guest}: equal at ${equal}, different at ${different}`);
  }
  return different;
}

await runTool(async () => {
  const { guests, times } = choose();
  await buildCore();
  await buildNode();
  let wrong = 0;
  for (const guest of guests) {
    let lastEqual = 1;
    for (const t of times) {
      const [bare, kvm] = [await hashAt("tcg", guest, t), await hashAt("kvm", guest, t)];
      say(`${guest.padEnd(6)} ${t / BILLION} G  bare ${bare}  kvm ${kvm}  ${bare === kvm ? "equal" : "DIFFERENT"}`);
      if (bare === kvm) {
        lastEqual = t;
        continue;
      }
      wrong++;
      say(`${guest}: first different after instruction ${await firstDifference(guest, lastEqual, t)}`);
      break;
    }
  }
  return wrong === 0 ? 0 : 1;
});
