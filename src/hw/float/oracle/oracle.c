// Runs x87 and SSE instructions of the machine it is compiled on over tables of awkward operands and over random
// streams, and writes operands, results and exception flags to standard output. `fixtures.mjs` packs the answer.
//
//   gcc -O2 -o oracle oracle.c -lm && ./oracle > raw.bin         ("./oracle full" writes streams case by case)
//
// File: operand tables, then blocks {char name[12]; u32 control, count, stored, digest} followed by the planes
// u64 r0[stored], u32 r1[stored], u32 flags[stored]. A digest block stores one record for all its cases.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef struct { u64 m; uint16_t se; } __attribute__((packed)) F80;

static int full;
static u64 *r0; static u32 *r1, *fl; static u32 n;
static void put(u64 a, u32 b, u32 c) { r0[n] = a; r1[n] = b; fl[n] = c; n++; }
static void emit(const char *name, u32 control, int digest) {
  char id[12] = {0};
  strncpy(id, name, 12);
  u32 stored = digest && !full ? 1 : n;
  u32 head[4] = {control, n, stored, digest && !full};
  if (head[3]) {
    u64 h = 0xcbf29ce484222325;
    for (u32 i = 0; i < n; i++) {
      h = (h ^ r0[i]) * 0x100000001b3; h ^= h >> 29;
      h = (h ^ r1[i]) * 0x100000001b3; h ^= h >> 29;
      h = (h ^ fl[i]) * 0x100000001b3; h ^= h >> 29;
    }
    r0[0] = h; r1[0] = fl[0] = 0;
  }
  fwrite(id, 12, 1, stdout); fwrite(head, 16, 1, stdout);
  fwrite(r0, 8, stored, stdout); fwrite(r1, 4, stored, stdout); fwrite(fl, 4, stored, stdout);
  n = 0;
}

