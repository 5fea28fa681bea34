// A picture of one run for the documentation: for each guest and column the multiple of the peer's time, on a logarithmic
// scale; the line at 1 is the peer, shorter is better.
import { geometricMean } from "./table.mjs";

const ROW = 14;
const LEFT = 150;
const WIDTH = 620;
const [LEAST, MOST] = [0.125, 16];
const COLORS = { "vitrine-kvm": "#2f6fdb", "vitrine-tcg": "#7aa7f0", v86: "#d9822b", "vitrine-kvm-chromium": "#1c8f6a", "v86-chromium": "#b0532a" };

function position(multiple) {
  const inside = Math.min(Math.max(multiple, LEAST), MOST);
  return LEFT + (Math.log(inside / LEAST) / Math.log(MOST / LEAST)) * (WIDTH - LEFT - 60);
}

function text(x, y, words, anchor = "start", weight = 400) {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" font-weight="${weight}">${words}</text>`;
}

function bar(y, multiple, color) {
  const [from, to] = [position(1), position(multiple)].sort((a, b) => a - b);
  const label = multiple > 1 ? text(to + 4, y + 9, multiple.toFixed(2)) : text(from - 4, y + 9, multiple.toFixed(2), "end");
  return `<rect x="${from.toFixed(1)}" y="${y + 1}" width="${Math.max(to - from, 1).toFixed(1)}" height="9" fill="${color}"/>${label}`;
}

/** One guest: a group of bars for each column, then the geometric mean. Returns the marks and the height used. */
function panel(guest, rows, top) {
  const peer = rows.find(({ engine }) => engine === "qemu");
  const others = rows.filter(({ engine }) => engine !== "qemu" && engine in COLORS);
  const marks = [text(8, top + 12, `${guest}, times QEMU TCG`, "start", 600)];
  let y = top + 22;
  const group = (name, values) => {
    marks.push(text(8, y + 10, name));
    for (const [engine, multiple] of values) {
      marks.push(bar(y, multiple, COLORS[engine]));
      y += ROW - 3;
    }
    y += 6;
  };
  const columns = Object.keys(peer.median);
  for (const name of columns)
    group(name, others.filter(({ median }) => median[name] > 0).map(({ engine, median }) => [engine, median[name] / peer.median[name]]));
  const complete = others.filter(({ median }) => columns.every((name) => median[name] > 0));
  group("geometric mean", complete.map(({ engine, median }) => [engine, geometricMean(columns.map((name) => median[name] / peer.median[name]))]));
  marks.push(`<line x1="${position(1)}" x2="${position(1)}" y1="${top + 18}" y2="${y}" stroke="#777"/>`);
  return { marks, bottom: y + 10 };
}

/** The run as an SVG document. */
export function plot(suite, rows) {
  const guests = [...new Set(rows.map(({ guest }) => guest))].filter((guest) => rows.some((row) => row.guest === guest && row.engine === "qemu"));
  const used = Object.keys(COLORS).filter((name) => rows.some(({ engine }) => engine === name));
  const legend = used.map((name, index) => `<rect x="${8 + index * 120}" y="8" width="9" height="9" fill="${COLORS[name]}"/>${text(21 + index * 120, 17, name)}`);
  let top = 30;
  const body = [];
  for (const guest of guests) {
    const { marks, bottom } = panel(guest, rows.filter((row) => row.guest === guest), top);
    body.push(...marks);
    top = bottom;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="IBM Plex Sans, sans-serif" font-size="10" role="img">`,
    `<title>Benchmark suite ${suite}: time as a multiple of QEMU TCG's, shorter is better</title>`,
    `<rect width="${WIDTH}" height="${top}" fill="#fff"/>`,
    ...legend,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}
