// The common case of the common x87 instructions, short enough to be part of translated code.
//
// No exception is pending, registers are as the instruction wants them, operands are normal numbers or zeros, and all
// exceptions are masked. Arithmetic rounds to nearest and to 64 bits, as FINIT and Linux have it. Whatever else there may
// be is for x87.ts, and nothing has been written then: in translated code those calls leave to the interpreter.
import { FPR, FCW, FSW, FTW, CR0, fault } from "./state";
import { hostOf, missesRead, missesSpan, missesWrite } from "../mmu/access";
import { setArithmeticFlags } from "./flags";
import { eaBytes } from "./record";
import { C0, C1, C3, CONDITION, noteInstruction } from "./x87-state";
import { loadConstant } from "./x87-function";
import { add80, div80, mul80, qFlags, qM, qSE } from "../float/f80-quick";
import {
  ADD, arithMem, arithReg, compareFlags, compareMem, compareReg, DIV, DIVR, F32, F64, F80, fchs, fcmovcc, ftst, fxch, I16, I32, loadMem, loadReg,
  MUL, sizeOf, storeFloat, storeInt, storeReg, SUB, SUBR,
} from "./x87";

const J_BIT: u64 = 0x8000000000000000;
const TOP: u32 = 0x3800;
const PE: u32 = 32;

/** No #NM, no pending #MF. */
@inline function ready(): bool { return !((load<u32>(CR0) & 0xc) | (load<u32>(FSW) & 0x80)); }
/** Control word: all exceptions masked, 64 bits, to nearest. */
@inline function extended(): bool { return (load<u32>(FCW) & 0xf3f) == 0x33f; }
@inline function top(): u32 { return (load<u32>(FSW) >> 11) & 7; }
/** Physical number of ST(i). */
@inline function physical(t: u32, i: u32): u32 { return (t + i) & 7; }
@inline function holds(n: u32): bool { return ((load<u32>(FTW) >> n) & 1) != 0; }
@inline function significand(n: u32): u64 { return load<u64>(FPR + (<usize>n << 4)); }
@inline function signExponent(n: u32): u32 { return <u32>load<u16>(FPR + (<usize>n << 4), 8); }
@inline function put(n: u32, se: u32, m: u64): void {
  store<u64>(FPR + (<usize>n << 4), m);
  store<u64>(FPR + (<usize>n << 4), <u64>se, 8);
}
@inline function isNormal(se: u32, m: u64): bool { return (se & 0x7fff) - 1 < 0x7ffe && <i64>m < 0; }
@inline function isZero(se: u32, m: u64): bool { return !(<u64>(se & 0x7fff) | m); }
/** A number that the common case knows. */
@inline function plain(se: u32, m: u64): bool { return isNormal(se, m) || isZero(se, m); }
/** Status word with C1 and new flags; `popped` registers fewer. */
@inline function status(t: u32, c1: bool, flags: u32, popped: u32): void {
  store<u32>(FSW, (load<u32>(FSW) & ~(TOP | C1)) | (((t + popped) & 7) << 11) | (c1 ? C1 : 0) | flags);
}
@inline function free(n: u32): void { store<u32>(FTW, load<u32>(FTW) & ~(1 << n)); }
@inline function mark(n: u32): void { store<u32>(FTW, load<u32>(FTW) | (1 << n)); }
@inline function push(t: u32, se: u32, m: u64): void {
  const n = (t - 1) & 7;
  put(n, se, m);
  mark(n);
  status(n, false, 0, 0);
}

