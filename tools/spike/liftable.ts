// Tries every stencil on a record of its own, as if a block held that instruction alone: which can be spliced, which not, and why.
import { layout } from "../../src/hw/layout.ts";
import { translate } from "./translate.ts";
import type { Library } from "./wasm.ts";

const BLOCK = 0x90000;
const ONES = 0xffffffffffffffffn;
const RECORD_BYTES = [0x00, 0x30, 0x10, 0x18, layout.ZERO_OFF, layout.DS | (3 << 6)]; // length 3, rdx, [rbx], 64-bit addresses

export interface Verdict {
  readonly number: number;
  readonly label: string;
  readonly reason?: string;
}

export function tryAll(library: Library, cases: readonly { number: number; label: string }[]): Verdict[] {
  const bytes = new Uint8Array(0x100000),
    view = new DataView(bytes.buffer),
    u32 = new Uint32Array(bytes.buffer);
  for (const mask of [layout.AMASK, layout.SPMASK, layout.RIPMASK]) view.setBigUint64(mask, ONES, true);
  view.setUint32(layout.MODE, 1, true);
  view.setUint32(BLOCK, 1, true);
  view.setUint32(BLOCK + 8, 1, true);
  bytes.set([...RECORD_BYTES], BLOCK + 34);
  view.setUint32(BLOCK + 40, 8, true);
  view.setUint32(BLOCK + 44, 1, true);
  return cases.map(({ number, label }) => {
    view.setUint16(BLOCK + 32, number, true);
    const reason = translate({ u32, view }, library, BLOCK).refused[0]?.reason;
    return reason === undefined ? { number, label } : { number, label, reason };
  });
}
