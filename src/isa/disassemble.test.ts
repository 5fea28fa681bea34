import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Bits, decode } from "./decode.ts";
import { disassemble } from "./disassemble.ts";

const fixture = readFileSync(new URL("./fixtures/encodings.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");

/** objdump's names for ours. */
const NAMES: Readonly<Record<string, string>> = {
  icebp: "int1",
  fwait: "wait",
  movabs: "mov",
  lret: "retf",
  xlat: "xlatb",
  prefetchwt1: "prefetch",
};

/** Mnemonics either side may give an operand-size letter. */
const SIZED = /^(iret|retf?|leave|push[af]?|pop[af]?|[sl][gi]dt|sysexit|sysret|enter|call|jmp|j[er]?cxz|loopn?e?|fldenv|fnstenv|pcmpestr[im])[wdql]$/;
const STRINGS = /^(?:(?:rep\w*) +)?(movs|cmps|stos|lods|scas|ins|outs)[bwdq]?(?= |$).*/;

/** Brings both syntaxes to one form: no size words, no idle prefixes, one spelling per mnemonic. */
function normal(text: string): string {
  let t = text.toLowerCase().replace(/ *[#<].*$/, "");
  t = t.replace(/\b(byte|word|dword|qword|tbyte|tword|fword|oword|xmmword|mmword)\b( ptr)?/g, " ");
  t = t.replace(/^(?:(?:rex(?:\.[wrxb]+)?|data(?:16|32)|addr(?:16|32)|[cdefgs]s) +)+/, "");
  if (/^(rep\w* +)?(movs|cmps)[dq] +xmm/.test(t) === false && !/xmm/.test(t)) t = t.replace(STRINGS, "$1");
  t = t.replace(/\bst\((\d)\)/g, "st$1").replace(/\bst\b/g, "st0");
  t = t.replace(/\b([cdefgs]s):\[/g, "[$1:").replace(/(?<!\[)\b([cdefgs]s):(-?0x[0-9a-f]+)/g, "[$1:$2]");
  t = t
    .replace(/\+[er]iz(\*\d)?/, "")
    .replace(/\b[er]iz(\*\d)?\+?/, "")
    .replace(/\((8087|287) only\)/, "");
  t = t.replace(
    /\+0xffffffff([0-9a-f]{8})\b/,
    (_, low) => `-0x${(2 ** 32 - Number.parseInt(low, 16)).toString(16)}`,
  );
  t = t.replace(/\[ds:(-?0x)/g, "[$1").replace(/\bdb(\d)\b/g, "dr$1");
  t = t.replace(/\*1\b/g, "").replace(/\+0x0\b/g, "");
  t = t.trim().replace(/^(call|jmp) +far/, "$1");
  const name = t.split(/\s+/)[0] ?? "";
  const rest = name === "xlat" ? "" : t.slice(name.length).replace(/ +/g, "");
  const plain = name.replace(SIZED, "$1");
  return (NAMES[plain] ?? plain) + rest.replace(/^([cdefgs]s),[er]?([a-ds][xpi]|r\d+)[wd]?$/, "$1,$2");
}

/** Where objdump goes its own way; each pattern is one class with its reason. */
const EXCEPTIONS: readonly RegExp[] = [
  /bnd(mov|mk|cl|cn|cu|ldx|stx)|cldemote/, // names for hint space
  /\bcmp(eq|lt|le|unord|neq|nlt|nle|ord)[ps][sd]/, // pseudo-ops for the compare predicate
  /\b(lar|lsl|pmovmskb|movmskp[sd]|pextrw) /, // register width the instruction does not depend on
  /(^| )rex[.wrxb]*$/i, // a lone REX
  /\(bad\)/, // objdump refuses a form that silicon takes (SALC, hint space, lone prefixes)
];

test("the decoder agrees with objdump on the length and text of random encodings of every row", () => {
  const wrong: string[] = [];
  for (const line of fixture) {
    const [bitsText = "", at = "", hex = "", ...words] = line.split(" ");
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    const bits = Number(bitsText) as Bits;
    const d = decode(bytes, bits);
    if (EXCEPTIONS.some((e) => e.test(words.join(" ")))) continue;
    const ours = d ? disassemble(d, BigInt(`0x${at}`)) : "(none)";
    const theirs = words.join(" ");
    if (d?.length !== bytes.length || normal(ours) !== normal(theirs)) {
      wrong.push(`${bits} ${hex}: ${ours} | ${theirs}`);
    }
  }
  expect(wrong.slice(0, 400)).toEqual([]);
});
