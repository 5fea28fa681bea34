// One case of the interpreter switch: operand fetch, body, write-back.
import type { Row } from "../../isa/index.ts";
import { bodies } from "./bodies.ts";
import { mmxCase } from "./mmx.ts";
import { simdCase } from "./simd.ts";
import { x87Case } from "./x87.ts";
import { address, isMemory, register, type Shape, typeOf, value } from "./operands.ts";

/** Names of the generic functions that a case text uses, collected for the import lists. */
export type Uses = (module: string, ...names: string[]) => void;

/** A case in a neutral form: NEXT and GO(x) are spelled per switch (the hot one loops, the cold ones return). */
const NEXT = "@NEXT@";
const go = (pc: string): string => `@GO(${pc})@`;
const CHECK = `if (fault) ${go("raise(pc)")}`;
/** Nothing has been written yet: the whole text does the instruction, from its start. */
const SLOW = go("@WHOLE@");

/** @param number of the case in the large switch, undefined elsewhere */
export function spell(text: string, number?: number): string {
  const hot = number !== undefined;
  return text
    .replaceAll(NEXT, hot ? "{ pc += 16; continue; }" : "return pc + 16;")
    .replaceAll("@WHOLE@", `once(pc, ${number})`)
    .replace(/@GO\((.*?)\)@/g, (_, pc: string) => (hot ? `{ pc = ${pc}; continue; }` : `return ${pc};`));
}

/*
 * Fast texts. A miss does not come back: no value lives across its call, so none has to be kept in the frame of interpret(),
 * and the path of a hit has neither a fault to ask for nor a place where two paths meet.
 */
/** The memory operand's linear address in `name`, entered in the fast TLB for reading or writing a `type`. */
function probe(name: string, type: string, access: "Read" | "Write", use: Uses): string {
  use("record", "flat", "segmentsMatter");
  use("access", `misses${access}`);
  return `if (segmentsMatter(pc)) ${SLOW} const ${name} = flat(pc); if (misses${access}<${type}>(${name})) ${SLOW} `;
}
/** The same for the stack; `above` counts from its top. */
function probeStack(name: string, type: string, access: "Read" | "Write", above: string, use: Uses): string {
  use("stack", "stackSegmented", "stackFlat");
  use("access", `misses${access}`, "hostOf");
  return `if (stackSegmented<${type}>()) ${SLOW} const ${name} = stackFlat<${type}>(${above}); if (misses${access}<${type}>(${name})) ${SLOW} `;
}
/** Can the address of a memory operand be computed in line? */
const inline = (operand: string, shape: Shape): boolean => shape.fast === true && !operand.startsWith("O");

const VALUE_BODIES = new Set([
  "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "test", "inc", "dec", "neg", "not", "mov",
  "shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd", "imul", "imul3", "bsf", "bsr", "popcnt", "bswap", "movbe",
]);
const RENAMED: Readonly<Record<string, string>> = { imul3: "imul", popcnt: "popcount", bswap: "byteSwap", movbe: "byteSwap" };
/** Bodies with this many operands that set `fault` themselves. */
const FAULTING = new Set(["div", "idiv"]);

/** Read an operand into `name`; memory reads are followed by the fault check. */
function read(operand: string, shape: Shape, name: string, use: Uses, type = typeOf(operand, shape.width)): string {
  if (isMemory(operand, shape.mem)) {
    if (inline(operand, shape)) {
      use("access", "hostOf");
      return `${probe(`${name}At`, type, "Read", use)}const ${name} = load<${type}>(hostOf(${name}At)); `;
    }
    use("access", "rd");
    return `const ${name} = rd<${type}>(${address(operand, type, false)}, pc); ${CHECK} `;
  }
  return `const ${name} = ${value(operand, shape, type)}; `;
}
function write(operand: string, shape: Shape, expression: string, use: Uses): string {
  const type = typeOf(operand, shape.width);
  if (isMemory(operand, shape.mem)) {
    if (inline(operand, shape)) {
      use("access", "hostOf");
      return `${probe("at", type, "Write", use)}store<${type}>(hostOf(at), ${expression}); `;
    }
    use("access", "wr");
    return `wr<${type}>(${address(operand, type, true)}, ${expression}, pc); ${CHECK} `;
  }
  return `put<${type}>(${register(operand, shape.row)}, ${expression}); `;
}