// ---- operand tables ----
#define J 0x8000000000000000ull
static F80 ext[] = {
  {0, 0}, {1, 0}, {J - 1, 0}, {0x0000123456789abc, 0}, {J, 0}, {J | 5, 0}, {J, 1}, {J | 1, 1}, {~0ull, 1},
  {J, 40}, {0xc000000000000000, 64}, {J, 16383 - 64}, {0xffffff8000000000, 16382}, {~0ull, 16382}, {J, 16382}, {J, 16383}, {J | 1, 16383},
  {0x8000010000000000, 16383}, {0x8000008000000000, 16383}, {0x8000018000000000, 16383}, {0x8000008000000001, 16383},
  {0x8000000000000400, 16383}, {0x8000000000000c00, 16383}, {0x8000000000000401, 16383},
  {0xc000000000000000, 16383}, {0xa000000000000000, 16384}, {0xc90fdaa22168c235, 16384}, {0xe000000000000000, 16389},
  {0xaaaaaaaaaaaaaaab, 16381}, {0xfffe000000000000, 16397}, {0xffff000000000000, 16397}, {J, 16398}, {0xffffffff00000000, 16413},
  {J, 16414}, {~0ull, 16445}, {J, 16446}, {~0ull, 16446}, {J, 16447}, {0xde0b6b3a763ffff0, 16442}, {0xde0b6b3a76400000, 16442},
  {0xffffff0000000000, 16510}, {0xffffffffffffffff, 16510}, {J, 16511}, {0xfffffffffffff800, 17406}, {~0ull, 17406}, {J, 17407},
  {J, 16257}, {0xc000000000000000, 16234}, {0x8000000000000001, 16233}, {0xffffff8000000000, 16256}, {J, 15361}, {0x8000000000000001, 15308}, {0xfffffffffffffc00, 15360},
  {J, 32766}, {~0ull, 32766}, {0xffffff0000000000, 32766}, {0xc000000000000000, 24576},
  {J, 32767}, {0xc000000000000000, 32767}, {0xc000000000000123, 32767}, {0xffffffffffffffff, 32767}, {0x8000000000000001, 32767},
  {0xbfffffffffffffff, 32767}, {0, 32767}, {0x4000000000000000, 32767}, {0x4000000000000000, 16383}, {0x7fffffffffffffff, 5}, {0, 16383},
};
#define NE (sizeof ext / sizeof ext[0])
static F80 table[2 * NE];
static u64 d64[] = {
  0, 1, 0x000fffffffffffff, 0x0008000000000000, 0x0010000000000000, 0x0010000000000001, 0x001fffffffffffff, 0x0020000000000000, 0x0340000000000000,
  0x3690000000000000, 0x36a0000000000000, 0x3810000000000000, 0x380fffffffffffff, 0x380fffffe0000000, 0x380fffffd0000000,
  0x1ff0000000000000, 0x3ca0000000000000, 0x3ca0000000000001, 0x3fdfffffffffffff, 0x3fe0000000000000, 0x3fe0000000000001, 0x3feffffffffffff8, 0x3fefffffffffffff, 0x3ff0000000000000, 0x3ff0000000000001, 0x3ff0000010000000, 0x3ff0000030000000,
  0x3ff8000000000000, 0x4004000000000000, 0x400921fb54442d18, 0x40dfffe000000000, 0x41dfffffffc00000, 0x41dfffffffe00000, 0x41e0000000000000, 0x41e0000000200000,
  0x432fffffffffffff, 0x4330000000000001, 0x43dfffffffffffff, 0x43e0000000000000, 0x43f0000000000000, 0x47efffffe0000000, 0x47effffff0000000, 0x47f0000000000000, 0x5ff0000000000000,
  0x7fe0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff8000000000000, 0x7ff8000000000123, 0x7fffffffffffffff, 0x7ff0000000000001, 0x7ff7ffffffffffff, 0x7ff4000000000000,
};
#define N64 (sizeof d64 / sizeof d64[0])
static u64 t64[2 * N64];
static u32 d32[] = {
  0, 1, 0x7fffff, 0x400000, 0x800000, 0x800001, 0xffffff, 0x1000000, 0x0c000000, 0x1fc00000, 0x20000000, 0x33800000, 0x33800001, 0x3effffff, 0x3f000000, 0x3f000001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fc00000,
  0x40200000, 0x40490fdb, 0x46ffff00, 0x4b7fffff, 0x4b000001, 0x4effffff, 0x4f000000, 0x5effffff, 0x5f000000, 0x5f800000, 0x7f000000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7fc00123, 0x7fffffff, 0x7f800001, 0x7fbfffff,
};
#define N32 (sizeof d32 / sizeof d32[0])
static u32 t32[2 * N32];
static u64 ints[] = {
  0, 1, 2, 3, 7, 0x7fff, 0x8000, 0x1000001, 0x1000003, 0x7fffff80, 0x7fffffbf, 0x7fffffc0, 0x7fffffff, 0x80000000, 0xffffffff,
  0x20000000000001, 0x20000000000003, 0x7ffffffffffffc00, 0x7ffffffffffffdff, 0x7ffffffffffffe00, 0x7fffff4000000000, 0x7fffffffffffffff, 0x8000000000000000,
  0x8000000000000001, 0xffdffffffffffffd, 0xfffffffffefffffd, 0xffffffff80000000, 0xffffffff, -1ull, -2ull, 0x123456789abcdef0,
};
#define NI (sizeof ints / sizeof ints[0])

static u64 seed;
static u64 next(void) {
  seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
  return seed;
}
static F80 random80(void) {
  u64 m = next() | J, b = next();
  int kind = b & 7, e = 16383 + (int)((b >> 8) & 127) - 64;
  if (kind == 4) e = (b >> 8) & 0x7fff;
  if (kind == 5 || kind == 1) m = (m & (~0ull << ((b >> 40) & 63))) | J;
  if (kind == 6) e = (b >> 8) & 127;
  if (kind == 7) e = 32767 - (int)((b >> 8) & 127);
  if (e == 0) m &= ~J;
  return (F80){m, (uint16_t)(e | ((b >> 63) << 15))};
}
static u64 random64(void) {
  u64 m = next() >> 12, b = next();
  int kind = b & 7; u64 e = 1023 + ((b >> 8) & 127) - 64;
  if (kind == 4) e = (b >> 8) & 0x7ff;
  if (kind == 5 || kind == 1) m = m & (~0ull << ((b >> 40) & 63));
  if (kind == 6) e = (b >> 8) & 127;
  if (kind == 7) e = 2047 - ((b >> 8) & 127);
  return m | e << 52 | (b >> 63) << 63;
}
static u32 random32(void) {
  u64 m = next() >> 41, b = next();
  int kind = b & 7; u64 e = 127 + ((b >> 8) & 63) - 32;
  if (kind == 4) e = (b >> 8) & 0xff;
  if (kind == 5 || kind == 1) m = m & (~0ull << ((b >> 40) & 31));
  if (kind == 6) e = (b >> 8) & 31;
  if (kind == 7) e = 255 - ((b >> 8) & 31);
  return m | e << 23 | (b >> 63) << 31;
}