// What an operand in memory is, or the number in hand.
let oSE: u32 = 0;
let oM: u64 = 0;
/** Are all bytes of a memory operand in a page that can be read at once? */
@inline function reads(la: u64, source: i32): bool {
  if (source == F32 || source == I32) return !missesRead<u32>(la);
  if (source == I16) return !missesRead<u16>(la);
  if (source == F80) return !missesSpan(la, 10, false);
  return !missesRead<u64>(la);
}
function integer(v: i64): void {
  if (v == 0) { oSE = 0; oM = 0; return; }
  const magnitude = v < 0 ? <u64>0 - <u64>v : <u64>v, n = clz(magnitude);
  oSE = (v < 0 ? 0x8000 : 0) | (16383 + 63 - <u32>n);
  oM = magnitude << n;
}
/** Take the operand at `p` into oSE:oM. False: denormal, infinite, or no number. */
function operand(p: usize, source: i32): bool {
  if (source == I16) integer(<i64>load<i16>(p));
  else if (source == I32) integer(<i64>load<i32>(p));
  else if (source == F32) {
    const bits = load<u32>(p), e = (bits >> 23) & 0xff;
    if (e - 1 < 0xfe) {
      oSE = ((bits >> 31) << 15) | (e + 16256);
      oM = J_BIT | (<u64>bits << 40);
    } else if (bits << 1) return false;
    else { oSE = (bits >> 31) << 15; oM = 0; }
  } else if (source == F64) {
    const bits = load<u64>(p), e = <u32>(bits >> 52) & 0x7ff;
    if (e - 1 < 0x7fe) {
      oSE = (<u32>(bits >> 63) << 15) | (e + 15360);
      oM = J_BIT | (bits << 11);
    } else if (bits << 1) return false;
    else { oSE = <u32>(bits >> 63) << 15; oM = 0; }
  } else if (source == F80) {
    oM = load<u64>(p);
    oSE = <u32>load<u16>(p, 8);
  } else integer(load<i64>(p));
  return true;
}

