// Machines with several processors: chosen in the bar, shown one at a time.
import { existsSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { open } from "./support.ts";

for (const accel of ["kvm", "tcg"] as const)
  test(`four processors say what they did, and each one's registers can be looked at, ${accel}`, async ({ page }) => {
    const complaints = await open(page);
    await page.evaluate((a) => window.vitrine?.boot("four-cpus", { accel: a }), accel);
    await page.evaluate(() => window.vitrine?.waitForSerial("4 processors", 30_000));
    const choice = page.getByTestId("processors");
    await expect(choice.getByRole("radio")).toHaveCount(4);
    const stacks = new Set<string | null>();
    for (const cpu of [0, 1, 2, 3]) {
      await choice.getByText(`CPU ${cpu}`).click();
      await expect(choice.getByRole("radio", { name: `CPU ${cpu}` })).toBeChecked();
      stacks.add(await page.getByTestId("reg-rsp").textContent());
    }
    expect(stacks.size).toBe(4);
    // The keyboard does it, too.
    await page.keyboard.press("ArrowLeft");
    await expect(choice.getByRole("radio", { name: "CPU 2" })).toBeChecked();
    expect(complaints).toEqual([]);
  });

test("a guest gets the processors that were chosen, and a reload gives them again", async ({ page }) => {
  test.skip(!existsSync("guests/cache/linux-amd64/bzImage"), "no linux-amd64 in guests/cache; `npm run guests` fetches it");
  await open(page);
  await page.evaluate(() => window.vitrine?.boot("hello64", { accel: "kvm" }));
  await expect(page.getByTestId("processors")).toHaveCount(0);
  await page.getByTestId("cpus").selectOption("2");
  await expect(page.getByTestId("processors").getByRole("radio")).toHaveCount(2);
  await page.getByTestId("guest").selectOption("linux-amd64");
  await page.evaluate(() => window.vitrine?.waitForSerial("BOOTED", 100_000));
  await page.evaluate(() => window.vitrine?.send("echo here-are-$(nproc)\n"));
  await page.evaluate(() => window.vitrine?.waitForSerial("here-are-2", 20_000));
  await page.reload();
  await page.evaluate(() => window.vitrine?.ready());
  await expect(page.getByTestId("cpus")).toHaveValue("2");
});