/** A value body: reads what access says, writes the first operand when it is w or x. */
function valueCase(shape: Shape, use: Uses): string {
  const { row } = shape;
  const [first = "", ...rest] = row.operands;
  const type = typeOf(first, shape.width);
  const body = RENAMED[row.body] ?? row.body;
  use("alu", body);
  const writes = row.access[0] !== "r";
  const names: string[] = [];
  let text = "";
  const sources = rest.map((operand, i) => ({ operand, name: `v${i}` }));
  for (const { operand, name } of sources) {
    // Immediates take the destination's type; counts and CL stay bytes.
    const own = /^(sI|I)/.test(operand) && !/^(sh|sa|ro|rc)/.test(row.body) ? type : typeOf(operand, shape.width);
    text += read(operand, shape, name, use, own);
    names.push(name);
  }
  if (row.access[0] === "x" && isMemory(first, shape.mem) && shape.fast) {
    use("access", "hostOf");
    return `${text}${probe("at", type, "Write", use)}const p = hostOf(at); store<${type}>(p, ${body}<${type}>(${[`load<${type}>(p)`, ...names].join(", ")})); ${NEXT}`;
  }
  if (row.access[0] === "x" && isMemory(first, shape.mem)) {
    use("access", "rmw", "writeBack");
    use("state", "BOUNCE");
    text += `const p = rmw<${type}>(eaOut<${type}>(pc), pc); ${CHECK} `;
    text += `store<${type}>(p, ${body}<${type}>(${[`load<${type}>(p)`, ...names].join(", ")})); if (p == BOUNCE) writeBack(); ${NEXT}`;
    return text;
  }
  if (row.access[0] !== "w") {
    text += read(first, shape, "d", use);
    names.unshift("d");
  }
  const call = `${body}<${type}>(${names.join(", ")})`;
  return text + (writes ? write(first, shape, call, use) : `${call}; `) + NEXT;
}

/** Push a value. */
function pushed(shape: Shape, type: string, expression: string, use: Uses): string {
  if (!shape.fast) return `push<${type}>(${expression}); ${CHECK} `;
  use("stack", "drop");
  return `${probeStack("sp", type, "Write", `-<u64>sizeof<${type}>()`, use)}store<${type}>(hostOf(sp), ${expression}); drop(-<u64>sizeof<${type}>()); `;
}
/** The top of the stack in `v`; RSP stays. */
function topOfStack(shape: Shape, type: string, use: Uses): string {
  if (!shape.fast) return `const v = peek<${type}>(0); ${CHECK} `;
  return `${probeStack("top", type, "Read", "0", use)}const v = load<${type}>(hostOf(top)); `;
}

const cc = (row: Row): string => `condition(${row.cc})`;

