// Both walks of an address: what the page shows is what memory holds, read another way.
import { expect, test } from "@playwright/test";
import { bootTo, open } from "./support.ts";

for (const [guest, mode] of [["hello64", "4-level"], ["two-processes", "2-level"]] as const) test(`under EPT every reference of both walks equals the bytes in guest and host memory, and the grid shows it: ${mode}`, async ({ page }) => {
  const complaints = await open(page);
  await bootTo(page, guest, "kvm", 1_000_000);
  const rip = (await page.getByTestId("reg-rip").textContent()) ?? "";
  const walk = await page.evaluate((a) => window.vitrine?.translate(BigInt(`0x${a}`)), rip);
  expect(walk?.mode).toBe(mode);
  expect(walk?.rows.length).toBe((walk?.references.length ?? 0) + 1);
  expect(walk?.steps.length).toBeGreaterThan(10);
  expect(walk?.steps.length).toBeLessThanOrEqual(24);
  for (const step of walk?.steps ?? []) {
    const [size, by] = [step.by === "guest" && mode === "2-level" ? 4 : 8, step.by];
    const bytes = await page.evaluate(([b, at, n]) => (b === "ept" ? window.vitrine?.readHostPhysical(at, n) : window.vitrine?.readPhysical(at, n)), [by, step.address, size] as const);
    const value = Buffer.concat([Buffer.from(bytes ?? []), Buffer.alloc(8)]).readBigUInt64LE();
    expect(value, `reference ${step.n}`).toBe(step.value);
    const cell = page.getByTestId(`ref-${step.n}`);
    await expect(cell).toContainText(`0x${step.address.toString(16)}`);
    await expect(cell).toContainText(step.value.toString(16));
  }
  const [gpa, hpa] = [walk?.gpa ?? 0n, walk?.hpa ?? 0n];
  const [seen, below] = await page.evaluate(async ([g, h]) => [await window.vitrine?.readPhysical(g, 16), await window.vitrine?.readHostPhysical(h, 16)], [gpa, hpa] as const);
  expect(seen).toEqual(below);
  await expect(page.getByTestId("walk-hpa")).toHaveText(`0x${hpa.toString(16)}`);
  expect(complaints).toEqual([]);
});

test("both trees are locked to the address, and arrows walk them", async ({ page }) => {
  await open(page);
  await bootTo(page, "hello64", "kvm", 1_000_000);
  for (const id of ["page-tables", "ept-tables"]) {
    const path = page.getByTestId(id).locator("tr[aria-current=location]");
    await expect.poll(() => path.count()).toBeGreaterThan(1);
    const first = page.getByTestId(id).locator("tbody tr").first();
    await first.focus();
    await expect(first).toHaveAttribute("aria-expanded", "true");
    await page.keyboard.press("ArrowLeft");
    await expect(first).toHaveAttribute("aria-expanded", "false");
    await page.keyboard.press("ArrowRight");
    await expect(first).toHaveAttribute("aria-expanded", "true");
    const second = page.getByTestId(id).locator("tbody tr").nth(1);
    await expect(second).toHaveAttribute("aria-level", "2");
    await page.keyboard.press("ArrowRight");
    await expect(second).toBeFocused();
    await page.keyboard.press("End");
    await expect(page.getByTestId(id).locator("tbody tr").last()).toBeFocused();
    await page.keyboard.press("Home");
    await expect(first).toBeFocused();
  }
});

test("an address typed in is translated on the bare machine in one dimension, a bad one is refused in words", async ({ page }) => {
  await open(page);
  await bootTo(page, "two-processes", "tcg", 1_000_000);
  await page.getByTestId("translate").fill("0x100000");
  await page.getByTestId("translate").press("Enter");
  await expect(page.getByTestId("walk-result")).toContainText("GVA 0x100000");
  await expect(page.getByTestId("ept-tables")).toHaveCount(0);
  const walk = await page.evaluate(() => window.vitrine?.translate(0x100000));
  await expect(page.getByTestId("walk").locator("tbody tr")).toHaveCount(walk?.steps.length ?? 0);
  await page.getByTestId("translate").fill("over there");
  await page.getByTestId("translate").press("Enter");
  await expect(page.getByTestId("panel-tables").getByRole("alert")).toHaveText("Give a hexadecimal address, rip or rsp.");
});

test("the next exit stops behind exactly one exit, which the list shows with its handler", async ({ page }) => {
  await open(page);
  await bootTo(page, "two-processes", "kvm", 100_000);
  for (let n = 0; n < 5; n++) {
    const before = (await page.evaluate(() => window.vitrine?.stats()))?.exits_total ?? 0;
    await page.evaluate(() => window.vitrine?.stepExit());
    const { exits_total: after, instructions } = (await page.evaluate(() => window.vitrine?.stats())) ?? { exits_total: 0, instructions: 0 };
    expect(after).toBe(before + 1);
    const newest = page.getByTestId("exit-records").locator("tbody tr").first();
    await expect.poll(async () => Number((await newest.locator("td").first().textContent())?.replace(/\D/g, ""))).toBeGreaterThanOrEqual(instructions - 1);
    await expect(newest.locator("td").nth(2)).toHaveText(/user|kernel/);
  }
  // The guest sleeps until its timer at 10 M, and is now past it. Several exits may share one t; the list still holds each once, newest first.
  await page.evaluate(() => window.vitrine?.runToInstruction(40_000_000));
  const read = async () => (await page.getByTestId("exit-records").locator("tbody tr td:first-child").allTextContents()).map((text) => Number(text.replace(/\D/g, "")));
  await expect.poll(async () => (await read()).length).toBeGreaterThan(5);
  const times = await read();
  expect(times).toEqual([...times].sort((a, b) => b - a));
});
