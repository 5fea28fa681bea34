/**
 * The fixture format written by `oracle.c`, and the operands each block was run on: both sides walk the
 * same loops.
 */
export interface Tables {
  readonly ext: readonly { readonly m: bigint; readonly se: number }[];
  readonly f64: readonly bigint[];
  readonly f32: readonly bigint[];
  readonly ints: readonly bigint[];
}

export interface Block {
  readonly name: string;
  readonly control: number;
  readonly count: number;
  /** One record stands for all cases: a hash of them. */
  readonly digest: boolean;
  readonly r0: BigUint64Array;
  readonly r1: Uint32Array;
  readonly flags: Uint32Array;
}

export interface Fixtures {
  readonly tables: Tables;
  readonly blocks: readonly Block[];
}

/** Parse the oracle's output. */
export function readFixtures(bytes: Uint8Array): Fixtures {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const u32 = (): number => view.getUint32((at += 4) - 4, true);
  const u64 = (): bigint => view.getBigUint64((at += 8) - 8, true);
  const many = <T>(n: number, one: () => T): T[] => Array.from({ length: n }, one);
  const [nExt, nF64, nF32, nInts] = [u32(), u32(), u32(), u32()];
  const tables: Tables = {
    ext: many(nExt, () => {
      const m = u64();
      at += 2;
      return { m, se: view.getUint16(at - 2, true) };
    }),
    f64: many(nF64, u64),
    f32: many(nF32, () => BigInt(u32())),
    ints: many(nInts, u64),
  };
  const blocks: Block[] = [];
  while (at < bytes.length) {
    const name = new TextDecoder().decode(bytes.subarray(at, at + 12)).replace(/\0+$/, "");
    at += 12;
    const [control, count, stored, digest] = [u32(), u32(), u32(), u32()];
    const take = (size: number): ArrayBuffer => {
      at += size * stored;
      return new Uint8Array(bytes.subarray(at - size * stored, at)).buffer;
    };
    blocks.push({
      name,
      control,
      count,
      digest: digest !== 0,
      r0: new BigUint64Array(take(8)),
      r1: new Uint32Array(take(4)),
      flags: new Uint32Array(take(4)),
    });
  }
  return { tables, blocks };
}

const M64 = (1n << 64n) - 1n;
const J = 1n << 63n;

/** The generator of the random streams: xorshift64 as in `oracle.c`. */
export class Stream {
  private state: bigint;

  constructor(salt: number) {
    this.state = (0x9e3779b97f4a7c15n + BigInt(salt)) & M64;
  }

  next(): bigint {
    let s = this.state;
    s ^= (s << 13n) & M64;
    s ^= s >> 7n;
    s ^= (s << 17n) & M64;
    return (this.state = s);
  }

  ext(): { m: bigint; se: number } {
    let m = this.next() | J;
    const b = this.next();
    const kind = Number(b & 7n);
    const low = Number((b >> 8n) & 127n);
    let e = 16383 + low - 64;
    if (kind === 4) e = Number((b >> 8n) & 0x7fffn);
    if (kind === 5 || kind === 1) m = (m & (M64 << ((b >> 40n) & 63n)) & M64) | J;
    if (kind === 6) e = low;
    if (kind === 7) e = 32767 - low;
    if (e === 0) m &= ~J;
    return { m, se: e | (Number(b >> 63n) << 15) };
  }

  f64(): bigint {
    let m = this.next() >> 12n;
    const b = this.next();
    const kind = Number(b & 7n);
    const low = (b >> 8n) & 127n;
    let e = 1023n + low - 64n;
    if (kind === 4) e = (b >> 8n) & 0x7ffn;
    if (kind === 5 || kind === 1) m &= M64 << ((b >> 40n) & 63n);
    if (kind === 6) e = low;
    if (kind === 7) e = 2047n - low;
    return m | (e << 52n) | ((b >> 63n) << 63n);
  }

  f32(): bigint {
    let m = this.next() >> 41n;
    const b = this.next();
    const kind = Number(b & 7n);
    const low = (b >> 8n) & 63n;
    let e = 127n + low - 32n;
    if (kind === 4) e = (b >> 8n) & 0xffn;
    if (kind === 5 || kind === 1) m &= M64 << ((b >> 40n) & 31n);
    if (kind === 6) e = (b >> 8n) & 31n;
    if (kind === 7) e = 255n - ((b >> 8n) & 31n);
    return m | (e << 23n) | ((b >> 63n) << 31n);
  }
}

/** The hash a digest block stores. */
export class Digest {
  private h = 0xcbf29ce484222325n;

  add(r0: bigint, r1: number, flags: number): void {
    for (const x of [r0, BigInt(r1), BigInt(flags)]) {
      const h = ((this.h ^ x) * 0x100000001b3n) & M64;
      this.h = h ^ (h >> 29n);
    }
  }

  value(): bigint {
    return this.h;
  }
}
