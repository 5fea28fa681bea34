// What `npm run engines` prints.

/** `count` checkpoints up to `end`, evenly spread, whole instructions. */
export const spread = (end, count) => Array.from({ length: count }, (_, i) => Math.round((end * (i + 1)) / count));

const NAME = 12;
export function title(guest, times) {
  return `${guest}: ${times.length} checkpoints to ${times.at(-1) / 1e9} G\n${"engine".padEnd(NAME)}equal    last hash         seconds  bare=1  exits`;
}

/** One engine's line; `first` is the checkpoint that differs, -1 for none. */
export function row(name, { hashes, seconds, exits }, bare, first) {
  const equal = hashes.filter((hash, i) => hash === bare.hashes[i]).length;
  const reasons = Object.entries(exits).sort(([, a], [, b]) => b - a).slice(0, 5).map(([reason, n]) => `${reason} ${n}`).join(", ");
  return [
    name.padEnd(NAME),
    `${equal}/${hashes.length}${first < 0 ? "" : " !"}`.padEnd(9),
    (hashes.at(-1) ?? "").slice(0, 16).padEnd(18),
    seconds.toFixed(1).padStart(7),
    (seconds / bare.seconds).toFixed(2).padStart(8),
    reasons === "" ? "" : `  ${reasons}`,
  ].join("");
}
