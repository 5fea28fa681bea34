// x87 loads, stores, arithmetic and comparisons ("X87 FPU Instructions" in the SDM). Bodies take the record and `op`, the
// low three bits of the first opcode byte; the arithmetic itself is in src/hw/float.
import { fault } from "./state";
import {
  bcdHi, bcdLo, excFlags, f80add, f80class, f80compare, f80div, f80examine, f80fromBcd, f80fromF32, f80fromF64, f80fromI64, f80mul, f80sub,
  f80test, f80toBcd, f80toF32, f80toF64, f80toInt, mask, raise, rM, rSE, setC1, setResult,
} from "../float/f80";
import { setArithmeticFlags } from "./flags";
import { B, eaBytes } from "./record";
import { rd, rdPtr, wr, wrFrom, writableSpan } from "../mmu/access";
import {
  begin, C0, C1, C3, empty, DE, finish, halted, IE, keepC1, overflow, pop, pushResult, put80, putIndefinite, putResult, setConditions, st,
  stM, stSE, underflow, waiting,
} from "./x87-state";

// Arithmetic kinds.
export const ADD: i32 = 0;
export const MUL: i32 = 1;
export const SUB: i32 = 4;
export const SUBR: i32 = 5;
export const DIV: i32 = 6;
export const DIVR: i32 = 7;
// Sources of an operand.
export const F32: i32 = 1;
export const F64: i32 = 2;
export const I16: i32 = 3;
export const I32: i32 = 4;
export const I64: i32 = 5;
export const F80: i32 = 6;
export const BCD: i32 = 7;

/** Bytes of a memory operand. */
export function sizeOf(source: i32): u32 {
  if (source == I16) return 2;
  if (source == F32 || source == I32) return 4;
  return source == F64 || source == I64 ? 8 : 10;
}
let memSE: i32 = 0;
let memM: u64 = 0;
let memDenormal: bool = false;
let raw: u64 = 0;
let rawHigh: i32 = 0;
/** Read the operand's bytes; a page fault comes before any effect. */
function fetch(rec: usize, source: i32): bool {
  const la = eaBytes(rec, sizeOf(source), false);
  if (source == F32 || source == I32) raw = <u64>rd<u32>(la, rec);
  else if (source == I16) raw = <u64>rd<u16>(la, rec);
  else if (source == F64 || source == I64) raw = rd<u64>(la, rec);
  else {
    const p = rdPtr(la, 10, rec);
    if (fault) return false;
    raw = load<u64>(p);
    rawHigh = <i32>load<u16>(p, 8);
  }
  return !fault;
}
/** Convert what fetch() read to the result registers of the library. */
function convert(source: i32): void {
  switch (source) {
    case F32: f80fromF32(<u32>raw); break;
    case F64: f80fromF64(raw); break;
    case I16: f80fromI64(<i64><i16>raw); break;
    case I32: f80fromI64(<i64><i32>raw); break;
    case I64: f80fromI64(<i64>raw); break;
    case BCD: f80fromBcd(raw, rawHigh); break;
    default: setResult(rawHigh, raw); break;
  }
}
/** The memory operand of an arithmetic instruction, widened without quieting: a signalling NaN is noticed once. A denormal
 *  is noted, and reported by noteDenormal() unless something graver keeps it from being looked at. */
