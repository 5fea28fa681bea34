// How any project can drive Vitrine with plain Playwright. Copy this file; it needs nothing else of this repository.
//
//   1. Serve the page: `npm start` here, or dist/ from any static host (guests beyond the embedded ones are offered
//      by `npm start` only).
//   2. Point Playwright's baseURL at it, and open `/?test=1`: only then is there a window.vitrine.
//   3. window.vitrine.ready() resolves once guests can be booted. Every other method returns a promise, too:
//        boot(name, { accel: "tcg" | "kvm", memory, cpu, append })   send(text)   serial()   waitForSerial(text, ms)
//        pause()   resume()   step()   runToInstruction(n)   stats()   stateHash()   readPhysical(gpa, length)
//        translate(gva)   dirty()   migrate(options)   cancelMigration()
//      Addresses may be numbers or BigInts; bytes are Uint8Arrays; 64-bit values are BigInts.
//   4. Panels are found by data-testid: reg-rip, reg-cr3, walk-gpa, console, memory-map, rates and so on.
import { expect, test } from "@playwright/test";

/** Calls a method of window.vitrine in the page. */
const vitrine = (page, method, ...args) =>
  page.evaluate(([name, list]) => window.vitrine[name](...list), [method, args]);

/** Opens the page; skips the test where the server offers no Linux. */
async function openWithLinux(page) {
  await page.goto("/?test=1");
  await vitrine(page, "ready");
  const { files } = await page.evaluate(() => fetch("guests/manifest.json").then((answer) => (answer.ok ? answer.json() : { files: {} })));
  test.skip(!("linux-amd64/bzImage" in files), "this server offers no Linux; `npm run guests` fetches it");
}

/** What a panel shows, as a number. */
async function shown(page, testid) {
  const text = await page.getByTestId(testid).textContent();
  return BigInt(text.startsWith("0x") ? text : `0x${text}`);
}

/** Eight bytes of guest memory as a number. */
async function read64(page, gpa) {
  const bytes = await vitrine(page, "readPhysical", gpa, 8);
  return Buffer.from(bytes).readBigUInt64LE();
}

/** The table or page frame in an address, an entry or CR3. */
const pageOf = (value) => BigInt(value) & 0xffffffffff000n;

test("Linux boots under KVM, answers its keyboard, and the panels show what memory holds", async ({ page }) => {
  // Seconds on a quiet machine; nobody's fault on a busy one.
  test.setTimeout(400_000);
  await openWithLinux(page);
  await vitrine(page, "boot", "linux-amd64", { accel: "kvm" });
  await vitrine(page, "waitForSerial", "BOOTED", 300_000);

  // Typed into the terminal as a visitor does, read from the serial port as a script does.
  await page.getByTestId("console").click();
  await page.keyboard.type("echo typed-$((6*7))\n");
  await vitrine(page, "waitForSerial", "typed-42", 20_000);

  // From here on the guest never idles: every step is an instruction.
  await vitrine(page, "send", "while :; do :; done &\n");
  await vitrine(page, "send", "echo busy-$((6*7))\n");
  await vitrine(page, "waitForSerial", "busy-42", 20_000);

  // A machine that stands still does not change; the panels get there within some frames.
  await vitrine(page, "pause");
  let rip, cr3, walk;
  await expect.poll(async () => {
    rip = await shown(page, "reg-rip");
    cr3 = await shown(page, "reg-cr3");
    walk = await vitrine(page, "translate", rip);
    return (await shown(page, "walk-gpa")) === walk.gpa && pageOf(walk.references[0].address) === pageOf(cr3);
  }).toBe(true);
  // Four tables, or fewer where a large page ends the walk. Each entry is what memory holds, and leads to the next table.
  expect([2, 3, 4]).toContain(walk.references.length);
  let table = pageOf(cr3);
  for (const { address, value } of walk.references) {
    expect(pageOf(address)).toBe(table);
    expect(await read64(page, address)).toBe(value);
    table = pageOf(value);
  }

  // A step is one instruction; the panels follow.
  const { instructions } = await vitrine(page, "stats");
  await vitrine(page, "step");
  expect((await vitrine(page, "stats")).instructions).toBe(instructions + 1);
  await expect.poll(() => shown(page, "reg-rip")).not.toBe(rip);

  await vitrine(page, "resume");
  await vitrine(page, "send", "echo again-$((7*6))\n");
  await vitrine(page, "waitForSerial", "again-42", 20_000);
});
