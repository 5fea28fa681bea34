// Small programs of the kinds that BYTE magazine's benchmark of 1995 made customary, written anew.
#include "guest.h"

enum { ITEMS = 8192, TEXT = 4096, ORDER = 48 };

static void sift(u32 *heap, u32 root, u32 count) {
  for (u32 child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && heap[child + 1] > heap[child]) child++;
    if (heap[root] >= heap[child]) return;
    u32 was = heap[root];
    heap[root] = heap[child];
    heap[child] = was;
  }
}

static u32 numericSort(u32 rounds) {
  static u32 heap[ITEMS];
  u32 seed = 1, sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < ITEMS; i++) heap[i] = next(&seed);
    for (u32 i = ITEMS / 2; i-- > 0;) sift(heap, i, ITEMS);
    for (u32 i = ITEMS - 1; i > 0; i--) {
      u32 was = heap[0];
      heap[0] = heap[i];
      heap[i] = was;
      sift(heap, 0, i);
    }
    sum += heap[r % ITEMS];
  }
  return sum;
}

static int compare(const u8 *a, const u8 *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a - *b;
}

static u32 stringSort(u32 rounds) {
  static u8 text[512][16];
  u32 seed = 2, sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < 512; i++) {
      u32 n = 4 + (next(&seed) >> 29);
      for (u32 k = 0; k < n; k++) text[i][k] = 'a' + (next(&seed) >> 24) % 4;
      text[i][n] = 0;
    }
    // Shell's sort moves the bytes themselves, as the original does.
    for (u32 gap = 256; gap > 0; gap /= 2)
      for (u32 i = gap; i < 512; i++)
        for (u32 j = i; j >= gap && compare(text[j - gap], text[j]) > 0; j -= gap)
          for (u32 k = 0; k < 16; k++) {
            u8 was = text[j][k];
            text[j][k] = text[j - gap][k];
            text[j - gap][k] = was;
          }
    sum += text[r & 511][1];
  }
  return sum;
}

static u32 bitfield(u32 rounds) {
  static u32 map[1024];
  u32 seed = 3, sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    u32 from = next(&seed) >> 17, count = next(&seed) >> 24;
    for (u32 bit = from; bit < from + count && bit < 32768; bit++) {
      if (r % 3 == 0) map[bit / 32] |= 1u << (bit & 31);
      else if (r % 3 == 1) map[bit / 32] &= ~(1u << (bit & 31));
      else map[bit / 32] ^= 1u << (bit & 31);
    }
    sum += map[r & 1023];
  }
  return sum;
}

// Multiplication modulo 65537, where 0 stands for 65536: the heart of the IDEA cipher (Lai and Massey, 1990).
static u32 times(u32 a, u32 b) {
  if (a == 0) return (65537 - b) & 0xffff;
  if (b == 0) return (65537 - a) & 0xffff;
  u32 p = a * b, low = p & 0xffff, high = p >> 16;
  return (low - high + (low < high)) & 0xffff;
}

static u32 cipher(u32 rounds) {
  u16 key[52];
  u32 seed = 4, sum = 0;
  for (u32 i = 0; i < 52; i++) key[i] = next(&seed) >> 16;
  for (u32 r = 0; r < rounds; r++) {
    u32 a = r & 0xffff, b = r >> 16, c = sum & 0xffff, d = sum >> 16;
    for (u32 k = 0; k < 48; k += 6) {
      a = times(a, key[k]), b = (b + key[k + 1]) & 0xffff, c = (c + key[k + 2]) & 0xffff, d = times(d, key[k + 3]);
      u32 t = times(a ^ c, key[k + 4]), u = times(((b ^ d) + t) & 0xffff, key[k + 5]);
      t = (t + u) & 0xffff;
      u32 was = b ^ t;
      a ^= u, b = c ^ u, c = was, d ^= t;
    }
    sum = a | b << 16;
    sum += c ^ d;
  }
  return sum;
}

