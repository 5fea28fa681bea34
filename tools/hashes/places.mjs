// Where a guest is run to a number of instructions, each place giving the state hash there.
import { at } from "../lib/fingerprint.mjs";
import { run, ToolError } from "../lib/say.mjs";

/** The same processor everywhere: SeaBIOS and Linux behave differently where they see a hypervisor. */
export const CPU = "qemu64,kvm=off,-hypervisor";
/** The clock chip's start, an input of the run. */
export const RTC = "2026-01-01";
/** The page's command line for its Linux guests (src/ui/guests.ts). */
const APPEND = "console=ttyS0 panic=-1 tsc=reliable";

/** The command in Node. */
export async function commandHash(guest, accel, instructions, limitMs) {
  const folder = at("guests/cache", guest);
  const options = [
    ...["-accel", accel, "-cpu", CPU, "-rtc", `base=${RTC}`, "-m", "256", "-nographic"],
    ...["-kernel", `${folder}/bzImage`, "-initrd", `${folder}/initrd.cpio.gz`, "-append", APPEND],
    ...["-max-insns", String(instructions), "-state-hash"],
  ];
  const result = await run(process.execPath, [at("bin/vitrine.mjs"), ...options], { cwd: at(), timeoutMs: limitMs });
  const hash = /^state-hash: ([0-9a-f]{64})$/m.exec(result.stdout)?.[1];
  if (hash === undefined) throw new ToolError(`hashes: the command gave none: ${result.stderr.trim().split("\n").at(-1)}`);
  return hash;
}

/** The page in Chromium, one boot for all checkpoints; `panels` "open" or "shut". */
export async function pageHashes(browser, guest, accel, panels, checkpoints) {
  const page = await browser.open();
  try {
    if (panels === "shut") await browser.shut(page);
    await page.evaluate(
      ([name, options]) => window.vitrine.boot(name, options),
      [guest, { accel, cpu: CPU, paused: true, rtcBase: Date.parse(RTC) / 1000 }],
    );
    const hashes = [];
    for (const n of checkpoints) {
      await page.evaluate((to) => window.vitrine.runToInstruction(to), n);
      const { instructions } = await page.evaluate(() => window.vitrine.stats());
      if (instructions !== n) throw new ToolError(`hashes: the page stopped at ${instructions} instead of ${n}`);
      hashes.push(await page.evaluate(() => window.vitrine.stateHash()));
    }
    return hashes;
  } finally {
    await page.close();
  }
}
