/*
 * Executes one machine instruction per case on the processor this program runs on and reports what it did.
 *
 * The whole run happens inside one signal handler: it writes the case into the interrupted context (registers,
 * flags with TF, FXSAVE image, code segment), returns, and the processor executes exactly one instruction before
 * #DB or a fault brings it back with the outcome in the context. The handler touches no thread-local storage,
 * since FS is the case's. Build and run: tools/silicon/generate.sh. Layout of the two files: see protocol.ts.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u
#define DATA 0x10000000u
#define STACK 0x10010000u
#define READONLY 0x10020000u
#define CODE 0x10030000u
#define CODE_FILL 0xCC
#define ARITH_AND_CONTROL 0x3FFFFFu
#define TF 0x100u
#define RF 0x10000u
#define NT_AC_ID (0x4000u | 0x40000u | 0x200000u)

struct patch {
  uint32_t address;
  uint8_t length;
  uint8_t bytes[27];
};

struct in {
  uint64_t gpr[16]; /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
  uint64_t rip;
  uint32_t rflags;
  uint8_t mode, length, repeated, background;
  uint8_t bytes[16];
  struct patch patch[2];
  uint8_t fx[512];
};

struct out {
  uint64_t gpr[16];
  uint64_t rip;
  uint64_t cr2;
  uint32_t rflags, vector, error, changes;
  uint8_t fx[512];
};

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static struct in *cases;
static uint32_t count, at;
static int started;
static uint8_t *backgrounds, *results, *end;
static uint64_t tls;
static const char *outPath;
static uint8_t alternate[1 << 16] __attribute__((aligned(64)));
static uint8_t before[3 * PAGE];
static const uint32_t pages[3] = {DATA, STACK, READONLY};

static void copy(void *to, const void *from, size_t n) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void wrfs(uint64_t base) { asm volatile("wrfsbase %0" ::"r"(base)); }
static void wrgs(uint64_t base) { asm volatile("wrgsbase %0" ::"r"(base)); }

/* Data segments survive kernel entry on x86-64, so they are loaded here rather than through the context. */
static void segments(unsigned mode) {
  if (mode == 64) {
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(0));
    wrfs(0x1000);
    wrgs(0xfffffffffffff000);
    return;
  }
  int data = mode == 32 ? 0x2b : (1 << 3 | 7);
  asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(data));
  asm volatile("mov %0, %%fs" ::"r"(mode == 32 ? (5 << 3 | 7) : (3 << 3 | 7)));
  asm volatile("mov %0, %%gs" ::"r"(4 << 3 | 7));
}

static void protect(int prot) {
  long r;
  register long rdx asm("rdx") = prot;
  asm volatile("syscall" : "=a"(r) : "a"(SYS_mprotect), "D"(READONLY), "S"(PAGE), "r"(rdx) : "rcx", "r11", "memory");
}

static void finish(void) {
  wrfs(tls);
  int fd = open(outPath, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  for (uint8_t *p = results; p < end;) {
    ssize_t n = write(fd, p, end - p);
    if (n <= 0) _exit(4);
    p += n;
  }
  _exit(0);
}

static void load(ucontext_t *uc) {
  const struct in *c = &cases[at];
  const uint8_t *background = backgrounds + c->background * PAGE;
  copy((void *)(uintptr_t)DATA, background, PAGE);
  copy((void *)(uintptr_t)STACK, backgrounds, PAGE);
  protect(PROT_READ | PROT_WRITE);
  copy((void *)(uintptr_t)READONLY, background, PAGE);
  protect(PROT_READ);
  for (int i = 0; i < 2; i++)
    if (c->patch[i].length) copy((void *)(uintptr_t)c->patch[i].address, c->patch[i].bytes, c->patch[i].length);
  for (int i = 0; i < 3; i++) copy(before + i * PAGE, (void *)(uintptr_t)pages[i], PAGE);

  uint64_t linear = c->mode == 16 ? CODE + c->rip : c->rip;
  uint8_t *code = (uint8_t *)(uintptr_t)CODE;
  for (unsigned i = 0; i < PAGE; i++) code[i] = CODE_FILL;
  for (unsigned i = 0; i < c->length && linear + i < CODE + PAGE; i++) ((uint8_t *)(uintptr_t)linear)[i] = c->bytes[i];

  greg_t *g = uc->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) g[order[i]] = c->gpr[i];
  g[REG_RIP] = c->rip;
  g[REG_EFL] = c->rflags | TF;
  uint64_t cs = c->mode == 64 ? 0x33 : c->mode == 32 ? 0x23 : 7;
  uint64_t ss = c->mode == 16 ? (2 << 3 | 7) : 0x2b;
  g[REG_CSGSFS] = cs | ss << 48;
  uc->uc_flags |= 6; /* UC_SIGCONTEXT_SS and UC_STRICT_RESTORE_SS: take SS from the context as it stands */
  uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
  copy(fx, c->fx, 416);
  *(uint64_t *)(fx + 512) = 3;
}

