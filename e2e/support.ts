import type { Page, Worker } from "@playwright/test";
import { assemble } from "../src/isa/index.ts";
import type { VitrineTestApi } from "../src/ui/testapi.ts";

declare global {
  interface Window {
    vitrine?: VitrineTestApi;
  }
}

/** Opens the page for a test; the list fills with what the page complains about. */
export async function open(page: Page, address = "/?test=1"): Promise<string[]> {
  const complaints: string[] = [];
  page.on("console", (m) => { if (m.type() === "error") complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(e.message));
  await page.goto(address);
  await page.evaluate(() => window.vitrine?.ready());
  return complaints;
}

/** The workers in which a machine runs; each has a translator beside it once hot code is translated. */
export const machines = (page: Page): Worker[] => page.workers().filter((worker) => worker.url().includes("machine.worker"));

/** Boots a guest that the page carries and stops it at t. */
export async function bootTo(page: Page, name: string, accel: "kvm" | "tcg", t: number): Promise<void> {
  await page.evaluate(([n, a]) => window.vitrine?.boot(n, { accel: a, paused: true }), [name, accel] as const);
  await page.evaluate((to) => window.vitrine?.runToInstruction(to), t);
}

/** A multiboot image of 32-bit code. */
export function image(code: string): Uint8Array {
  return assemble(`
bits 32
org 0x100000
header: dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
start:
${code}
image_end:
`).bytes;
}

/** What a user drops on the page. */
export async function drop(page: Page, files: readonly { name: string; bytes: Uint8Array }[]): Promise<void> {
  const plain = files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString("base64") }));
  const transfer = await page.evaluateHandle((list) => {
    const data = new DataTransfer();
    for (const { name, base64 } of list) data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    return data;
  }, plain);
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}
