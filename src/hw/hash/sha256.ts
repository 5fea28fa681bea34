/**
 * SHA-256 (FIPS 180-4) over linear memory. The context is 360 bytes at an address the caller gives:
 *
 *     0  eight state words   32  bytes hashed so far (u64)   40  block being filled   104  schedule (256)
 */

/** Size of a context in bytes. */
export const SHA256_CONTEXT: i32 = 360;

const LENGTH: usize = 32;
const BLOCK: usize = 40;
const SCHEDULE: usize = 104;

/** The first 32 bits of the fractions of the cube roots of the first 64 primes. */
const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

@inline
function big0(x: u32): u32 {
  return rotr(x, 2) ^ rotr(x, 13) ^ rotr(x, 22);
}

@inline
function big1(x: u32): u32 {
  return rotr(x, 6) ^ rotr(x, 11) ^ rotr(x, 25);
}

@inline
function choose(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

@inline
function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) | (z & (x | y));
}

/**
 * Start a hash. The state is the first 32 bits of the fractions of the square roots of the first 8 primes.
 */
export function sha256init(context: usize): void {
  store<u32>(context, 0x6a09e667, 0);
  store<u32>(context, 0xbb67ae85, 4);
  store<u32>(context, 0x3c6ef372, 8);
  store<u32>(context, 0xa54ff53a, 12);
  store<u32>(context, 0x510e527f, 16);
  store<u32>(context, 0x9b05688c, 20);
  store<u32>(context, 0x1f83d9ab, 24);
  store<u32>(context, 0x5be0cd19, 28);
  store<u64>(context, 0, LENGTH);
}

function compress(context: usize, block: usize): void {
  const schedule = context + SCHEDULE;
  for (let i: usize = 0; i < 64; i += 4) store<u32>(schedule + i, bswap<u32>(load<u32>(block + i)));
  for (let w = schedule; w < schedule + 192; w += 4) {
    const x = load<u32>(w, 4), y = load<u32>(w, 56);
    const small0 = rotr(x, 7) ^ rotr(x, 18) ^ (x >> 3);
    const small1 = rotr(y, 17) ^ rotr(y, 19) ^ (y >> 10);
    store<u32>(w, load<u32>(w) + small0 + load<u32>(w, 36) + small1, 64);
  }
  let a = load<u32>(context), b = load<u32>(context, 4);
  let c = load<u32>(context, 8), d = load<u32>(context, 12);
  let e = load<u32>(context, 16), f = load<u32>(context, 20);
  let g = load<u32>(context, 24), h = load<u32>(context, 28);
  let k = K;
  // Eight rounds a turn: after eight the names are back in place, so no word moves.
  for (let w = schedule; w < schedule + 256; w += 32) {
    h += big1(e) + choose(e, f, g) + load<u32>(k, 0) + load<u32>(w, 0);
    d += h;
    h += big0(a) + majority(a, b, c);
    g += big1(d) + choose(d, e, f) + load<u32>(k, 4) + load<u32>(w, 4);
    c += g;
    g += big0(h) + majority(h, a, b);
    f += big1(c) + choose(c, d, e) + load<u32>(k, 8) + load<u32>(w, 8);
    b += f;
    f += big0(g) + majority(g, h, a);
    e += big1(b) + choose(b, c, d) + load<u32>(k, 12) + load<u32>(w, 12);
    a += e;
    e += big0(f) + majority(f, g, h);
    d += big1(a) + choose(a, b, c) + load<u32>(k, 16) + load<u32>(w, 16);
    h += d;
    d += big0(e) + majority(e, f, g);
    c += big1(h) + choose(h, a, b) + load<u32>(k, 20) + load<u32>(w, 20);
    g += c;
    c += big0(d) + majority(d, e, f);
    b += big1(g) + choose(g, h, a) + load<u32>(k, 24) + load<u32>(w, 24);
    f += b;
    b += big0(c) + majority(c, d, e);
    a += big1(f) + choose(f, g, h) + load<u32>(k, 28) + load<u32>(w, 28);
    e += a;
    a += big0(b) + majority(b, c, d);
    k += 32;
  }
  store<u32>(context, load<u32>(context) + a);
  store<u32>(context, load<u32>(context, 4) + b, 4);
  store<u32>(context, load<u32>(context, 8) + c, 8);
  store<u32>(context, load<u32>(context, 12) + d, 12);
  store<u32>(context, load<u32>(context, 16) + e, 16);
  store<u32>(context, load<u32>(context, 20) + f, 20);
  store<u32>(context, load<u32>(context, 24) + g, 24);
  store<u32>(context, load<u32>(context, 28) + h, 28);
}

/** Hash `length` more bytes at `from`. */
export function sha256update(context: usize, from: usize, length: usize): void {
  let held = usize(load<u64>(context, LENGTH) & 63);
  store<u64>(context, load<u64>(context, LENGTH) + u64(length), LENGTH);
  if (held) {
    const take = min<usize>(64 - held, length);
    memory.copy(context + BLOCK + held, from, take);
    if (held + take < 64) return;
    compress(context, context + BLOCK);
    from += take;
    length -= take;
  }
  for (; length >= 64; length -= 64) {
    compress(context, from);
    from += 64;
  }
  if (length) memory.copy(context + BLOCK, from, length);
}

/** Finish: 32 bytes of hash to `out`. The context needs `sha256init` before further use. */
export function sha256final(context: usize, out: usize): void {
  const bits = load<u64>(context, LENGTH) << 3;
  let held = usize(load<u64>(context, LENGTH) & 63);
  store<u8>(context + BLOCK + held, 0x80);
  held++;
  if (held > 56) {
    memory.fill(context + BLOCK + held, 0, 64 - held);
    compress(context, context + BLOCK);
    held = 0;
  }
  memory.fill(context + BLOCK + held, 0, 56 - held);
  store<u64>(context + BLOCK, bswap<u64>(bits), 56);
  compress(context, context + BLOCK);
  for (let i: usize = 0; i < 32; i += 4) store<u32>(out + i, bswap<u32>(load<u32>(context + i)));
}

/** One block (64 bytes at `block`) into the eight state words at `context`, as SHA256RNDS2 sequences do. */
export function sha256block(context: usize, block: usize): void {
  compress(context, block);
}
