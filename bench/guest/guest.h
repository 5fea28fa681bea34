// What the benchmark programs of the guest share: no C library, so that gcc alone builds them for both kernels.
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;

/** One workload: `run` does `rounds` rounds and returns a check sum, which is printed so that engines can be compared. */
struct workload {
  const char *name;
  u32 (*run)(u32 rounds);
  u32 rounds;
};

extern const struct workload micro[];
extern const struct workload programs[];

long call(long number, long a, long b, long c, long d, long e, long f);
void *map(word bytes);
void unmap(void *at, word bytes);
u32 next(u32 *seed);

#ifdef __x86_64__
enum { SYS_WRITE = 1, SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_GETPID = 39, SYS_EXIT = 60, SYS_IOPL = 172 };
#else
enum { SYS_WRITE = 4, SYS_MMAP = 192, SYS_MUNMAP = 91, SYS_GETPID = 20, SYS_EXIT = 1, SYS_IOPL = 110 };
#endif

#endif
