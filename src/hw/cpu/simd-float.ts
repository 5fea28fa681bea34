// XMM floating point: each lane through the library in src/hw/float, the exceptions committed once per instruction.
import { MXCSR, CR4, exception } from "./state";
import { setArithmeticFlags } from "./flags";
import {
  setMxcsr, mxcsr, sseCommit, f32add, f32sub, f32mul, f32div, f32sqrt, f32min, f32max, f32cmp, f32comi, f32toF64, f32toI32, f32toI64,
  f64add, f64sub, f64mul, f64div, f64sqrt, f64min, f64max, f64cmp, f64comi, f64toF32, f64toI32, f64toI64, i32toF32, i32toF64, i64toF32, i64toF64,
  f32round, f64round,
} from "../float/sse";
import { clearFlags } from "../float/status";

/** Before the first lane. What an x87 instruction has raised before is not this one's. */
@inline export function sseBegin(): void { setMxcsr(load<i32>(MXCSR)); clearFlags(); }
/** Unmasked exceptions of an earlier step of the same instruction. */
let early: i32 = 0;
/** After the last lane: true when an unmasked exception keeps the result from being written. */
export function sseEnd(): bool {
  const open = sseCommit() | early;
  early = 0;
  store<i32>(MXCSR, mxcsr);
  if (open == 0) return false;
  exception(load<u32>(CR4) & 0x400 ? 19 : 6, -1);
  return true;
}
@inline function q0(a: v128): u64 { return <u64>i64x2.extract_lane(a, 0); }
@inline function q1(a: v128): u64 { return <u64>i64x2.extract_lane(a, 1); }
@inline function d0(a: v128): u32 { return <u32>i32x4.extract_lane(a, 0); }
@inline function d1(a: v128): u32 { return <u32>i32x4.extract_lane(a, 1); }
@inline function d2(a: v128): u32 { return <u32>i32x4.extract_lane(a, 2); }
@inline function d3(a: v128): u32 { return <u32>i32x4.extract_lane(a, 3); }
@inline function setD(a: v128, v: u32): v128 { return i32x4.replace_lane(a, 0, <i32>v); }
@inline function setQ(a: v128, v: u64): v128 { return i64x2.replace_lane(a, 0, <i64>v); }
@inline function ps(a: u32, b: u32, c: u32, d: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(<i32>a), 1, <i32>b), 2, <i32>c), 3, <i32>d);
}
@inline function pd(a: u64, b: u64): v128 { return i64x2.replace_lane(i64x2.splat(<i64>a), 1, <i64>b); }
export function addss(a: v128, b: v128): v128 { return setD(a, f32add(d0(a), d0(b))); }
export function addsd(a: v128, b: v128): v128 { return setQ(a, f64add(q0(a), q0(b))); }
export function addps(a: v128, b: v128): v128 { return ps(f32add(d0(a), d0(b)), f32add(d1(a), d1(b)), f32add(d2(a), d2(b)), f32add(d3(a), d3(b))); }
export function addpd(a: v128, b: v128): v128 { return pd(f64add(q0(a), q0(b)), f64add(q1(a), q1(b))); }
export function subss(a: v128, b: v128): v128 { return setD(a, f32sub(d0(a), d0(b))); }
export function subsd(a: v128, b: v128): v128 { return setQ(a, f64sub(q0(a), q0(b))); }
export function subps(a: v128, b: v128): v128 { return ps(f32sub(d0(a), d0(b)), f32sub(d1(a), d1(b)), f32sub(d2(a), d2(b)), f32sub(d3(a), d3(b))); }
export function subpd(a: v128, b: v128): v128 { return pd(f64sub(q0(a), q0(b)), f64sub(q1(a), q1(b))); }
export function mulss(a: v128, b: v128): v128 { return setD(a, f32mul(d0(a), d0(b))); }
export function mulsd(a: v128, b: v128): v128 { return setQ(a, f64mul(q0(a), q0(b))); }
export function mulps(a: v128, b: v128): v128 { return ps(f32mul(d0(a), d0(b)), f32mul(d1(a), d1(b)), f32mul(d2(a), d2(b)), f32mul(d3(a), d3(b))); }
export function mulpd(a: v128, b: v128): v128 { return pd(f64mul(q0(a), q0(b)), f64mul(q1(a), q1(b))); }
export function divss(a: v128, b: v128): v128 { return setD(a, f32div(d0(a), d0(b))); }
export function divsd(a: v128, b: v128): v128 { return setQ(a, f64div(q0(a), q0(b))); }
export function divps(a: v128, b: v128): v128 { return ps(f32div(d0(a), d0(b)), f32div(d1(a), d1(b)), f32div(d2(a), d2(b)), f32div(d3(a), d3(b))); }
export function divpd(a: v128, b: v128): v128 { return pd(f64div(q0(a), q0(b)), f64div(q1(a), q1(b))); }
export function minss(a: v128, b: v128): v128 { return setD(a, f32min(d0(a), d0(b))); }
export function minsd(a: v128, b: v128): v128 { return setQ(a, f64min(q0(a), q0(b))); }
export function minps(a: v128, b: v128): v128 { return ps(f32min(d0(a), d0(b)), f32min(d1(a), d1(b)), f32min(d2(a), d2(b)), f32min(d3(a), d3(b))); }
export function minpd(a: v128, b: v128): v128 { return pd(f64min(q0(a), q0(b)), f64min(q1(a), q1(b))); }
export function maxss(a: v128, b: v128): v128 { return setD(a, f32max(d0(a), d0(b))); }
export function maxsd(a: v128, b: v128): v128 { return setQ(a, f64max(q0(a), q0(b))); }
export function maxps(a: v128, b: v128): v128 { return ps(f32max(d0(a), d0(b)), f32max(d1(a), d1(b)), f32max(d2(a), d2(b)), f32max(d3(a), d3(b))); }
export function maxpd(a: v128, b: v128): v128 { return pd(f64max(q0(a), q0(b)), f64max(q1(a), q1(b))); }
export function sqrtss(a: v128, b: v128): v128 { return setD(a, f32sqrt(d0(b))); }
export function sqrtsd(a: v128, b: v128): v128 { return setQ(a, f64sqrt(q0(b))); }
export function sqrtps(b: v128): v128 { return ps(f32sqrt(d0(b)), f32sqrt(d1(b)), f32sqrt(d2(b)), f32sqrt(d3(b))); }
export function sqrtpd(b: v128): v128 { return pd(f64sqrt(q0(b)), f64sqrt(q1(b))); }
export function cmpss(a: v128, b: v128, k: u32): v128 { return setD(a, f32cmp(d0(a), d0(b), k & 7)); }
export function cmpsd(a: v128, b: v128, k: u32): v128 { return setQ(a, f64cmp(q0(a), q0(b), k & 7)); }
export function cmpps(a: v128, b: v128, k: u32): v128 {
  return ps(f32cmp(d0(a), d0(b), k & 7), f32cmp(d1(a), d1(b), k & 7), f32cmp(d2(a), d2(b), k & 7), f32cmp(d3(a), d3(b), k & 7));
}
export function cmppd(a: v128, b: v128, k: u32): v128 { return pd(f64cmp(q0(a), q0(b), k & 7), f64cmp(q1(a), q1(b), k & 7)); }
let compared: u32 = 0;
/** COMIS and UCOMIS: the flags are taken once no exception stops the instruction. */
export function comiss(a: v128, b: v128): void { compared = f32comi(d0(a), d0(b), true); }
export function comisd(a: v128, b: v128): void { compared = f64comi(q0(a), q0(b), true); }
export function ucomiss(a: v128, b: v128): void { compared = f32comi(d0(a), d0(b), false); }
export function ucomisd(a: v128, b: v128): void { compared = f64comi(q0(a), q0(b), false); }
export function takeCompared(): void { setArithmeticFlags(compared); }
export function cvtss2sd(a: v128, b: v128): v128 { return setQ(a, f32toF64(d0(b))); }
export function cvtsd2ss(a: v128, b: v128): v128 { return setD(a, f64toF32(q0(b))); }
export function cvtps2pd(b: v128): v128 { return pd(f32toF64(d0(b)), f32toF64(d1(b))); }
export function cvtpd2ps(b: v128): v128 { return ps(f64toF32(q0(b)), f64toF32(q1(b)), 0, 0); }
export function cvtdq2ps(b: v128): v128 { return ps(i32toF32(d0(b)), i32toF32(d1(b)), i32toF32(d2(b)), i32toF32(d3(b))); }
export function cvtdq2pd(b: v128): v128 { return pd(i32toF64(d0(b)), i32toF64(d1(b))); }
export function cvtps2dq(b: v128): v128 { return ps(f32toI32(d0(b), false), f32toI32(d1(b), false), f32toI32(d2(b), false), f32toI32(d3(b), false)); }
export function cvttps2dq(b: v128): v128 { return ps(f32toI32(d0(b), true), f32toI32(d1(b), true), f32toI32(d2(b), true), f32toI32(d3(b), true)); }
export function cvtpd2dq(b: v128): v128 { return ps(f64toI32(q0(b), false), f64toI32(q1(b), false), 0, 0); }
export function cvttpd2dq(b: v128): v128 { return ps(f64toI32(q0(b), true), f64toI32(q1(b), true), 0, 0); }
// Conversions with a general register: <T> is u32 or u64.
export function cvtsi2ss<T>(a: v128, v: T): v128 { return setD(a, sizeof<T>() == 8 ? i64toF32(<i64>v) : i32toF32(<i32>v)); }
export function cvtsi2sd<T>(a: v128, v: T): v128 { return setQ(a, sizeof<T>() == 8 ? i64toF64(<i64>v) : i32toF64(<i32>v)); }
export function cvtss2si<T>(b: v128): T { return sizeof<T>() == 8 ? <T>f32toI64(d0(b), false) : <T>f32toI32(d0(b), false); }
export function cvttss2si<T>(b: v128): T { return sizeof<T>() == 8 ? <T>f32toI64(d0(b), true) : <T>f32toI32(d0(b), true); }
export function cvtsd2si<T>(b: v128): T { return sizeof<T>() == 8 ? <T>f64toI64(q0(b), false) : <T>f64toI32(q0(b), false); }
export function cvttsd2si<T>(b: v128): T { return sizeof<T>() == 8 ? <T>f64toI64(q0(b), true) : <T>f64toI32(q0(b), true); }
// SSE3 horizontal forms, SSE4.1 rounding and dot products.
export function haddps(a: v128, b: v128): v128 { return ps(f32add(d0(a), d1(a)), f32add(d2(a), d3(a)), f32add(d0(b), d1(b)), f32add(d2(b), d3(b))); }
export function haddpd(a: v128, b: v128): v128 { return pd(f64add(q0(a), q1(a)), f64add(q0(b), q1(b))); }
export function hsubps(a: v128, b: v128): v128 { return ps(f32sub(d0(a), d1(a)), f32sub(d2(a), d3(a)), f32sub(d0(b), d1(b)), f32sub(d2(b), d3(b))); }
export function hsubpd(a: v128, b: v128): v128 { return pd(f64sub(q0(a), q1(a)), f64sub(q0(b), q1(b))); }
export function addsubps(a: v128, b: v128): v128 { return ps(f32sub(d0(a), d0(b)), f32add(d1(a), d1(b)), f32sub(d2(a), d2(b)), f32add(d3(a), d3(b))); }
export function addsubpd(a: v128, b: v128): v128 { return pd(f64sub(q0(a), q0(b)), f64add(q1(a), q1(b))); }
export function roundss(a: v128, b: v128, k: u32): v128 { return setD(a, f32round(d0(b), k)); }
export function roundsd(a: v128, b: v128, k: u32): v128 { return setQ(a, f64round(q0(b), k)); }
export function roundps(b: v128, k: u32): v128 { return ps(f32round(d0(b), k), f32round(d1(b), k), f32round(d2(b), k), f32round(d3(b), k)); }
export function roundpd(b: v128, k: u32): v128 { return pd(f64round(q0(b), k), f64round(q1(b), k)); }
/** Products first; their unmasked exceptions come before any addition. */
export function dpps(a: v128, b: v128, k: u32): v128 {
  const p0 = k & 16 ? f32mul(d0(a), d0(b)) : 0, p1 = k & 32 ? f32mul(d1(a), d1(b)) : 0;
  const p2 = k & 64 ? f32mul(d2(a), d2(b)) : 0, p3 = k & 128 ? f32mul(d3(a), d3(b)) : 0;
  early = sseCommit();
  if (early) return a;
  const s = f32add(f32add(p0, p1), f32add(p2, p3));
  return ps(k & 1 ? s : 0, k & 2 ? s : 0, k & 4 ? s : 0, k & 8 ? s : 0);
}
export function dppd(a: v128, b: v128, k: u32): v128 {
  const p0 = k & 16 ? f64mul(q0(a), q0(b)) : 0, p1 = k & 32 ? f64mul(q1(a), q1(b)) : 0;
  early = sseCommit();
  if (early) return a;
  const s = f64add(p0, p1);
  return pd(k & 1 ? s : 0, k & 2 ? s : 0);
}
// Approximations: the quotient rounded to 12 fraction bits, so within 2^-13. A denormal counts as zero, a tiny result is zero.
function approximate(x: f32): u32 {
  const b = (reinterpret<u32>(x) + 0x400) & 0xfffff800;
  return (b & 0x7f800000) == 0 ? b & 0x80000000 : b;
}
function rcp(x: u32): u32 {
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return x | 0x400000;
  if (magnitude < 0x800000) return (x & 0x80000000) | 0x7f800000;
  if (magnitude == 0x7f800000) return x & 0x80000000;
  return approximate(1 / reinterpret<f32>(x));
}
function rsqrt(x: u32): u32 {
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return x | 0x400000;
  if (magnitude < 0x800000) return (x & 0x80000000) | 0x7f800000;
  if (x >> 31) return 0xffc00000;
  if (magnitude == 0x7f800000) return 0;
  return approximate(1 / sqrt<f32>(reinterpret<f32>(x)));
}
export function rcpss(a: v128, b: v128): v128 { return setD(a, rcp(d0(b))); }
export function rcpps(b: v128): v128 { return ps(rcp(d0(b)), rcp(d1(b)), rcp(d2(b)), rcp(d3(b))); }
export function rsqrtss(a: v128, b: v128): v128 { return setD(a, rsqrt(d0(b))); }
export function rsqrtps(b: v128): v128 { return ps(rsqrt(d0(b)), rsqrt(d1(b)), rsqrt(d2(b)), rsqrt(d3(b))); }
// Conversions with an MMX register: the pair lies in the low quadword of b.
export function cvtpi2ps(a: v128, b: v128): v128 { return i32x4.replace_lane(setD(a, i32toF32(d0(b))), 1, <i32>i32toF32(d1(b))); }
export function cvtpi2pd(a: v128, b: v128): v128 { return pd(i32toF64(d0(b)), i32toF64(d1(b))); }
export function cvtps2pi(b: v128): v128 { return ps(f32toI32(d0(b), false), f32toI32(d1(b), false), 0, 0); }
export function cvttps2pi(b: v128): v128 { return ps(f32toI32(d0(b), true), f32toI32(d1(b), true), 0, 0); }
export function cvtpd2pi(b: v128): v128 { return cvtpd2dq(b); }
export function cvttpd2pi(b: v128): v128 { return cvttpd2dq(b); }
