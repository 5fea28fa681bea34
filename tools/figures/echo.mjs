// From a key to its echo in the terminal, while a process in the guest never sleeps.
import { bootLinux, makeBusy, wait } from "./guest.mjs";
import { median, percentile } from "./stats.mjs";

const KEYS = 60;
/** Letters that neither the prompt nor the command line shows. */
const KEY = "q";

/** In the page: notes when a key goes down and when one more of its letters stands in the terminal. */
function watchEcho(letter) {
  const rows = document.querySelector("[data-testid=console] .xterm-rows");
  const count = () => rows.textContent.split(letter).length;
  window.echo = { times: [], pressed: undefined, seen: count() };
  window.addEventListener("keydown", (event) => {
    if (event.key !== letter) return;
    window.echo.seen = count();
    window.echo.pressed = event.timeStamp;
  }, true);
  new MutationObserver(() => {
    const { echo } = window;
    if (echo.pressed === undefined || count() <= echo.seen) return;
    echo.times.push(performance.now() - echo.pressed);
    echo.pressed = undefined;
  }).observe(rows, { subtree: true, childList: true, characterData: true });
}

export async function echo(browser, { limitMs }) {
  const { page } = await bootLinux(browser, { limitMs });
  await makeBusy(page);
  await page.getByTestId("console").click();
  await page.evaluate(watchEcho, KEY);
  for (let n = 1; n <= KEYS; n++) {
    await page.keyboard.press(KEY);
    await page.waitForFunction((k) => window.echo.times.length >= k, n, { timeout: 10_000 });
    // Off the rhythm of frames and slices.
    await wait(53 + (n % 7) * 11);
  }
  const times = await page.evaluate(() => window.echo.times);
  await page.close();
  return [
    { name: "key to echo, guest busy: median", value: median(times), unit: "ms", limit: { most: 50 } },
    { name: "key to echo, guest busy: 95 %", value: percentile(times, 0.95), unit: "ms" },
    { name: "key to echo, guest busy: longest", value: Math.max(...times), unit: "ms" },
  ];
}
