// What single instructions need of their start state: a stack that is there, a count that is small, a quotient
// that mostly fits. `before` runs ahead of the operands, `after` once they and the immediates are known.

import { dataPage, pageSize, readOnlyPage, stackPage } from "../../src/hw/cpu/fixtures/load.ts";
import type { Builder } from "./build.ts";

export interface Hook {
  readonly before?: (b: Builder) => void;
  readonly after?: (b: Builder) => void;
  /** True for a case whose result, not only flags, the manual leaves undefined. */
  readonly reject?: (b: Builder) => boolean;
}

const RAX = 0,
  RCX = 1,
  RDX = 2,
  RBX = 3,
  RSP = 4,
  RBP = 5,
  RSI = 6,
  RDI = 7;

/** Replaces the low bits of a register, keeping whatever is above them. */
function low(b: Builder, register: number, bits: number, value: bigint): void {
  const mask = (1n << BigInt(bits)) - 1n;
  b.set(register, (b.state.gpr[register]! & ~mask) | (value & mask));
}

function stackAt(b: Builder, linear: number, register = RSP): void {
  if (b.mode === 16) low(b, register, 16, b.offset(linear, "ss"));
  else b.set(register, BigInt(linear));
}

function edgeOfStack(b: Builder): void {
  const r = b.dice.below(24);
  if (r === 0) stackAt(b, stackPage + b.dice.below(8));
  else if (r === 1) stackAt(b, stackPage + pageSize - b.dice.below(9));
  else if (r === 2) stackAt(b, stackPage + 0x800 + b.dice.below(64));
  else if (r === 3 && b.mode === 64) b.set(RSP, b.dice.u64());
  else if (r === 4 && b.mode !== 16) b.set(RSP, BigInt(readOnlyPage + 0x100 + 8 * b.dice.below(64)));
}

/** RSI and RDI inside the data page with room for the count in either direction, or near its edges. */
function stringRegisters(b: Builder, repeated: boolean): void {
  const d = b.dice,
    n = Math.max(b.t.size / 8, 1);
  if (b.one(10)) {
    b.addressSize = b.mode === 64 ? 32 : b.mode === 32 ? 16 : 32;
    b.prefixes.push(0x67);
  }
  const reach = (register: number, segment: "ds" | "es"): void => {
    const near = d.below(10);
    const place =
      near === 0
        ? dataPage + pageSize - n * d.below(4) - d.below(2)
        : near === 1
          ? dataPage + n * d.below(4)
          : dataPage + 0x100 + d.below(0xe00);
    const offset = b.offset(place, segment),
      garbage = b.mode === 64 && b.addressSize === 32 ? d.u64() & 0xffffffff00000000n : 0n;
    if (b.addressSize === 16) low(b, register, 16, offset);
    else b.set(register, offset | garbage);
  };
  reach(RSI, "ds");
  reach(RDI, "es");
  if (b.mode === 32 && b.addressSize === 16) b.prefixes.push(0x65);
  else if (b.one(10)) b.prefixes.push(b.mode === 64 ? 0x64 : 0x26);
  if (!repeated) return;
  const count = BigInt(d.below(6) === 0 ? 0 : d.below(12));
  if (b.addressSize === b.width) b.set(RCX, count);
  else low(b, RCX, b.addressSize, count);
  if (d.below(2)) low(b, RAX, 8, [0x61n, 0x62n, 0n][d.below(3)]!);
}

