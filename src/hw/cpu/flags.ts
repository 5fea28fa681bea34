// Lazy arithmetic flags: the result, sign-extended, and a word of carries.
//
//   LF_RES  ZF = (res == 0), SF = sign of res ^ bit 2 of aux, PF = parity of the low byte ^ bit 3' (see below)
//   LF_AUX  63   62      A     4   2   1..0
//           CF  CF^OF   AF    dPF dSF  w      A = 3 + 64 - width: 59, 51, 35, 3 for w = 0..3
//
// An ALU operation stores two words and no condition needs a switch over operations. Flags that do not come
// from one result (POPF, SAHF, COMIS) set the two "delta" bits.
import { LF_RES, LF_AUX, EFLAGS } from "./state";

export const CF: u32 = 1;
export const PF: u32 = 4;
export const AF: u32 = 0x10;
export const ZF: u32 = 0x40;
export const SF: u32 = 0x80;
export const TF: u32 = 0x100;
export const IF: u32 = 0x200;
export const DF: u32 = 0x400;
export const OF: u32 = 0x800;
export const IOPL: u32 = 0x3000;
export const NT: u32 = 0x4000;
export const RF: u32 = 0x10000;
export const VM: u32 = 0x20000;
export const AC: u32 = 0x40000;
export const VIF: u32 = 0x80000;
export const VIP: u32 = 0x100000;
export const ID: u32 = 0x200000;
export const ARITH: u32 = 0x8d5;

const TOP: u64 = 0xc000000000000000;

@inline export function widthCode<T>(): u64 { return sizeof<T>() == 1 ? 0 : sizeof<T>() == 2 ? 1 : sizeof<T>() == 4 ? 2 : 3; }
@inline export function signExtend<T>(v: T): i64 {
  if (sizeof<T>() == 1) return <i64><i8>v;
  if (sizeof<T>() == 2) return <i64><i16>v;
  if (sizeof<T>() == 4) return <i64><i32>v;
  return <i64>v;
}
/** Result of an addition or subtraction of less than 64 bits, and where it differs from the exclusive or of its operands, all
 *  in 64 bits: the carry into each bit position, into that above the last too. */
@inline export function setCarriesIn<T>(res: T, carries: u64): void {
  store<i64>(LF_RES, signExtend<T>(res));
  store<u64>(LF_AUX, (carries << (63 - 8 * sizeof<T>())) | widthCode<T>());
}
/** Result and carry vector (carry out of each bit position) of an addition or subtraction. */
@inline export function setCarries<T>(res: T, carries: T): void {
  store<i64>(LF_RES, signExtend<T>(res));
  if (sizeof<T>() == 8) store<u64>(LF_AUX, (<u64>carries & 0xc000000000000008) | 3);
  else store<u64>(LF_AUX, (<u64>carries << (64 - 8 * sizeof<T>())) | widthCode<T>());
}
/** Logic result: CF = OF = AF = 0. */
@inline export function setLogic<T>(res: T): void {
  store<i64>(LF_RES, signExtend<T>(res));
  store<u64>(LF_AUX, 0);
}
/** Result with CF and OF given (0 or 1), AF = 0. */
@inline export function setResult<T>(res: T, carry: u64, overflow: u64): void {
  store<i64>(LF_RES, signExtend<T>(res));
  store<u64>(LF_AUX, (carry << 63) | ((carry ^ overflow) << 62));
}
@inline export function cf(): bool { return load<i64>(LF_AUX) < 0; }
@inline export function cfBit(): u64 { return load<u64>(LF_AUX) >> 63; }
@inline export function zf(): bool { return load<u64>(LF_RES) == 0; }
/** Negative when OF is set; when SF is; when they differ. */
@inline function overflow(): i64 { const a = load<i64>(LF_AUX); return a ^ (a << 1); }
@inline function sign(): i64 { return load<i64>(LF_RES) ^ (load<i64>(LF_AUX) << 61); }
@inline function less(): bool { return (sign() ^ overflow()) < 0; }
@inline export function ofBit(): u64 { const a = load<u64>(LF_AUX); return (a >> 63) ^ ((a >> 62) & 1); }
@inline export function sfBit(): u64 { return (load<u64>(LF_RES) >> 63) ^ ((load<u64>(LF_AUX) >> 2) & 1); }
export function pf(): bool {
  return ((popcnt<u32>(<u32>load<u8>(LF_RES)) ^ 1 ^ (<u32>load<u64>(LF_AUX) >> 4)) & 1) != 0;
}
export function af(): u32 {
  const aux = load<u64>(LF_AUX);
  const w = <u32>aux & 3;
  const shift: u64 = w == 3 ? 3 : w == 2 ? 35 : w == 1 ? 51 : 59;
  return <u32>(aux >> shift) & 1;
}
/** Condition by the low nibble of Jcc/SETcc/CMOVcc; cc is a constant at every call. */
@inline export function condition(cc: i32): bool {
  switch (cc) {
    case 0: return overflow() < 0;
    case 1: return overflow() >= 0;
    case 2: return cf();
    case 3: return !cf();
    case 4: return zf();
    case 5: return !zf();
    case 6: return <i32>cf() | <i32>zf() ? true : false;
    case 7: return <i32>cf() | <i32>zf() ? false : true;
    case 8: return sign() < 0;
    case 9: return sign() >= 0;
    case 10: return pf();
    case 11: return !pf();
    case 12: return less();
    case 13: return !less();
    case 14: return <i32>zf() | <i32>less() ? true : false;
    default: return <i32>zf() | <i32>less() ? false : true;
  }
}
/** The six arithmetic flags in EFLAGS positions. */
export function arithmeticFlags(): u32 {
  return <u32>cfBit() | (<u32>pf() << 2) | (af() << 4) | (<u32>zf() << 6) | (<u32>sfBit() << 7) | (<u32>ofBit() << 11);
}
/** Load all six arithmetic flags from EFLAGS positions. */
export function setArithmeticFlags(f: u32): void {
  const z = (f >> 6) & 1, s = <u64>((f >> 7) & 1), p = (f >> 2) & 1, c = <u64>(f & 1), o = <u64>((f >> 11) & 1);
  // ZF set: res 0, parity even by itself; clear: res 1, parity odd, sign clear.
  store<u64>(LF_RES, z ? 0 : 1);
  store<u64>(LF_AUX, (c << 63) | ((c ^ o) << 62) | (<u64>((f >> 4) & 1) << 59) | (s << 2) | (<u64>(p ^ z) << 4));
}
/** Change CF alone. */
export function setCf(c: u64): void {
  const aux = load<u64>(LF_AUX);
  store<u64>(LF_AUX, aux ^ (((aux >> 63) ^ c) ? TOP : 0));
}
/** Change CF and OF, keep the rest. */
export function setCfOf(c: u64, o: u64): void {
  store<u64>(LF_AUX, (load<u64>(LF_AUX) & ~TOP) | (c << 63) | ((c ^ o) << 62));
}
/** Change ZF alone. */
export function setZf(z: u32): void {
  setArithmeticFlags((arithmeticFlags() & ~ZF) | (z << 6));
}
/** All of RFLAGS. */
export function flags(): u32 { return load<u32>(EFLAGS) | arithmeticFlags() | 2; }
