// A guest that the page carries moves between two workers; nothing is fetched.
import { expect, type Page, test } from "@playwright/test";

async function start(page: Page, accel: "tcg" | "kvm"): Promise<string[]> {
  const complaints: string[] = [];
  page.on("console", (m) => { if (m.type() === "error") complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(e.message));
  await page.goto("/?test=1");
  await page.evaluate(() => window.vitrine?.ready());
  await page.evaluate((a) => window.vitrine?.boot("hello64", { accel: a }), accel);
  await page.evaluate(() => window.vitrine?.waitForSerial("tick 100", 30_000));
  return complaints;
}

for (const accel of ["tcg", "kvm"] as const) {
  test(`a running guest moves to a second worker, ${accel}: hashes equal, console complete, answers on`, async ({ page }) => {
    const complaints = await start(page, accel);
    const late = page.evaluate(() => window.vitrine?.waitForSerial("tick 300", 60_000));
    const moved = await page.evaluate(() => window.vitrine?.migrate({ stop: "both" }));
    expect(moved?.kind).toBe("moved");
    expect(moved?.sourceHash).toMatch(/^[0-9a-f]{64}$/);
    expect(moved?.targetHash).toBe(moved?.sourceHash);
    expect(moved?.rows.at(-1)).toMatchObject({ stopped: true, remaining: 0 });
    await late;
    const serial = (await page.evaluate(() => window.vitrine?.serial())) ?? "";
    expect([...serial.matchAll(/tick (\d+)\r\n/g)].map((m) => m[1])).toEqual(["100", "200", "300"]);
    await page.evaluate(() => window.vitrine?.send("p"));
    await page.evaluate(() => window.vitrine?.waitForSerial("space B: CR3 00201000", 20_000));
    await expect(page.getByTestId("hashes")).toContainText("equal");
    await expect(page.getByTestId("passes").locator("tbody tr")).toHaveCount(moved?.rows.length ?? 0);
    expect(page.workers()).toHaveLength(1);
    expect(complaints).toEqual([]);
  });
}

test("a migration that is cancelled leaves the guest where it is, running", async ({ page }) => {
  const complaints = await start(page, "tcg");
  const outcome = await page.evaluate(async () => {
    const moving = window.vitrine?.migrate({ stop: "2007" });
    const cancelled = await window.vitrine?.cancelMigration();
    return { cancelled, kind: (await moving)?.kind };
  });
  expect(outcome).toEqual({ cancelled: true, kind: "cancelled" });
  await page.evaluate(() => window.vitrine?.waitForSerial("tick 300", 30_000));
  expect(page.workers()).toHaveLength(1);
  expect(complaints).toEqual([]);
});