export const hooks: Readonly<Record<string, Hook>> = {
  count: {
    before: (b) => {
      const s = b.t.size,
        r = b.dice.below(8);
      low(
        b,
        RCX,
        8,
        BigInt([0, 1, s - 1, s, s + 1, b.dice.below(256), b.dice.below(32), b.dice.below(32)][r]!),
      );
    },
  },
  bit: {
    before: (b) => {
      if (!b.one(4)) b.set(b.modrmRegister, BigInt.asUintN(64, BigInt(b.dice.below(512)) - 256n));
    },
  },
  string: { before: (b) => stringRegisters(b, false) },
  rep: { before: (b) => stringRegisters(b, true) },
  div: {
    before: (b) => {
      if (b.t.size === 8) low(b, RAX, 16, BigInt(b.dice.below(b.one(3) ? 65536 : 1024)));
      else if (!b.one(4)) low(b, RDX, b.t.size, BigInt(b.dice.below(b.one(2) ? 1 : 64)));
    },
  },
  idiv: {
    before: (b) => {
      const sign = b.one(2) ? -1n : 0n;
      if (b.t.size === 8) low(b, RAX, 16, BigInt(b.dice.below(2048) - 1024));
      else if (!b.one(4)) low(b, RDX, b.t.size, b.one(4) ? BigInt(b.dice.below(32) - 16) : sign);
    },
  },
  scan: { reject: (b) => b.operandValue() === 0n && b.t.size === 32 && b.mode === 64 },
  cmpxchg: {
    after: (b) => {
      if (b.one(2) && !b.overrides.has(RAX)) low(b, RAX, b.t.size, b.operandValue());
    },
  },
  pair: {
    after: (b) => {
      if (b.one(2) || b.overrides.has(RAX) || b.overrides.has(RDX)) return;
      const half = b.t.size,
        v = b.peek(b.ea, half / 4);
      b.set(RAX, v & ((1n << BigInt(half)) - 1n));
      b.set(RDX, v >> BigInt(half));
    },
  },
  xlat: {
    before: (b) => {
      if (b.one(4)) {
        b.addressSize = b.mode === 64 ? 32 : b.mode === 32 ? 16 : 32;
        b.prefixes.push(0x67);
      }
      if (b.mode === 32 && b.addressSize === 16) b.prefixes.push(0x65);
      const off =
        b.offset(b.target(1), b.mode === 32 && b.addressSize === 16 ? "gs" : "ds") -
        (b.state.gpr[RAX]! & 0xffn);
      b.set(
        RBX,
        BigInt.asUintN(b.addressSize, off) |
          (b.addressSize < b.width ? b.dice.u64() << BigInt(b.addressSize) : 0n),
      );
    },
  },
  moffs: {
    before: (b) => {
      if (!b.one(5)) return;
      b.addressSize = b.mode === 64 ? 32 : b.mode === 32 ? 16 : 32;
      b.prefixes.push(0x67);
      if (b.mode === 32) b.prefixes.push(0x65);
    },
    after: (b) => {
      b.immediates[0] = b.offset(b.target(b.t.size / 8), b.mode === 32 && b.addressSize === 16 ? "gs" : "ds");
    },
  },
  bound: {
    after: (b) => {
      const n = b.t.size / 8,
        index = BigInt.asIntN(b.t.size, b.state.gpr[b.modrmRegister]!);
      b.patch(b.ea, index - BigInt(b.dice.below(9) - 1), n);
      b.patch(b.ea + n, index + BigInt(b.dice.below(9) - 1), n);
    },
  },
  stack: { before: edgeOfStack },
  pushf: { before: edgeOfStack },
  enter: {
    before: (b) => {
      edgeOfStack(b);
      stackAt(b, stackPage + 0x300 + 8 * b.dice.below(0x100), RBP);
    },
    after: (b) => {
      b.immediates[0] = BigInt(b.one(8) ? b.dice.below(65536) : b.dice.below(256));
      b.immediates[1] = BigInt(b.one(4) ? b.dice.below(256) : b.dice.below(4));
    },
  },
  leave: {
    before: (b) =>
      stackAt(b, stackPage + (b.one(6) ? pageSize - b.dice.below(9) : 8 * b.dice.below(0x1f0)), RBP),
  },
  ret: {
    before: edgeOfStack,
    after: (b) => {
      if (b.mode !== 64 || b.one(12)) return;
      b.patch(Number(b.state.gpr[RSP]! & 0xffffffffn), b.dice.u64() & 0x7fffffffffffn, 8);
    },
  },
  target: {
    before: edgeOfStack,
    after: (b) => {
      if (b.mode !== 64 || b.one(12)) return;
      const to = b.dice.u64() & 0x7fffffffffffn;
      if (b.isMemory) b.patch(b.ea, to, 8);
      else if (b.modrmMemory !== RSP) b.set(b.modrmMemory, to);
    },
  },
  loop: {
    before: (b) => {
      if (b.one(4)) {
        b.addressSize = b.mode === 64 ? 32 : b.mode === 32 ? 16 : 32;
        b.prefixes.push(0x67);
      }
      if (!b.one(3)) low(b, RCX, b.addressSize, BigInt(b.dice.below(3)));
    },
  },
  mask: {
    before: (b) => {
      b.set(RDI, b.offset(dataPage + 16 * b.dice.below(250), "ds"));
    },
  },
  lengths: {
    before: (b) => {
      for (const r of [RAX, RDX]) if (!b.one(5)) b.set(r, BigInt(b.dice.below(36) - 18));
    },
  },
  predicate: {
    after: (b) => {
      b.immediates[0] = BigInt(b.dice.below(8));
    },
  },
  ldmxcsr: {
    after: (b) => {
      if (!b.one(4)) b.patch(b.ea, BigInt(b.dice.below(65536)), 4);
    },
  },
  fldcw: {
    after: (b) => {
      b.patch(b.ea, BigInt(0x40 | b.dice.below(0x1000)), 2);
    },
  },
  fxrstor: {
    after: (b) => {
      b.patch(b.ea, BigInt(0x40 | b.dice.below(0x1000)), 2);
      if (!b.one(8)) b.patch(b.ea + 24, BigInt(b.dice.below(65536)), 4);
    },
  },
  aam: {
    after: (b) => {
      if (b.one(2)) b.immediates[0] = BigInt(b.one(4) ? 0 : 10);
    },
  },
  fetch: {
    before: (b) => {
      const size = b.mode === 16 ? 0 : 0x10030000;
      b.setRip(size + pageSize - 1 - b.dice.below(4));
    },
  },
};
