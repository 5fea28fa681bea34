/**
 * One row per instruction form, in the notation of the manual's opcode tables
 * ("Opcode Map" and "Instruction Format" in the SDM).
 *
 * A row is one aligned line; columns are separated by two or more spaces:
 *
 *     encoding  MNEMONIC  operands  access  attributes
 *
 * Encoding: an optional mandatory prefix (`NP` none, `66`, `F3`, `F2`), the opcode bytes with their escape
 * (`0F`, `0F 38`, `0F 3A`), then `/r` (ModRM), `/0`..`/7` (ModRM, reg field fixed), `mod=3` (register form
 * only), `mod=m` (memory form only), `rm=N` (register form with exactly this rm field, no operand in it).
 * `50+r`: the low three opcode bits name a register.
 *
 * Which row matches: F3 or F2 (the later one) selects before 66; a row with a mandatory prefix wins over one
 * without; an exact rm wins over a digit, an exact opcode over `+r`. A row with no prefix column takes 66 as
 * operand size and ignores or repeats with F3/F2. After these rules no two rows overlap (row.test.ts).
 *
 * Mnemonic: `CBW/CWDE/CDQE` names the 16, 32 and 64-bit operand size (address size with attribute `asz`).
 *
 * Operands: the letters of "Opcode Map" in the SDM. First letter(s) say where, the rest how wide:
 *
 *     E  general register or memory by ModRM     G  general register by reg      R  register by rm only
 *     M  memory only                             Z  register of a `+r` opcode    S  segment register by reg
 *     C  control register by reg                 D  debug register by reg        I  immediate
 *     sI byte immediate sign-extended            J  relative branch              O  absolute offset (moffs)
 *     A  far pointer immediate                   X  DS:rSI    Y  ES:rDI          RvMw (RdMb) register v or memory w
 *     V  XMM by reg    W  XMM by rm or memory    U  XMM by rm only
 *     P  MMX by reg    Q  MMX by rm or memory    N  MMX by rm only
 *     ST0  x87 top     STi  x87 register by rm
 *
 *     b 1  w 2  d 4  q 8  dq 16 bytes; v 2/4/8 by operand size; z 2/4 (64-bit size: 4, sign-extended);
 *     y 4, or 8 with REX.W; n native: 4, or 8 in 64-bit mode whatever the prefixes; p far pointer w:v;
 *     qdq 8, or 16 with REX.W; a BOUND pair; s descriptor-table pseudo-descriptor (2+4, 2+8 in 64-bit mode)
 *     ss 4, sd 8, ps pd x dq 16 bytes of XMM; Vx is a whole register
 *     x87 memory: Md32fp Md64fp Mt80fp (real), Mw16int Md32int Md64int, Mt80bcd, Menv (14/28), Mfpu (94/108),
 *     M512 (FXSAVE area), Mxsave
 *
 * Fixed: AL CL AX DX 1, rAX (AX EAX RAX by v), eAX (AX EAX, never 64), ES CS SS DS FS GS, XMM0.
 *
 * Access: one letter per operand: r read, w written, x read and written, - neither (an address, a hint).
 *
 * Attributes:
 *     i64 #UD in 64-bit mode      o64 only in 64-bit mode     d64 operand size 64 by default in 64-bit mode
 *     f64 operand size always 64 in 64-bit mode (Intel)       cpl0, iopl, umip   privilege checks
 *     noreal #UD in real and virtual-8086 mode                lock LOCK allowed with a memory destination
 *     rep  REP may repeat it (the repeated form ends a block) repz REPE/REPNE test ZF
 *     end  last instruction of a translated block             alias the assembler never chooses this form
 *     norexb not with REX.B (90 with REX.B is XCHG)           asz  mnemonic goes by address size
 *     nosz operand size prefix has no effect                  fpu  x87: checks CR0.EM/TS and pending faults
 *     fpunw x87 without the wait for pending faults           mmx  MMX state: x87 tags become valid
 *     align  16-byte memory operand must be aligned; every other x/ps/pd memory operand of an SSE form too,
 *            except MOVUPS, MOVUPD, MOVDQU, LDDQU and the SSE4.2 string compares
 *     w:.. r:.. u:.. 0:.. 1:..  flags written, read, undefined, cleared, set (of oszapcdi)
 *     cc:N condition code         exit:NAME VMX exit          body:name semantic body (default: mnemonic)
 *     any other word: the CPUID feature that must be present (sse2, popcnt, vmx, ...)
 */

export type Prefix = "" | "NP" | "66" | "F3" | "F2";

export interface FlagEffects {
  readonly written: string;
  readonly read: string;
  readonly undefined: string;
  readonly cleared: string;
  readonly set: string;
}

