// Entry, system calls and the marks: `bench micro` or `bench programs`.
//
//   @ NAME begin      after a tenth of the rounds, in which translators warm up
//   @ NAME end SUM    after all rounds; between the two lies what is measured
#include "guest.h"

#ifdef __x86_64__
long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return number;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call enter\n");
#else
// The sixth argument travels in EBP, which the compiler keeps for itself.
long call(long number, long a, long b, long c, long d, long e, long f) {
  long packed[2] = {a, f};
  __asm__ volatile("push %%ebp\n mov 4(%%ebx), %%ebp\n mov (%%ebx), %%ebx\n int $0x80\n pop %%ebp"
                   : "+a"(number), "+b"((long){(long)packed}) : "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return number;
}
__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call enter\n");
#endif

void *memset(void *to, int value, word bytes) {
  for (u8 *p = to; bytes-- > 0;) *p++ = value;
  return to;
}

void *memcpy(void *to, const void *from, word bytes) {
  const u8 *q = from;
  for (u8 *p = to; bytes-- > 0;) *p++ = *q++;
  return to;
}

/** Fresh zeroed pages: PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS. */
void *map(word bytes) { return (void *)call(SYS_MMAP, 0, bytes, 3, 0x22, -1, 0); }
void unmap(void *at, word bytes) { call(SYS_MUNMAP, (long)at, bytes, 0, 0, 0, 0); }

/** The numbers of Numerical Recipes' "quick and dirty" generator. */
u32 next(u32 *seed) { return *seed = *seed * 1664525u + 1013904223u; }

static word length(const char *text) {
  word n = 0;
  while (text[n] != 0) n++;
  return n;
}

static void say(const char *name, const char *what, u32 sum) {
  static const char digits[] = "0123456789abcdef";
  char line[80] = "@ ";
  word n = 2;
  for (word i = 0; i < length(name); i++) line[n++] = name[i];
  line[n++] = ' ';
  for (word i = 0; i < length(what); i++) line[n++] = what[i];
  line[n++] = ' ';
  for (int shift = 28; shift >= 0; shift -= 4) line[n++] = digits[(sum >> shift) & 15];
  line[n++] = '\n';
  call(SYS_WRITE, 1, (long)line, n, 0, 0, 0);
}

__attribute__((used)) void enter(word *stack) {
  char **arguments = (char **)(stack + 1);
  const struct workload *list = stack[0] > 1 && arguments[1][0] == 'p' ? programs : micro;
  // In and out of ports at user level: only as root, which process 1 is.
  call(SYS_IOPL, 3, 0, 0, 0, 0, 0);
  for (; list->name != 0; list++) {
    list->run(list->rounds / 10 + 1);
    say(list->name, "begin", 0);
    say(list->name, "end", list->run(list->rounds));
  }
  call(SYS_EXIT, 0, 0, 0, 0, 0, 0);
}
