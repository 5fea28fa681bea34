// Cases of XMM instructions: vector values through generic operand fetch, as for the integer ones.
import type { Row } from "../../isa/index.ts";
import type { Uses } from "./cases.ts";
import { address, isMemory, type Shape, typeOf, value } from "./operands.ts";

const NEXT = "@NEXT@";
const RAISE = "@GO(raise(pc))@";

/** Vector bodies of cpu/simd.ts and the names that rows use for them. */
const INTEGER: Readonly<Record<string, string>> = Object.fromEntries(
  ("pand pandn por pxor paddb paddw paddd paddq psubb psubw psubd psubq paddsb paddsw paddusb paddusw psubsb psubsw psubusb psubusw " +
    "pcmpeqb pcmpeqw pcmpeqd pcmpeqq pcmpgtb pcmpgtw pcmpgtd pcmpgtq pminub pmaxub pminsw pmaxsw pminsb pmaxsb pminuw pmaxuw pminsd " +
    "pmaxsd pminud pmaxud pavgb pavgw pmullw pmulld pmaddwd pmulhw pmulhuw pmuludq psadbw packsswb packuswb packssdw packusdw " +
    "punpcklbw punpckhbw punpcklwd punpckhwd punpckldq punpckhdq punpcklqdq punpckhqdq psllw pslld psllq psrlw psrld psrlq psraw psrad " +
    "pshufd pshuflw pshufhw shufps shufpd movhlps movlhps movhp_load movddup movsldup movshdup")
    .split(" ").map((n) => [n, n]),
);
const ALIASES: Readonly<Record<string, string>> = {
  andps: "pand", andpd: "pand", andnps: "pandn", andnpd: "pandn", orps: "por", orpd: "por", xorps: "pxor", xorpd: "pxor",
  unpcklps: "punpckldq", unpckhps: "punpckhdq", unpcklpd: "punpcklqdq", unpckhpd: "punpckhqdq",
  movss_load: "same", movsd_load: "same", movsd: "movsd", movss: "movss",
};
const FLOAT = new Set(
  (["add", "sub", "mul", "div", "min", "max", "sqrt", "cmp"].flatMap((o) => ["ss", "sd", "ps", "pd"].map((t) => o + t)).join(" ") +
    " cvtss2sd cvtsd2ss cvtps2pd cvtpd2ps cvtdq2ps cvtdq2pd cvtps2dq cvttps2dq cvtpd2dq cvttpd2dq").split(" "),
);
const COMPARE = new Set(["comiss", "comisd", "ucomiss", "ucomisd"]);
/** Memory operands of 16 bytes that need no alignment. */
const UNALIGNED = new Set(["movx", "pcmpestrm", "pcmpestri", "pcmpistrm", "pcmpistri"]);

const BYTES: Readonly<Record<string, number>> = { ss: 4, sd: 8, q: 8, d: 4, w: 2, b: 1 };
const bytesOf = (operand: string): number => BYTES[operand.slice(1)] ?? 16;
const isVector = (operand: string): boolean => /^[VWU]/.test(operand);
const inVectorField = (operand: string): string => (operand.startsWith("V") ? "XMM + A(pc)" : "XMM + B(pc)");

function loadFrom(bytes: number, at: string): string {
  if (bytes === 16) return `v128.load(${at})`;
  if (bytes === 8) return `v128.load64_zero(${at})`;
  if (bytes === 4) return `v128.load32_zero(${at})`;
  return `loadWord(${at})`;
}
/** Read a vector operand into `name`. */
function fetch(operand: string, shape: Shape, name: string, use: Uses): string {
  if (shape.mem && /^[WM]/.test(operand)) {
    const bytes = bytesOf(operand);
    use("access", "rdPtr");
    use("simd", "loadWord");
    const aligned = bytes === 16 && (shape.row.attributes.has("align") || !UNALIGNED.has(shape.row.body));
    const check = aligned ? `if (la & 15) { exception(13, 0); ${RAISE} } ` : "";
    return `const la = ea(pc); ${check}const ${name}p = rdPtr(la, ${bytes}, pc); if (fault) ${RAISE} const ${name} = ${loadFrom(bytes, `${name}p`)}; `;
  }
  return `const ${name} = v128.load(${inVectorField(operand)}); `;
}
const guard = (use: Uses): string => {
  use("simd", "sseOff");
  use("state", "XMM", "exception");
  return `if (sseOff()) ${RAISE} `;
};

