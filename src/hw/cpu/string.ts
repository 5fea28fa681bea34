// String instructions. One iteration is an instruction of the clock, so a repeated one takes what the slice allows and
// stays at its RIP; bytes that lie in plain RAM move in bulk, one page at a time.
import {
  RAX, RCX, RSI, RDI, FAST_TLB, MODE, MODE_L, SEG_EBASE, ES, EFLAGS, INTR, BREAK_ON,
  ALONE_BLOCK, left, setLeft, block, fault, get, put,
} from "./state";
import { DF, TF } from "./flags";
import { sub } from "./alu";
import { zf } from "./flags";
import { rd, wr } from "../mmu/access";
import { context } from "../mmu/tlb";
import { rep, addressSize, addressMask, seg, segmentedSpan, ripOf } from "./record";
import { raise, resume, keepRf } from "./flow";
import { RIP } from "./state";
import { yanked, unyank, yank } from "../mmu/phys";

@inline function delta<T>(): u64 { return load<u32>(EFLAGS) & DF ? <u64>-(<i64>sizeof<T>()) : sizeof<T>(); }
@inline function source<T>(rec: usize, mask: u64): u64 { return segmentedSpan(seg(rec), get<u64>(RSI) & mask, sizeof<T>(), false); }
@inline function target<T>(mask: u64, write: bool): u64 { return segmentedSpan(ES, get<u64>(RDI) & mask, sizeof<T>(), write); }
@inline function advance(reg: usize, by: u64, mask: u64): void {
  const v = get<u64>(reg);
  put<u64>(reg, mask == 0xffff ? (v & ~mask) | ((v + by) & mask) : (v + by) & mask);
}

@inline export function movs<T>(rec: usize): void {
  const mask = addressMask(addressSize(rec));
  const from = source<T>(rec, mask);
  if (fault) return;
  const v = rd<T>(from, rec);
  if (fault) return;
  const to = target<T>(mask, true);
  if (fault) return;
  wr<T>(to, v, rec);
  if (fault) return;
  advance(RSI, delta<T>(), mask);
  advance(RDI, delta<T>(), mask);
}
@inline export function stos<T>(rec: usize): void {
  const mask = addressMask(addressSize(rec)), to = target<T>(mask, true);
  if (fault) return;
  wr<T>(to, get<T>(RAX), rec);
  if (fault) return;
  advance(RDI, delta<T>(), mask);
}
@inline export function lods<T>(rec: usize): void {
  const mask = addressMask(addressSize(rec)), from = source<T>(rec, mask);
  if (fault) return;
  const v = rd<T>(from, rec);
  if (fault) return;
  put<T>(RAX, v);
  advance(RSI, delta<T>(), mask);
}
@inline export function scas<T>(rec: usize): void {
  const mask = addressMask(addressSize(rec)), from = target<T>(mask, false);
  if (fault) return;
  const v = rd<T>(from, rec);
  if (fault) return;
  sub<T>(get<T>(RAX), v);
  advance(RDI, delta<T>(), mask);
}
@inline export function cmps<T>(rec: usize): void {
  const mask = addressMask(addressSize(rec));
  // Which operand's fault is seen when both have one: of bytes the source's, else the target's.
  let a: T = 0;
  if (sizeof<T>() == 1) {
    const from = source<T>(rec, mask);
    if (fault) return;
    a = rd<T>(from, rec);
    if (fault) return;
  }
  const to = target<T>(mask, false);
  if (fault) return;
  const b = rd<T>(to, rec);
  if (fault) return;
  if (sizeof<T>() != 1) {
    const from = source<T>(rec, mask);
    if (fault) return;
    a = rd<T>(from, rec);
    if (fault) return;
  }
  sub<T>(a, b);
  advance(RSI, delta<T>(), mask);
  advance(RDI, delta<T>(), mask);
}

/** Offset in memory of a page that the fast TLB lets us read (or write), 0 otherwise. */
@inline function fastPage(la: u64, write: bool): usize {
  const e = <usize>(la >> 7) & 0xffe0;
  return load<u64>(e + (write ? 8 : 0), FAST_TLB) == ((la & ~0xfff) | context) ? <usize>la + load<u32>(e, FAST_TLB + 16) : 0;
}
/** Elements that fit between `la` and the end of its page. */
@inline function room<T>(la: u64): u64 { return (4096 - (la & 0xfff)) / sizeof<T>(); }

/** Iterations allowed now: the budget plus the one this record has already paid for. */
@inline function allowance(): u64 { return <u64>(left + yanked) + 1; }

/** `done` iterations have run. Pay for them, then stay or go on. */
function settle(rec: usize, done: u64, finished: bool): usize {
  if (done > 1) {
    if (yanked) { unyank(); setLeft(left - <i32>(done - 1)); yank(); }
    else setLeft(left - <i32>(done - 1));
  }
  if (finished) return rec + 16;
  keepRf();
  if (done == 0) { unyank(); setLeft(left + 1); yank(); } // nothing ran: the record's own instruction is given back
  store<u64>(RIP, ripOf(rec));
  return resume();
}
/** A fault after some iterations: they count, the faulting one does not. */
function interrupted(rec: usize, done: u64): usize {
  if (done > 0) { unyank(); setLeft(left - <i32>done); yank(); }
  return raise(rec);
}
@inline function single(): bool { return block == ALONE_BLOCK; }

