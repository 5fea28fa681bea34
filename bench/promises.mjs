// The promised ratios, judged from the medians of one run.
import { geometricMean } from "./table.mjs";

/** The marks that count: the steady pass of each workload, and the boot. */
const MARKS = ["BOOTED", "MD5", "AWK", "GZIP", "FORK"];

/** `value` against its bound as `{ promise, value, kept }`. */
function atLeast(promise, bound, value) {
  return { promise: `${promise}, at least ${bound}`, value, kept: value >= bound };
}

function atMost(promise, bound, value) {
  return { promise: `${promise}, at most ${bound}`, value, kept: value <= bound };
}

/** How many times sooner `slow` is done by `fast`, mark by mark; undefined unless both have all marks. */
function ratios(slow, fast) {
  if (MARKS.some((mark) => slow?.[mark] === undefined || fast?.[mark] === undefined)) return undefined;
  return MARKS.map((mark) => slow[mark] / fast[mark]);
}

function againstV86(get, host) {
  const found = ratios(get(`v86${host}`, "i386"), get(`vitrine-kvm${host}`, "i386"));
  if (found === undefined) return [];
  const where = host === "" ? "Node" : "Chromium";
  const each = MARKS.map((mark, index) => atLeast(`i386 ${mark} in ${where}: v86 / vitrine-kvm`, 1.3, found[index]));
  return [...each, atLeast(`i386 in ${where}, geometric mean: v86 / vitrine-kvm`, 2, geometricMean(found))];
}

function againstQemu(get) {
  const found = ratios(get("vitrine-kvm", "amd64"), get("qemu", "amd64"));
  if (found === undefined) return [];
  const level = ["MD5", "AWK"].map((mark) => atMost(`amd64 ${mark}: vitrine-kvm / qemu`, 1, found[MARKS.indexOf(mark)]));
  return [atMost("amd64, geometric mean: vitrine-kvm / qemu", 1.5, geometricMean(found)), ...level];
}

/** The interpreter alone, and KVM against the bare machine. */
function among(get) {
  const pairs = [
    ["i386 BOOTED: v86 without JIT / vitrine-tcg-nojit", "i386", "BOOTED", "v86-nojit", "vitrine-tcg-nojit", 2.5, atLeast],
    ["amd64 BOOTED: vitrine-tcg-nojit / qemu", "amd64", "BOOTED", "vitrine-tcg-nojit", "qemu", 5, atMost],
    ...["i386", "amd64"].flatMap((guest) => [
      [`${guest} BOOTED: vitrine-kvm / vitrine-tcg`, guest, "BOOTED", "vitrine-kvm", "vitrine-tcg", 1.1, atMost],
      ...["MD5", "AWK"].map((mark) => [`${guest} ${mark}: vitrine-tcg / vitrine-kvm`, guest, mark, "vitrine-tcg", "vitrine-kvm", 0.95, atLeast]),
    ]),
  ];
  return pairs.flatMap(([promise, guest, mark, top, bottom, bound, judge]) => {
    const [above, below] = [get(top, guest)?.[mark], get(bottom, guest)?.[mark]];
    return above === undefined || below === undefined ? [] : [judge(promise, bound, above / below)];
  });
}

/** The promises that these rows, of the suite `marks`, can show. */
export function promises(rows) {
  const get = (engine, guest) => rows.find((row) => row.engine === engine && row.guest === guest)?.median;
  return [...againstV86(get, ""), ...againstV86(get, "-chromium"), ...againstQemu(get), ...among(get)];
}
