/** Decoded instructions as text in the Intel syntax the NASM assembler reads. */
import type { Bits, Decoded } from "./decode.ts";
import { decode } from "./decode.ts";

export const REGISTERS_8 = "al cl dl bl ah ch dh bh".split(" ");
export const REGISTERS_8_REX = "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split(" ");
export const REGISTERS_16 = "ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w".split(" ");
export const REGISTERS_32 = "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split(
  " ",
);
export const REGISTERS_64 = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
export const SEGMENTS = "es cs ss ds fs gs".split(" ");

const SIZE_WORDS: Readonly<Record<number, string>> = {
  1: "byte ",
  2: "word ",
  4: "dword ",
  8: "qword ",
  10: "tword ",
  16: "oword ",
};

/** Name of general register `n` of `size` bytes. */
export function registerName(n: number, size: number, rex: boolean): string {
  const names =
    size === 8
      ? REGISTERS_64
      : size === 4
        ? REGISTERS_32
        : size === 2
          ? REGISTERS_16
          : rex
            ? REGISTERS_8_REX
            : REGISTERS_8;
  return names[n] ?? "?";
}

/** Bytes an operand letter means; 0 where the memory operand has no single size. */
export function operandBytes(operand: string, size: number, bits: Bits, rexW: boolean): number {
  const suffix = operand.replace(/^(sI|[A-Z])/, "");
  switch (suffix) {
    case "b":
      return 1;
    case "w":
    case "w16int":
      return 2;
    case "d":
    case "ss":
    case "d32fp":
    case "d32int":
      return 4;
    case "q":
    case "sd":
    case "d64fp":
    case "d64int":
      return 8;
    case "t80fp":
    case "t80bcd":
      return 10;
    case "x":
    case "ps":
    case "pd":
    case "dq":
      return 16;
    case "v":
      return size;
    case "z":
      return size === 2 ? 2 : 4;
    case "y":
      return rexW ? 8 : 4;
    case "n":
      return bits === 64 ? 8 : 4;
    case "qdq":
      return rexW ? 16 : 8;
    default:
      return 0;
  }
}