// ---- x87 ----
static uint16_t normalCw = 0x37f;
typedef struct { F80 r, s; uint16_t sw; u64 mem, mem2; } X;
#define X2(op) asm volatile("fninit\n fldt %3\n fldt %2\n fldcw %4\n" op "\n fnstsw %1\n fnclex\n fldcw %5\n fstpt %0\n" \
  : "=m"(x->r), "=m"(x->sw) : "m"(a), "m"(b), "m"(cw), "m"(normalCw) : "memory", "st","st(1)","st(2)","st(3)","st(4)","st(5)","st(6)","st(7)")
#define X1(op) asm volatile("fninit\n fldt %2\n fldcw %3\n" op "\n fnstsw %1\n fnclex\n fldcw %4\n fstpt %0\n" \
  : "=m"(x->r), "=m"(x->sw) : "m"(a), "m"(cw), "m"(normalCw) : "memory", "st","st(1)","st(2)","st(3)","st(4)","st(5)","st(6)","st(7)")
#define XS(op) asm volatile("fninit\n fldt %2\n fldcw %3\n" op " %0\n fnstsw %1\n fnclex\n" \
  : "+m"(x->mem), "=m"(x->sw) : "m"(a), "m"(cw) : "memory", "st","st(1)","st(2)","st(3)","st(4)","st(5)","st(6)","st(7)")
#define XL(op) asm volatile("fninit\n fldcw %3\n" op " %2\n fnstsw %1\n fnclex\n fldcw %4\n fstpt %0\n" \
  : "=m"(x->r), "=m"(x->sw) : "m"(mem), "m"(cw), "m"(normalCw) : "memory", "st","st(1)","st(2)","st(3)","st(4)","st(5)","st(6)","st(7)")

enum { ADD, SUB, MUL, DIV, REM, REM1, SCALE, COM, UCOM, ATAN2, YL2X, YL2XP1, SQRT, RNDINT, XTRACTE, XTRACTS, F2XM1, SIN, COS, TAN, XAM };
static const char *names[] = {"add", "sub", "mul", "div", "rem", "rem1", "scale", "com", "ucom", "patan", "yl2x", "yl2xp1",
  "sqrt", "rndint", "exponent", "signif", "f2xm1", "sin", "cos", "tan", "xam"};
