import fc from "fast-check";
import { expect, test } from "vitest";
import { StateError } from "./errors.ts";
import { decode, encode } from "./persist.ts";
import type { Saved } from "./persist.ts";
import { SavedRecord } from "./saved.ts";

const { state } = fc.letrec<{ state: Saved }>((tie) => ({
  state: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
    fc.array(tie("state"), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((k) => k !== "__proto__"),
      tie("state"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

test("every state comes back identical from its encoding", () => {
  fc.assert(
    fc.property(state, (s) => {
      expect(decode(encode(s))).toStrictEqual(s);
    }),
  );
});

test("the order in which keys were set does not show in the encoding", () => {
  expect(encode({ b: 1, a: [true], c: 2n })).toEqual(encode({ c: 2n, a: [true], b: 1 }));
});

test("hostile bytes either throw StateError or are the canonical encoding of what they decode to", () => {
  const check = (bytes: Uint8Array) => {
    let decoded: Saved;
    try {
      decoded = decode(bytes);
    } catch (e) {
      expect(e).toBeInstanceOf(StateError);
      return;
    }
    expect(encode(decoded)).toEqual(bytes);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check), { numRuns: 2000 });
  fc.assert(
    fc.property(state, fc.nat(), fc.integer({ min: 0, max: 255 }), (s, at, byte) => {
      const bytes = encode(s);
      bytes[at % bytes.length] = byte;
      check(bytes);
    }),
    { numRuns: 2000 },
  );
});

test.each<[string, number[]]>([
  ["nothing", []],
  ["an unknown tag", [10]],
  ["trailing bytes", [0, 0]],
  ["a list longer than its data", [8, 0xff, 0xff, 0xff, 0xff]],
  ["bytes longer than their data", [7, 0, 0, 0, 2, 1]],
  ["keys out of order", [9, 0, 0, 0, 2, 0, 0, 0, 1, 98, 0, 0, 0, 0, 1, 97, 0]],
  ["a key twice", [9, 0, 0, 0, 2, 0, 0, 0, 1, 97, 0, 0, 0, 0, 1, 97, 0]],
  ["a prototype key", [9, 0, 0, 0, 1, 0, 0, 0, 9, ...new TextEncoder().encode("__proto__"), 0]],
  ["a bigint with a leading zero", [4, 0, 0, 0, 2, 0, 1]],
  ["minus zero as bigint", [5, 0, 0, 0, 0]],
  ["broken UTF-8", [6, 0, 0, 0, 1, 0x80]],
  ["a NaN of another kind", [3, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1]],
])("decode refuses %s", (_, bytes) => {
  expect(() => decode(new Uint8Array(bytes))).toThrow(StateError);
});

test("nesting is bounded both ways", () => {
  let deep: Saved = null;
  for (let i = 0; i < 100; i++) deep = [deep];
  expect(() => encode(deep)).toThrow(StateError);
  const bytes = new Uint8Array(5000);
  for (let i = 0; i < 5000; i += 5) bytes.set([8, 0, 0, 0, 1], i);
  expect(() => decode(bytes)).toThrow(StateError);
});

test("a record gives only values of the kind and range asked for", () => {
  const r = new SavedRecord("x", {
    n: 5,
    t: Infinity,
    b: new Uint8Array(2),
    l: [1, 2],
    big: 1n << 64n,
    f: 0.5,
  });
  expect([r.int("n"), r.time("t"), r.bytes("b", 2).length, r.ints("l", 2)]).toEqual([5, Infinity, 2, [1, 2]]);
  expect(() => r.int("n", 4)).toThrow(StateError);
  expect(() => r.int("f")).toThrow(StateError);
  expect(() => r.int("gone")).toThrow(StateError);
  expect(() => r.int("toString")).toThrow(StateError);
  expect(() => r.bytes("b", 3)).toThrow(StateError);
  expect(() => r.ints("l", 2, 1)).toThrow(StateError);
  expect(() => r.u64("big")).toThrow(StateError);
  expect(() => new SavedRecord("x", [])).toThrow(StateError);
});