function widen(source: i32): void {
  memDenormal = false;
  if (source != F32 && source != F64) {
    convert(source);
    memSE = rSE;
    memM = rM;
    return;
  }
  const single = source == F32;
  const e = single ? <i32>(raw >> 23) & 0xff : <i32>(raw >> 52) & 0x7ff, m = single ? raw << 41 : raw << 12;
  const sign = <i32>(single ? raw >> 31 : raw >> 63) << 15, bias = single ? 127 : 1023;
  if (e == (single ? 0xff : 0x7ff)) {
    memSE = sign | 0x7fff;
    memM = 0x8000000000000000 | (m >> 1);
  } else if (e) {
    memSE = sign | (e + 16383 - bias);
    memM = 0x8000000000000000 | (m >> 1);
  } else if (m == 0) {
    memSE = sign;
    memM = 0;
  } else {
    const n = <i32>clz(m);
    memSE = sign | (16383 - bias - n);
    memM = m << n;
    memDenormal = true;
  }
}
/** DE of a denormal memory operand: NaNs go first, and a division by zero. */
function noteDenormal(kind: i32): void {
  if (!memDenormal) return;
  const c = f80class(stSE(0), stM(0));
  if (c >= 4 || (kind == DIVR && c == 0)) return;
  raise(DE);
}
function compute(kind: i32, aSE: i32, aM: u64, bSE: i32, bM: u64): void {
  switch (kind) {
    case ADD: f80add(aSE, aM, bSE, bM); break;
    case MUL: f80mul(aSE, aM, bSE, bM); break;
    case SUB: f80sub(aSE, aM, bSE, bM); break;
    case SUBR: f80sub(bSE, bM, aSE, aM); break;
    case DIV: f80div(aSE, aM, bSE, bM); break;
    default: f80div(bSE, bM, aSE, aM); break;
  }
}
/** FADD and its family with a memory operand. */
export function arithMem(rec: usize, op: u32, kind: i32, source: i32): void {
  if (waiting() || !fetch(rec, source)) return;
  begin();
  if (empty(0)) {
    if (underflow()) putIndefinite(0);
  } else {
    widen(source);
    noteDenormal(kind);
    if (!halted()) compute(kind, stSE(0), stM(0), memSE, memM);
    if (!halted()) putResult(0);
  }
  finish(rec, op, true);
}
/** FADD and its family between registers: ST(to) = ST(to) kind ST(from), then `pops`. */
export function arithReg(rec: usize, op: u32, kind: i32, to: u32, from: u32, pops: bool): void {
  if (!begin()) return;
  let done = true;
  if (empty(to) || empty(from)) {
    done = underflow();
    if (done) putIndefinite(to);
  } else {
    compute(kind, stSE(to), stM(to), stSE(from), stM(from));
    done = !halted();
    if (done) putResult(to);
  }
  if (done && pops) pop();
  finish(rec, op, false);
}
/** Flags of f80compare() as condition bits. */
@inline function asConditions(f: i32): u32 { return <u32>f << 8; }
/** FCOM and FCOMP with a memory operand. */
export function compareMem(rec: usize, op: u32, source: i32, pops: u32): void {
  if (waiting() || !fetch(rec, source)) return;
  begin();
  if (empty(0)) settle(underflow(), 0x45, pops);
  else {
    widen(source);
    noteDenormal(SUB);
    const f = f80compare(stSE(0), stM(0), memSE, memM, false);
    settle(!halted(), f, pops);
  }
  finish(rec, op, true);
}
/** FCOM, FCOMP, FCOMPP, FUCOM, FUCOMP, FUCOMPP. */
export function compareReg(rec: usize, op: u32, i: u32, quiet: bool, pops: u32): void {
  if (!begin()) return;
  if (empty(0) || empty(i)) settle(underflow(), 0x45, pops);
  else {
    const f = f80compare(stSE(0), stM(0), stSE(i), stM(i), quiet);
    settle(!halted(), f, pops);
  }
  finish(rec, op, false);
}
/** The condition codes say the order even when an unmasked exception keeps the registers from being popped. */
function settle(done: bool, f: i32, pops: u32): void {
  setConditions(asConditions(f));
  if (!done) return;
  for (let i: u32 = 0; i < pops; i++) pop();
}
/** FCOMI, FUCOMI and their popping forms. */
export function compareFlags(rec: usize, op: u32, i: u32, quiet: bool, pops: bool): void {
  if (!begin()) return;
  keepC1();
  let f = 0x45, done: bool;
  if (empty(0) || empty(i)) done = underflow();
  else {
    f = f80compare(stSE(0), stM(0), stSE(i), stM(i), quiet);
    done = !halted();
  }
  setArithmeticFlags(<u32>f);
  if (done && pops) pop();
  finish(rec, op, false);
}
export function ftst(rec: usize, op: u32): void {
  if (!begin()) return;
  if (empty(0)) settle(underflow(), 0x45, 0);
  else {
    const f = f80test(stSE(0), stM(0));
    settle(!halted(), f, 0);
  }
  finish(rec, op, false);
}
export function fxam(rec: usize, op: u32): void {
  if (!begin()) return;
  const se = stSE(0), w = empty(0) ? C3 | C0 | ((<u32>se & 0x8000) >> 6) : <u32>f80examine(se, stM(0));
  setC1((w & C1) != 0);
  setConditions(w);
  finish(rec, op, false);
}
/** FLD and FILD and FBLD from memory. */
export function loadMem(rec: usize, op: u32, source: i32): void {
  if (waiting() || !fetch(rec, source)) return;
  begin();
  if (!empty(7)) {
    if (overflow()) { setResult(0xffff, 0xc000000000000000); pushResult(); }
  } else {
    convert(source);
    if (!halted()) pushResult();
  }
  finish(rec, op, true);
}
/** FLD ST(i). */
export function loadReg(rec: usize, op: u32, i: u32): void {
  if (!begin()) return;
  if (empty(i) || !empty(7)) {
    if (empty(i) ? underflow() : overflow()) { setResult(0xffff, 0xc000000000000000); pushResult(); }
  } else {
    setResult(stSE(i), stM(i));
    pushResult();
  }
  finish(rec, op, false);
}
/** FST and FSTP to a register. */
export function storeReg(rec: usize, op: u32, i: u32, pops: bool): void {
  if (!begin()) return;
  let done = true;
  if (empty(0)) {
    done = underflow();
    if (done) putIndefinite(i);
  } else put80(i, stSE(0), stM(0));
  if (done && pops) pop();
  finish(rec, op, false);
}
export function fxch(rec: usize, op: u32, i: u32): void {
  if (!begin()) return;
  let done = true;
  if (empty(0) || empty(i)) {
    done = underflow();
    if (done) {
      if (empty(0)) putIndefinite(0);
      if (empty(i)) putIndefinite(i);
    }
  }
  if (done) {
    const se = stSE(0), m = stM(0);
    put80(0, stSE(i), stM(i));
    put80(i, se, m);
  }
  finish(rec, op, false);
}
export function fcmovcc(rec: usize, op: u32, i: u32, met: bool): void {
  if (!begin()) return;
  keepC1();
  if (empty(0) || empty(i)) {
    if (underflow()) putIndefinite(0);
  } else if (met) put80(0, stSE(i), stM(i));
  finish(rec, op, false);
}
export function fchs(rec: usize, op: u32, and: i32, xor: i32): void {
  if (!begin()) return;
  if (empty(0)) {
    if (underflow()) putIndefinite(0);
  } else put80(0, (stSE(0) & and) ^ xor, stM(0));
  finish(rec, op, false);
}
/** An unmasked exception suppresses the store, but not the faults of its operand. */
function probe(rec: usize, size: u32): void {
  const la = eaBytes(rec, size, true);
  if (!fault) writableSpan(la, size, rec);
}
/** FST, FSTP to single and double precision: nothing is stored when IE, OE or UE is unmasked. */
export function storeFloat(rec: usize, op: u32, target: i32, pops: bool): void {
  if (!begin()) return;
  let done = true, bits: u64 = target == F32 ? 0xffc00000 : 0xfff8000000000000;
  if (empty(0)) done = underflow();
  else {
    bits = target == F32 ? <u64>f80toF32(stSE(0), stM(0)) : f80toF64(stSE(0), stM(0));
    done = (excFlags & ~mask & 0x1f) == 0;
  }
  if (!done) { probe(rec, sizeOf(target)); setC1(false); }
  else {
    const la = eaBytes(rec, sizeOf(target), true);
    if (target == F32) wr<u32>(la, <u32>bits, rec);
    else wr<u64>(la, bits, rec);
    if (fault) return;
    if (pops) pop();
  }
  finish(rec, op, true);
}
/** FIST, FISTP and FISTTP. */
export function storeInt(rec: usize, op: u32, target: i32, truncate: bool, pops: bool): void {
  if (!begin()) return;
  const bits = target == I16 ? 16 : target == I32 ? 32 : 64;
  let done = true, v = <i64>-1 << (bits - 1);
  if (empty(0)) done = underflow();
  else {
    v = f80toInt(stSE(0), stM(0), bits, truncate);
    done = (excFlags & ~mask & IE) == 0;
  }
  if (!done) probe(rec, sizeOf(target));
  else {
    const la = eaBytes(rec, sizeOf(target), true);
    if (target == I16) wr<u16>(la, <u16>v, rec);
    else if (target == I32) wr<u32>(la, <u32>v, rec);
    else wr<u64>(la, <u64>v, rec);
    if (fault) return;
    if (pops) pop();
  }
  finish(rec, op, true);
}
const TEN = memory.data(16, 16);
/** FSTP m80fp and FBSTP. */
export function storeTen(rec: usize, op: u32, target: i32): void {
  if (!begin()) return;
  let done = true;
  if (empty(0)) {
    done = underflow();
    store<u64>(TEN, 0xc000000000000000);
    store<u16>(TEN, 0xffff, 8);
  } else if (target == F80) {
    store<u64>(TEN, stM(0));
    store<u16>(TEN, <u16>stSE(0), 8);
  } else {
    f80toBcd(stSE(0), stM(0));
    done = (excFlags & ~mask & IE) == 0;
    store<u64>(TEN, bcdLo);
    store<u16>(TEN, <u16>bcdHi, 8);
  }
  if (!done) probe(rec, 10);
  else {
    wrFrom(eaBytes(rec, 10, true), TEN, 10, rec);
    if (fault) return;
    pop();
  }
  finish(rec, op, true);
}
