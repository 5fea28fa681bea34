// What a reload and a link keep, and what a shut exhibit costs.
import { expect, type Page, test } from "@playwright/test";
import { bootTo, open } from "./support.ts";

/** Does what the fragment keeps, and waits until the fragment says so. */
async function keeps(page: Page, act: () => Promise<unknown>): Promise<string> {
  const fragment = () => page.evaluate(() => location.hash);
  const before = await fragment();
  await act();
  await expect.poll(fragment).not.toBe(before);
  return fragment();
}

test("a reload keeps guest, accelerator, theme, shut exhibits, the view and the address", async ({ page }) => {
  await open(page, "/?test=1&theme=dark");
  await page.getByTestId("accel").selectOption("tcg");
  await keeps(page, () => page.evaluate(() => window.vitrine?.boot("two-processes", { accel: "tcg" })));
  await page.getByTestId("theme").click();
  await keeps(page, () => page.getByTestId("shut-memory").click());
  await page.getByTestId("translate").fill("0x100000");
  const hash = await keeps(page, () => page.getByTestId("translate").press("Enter"));
  expect(hash).toMatch(/^#1\.[\w-]{20,}$/);
  await page.reload();
  await page.evaluate(() => window.vitrine?.ready());
  await expect(page.getByTestId("guest")).toHaveValue("two-processes");
  await expect(page.getByTestId("accel")).toHaveValue("tcg");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
  await expect(page.getByTestId("memory-map")).toHaveCount(0);
  await expect(page.getByTestId("translate")).toHaveValue("0x100000");
  await page.evaluate(() => window.vitrine?.waitForSerial("process 1 reads", 30_000));
  expect(await page.evaluate(() => location.hash)).toBe(hash);
  await page.getByTestId("alone-tables").click();
  await expect(page.getByTestId("panel-console")).toHaveCount(0);
  await page.reload();
  await expect(page.getByTestId("panel-tables")).toBeVisible();
  await expect(page.getByTestId("panel-console")).toHaveCount(0);
});

test("an exhibit that is shut or out of sight reads nothing from the machine; opened, it shows the present", async ({ page }) => {
  await open(page);
  await bootTo(page, "hello64", "kvm", 1_000_000);
  for (const area of ["exits", "tables", "cpu", "memory", "screen"]) await page.getByTestId(`shut-${area}`).click();
  const asked = await page.evaluate(() => new Promise<unknown[]>((done) => {
    const list: unknown[] = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, ...args: [unknown]) {
      const wants = (args[0] as { wants?: { observe: boolean } }).wants;
      if (wants?.observe) list.push(wants);
      post.apply(this, args);
    };
    void window.vitrine?.resume();
    setTimeout(() => { done(list); }, 1500);
  }));
  expect(asked.length).toBeGreaterThan(1);
  for (const wants of asked) expect(wants).toMatchObject({ code: false, exits: false, marks: false, screen: false, tables: [], address: undefined });
  await page.evaluate(() => window.vitrine?.pause());
  await page.getByTestId("shut-cpu").click();
  await page.getByTestId("panel-cpu").scrollIntoViewIfNeeded();
  await expect(page.getByTestId("code").locator("li")).not.toHaveCount(0);
});
