import fc from "fast-check";
import { expect, test } from "vitest";
import {
  countBits,
  field,
  fromBcd,
  highestBit,
  lowestBit,
  setAdd,
  setDelete,
  setHas,
  setHighest,
  toBcd,
  truncate,
  withBit,
} from "./bits.ts";
import { VitrineError } from "./errors.ts";
import { PackedRing } from "./ring.ts";

test("packed decimal goes there and back", () => {
  expect(toBcd(1234)).toBe(0x1234);
  fc.assert(
    fc.property(fc.nat(99999999), (n) => {
      expect(fromBcd(toBcd(n))).toBe(n);
    }),
  );
});

test("bit searches agree with the binary notation", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (x) => {
      const text = x.toString(2);
      expect(countBits(x)).toBe([...text].filter((c) => c === "1").length);
      expect(highestBit(x)).toBe(x === 0 ? -1 : text.length - 1);
      expect(lowestBit(x)).toBe(x === 0 ? -1 : text.length - 1 - text.lastIndexOf("1"));
    }),
  );
});

test("fields and truncation stay unsigned", () => {
  expect(field(0xffffffff, 0, 32) >>> 0).toBe(0xffffffff);
  expect(field(0xabcd1234, 16, 8)).toBe(0xcd);
  expect([truncate(-1, 1), truncate(-1, 2), truncate(-1, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
  expect(withBit(0, 31, true)).toBe(0x80000000);
});

test("a vector set finds its highest member", () => {
  const set = new Uint32Array(8);
  expect(setHighest(set)).toBe(-1);
  for (const v of [31, 32, 255]) setAdd(set, v);
  expect([setHighest(set), setHas(set, 31), setHas(set, 33)]).toEqual([255, true, false]);
  setDelete(set, 255);
  expect(setHighest(set)).toBe(32);
});

test("a ring keeps the newest records and knows the numbers of those it lost", () => {
  const ring = new PackedRing(4, 2);
  for (let i = 0; i < 6; i++) ring.words[ring.push()] = i;
  expect([ring.oldest, ring.count, ring.at(1), ring.at(6)]).toEqual([2, 6, -1, -1]);
  expect([2, 3, 4, 5].map((n) => ring.words[ring.at(n)])).toEqual([2, 3, 4, 5]);
  expect(() => new PackedRing(3, 1)).toThrow(VitrineError);
});