static void store(const ucontext_t *uc) {
  const greg_t *g = uc->uc_mcontext.gregs;
  struct out *o = (struct out *)end;
  for (int i = 0; i < 16; i++) o->gpr[i] = g[order[i]];
  o->rip = g[REG_RIP];
  o->rflags = g[REG_EFL] & ARITH_AND_CONTROL & ~(TF | RF);
  o->vector = g[REG_TRAPNO];
  o->error = g[REG_ERR];
  o->cr2 = g[REG_CR2];
  copy(o->fx, uc->uc_mcontext.fpregs, 512);
  end += sizeof *o;
  o->changes = 0;
  for (int p = 0; p < 3; p++) {
    const uint8_t *now = (const uint8_t *)(uintptr_t)pages[p];
    for (unsigned i = 0; i < PAGE; i++) {
      if (now[i] == before[p * PAGE + i]) continue;
      *(uint32_t *)end = pages[p] + i;
      end[4] = now[i];
      end += 8;
      o->changes++;
    }
  }
}

static void handler(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  asm volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~(long)NT_AC_ID) : "cc", "memory");
  ucontext_t *uc = context;
  if (started) {
    const struct in *c = &cases[at];
    const greg_t *g = uc->uc_mcontext.gregs;
    int step = g[REG_TRAPNO] == 1;
    if (step && c->repeated && (uint64_t)g[REG_RIP] == c->rip) {
      segments(c->mode);
      return; /* TF traps after every iteration of a repeated string instruction */
    }
    store(uc);
    at++;
  }
  started = 1;
  if (at == count) finish();
  load(uc);
  segments(cases[at].mode);
}

static void map(uint32_t address, int prot) {
  void *p = mmap((void *)(uintptr_t)address, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
  if (p != (void *)(uintptr_t)address) exit(3);
}

static void segment(unsigned entry, uint32_t base, uint32_t limit, int code, int big, int readonly, int granular) {
  struct user_desc d = {.entry_number = entry, .base_addr = base, .limit = limit, .seg_32bit = big,
                        .contents = code ? 2 : 0, .read_exec_only = readonly, .limit_in_pages = granular, .useable = 1};
  if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d)) exit(3);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  outPath = argv[2];
  int fd = open(argv[1], O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st)) return 2;
  uint8_t *file = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  uint32_t kinds = ((uint32_t *)file)[0];
  count = ((uint32_t *)file)[1];
  backgrounds = file + 8;
  cases = (struct in *)(file + 8 + kinds * PAGE);
  if (8 + kinds * (size_t)PAGE + count * sizeof(struct in) != (size_t)st.st_size) return 2;
  results = end = mmap(0, count * (sizeof(struct out) + 1024ul) + (1 << 20), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  map(DATA, PROT_READ | PROT_WRITE);
  map(STACK, PROT_READ | PROT_WRITE);
  map(READONLY, PROT_READ | PROT_WRITE);
  map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
  segment(0, CODE, 0xffff, 1, 0, 0, 0);
  segment(1, DATA, 0xffff, 0, 0, 0, 0);
  segment(2, STACK, 0xffff, 0, 0, 0, 0);
  segment(3, DATA, 0x7ff, 0, 0, 0, 0);
  segment(4, DATA, 0xfff, 0, 0, 1, 0);
  segment(5, 0x1000, 0xfffff, 0, 1, 0, 1);
  stack_t alt = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&alt, 0);
  asm volatile("rdfsbase %0" : "=r"(tls));
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &sa, 0);
  asm volatile("int3");
  return 1;
}
