// "Decimal Arithmetic Instructions" in the SDM. Flags that it leaves undefined follow the byte addition or subtraction
// inside the operation (16-bit for AAA and AAS), as measured on silicon.
//
//   aaa() aas() daa() das() salc(): void     aam(rec, base) aad(rec, base): void (AAM sets fault: #DE)
import { RAX, get, put, exception } from "./state";
import { AF, CF, PF, SF, ZF, OF, setArithmeticFlags, af, cfBit } from "./flags";

/** SF, ZF and PF of a byte. */
@inline function szp(v: u32): u32 {
  v &= 0xff;
  return (v & 0x80) | (v ? 0 : ZF) | (popcnt<u32>(v) & 1 ? 0 : PF);
}
/** OF of the byte operation a + n = r. */
@inline function overflow(a: u32, r: u32, n: i32): u32 {
  const b = <u32>n & 0xff, sub = n < 0;
  const x = sub ? (a ^ <u32>(-n)) & (a ^ r) : ~(a ^ b) & (a ^ r);
  return x & 0x80 ? OF : 0;
}
function adjustAscii(subtract: bool): void {
  const ax = <u32>get<u16>(RAX), al = ax & 0xff;
  let r = ax, f: u32 = 0;
  if ((al & 15) > 9 || af()) {
    r = subtract ? ax - 0x106 : ax + 0x106;
    f = AF | CF;
  }
  put<u16>(RAX, <u16>(r & 0xff0f));
  const over = f ? (subtract ? ax & ~r : ~ax & r) & 0x8000 : 0;
  setArithmeticFlags(f | (szp(r) & PF) | (r & 0xffff ? 0 : ZF) | (r & 0x8000 ? SF : 0) | (over ? OF : 0));
}
export function aaa(): void { adjustAscii(false); }
export function aas(): void { adjustAscii(true); }
export function daa(): void {
  const old = <u32>get<u8>(RAX), carry = <u32>cfBit();
  let al = old, f: u32 = 0;
  if ((old & 15) > 9 || af()) { al += 6; f |= AF; }
  if (old > 0x99 || carry) { al += 0x60; f |= CF; }
  al &= 0xff;
  put<u8>(RAX, <u8>al);
  setArithmeticFlags(f | szp(al) | overflow(old, al, (f & AF ? 6 : 0) + (f & CF ? 0x60 : 0)));
}
export function das(): void {
  const old = <u32>get<u8>(RAX), carry = <u32>cfBit();
  let al = old, f: u32 = 0;
  if ((old & 15) > 9 || af()) {
    if (old < 6 || carry) f |= CF;
    al -= 6;
    f |= AF;
  }
  let n = f & AF ? -6 : 0;
  if (old > 0x99 || carry) { al -= 0x60; n -= 0x60; f |= CF; }
  al &= 0xff;
  put<u8>(RAX, <u8>al);
  setArithmeticFlags(f | szp(al) | overflow(old, al, n));
}
export function aam(rec: usize, base: u32): void {
  base &= 0xff;
  if (!base) { exception(0, -1); return; }
  const al = <u32>get<u8>(RAX);
  put<u16>(RAX, <u16>((al / base << 8) | al % base));
  setArithmeticFlags(szp(al % base));
}
export function aad(rec: usize, base: u32): void {
  const ax = <u32>get<u16>(RAX), a = ax & 0xff, b = ((ax >> 8) * (base & 0xff)) & 0xff, v = (a + b) & 0xff;
  put<u16>(RAX, <u16>v);
  setArithmeticFlags(szp(v) | (a + b > 0xff ? CF : 0) | ((a ^ b ^ v) & AF) | ((a ^ v) & (b ^ v) & 0x80 ? OF : 0));
}
export function salc(): void { put<u8>(RAX, cfBit() ? 0xff : 0); }
