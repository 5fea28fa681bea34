import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { compileLibrary } from "../float/oracle/compile.ts";

const CONTEXT = 0x10000, OUT = 0x10200, TABLE = 0x10400, DATA = 0x20000;
type Call = (...args: (number | bigint)[]) => number;
let call: { readonly [name: string]: Call };
let bytes: Uint8Array;

beforeAll(async () => {
  const instance = await compileLibrary(fileURLToPath(new URL("./library.ts", import.meta.url)));
  call = instance.exports as unknown as typeof call;
  bytes = new Uint8Array((instance.exports["memory"] as WebAssembly.Memory).buffer);
}, 60_000);

function fill(length: number): Uint8Array {
  let x = 12345 + length;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) | 0;
    bytes[DATA + i] = x >>> 16;
  }
  return bytes.slice(DATA, DATA + length);
}

test("SHA-256 of every length from 0 to 300 equals node's, in whatever pieces it arrives", () => {
  let compared = 0;
  for (let length = 0; length <= 300; length++) {
    const data = fill(length);
    const want = createHash("sha256").update(data).digest("hex");
    for (const piece of [300, 64, 37, 1]) {
      call["sha256init"]!(CONTEXT);
      for (let at = 0; at < length; at += piece) {
        call["sha256update"]!(CONTEXT, DATA + at, Math.min(piece, length - at));
      }
      call["sha256final"]!(CONTEXT, OUT);
      expect(Buffer.from(bytes.slice(OUT, OUT + 32)).toString("hex")).toBe(want);
      compared++;
    }
  }
  expect(compared).toBe(1204);
});

test("SHA-256 of half a megabyte equals node's", () => {
  const data = fill(0x80000);
  call["sha256init"]!(CONTEXT);
  call["sha256update"]!(CONTEXT, DATA, data.length);
  call["sha256final"]!(CONTEXT, OUT);
  expect(Buffer.from(bytes.slice(OUT, OUT + 32)).toString("hex"))
    .toBe(createHash("sha256").update(data).digest("hex"));
});

test("CRC-32C of the check string is E3069283, by bytes and by words", () => {
  call["crc32cInit"]!(TABLE);
  bytes.set(new TextEncoder().encode("123456789"), DATA);
  expect(~call["crc32cBytes"]!(TABLE, -1, DATA, 9) >>> 0).toBe(0xe3069283);
  const word = new DataView(bytes.buffer).getBigUint64(DATA, true);
  const eight = call["crc32c"]!(TABLE, -1, word, 8);
  expect(~call["crc32c"]!(TABLE, eight, 0x39n, 1) >>> 0).toBe(0xe3069283);
  let pieces = call["crc32c"]!(TABLE, -1, word, 4);
  pieces = call["crc32c"]!(TABLE, pieces, (word >> 32n) & 0xffffn, 2);
  expect(call["crc32c"]!(TABLE, pieces, word >> 48n, 2)).toBe(eight);
});
