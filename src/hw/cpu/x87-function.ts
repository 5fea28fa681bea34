// x87 constants and functions: FLDPI and its kin, square root, remainder, scaling, transcendentals.
import {
  clearFlags, excFlags, f80class, f80cos, f80exponentOf, f80f2xm1, f80patan, f80rem, f80rndint, f80scale, f80significandOf, f80sin,
  f80sqrt, f80tan, f80yl2x, f80yl2xp1, raise, rM, rounding, rSE, setC1, setResult,
} from "../float/f80";
import {
  begin, C2, empty, finish, halted, overflow, pop, pushResult, put80, putIndefinite, putResult, setConditions, stM,
  stSE, underflow,
} from "./x87-state";
import { FSW } from "./state";

// One-operand functions.
export const SQRT: i32 = 0;
export const RNDINT: i32 = 1;
export const F2XM1: i32 = 2;
export const SIN: i32 = 3;
export const COS: i32 = 4;
// Two-operand functions.
export const SCALE: i32 = 0;
export const YL2X: i32 = 1;
export const YL2XP1: i32 = 2;
export const PATAN: i32 = 3;

const INDEFINITE: u64 = 0xc000000000000000;
/** Significands of L2T, L2E, PI, LG2, LN2 cut to 64 bits; the bits that follow decide rounding up (LEN: half or more). */
const CONSTANTS = memory.data<u64>([
  0x8000000000000000, 0xd49a784bcd1b8afe, 0xb8aa3b295c17f0bb, 0xc90fdaa22168c234, 0x9a209a84fbcff798, 0xb17217f7d1cf79ab, 0,
]);
const EXPONENTS = memory.data<u16>([0x3fff, 0x4000, 0x3fff, 0x4000, 0x3ffd, 0x3ffe, 0]);
/** 1 where the part cut off is half a unit or more. */
const ROUNDS = memory.data<u8>([0, 0, 1, 1, 1, 1, 0]);
/** Exact constants round nowhere. */
const EXACT = memory.data<u8>([1, 0, 0, 0, 0, 0, 1]);

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ: rounded by RC, with no exception. */
export function loadConstant(rec: usize, op: u32, n: u32): void {
  if (!begin()) return;
  if (!empty(7)) {
    if (overflow()) { setResult(0xffff, INDEFINITE); pushResult(); }
  } else {
    const up: u64 = load<u8>(EXACT + n) ? 0 : rounding == 0 ? <u64>load<u8>(ROUNDS + n) : rounding == 2 ? 1 : 0;
    setResult(<i32>load<u16>(EXPONENTS + (n << 1)), load<u64>(CONSTANTS + (n << 3)) + up);
    pushResult();
    setC1(false);
  }
  finish(rec, op, false);
}
/** C2 of FSIN and its kin: the operand lies beyond 2^63. */
function outOfRange(): bool {
  const se = stSE(0) & 0x7fff;
  return se >= 0x3fff + 63 && se != 0x7fff && (stM(0) >> 63) != 0;
}
function setC2(v: bool): void { store<u32>(FSW, (load<u32>(FSW) & ~C2) | (v ? C2 : 0)); }
/** ST(0) = f(ST(0)). */
export function unary(rec: usize, op: u32, kind: i32): void {
  if (!begin()) return;
  const trigonometric = kind == SIN || kind == COS;
  if (trigonometric) setC2(false);
  if (empty(0)) {
    if (underflow()) putIndefinite(0);
  } else if (trigonometric && outOfRange()) {
    setC2(true);
  } else {
    const se = stSE(0), m = stM(0);
    switch (kind) {
      case SQRT: f80sqrt(se, m); break;
      case RNDINT: f80rndint(se, m); break;
      case F2XM1: f80f2xm1(se, m); break;
      case SIN: f80sin(se, m); break;
      default: f80cos(se, m); break;
    }
    if (!halted()) putResult(0);
  }
  finish(rec, op, false);
}
/** FSCALE: ST(0) = f(ST(0), ST(1)); the others: ST(1) = f(ST(0), ST(1)), then pop. */
export function binary(rec: usize, op: u32, kind: i32): void {
  if (!begin()) return;
  const to: u32 = kind == SCALE ? 0 : 1;
  let done = true;
  if (empty(0) || empty(1)) {
    done = underflow();
    if (done) putIndefinite(to);
  } else {
    const xSE = stSE(0), x = stM(0), ySE = stSE(1), y = stM(1);
    switch (kind) {
      case SCALE: f80scale(xSE, x, ySE, y); break;
      case YL2X: f80yl2x(xSE, x, ySE, y); break;
      case YL2XP1:
        f80yl2xp1(xSE, x, ySE, y);
        // Below -1 there is no logarithm, and processors hand back the operand.
        if ((excFlags & 1) && xSE > 0xbffe && f80class(xSE, x) == 1 && f80class(ySE, y) < 3) {
          clearFlags();
          if (y) raise(f80class(ySE, y) == 2 ? 34 : 32);
          setResult(y ? xSE : (xSE ^ ySE) & 0x8000, y ? x : 0);
        }
        break;
      default: f80patan(xSE, x, ySE, y); break;
    }
    done = !halted();
    if (done) putResult(to);
  }
  if (done && kind != SCALE) pop();
  finish(rec, op, false);
}
/** FPREM and FPREM1. */
export function remainder(rec: usize, op: u32, nearest: bool): void {
  if (!begin()) return;
  if (empty(0) || empty(1)) {
    setC2(false);
    if (underflow()) putIndefinite(0);
  } else {
    const special = f80class(stSE(0), stM(0)) >= 4 || f80class(stSE(1), stM(1)) >= 4;
    const w = <u32>f80rem(stSE(0), stM(0), stSE(1), stM(1), nearest);
    // Without a quotient only C2 (and C1) change.
    if (special || halted() || (excFlags & 1)) setC2(false);
    else setConditions(w);
    if (!halted()) putResult(0);
  }
  finish(rec, op, false);
}
/** Can an instruction replace ST(0) and push another value? False when it is done with. */
function roomForTwo(): bool {
  const none = empty(0);
  if (!none && empty(7)) return true;
  if (none ? underflow() : overflow()) {
    putIndefinite(0);
    setResult(0xffff, INDEFINITE);
    pushResult();
  }
  return false;
}
/** FXTRACT: the exponent replaces ST(0), the significand is pushed. */
export function fxtract(rec: usize, op: u32): void {
  if (!begin()) return;
  const none = empty(0);
  if (none || !empty(7)) {
    if (none ? underflow() : overflow()) {
      putIndefinite(0);
      setResult(0xffff, INDEFINITE);
      pushResult();
    }
  } else {
    const se = stSE(0), m = stM(0);
    f80exponentOf(se, m);
    if (!halted()) {
      const eSE = rSE, eM = rM;
      f80significandOf(se, m);
      put80(0, eSE, eM);
      pushResult();
    }
  }
  finish(rec, op, false);
}
/** FPTAN pushes 1 above the tangent. */
export function fptan(rec: usize, op: u32): void {
  if (!begin()) return;
  setC2(false);
  if (roomForTwo()) {
    if (outOfRange()) setC2(true);
    else {
      const special = f80class(stSE(0), stM(0));
      f80tan(stSE(0), stM(0));
      if (!halted()) {
        putResult(0);
        // A NaN is pushed twice instead of the 1.
        if (special < 3) setResult(0x3fff, 0x8000000000000000);
        pushResult();
      }
    }
  }
  finish(rec, op, false);
}
/** FSINCOS: the sine replaces ST(0), the cosine is pushed. */
export function fsincos(rec: usize, op: u32): void {
  if (!begin()) return;
  setC2(false);
  if (roomForTwo()) {
    if (outOfRange()) setC2(true);
    else {
      const se = stSE(0), m = stM(0);
      f80sin(se, m);
      if (!halted()) {
        const sSE = rSE, sM = rM;
        f80cos(se, m);
        put80(0, sSE, sM);
        pushResult();
      }
    }
  }
  finish(rec, op, false);
}
