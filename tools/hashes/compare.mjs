// Rows `{ place, hashes }`, one hash for each checkpoint; the first row is what the others must equal.

/** The cells that differ from the first row's, as `{ place, index }`. */
export function compare(rows) {
  const [first, ...others] = rows;
  return others.flatMap(({ place, hashes }) =>
    first.hashes.flatMap((hash, index) => (hashes[index] === hash ? [] : [{ place, index }])),
  );
}

/** The table as text: sixteen digits are enough to see, all sixty-four are compared. */
export function table(guest, checkpoints, rows) {
  const wrong = compare(rows);
  const wide = Math.max(guest.length, ...rows.map(({ place }) => place.length)) + 2;
  const head = checkpoints.map((n) => `${n / 1e9} G`.padEnd(20)).join("");
  const lines = rows.map(({ place, hashes }) => {
    const cells = hashes.map((hash, index) => {
      const differs = wrong.some((cell) => cell.place === place && cell.index === index);
      return `${hash.slice(0, 16)}${differs ? " !" : ""}`.padEnd(20);
    });
    return place.padEnd(wide) + cells.join("");
  });
  return [guest.padEnd(wide) + head, ...lines, ""].join("\n");
}