/** Cases whose shape is their own. */
const CUSTOM: Readonly<Record<string, (shape: Shape, use: Uses) => string>> = {
  nop: () => NEXT,
  prefetch: () => NEXT,
  clflush: (s, use) => read(s.row.operands[0] ?? "", s, "v", use, "u8") + NEXT,
  mul: (s, use) => one(s, use, "mulWide"),
  imul1: (s, use) => one(s, use, "imulWide"),
  div: (s, use) => one(s, use, "div"),
  idiv: (s, use) => one(s, use, "idiv"),
  movzx: (s, use) => {
    const [d = "", e = ""] = s.row.operands;
    return `${read(e, s, "v", use)}${write(d, s, `<${typeOf(d, s.width)}>v`, use)}${NEXT}`;
  },
  movsx: (s, use) => {
    const [d = "", e = ""] = s.row.operands;
    use("flags", "signExtend");
    return `${read(e, s, "v", use)}${write(d, s, `<${typeOf(d, s.width)}>signExtend<${typeOf(e, s.width)}>(v)`, use)}${NEXT}`;
  },
  movsxd: (s, use) => CUSTOM.movsx!(s, use),
  lea: (s, use) => {
    use("record", "effective");
    return write(s.row.operands[0] ?? "", s, `<${typeOf(s.row.operands[0] ?? "", s.width)}>effective(pc)`, use) + NEXT;
  },
  movnti: (s, use) => valueCase({ ...s, row: { ...s.row, body: "mov" } }, use),
  xchg: (s, use) => {
    const [d = "", g = ""] = s.row.operands, t = typeOf(d, s.width);
    if (isMemory(d, s.mem)) {
      use("access", "rmw", "writeBack");
      use("state", "BOUNCE");
      return `const p = rmw<${t}>(eaOut<${t}>(pc), pc); ${CHECK} const v = load<${t}>(p); store<${t}>(p, ${value(g, s)}); if (p == BOUNCE) writeBack(); put<${t}>(${register(g, s.row)}, v); ${NEXT}`;
    }
    return `const v = ${value(d, s)}; put<${t}>(${register(d, s.row)}, ${value(g, s)}); put<${t}>(${register(g, s.row)}, v); ${NEXT}`;
  },
  xadd: (s, use) => {
    const [d = "", g = ""] = s.row.operands, t = typeOf(d, s.width);
    use("alu", "add");
    if (isMemory(d, s.mem)) {
      use("access", "rmw", "writeBack");
      use("state", "BOUNCE");
      return `const p = rmw<${t}>(eaOut<${t}>(pc), pc); ${CHECK} const v = load<${t}>(p); store<${t}>(p, add<${t}>(v, ${value(g, s)})); if (p == BOUNCE) writeBack(); put<${t}>(A(pc), v); ${NEXT}`;
    }
    return `const v = ${value(d, s)}, r = add<${t}>(v, ${value(g, s)}); put<${t}>(A(pc), v); put<${t}>(B(pc), r); ${NEXT}`;
  },
  cmpxchg: (s, use) => {
    const [d = "", g = ""] = s.row.operands, t = typeOf(d, s.width);
    use("alu", "cmp");
    use("flags", "zf");
    use("state", "RAX");
    if (isMemory(d, s.mem)) {
      use("access", "rmw", "writeBack");
      use("state", "BOUNCE");
      // The destination is written in either case, as the manual says of the locked form.
      return `const p = rmw<${t}>(eaOut<${t}>(pc), pc); ${CHECK} const v = load<${t}>(p); cmp<${t}>(get<${t}>(RAX), v); if (zf()) store<${t}>(p, ${value(g, s)}); else put<${t}>(RAX, v); if (p == BOUNCE) writeBack(); ${NEXT}`;
    }
    return `const v = ${value(d, s)}; cmp<${t}>(get<${t}>(RAX), v); if (zf()) put<${t}>(B(pc), ${value(g, s)}); else put<${t}>(RAX, v); ${NEXT}`;
  },
  cmpxchg8b: (s, use) => {
    const name = s.width === 2 ? "cmpxchg16b" : "cmpxchg8b";
    use("bits", name);
    return `${name}(pc); ${CHECK} ${NEXT}`;
  },
  bt: bitCase, bts: bitCase, btr: bitCase, btc: bitCase,
  crc32: (s, use) => {
    const [d = "", e = ""] = s.row.operands;
    use("bits", "crc32");
    return `${read(e, s, "v", use)}${write(d, s, `crc32<${typeOf(e, s.width)}>(get<u32>(A(pc)), v)`, use)}${NEXT}`;
  },
  setcc: (s, use) => { use("flags", "condition"); return write("Eb", s, `<u8>${cc(s.row)}`, use) + NEXT; },
  cmovcc: (s, use) => {
    use("flags", "condition");
    const [d = "", e = ""] = s.row.operands, t = typeOf(d, s.width);
    return `${read(e, s, "v", use)}put<${t}>(A(pc), ${cc(s.row)} ? v : get<${t}>(A(pc))); ${NEXT}`;
  },
  jcc: (s, use) => {
    use("flags", "condition");
    use("state", "left", "setLeft");
    if (s.width === 0) { use("flow", "jumpShort"); return `if (${cc(s.row)}) { setLeft(left + <i32>A(pc)); ${go("jumpShort(pc)")} } ${NEXT}`; }
    use("flow", "follow");
    return `if (${cc(s.row)}) { setLeft(left + <i32>A(pc)); ${go("follow(pc)")} } ${NEXT}`;
  },
  jmp_rel: (s, use) => { use("flow", s.width === 0 ? "jumpShort" : "follow"); return go(s.width === 0 ? "jumpShort(pc)" : "follow(pc)"); },
  call_rel: (s, use) => {
    const t = ["u16", "u32", "u64"][s.width];
    use("stack", "push", "denyCall");
    use("record", "ripAfter");
    use("flow", s.width === 0 ? "jumpShort" : "follow");
    use("flow", "strays");
    const check = s.width === 0 ? "" : `if (strays(pc)) { denyCall<${t}>(); ${go("raise(pc)")} } `;
    return `${check}${pushed(s, t ?? "", `<${t}>ripAfter(pc)`, use)}${go(s.width === 0 ? "jumpShort(pc)" : "follow(pc)")}`;
  },
  call_ind: (s, use) => {
    const t = typeOf(s.row.operands[0] ?? "", s.width);
    use("stack", "push", "denyCall");
    use("record", "ripAfter");
    use("flow", "jump", "outside");
    return `${read(s.row.operands[0] ?? "", s, "v", use)}if (outside(<u64>v)) { denyCall<${t}>(); ${go("raise(pc)")} } ${pushed(s, t, `<${t}>ripAfter(pc)`, use)}${go("jump(<u64>v)")}`;
  },
  jmp_ind: (s, use) => { use("flow", "jump", "outside"); return `${read(s.row.operands[0] ?? "", s, "v", use)}if (outside(<u64>v)) ${go("raise(pc)")} ${go("jump(<u64>v)")}`; },
  ret: (s, use) => {
    const t = ["u16", "u32", "u64"][s.width], extra = s.row.operands.length ? " + <u64>imm<u32>(pc)" : "";
    use("stack", "peek", "drop");
    use("flow", "jump", "outside");
    return `${topOfStack(s, t ?? "", use)}if (outside(<u64>v)) ${go("raise(pc)")} drop(sizeof<${t}>()${extra}); ${go("jump(<u64>v)")}`;
  },
  loop: (s, use) => loopCase(s, use, "true"),
  loope: (s, use) => { use("flags", "zf"); return loopCase(s, use, "zf()"); },
  loopne: (s, use) => { use("flags", "zf"); return loopCase(s, use, "!zf()"); },
  jcxz: (s, use) => {
    use("state", "RCX", "left", "setLeft");
    use("record", "addressMask", "addressSize");
    const name = s.width === 0 ? "jumpShort" : "follow";
    use("flow", name);
    return `if ((get<u64>(RCX) & addressMask(addressSize(pc))) == 0) ${go(`${name}(pc)`)} ${NEXT}`;
  },
  push: (s, use) => {
    const [o = ""] = s.row.operands, t = ["u16", "u32", "u64"][s.width] ?? "";
    use("stack", "push");
    return `${read(o, s, "v", use, t)}${pushed(s, t, "v", use)}${NEXT}`;
  },
  pop: (s, use) => {
    const [o = ""] = s.row.operands, t = ["u16", "u32", "u64"][s.width] ?? "";
    use("stack", "peek", "drop");
    if (isMemory(o, s.mem)) {
      use("access", "wr");
      use("state", "RSP");
      // RSP is incremented before the address is computed, and put back when the store faults.
      return `const v = peek<${t}>(0); ${CHECK} const sp = get<u64>(RSP); drop(sizeof<${t}>()); wr<${t}>(eaOut<${t}>(pc), v, pc); if (fault) { put<u64>(RSP, sp); ${go("raise(pc)")} } ${NEXT}`;
    }
    return `${topOfStack(s, t, use)}drop(sizeof<${t}>()); put<${t}>(B(pc), v); ${NEXT}`;
  },
  push_seg: (s, use) => generic(s, use, "stack", "push_seg", segmentNumber(s.row)),
  pop_seg: (s, use) => {
    use("stack", "pop_seg");
    use("flow", "afterSegment");
    const t = ["u16", "u32", "u64"][s.width];
    return `pop_seg<${t}>(${segmentNumber(s.row)}); ${CHECK} ${go(`afterSegment(pc, ${segmentNumber(s.row)})`)}`;
  },
  pusha: (s, use) => generic(s, use, "stack", "pusha", ""),
  popa: (s, use) => generic(s, use, "stack", "popa", ""),
  leave: (s, use) => generic(s, use, "stack", "leave", ""),
  enter: (s, use) => generic(s, use, "stack", "enterFrame", "imm<u32>(pc) & 0xffff, imm<u32>(pc) >> 16"),
  cbw: (s, use) => {
    use("state", "RAX");
    const pairs = [["u16", "i8"], ["u32", "i16"], ["u64", "i32"]] as const, [to, from] = pairs[s.width];
    return `put<${to}>(RAX, <${to}><i64>get<${from}>(RAX)); ${NEXT}`;
  },
  cwd: (s, use) => {
    use("state", "RAX", "RDX");
    const t = (["u16", "u32", "u64"] as const)[s.width], i = t.replace("u", "i");
    return `put<${t}>(RDX, <${t}>(<i64>get<${i}>(RAX) >> 63)); ${NEXT}`;
  },
  cmc: (_, use) => { use("flags", "setCf", "cfBit"); return `setCf(cfBit() ^ 1); ${NEXT}`; },
  clc: (_, use) => { use("flags", "setCf"); return `setCf(0); ${NEXT}`; },
  stc: (_, use) => { use("flags", "setCf"); return `setCf(1); ${NEXT}`; },
  cld: (_, use) => { use("state", "EFLAGS"); return `store<u32>(EFLAGS, load<u32>(EFLAGS) & ~0x400); ${NEXT}`; },
  std: (_, use) => { use("state", "EFLAGS"); return `store<u32>(EFLAGS, load<u32>(EFLAGS) | 0x400); ${NEXT}`; },
  // The operand is written only when its RPL is raised.
  arpl: (s, use) => {
    use("segment", "inProtected");
    use("state", "exception");
    use("flags", "setZf");
    const [d = "", g = ""] = s.row.operands;
    return `if (!inProtected()) { exception(6, -1); ${go("raise(pc)")} } ${read(d, s, "v", use)}const g = ${value(g, s)}; `
      + `if ((v & 3) < (g & 3)) { ${write(d, s, "<u16>((v & ~3) | (g & 3))", use)}setZf(1); } else setZf(0); ${NEXT}`;
  },
  lahf: (_, use) => { use("flags", "flags"); use("state", "RAX"); return `put<u8>(RAX + 1, <u8>flags()); ${NEXT}`; },
  sahf: (_, use) => {
    use("flags", "setArithmeticFlags", "ofBit");
    use("state", "RAX");
    return `setArithmeticFlags((<u32>get<u8>(RAX + 1) & 0xd5) | (<u32>ofBit() << 11)); ${NEXT}`;
  },
  xlat: (_, use) => { use("bits", "xlat"); return `xlat(pc); ${CHECK} ${NEXT}`; },
  movs: stringCase, stos: stringCase, lods: stringCase, scas: stringCase, cmps: stringCase,
};