export interface Row {
  /** Position in `rows`: the identity generators use. */
  readonly index: number;
  readonly text: string;
  readonly prefix: Prefix;
  /** 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A. */
  readonly map: 0 | 1 | 2 | 3;
  readonly opcode: number;
  readonly plusR: boolean;
  readonly modrm: boolean;
  /** Reg field that selects this row, or -1. */
  readonly digit: number;
  readonly mod: "any" | "mem" | "reg";
  /** Rm field that selects this row (mod is then "reg"), or -1. */
  readonly rm: number;
  /** First of `names`. */
  readonly mnemonic: string;
  /** One name, or three for the 16, 32 and 64-bit size. */
  readonly names: readonly string[];
  readonly operands: readonly string[];
  readonly access: string;
  readonly attributes: ReadonlySet<string>;
  readonly flags: FlagEffects;
  readonly body: string;
  readonly exit: string;
  readonly cc: number;
}

const isPrefix = (word: string): word is "NP" | "66" | "F3" | "F2" => /^(NP|66|F3|F2)$/.test(word);

interface Encoding {
  prefix: Prefix;
  map: 0 | 1 | 2 | 3;
  opcode: number;
  plusR: boolean;
  modrm: boolean;
  digit: number;
  mod: "any" | "mem" | "reg";
  rm: number;
}

/** Reads the encoding column. A lone `66`, `F3` or `F2` cannot be an opcode: they are prefixes in every mode. */
function parseEncoding(column: string, line: string): Encoding {
  const words: string[] = column.split(" ");
  const e: Encoding = {
    prefix: "",
    map: 0,
    opcode: -1,
    plusR: false,
    modrm: false,
    digit: -1,
    mod: "any",
    rm: -1,
  };
  const first = words[0] ?? "";
  if (isPrefix(first)) {
    e.prefix = first;
    words.shift();
  }
  if (words[0] === "0F") {
    words.shift();
    e.map = 1;
    const table: string | undefined = words[0];
    if (table === "38") e.map = 2;
    if (table === "3A") e.map = 3;
    if (e.map !== 1) words.shift();
  }
  const opcode = /^([0-9A-F]{2})(\+r)?$/.exec(words.shift() ?? "");
  if (!opcode) throw new Error(`opcode row: no opcode in "${line}"`);
  e.opcode = Number.parseInt(opcode[1] ?? "", 16);
  e.plusR = opcode[2] !== undefined;
  for (const word of words) {
    if (word === "/r") e.modrm = true;
    else if (/^\/[0-7]$/.test(word)) {
      e.modrm = true;
      e.digit = Number(word[1]);
    } else if (word === "mod=3") e.mod = "reg";
    else if (word === "mod=m") e.mod = "mem";
    else if (/^rm=[0-7]$/.test(word)) {
      e.mod = "reg";
      e.rm = Number(word[3]);
    } else throw new Error(`opcode row: unknown encoding word "${word}" in "${line}"`);
  }
  return e;
}

/** Parses one line of a table into a row with the given index. */
export function parseRow(line: string, index: number): Row {
  const columns = line.trim().split(/ {2,}/);
  const [encoding, mnemonic, operandText, access, attributeText] = columns;
  if (!encoding || !mnemonic || !operandText || !access || columns.length > 5) {
    throw new Error(`opcode row: expected 4 or 5 columns in "${line}"`);
  }
  const operands = operandText === "-" ? [] : operandText.split(",");
  const letters = operands.length === 0 ? "" : access;
  if (letters.length !== operands.length || /[^rwx-]/.test(letters)) {
    throw new Error(`opcode row: access does not fit the operands in "${line}"`);
  }
  const names = mnemonic.split("/");
  const attributes = new Set<string>();
  const flags = { w: "", r: "", u: "", 0: "", 1: "" };
  let body = (names[0] ?? "").toLowerCase();
  let exit = "";
  let cc = -1;
  for (const word of attributeText ? attributeText.split(" ") : []) {
    const colon = word.indexOf(":");
    if (colon < 0) {
      attributes.add(word);
      continue;
    }
    const [key, value] = [word.slice(0, colon), word.slice(colon + 1)];
    if (key === "w" || key === "r" || key === "u" || key === "0" || key === "1") flags[key] = value;
    else if (key === "body") body = value;
    else if (key === "exit") exit = value;
    else if (key === "cc") cc = Number(value);
    else throw new Error(`opcode row: unknown attribute "${word}" in "${line}"`);
  }
  return {
    index,
    text: line.trim(),
    ...parseEncoding(encoding, line),
    mnemonic: names[0] ?? "",
    names,
    operands,
    access: letters,
    attributes,
    flags: { written: flags.w, read: flags.r, undefined: flags.u, cleared: flags[0], set: flags[1] },
    body,
    exit,
    cc,
  };
}

/** Parses tables in order; blank lines and lines starting with `#` are left out. */
export function parseTables(tables: readonly string[]): readonly Row[] {
  const lines = tables
    .flatMap((table) => table.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line, index) => parseRow(line, index));
}