/** FLD, FILD. */
export function quickLoad(rec: usize, op: u32, source: i32): void {
  const t = top();
  if (!ready() || holds((t - 1) & 7)) return loadMem(rec, op, source);
  const la = eaBytes(rec, sizeOf(source), false);
  if (fault) return;
  if (!reads(la, source) || !operand(hostOf(la), source)) return loadMem(rec, op, source);
  push(t, oSE, oM);
  noteInstruction(rec, op, true);
}
/** FLD ST(i). */
export function quickCopy(rec: usize, op: u32, i: u32): void {
  const t = top(), n = physical(t, i);
  if (!ready() || holds((t - 1) & 7) || !holds(n)) return loadReg(rec, op, i);
  push(t, signExponent(n), significand(n));
  noteInstruction(rec, op, false);
}
/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, to nearest. */
export function quickConstant(rec: usize, op: u32, which: u32): void {
  const t = top();
  if (!ready() || holds((t - 1) & 7) || (load<u32>(FCW) & 0xc00)) return loadConstant(rec, op, which);
  switch (which) {
    case 0: push(t, 0x3fff, J_BIT); break;
    case 1: push(t, 0x4000, 0xd49a784bcd1b8afe); break;
    case 2: push(t, 0x3fff, 0xb8aa3b295c17f0bc); break;
    case 3: push(t, 0x4000, 0xc90fdaa22168c235); break;
    case 4: push(t, 0x3ffd, 0x9a209a84fbcff799); break;
    case 5: push(t, 0x3ffe, 0xb17217f7d1cf79ac); break;
    default: push(t, 0, 0);
  }
  noteInstruction(rec, op, false);
}
/** FST and FSTP to a register. */
export function quickStoreReg(rec: usize, op: u32, i: u32, pops: bool): void {
  const t = top(), n = physical(t, i);
  if (!ready() || !holds(t)) return storeReg(rec, op, i, pops);
  put(n, signExponent(t), significand(t));
  mark(n);
  if (pops) free(t);
  status(t, false, 0, pops ? 1 : 0);
  noteInstruction(rec, op, false);
}
/** FXCH. */
export function quickExchange(rec: usize, op: u32, i: u32): void {
  const t = top(), n = physical(t, i);
  if (!ready() || !holds(t) || !holds(n)) return fxch(rec, op, i);
  const se = signExponent(t), m = significand(t);
  put(t, signExponent(n), significand(n));
  put(n, se, m);
  status(t, false, 0, 0);
  noteInstruction(rec, op, false);
}
/** FCMOVcc, which leaves C1 alone. */
export function quickMove(rec: usize, op: u32, i: u32, met: bool): void {
  const t = top(), n = physical(t, i);
  if (!ready() || !holds(t) || !holds(n)) return fcmovcc(rec, op, i, met);
  if (met) put(t, signExponent(n), significand(n));
  noteInstruction(rec, op, false);
}
/** FCHS, FABS. */
export function quickSign(rec: usize, op: u32, and: i32, xor: i32): void {
  const t = top();
  if (!ready() || !holds(t)) return fchs(rec, op, and, xor);
  put(t, (signExponent(t) & and) ^ xor, significand(t));
  status(t, false, 0, 0);
  noteInstruction(rec, op, false);
}
/** FST, FSTP to single and double precision, to nearest. */
export function quickStore(rec: usize, op: u32, target: i32, pops: bool): void {
  const t = top(), se = signExponent(t), m = significand(t), single = target == F32;
  if (!ready() || !holds(t) || (load<u32>(FCW) & 0xc3f) != 0x3f) return storeFloat(rec, op, target, pops);
  let bits: u64 = 0, flags: u32 = 0, up: u64 = 0;
  if (isZero(se, m)) bits = <u64>(se >> 15) << (single ? 31 : 63);
  else {
    // The largest exponent is left out: rounding might make it infinite.
    const e = (se & 0x7fff) - (single ? 16256 : 15360), cut: u64 = single ? 40 : 11;
    if (e - 1 >= (single ? <u32>0xfd : <u32>0x7fd) || <i64>m >= 0) return storeFloat(rec, op, target, pops);
    const rest = m << (64 - cut), whole = m >> cut;
    up = <u64>(rest > J_BIT) | (<u64>(rest == J_BIT) & whole & 1);
    // The leading bit of the significand counts as one in the exponent.
    bits = (<u64>(se >> 15) << (single ? 31 : 63)) + (<u64>(e - 1) << (63 - cut)) + whole + up;
    flags = rest ? PE : 0;
  }
  const la = eaBytes(rec, sizeOf(target), true);
  if (fault) return;
  if (single ? missesWrite<u32>(la) : missesWrite<u64>(la)) return storeFloat(rec, op, target, pops);
  if (single) store<u32>(hostOf(la), <u32>bits);
  else store<u64>(hostOf(la), bits);
  if (pops) free(t);
  status(t, up != 0, flags, pops ? 1 : 0);
  noteInstruction(rec, op, true);
}
/** FIST, FISTP, FISTTP, to nearest or cut. */
export function quickStoreInt(rec: usize, op: u32, target: i32, truncate: bool, pops: bool): void {
  const t = top(), se = signExponent(t), m = significand(t), cw = load<u32>(FCW), bits: u32 = target == I16 ? 16 : target == I32 ? 32 : 64;
  if (!ready() || !holds(t) || (cw & 0x3f) != 0x3f) return storeInt(rec, op, target, truncate, pops);
  const cuts = truncate || (cw & 0xc00) == 0xc00;
  let v: u64 = 0, rest: u64 = 0, up: u64 = 0;
  if (!isZero(se, m)) {
    const e = <i32>(se & 0x7fff) - 16383;
    if (<i64>m >= 0 || e >= <i32>bits - 1 || (!cuts && (cw & 0xc00))) return storeInt(rec, op, target, truncate, pops);
    if (e < 0) rest = e == -1 ? m : 1;
    else {
      v = m >> <u64>(63 - e);
      rest = m << <u64>(e + 1);
    }
    if (!cuts) up = <u64>(rest > J_BIT) | (<u64>(rest == J_BIT) & v & 1);
    v += up;
    if (v >> <u64>(bits - 1)) return storeInt(rec, op, target, truncate, pops);
    if (se & 0x8000) v = 0 - v;
  }
  const la = eaBytes(rec, sizeOf(target), true);
  if (fault) return;
  if (target == I16 ? missesWrite<u16>(la) : target == I32 ? missesWrite<u32>(la) : missesWrite<u64>(la)) return storeInt(rec, op, target, truncate, pops);
  if (target == I16) store<u16>(hostOf(la), <u16>v);
  else if (target == I32) store<u32>(hostOf(la), <u32>v);
  else store<u64>(hostOf(la), v);
  if (pops) free(t);
  status(t, up != 0, rest ? PE : 0, pops ? 1 : 0);
  noteInstruction(rec, op, true);
}

