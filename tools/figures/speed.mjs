// The same busy guest with every exhibit open and with all of them shut, turn by turn, so that a slow minute of the
// machine falls on both.
import { bootLinux, makeBusy, wait } from "./guest.mjs";
import { median } from "./stats.mjs";

const TURNS = 5;
const TURN_MS = 3000;

/** Million instructions a second over one turn. */
async function rate(page) {
  const look = () => page.evaluate(async () => ({ t: (await window.vitrine.stats()).instructions, ms: performance.now() }));
  const from = await look();
  await wait(TURN_MS);
  const to = await look();
  return (to.t - from.t) / (to.ms - from.ms) / 1000;
}

export async function speed(browser, { limitMs, accels }) {
  const rows = [];
  for (const accel of accels) {
    const { page } = await bootLinux(browser, { accel, limitMs });
    await makeBusy(page);
    const open = [], shut = [];
    for (let turn = 0; turn < TURNS; turn++) {
      open.push(await rate(page));
      await browser.shut(page);
      shut.push(await rate(page));
      await browser.unshut(page);
    }
    await page.close();
    rows.push(
      { name: `busy amd64 ${accel}: exhibits open`, value: median(open), unit: "MIPS" },
      { name: `busy amd64 ${accel}: exhibits shut`, value: median(shut), unit: "MIPS" },
      { name: `busy amd64 ${accel}: open against shut`, value: (100 * median(open)) / median(shut), unit: "%", limit: { least: 85 } },
    );
  }
  return rows;
}