export function rep_movs<T>(rec: usize): usize {
  const mask = addressMask(addressSize(rec));
  let count = get<u64>(RCX) & mask, done: u64 = 0;
  if (count == 0) return rec + 16;
  const most = single() ? 1 : allowance(), forward = !(load<u32>(EFLAGS) & DF);
  while (count > 0 && done < most) {
    let k: u64 = 0;
    if (forward && !single() && load<u32>(MODE) & MODE_L && mask == ~0) {
      const from = load<u64>(SEG_EBASE + (seg(rec) << 3)) + get<u64>(RSI), to = get<u64>(RDI);
      const p = fastPage(from, false), q = fastPage(to, true);
      if (p && q) {
        k = min(min(count, most - done), min(room<T>(from), room<T>(to)));
        const bytes = <usize>k * sizeof<T>();
        if (k && (q <= p || q >= p + bytes)) memory.copy(q, p, bytes);
        else for (let i: usize = 0; i < bytes; i += sizeof<T>()) store<T>(q + i, load<T>(p + i));
        put<u64>(RSI, get<u64>(RSI) + bytes);
        put<u64>(RDI, to + bytes);
      }
    } else if (forward && !single() && mask == 0xffffffff && !(load<u32>(MODE) & (MODE_L | 8)) && seg(rec) < 4) {
      const from = (load<u64>(SEG_EBASE + (seg(rec) << 3)) + get<u32>(RSI)) & mask, to = (load<u64>(SEG_EBASE) + get<u32>(RDI)) & mask;
      const p = fastPage(from, false), q = fastPage(to, true);
      if (p && q) {
        k = min(min(count, most - done), min(room<T>(from), room<T>(to)));
        const bytes = <usize>k * sizeof<T>();
        if (k && (q <= p || q >= p + bytes)) memory.copy(q, p, bytes);
        else for (let i: usize = 0; i < bytes; i += sizeof<T>()) store<T>(q + i, load<T>(p + i));
        put<u32>(RSI, get<u32>(RSI) + <u32>bytes);
        put<u32>(RDI, get<u32>(RDI) + <u32>bytes);
      }
    }
    if (k == 0) {
      movs<T>(rec);
      if (fault) return interrupted(rec, done);
      k = 1;
    }
    count -= k;
    done += k;
    advance(RCX, <u64>-(<i64>k), mask);
  }
  return settle(rec, done, count == 0);
}
export function rep_stos<T>(rec: usize): usize {
  const mask = addressMask(addressSize(rec));
  let count = get<u64>(RCX) & mask, done: u64 = 0;
  if (count == 0) return rec + 16;
  const most = single() ? 1 : allowance(), forward = !(load<u32>(EFLAGS) & DF), v = get<T>(RAX);
  const flat = mask == ~0 || (mask == 0xffffffff && !(load<u32>(MODE) & (MODE_L | 8)));
  while (count > 0 && done < most) {
    let k: u64 = 0;
    if (forward && !single() && flat) {
      const to = (load<u64>(SEG_EBASE) + (get<u64>(RDI) & mask)) & mask, q = fastPage(to, true);
      if (q) {
        k = min(min(count, most - done), room<T>(to));
        const bytes = <usize>k * sizeof<T>();
        if (sizeof<T>() == 1 || v == <T>0) memory.fill(q, <u8>v, bytes);
        else for (let i: usize = 0; i < bytes; i += sizeof<T>()) store<T>(q + i, v);
        advance(RDI, bytes, mask);
      }
    }
    if (k == 0) {
      stos<T>(rec);
      if (fault) return interrupted(rec, done);
      k = 1;
    }
    count -= k;
    done += k;
    advance(RCX, <u64>-(<i64>k), mask);
  }
  return settle(rec, done, count == 0);
}
export function rep_lods<T>(rec: usize): usize {
  const mask = addressMask(addressSize(rec));
  let count = get<u64>(RCX) & mask, done: u64 = 0;
  if (count == 0) return rec + 16;
  const most = single() ? 1 : allowance();
  while (count > 0 && done < most) {
    lods<T>(rec);
    if (fault) return interrupted(rec, done);
    count--;
    done++;
    advance(RCX, ~0, mask);
  }
  return settle(rec, done, count == 0);
}
/** REPE (F3) goes on while ZF is set, REPNE (F2) while it is clear. */
export function rep_scas<T>(rec: usize): usize {
  const mask = addressMask(addressSize(rec)), want = rep(rec) == 3;
  let count = get<u64>(RCX) & mask, done: u64 = 0, ended = false;
  if (count == 0) return rec + 16;
  const most = single() ? 1 : allowance();
  while (count > 0 && done < most && !ended) {
    scas<T>(rec);
    if (fault) return interrupted(rec, done);
    count--;
    done++;
    advance(RCX, ~0, mask);
    ended = zf() != want;
  }
  return settle(rec, done, count == 0 || ended);
}
export function rep_cmps<T>(rec: usize): usize {
  const mask = addressMask(addressSize(rec)), want = rep(rec) == 3;
  let count = get<u64>(RCX) & mask, done: u64 = 0, ended = false;
  if (count == 0) return rec + 16;
  const most = single() ? 1 : allowance();
  while (count > 0 && done < most && !ended) {
    cmps<T>(rec);
    if (fault) return interrupted(rec, done);
    count--;
    done++;
    advance(RCX, ~0, mask);
    ended = zf() != want;
  }
  return settle(rec, done, count == 0 || ended);
}
