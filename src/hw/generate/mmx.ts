// Cases of MMX instructions: the vector bodies of the XMM forms on the low quadword.
import type { Uses } from "./cases.ts";
import { isMemory, type Shape, typeOf, value } from "./operands.ts";
import { vectorBody } from "./simd.ts";

const NEXT = "@NEXT@";
const RAISE = "@GO(raise(pc))@";
const CHECK = `if (fault) ${RAISE} `;
/** Bodies that differ from the XMM form: half as many elements to join, mask or interleave. */
const OWN = new Set(
  "punpckhbw punpckhwd punpckhdq packsswb packuswb packssdw phaddw phaddd phaddsw phsubw phsubd phsubsw pshufb palignr".split(
    " ",
  ),
);
const own = (body: string): string => `mmx${body[0]?.toUpperCase() ?? ""}${body.slice(1)}`;
const register = (field: "A" | "B"): string => `v128.load64_zero(FPR + ${field}(pc))`;

const guard = (use: Uses): string => {
  use("mmx", "mmxOff", "enterMmx", "putMmx", "lowOf");
  use("state", "FPR");
  return `if (mmxOff()) ${RAISE} `;
};
/** Read the Q or N operand into `b`. */
function fetch(operand: string, shape: Shape, use: Uses): string {
  if (!(shape.mem && operand.startsWith("Q"))) return `const b = ${register("B")}; `;
  const bits = operand === "Qd" ? 32 : 64;
  use("access", "rdPtr");
  use("record", "eaIn");
  return `const p = rdPtr(eaIn<u${bits}>(pc), ${bits / 8}, pc); ${CHECK}const b = v128.load${bits}_zero(p); `;
}

export function mmxCase(shape: Shape, use: Uses): string | undefined {
  const { row } = shape,
    [first = "", second = "", third = ""] = row.operands,
    { body } = row;
  if (body === "emms") {
    use("mmx", "emms");
    return `emms(); ${CHECK}${NEXT}`;
  }
  if (!row.operands.some((o) => /^[PQN]/.test(o))) return undefined;
  const conversion = converting(shape, use);
  if (conversion) return conversion;
  const begin = guard(use);
  if (body === "mmx_movd") return movd(shape, use, begin);
  if (body === "mmx_movq") {
    if (first === "Pq")
      return `${begin}${fetch(second, shape, use)}enterMmx(); putMmx(A(pc), lowOf(b)); ${NEXT}`;
    if (!shape.mem) return `${begin}enterMmx(); putMmx(B(pc), load<u64>(FPR + A(pc))); ${NEXT}`;
    use("access", "wr");
    use("record", "eaOut");
    return `${begin}wr<u64>(eaOut<u64>(pc), load<u64>(FPR + A(pc)), pc); ${CHECK}enterMmx(); ${NEXT}`;
  }
  if (body === "movq2dq") {
    use("simd", "sseOff");
    use("state", "XMM");
    return `if (sseOff()) ${RAISE} ${begin}enterMmx(); v128.store(XMM + A(pc), ${register("B")}); ${NEXT}`;
  }
  if (body === "movdq2q") {
    use("simd", "sseOff");
    use("state", "XMM");
    return `if (sseOff()) ${RAISE} ${begin}enterMmx(); putMmx(A(pc), load<u64>(XMM + B(pc))); ${NEXT}`;
  }
  if (body === "pinsrw") {
    const read =
      isMemory(second, shape.mem) || (shape.mem && second === "RdMw")
        ? `const v = rd<u16>(eaIn<u16>(pc), pc); ${CHECK}`
        : "const v = get<u16>(B(pc)); ";
    use("access", "rd");
    use("record", "eaIn");
    return `${begin}${read}enterMmx(); const n = <u64>((imm<u32>(pc) & 3) << 4); putMmx(A(pc), (load<u64>(FPR + A(pc)) & ~(<u64>0xffff << n)) | (<u64>v << n)); ${NEXT}`;
  }
  if (body === "pextrw")
    return `${begin}enterMmx(); put<u32>(A(pc), <u32>load<u16>(FPR + B(pc) + ((imm<u32>(pc) & 3) << 1))); ${NEXT}`;
  if (body === "pmovmskb")
    return `${begin}enterMmx(); put<u32>(A(pc), <u32>i8x16.bitmask(${register("B")})); ${NEXT}`;
  if (body === "maskmovq") {
    use("mmx", "maskedStore");
    return `${begin}maskedStore(pc, FPR + A(pc), FPR + B(pc), 8); ${CHECK}enterMmx(); ${NEXT}`;
  }
  if (first === "Nq") {
    use("simd", `${body}By`);
    return `${begin}enterMmx(); putMmx(B(pc), lowOf(${body}By(${register("B")}, <u64>imm<u32>(pc)))); ${NEXT}`;
  }
  const immediate = third === "Ib" ? ", imm<u32>(pc)" : "";
  if (body === "pshufw") {
    use("simd", "pshuflw");
    return `${begin}${fetch(second, shape, use)}enterMmx(); putMmx(A(pc), lowOf(pshuflw(b${immediate}))); ${NEXT}`;
  }
  const found = OWN.has(body) ? { module: "mmx", name: own(body) } : vectorBody(body);
  if (!found) return undefined;
  use(found.module, found.name);
  const args = row.access[0] === "x" ? `${register("A")}, b` : "b";
  return `${begin}${fetch(second, shape, use)}enterMmx(); putMmx(A(pc), lowOf(${found.name}(${args}${immediate}))); ${NEXT}`;
}

