// Guests move between two workers: one that the page carries, and Linux where the cache has it.
import { existsSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { machines } from "./support.ts";

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
    expect(machines(page)).toHaveLength(1);
    expect(complaints).toEqual([]);
  });
}

test("Linux moves while its shell prints: hashes equal, no line lost or said twice, and it answers on", async ({ page }) => {
  test.skip(!existsSync("guests/cache/linux-amd64/bzImage"), "no Linux in guests/cache; `npm run guests` fetches it");
  // Seconds on a quiet machine; nobody's fault on a busy one.
  test.setTimeout(400_000);
  const complaints: string[] = [];
  page.on("console", (m) => { if (m.type() === "error") complaints.push(m.text()); });
  await page.goto("/?test=1");
  await page.evaluate(() => window.vitrine?.ready());
  await page.evaluate(() => window.vitrine?.boot("linux-amd64", { accel: "kvm" }));
  await page.evaluate(() => window.vitrine?.waitForSerial("BOOTED", 300_000));
  const lines = 3000;
  await page.evaluate((n) => window.vitrine?.send(`i=0; while [ $i -lt ${n} ]; do echo line-$i; i=$((i+1)); done\n`), lines);
  await page.evaluate(() => window.vitrine?.waitForSerial("line-20\r", 30_000));
  const moved = await page.evaluate(() => window.vitrine?.migrate({ stop: "both" }));
  expect(moved?.kind).toBe("moved");
  expect(moved?.targetHash).toBe(moved?.sourceHash);
  // 256 MB, and what the display keeps.
  expect(moved?.rows[0]?.sent).toBeGreaterThanOrEqual(65536);
  await page.evaluate((n) => window.vitrine?.waitForSerial(`line-${n - 1}\r`, 60_000), lines);
  const serial = (await page.evaluate(() => window.vitrine?.serial())) ?? "";
  // The kernel speaks in the middle of a line when it likes to.
  const seen = [...serial.replace(/\[ *\d+\.\d+\] [^\r]*\r\n/g, "").matchAll(/^line-(\d+)\r$/gm)].map((m) => Number(m[1]));
  expect(seen).toEqual(Array.from({ length: lines }, (_, i) => i));
  await page.evaluate(() => window.vitrine?.send("echo answer-$((6*7))\n"));
  await page.evaluate(() => window.vitrine?.waitForSerial("answer-42", 20_000));
  expect(machines(page)).toHaveLength(1);
  expect(complaints).toEqual([]);
});

test("a migration that is cancelled leaves the guest where it is, running", async ({ page }) => {
  const complaints = await start(page, "tcg");
  const outcome = await page.evaluate(async () => {
    const moving = window.vitrine?.migrate({ stop: "2007" });
    const cancelled = await window.vitrine?.cancelMigration();
    return { cancelled, kind: (await moving)?.kind };
  });
  expect(outcome).toEqual({ cancelled: true, kind: "cancelled" });
  await page.evaluate(() => window.vitrine?.waitForSerial("tick 300", 30_000));
  expect(machines(page)).toHaveLength(1);
  expect(complaints).toEqual([]);
});
