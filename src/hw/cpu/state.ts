// The machine state of one CPU at fixed addresses of linear memory (AssemblyScript and, through
// src/hw/layout.ts, TypeScript read the same constants).
//
//   0x00100  state (this file)          0x100000  static tables of the compiled core
//   0x03000  scratch block, STOP        0x200000  physical map, u32 per 4 KiB page of 4 GiB
//   0x10000  fast TLB                   0x600000  frame flags, u8 per RAM frame
//   0x20000  free                       0x700000  code page pointers, u32 per RAM frame
//   0x30000  TLB                        0xA00000  jump cache, then the code arena at 0xA40000
//   0x50000  block hash                 0x4000000 RAM
//   0x90000  translated regions

export const REGS: usize = 0x100; // 16 x u64, manual order (RAX RCX RDX RBX RSP RBP RSI RDI R8..R15)
export const ZERO_OFF: i32 = 0x80; // register file offset of a slot that always holds 0 (no base, no index)
export const RIPB_OFF: i32 = 0x88; // slot: linear address of the current code page minus CS base
export const RIP: usize = 0x1a0; // valid outside translated blocks only
export const LF_RES: usize = 0x1a8; // lazy flags, see flags.ts
export const LF_AUX: usize = 0x1b0;
export const EFLAGS: usize = 0x1b8; // u32: the bits that are not arithmetic flags
export const CPL: usize = 0x1bc; // u32
export const MODE: usize = 0x1c0; // u32 decode key: bit 0 L, 1 D, 2 SS.B, 3 some data segment is not flat
export const AMASK: usize = 0x1c8; // u64: default address mask (all ones in 64-bit mode)
export const SPMASK: usize = 0x1d0; // u64: stack pointer mask (64, 32 or 16 bits)
export const RIPMASK: usize = 0x1d8; // u64
export const PMODE: usize = 0x1e0; // u32: 0 real, 1 protected, 2 virtual-8086, 3 long (compatibility or 64-bit)

// Segments in encoding order ES CS SS DS FS GS, then LDTR (6) and TR (7).
export const SEG_EBASE: usize = 0x200; // u64 x 8: effective base (0 for ES CS SS DS in 64-bit mode; slot 6 always 0)
export const SEG_BASE: usize = 0x240; // u64 x 8
export const SEG_LIMIT: usize = 0x280; // u32 x 8, in bytes
export const SEG_ATTR: usize = 0x2a0; // u32 x 8: VMX access-rights format, bit 16 = unusable
export const SEG_SEL: usize = 0x2c0; // u32 x 8
export const GDT_BASE: usize = 0x2e0;
export const GDT_LIMIT: usize = 0x2e8;
export const IDT_BASE: usize = 0x2f0;
export const IDT_LIMIT: usize = 0x2f8;

export const CR0: usize = 0x300; // CRn at CR0 + 8n
export const CR2: usize = 0x310;
export const CR3: usize = 0x318;
export const CR4: usize = 0x320;
export const CR8: usize = 0x530; // last value written; the task priority itself is the local APIC's
export const XCR0: usize = 0x328;
export const EFER: usize = 0x330;
export const DR0: usize = 0x338; // DR0..DR3
export const DR6: usize = 0x358;
export const DR7: usize = 0x360;
export const STAR: usize = 0x368;
export const LSTAR: usize = 0x370;
export const CSTAR: usize = 0x378;
export const SFMASK: usize = 0x380;
export const KERNEL_GS_BASE: usize = 0x388;
export const SYSENTER_CS: usize = 0x390;
export const SYSENTER_ESP: usize = 0x398;
export const SYSENTER_EIP: usize = 0x3a0;
export const PAT: usize = 0x3a8;
export const TSC_AUX: usize = 0x3b0;
export const MISC_ENABLE: usize = 0x3b8;
export const DEBUGCTL: usize = 0x3c0;
export const FEATURE_CONTROL: usize = 0x3c8;
export const APIC_BASE: usize = 0x3d0;
export const TSC_ADJUST: usize = 0x3d8;
export const TSC_OFFSET: usize = 0x3e0; // effective offset: TSC = t + TSC_OFFSET
export const T_END: usize = 0x3e8; // i64: clock value when `left` reaches 0
export const SEED: usize = 0x3f0; // u64: state of RDRAND / RDSEED
export const APIC_ID: usize = 0x3f8; // u32: initial APIC ID, the number of the CPU
export const MTRR: usize = 0x400; // 32 x u64: def type, 11 fixed, 16 variable, 4 spare

export const PDPTE: usize = 0x500; // 4 x u64: PAE page-directory-pointer registers
export const STAGE2: usize = 0x520; // u32: second-stage translation in force (EPT), EPTP at +8