const hex = (n: bigint): string => (n < 0n ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`);

function memoryText(d: Decoded): string {
  const names = d.addressSize === 8 ? REGISTERS_64 : d.addressSize === 4 ? REGISTERS_32 : REGISTERS_16;
  const parts: string[] = [];
  if (d.base >= 0) parts.push(d.base === 16 ? (d.addressSize === 8 ? "rip" : "eip") : (names[d.base] ?? "?"));
  if (d.indexRegister >= 0) {
    const name = names[d.indexRegister] ?? "?";
    parts.push(d.addressSize === 2 ? name : `${name}*${d.scale}`);
  }
  let text = parts.join("+");
  if (parts.length === 0) {
    text = hex(BigInt.asUintN(8 * d.addressSize, BigInt(d.displacement)));
  } else if (d.displacement !== 0 || d.base === 16) {
    text += (d.displacement < 0 ? "" : "+") + hex(BigInt(d.displacement));
  }
  return `[${d.segment >= 0 ? `${SEGMENTS[d.segment]}:` : ""}${text}]`;
}

/** Text of one operand; `take` hands out the immediates in order. */
function operandText(operand: string, d: Decoded, address: bigint, take: () => bigint): string {
  const rexW = (d.rex & 8) !== 0;
  const rex = d.rex !== 0;
  const general = (n: number, size: number) => registerName(n, size, rex);
  const memory = (size: number) => (SIZE_WORDS[size] ?? "") + memoryText(d);
  if (operand === "ST0") return "st0";
  if (operand === "STi") return `st${d.rm & 7}`;
  if (operand === "rAX") return general(0, d.operandSize);
  if (operand === "eAX") return general(0, d.operandSize === 2 ? 2 : 4);
  if (/^(AL|CL|AX|DX|1|ES|CS|SS|DS|FS|GS|XMM0)$/.test(operand)) return operand.toLowerCase();
  const split = /^R([vd])M([bw])$/.exec(operand);
  if (split) {
    if (d.mod !== 3) return memory(split[2] === "b" ? 1 : 2);
    return general(d.rm, split[1] === "v" ? d.operandSize : 4);
  }
  const size = operandBytes(operand, d.operandSize, d.bits, rexW);
  const segmentX = d.segment >= 0 ? `${SEGMENTS[d.segment]}:` : "";
  switch (operand[0]) {
    case "E":
      return d.mod === 3 ? general(d.rm, size) : memory(size);
    case "G":
      return general(d.reg, size);
    case "R":
    case "Z":
      return general(d.rm, size);
    case "M":
      return memory(size);
    case "S":
      return SEGMENTS[d.reg & 7] ?? "?";
    case "C":
      return `cr${d.reg}`;
    case "D":
      return `dr${d.reg}`;
    case "I":
      return hex(BigInt.asUintN(8 * (operand === "Iz" ? d.operandSize : size), take()));
    case "s":
      return hex(BigInt.asUintN(8 * d.operandSize, take()));
    case "J":
      return hex(BigInt.asUintN(8 * d.operandSize, address + BigInt(d.length) + take()));
    case "O":
      return `[${segmentX}${hex(take())}]`;
    case "A": {
      const offset = take();
      return `${hex(take())}:${hex(offset)}`;
    }
    case "X":
      return `${SIZE_WORDS[size] ?? ""}[${segmentX}${general(6, d.addressSize)}]`;
    case "Y":
      return `${SIZE_WORDS[size] ?? ""}[es:${general(7, d.addressSize)}]`;
    case "V":
      return `xmm${d.reg}`;
    case "W":
      return d.mod === 3 ? `xmm${d.rm}` : memory(size);
    case "U":
      return `xmm${d.rm}`;
    case "P":
      return `mm${d.reg & 7}`;
    case "Q":
      return d.mod === 3 ? `mm${d.rm & 7}` : memory(size);
    case "N":
      return `mm${d.rm & 7}`;
    default:
      return operand;
  }
}

/** One instruction as text; relative targets are computed from `address`. */
export function disassemble(d: Decoded, address = 0n): string {
  const { row } = d;
  const size = row.attributes.has("asz") ? d.addressSize : d.operandSize;
  const which = size === 8 ? 2 : size === 4 ? 1 : 0;
  const name = (row.names.length === 1 ? row.mnemonic : (row.names[which] ?? row.mnemonic)).toLowerCase();
  let next = 0;
  const take = () => d.immediates[next++] ?? 0n;
  const hidden = row.operands.length > 0 && row.attributes.has("rep") && !/^(in|out)/.test(row.body);
  // The x87 memory forms and compares work on ST0 without naming it.
  const implied =
    row.operands[0] === "ST0" && (d.mod !== 3 || (row.access === "rr" && !/I/.test(row.mnemonic)));
  const operands = row.operands.slice(implied ? 1 : 0).map((o) => operandText(o, d, address, take));
  let text = name;
  if (!hidden && operands.length > 0) text += ` ${operands.join(",")}`;
  const lead: string[] = [];
  if (d.lock) lead.push("lock");
  if (row.attributes.has("rep") && d.rep !== 0) {
    lead.push(d.rep === 0xf2 ? "repne" : row.attributes.has("repz") ? "repe" : "rep");
  }
  if (hidden && d.segment >= 0) lead.push(SEGMENTS[d.segment] ?? "");
  return [...lead, text].join(" ");
}

/** Disassembles the instruction at `start`; undecodable bytes become `db`. */
export function disassembleBytes(
  bytes: Uint8Array,
  bits: Bits,
  start = 0,
  address = 0n,
): { text: string; length: number } {
  const d = decode(bytes, bits, start);
  if (!d) return { text: `db 0x${(bytes[start] ?? 0).toString(16).padStart(2, "0")}`, length: 1 };
  return { text: disassemble(d, address), length: d.length };
}
