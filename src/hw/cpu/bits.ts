// Bit tests with their reach beyond the operand, and the few other bodies that touch memory in their own way.
import { RAX, RBX, RCX, RDX, BOUNCE, fault, exception, get, put } from "./state";
import { setCf, setZf } from "./flags";
import { rd, rmw, rmw16, writeBack } from "../mmu/access";
import { eaOffset, eaOut, eaBytes, seg, segmented, segmentedSpan, addressMask, addressSize, disp } from "./record";

@inline export function bitOf<T>(v: T, k: u32): void { setCf(<u64>(v >> <T>(k & (8 * sizeof<T>() - 1))) & 1); }
/** @param op 1 set, 2 reset, 3 complement */
@inline export function bitSet<T>(v: T, k: u32, op: i32): T {
  const bit = <T>((<u64>1) << <u64>(k & (8 * sizeof<T>() - 1)));
  return <T>(op == 1 ? v | bit : op == 2 ? v & ~bit : v ^ bit);
}
/** Linear address of the operand-sized word that holds bit `index` of a bit string ("Bit String" in the SDM). */
@inline export function bitAddress<T>(rec: usize, index: T, write: bool): u64 {
  const signed: i64 = sizeof<T>() == 2 ? <i64><i16>index : sizeof<T>() == 4 ? <i64><i32>index : <i64>index;
  const shift: i64 = sizeof<T>() == 2 ? 4 : sizeof<T>() == 4 ? 5 : 6;
  const bytes = (signed >> shift) * sizeof<T>();
  const size = <u32>load<u8>(rec, 7) >> 6;
  return segmentedSpan(seg(rec), (eaOffset(rec) + <u64>bytes) & addressMask(size), sizeof<T>(), write);
}
/** Decrement the count register of LOOP; true while it is not 0. */
export function countDown(rec: usize): bool {
  const mask = addressMask(addressSize(rec)), v = get<u64>(RCX), n = (v - 1) & mask;
  put<u64>(RCX, mask == 0xffff ? (v & ~mask) | n : n);
  return n != 0;
}
export function xlat(rec: usize): void {
  const mask = addressMask(addressSize(rec));
  const la = segmented(seg(rec), (get<u64>(RBX) + <u64>get<u8>(RAX)) & mask, false, true);
  if (fault) return;
  const v = rd<u8>(la, rec);
  if (!fault) put<u8>(RAX, v);
}
export function cmpxchg8b(rec: usize): void {
  const p = rmw<u64>(eaOut<u64>(rec), rec);
  if (fault) return;
  const v = load<u64>(p), want = (<u64>get<u32>(RDX) << 32) | <u64>get<u32>(RAX);
  if (v == want) {
    store<u64>(p, (<u64>get<u32>(RCX) << 32) | <u64>get<u32>(RBX));
    setZf(1);
  } else {
    put<u32>(RAX, <u32>v);
    put<u32>(RDX, <u32>(v >> 32));
    setZf(0);
  }
  if (p == BOUNCE) writeBack();
}
export function cmpxchg16b(rec: usize): void {
  const la = eaBytes(rec, 16, true);
  if (la & 15) { exception(13, 0); return; }
  const p = rmw16(la, rec);
  if (fault) return;
  const low = load<u64>(p), high = load<u64>(p, 8);
  if (low == get<u64>(RAX) && high == get<u64>(RDX)) {
    store<u64>(p, get<u64>(RBX));
    store<u64>(p, get<u64>(RCX), 8);
    setZf(1);
  } else {
    put<u64>(RAX, low);
    put<u64>(RDX, high);
    setZf(0);
  }
  if (p == BOUNCE) writeBack();
}
/** CRC32 with the Castagnoli polynomial 11EDC6F41h, reflected; bit by bit, it is rare. */
export function crc32<T>(crc: u32, v: T): u32 {
  let c = crc;
  for (let i: u32 = 0; i < sizeof<T>(); i++) {
    c ^= <u32>(<u64>v >> <u64>(i * 8)) & 0xff;
    for (let k = 0; k < 8; k++) c = (c >> 1) ^ (c & 1 ? 0x82f63b78 : 0);
  }
  return c;
}
