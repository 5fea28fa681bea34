// What users bring: kernels and initrds by drag and drop, text by paste; and how a machine ends.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { bootTo, drop, image, machines, open } from "./support.ts";

const cache = new URL("../guests/cache/", import.meta.url);
const cached = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, cache)));
const haveI386 = existsSync(new URL("linux-i386/bzImage", cache));
const haveSeabios = existsSync(new URL("seabios/bios-256k.bin", cache));

/** Prints what it receives. */
const echo = `
again:
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz again
  mov dx, 0x3f8
  in al, dx
  out dx, al
  jmp again`;

test("a kernel that is dropped boots, and what is pasted into its console reaches it", async ({ page }) => {
  const complaints = await open(page);
  await drop(page, [{ name: "echo.bin", bytes: image(echo) }]);
  await expect(page.getByTestId("clock")).not.toHaveText("0");
  await page.getByTestId("console").locator("textarea").focus();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text/plain", "pasted: 6 × 7 = 42\nsecond line");
    document.activeElement?.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.evaluate(() => window.vitrine?.waitForSerial("= 42\rsecond line", 20_000));
  expect(complaints).toEqual([]);
});

test("a kernel and an initrd dropped together boot, whichever comes first", async ({ page }) => {
  test.skip(!haveI386, "needs guests/cache (npm run guests)");
  await open(page);
  await page.getByTestId("accel").selectOption("tcg");
  await drop(page, [{ name: "initrd.cpio.gz", bytes: cached("linux-i386/initrd.cpio.gz") }, { name: "bzImage", bytes: cached("linux-i386/bzImage") }]);
  await page.evaluate(() => window.vitrine?.waitForSerial("Linux version", 100_000));
  await expect(page.getByTestId("problem")).toHaveCount(0);
});

for (const [what, name, bytes, says] of [
  ["a text", "notes.txt", new TextEncoder().encode("This is no kernel at all, but a text of some length.\n".repeat(40)), /notes\.txt: .+; /],
  ["an empty file", "empty", new Uint8Array(0), /empty: .+; /],
  ["an initrd alone", "initrd.gz", Uint8Array.of(0x1f, 0x8b, 8, 0), /initrd\.gz: holds no kernel; drop a kernel/],
  ["a cut kernel", "cut", image(echo).subarray(0, 20), /cut: .+; /],
] as const) {
  test(`${what} is refused with its name, what is wrong and a cure`, async ({ page }) => {
    const complaints = await open(page);
    await drop(page, [{ name, bytes }]);
    await expect(page.getByTestId("problem")).toContainText(says);
    expect(complaints).toEqual([]);
  });
}

test("SeaBIOS from the local server reaches No bootable device", async ({ page }) => {
  test.skip(!haveSeabios, "needs guests/cache (npm run guests)");
  const complaints = await open(page);
  await page.getByTestId("guest").selectOption("seabios");
  await page.getByTestId("panel-screen").scrollIntoViewIfNeeded();
  await expect(page.getByTestId("screen-text")).toContainText("No bootable device", { timeout: 90_000 });
  expect(complaints).toEqual([]);
});

for (const accel of ["kvm", "tcg"] as const) {
  test(`a triple fault is named and leaves the state to look at, ${accel}`, async ({ page }) => {
    await open(page);
    await page.getByTestId("accel").selectOption(accel);
    await drop(page, [{ name: "fault.bin", bytes: image("  mov dword [0x300000], 0x600dcafe\n  lidt [nothing]\n  int3\nnothing: dd 0, 0") }]);
    await expect(page.getByTestId("ending")).toContainText("KVM_EXIT_SHUTDOWN");
    const bytes = await page.evaluate(() => window.vitrine?.readPhysical(0x300000, 4));
    expect(Buffer.from(bytes ?? []).readUInt32LE()).toBe(0x600dcafe);
    await expect(page.getByTestId("reg-rip")).toHaveText(/^00000000001000[0-9a-f]{2}$/);
    await expect(page.getByTestId("save")).toBeEnabled();
  });
}

test("an internal error offers a report with registers and exits", async ({ page }) => {
  await open(page);
  await bootTo(page, "hello64", "kvm", 1_000_000);
  // No guest is known to bring the machine to one: the worker is made to say so.
  await machines(page)[0]?.evaluate(() => {
    const post = self.postMessage.bind(self) as (message: unknown, options: unknown) => void;
    const ending = { kind: "error", text: "Internal error: a test. Memory is kept." };
    Object.assign(self, { postMessage: (m: { frame?: object }, options: unknown) => { post(m.frame ? { frame: { ...m.frame, state: "stopped", ending } } : m, options); } });
  });
  await expect(page.getByTestId("ending")).toContainText("Internal error: a test.");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("report").click()]);
  const report = JSON.parse(readFileSync(await download.path(), "utf8")) as unknown;
  expect(report).toMatchObject({ format: "vitrine-report-1", guest: "hello64", accel: "kvm", regs: { rip: expect.stringMatching(/^0x1/) } });
});
