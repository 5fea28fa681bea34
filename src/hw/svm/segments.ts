// Segment registers and descriptor-table registers between the CPU and a VMCB.
//
//   CPU   16 unusable  15 G  14 D/B  13 L  12 AVL  7..0 P DPL S type        VMCB  11 G  10 D/B  9 L  8 AVL  7..0
import { SEG_SEL, SEG_BASE, SEG_LIMIT, SEG_ATTR, GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT, ES, CS, SS, DS } from "../cpu/state";
import { setSegment, UNUSABLE } from "../cpu/segment";
import * as V from "./vmcb";

/** "Canonicalization": bits 63..48 repeat bit 47. */
@inline export function canonicalized(v: u64): u64 { return <u64>(<i64>(v << 16) >> 16); }

/** A segment that is not present is unusable: a VMCB has no other way to say it. */
export function loadSegmentFrom(s: i32, at: usize): void {
  const packed = <u32>load<u16>(at, 2);
  let attr = (packed & 0xff) | ((packed & 0xf00) << 4);
  if (!(attr & 0x80)) attr |= UNUSABLE;
  setSegment(s, load<u16>(at), canonicalized(load<u64>(at, 8)), load<u32>(at, 4), attr);
}
export function saveSegmentTo(s: i32, at: usize): void {
  const attr = load<u32>(SEG_ATTR + (s << 2));
  store<u16>(at, <u16>load<u32>(SEG_SEL + (s << 2)));
  store<u16>(at, <u16>((attr & (attr & UNUSABLE ? 0x7f : 0xff)) | ((attr >> 4) & 0xf00)), 2);
  store<u32>(at, load<u32>(SEG_LIMIT + (s << 2)), 4);
  store<u64>(at, load<u64>(SEG_BASE + (s << 3)), 8);
}
export function loadTableFrom(at: usize, base: usize, limit: usize): void {
  store<u64>(base, canonicalized(load<u64>(at, 8)));
  store<u32>(limit, load<u32>(at, 4) & 0xffff);
}
export function saveTableTo(at: usize, base: usize, limit: usize): void {
  store<u32>(at, load<u32>(limit), 4);
  store<u64>(at, load<u64>(base), 8);
}
/** What VMRUN and #VMEXIT exchange of both guest and host; `at` is a state save area. */
export function loadTablesAndSegments(at: usize): void {
  loadSegmentFrom(ES, at + V.ES_AT);
  loadSegmentFrom(CS, at + V.CS_AT);
  loadSegmentFrom(SS, at + V.SS_AT);
  loadSegmentFrom(DS, at + V.DS_AT);
  loadTableFrom(at + V.GDTR_AT, GDT_BASE, GDT_LIMIT);
  loadTableFrom(at + V.IDTR_AT, IDT_BASE, IDT_LIMIT);
}
export function saveTablesAndSegments(at: usize): void {
  saveSegmentTo(ES, at + V.ES_AT);
  saveSegmentTo(CS, at + V.CS_AT);
  saveSegmentTo(SS, at + V.SS_AT);
  saveSegmentTo(DS, at + V.DS_AT);
  saveTableTo(at + V.GDTR_AT, GDT_BASE, GDT_LIMIT);
  saveTableTo(at + V.IDTR_AT, IDT_BASE, IDT_LIMIT);
}
