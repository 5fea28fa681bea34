// How long Linux takes in Chromium with every exhibit open, and what the frames do meanwhile.
import { median, percentile } from "./stats.mjs";

/** In the page: the time between frames from now on. */
function watchFrames() {
  window.frames_ = [];
  let last = performance.now();
  const frame = (now) => {
    window.frames_.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

async function one(browser, guest, accel, limitMs) {
  const what = `${guest.slice(6)} ${accel}`;
  const page = await browser.open();
  const from = performance.now();
  await page.evaluate(watchFrames);
  await page.evaluate(([name, options]) => window.vitrine.boot(name, options), [guest, { accel, append: "bench" }]);
  const rows = [];
  for (const mark of ["BOOTED", "BENCH-FORK"]) {
    await page.evaluate(([text, ms]) => window.vitrine.waitForSerial(text, ms), [mark, limitMs]);
    rows.push({ name: `${what}: ${mark}`, value: (performance.now() - from) / 1000, unit: "s" });
  }
  const frames = await page.evaluate(() => window.frames_);
  await page.close();
  return [
    ...rows,
    { name: `${what}: frames, median`, value: median(frames), unit: "ms", limit: { most: 17 } },
    { name: `${what}: frames, 99 %`, value: percentile(frames, 0.99), unit: "ms", limit: { most: 50 } },
    { name: `${what}: frames, longest`, value: Math.max(...frames), unit: "ms" },
  ];
}

export async function boot(browser, { limitMs, guests, accels }) {
  const rows = [];
  for (const guest of guests) for (const accel of accels) rows.push(...(await one(browser, guest, accel, limitMs)));
  return rows;
}
