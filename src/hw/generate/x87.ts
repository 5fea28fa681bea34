// Cases of x87 and state-saving instructions: which body of cpu/x87*.ts and cpu/fxsave.ts a row calls, and with what.
import type { Row } from "../../isa/index.ts";
import type { Uses } from "./cases.ts";
import type { Shape } from "./operands.ts";

const SOURCES: Readonly<Record<string, string>> = {
  Md32fp: "F32",
  Md64fp: "F64",
  Mw16int: "I16",
  Md32int: "I32",
  Md64int: "I64",
  Mt80fp: "F80",
  Mt80bcd: "BCD",
};
const KINDS: Readonly<Record<string, string>> = {
  add: "ADD",
  mul: "MUL",
  sub: "SUB",
  subr: "SUBR",
  div: "DIV",
  divr: "DIVR",
};
const CONSTANTS = ["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"];
const UNARY: Readonly<Record<string, string>> = {
  fsqrt: "SQRT",
  frndint: "RNDINT",
  f2xm1: "F2XM1",
  fsin: "SIN",
  fcos: "COS",
};
const BINARY: Readonly<Record<string, string>> = {
  fscale: "SCALE",
  fyl2x: "YL2X",
  fyl2xp1: "YL2XP1",
  fpatan: "PATAN",
};

interface Call {
  readonly module: string;
  readonly name: string;
  readonly args: string;
  readonly constants?: readonly string[];
}
const I = "<u32>B(pc) & 7";

/** The call for a row that computes; `op` is what FOP keeps of the first byte. */
function compute(row: Row): Call | undefined {
  const { body, operands } = row,
    [first = "", second = ""] = operands,
    op = `pc, ${row.opcode & 7}`;
  const memory = operands.find((o) => SOURCES[o] !== undefined),
    source = memory === undefined ? "" : (SOURCES[memory] ?? "");
  const x87 = (name: string, args = "", ...constants: string[]): Call => ({
    module: "x87",
    name,
    args: `${op}${args && `, ${args}`}`,
    constants,
  });
  /** What has a short form for its common case, in x87-quick.ts. */
  const quick = (name: string, args = "", ...constants: string[]): Call => ({ ...x87(`quick${name}`, args, ...constants), module: "x87-quick" });
  const math = (name: string, args = "", ...constants: string[]): Call => ({
    ...x87(name, args, ...constants),
    module: "x87-function",
  });
  const arithmetic = /^f(add|mul|subr?|divr?)(p?)$/.exec(body);
  if (arithmetic) {
    const kind = KINDS[arithmetic[1] ?? ""] ?? "";
    if (source) return quick("ArithMem", `${kind}, ${source}`, kind, source);
    const [to, from] = first === "ST0" ? ["0", I] : [I, "0"];
    return quick("Arith", `${kind}, ${to}, ${from}, ${arithmetic[2] === "p"}`, kind);
  }
  const compare = /^f(u?)com(i?)(p{0,2})$/.exec(body);
  if (compare) {
    const quiet = compare[1] === "u",
      pops = compare[3]?.length ?? 0;
    if (compare[2]) return quick("CompareFlags", `${I}, ${quiet}, ${pops > 0}`);
    if (source) return quick("CompareMem", `${source}, ${pops}`, source);
    return quick("Compare", `${pops === 2 ? "1" : I}, ${quiet}, ${pops}`);
  }
  if (source === "BCD" && body === "fbld") return x87("loadMem", source, source);
  if (source && /^f(ld|ild)$/.test(body)) return quick("Load", source, source);
  const integer = /^fist(t?)(p?)$/.exec(body);
  if (integer) return quick("StoreInt", `${source}, ${integer[1] === "t"}, ${integer[2] === "p"}`, source);
  if (source && /^f(stp|bstp)$/.test(body) && /80/.test(memory ?? "")) return x87("storeTen", source, source);
  if (source && /^fstp?$/.test(body)) return quick("Store", `${source}, ${body === "fstp"}`, source);
  const constant = CONSTANTS.indexOf(body);
  if (constant >= 0) return quick("Constant", String(constant));
  const unary = UNARY[body],
    binary = BINARY[body];
  if (unary) return math("unary", unary, unary);
  if (binary) return math("binary", binary, binary);
  switch (body) {
    case "fld_st":
      return quick("Copy", I);
    case "fst_st":
      return quick("StoreReg", `${I}, false`);
    case "fstp_st":
      return quick("StoreReg", `${I}, true`);
    case "fxch":
      return quick("Exchange", I);
    case "fcmovcc":
      return quick("Move", `${I}, condition(${row.cc})`);
    case "fchs":
      return quick("Sign", "0xffff, 0x8000");
    case "fabs":
      return quick("Sign", "0x7fff, 0");
    case "ftst":
      return quick("Test");
    case "fxam":
      return x87(body);
    case "fprem":
    case "fprem1":
      return math("remainder", String(body === "fprem1"));
    case "fxtract":
    case "fptan":
    case "fsincos":
      return math(body);
    default:
      return second ? undefined : control(row);
  }
}
function control(row: Row): Call | undefined {
  const call = (name: string, args = "", module = "x87-control"): Call => ({ module, name, args });
  switch (row.body) {
    case "fnop":
      return call(row.attributes.has("fpunw") ? "fnopNoWait" : "fnop");
    case "finit":
    case "fclex":
    case "fincstp":
    case "fdecstp":
      return call(row.body);
    case "ffree":
    case "ffreep":
      return call(row.body, I);
    case "fldcw":
    case "fstcw":
      return call(row.body, "pc");
    case "fstsw":
      return row.operands[0] === "AX" ? call("fstswAx") : call("fstsw", "pc");
    case "fldenv":
    case "fstenv":
    case "fsave":
    case "frstor":
      return call(row.body, "pc, SIZE");
    default:
      return undefined;
  }
}
const STATE: Readonly<Record<string, string>> = {
  fxsave: "fxsave",
  fxrstor: "fxrstor",
  xsave: "xsave",
  xsaveopt: "xsave",
  xsavec: "xsavec",
  xrstor: "xrstor",
};

/** The case of an x87 row or of one that saves or loads its state. */
export function x87Case(shape: Shape, use: Uses): string | undefined {
  const { row } = shape;
  let call: Call | undefined;
  if (row.body === "fwait") call = { module: "x87-control", name: "fwait", args: "" };
  else if (STATE[row.body]) call = { module: "fxsave", name: STATE[row.body] ?? "", args: "pc, SIZE" };
  else if (row.body === "ldmxcsr" || row.body === "stmxcsr")
    call = { module: "fxsave", name: row.body, args: "pc" };
  else if (row.attributes.has("fpu") || row.attributes.has("fpunw")) call = compute(row);
  if (!call) return undefined;
  use(call.module, call.name);
  use(call.module === "x87-quick" ? "x87" : call.module, ...(call.constants ?? []));
  if (call.args.includes("condition(")) use("flags", "condition");
  const args = call.args.replace("SIZE", String([2, 4, 8][shape.width]));
  return `${call.name}(${args}); if (fault) @GO(raise(pc))@ @NEXT@`;
}
