// Stack instructions: "PUSH", "POP", "ENTER", "LEAVE", "PUSHA", "POPA".
import {
  RSP, RBP, SPMASK, SEG_EBASE, SEG_SEL, SS, CS, MODE, MODE_L, MODE_NONFLAT, RAX, BOUNCE, fault, clearFault, exception, get, put,
} from "./state";
import { rd, rmw, wr, writeBack } from "../mmu/access";
import { spanAllowed } from "./record";
import { loadSegment } from "./segment";

/** Linear address of a stack offset; limit checks where segments are not flat. `rec` 0 in accesses means SS. */
@inline export function stackAddress<T>(offset: u64, write: bool): u64 {
  if (sizeof<T>() == 8) return load<u64>(SEG_EBASE + (SS << 3)) + offset;
  const mode = load<u32>(MODE);
  if ((mode & MODE_NONFLAT) && !(mode & MODE_L) && !spanAllowed(SS, <u32>offset, sizeof<T>(), write)) exception(12, 0);
  return mode & MODE_L ? offset : (load<u64>(SEG_EBASE + (SS << 3)) + offset) & 0xffffffff;
}
/** Do accesses of the stack need stackAddress()? */
@inline export function stackSegmented<T>(): bool {
  return sizeof<T>() != 8 && (load<u32>(MODE) & (MODE_NONFLAT | MODE_L)) == MODE_NONFLAT;
}
/** Linear address of what lies `above` the top of the stack when they do not. */
@inline export function stackFlat<T>(above: u64): u64 {
  const offset = (get<u64>(RSP) + above) & load<u64>(SPMASK);
  if (sizeof<T>() == 8) return load<u64>(SEG_EBASE + (SS << 3)) + offset;
  return load<u32>(MODE) & MODE_L ? offset : (load<u64>(SEG_EBASE + (SS << 3)) + offset) & 0xffffffff;
}
@inline export function setSp(sp: u64): void {
  const m = load<u64>(SPMASK);
  // A stack of 16 bits leaves the rest of the register alone.
  put<u64>(RSP, m == 0xffff ? (get<u64>(RSP) & ~m) | (sp & m) : sp & m);
}
/** Push; RSP moves only if the store succeeds. */
@inline export function push<T>(v: T): void {
  const sp = (get<u64>(RSP) - sizeof<T>()) & load<u64>(SPMASK);
  const la = stackAddress<T>(sp, true);
  if (fault) return;
  wr<T>(la, v, 0);
  if (fault) return;
  setSp(sp);
}
/** CALL to a target that is refused: faults of the push come first. */
export function denyCall<T>(): void {
  clearFault();
  const la = stackAddress<T>((get<u64>(RSP) - sizeof<T>()) & load<u64>(SPMASK), true);
  if (!fault) rmw<T>(la, 0);
  exception(13, 0);
}
/** Read the top of the stack, without moving RSP. */
@inline export function peek<T>(above: u64): T {
  const la = stackAddress<T>((get<u64>(RSP) + above) & load<u64>(SPMASK), false);
  if (fault) return <T>0;
  return rd<T>(la, 0);
}
@inline export function drop(bytes: u64): void { setSp(get<u64>(RSP) + bytes); }

export function push_seg<T>(s: i32): void {
  // A 32-bit push of a selector writes two bytes only on today's processors; the upper half stays.
  if (sizeof<T>() == 4) {
    const sp = (get<u64>(RSP) - 4) & load<u64>(SPMASK), la = stackAddress<u32>(sp, true);
    if (fault) return;
    wr<u16>(la, load<u16>(SEG_SEL + (s << 2)), 0);
    if (!fault) setSp(sp);
    return;
  }
  push<T>(<T>load<u32>(SEG_SEL + (s << 2)));
}
/** POP segment: the selector is loaded first, RSP moves if that did not fault. */
export function pop_seg<T>(s: i32): void {
  const v = peek<T>(0);
  if (fault) return;
  const sp = get<u64>(RSP) + sizeof<T>();
  loadSegment(s, <u32>v & 0xffff);
  if (!fault) setSp(sp);
}
export function pusha<T>(): void {
  const n: u64 = sizeof<T>(), mask = load<u64>(SPMASK), sp = get<u64>(RSP);
  for (let i = 0; i < 8; i++) { // probe: every slot must be writable before RSP moves
    const la = stackAddress<T>((sp - <u64>(i + 1) * n) & mask, true);
    if (fault) return;
    wr<T>(la, i == 4 ? <T>sp : get<T>(i << 3), 0);
    if (fault) return;
  }
  setSp(sp - 8 * n);
}
export function popa<T>(): void {
  const n: u64 = sizeof<T>();
  // As processors do: registers popped before a fault keep their new values, RSP does not move.
  for (let i: u64 = 0; i < 8; i++) {
    const v = peek<T>(i * n);
    if (fault) return;
    if (i != 3) put<T>(<usize>(7 - i) << 3, v);
  }
  drop(8 * n);
}
export function leave<T>(): void {
  const bp = get<u64>(RBP), mask = load<u64>(SPMASK), la = stackAddress<T>(bp & mask, false);
  if (fault) return;
  const v = rd<T>(la, 0);
  if (fault) return;
  setSp(bp + sizeof<T>());
  put<T>(RBP, v);
}
export function enterFrame<T>(size: u32, nesting: u32): void {
  const n: u64 = sizeof<T>(), mask = load<u64>(SPMASK), level = nesting & 31;
  let sp = get<u64>(RSP) - n;
  let la = stackAddress<T>(sp & mask, true);
  if (fault) return;
  wr<T>(la, get<T>(RBP), 0);
  if (fault) return;
  const frame = sp;
  if (level > 0) {
    let bp = get<u64>(RBP);
    for (let i: u32 = 1; i < level; i++) {
      bp -= n;
      la = stackAddress<T>(bp & mask, false);
      if (fault) return;
      const v = rd<T>(la, 0);
      if (fault) return;
      sp -= n;
      la = stackAddress<T>(sp & mask, true);
      if (fault) return;
      wr<T>(la, v, 0);
      if (fault) return;
    }
    sp -= n;
    la = stackAddress<T>(sp & mask, true);
    if (fault) return;
    wr<T>(la, <T>frame, 0);
    if (fault) return;
  }
  sp -= <u64>size;
  // The byte at the new top must be writable.
  la = stackAddress<T>(sp & mask, true);
  if (fault) return;
  const p = rmw<T>(la, 0);
  if (fault) return;
  if (p == BOUNCE) writeBack();
  put<T>(RBP, <T>((get<u64>(RSP) & ~mask) | (frame & mask)));
  setSp(sp);
}