export const XMM: usize = 0x600; // 16 x 16 bytes
export const FPR: usize = 0x700; // 8 x 16 bytes, physical registers: mantissa u64, sign and exponent u16
export const FCW: usize = 0x780; // u32
export const FSW: usize = 0x784; // u32, TOP in bits 11..13
export const FTW: usize = 0x788; // u32: bit i set = physical register i is not empty
export const FOP: usize = 0x78c; // u32
export const FIP: usize = 0x790; // u64
export const FDP: usize = 0x798; // u64
export const FCS: usize = 0x7a0; // u32
export const FDS: usize = 0x7a4; // u32
export const MXCSR: usize = 0x7a8; // u32

export const BOUNCE: usize = 0x800; // 64 bytes: operand that crosses a page, or lives in a device
export const BOUNCE_LA: usize = 0x840; // u64, and its size at BOUNCE_SIZE
export const BOUNCE_SIZE: usize = 0x848;
export const BOUNCE_PC: usize = 0x84c;
export const XTEMP: usize = 0x850; // 64 bytes: memory operand of SSE and x87 bodies
export const MAILBOX: usize = 0x890; // u64: value of a device access that crosses to the embedder

export const INTR: usize = 0x8c0; // u32: the INTR line, written by the embedder
export const NMI: usize = 0x8c4; // u32: an NMI is pending
export const NMI_BLOCKED: usize = 0x8c8;
export const SHADOW: usize = 0x8cc; // u32: 1 after STI, 2 after MOV SS or POP SS, until the next boundary
export const ACTIVITY: usize = 0x8d0; // 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI
export const INIT: usize = 0x8d4; // u32: INIT is pending
export const SIPI: usize = 0x8d8; // u32: SIPI pending, vector + 1
export const DB_PENDING: usize = 0x8dc; // u32: DR6 bits of a debug exception waiting for the boundary
export const A20: usize = 0x8e0; // u32: 0 = bit 20 of physical addresses is forced to 0
export const STOP_REASON: usize = 0x8e4; // u32: why run() returned
export const STOP_ON_EXIT: usize = 0x8e8; // u32: return to the embedder after a VM exit
export const BREAK_ON: usize = 0x8ec; // u32: run one instruction at a time (TF, DR7, a debugger)

// Counters, u64 each.
export const N_TLB_MISS: usize = 0x8f0;
export const N_WALK_REFS: usize = 0x8f8;
export const N_DECODED: usize = 0x900;
export const N_EXCEPTION: usize = 0x908;
export const N_INTERRUPT: usize = 0x910;
export const N_FLUSH: usize = 0x918;
export const N_UNDEFINED: usize = 0x920; // opcodes that the processor does not know, see undefined.ts

export const SMI: usize = 0x92c; // u32: an SMI is pending; without an intercept it is dropped, for there is no SMM
export const EVENTS_HELD: usize = 0x928; // u32: INIT, SMI, NMI, INTR and virtual interrupts wait (SVM's global interrupt flag is 0)

// Translated regions (src/hw/jit): all of it is zero while there is no translator.
export const JIT_THRESHOLD: usize = 0x930; // u32: runs after which a block is hot; 0: nothing is counted
export const JIT_LEFT: usize = 0x934; // i32: budget when a region returns
export const JIT_BLOCK: usize = 0x938; // u32: block in which it returns
export const JIT_QUEUED: usize = 0x93c; // u32: hot blocks in JIT_QUEUE
export const JIT_FLUSHES: usize = 0x940; // u32: how often the code cache was dropped
export const JIT_BATCH: usize = 0x944; // u32: so many hot blocks call the translator
export const N_TRANSLATED: usize = 0x950; // u64: instructions that ran translated
export const JIT_CHANGED: usize = 0x948; // u32: entries in JIT_CHANGES
export const N_CLEARED: usize = 0x958; // u64: code pages cleared for the data on them
export const N_RETURN: usize = 0x960; // u64 x 4: how regions came back, by kind

export const PAUSE_YIELDS: usize = 0x980; // u32: a loop of PAUSEs leaves run(), so that another CPU gets its turn (processors.ts)
export const PAUSE_FIRST: usize = 0x988; // i64 each: clock of the loop's first PAUSE, and of the last one
export const PAUSE_LAST: usize = 0x990;
/** PAUSEs at most so far apart, in ticks, are a loop; one that has gone on for so long gives the others their turn. */
export const PAUSE_GAP: u32 = 128;
export const PAUSE_WINDOW: u32 = 256;

export const VMX: usize = 0xa00; // state of VMX operation, see src/hw/vmx/state.ts
export const SVM: usize = 0x1000; // state of SVM operation, 1 KiB, see src/hw/svm/state.ts
export const VM_CR: usize = SVM; // u64: MSR C001_0114h
export const VM_HSAVE_PA: usize = SVM + 8; // u64: MSR C001_0117h
export const CPUID_TABLE: usize = 0x2000; // 127 entries {leaf, subleaf, eax, ebx, ecx, edx, flags, 0}, u32 each
export const CPUID_COUNT: usize = 0x2ff0;
export const FEATURES: usize = 0x2f80; // u8 x 64: CPUID bits that gate decoding, index from src/hw/generate
export const SCRATCH_BLOCK: usize = 0x3000; // a copied block prefix: header and up to 64 records
export const ALONE_BLOCK: usize = 0x3700; // header, one record, its NEXT
export const STRADDLE_BLOCK: usize = 0x3800; // the one block of an instruction that crosses a page
export const JIT_QUEUE: usize = 0x3900; // 64 x {block u32, 0 u32, linear address u64}
export const JIT_CHANGES: usize = 0x3d00; // 32 x {block u32, region u32 that led to it, linear address u64}
export const STOP: usize = 0x3f00; // record: leave run()
export const RESUME: usize = 0x3f10; // record: look for interrupts, then continue at RIP
export const UNDEFINED: usize = 0x8000; // 16 records of 32 bytes
export const LAST_UNDEFINED: u32 = 15;

