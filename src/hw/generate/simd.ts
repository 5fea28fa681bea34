// Cases of XMM instructions: vector values through generic operand fetch, as for the integer ones.
import type { Row } from "../../isa/index.ts";
import type { Uses } from "./cases.ts";
import { isMemory, type Shape, typeOf, value } from "./operands.ts";

const NEXT = "@NEXT@";
const RAISE = "@GO(raise(pc))@";

/** Vector bodies of cpu/simd.ts and the names that rows use for them. */
const INTEGER: Readonly<Record<string, string>> = Object.fromEntries(
  (
    "pand pandn por pxor paddb paddw paddd paddq psubb psubw psubd psubq paddsb paddsw paddusb paddusw psubsb psubsw psubusb psubusw " +
    "pcmpeqb pcmpeqw pcmpeqd pcmpeqq pcmpgtb pcmpgtw pcmpgtd pcmpgtq pminub pmaxub pminsw pmaxsw pminsb pmaxsb pminuw pmaxuw pminsd " +
    "pmaxsd pminud pmaxud pavgb pavgw pmullw pmulld pmaddwd pmulhw pmulhuw pmuludq psadbw packsswb packuswb packssdw packusdw " +
    "punpcklbw punpckhbw punpcklwd punpckhwd punpckldq punpckhdq punpcklqdq punpckhqdq psllw pslld psllq psrlw psrld psrlq psraw psrad " +
    "pshufd pshuflw pshufhw shufps shufpd movhlps movlhps movhp_load movddup movsldup movshdup"
  )
    .split(" ")
    .map((n) => [n, n]),
);
/** Vector bodies of cpu/simd-more.ts. */
const MORE = new Set(
  (
    "phaddw phaddd phaddsw phsubw phsubd phsubsw pmaddubsw pmulhrsw psignb psignw psignd pabsb pabsw pabsd pshufb palignr pmuldq " +
    "phminposuw pblendvb blendvps blendvpd blendps blendpd pblendw pmovsxbw pmovsxbd pmovsxbq pmovsxwd pmovsxwq pmovsxdq pmovzxbw " +
    "pmovzxbd pmovzxbq pmovzxwd pmovzxwq pmovzxdq mpsadbw insertps"
  ).split(" "),
);
const ALIASES: Readonly<Record<string, string>> = {
  andps: "pand",
  andpd: "pand",
  andnps: "pandn",
  andnpd: "pandn",
  orps: "por",
  orpd: "por",
  xorps: "pxor",
  xorpd: "pxor",
  unpcklps: "punpckldq",
  unpckhps: "punpckhdq",
  unpcklpd: "punpcklqdq",
  unpckhpd: "punpckhqdq",
  movss_load: "same",
  movsd_load: "same",
  movsd: "movsd",
  movss: "movss",
};
const FLOAT = new Set(
  (
    ["add", "sub", "mul", "div", "min", "max", "sqrt", "cmp"]
      .flatMap((o) => ["ss", "sd", "ps", "pd"].map((t) => o + t))
      .join(" ") +
    " cvtss2sd cvtsd2ss cvtps2pd cvtpd2ps cvtdq2ps cvtdq2pd cvtps2dq cvttps2dq cvtpd2dq cvttpd2dq" +
    " haddps haddpd hsubps hsubpd addsubps addsubpd roundss roundsd roundps roundpd dpps dppd rcpss rcpps rsqrtss rsqrtps"
  ).split(" "),
);
/** The integer vector body of a row, and the module it lies in. */
export function vectorBody(body: string): { module: string; name: string } | undefined {
  if (MORE.has(body)) return { module: "simd-more", name: body };
  const name = INTEGER[body] ?? ALIASES[body];
  return name ? { module: "simd", name } : undefined;
}
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
    use("record", "eaBytes");
    return `const la = eaBytes(pc, ${bytes}, false); ${check}const ${name}p = rdPtr(la, ${bytes}, pc); if (fault) ${RAISE} const ${name} = ${loadFrom(bytes, `${name}p`)}; `;
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
  const { row } = shape,
    [first = "", second = ""] = row.operands;
  if (row.body === "xmm_movd_load") {
    const t = typeOf(second, shape.width);
    const read = isMemory(second, shape.mem)
      ? `const v = rd<${t}>(eaIn<${t}>(pc), pc); if (fault) ${RAISE} `
      : `const v = ${value(second, shape, t)}; `;
    if (isMemory(second, shape.mem)) {
      use("access", "rd");
      use("record", "eaIn");
    }
    return `${guard(use)}${read}v128.store(XMM + A(pc), i64x2.replace_lane(i64x2.splat(0), 0, <i64><u64>v)); ${NEXT}`;
  }
  if (row.body === "xmm_movd_store") {
    const t = typeOf(first, shape.width);
    if (isMemory(first, shape.mem)) {
      use("access", "wr");
      use("record", "eaOut");
      return `${guard(use)}wr<${t}>(eaOut<${t}>(pc), load<${t}>(XMM + A(pc)), pc); if (fault) ${RAISE} ${NEXT}`;
    }
    return `${guard(use)}put<${t}>(B(pc), load<${t}>(XMM + A(pc))); ${NEXT}`;
  }
  const storing = /^[WM]/.test(first);
  if (!storing) return undefined;
  if (!["movx", "movss", "movsd", "movlp", "xmm_movq", "movhp_store"].includes(row.body)) return undefined;
  if (!shape.mem) {
    use("simd", "same", "lowQuad", "movss", "movsd");
    const body =
      row.body === "movx"
        ? "same(b)"
        : row.body === "xmm_movq"
          ? "lowQuad(b)"
          : `${row.body}(v128.load(XMM + B(pc)), b)`;
    return `${guard(use)}const b = v128.load(XMM + A(pc)); v128.store(XMM + B(pc), ${body}); ${NEXT}`;
  }
  const bytes = row.body === "movss" ? 4 : row.body === "movx" ? 16 : 8,
    from = row.body === "movhp_store" ? "XMM + A(pc) + 8" : "XMM + A(pc)";
  if (bytes < 16) {
    use("access", "wr");
    return `${guard(use)}wr<u${bytes * 8}>(eaOut<u${bytes * 8}>(pc), load<u${bytes * 8}>(${from}), pc); if (fault) ${RAISE} ${NEXT}`;
  }
  use("access", "wr128");
  const check = row.attributes.has("align") ? `if (la & 15) { exception(13, 0); ${RAISE} } ` : "";
  return `${guard(use)}const la = eaBytes(pc, 16, true); ${check}wr128(la, XMM + A(pc), pc); if (fault) ${RAISE} ${NEXT}`;
}

