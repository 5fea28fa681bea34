import { existsSync } from "node:fs";
import { expect, test, type Page } from "@playwright/test";
import { open } from "./support.ts";

/** How many pixels of the screen have the colour, and its size. */
function look(page: Page, colour: readonly [number, number, number]) {
  return page.getByTestId("screen-canvas").evaluate((canvas: HTMLCanvasElement, [r, g, b]) => {
    const { data, width, height } = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [], width: 0, height: 0 };
    let count = 0, left = width;
    for (let i = 0; i < data.length; i += 4) {
      if (Math.abs((data[i] ?? 0) - r) > 4 || Math.abs((data[i + 1] ?? 0) - g) > 4 || Math.abs((data[i + 2] ?? 0) - b) > 4) continue;
      count++;
      left = Math.min(left, (i / 4) % width);
    }
    return { width, height, count, left };
  }, colour);
}
const WANDERER = [252, 252, 0] as const;

for (const accel of ["kvm", "tcg"] as const) {
  test(`the page paints what the guest draws, and takes keys and the mouse while the screen has the focus, ${accel}`, async ({ page }) => {
    const complaints = await open(page);
    await page.evaluate((a) => window.vitrine?.boot("picture", { accel: a }), accel);
    const canvas = page.getByTestId("screen-canvas");
    await canvas.scrollIntoViewIfNeeded();
    await expect.poll(async () => (await look(page, WANDERER)).count).toBe(48 * 48);
    const first = await look(page, WANDERER);
    expect([first.width, first.height]).toEqual([640, 480]);
    await expect.poll(async () => (await look(page, WANDERER)).left).not.toBe(first.left);
    await expect(page.getByTestId("screen-text")).toContainText("640 × 480 pixels, 32 bits a pixel");

    await expect(page.getByTestId("screen-hint")).toContainText("Click the screen");
    await canvas.click();
    await expect(page.getByTestId("screen-hint")).toContainText("Esc gives them back");
    await page.keyboard.press("a");
    await page.evaluate(() => window.vitrine?.waitForSerial("key 9e", 20_000));
    await page.keyboard.press("1");
    await expect(page.getByTestId("screen-text")).toContainText("8 bits a pixel");
    await expect.poll(async () => (await look(page, WANDERER)).count).toBe(48 * 48);

    const box = await canvas.boundingBox();
    if (!box) throw new Error("no box");
    await page.mouse.move(box.x + 50, box.y + 50);
    await page.mouse.move(box.x + 80, box.y + 60, { steps: 3 });
    await page.mouse.down();
    await page.evaluate(() => window.vitrine?.waitForSerial("mouse 09", 20_000));
    await page.mouse.up();

    // The way out: Escape, and nothing of what is pressed then reaches the guest.
    await page.keyboard.down("b");
    await page.evaluate(() => window.vitrine?.waitForSerial("key 30", 20_000));
    await page.keyboard.press("Escape");
    await expect(canvas).not.toBeFocused();
    // A key that is held is let go.
    await page.evaluate(() => window.vitrine?.waitForSerial("key b0", 20_000));
    await page.keyboard.up("b");
    await page.keyboard.press("z");
    const serial = await page.evaluate(() => window.vitrine?.serial());
    expect(serial).not.toContain("key 2c");
    await page.getByRole("button", { name: "Esc", exact: true }).click();
    await page.evaluate(() => window.vitrine?.waitForSerial("key 81", 20_000));
    expect(complaints).toEqual([]);
  });
}

test("what is painted can be marked", async ({ page }) => {
  await open(page);
  await page.evaluate(() => window.vitrine?.boot("picture", { accel: "kvm" }));
  await page.getByTestId("screen-canvas").scrollIntoViewIfNeeded();
  const marked = () => page.locator("canvas").evaluateAll((all) => all.some((c) => {
    const canvas = c as HTMLCanvasElement;
    if (canvas.dataset.testid || canvas.width !== 640) return false;
    return canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v !== 0) ?? false;
  }));
  expect(await marked()).toBe(false);
  await page.getByTestId("screen-flash").click();
  await expect.poll(marked).toBe(true);
  await page.getByTestId("screen-flash").click();
  await expect.poll(marked).toBe(false);
});

test("Linux draws its console into the framebuffer, and a shell there takes the keyboard", async ({ page }) => {
  test.skip(!existsSync(new URL("../guests/cache/linux-i386/bzImage", import.meta.url)), "no linux-i386 in guests/cache: run `npm run guests`");
  test.setTimeout(240_000);
  await open(page);
  await page.evaluate(() => window.vitrine?.boot("linux-i386-screen", { accel: "kvm" }));
  const canvas = page.getByTestId("screen-canvas");
  await canvas.scrollIntoViewIfNeeded();
  // The boot's text, in the console's grey.
  await expect.poll(async () => (await look(page, [170, 170, 170])).count, { timeout: 150_000 }).toBeGreaterThan(5000);
  expect(await look(page, [0, 0, 0])).toMatchObject({ width: 640, height: 480 });
  // There is no telling when the shell is there: it is asked again until the screen is red.
  await expect(async () => {
    await canvas.click();
    await page.keyboard.type("printf '\\033[41m'; clear\n", { delay: 20 });
    await expect.poll(async () => (await look(page, [170, 0, 0])).count, { timeout: 5000 }).toBeGreaterThan(600 * 440);
  }).toPass({ timeout: 80_000 });
});