/** Stores and register moves. */
function moveCase(shape: Shape, use: Uses): string | undefined {
  const { row } = shape, [first = "", second = ""] = row.operands;
  if (row.body === "xmm_movd_load") {
    const t = typeOf(second, shape.width);
    const read = isMemory(second, shape.mem) ? `const v = rd<${t}>(${address(second)}, pc); if (fault) ${RAISE} ` : `const v = ${value(second, shape, t)}; `;
    if (isMemory(second, shape.mem)) use("access", "rd");
    return `${guard(use)}${read}v128.store(XMM + A(pc), i64x2.replace_lane(i64x2.splat(0), 0, <i64><u64>v)); ${NEXT}`;
  }
  if (row.body === "xmm_movd_store") {
    const t = typeOf(first, shape.width);
    if (isMemory(first, shape.mem)) { use("access", "wr"); return `${guard(use)}wr<${t}>(ea(pc), load<${t}>(XMM + A(pc)), pc); if (fault) ${RAISE} ${NEXT}`; }
    return `${guard(use)}put<${t}>(B(pc), load<${t}>(XMM + A(pc))); ${NEXT}`;
  }
  const storing = /^[WM]/.test(first);
  if (!storing) return undefined;
  if (!["movx", "movss", "movsd", "movlp", "xmm_movq", "movhp_store"].includes(row.body)) return undefined;
  if (!shape.mem) {
    use("simd", "same", "lowQuad", "movss", "movsd");
    const body = row.body === "movx" ? "same(b)" : row.body === "xmm_movq" ? "lowQuad(b)" : `${row.body}(v128.load(XMM + B(pc)), b)`;
    return `${guard(use)}const b = v128.load(XMM + A(pc)); v128.store(XMM + B(pc), ${body}); ${NEXT}`;
  }
  const bytes = row.body === "movss" ? 4 : row.body === "movx" ? 16 : 8, from = row.body === "movhp_store" ? "XMM + A(pc) + 8" : "XMM + A(pc)";
  if (bytes < 16) {
    use("access", "wr");
    return `${guard(use)}wr<u${bytes * 8}>(ea(pc), load<u${bytes * 8}>(${from}), pc); if (fault) ${RAISE} ${NEXT}`;
  }
  use("access", "wr128");
  const check = row.attributes.has("align") ? `if (la & 15) { exception(13, 0); ${RAISE} } ` : "";
  return `${guard(use)}const la = ea(pc); ${check}wr128(la, XMM + A(pc), pc); if (fault) ${RAISE} ${NEXT}`;
}

export function simdCase(shape: Shape, use: Uses): string | undefined {
  const { row } = shape, [first = "", second = "", third] = row.operands;
  if (!row.operands.some(isVector) || row.operands.some((o) => /^[PQN]/.test(o))) return undefined;
  const moved = moveCase(shape, use);
  if (moved) return moved;
  const body = row.body;
  if (body === "xmm_movq") { use("simd", "lowQuad"); return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), lowQuad(b)); ${NEXT}`; }
  if (body === "movx") { use("simd", "same"); return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), b); ${NEXT}`; }
  if (body === "movlp") { use("simd", "movlp"); return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), movlp(v128.load(XMM + A(pc)), b)); ${NEXT}`; }
  // Shifts of a register by an immediate.
  if (first.startsWith("U") && second === "Ib") {
    const name = `${body}By`;
    use("simd", name);
    return `${guard(use)}v128.store(XMM + B(pc), ${name}(v128.load(XMM + B(pc)), <u64>imm<u32>(pc))); ${NEXT}`;
  }
  if (body === "pmovmskb" || body === "movmskps" || body === "movmskpd") {
    const lanes = { pmovmskb: "i8x16", movmskps: "i32x4", movmskpd: "i64x2" }[body];
    return `${guard(use)}put<u32>(A(pc), <u32>${lanes}.bitmask(v128.load(XMM + B(pc)))); ${NEXT}`;
  }
  const integer = INTEGER[body] ?? ALIASES[body];
  const immediate = third === "Ib" ? ", imm<u32>(pc)" : "";
  if (integer && (second.startsWith("M") || isVector(second))) {
    use("simd", integer);
    const args = row.access[0] === "x" ? "v128.load(XMM + A(pc)), b" : "b";
    return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), ${integer}(${args}${immediate})); ${NEXT}`;
  }
  if (FLOAT.has(body)) {
    use("simd-float", body, "sseBegin", "sseEnd");
    const args = row.access[0] === "x" ? "v128.load(XMM + A(pc)), b" : "b";
    return `${guard(use)}${fetch(second, shape, "b", use)}sseBegin(); const r = ${body}(${args}${immediate}); if (sseEnd()) ${RAISE} v128.store(XMM + A(pc), r); ${NEXT}`;
  }
  if (COMPARE.has(body)) {
    use("simd-float", body, "sseBegin", "sseEnd", "takeCompared");
    return `${guard(use)}${fetch(second, shape, "b", use)}sseBegin(); ${body}(v128.load(XMM + A(pc)), b); if (sseEnd()) ${RAISE} takeCompared(); ${NEXT}`;
  }
  return registerConversion(shape, use, row);
}

/** CVTSI2SS and its family: one operand is a general register. */
function registerConversion(shape: Shape, use: Uses, row: Row): string | undefined {
  const [first = "", second = ""] = row.operands, t = shape.width === 2 ? "u64" : "u32";
  if (/^cvtsi2s/.test(row.body)) {
    use("simd-float", row.body, "sseBegin", "sseEnd");
    const read = isMemory(second, shape.mem) ? `const v = rd<${t}>(ea(pc), pc); if (fault) ${RAISE} ` : `const v = ${value(second, shape, t)}; `;
    if (isMemory(second, shape.mem)) use("access", "rd");
    return `${guard(use)}${read}sseBegin(); const r = ${row.body}<${t}>(v128.load(XMM + A(pc)), v); if (sseEnd()) ${RAISE} v128.store(XMM + A(pc), r); ${NEXT}`;
  }
  if (/^cvtt?s[sd]2si$/.test(row.body) && first.startsWith("G")) {
    use("simd-float", row.body, "sseBegin", "sseEnd");
    return `${guard(use)}${fetch(second, shape, "b", use)}sseBegin(); const r = ${row.body}<${t}>(b); if (sseEnd()) ${RAISE} put<${t}>(A(pc), r); ${NEXT}`;
  }
  return undefined;
}
