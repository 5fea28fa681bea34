// An idle Linux of 256 MB moves between two workers of the page; the pause is timed from the guest's last slice in the
// one to its first in the other.
import { ToolError } from "../lib/say.mjs";
import { bootLinux, wait } from "./guest.mjs";
import { median } from "./stats.mjs";

const MOVES = 5;
const BETWEEN_MS = 2000;

export async function migration(browser, { limitMs, accels }) {
  const rows = [];
  for (const accel of accels) {
    const { page } = await bootLinux(browser, { accel, limitMs });
    const moves = [];
    for (let n = 0; n < MOVES; n++) {
      await wait(BETWEEN_MS);
      const moved = await page.evaluate(() => window.vitrine.migrate({ stop: "both" }));
      if (moved.kind !== "moved" || moved.sourceHash !== moved.targetHash) throw new ToolError(`figures: migration ended ${moved.kind}`);
      moves.push(moved);
    }
    await page.close();
    const totals = moves.map((m) => m.totalMs / 1000), pauses = moves.map((m) => m.downtimeMs);
    rows.push(
      { name: `migration ${accel}: in all, median`, value: median(totals), unit: "s", limit: { most: 3 }, all: totals },
      { name: `migration ${accel}: pause, median`, value: median(pauses), unit: "ms", limit: { most: 50 }, all: pauses },
      { name: `migration ${accel}: pause, longest`, value: Math.max(...pauses), unit: "ms" },
    );
  }
  return rows;
}