function one(shape: Shape, use: Uses, body: string): string {
  const [o = ""] = shape.row.operands, type = typeOf(o, shape.width);
  use("alu", body);
  return `${read(o, shape, "v", use)}${body}<${type}>(v); ${FAULTING.has(body) ? CHECK : ""} ${NEXT}`;
}
function generic(shape: Shape, use: Uses, module: string, name: string, args: string): string {
  use(module, name);
  return `${name}<${["u16", "u32", "u64"][shape.width]}>(${args}); ${CHECK} ${NEXT}`;
}
function segmentNumber(row: Row): string {
  const i = ["ES", "CS", "SS", "DS", "FS", "GS"].indexOf(row.operands[0] ?? "");
  if (i < 0) throw new Error(`generate: "${row.text}" names no segment`);
  return String(i);
}
function stringCase(shape: Shape, use: Uses): string {
  const type = typeOf(shape.row.operands.find((o) => /^[XY]/.test(o)) ?? "", shape.width);
  // The memory flag of a string row means "repeated".
  const name = shape.mem ? `rep_${shape.row.body}` : shape.row.body;
  use("string", name);
  return shape.mem ? go(`${name}<${type}>(pc)`) : `${name}<${type}>(pc); ${CHECK} ${NEXT}`;
}
function loopCase(shape: Shape, use: Uses, condition: string): string {
  use("bits", "countDown");
  const name = shape.width === 0 ? "jumpShort" : "follow";
  use("flow", name);
  return `if (countDown(pc) && ${condition}) ${go(`${name}(pc)`)} ${NEXT}`;
}
/** BT, BTS, BTR, BTC: a register bit offset reaches beyond a memory operand. */
function bitCase(shape: Shape, use: Uses): string {
  const [e = "", i = ""] = shape.row.operands, t = typeOf(e, shape.width), op = ["bt", "bts", "btr", "btc"].indexOf(shape.row.body);
  use("bits", "bitOf", "bitSet", "bitAddress");
  const index = i === "Ib" ? "imm<u32>(pc)" : `<u32>get<${t}>(A(pc))`;
  if (!isMemory(e, shape.mem)) {
    const set = op === 0 ? "" : `put<${t}>(B(pc), bitSet<${t}>(v, k, ${op})); `;
    return `const k = ${index}, v = get<${t}>(B(pc)); bitOf<${t}>(v, k); ${set}${NEXT}`;
  }
  const at = i === "Ib" ? `${op === 0 ? "eaIn" : "eaOut"}<${t}>(pc)` : `bitAddress<${t}>(pc, get<${t}>(A(pc)), ${op !== 0})`;
  if (op === 0) { use("access", "rd"); return `const v = rd<${t}>(${at}, pc); ${CHECK} bitOf<${t}>(v, ${index}); ${NEXT}`; }
  use("access", "rmw", "writeBack");
  use("state", "BOUNCE");
  return `const k = ${index}, p = rmw<${t}>(${at}, pc); ${CHECK} const v = load<${t}>(p); bitOf<${t}>(v, k); store<${t}>(p, bitSet<${t}>(v, k, ${op})); if (p == BOUNCE) writeBack(); ${NEXT}`;
}

