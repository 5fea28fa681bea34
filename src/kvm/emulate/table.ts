/*
 * What the emulator knows how to do: the integer instructions that software uses on device memory. Operands arrive in
 * row order and as unsigned numbers of `size` bytes; the result says what goes back into which operand.
 */
export interface Operation {
  readonly values: readonly bigint[];
  /** Operand size in bytes of the first operand. */
  readonly size: number;
  readonly sizes: readonly number[];
  readonly rflags: bigint;
  readonly cc: number;
  readonly rax: bigint;
}
export interface Outcome {
  /** New values by operand number. */
  readonly writes: Readonly<Record<number, bigint>>;
  readonly rflags: bigint;
  /** Also loaded into the accumulator (CMPXCHG that failed). */
  readonly rax?: bigint;
}

const CF = 1n,
  PF = 4n,
  AF = 0x10n,
  ZF = 0x40n,
  SF = 0x80n,
  OF = 0x800n;
const ARITHMETIC = CF | PF | AF | ZF | SF | OF;
const trim = (v: bigint, size: number): bigint => BigInt.asUintN(size * 8, v);
const signBit = (v: bigint, size: number): boolean => ((v >> BigInt(size * 8 - 1)) & 1n) === 1n;

function resultFlags(r: bigint, size: number): bigint {
  let parity = Number(r & 0xffn);
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return (r === 0n ? ZF : 0n) | (signBit(r, size) ? SF : 0n) | ((parity & 1) === 0 ? PF : 0n);
}
function add(o: Operation, a: bigint, b: bigint, carry: bigint): Outcome {
  const sum = a + b + carry,
    r = trim(sum, o.size);
  let f = resultFlags(r, o.size) | ((a ^ b ^ r) & AF);
  if (sum !== r) f |= CF;
  if (signBit((a ^ r) & (b ^ r), o.size)) f |= OF;
  return { writes: { 0: r }, rflags: (o.rflags & ~ARITHMETIC) | f };
}
function subtract(o: Operation, a: bigint, b: bigint, borrow: bigint): Outcome {
  const r = trim(a - b - borrow, o.size);
  let f = resultFlags(r, o.size) | ((a ^ b ^ r) & AF);
  if (a < b + borrow) f |= CF;
  if (signBit((a ^ b) & (a ^ r), o.size)) f |= OF;
  return { writes: { 0: r }, rflags: (o.rflags & ~ARITHMETIC) | f };
}
const logic = (o: Operation, r: bigint): Outcome => ({
  writes: { 0: r },
  rflags: (o.rflags & ~ARITHMETIC) | resultFlags(r, o.size),
});
const quiet = (out: Outcome): Outcome => ({ writes: {}, rflags: out.rflags });
const keepCarry = (o: Operation, out: Outcome): Outcome => ({
  ...out,
  rflags: (out.rflags & ~CF) | (o.rflags & CF),
});
const value = (o: Operation, n: number): bigint => o.values[n] ?? 0n;
/** "Conditional" codes of Jcc, SETcc and CMOVcc. */
export function condition(cc: number, f: bigint): boolean {
  const has = (bit: bigint): boolean => (f & bit) !== 0n;
  const tests = [
    has(OF),
    has(CF),
    has(ZF),
    has(CF) || has(ZF),
    has(SF),
    has(PF),
    has(SF) !== has(OF),
    has(ZF) || has(SF) !== has(OF),
  ];
  return (tests[cc >> 1] ?? false) !== ((cc & 1) === 1);
}
function bitTest(o: Operation, change: (v: bigint, mask: bigint) => bigint): Outcome {
  const mask = 1n << (value(o, 1) % BigInt(o.size * 8)),
    v = value(o, 0),
    after = change(v, mask);
  return {
    writes: after === v && change(0n, mask) === 0n && change(mask, mask) === mask ? {} : { 0: after },
    rflags: (o.rflags & ~CF) | ((v & mask) !== 0n ? CF : 0n),
  };
}
function compareExchange(o: Operation): Outcome {
  const old = value(o, 0),
    f = subtract(o, trim(o.rax, o.size), old, 0n).rflags;
  return (f & ZF) !== 0n
    ? { writes: { 0: value(o, 1) }, rflags: f }
    : { writes: { 0: old }, rflags: f, rax: old };
}
const move = (o: Operation): Outcome => ({ writes: { 0: trim(value(o, 1), o.size) }, rflags: o.rflags });
const signed = (o: Operation): Outcome => ({
  writes: { 0: trim(BigInt.asIntN((o.sizes[1] ?? 1) * 8, value(o, 1)), o.size) },
  rflags: o.rflags,
});

/** By the body name of the opcode row (src/isa/opcodes). */
export const operations: Readonly<Record<string, (o: Operation) => Outcome>> = {
  mov: move,
  movnti: move,
  movzx: move,
  mov_from_seg: move,
  movsx: signed,
  movsxd: signed,
  add: (o) => add(o, value(o, 0), value(o, 1), 0n),
  adc: (o) => add(o, value(o, 0), value(o, 1), o.rflags & CF),
  sub: (o) => subtract(o, value(o, 0), value(o, 1), 0n),
  sbb: (o) => subtract(o, value(o, 0), value(o, 1), o.rflags & CF),
  cmp: (o) => quiet(subtract(o, value(o, 0), value(o, 1), 0n)),
  and: (o) => logic(o, value(o, 0) & value(o, 1)),
  or: (o) => logic(o, value(o, 0) | value(o, 1)),
  xor: (o) => logic(o, value(o, 0) ^ value(o, 1)),
  test: (o) => quiet(logic(o, value(o, 0) & value(o, 1))),
  inc: (o) => keepCarry(o, add(o, value(o, 0), 1n, 0n)),
  dec: (o) => keepCarry(o, subtract(o, value(o, 0), 1n, 0n)),
  neg: (o) => subtract(o, 0n, value(o, 0), 0n),
  not: (o) => ({ writes: { 0: trim(~value(o, 0), o.size) }, rflags: o.rflags }),
  xchg: (o) => ({ writes: { 0: value(o, 1), 1: value(o, 0) }, rflags: o.rflags }),
  xadd: (o) => {
    const sum = add(o, value(o, 0), value(o, 1), 0n);
    return { writes: { 0: sum.writes[0] ?? 0n, 1: value(o, 0) }, rflags: sum.rflags };
  },
  cmpxchg: compareExchange,
  bt: (o) => quiet(bitTest(o, (v) => v)),
  bts: (o) => bitTest(o, (v, mask) => v | mask),
  btr: (o) => bitTest(o, (v, mask) => v & ~mask),
  btc: (o) => bitTest(o, (v, mask) => v ^ mask),
  cmovcc: (o) => ({ writes: { 0: condition(o.cc, o.rflags) ? value(o, 1) : value(o, 0) }, rflags: o.rflags }),
  setcc: (o) => ({ writes: { 0: condition(o.cc, o.rflags) ? 1n : 0n }, rflags: o.rflags }),
  // String forms; the emulator moves the index registers.
  movs: move,
  stos: move,
  lods: move,
  scas: (o) => quiet(subtract(o, value(o, 0), value(o, 1), 0n)),
  cmps: (o) => quiet(subtract(o, value(o, 0), value(o, 1), 0n)),
};
