// A machine is saved to a file and comes back from it.
import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { bootTo, drop, open } from "./support.ts";

for (const accel of ["tcg", "kvm"] as const) {
  test(`a saved machine comes back with the hash it was saved with, ${accel}`, async ({ page }) => {
    const complaints = await open(page);
    await bootTo(page, "two-processes", accel, 3_000_000);
    const hashes = await page.evaluate(async () => {
      const v = window.vitrine;
      if (!v) return [];
      const saved = await v.stateHash();
      const file = await v.saveState();
      await v.runToInstruction(9_000_000);
      const later = await v.stateHash();
      await v.restoreState(file);
      const restored = await v.stateHash();
      const { instructions } = await v.stats();
      await v.runToInstruction(9_000_000);
      return [saved, restored, later, await v.stateHash(), String(instructions)];
    });
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
    expect(hashes[3]).toBe(hashes[2]);
    expect(hashes[4]).toBe("3000000");
    expect(complaints).toEqual([]);
  });
}

test("the button downloads a file that another page takes when it is dropped there; a damaged one is refused and changes nothing", async ({ page, context }) => {
  await open(page);
  await bootTo(page, "two-processes", "kvm", 3_000_000);
  const hash = await page.evaluate(() => window.vitrine?.stateHash());
  const serial = await page.evaluate(() => window.vitrine?.serial());
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("save").click()]);
  expect(download.suggestedFilename()).toBe("two-processes-t3000000.vitrine");
  const bytes = new Uint8Array(readFileSync(await download.path()));
  expect(bytes.length).toBeLessThan(8 << 20);

  const other = await context.newPage();
  await open(other);
  await drop(other, [{ name: "two.vitrine", bytes }]);
  await expect(other.getByTestId("notice")).toContainText("Restored.");
  await expect(other.getByTestId("clock")).toHaveText(/^3.000.000$/);
  expect(await other.evaluate(() => window.vitrine?.stateHash())).toBe(hash);
  expect(await other.evaluate(() => window.vitrine?.serial())).toBe(serial);
  await expect(other.getByTestId("accel")).toHaveValue("kvm");

  const damaged = bytes.slice();
  damaged[bytes.length >> 1] = (damaged[bytes.length >> 1] ?? 0) ^ 1;
  await drop(other, [{ name: "two.vitrine", bytes: damaged }]);
  await expect(other.getByTestId("problem")).toContainText("state file: its check sum is wrong: the file is damaged; restore a file that");
  expect(await other.evaluate(() => window.vitrine?.stateHash())).toBe(hash);
  const newer = bytes.slice();
  newer[7] = 0x32;
  await drop(other, [{ name: "two.vitrine", bytes: newer }]);
  await expect(other.getByTestId("problem")).toContainText("format 2, and this page reads format 1");
});