/** A body of the registry: system and flow bodies with their argument list. */
function registered(shape: Shape, use: Uses): string | undefined {
  const body = bodies[shape.row.body];
  if (!body) return undefined;
  // A far pointer in memory is read by the body itself.
  const memoryForm = body.args.endsWith("far") && shape.mem;
  const name = `${body.name ?? shape.row.body}${memoryForm ? "_mem" : ""}`;
  use(body.module, name);
  use("state", "RDX");
  let prelude = "";
  const e = shape.row.operands.find((o) => /^[EMRO]/.test(o)) ?? "";
  // Privilege, and the number of a segment register, are looked at before memory is.
  if (shape.mem && shape.row.body === "lmsw") {
    use("state", "CPL", "exception");
    prelude += `if (load<u32>(CPL)) { exception(13, 0); ${go("raise(pc)")} } `;
  }
  if (shape.mem && shape.row.body === "mov_to_seg") {
    use("state", "exception");
    prelude += `if (A(pc) == 1 || A(pc) > 5) { exception(6, -1); ${go("raise(pc)")} } `;
  }
  const words = memoryForm ? body.args.replace(" far", "") : body.args;
  const args = words.split(" ").filter(Boolean).map((word) => {
    const fixed = /^e(16|32|64|T)$/.exec(word);
    if (fixed) {
      const type = fixed[1] === "T" ? ["u16", "u32", "u64"][shape.width] : `u${fixed[1]}`;
      prelude += read(e, shape, "e", use, type);
      return "<u64>e";
    }
    switch (word) {
      case "pc": return "pc";
      case "size": return String([2, 4, 8][shape.width]);
      case "io": return String(shape.row.operands.some((o) => /^(AL|[XY]b)$/.test(o)) ? 1 : shape.width === 0 ? 2 : 4);
      case "port": return shape.row.operands.includes("Ib") ? "imm<u32>(pc), 1" : "<u32>get<u16>(RDX), 0";
      case "release": return shape.row.operands.length > 0 ? "imm<u32>(pc)" : "0";
      case "reg": return "<u32>B(pc) >> 3";
      case "far": return "<u32>disp(pc) & 0xffff, <u64>imm<u32>(pc)";
      case "mem": return shape.mem ? "1" : "0";
      case "a": return "<u32>A(pc)";
      case "b": return "<u32>B(pc)";
      case "imm": return "imm<u32>(pc)";
      case "disp": return "<u32>disp(pc)";
      case "gT": return `<u64>get<${["u16", "u32", "u64"][shape.width]}>(A(pc))`;
      default: return word;
    }
  });
  if (prelude.includes("rd<")) use("access", "rd");
  const call = `${name}(${args.join(", ")})`;
  if (body.kind === "flow") return prelude + go(call);
  if (body.kind === "rec") return `${prelude}${call}; ${CHECK} ${NEXT}`;
  // val: the first operand receives the returned u64.
  const [d = ""] = shape.row.operands;
  const type = shape.mem && d.endsWith("vMw") ? "u16" : typeOf(d, shape.width);
  const put = isMemory(d, shape.mem) || (shape.mem && d.endsWith("vMw"))
    ? `wr<${type}>(eaOut<${type}>(pc), <${type}>r, pc); ${CHECK} ` : `put<${type}>(${register(d, shape.row)}, <${type}>r); `;
  if (put.startsWith("wr")) use("access", "wr");
  return `${prelude}const r = ${call}; ${CHECK} ${put}${NEXT}`;
}

/** The text of a case, or undefined when the row has no body yet (#UD). */
export function caseText(shape: Shape, use: Uses): string | undefined {
  const x87 = x87Case(shape, use);
  if (x87) return x87;
  const mmx = mmxCase(shape, use);
  if (mmx) return mmx;
  const simd = simdCase(shape, use);
  if (simd) return simd;
  const custom = CUSTOM[shape.row.body];
  if (custom) return custom(shape, use);
  const system = registered(shape, use);
  if (system) return system;
  return VALUE_BODIES.has(shape.row.body) ? valueCase(shape, use) : undefined;
}
