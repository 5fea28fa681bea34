// Drives the page through window.vitrine alone.
import { existsSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { machines } from "./support.ts";
import type { VitrineTestApi } from "../src/ui/testapi.ts";

declare global {
  interface Window {
    vitrine?: VitrineTestApi;
  }
}

const KERNEL_MS = 100_000;
const needs = (guest: string) => test.skip(!existsSync(`guests/cache/${guest}/bzImage`), `no ${guest} in guests/cache; \`npm run guests\` fetches it`);

async function open(page: Page): Promise<string[]> {
  const complaints: string[] = [];
  page.on("console", (m) => { if (m.type() === "error") complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(e.message));
  await page.goto("/?test=1");
  await page.evaluate(() => window.vitrine?.ready());
  return complaints;
}

test("Debian Linux boots on the bare CPU, and its shell answers what is typed", async ({ page }) => {
  needs("linux-i386");
  const complaints = await open(page);
  await page.evaluate(() => window.vitrine?.boot("linux-i386", { accel: "tcg" }));
  await page.evaluate((ms) => window.vitrine?.waitForSerial("BOOTED", ms), KERNEL_MS);
  await page.evaluate(() => window.vitrine?.send("echo answer-$((6*7))\n"));
  await page.evaluate(() => window.vitrine?.waitForSerial("answer-42", 20_000));
  expect(complaints).toEqual([]);
});

test("panels under KVM show what memory says, a busy guest leaves frames smooth, and a look does not change the hash", async ({ page }) => {
  needs("linux-amd64");
  const complaints = await open(page);
  await page.evaluate(() => window.vitrine?.boot("linux-amd64", { accel: "kvm" }));
  await page.evaluate((ms) => window.vitrine?.waitForSerial("Linux version", ms), KERNEL_MS);
  const slowest = await page.evaluate(() => new Promise<number[]>((done) => {
    const times: number[] = [];
    let last = performance.now();
    const frame = (now: number) => {
      times.push(now - last);
      last = now;
      if (times.length < 120) requestAnimationFrame(frame);
      else done(times.sort((a, b) => a - b));
    };
    requestAnimationFrame(frame);
  }));
  expect(slowest[60]).toBeLessThan(34);
  await page.evaluate(() => window.vitrine?.runToInstruction(300_000_000));
  const { instructions, exits_total } = (await page.evaluate(() => window.vitrine?.stats())) ?? { instructions: 0, exits_total: 0 };
  expect(instructions).toBeGreaterThanOrEqual(300_000_000);
  expect(exits_total).toBeGreaterThan(0);
  const first = await page.evaluate(() => window.vitrine?.stateHash());
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(await page.evaluate(() => window.vitrine?.stateHash())).toBe(first);

  const rip = await page.getByTestId("reg-rip").textContent();
  const walk = await page.evaluate((a) => window.vitrine?.translate(BigInt(`0x${a}`)), rip);
  expect(walk?.references.length).toBeGreaterThan(1);
  for (const reference of walk?.references ?? []) {
    const bytes = await page.evaluate((at) => window.vitrine?.readPhysical(at, 8), reference.address);
    expect(Buffer.from(bytes ?? []).readBigUInt64LE()).toBe(reference.value);
  }
  await expect(page.getByTestId("walk-gpa")).toHaveText(`0x${walk?.gpa?.toString(16)}`);
  expect(complaints).toEqual([]);
});

test("the machine runs in a worker of its own, and a missing guest is one clear line", async ({ page }) => {
  await open(page);
  await page.evaluate(() => window.vitrine?.boot("hello64", { accel: "tcg" }));
  expect(machines(page)).toHaveLength(1);
  const refusal = await page.evaluate(() => window.vitrine?.boot("none").catch((e: Error) => e.message));
  expect(refusal).toContain("guest: none; choose one of");
});
