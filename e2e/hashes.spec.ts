// A look does not change what is looked at: the same state hash after as many instructions with every exhibit open
// and with all shut, bare and under KVM, and in Node. The long form, to three billion instructions, is `npm run hashes`.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "@playwright/test";

const cpu = "qemu64,kvm=off,-hypervisor";
const linux = existsSync("guests/cache/linux-amd64/bzImage");
/** The guest that the page carries stands in where there is no Linux. */
const guest = linux ? "linux-amd64" : "hello64";
const instructions = linux ? 300_000_000 : 5_000_000_000;

test(`${guest} has one state hash after ${instructions / 1e6} million instructions, whoever runs it and whoever looks`, async ({ page }) => {
  const hashes: [place: string, hash: string | undefined][] = [];
  for (const panels of ["open", "shut"] as const) {
    await page.goto("/?test=1");
    await page.evaluate(() => window.vitrine?.ready());
    if (panels === "shut") {
      const buttons = page.locator("[data-testid^=shut-][aria-expanded=true]");
      expect(await buttons.count()).toBeGreaterThan(5);
      for (let left = await buttons.count(); left > 0; left = await buttons.count()) await buttons.first().click();
    }
    for (const accel of ["tcg", "kvm"] as const) {
      await page.evaluate(
        ([name, options]) => window.vitrine?.boot(name, options),
        [guest, { accel, cpu, paused: true, rtcBase: Date.UTC(2026, 0, 1) / 1000 }] as const,
      );
      await page.evaluate((n) => window.vitrine?.runToInstruction(n), instructions);
      expect((await page.evaluate(() => window.vitrine?.stats()))?.instructions).toBe(instructions);
      hashes.push([`Chromium ${accel}, panels ${panels}`, await page.evaluate(() => window.vitrine?.stateHash())]);
    }
  }
  if (linux) {
    const folder = `guests/cache/${guest}`;
    const output = execFileSync(process.execPath, [
      "bin/vitrine.mjs", "-accel", "tcg", "-cpu", cpu, "-rtc", "base=2026-01-01", "-m", "256", "-nographic",
      "-kernel", `${folder}/bzImage`, "-initrd", `${folder}/initrd.cpio.gz`, "-append", "console=ttyS0 panic=-1 tsc=reliable",
      "-max-insns", String(instructions), "-state-hash",
    ], { encoding: "latin1", stdio: ["ignore", "pipe", "inherit"] });
    hashes.push(["Node tcg", /^state-hash: ([0-9a-f]{64})$/m.exec(output)?.[1]]);
  }
  expect(hashes[0]?.[1]).toMatch(/^[0-9a-f]{64}$/);
  expect(hashes.filter(([, hash]) => hash !== hashes[0]?.[1])).toEqual([]);
});