export function simdCase(shape: Shape, use: Uses): string | undefined {
  const { row } = shape,
    [first = "", second = "", third] = row.operands;
  if (!row.operands.some(isVector) || row.operands.some((o) => /^[PQN]/.test(o))) return undefined;
  const moved = moveCase(shape, use);
  if (moved) return moved;
  const body = row.body;
  if (body === "xmm_movq") {
    use("simd", "lowQuad");
    return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), lowQuad(b)); ${NEXT}`;
  }
  if (body === "movx") {
    use("simd", "same");
    return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), b); ${NEXT}`;
  }
  if (body === "movlp") {
    use("simd", "movlp");
    return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), movlp(v128.load(XMM + A(pc)), b)); ${NEXT}`;
  }
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
  const own = insertion(shape, use) ?? stringCompare(shape, use);
  if (own) return own;
  const integer = vectorBody(body);
  // INSERTPS from memory has but one source element.
  const immediate =
    third === "Ib" ? (body === "insertps" && shape.mem ? ", imm<u32>(pc) & 0x3f" : ", imm<u32>(pc)") : "";
  if (integer && (second.startsWith("M") || isVector(second))) {
    use(integer.module, integer.name);
    const args = row.access[0] === "x" ? "v128.load(XMM + A(pc)), b" : "b";
    return `${guard(use)}${fetch(second, shape, "b", use)}v128.store(XMM + A(pc), ${integer.name}(${args}${immediate})); ${NEXT}`;
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

/** PINSRx, PEXTRx, EXTRACTPS: one element from or to a general register or memory; MASKMOVDQU, PTEST. */
function insertion(shape: Shape, use: Uses): string | undefined {
  const { row, mem } = shape,
    { body } = row,
    k = "imm<u32>(pc)";
  const wide = shape.width === 2 ? "u64" : "u32";
  const element: Readonly<Record<string, string>> = {
    pinsrb: "u8",
    pinsrw: "u16",
    pinsrd: wide,
    pextrb: "u8",
    pextrw: "u16",
    pextrw_store: "u16",
    pextrd: wide,
    extractps: "u32",
  };
  const t = element[body];
  if (body === "maskmovdqu") {
    use("mmx", "maskedStore");
    return `${guard(use)}maskedStore(pc, XMM + A(pc), XMM + B(pc), 16); if (fault) ${RAISE} ${NEXT}`;
  }
  if (body === "ptest") {
    use("simd-more", "ptest");
    return `${guard(use)}${fetch(row.operands[1] ?? "", shape, "b", use)}ptest(v128.load(XMM + A(pc)), b); ${NEXT}`;
  }
  if (!t) return undefined;
  const bytes = { u8: 1, u16: 2, u32: 4, u64: 8 }[t] ?? 4,
    at = (field: string): string => `XMM + ${field}(pc) + (${k} & ${16 / bytes - 1}) * ${bytes}`;
  if (body.startsWith("pinsr")) {
    const read = mem
      ? `const v = rd<${t}>(eaIn<${t}>(pc), pc); if (fault) ${RAISE} `
      : `const v = get<${t}>(B(pc)); `;
    if (mem) {
      use("access", "rd");
      use("record", "eaIn");
    }
    return `${guard(use)}${read}store<${t}>(${at("A")}, v); ${NEXT}`;
  }
  if (body === "pextrw") return `${guard(use)}put<u32>(A(pc), <u32>load<u16>(${at("B")})); ${NEXT}`;
  if (mem) {
    use("access", "wr");
    use("record", "eaOut");
    return `${guard(use)}wr<${t}>(eaOut<${t}>(pc), load<${t}>(${at("A")}), pc); if (fault) ${RAISE} ${NEXT}`;
  }
  const to = t === "u64" ? "u64" : "u32";
  return `${guard(use)}put<${to}>(B(pc), <${to}>load<${t}>(${at("A")})); ${NEXT}`;
}
/** PCMPESTRI and its three kin: REX.W widens the explicit lengths. */
function stringCompare(shape: Shape, use: Uses): string | undefined {
  const { body } = shape.row;
  if (!/^pcmp[ei]str[im]$/.test(body)) return undefined;
  use("simd-string", body);
  return `${guard(use)}${fetch(shape.row.operands[1] ?? "", shape, "b", use)}${body}(v128.load(XMM + A(pc)), b, imm<u32>(pc), ${body[4] === "e" && shape.width === 2}); ${NEXT}`;
}

/** CVTSI2SS and its family: one operand is a general register. */
function registerConversion(shape: Shape, use: Uses, row: Row): string | undefined {
  const [first = "", second = ""] = row.operands,
    t = shape.width === 2 ? "u64" : "u32";
  if (/^cvtsi2s/.test(row.body)) {
    use("simd-float", row.body, "sseBegin", "sseEnd");
    const read = isMemory(second, shape.mem)
      ? `const v = rd<${t}>(eaIn<${t}>(pc), pc); if (fault) ${RAISE} `
      : `const v = ${value(second, shape, t)}; `;
    if (isMemory(second, shape.mem)) {
      use("access", "rd");
      use("record", "eaIn");
    }
    return `${guard(use)}${read}sseBegin(); const r = ${row.body}<${t}>(v128.load(XMM + A(pc)), v); if (sseEnd()) ${RAISE} v128.store(XMM + A(pc), r); ${NEXT}`;
  }
  if (/^cvtt?s[sd]2si$/.test(row.body) && first.startsWith("G")) {
    use("simd-float", row.body, "sseBegin", "sseEnd");
    return `${guard(use)}${fetch(second, shape, "b", use)}sseBegin(); const r = ${row.body}<${t}>(b); if (sseEnd()) ${RAISE} put<${t}>(A(pc), r); ${NEXT}`;
  }
  return undefined;
}