static void x87(int op, F80 a, F80 b, uint16_t cw, X *x) {
  switch (op) {
    case ADD: X2("fadd %%st(1), %%st"); break;
    case SUB: X2("fsub %%st(1), %%st"); break;
    case MUL: X2("fmul %%st(1), %%st"); break;
    case DIV: X2("fdiv %%st(1), %%st"); break;
    case REM: X2("fprem"); break;
    case REM1: X2("fprem1"); break;
    case SCALE: X2("fscale"); break;
    case COM: X2("fcom %%st(1)"); break;
    case UCOM: X2("fucom %%st(1)"); break;
    case ATAN2: X2("fpatan"); break;
    case YL2X: X2("fyl2x"); break;
    case YL2XP1: X2("fyl2xp1"); break;
    case SQRT: X1("fsqrt"); break;
    case RNDINT: X1("frndint"); break;
    case XTRACTE: X1("fxtract\n fxch"); break;
    case XTRACTS: X1("fxtract"); break;
    case F2XM1: X1("f2xm1"); break;
    case SIN: X1("fsin"); break;
    case COS: X1("fcos"); break;
    case TAN:
      asm volatile("fninit\n fldt %3\n fldcw %4\n fptan\n fnstsw %2\n fnclex\n fldcw %5\n fstpt %1\n fstpt %0\n"
        : "=m"(x->r), "=m"(x->s), "=m"(x->sw) : "m"(a), "m"(cw), "m"(normalCw)
        : "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
      if (x->sw & 0x400) x->r = x->s; // out of range: nothing was pushed
      break;
    case XAM: X1("fxam"); break;
  }
}
static int cc(int op) { return op == COM || op == UCOM || op == XAM ? 0x4700 : op == REM || op == REM1 ? 0x4700 : op == SIN || op == COS || op == TAN ? 0x400 : 0x200; }
static void one(int op, F80 a, F80 b, uint16_t cw) {
  X x; memset(&x, 0, sizeof x);
  x87(op, a, b, cw, &x);
  // XTRACT swaps with fxch, which clears C1 and would fault on a stack left alone; unmasked runs omit those.
  u32 keep = cc(op) | 63;
  if (op == XTRACTE || op == XTRACTS) keep = 63;
  if (op >= ATAN2 && op <= YL2XP1) keep = 63 & ~32;
  if (op == F2XM1) keep = 63 & ~32;
  if (op == SIN || op == COS || op == TAN) keep = 0x400 | (63 & ~32);
  int dead = x.sw & ~cw & 7;
  if (op == COM || op == UCOM || op == XAM || dead) x.r = (F80){0, 0};
  if (dead) keep &= 63;
  put(x.r.m, x.r.se, x.sw & keep);
}
static void x87_blocks(void) {
  static uint16_t cws[] = {0x37f, 0x77f, 0xb7f, 0xf7f, 0x07f, 0x47f, 0x87f, 0xc7f, 0x27f, 0x67f, 0xa7f, 0xe7f, 0x340, 0x367, 0xb67, 0x640, 0x840, 0x37d, 0x37e};
  int ne = 2 * NE;
  for (int op = ADD; op <= UCOM; op++) for (int c = 0; c < 19; c++) {
    if ((op == COM || op == UCOM || op == REM || op == REM1) && c && c < 12) continue;
    if ((op == SCALE) && c > 3 && c < 12) continue;
    for (int i = 0; i < ne; i++) for (int j = 0; j < ne; j++)
      if ((c == 0 && !(op == SUB && (i & 1))) || (i * 5 + j * 3 + c * 7) % 11 == 0) one(op, table[i], table[j], cws[c]);
    emit(names[op], cws[c], 0);
  }
  for (int op = SQRT; op <= XAM; op++) for (int c = 0; c < 19; c++) {
    if ((op == F2XM1 || op == SIN || op == COS || op == TAN || op == XAM) && c) continue;
    if ((op == XTRACTE || op == XTRACTS) && c > 0) continue;
    for (int i = 0; i < ne; i++) one(op, table[i], table[0], cws[c]);
    emit(names[op], cws[c], 0);
  }
  for (int op = ATAN2; op <= YL2XP1; op++) {
    for (int i = 0; i < ne; i++) for (int j = 0; j < ne; j++) if ((i * 5 + j * 3) % 5 == 0) one(op, table[i], table[j], 0x37f);
    emit(names[op], 0x37f, 0);
  }
  for (int c = 0; c < 19; c++) {
    uint16_t cw = cws[c];
    static const char *sn[] = {"fst32", "fst64", "fist16", "fist32", "fist64", "fistt16", "fistt32", "fistt64", "fbstp"};
    if (c > 3 && c < 12) continue;
    for (int k = 0; k < 9; k++) {
      for (int i = 0; i < ne; i++) {
        X xx, *x = &xx; memset(x, 0, sizeof xx); F80 a = table[i];
        switch (k) {
          case 0: XS("fstps"); break; case 1: XS("fstpl"); break; case 2: XS("fistps"); break; case 3: XS("fistpl"); break;
          case 4: XS("fistpll"); break; case 5: XS("fisttps"); break; case 6: XS("fisttpl"); break; case 7: XS("fisttpll"); break; case 8: XS("fbstp"); break;
        }
        int dead = x->sw & ~cw & 31;
        put(x->mem, x->mem2 & 0xffff, (x->sw & (dead ? 63 : 0x23f)));
      }
      emit(sn[k], cw, 0);
    }
  }
  for (int c = 0; c < 2; c++) {
    uint16_t cw = c ? 0x340 : 0x37f;
    for (u32 i = 0; i < 2 * N32; i++) { X xx, *x = &xx; memset(x, 0, sizeof xx); u32 mem = t32[i]; XL("flds"); int dead = x->sw & ~cw & 7; if (dead) x->r = (F80){0, 0}; put(x->r.m, x->r.se, x->sw & 63); }
    emit("fld32", cw, 0);
    for (u32 i = 0; i < 2 * N64; i++) { X xx, *x = &xx; memset(x, 0, sizeof xx); u64 mem = t64[i]; XL("fldl"); int dead = x->sw & ~cw & 7; if (dead) x->r = (F80){0, 0}; put(x->r.m, x->r.se, x->sw & 63); }
    emit("fld64", cw, 0);
  }
  uint16_t cw = 0x37f;
  for (u32 i = 0; i < NI; i++) { X xx, *x = &xx; u64 mem = ints[i]; XL("fildll"); put(x->r.m, x->r.se, x->sw & 63); }
  emit("fild64", cw, 0);
  for (u32 i = 0; i < NI; i++) {
    X xx, *x = &xx; struct { u64 a; uint16_t b; } __attribute__((packed)) mem = {0, i * 0x1111 % 10 * 16 | i % 10 | (i & 1) << 15};
    for (int k = 0; k < 16; k++) mem.a |= ((ints[i] >> (4 * k)) & 15) % 10 << (4 * k);
    XL("fbld"); put(x->r.m, x->r.se, x->sw & 63);
  }
  emit("fbld", cw, 0);
  static uint16_t streams[] = {0x37f, 0x77f, 0xb7f, 0xf7f, 0x27f, 0x47f, 0xa67, 0x367};
  for (int op = ADD; op <= SCALE; op++) for (int c = 0; c < 8; c++) {
    seed = 0x9e3779b97f4a7c15 + op * 64 + c;
    for (int i = 0; i < 20000; i++) { F80 a = random80(), b = random80(); one(op, a, b, streams[c]); }
    emit(names[op], streams[c], 1);
  }
  for (int c = 0; c < 8; c++) {
    seed = 0x9e3779b97f4a7c15 + SQRT * 64 + c;
    for (int i = 0; i < 20000; i++) { F80 a = random80(), b = random80(); one(SQRT, a, b, streams[c]); }
    emit("sqrt", streams[c], 1);
  }
  // Transcendental streams are stored: they are compared within one unit in the last place.
  static int trans[] = {F2XM1, SIN, COS, TAN, ATAN2, YL2X, YL2XP1};
  for (int k = 0; k < 7; k++) {
    seed = 0x9e3779b97f4a7c15 + trans[k] * 64 + 9;
    for (int i = 0; i < 3000; i++) {
      F80 a = random80(), b = random80();
      if (trans[k] == F2XM1) a.se = (a.se & 0x8000) | (16382 - (next() & 15));
      if (trans[k] == YL2XP1) a.se = (a.se & 0x8000) | (16380 - (next() & 63));
      if (trans[k] == YL2X) a.se &= 0x7fff;
      if (trans[k] == SIN || trans[k] == COS || trans[k] == TAN) a.se = (a.se & 0x8000) | (16386 - (next() & 63));
      if (trans[k] == ATAN2 || trans[k] == YL2X) { a.se = (a.se & 0x8000) | (16383 - 8 + (next() & 15)); b.se = (b.se & 0x8000) | (16383 - 8 + (next() & 15)); }
      if (!(a.m & J)) a.m |= J;
      if (!(b.m & J)) b.m |= J;
      one(trans[k], a, b, 0x37f);
    }
    char id[12] = "~"; strcat(id, names[trans[k]]);
    emit(id, 0x37f, 0);
  }
}

// ---- SSE ----
static sigjmp_buf trap;
static volatile u32 trapped;
static void onFpe(int sig, siginfo_t *si, void *v) {
  trapped = ((ucontext_t *)v)->uc_mcontext.fpregs->mxcsr;
  siglongjmp(trap, 1);
}
static u32 defaultMx = 0x1f80;
#define S2(op) asm volatile("ldmxcsr %3\n" op " %2, %0\n stmxcsr %1\n ldmxcsr %4\n" : "+x"(a), "=m"(mx) : "x"(b), "m"(ctl), "m"(defaultMx))
#define SC(op, p) asm volatile("ldmxcsr %3\n" op " $" #p ", %2, %0\n stmxcsr %1\n ldmxcsr %4\n" : "+x"(a), "=m"(mx) : "x"(b), "m"(ctl), "m"(defaultMx))
#define SF(op) asm volatile("ldmxcsr %4\n" op " %3, %2\n pushfq\n popq %0\n stmxcsr %1\n ldmxcsr %5\n" : "=r"(flags), "=m"(mx) : "x"(a), "x"(b), "m"(ctl), "m"(defaultMx) : "cc")
#define SI(op, reg) asm volatile("ldmxcsr %3\n" op " %2, %0\n stmxcsr %1\n ldmxcsr %4\n" : "=r"(reg), "=m"(mx) : "x"(a), "m"(ctl), "m"(defaultMx))
#define IS(op, reg) asm volatile("ldmxcsr %3\n" op " %2, %0\n stmxcsr %1\n ldmxcsr %4\n" : "+x"(a), "=m"(mx) : "r"(reg), "m"(ctl), "m"(defaultMx))
enum { SADD, SSUB, SMUL, SDIV, SMIN, SMAX, SCOMI, SUCOMI, SCMP0, SCMP7 = SCMP0 + 7, SBIN, SSQRT = SBIN, SCVTF, SCVTI32, SCVTI64, SCVTT32, SCVTT64, SRND0, SRND15 = SRND0 + 15, SEND };
static const char *sname[] = {"add", "sub", "mul", "div", "min", "max", "comi", "ucomi", "cmp0", "cmp1", "cmp2", "cmp3", "cmp4", "cmp5", "cmp6", "cmp7",
  "sqrt", "cvtf", "cvti32", "cvti64", "cvtt32", "cvtt64", "rnd0", "rnd1", "rnd2", "rnd3", "rnd4", "rnd5", "rnd6", "rnd7", "rnd8", "rnd9", "rnd10", "rnd11", "rnd12", "rnd13", "rnd14", "rnd15"};
typedef double V __attribute__((vector_size(16)));
static void sse(int op, int w64, u64 ua, u64 ub, u32 ctl) {
  u64 lanes[2] = {ua, 0}, lanesB[2] = {ub, 0};
  V a, b; memcpy(&a, lanes, 16); memcpy(&b, lanesB, 16);
  u32 mx = 0; u64 flags = 0, i64v = 0; u32 i32v = 0;
  int kind = 0;
  trapped = 0;
  if (sigsetjmp(trap, 1)) {
    asm volatile("ldmxcsr %0" :: "m"(defaultMx));
    return put(0, 0, trapped & 63);
  }
#define BOTH(k, s) case k: if (w64) S2(s "sd"); else S2(s "ss"); break;
#define CMP(k) case SCMP0 + k: if (w64) SC("cmpsd", k); else SC("cmpss", k); break;
#define RND(k) case SRND0 + k: if (w64) SC("roundsd", k); else SC("roundss", k); break;
  switch (op) {
    BOTH(SADD, "add") BOTH(SSUB, "sub") BOTH(SMUL, "mul") BOTH(SDIV, "div") BOTH(SMIN, "min") BOTH(SMAX, "max")
    case SSQRT: b = a; if (w64) S2("sqrtsd"); else S2("sqrtss"); break;
    case SCOMI: if (w64) SF("comisd"); else SF("comiss"); kind = 1; break;
    case SUCOMI: if (w64) SF("ucomisd"); else SF("ucomiss"); kind = 1; break;
    CMP(0) CMP(1) CMP(2) CMP(3) CMP(4) CMP(5) CMP(6) CMP(7)
    case SCVTF: b = a; a = (V){0, 0}; if (w64) S2("cvtsd2ss"); else S2("cvtss2sd"); break;
    case SCVTI32: if (w64) SI("cvtsd2si", i32v); else SI("cvtss2si", i32v); kind = 2; break;
    case SCVTI64: if (w64) SI("cvtsd2si", i64v); else SI("cvtss2si", i64v); kind = 3; break;
    case SCVTT32: if (w64) SI("cvttsd2si", i32v); else SI("cvttss2si", i32v); kind = 2; break;
    case SCVTT64: if (w64) SI("cvttsd2si", i64v); else SI("cvttss2si", i64v); kind = 3; break;
    default: b = a; switch (op) { RND(0) RND(1) RND(2) RND(3) RND(4) RND(5) RND(6) RND(7) RND(8) RND(9) RND(10) RND(11) RND(12) RND(13) RND(14) RND(15) }
  }
  memcpy(lanes, &a, 16);
  put(kind == 0 ? lanes[0] : kind == 1 ? flags & 0x45 : kind == 2 ? i32v : i64v, 0, mx & 63);
}
static void fromInt(int k, u64 v, u32 ctl) {
  V a = {0, 0}; u32 mx = 0; u64 lanes[2]; u32 v32 = v;
  if (k == 0) IS("cvtsi2sdl", v32); else if (k == 1) IS("cvtsi2sdq", v); else if (k == 2) IS("cvtsi2ssl", v32); else IS("cvtsi2ssq", v);
  memcpy(lanes, &a, 16);
  put(lanes[0], 0, mx & 63);
}
static void sse_blocks(void) {
  static u32 ctls[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x1fc0, 0x9f80, 0x9fc0, 0xffc0, 0x1fa0, 0xbfa0, 0x0000, 0x1e80, 0x9780, 0x0f80, 0x1f00};
  for (int w = 0; w < 2; w++) for (int op = 0; op < SEND; op++) for (int c = 0; c < 15; c++) {
    u32 ctl = ctls[c]; int count = w ? 2 * N64 : 2 * N32;
    char id[12]; snprintf(id, 12, "%s%s", w ? "d." : "s.", sname[op]);
    if (op >= SRND0 && c > 4 && c != 10) continue;
    if (op >= SCOMI && op <= SCMP7 && c > 4 && c != 10) continue;
    for (int i = 0; i < count; i++) {
      u64 a = w ? t64[i] : t32[i];
      if (op >= SBIN) { sse(op, w, a, 0, ctl); continue; }
      for (int j = 0; j < count; j++) if ((c == 0 && op <= SUCOMI) || (i * 5 + j * 3 + c * 7) % 7 == 0) sse(op, w, a, w ? t64[j] : t32[j], ctl);
    }
    emit(id, ctl, 0);
  }
  static const char *in[] = {"si2sd32", "si2sd64", "si2ss32", "si2ss64"};
  for (int k = 0; k < 4; k++) for (int c = 0; c < 9; c++) {
    if (c > 3 && c < 8) continue;
    for (u32 i = 0; i < NI; i++) fromInt(k, ints[i], ctls[c]);
    emit(in[k], ctls[c], 0);
  }
  static u32 streams[] = {0x1fa0, 0x1f80, 0x3f80, 0x5fc0, 0xff80};
  for (int w = 0; w < 2; w++) for (int op = 0; op < SRND0; op++) for (int c = 0; c < 5; c++) {
    if (op > SDIV && op < SBIN) continue;
    char id[12]; snprintf(id, 12, "%s%s", w ? "d." : "s.", sname[op]);
    seed = 0x9e3779b97f4a7c15 + op * 64 + c + w * 4096;
    for (int i = 0; i < 20000; i++) {
      u64 a = w ? random64() : random32(), b = w ? random64() : random32();
      sse(op, w, a, b, streams[c]);
    }
    emit(id, streams[c], 1);
  }
}

int main(int argc, char **argv) {
  full = argc > 1 && !strcmp(argv[1], "full");
  r0 = malloc(8 << 20); r1 = malloc(4 << 20); fl = malloc(4 << 20);
  for (u32 i = 0; i < NE; i++) { table[2 * i] = ext[i]; table[2 * i + 1] = (F80){ext[i].m, ext[i].se | 0x8000}; }
  for (u32 i = 0; i < N64; i++) { t64[2 * i] = d64[i]; t64[2 * i + 1] = d64[i] | J; }
  for (u32 i = 0; i < N32; i++) { t32[2 * i] = d32[i]; t32[2 * i + 1] = d32[i] | 0x80000000u; }
  u32 counts[4] = {2 * NE, 2 * N64, 2 * N32, NI};
  fwrite(counts, 16, 1, stdout);
  fwrite(table, 10, 2 * NE, stdout); fwrite(t64, 8, 2 * N64, stdout); fwrite(t32, 4, 2 * N32, stdout); fwrite(ints, 8, NI, stdout);
  struct sigaction sa; memset(&sa, 0, sizeof sa); sa.sa_sigaction = onFpe; sa.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGFPE, &sa, 0);
  x87_blocks();
  sse_blocks();
  return 0;
}
