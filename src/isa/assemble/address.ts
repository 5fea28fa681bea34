/** Memory operands as ModRM, SIB and displacement: "Addressing-Mode Encoding of ModR/M and SIB Bytes" in the SDM. */
import type { Bits } from "../decode.ts";
import { AssembleError } from "./error.ts";
import { isPlain, type Value } from "./expression.ts";
import type { Memory } from "./operand.ts";
import type { Register } from "./registers.ts";

export interface Address {
  readonly addressSize: 2 | 4 | 8;
  readonly mod: number;
  readonly rm: number;
  /** -1 without. */
  readonly sib: number;
  /** REX.B and REX.X. */
  readonly rex: number;
  readonly displacement: bigint;
  readonly displacementSize: 0 | 1 | 2 | 4;
  readonly ripRelative: boolean;
}

const PAIRS_16 = ["bx+si", "bx+di", "bp+si", "bp+di", "si", "di", "bp", "bx"];

const short = (v: Value): boolean => isPlain({ ...v, registers: [] }) && v.value >= -128n && v.value <= 127n;

function address16(m: Memory, v: Value, line: number): Address {
  const names = v.registers.map(([r]) => r.name);
  const form = PAIRS_16.findIndex((pair) => pair.split("+").sort().join() === [...names].sort().join());
  if (names.length > 0 && (form < 0 || v.registers.some(([, n]) => n !== 1))) {
    throw new AssembleError(line, `no 16-bit address [${names.join("+")}]`, "use bx or bp with si or di");
  }
  const plain = { addressSize: 2, sib: -1, rex: 0, ripRelative: false } as const;
  // The displacement wraps at 64 KiB.
  const value = isPlain({ ...v, registers: [] }) ? BigInt.asIntN(16, v.value) : v.value;
  if (form < 0) return { ...plain, mod: 0, rm: 6, displacement: value, displacementSize: 2 };
  const wrapped = { ...v, value };
  if (value === 0n && isPlain({ ...v, registers: [] }) && form !== 6 && m.width === 0) {
    return { ...plain, mod: 0, rm: form, displacement: 0n, displacementSize: 0 };
  }
  const small = m.width === 1 || (m.width === 0 && short(wrapped));
  return { ...plain, mod: small ? 1 : 2, rm: form, displacement: value, displacementSize: small ? 1 : 2 };
}

interface Parts {
  base: Register | undefined;
  index: Register | undefined;
  scale: number;
}

/** Which register is base and which index; the order written decides where the scale does not. */
function splitRegisters(m: Memory, v: Value, line: number): Parts {
  const terms = v.registers.filter(([, n]) => n !== 0);
  const bad = (value: string) =>
    new AssembleError(line, value, "an address is base + index*1, 2, 4 or 8 + displacement");
  if (terms.length > 2) throw bad("more than two registers in an address");
  const single = terms.findIndex(([, n]) => n === 1);
  const p: Parts = { base: undefined, index: undefined, scale: 1 };
  if (terms.length === 1) {
    const [register, n] = terms[0] as (typeof terms)[number];
    if (n === 1) p.base = register;
    else if (n === 3 || n === 5 || n === 9)
      Object.assign(p, { base: register, index: register, scale: n - 1 });
    else if (n === 2 && !m.nosplit) Object.assign(p, { base: register, index: register });
    else Object.assign(p, { index: register, scale: n });
  } else if (terms.length === 2) {
    if (single < 0) throw bad("two scaled registers in an address");
    p.base = terms[single]?.[0];
    p.index = terms[1 - single]?.[0];
    p.scale = terms[1 - single]?.[1] ?? 1;
  }
  if (p.index?.number === 4 && p.scale === 1 && p.base?.number !== 4) [p.base, p.index] = [p.index, p.base];
  if (p.index?.number === 4) throw bad(`${p.index.name} as an index`);
  if (![1, 2, 4, 8].includes(p.scale)) throw bad(`scale ${p.scale}`);
  return p;
}

function address32(
  m: Memory,
  v: Value,
  addressSize: 4 | 8,
  bits: Bits,
  relative: boolean,
  line: number,
): Address {
  const common = { addressSize, displacement: v.value, ripRelative: false } as const;
  const { base, index, scale } = splitRegisters(m, v, line);
  const log = Math.log2(scale);
  if (!base && !index) {
    // A number is no place in this section: it stays absolute.
    if (bits === 64 && relative && !isPlain(v)) {
      return { ...common, mod: 0, rm: 5, sib: -1, rex: 0, displacementSize: 4, ripRelative: true };
    }
    const flat = { ...common, mod: 0, rex: 0, displacementSize: 4 } as const;
    return bits === 64 ? { ...flat, rm: 4, sib: 0x25 } : { ...flat, rm: 5, sib: -1 };
  }
  const rex = ((base?.number ?? 0) >> 3) | (((index?.number ?? 0) >> 3) << 1);
  if (!base) {
    const sib = (log << 6) | (((index?.number ?? 0) & 7) << 3) | 5;
    return { ...common, mod: 0, rm: 4, sib, rex, displacementSize: 4 };
  }
  const none = v.value === 0n && isPlain({ ...v, registers: [] }) && (base.number & 7) !== 5 && m.width === 0;
  const mod = none ? 0 : m.width === 1 || (m.width === 0 && short(v)) ? 1 : 2;
  const displacementSize = mod === 0 ? 0 : mod === 1 ? 1 : 4;
  if (!index && (base.number & 7) !== 4) {
    return { ...common, mod, rm: base.number & 7, sib: -1, rex, displacementSize };
  }
  const sib = (log << 6) | ((index ? index.number & 7 : 4) << 3) | (base.number & 7);
  return { ...common, mod, rm: 4, sib, rex, displacementSize };
}

/** The encoding of a memory operand; `relative`: absolute addresses are RIP-relative in 64-bit mode. */
export function encodeAddress(m: Memory, v: Value, bits: Bits, relative: boolean, line: number): Address {
  if (v.registers.some(([r]) => r.class !== "general" || r.size === 1)) {
    const ip = v.registers.length === 1 && v.registers[0]?.[0].class === "ip" && v.registers[0][1] === 1;
    if (!ip || bits !== 64)
      throw new AssembleError(line, "a register that cannot address memory", "use a general register");
    return {
      addressSize: 8,
      mod: 0,
      rm: 5,
      sib: -1,
      rex: 0,
      displacement: v.value,
      displacementSize: 4,
      ripRelative: false,
    };
  }
  const sizes = new Set(v.registers.map(([r]) => r.size));
  if (sizes.size > 1)
    throw new AssembleError(line, "registers of two sizes in an address", "use registers of one size");
  const [only] = sizes;
  const size = only ?? (m.width === 2 || m.width === 4 ? m.width : bits / 8);
  if ((size === 2 && bits === 64) || (size === 8 && bits !== 64)) {
    throw new AssembleError(
      line,
      `${size * 8}-bit address in ${bits}-bit mode`,
      "use registers this mode can address with",
    );
  }
  if (size === 2) return address16(only === undefined ? { ...m, width: 0 } : m, v, line);
  return address32(m, v, size === 8 ? 8 : 4, bits, relative, line);
}
