// What the page's renderer process holds with a Linux of 256 MB.
import { readFileSync } from "node:fs";
import { bootLinux, wait } from "./guest.mjs";
import { median } from "./stats.mjs";

const RAM = 256;
/** Looks, once the boot's garbage has had time to go. */
const SETTLE_MS = 5000;
const LOOKS = 10;
const MIB = 2 ** 20;

/** Resident memory of the largest renderer, in MiB: all of it, and what is its own. */
async function rendererMemory(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sizes = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => {
    const status = readFileSync(`/proc/${id}/status`, "utf8");
    const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
    return { all: kib("VmRSS") / 1024, own: (kib("RssAnon") + kib("RssShmem")) / 1024 };
  });
  return sizes.sort((a, b) => b.all - a.all)[0];
}

export async function memory(browser, { limitMs }) {
  const { page } = await bootLinux(browser, { limitMs });
  await wait(SETTLE_MS);
  const sizes = [];
  for (let n = 0; n < LOOKS; n++) {
    sizes.push(await rendererMemory(browser.browser));
    await wait(500);
  }
  // Chromium's own account, of JavaScript and Wasm.
  const said = await page.evaluate(() => performance.measureUserAgentSpecificMemory().then(({ bytes }) => bytes));
  await page.close();
  return [
    { name: "renderer, amd64 256 MB: resident", value: median(sizes.map(({ all }) => all)), unit: "MiB", limit: { most: RAM + 250 } },
    { name: "renderer, amd64 256 MB: anonymous and shared", value: median(sizes.map(({ own }) => own)), unit: "MiB" },
    { name: "renderer, amd64 256 MB: JavaScript and Wasm", value: said / MIB, unit: "MiB" },
  ];
}
