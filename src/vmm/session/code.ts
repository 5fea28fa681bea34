import type { AccelVm, Sregs } from "../../base/index.ts";
import { disassembleBytes } from "../../isa/index.ts";
import { walkPages } from "./paging.ts";
import type { DisassemblyLine } from "./protocol.ts";

const LINES = 14;
const LONGEST = 15;

/** Disassembly from a linear address on, as far as the code is mapped. */
export function codeAt(vm: AccelVm, sregs: Sregs, from: bigint, bits: 16 | 32 | 64): DisassemblyLine[] {
  const all = new Uint8Array(LINES * LONGEST);
  let got = 0;
  while (got < all.length) {
    const { gpa } = walkPages(vm.memory, sregs, BigInt.asUintN(64, from + BigInt(got)));
    if (gpa === undefined) break;
    const chunk = all.subarray(got, got + Math.min(4096 - Number(gpa & 4095n), all.length - got));
    vm.memory.read(Number(gpa), chunk);
    got += chunk.length;
  }
  const bytes = all.subarray(0, got);
  const lines: DisassemblyLine[] = [];
  for (let at = 0; at < got && lines.length < LINES; ) {
    const address = BigInt.asUintN(64, from + BigInt(at));
    const { text, length } = disassembleBytes(bytes, bits, at, address);
    const raw = bytes.subarray(at, at + Math.max(length, 1));
    lines.push({ address, text, bytes: [...raw].map((b) => b.toString(16).padStart(2, "0")).join(" ") });
    at += Math.max(length, 1);
  }
  return lines;
}
