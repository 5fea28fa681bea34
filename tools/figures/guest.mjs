// What several figures need of a guest in the page.

/** Boots Linux in a fresh page and waits for a text on its serial port. */
export async function bootLinux(browser, { guest = "linux-amd64", accel = "kvm", append, until = "BOOTED", limitMs }) {
  const page = await browser.open();
  const from = performance.now();
  await page.evaluate(([name, options]) => window.vitrine.boot(name, options), [guest, { accel, append }]);
  await page.evaluate(([text, ms]) => window.vitrine.waitForSerial(text, ms), [until, limitMs]);
  return { page, seconds: (performance.now() - from) / 1000 };
}

/** A process in the guest that never sleeps: from now on t counts instructions that were executed. */
export async function makeBusy(page) {
  await page.evaluate(() => window.vitrine.send("while :; do :; done &\n"));
  await page.evaluate(() => window.vitrine.send("echo busy-$((6*7))\n"));
  await page.evaluate(() => window.vitrine.waitForSerial("busy-42", 30_000));
}

/** Wall time, not the guest's. */
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