export const FAST_TLB: usize = 0x10000;
export const TLB: usize = 0x30000;
export const BLOCK_HASH: usize = 0x50000;
export const JIT_REGIONS: usize = 0x90000; // u32 x 65536: table slot of a region, 0 when it is dead
export const JIT_PROFILE: usize = 0xd0000; // u32 x 49152: how often translated code came by (npm run jit:report)
export const PHYS_MAP: usize = 0x200000;
export const FRAME_FLAGS: usize = 0x600000;
export const CODE_PAGES: usize = 0x700000;
export const JUMP_CACHE: usize = 0xa00000; // 16,384 entries of 16 bytes: linear address, context and mode, block (flow.ts)
export const JUMP_MASK: u32 = 16383;
export const ARENA: usize = 0xa40000;
export const ARENA_END: usize = 0x4000000;
export const RAM: usize = 0x4000000;

export const ES: i32 = 0;
export const CS: i32 = 1;
export const SS: i32 = 2;
export const DS: i32 = 3;
export const FS: i32 = 4;
export const GS: i32 = 5;
export const LDTR: i32 = 6;
export const TR: i32 = 7;

export const MODE_L: u32 = 1;
export const MODE_D: u32 = 2;
export const MODE_SSB: u32 = 4;
export const MODE_NONFLAT: u32 = 8;

export const REAL: u32 = 0;
export const PROTECTED: u32 = 1;
export const VM86: u32 = 2;
export const LONG: u32 = 3;

export const RAX: i32 = 0;
export const RCX: i32 = 8;
export const RDX: i32 = 16;
export const RBX: i32 = 24;
export const RSP: i32 = 32;
export const RBP: i32 = 40;
export const RSI: i32 = 48;
export const RDI: i32 = 56;
export const R11: i32 = 88;

// Why run() returned.
export const STOP_BUDGET: u32 = 1;
export const STOP_HALT: u32 = 2;
export const STOP_SHUTDOWN: u32 = 3;
export const STOP_VMEXIT: u32 = 4;
export const STOP_WAIT_SIPI: u32 = 5;
export const STOP_REQUEST: u32 = 6;
export const STOP_ASSERT: u32 = 7;
export const STOP_INIT: u32 = 8;
export const STOP_YIELD: u32 = 10; // a loop of PAUSEs, with PAUSE_YIELDS set: the last one is done
export const STOP_FAULT: u32 = 9; // imported memory: the instruction raised an exception, which is not delivered

/** Instructions left in this slice after the current block; below 0 never at a block start. */
export let left: i32 = 0;
export function setLeft(v: i32): void { left = v; }
/** The block being executed (its header). */
export let block: usize = 0;
export function setBlock(v: usize): void { block = v; }

/** Set by anything that cannot complete: the body returns and the loop calls raise(). */
export let fault: i32 = 0;
export let faultVector: i32 = 0;
export let faultCode: i32 = -1; // -1: no error code
export let faultAddress: u64 = 0;
export const FAULT_NONE: i32 = 0;
export const FAULT_EXCEPTION: i32 = 1;
export const FAULT_ALONE: i32 = 2; // run this instruction again in a block of its own (device access, own code)
export const FAULT_VMEXIT: i32 = 3; // an EPT violation or another exit that the access caused
export const FAULT_FETCH: i32 = 4; // imported memory: the instruction is done, the next one would be fetched
/** 1 while a single instruction runs in a block of its own: device access and code writes are allowed. */
export let alone: i32 = 0;
export function setAlone(v: i32): void { alone = v; }
export function clearFault(): void { fault = 0; }
export function setFault(kind: i32): void { fault = kind; }
export function exception(vector: i32, code: i32): void {
  if (fault) return;
  fault = FAULT_EXCEPTION; faultVector = vector; faultCode = code;
}
export function pageFault(address: u64, code: i32): void {
  if (fault) return;
  fault = FAULT_EXCEPTION; faultVector = 14; faultCode = code; faultAddress = address;
}

@inline export function get<T>(off: usize): T { return load<T>(REGS + off); }
/** 32-bit writes zero-extend, 8 and 16-bit writes merge (memory is little-endian, so a narrow store does it). */
@inline export function put<T>(off: usize, v: T): void {
  if (sizeof<T>() == 4) store<u64>(REGS + off, <u64><u32>v);
  else store<T>(REGS + off, v);
}
