// From navigation to the embedded guest's first character on the screen, as a visitor of a static host sees it.
import { median } from "./stats.mjs";

const RUNS = 5;

/** In the page: resolves to milliseconds since navigation began when the terminal shows anything. */
function firstCharacter() {
  const shown = () => document.querySelector("[data-testid=console] .xterm-rows")?.textContent.trim() !== "";
  return new Promise((resolve) => {
    const look = () => {
      if (document.querySelector("[data-testid=console] .xterm-rows") && shown()) resolve(performance.now());
      else requestAnimationFrame(look);
    };
    look();
  });
}

export async function start({ browser, address }) {
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    // A context of its own: nothing is in its caches.
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    // A static host has no guests of others.
    await page.route("**/guests/**", (route) => route.fulfill({ status: 404 }));
    await page.goto(address, { waitUntil: "commit" });
    times.push(await page.evaluate(firstCharacter));
    await page.close();
  }
  return [{ name: "first character of the embedded guest", value: median(times), unit: "ms", limit: { most: 1000 }, all: times }];
}