/** MOVD and MOVQ with a general register or memory. */
function movd(shape: Shape, use: Uses, begin: string): string {
  const [first = "", second = ""] = shape.row.operands;
  const loading = first === "Pq",
    e = loading ? second : first,
    t = typeOf(e, shape.width),
    memory = isMemory(e, shape.mem);
  if (memory) {
    use("access", "rd", "wr");
    use("record", "eaIn", "eaOut");
  }
  if (loading) {
    const read = memory
      ? `const v = rd<${t}>(eaIn<${t}>(pc), pc); ${CHECK}`
      : `const v = ${value(e, shape, t)}; `;
    return `${begin}${read}enterMmx(); putMmx(A(pc), <u64>v); ${NEXT}`;
  }
  if (memory)
    return `${begin}wr<${t}>(eaOut<${t}>(pc), load<${t}>(FPR + A(pc)), pc); ${CHECK}enterMmx(); ${NEXT}`;
  return `${begin}enterMmx(); put<${t}>(B(pc), load<${t}>(FPR + A(pc))); ${NEXT}`;
}

/** CVTPI2PS and its kin between MMX and XMM registers. */
function converting(shape: Shape, use: Uses): string | undefined {
  const { row } = shape,
    [, second = ""] = row.operands,
    { body } = row;
  if (!/^cvtt?p[isd]2p[isd]$/.test(body)) return undefined;
  use("simd", "sseOff");
  use("simd-float", body, "sseBegin", "sseEnd");
  use("state", "XMM", "exception");
  const begin = `if (sseOff()) ${RAISE} ${guard(use)}`;
  if (body.startsWith("cvtpi2")) {
    // With a memory operand the x87 state is left alone.
    const enter = shape.mem ? "" : "enterMmx(); ";
    const guarded = enter ? begin : `if (sseOff()) ${RAISE} `;
    const args =
      row.access[0] === "x" && body === "cvtpi2ps"
        ? "v128.load(XMM + A(pc)), b"
        : body === "cvtpi2pd"
          ? "b, b"
          : "b";
    return `${guarded}${fetch(second, shape, use)}sseBegin(); const r = ${body}(${args}); ${enter}if (sseEnd()) ${RAISE} v128.store(XMM + A(pc), r); ${NEXT}`;
  }
  const bytes = second === "Wpd" ? 16 : 8,
    load = bytes === 16 ? "v128.load" : "v128.load64_zero";
  let read = `const b = ${load}(XMM + B(pc)); `;
  if (shape.mem) {
    use("access", "rdPtr");
    use("record", "eaBytes");
    const check = bytes === 16 ? `if (la & 15) { exception(13, 0); ${RAISE} } ` : "";
    read = `const la = eaBytes(pc, ${bytes}, false); ${check}const p = rdPtr(la, ${bytes}, pc); ${CHECK}const b = ${load}(p); `;
  }
  return `${begin}${read}sseBegin(); const r = ${body}(b); enterMmx(); if (sseEnd()) ${RAISE} putMmx(A(pc), lowOf(r)); ${NEXT}`;
}