/** a kind b, into qSE:qM with PE and C1 in qFlags. False: not a case for here. */
function compute(kind: i32, aSE: u32, aM: u64, bSE: u32, bM: u64): bool {
  if (!plain(aSE, aM) || !plain(bSE, bM)) return false;
  switch (kind) {
    case ADD: return add80(aSE, aM, bSE, bM);
    case MUL: return mul80(aSE, aM, bSE, bM);
    case SUB: return add80(aSE, aM, bSE ^ 0x8000, bM);
    case SUBR: return add80(bSE, bM, aSE ^ 0x8000, aM);
    case DIV: return div80(aSE, aM, bSE, bM);
    default: return div80(bSE, bM, aSE, aM);
  }
}
/** FADD and its family with a memory operand. */
export function quickArithMem(rec: usize, op: u32, kind: i32, source: i32): void {
  const t = top();
  if (!ready() || !holds(t) || !extended()) return arithMem(rec, op, kind, source);
  const la = eaBytes(rec, sizeOf(source), false);
  if (fault) return;
  if (!reads(la, source) || !operand(hostOf(la), source) || !compute(kind, signExponent(t), significand(t), oSE, oM)) return arithMem(rec, op, kind, source);
  put(t, qSE, qM);
  status(t, false, qFlags, 0);
  noteInstruction(rec, op, true);
}
/** FADD and its family between registers. */
export function quickArith(rec: usize, op: u32, kind: i32, to: u32, from: u32, pops: bool): void {
  const t = top(), a = physical(t, to), b = physical(t, from);
  if (!ready() || !holds(a) || !holds(b) || !extended() || !compute(kind, signExponent(a), significand(a), signExponent(b), significand(b)))
    return arithReg(rec, op, kind, to, from, pops);
  put(a, qSE, qM);
  if (pops) free(t);
  status(t, false, qFlags, pops ? 1 : 0);
  noteInstruction(rec, op, false);
}

/** CF = 1, PF = 4, ZF = 0x40 of a comparison of two numbers, as FCOMI has them. */
function order(aSE: u32, aM: u64, bSE: u32, bM: u64): u32 {
  if (!(aM | bM)) return 0x40;
  if (aSE == bSE && aM == bM) return 0x40;
  const aS = aSE >> 15;
  if (!aM) return bSE >> 15 ? 0 : 1;
  if (!bM || aS != bSE >> 15) return aS;
  const less: u32 = aSE < bSE || (aSE == bSE && aM < bM) ? 1 : 0;
  return less ^ aS;
}
/** Condition codes, and what a comparison pops. */
@inline function conditions(t: u32, f: u32, pops: u32): void {
  if (pops) free(t);
  if (pops == 2) free((t + 1) & 7);
  store<u32>(FSW, (load<u32>(FSW) & ~(TOP | CONDITION)) | (((t + pops) & 7) << 11) | (f << 8));
}
/** FCOM, FCOMP, FCOMPP, FUCOM, FUCOMP, FUCOMPP. */
export function quickCompare(rec: usize, op: u32, i: u32, quiet: bool, pops: u32): void {
  const t = top(), n = physical(t, i), aSE = signExponent(t), aM = significand(t), bSE = signExponent(n), bM = significand(n);
  if (!ready() || !holds(t) || !holds(n) || !plain(aSE, aM) || !plain(bSE, bM)) return compareReg(rec, op, i, quiet, pops);
  conditions(t, order(aSE, aM, bSE, bM), pops);
  noteInstruction(rec, op, false);
}
/** FCOM and FCOMP with a memory operand. */
export function quickCompareMem(rec: usize, op: u32, source: i32, pops: u32): void {
  const t = top(), aSE = signExponent(t), aM = significand(t);
  if (!ready() || !holds(t) || !plain(aSE, aM)) return compareMem(rec, op, source, pops);
  const la = eaBytes(rec, sizeOf(source), false);
  if (fault) return;
  if (!reads(la, source) || !operand(hostOf(la), source)) return compareMem(rec, op, source, pops);
  conditions(t, order(aSE, aM, oSE, oM), pops);
  noteInstruction(rec, op, true);
}
/** FCOMI, FUCOMI and their popping forms. */
export function quickCompareFlags(rec: usize, op: u32, i: u32, quiet: bool, pops: bool): void {
  const t = top(), n = physical(t, i), aSE = signExponent(t), aM = significand(t), bSE = signExponent(n), bM = significand(n);
  if (!ready() || !holds(t) || !holds(n) || !plain(aSE, aM) || !plain(bSE, bM)) return compareFlags(rec, op, i, quiet, pops);
  setArithmeticFlags(order(aSE, aM, bSE, bM));
  if (pops) {
    free(t);
    store<u32>(FSW, (load<u32>(FSW) & ~TOP) | (((t + 1) & 7) << 11));
  }
  noteInstruction(rec, op, false);
}
/** FTST. */
export function quickTest(rec: usize, op: u32): void {
  const t = top(), se = signExponent(t), m = significand(t);
  if (!ready() || !holds(t) || !plain(se, m)) return ftst(rec, op);
  conditions(t, m == 0 ? C3 >> 8 : se >> 15 ? C0 >> 8 : 0, 0);
  noteInstruction(rec, op, false);
}
