// One property of an engine at a time.
#include "guest.h"

enum { STREAM = 1 << 22, CHASE = 1 << 20 };

static u32 integer(u32 rounds) {
  u32 a = 1, b = 2, c = 3;
  for (u32 i = 0; i < rounds; i++) {
    a += b ^ i;
    b = (b << 5 | b >> 27) + c;
    c = a * 33 - (c >> 3);
    if ((a & 7) == 0) b ^= 0x55;
  }
  return a ^ b ^ c;
}

static u32 stream(u32 rounds) {
  word *from = map(STREAM), *to = map(STREAM);
  word sum = 0;
  for (u32 r = 0; r < rounds; r++)
    for (word i = 0; i < STREAM / sizeof(word); i++) {
      to[i] = from[i] + i;
      sum += to[i];
    }
  unmap(from, STREAM);
  unmap(to, STREAM);
  return sum;
}

static u32 string(u32 rounds) {
  u8 *from = map(STREAM), *to = map(STREAM);
  u32 sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    void *d = to, *s = from;
    word n = STREAM / 4;
    from[r & (STREAM - 1)] = r;
    __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    sum += to[r & (STREAM - 1)];
  }
  unmap(from, STREAM);
  unmap(to, STREAM);
  return sum;
}

// Sattolo's shuffle: one cycle through all the cells, in no order that a cache or a TLB likes.
static u32 chase(u32 rounds) {
  u32 *cell = map(CHASE * sizeof(u32)), seed = 7, at = 0;
  for (u32 i = 0; i < CHASE; i++) cell[i] = i;
  for (u32 i = CHASE - 1; i > 0; i--) {
    u32 j = next(&seed) % i, was = cell[i];
    cell[i] = cell[j];
    cell[j] = was;
  }
  for (u32 i = 0; i < rounds; i++) at = cell[at];
  unmap(cell, CHASE * sizeof(u32));
  return at;
}

static __attribute__((noinline)) u32 fibonacci(u32 n) {
  __asm__ volatile("" : "+r"(n));
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static u32 calls(u32 rounds) {
  u32 sum = 0;
  for (u32 i = 0; i < rounds; i++) sum += fibonacci(20);
  return sum;
}

static u32 add(u32 a, u32 b) { return a + b; }
static u32 xor(u32 a, u32 b) { return a ^ b * 3; }
static u32 rotate(u32 a, u32 b) { return (a << 7 | a >> 25) + b; }
static u32 less(u32 a, u32 b) { return a < b ? b - a : a; }

static u32 indirect(u32 rounds) {
  static u32 (*const operation[4])(u32, u32) = {add, xor, rotate, less};
  u32 a = 1, seed = 3;
  for (u32 i = 0; i < rounds; i++) a = operation[next(&seed) >> 30](a, i);
  return a;
}

static u32 syscalls(u32 rounds) {
  u32 sum = 0;
  for (u32 i = 0; i < rounds; i++) sum += call(SYS_GETPID, 0, 0, 0, 0, 0, 0) > 0;
  return sum;
}

static u32 faults(u32 rounds) {
  enum { BYTES = 1 << 20 };
  u32 sum = 0;
  for (u32 r = 0; r < rounds; r++) {
    u8 *page = map(BYTES);
    for (u32 at = 0; at < BYTES; at += 4096) sum += page[at]++;
    unmap(page, BYTES);
  }
  return sum;
}

#ifdef __x86_64__
typedef u32 vector __attribute__((vector_size(16)));
static u32 sse2(u32 rounds) {
  vector a = {1, 2, 3, 4}, b = {5, 6, 7, 8}, c = {9, 10, 11, 12};
  for (u32 i = 0; i < rounds; i++) {
    a += b ^ c;
    b = (b << 3) - a;
    c = (c >> 1) | (a & b);
    __asm__ volatile("pshufd $0x39, %0, %0" : "+x"(c));
  }
  a ^= b ^ c;
  return a[0] ^ a[1] ^ a[2] ^ a[3];
}

static u32 doubles(u32 rounds) {
  double x = 0.5, y = 0.25, sum = 0;
  for (u32 i = 0; i < rounds; i++) {
    double t = x * x - y * y + 0.1;
    y = 2 * x * y - 0.3;
    x = t > 2 ? t / 4 : t;
    sum += x;
  }
  return (u32)(int)(sum * 16);
}
#endif

static u32 x87(u32 rounds) {
  long double x = 0.5L, y = 0.25L, sum = 0;
  for (u32 i = 0; i < rounds; i++) {
    long double t = x * x - y * y + 0.1L;
    y = 2 * x * y - 0.3L;
    x = t > 2 ? t / 4 : t;
    sum += x;
  }
  return (u32)(int)(sum * 16);
}

// CPUID always leaves a guest of VT-x; SVM intercepts it as KVM asks.
static u32 cpuid(u32 rounds) {
  u32 sum = 0;
  for (u32 i = 0; i < rounds; i++) {
    u32 a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    sum += a != 0;
  }
  return sum;
}

static u32 ports(u32 rounds) {
  for (u32 i = 0; i < rounds; i++) __asm__ volatile("outb %b0, $0x80" : : "a"(i));
  return rounds;
}

const struct workload micro[] = {
    {"integer", integer, 100000000}, {"stream", stream, 150}, {"string", string, 1000}, {"chase", chase, 8000000},
    {"calls", calls, 5000}, {"indirect", indirect, 20000000}, {"syscalls", syscalls, 1000000}, {"faults", faults, 500},
#ifdef __x86_64__
    {"sse2", sse2, 40000000}, {"doubles", doubles, 4000000},
#endif
    {"x87", x87, 4000000}, {"cpuid", cpuid, 1000000}, {"ports", ports, 300000}, {0, 0, 0},
};