static u32 compress(u32 rounds) {
  static u8 text[TEXT];
  static u32 weight[511], parent[511], length[256];
  u32 seed = 5, bits = 0;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < 511; i++) weight[i] = 0, parent[i] = 0;
    for (u32 i = 0; i < TEXT; i++) text[i] = (next(&seed) >> 24) & (next(&seed) >> 24), weight[text[i]]++;
    // Huffman's tree: the two lightest roots become children of a new one.
    for (u32 node = 256; node < 511; node++) {
      u32 one = 511, two = 511;
      for (u32 i = 0; i < node; i++) {
        if (parent[i] != 0) continue;
        if (one == 511 || weight[i] < weight[one]) two = one, one = i;
        else if (two == 511 || weight[i] < weight[two]) two = i;
      }
      weight[node] = weight[one] + weight[two];
      parent[one] = parent[two] = node;
    }
    for (u32 i = 0; i < 256; i++) {
      length[i] = 0;
      for (u32 at = i; parent[at] != 0; at = parent[at]) length[i]++;
    }
    for (u32 i = 0; i < TEXT; i++) bits += length[text[i]];
  }
  return bits;
}

// LU decomposition of a matrix that needs no pivoting, in what the processor has for double.
static u32 decompose(u32 rounds) {
  static double m[ORDER][ORDER];
  u32 seed = 6;
  double sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < ORDER; i++)
      for (u32 j = 0; j < ORDER; j++) m[i][j] = (next(&seed) >> 16) + (i == j ? 4e6 : 0);
    for (u32 k = 0; k < ORDER; k++)
      for (u32 i = k + 1; i < ORDER; i++) {
        double f = m[i][k] /= m[k][k];
        for (u32 j = k + 1; j < ORDER; j++) m[i][j] -= f * m[k][j];
      }
    sum += m[ORDER - 1][ORDER - 1];
  }
  return (u32)(u64)sum;
}

// Fourier coefficients of x^3 by the trapezoid rule, sine and cosine by recurrence.
static u32 fourier(u32 rounds) {
  double sum = 0;
  for (u32 n = 1; n <= rounds; n++) {
    double s = 0, c = 1, ds = 0.01 * n / rounds, dc = 1 - ds * ds / 2, area = 0;
    for (u32 i = 0; i < 200; i++) {
      double x = i * 0.01, was = s;
      area += x * x * x * c * 0.01;
      s = s * dc + c * ds;
      c = c * dc - was * ds;
    }
    sum += area;
  }
  return (u32)(int)(sum * 64);
}

// A perceptron of 8 inputs and 8 hidden units learns parity; the slope is x / (1 + |x|), which needs no library.
static u32 neurons(u32 rounds) {
  static double in[8][9], out[9];
  double hidden[8], error = 0;
  u32 seed = 8;
  for (u32 i = 0; i < 72; i++) in[i / 9][i % 9] = (next(&seed) >> 20) / 4096.0 - 0.5;
  for (u32 i = 0; i < 9; i++) out[i] = (next(&seed) >> 20) / 4096.0 - 0.5;
  for (u32 r = 0; r < rounds; r++) {
    double sum = out[8];
    for (u32 h = 0; h < 8; h++) {
      double x = in[h][8];
      for (u32 i = 0; i < 8; i++) x += r >> i & 1 ? in[h][i] : -in[h][i];
      hidden[h] = x / (1 + (x < 0 ? -x : x));
      sum += out[h] * hidden[h];
    }
    double wrong = (__builtin_parity(r & 255) ? 1 : -1) - sum;
    error += wrong * wrong;
    for (u32 h = 0; h < 8; h++) {
      double a = 1 - (hidden[h] < 0 ? -hidden[h] : hidden[h]), step = 0.01 * wrong * out[h] * a * a;
      out[h] += 0.01 * wrong * hidden[h];
      in[h][8] += step;
      for (u32 i = 0; i < 8; i++) in[h][i] += r >> i & 1 ? step : -step;
    }
    out[8] += 0.01 * wrong;
  }
  return (u32)(u64)(error * 16);
}

const struct workload programs[] = {
    {"numeric-sort", numericSort, 1000}, {"string-sort", stringSort, 1000}, {"bitfield", bitfield, 2000000},
    {"cipher", cipher, 3000000}, {"huffman", compress, 1500}, {"lu", decompose, 300}, {"fourier", fourier, 20000},
    {"neural", neurons, 100000}, {0, 0, 0},
};
