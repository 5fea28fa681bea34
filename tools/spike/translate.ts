// Translates a region: the decoded blocks that a block reaches by direct branches within its page, as one Wasm function.
//
//   run(left, context, entry) -> left     RIP in memory says where to go on; every register is written back
//   left      instructions that may still run; the function stops before a block that does not fit
//   context   address space and access mode, as the fast TLB tags them
//
// An instruction that cannot be spliced, or whose access misses the fast TLB, is left to the interpreter: the function
// returns with RIP at it, and what ran before it is counted exactly.
import { layout } from "../../src/hw/layout.ts";
import { Refused, type Site } from "./binding.ts";
import { Emitter } from "./emitter.ts";
import { Splicer } from "./splice.ts";
import {
  type FunctionBody,
  I32,
  I64,
  type Library,
  oneFunctionModule,
  u,
  i32Const,
  i64Const,
} from "./wasm.ts";

const LEFT = 0,
  CONTEXT = 1,
  ENTRY = 2;
const PARAMS = [I32, I64, I32];
const MAX_BLOCKS = 16;
const ONES = 0xffffffffffffffffn;
const NONFLAT = 8;

/** Linear memory of a core in which the interpreter has decoded the blocks already. */
export type Memory = { readonly u32: Uint32Array; readonly view: DataView };

export interface Region {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Physical address of each entry and its decoded block, by entry number. A dead block is no entry any more. */
  readonly entries: readonly number[];
  readonly blocks: readonly number[];
  readonly instructions: number;
  /** Instructions that leave to the interpreter, with the reason. */
  readonly refused: readonly { offset: number; reason: string }[];
}
export type Run = (left: number, context: bigint, entry: number) => number;

/** The decoded block at a physical address, 0 when there is none (src/hw/cpu/blocks.ts). */
export function findBlock({ u32 }: Memory, pa: number, mode: number): number {
  const hash = (pa ^ (pa >>> 16) ^ (mode << 12)) & 0xffff;
  let b = u32[layout.BLOCK_HASH / 4 + hash] ?? 0;
  while (b !== 0 && (u32[b / 4 + 1] !== pa || u32[b / 4 + 2] !== mode)) b = u32[b / 4 + 4] ?? 0;
  return b;
}

/** Width of a store that does not fill its slot, by opcode. */
const STORED_BITS: ReadonlyMap<number, bigint> = new Map([
  [0x36, 32n],
  [0x3a, 8n],
  [0x3b, 16n],
  [0x3c, 8n],
  [0x3d, 16n],
  [0x3e, 32n],
]);
/** Registers and flag words as locals; the rest of the state stays in memory. */
class Slots {
  readonly out: Emitter;
  readonly enabled: boolean;
  readonly #locals = new Map<number, number>();
  readonly #dirty = new Set<number>();
  constructor(out: Emitter, enabled: boolean) {
    this.out = out;
    this.enabled = enabled;
  }

  #base(address: number): number | undefined {
    const base = address & ~7;
    const held =
      (base >= layout.REGS && base < layout.REGS + 128) ||
      base === layout.LF_RES ||
      base === layout.LF_AUX ||
      base === layout.REGS + layout.RIPB_OFF;
    return this.enabled && held ? base : undefined;
  }
  #local(base: number): number {
    const found = this.#locals.get(base) ?? this.out.fresh(I64);
    this.#locals.set(base, found);
    return found;
  }
  has(address: number): boolean {
    return this.#base(address) !== undefined;
  }
  load(address: number, op: number): boolean {
    const base = this.#base(address),
      shift = BigInt((address & 7) * 8);
    if (base === undefined) return false;
    this.out.emit(0x20, ...u(this.#local(base)));
    if (shift) this.out.emit(...i64Const(shift), 0x88);
    if (op === 0x28 || (op >= 0x2c && op <= 0x2f)) this.out.emit(0xa7);
    const narrow: readonly (readonly number[])[] = [
      [0xc0], // i32.load8_s and its kind, in the order of the opcodes
      [...i32Const(255), 0x71],
      [0xc1],
      [...i32Const(65535), 0x71],
      [0xc2],
      [...i64Const(255n), 0x83],
      [0xc3],
      [...i64Const(65535n), 0x83],
      [0xc4],
      [...i64Const(0xffffffffn), 0x83],
    ];
    this.out.emit(...(narrow[op - 0x2c] ?? []));
    return true;
  }
  /** The value is on the stack. */
  store(address: number, op: number): void {
    const base = this.#base(address)!,
      local = this.#local(base),
      shift = BigInt((address & 7) * 8),
      { out } = this;
    this.#dirty.add(base);
    if (op === 0x36 || op === 0x3a || op === 0x3b) out.emit(0xad);
    const bits = STORED_BITS.get(op);
    if (bits !== undefined) {
      const mask = (1n << bits) - 1n;
      out.emit(...i64Const(mask), 0x83);
      if (shift) out.emit(...i64Const(shift), 0x86);
      out.emit(0x20, ...u(local), ...i64Const(ONES ^ (mask << shift)), 0x83, 0x84);
    }
    out.emit(0x21, ...u(local));
  }
  prologue(): number[] {
    return [...this.#locals].flatMap(([base, l]) => [...i32Const(0), 0x29, 3, ...u(base), 0x21, ...u(l)]);
  }
  epilogue(): number[] {
    return [...this.#dirty].flatMap((base) => [
      ...i32Const(0),
      0x20,
      ...u(this.#local(base)),
      0x37,
      3,
      ...u(base),
    ]);
  }
}

/** One function under translation. The list of blocks is complete when no branch asks for another. */
class Translation {
  readonly memory: Memory;
  readonly library: Library;
  readonly stencils: ReadonlyMap<number, FunctionBody>;
  readonly blocks: readonly number[];
  readonly out = new Emitter(PARAMS);
  readonly wanted = new Set<number>();
  readonly refused: { offset: number; reason: string }[] = [];
  readonly #slots: Slots;
  readonly #rip = this.out.fresh(I64);
  readonly #scratch = new Map<string, number>();
  readonly #ripMask: bigint;
  readonly #flat: boolean;
  #exitLevel = 0;
  #dispatchLevel = 0;
  #selfLevel = 0;

  constructor(
    memory: Memory,
    library: Library,
    stencils: ReadonlyMap<number, FunctionBody>,
    blocks: readonly number[],
    inLocals: boolean,
  ) {
    this.memory = memory;
    this.library = library;
    this.stencils = stencils;
    this.blocks = blocks;
    this.#slots = new Slots(this.out, inLocals);
    this.#ripMask = memory.view.getBigUint64(layout.RIPMASK, true);
    this.#flat = (this.#u32(layout.MODE) & (NONFLAT | 1)) !== NONFLAT;
  }
  #u32(at: number): number {
    return this.memory.u32[at / 4] ?? 0;
  }
  #offset(block: number): number {
    return this.#u32(block + 4) & 0xfff;
  }

  /** Where execution goes on behind a block. */
  #end(block: number): number {
    return this.#u32(block + 32 + this.#u32(block) * 16 + 12);
  }

  translate(): Region {
    const { out, blocks } = this;
    this.#exitLevel = out.open(0x02);
    this.#dispatchLevel = out.open(0x03);
    for (const _ of blocks) out.open(0x02);
    out.emit(0x20, ENTRY, 0x0e, ...u(blocks.length - 1), ...blocks.map((_, i) => i).flatMap((i) => u(i)));
    for (const block of blocks) {
      out.close();
      this.#block(block);
    }
    out.close();
    out.emit(0x00);
    out.close();
    const code = [
      ...this.#slots.prologue(),
      ...out.bytes(),
      ...this.#slots.epilogue(),
      ...i32Const(0),
      0x20,
      ...u(this.#rip),
      0x37,
      3,
      ...u(layout.RIP),
      0x20,
      LEFT,
    ];
    return {
      bytes: oneFunctionModule(PARAMS, [I32], out.locals, code),
      entries: blocks.map((b) => this.#u32(b + 4)),
      blocks,
      instructions: blocks.reduce((n, b) => n + this.#u32(b), 0),
      refused: this.refused,
    };
  }
  /** RIP := an offset from the start of the page. */
  #setRip(offset: number): void {
    this.#ripAt(offset);
    this.out.emit(0x21, ...u(this.#rip));
  }
  #ripAt(offset: number): void {
    const { out } = this;
    if (!this.#slots.load(layout.REGS + layout.RIPB_OFF, 0x29))
      out.emit(...i32Const(0), 0x29, 3, ...u(layout.REGS + layout.RIPB_OFF));
    out.emit(...i64Const(BigInt(offset)), 0x7c);
    if (this.#ripMask !== ONES) out.emit(...i64Const(this.#ripMask), 0x83);
  }
  #leave(offset: number): void {
    this.#setRip(offset);
    this.out.branch(this.#exitLevel);
  }
  /** Go to an offset of the page: around the loop, to another block, or out. */
  #goTo(offset: number, from: number): void {
    if (offset === this.#offset(from)) {
      this.out.branch(this.#selfLevel);
      return;
    }
    const to = this.blocks.findIndex((b) => this.#offset(b) === offset);
    if (to >= 0) this.#enter(to);
    else {
      this.wanted.add(offset);
      this.#leave(offset);
    }
  }
  #enter(index: number): void {
    this.out.emit(...i32Const(index), 0x21, ENTRY);
    this.out.branch(this.#dispatchLevel);
  }
  #block(block: number): void {
    const { out } = this,
      n = this.#u32(block);
    this.#selfLevel = out.open(0x03);
    out.emit(0x20, LEFT, ...i32Const(n), 0x48);
    out.open(0x04);
    this.#leave(this.#offset(block));
    out.close();
    out.emit(0x20, LEFT, ...i32Const(n), 0x6b, 0x21, LEFT);
    this.wanted.add(this.#end(block)); // where a call of this block returns to
    for (let i = 0; i < n; i++)
      if (!this.#record(block, i, n)) {
        this.#endBlock();
        return;
      }
    this.#goTo(this.#end(block), block);
    this.#endBlock();
  }
  #endBlock(): void {
    this.out.close();
    this.out.emit(0x00);
  }
  /** Returns whether the next record can be reached. */
  #record(block: number, i: number, n: number): boolean {
    const { out } = this,
      record = block + 32 + i * 16,
      offset = (this.#u32(record) >>> 16) & 0xfff;
    const stencil = this.stencils.get(this.#u32(record) & 0xffff);
    const exit = (): void => {
      out.emit(0x20, LEFT, ...i32Const(n - i), 0x6a, 0x21, LEFT);
      this.#leave(offset);
    };
    try {
      if (!stencil) throw new Refused("no stencil");
      return new Splicer(this.library, out, this.#site(block, record, exit)).splice(stencil);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refused.push({ offset, reason: error.message });
      exit();
      return false;
    }
  }
  #site(block: number, record: number, exit: () => void): Site {
    const { out } = this,
      slots = this.#slots,
      { view } = this.memory;
    return {
      record,
      constant: (at, bytes) => {
        const read = (): bigint =>
          [...Array(bytes).keys()].reduceRight((v, k) => (v << 8n) | BigInt(view.getUint8(at + k)), 0n);
        if (at >= record && at + bytes <= record + 16) return read();
        if (at === layout.REGS + layout.ZERO_OFF) return 0n;
        if ([layout.MODE, layout.AMASK, layout.SPMASK, layout.RIPMASK].some((fact) => fact === at))
          return read();
        const segment = (at - layout.SEG_EBASE) / 8;
        return this.#flat && [layout.ES, layout.SS, layout.DS, layout.LDTR].some((fact) => fact === segment)
          ? read()
          : undefined;
      },
      isSlot: (at) => slots.has(at),
      loadSlot: (at, op) => slots.load(at, op),
      storeSlot: (at, op) => slots.store(at, op),
      exit,
      follow: () => this.#goTo(view.getInt32(record + 12, true), block),
      jump: () => {
        out.emit(0x21, ...u(this.#rip));
        const sites = new Set(this.blocks.map((b) => this.#end(b)));
        this.blocks.forEach((to, index) => {
          // a return to what follows a block of the region
          if (!sites.has(this.#offset(to))) return;
          this.#ripAt(this.#offset(to));
          out.emit(0x20, ...u(this.#rip), 0x51);
          out.open(0x04);
          this.#enter(index);
          out.close();
        });
        out.branch(this.#exitLevel);
      },
      global: (name, type) => {
        if (name === "left") return { local: LEFT };
        if (name === "context") return { local: CONTEXT };
        if (name === "implicit") return { value: 0 };
        if (name !== "quotient" && name !== "remainder") return undefined;
        const local = this.#scratch.get(name) ?? out.fresh(type);
        this.#scratch.set(name, local);
        return { local };
      },
    };
  }
}

export interface Options {
  /** false keeps registers and flags in memory: the figure that shows what locals bring. */
  readonly inLocals?: boolean;
}
/** Translate the region around a decoded block. */
export function translate(
  memory: Memory,
  library: Library,
  block: number,
  { inLocals = true }: Options = {},
): Region {
  const stencils = new Map<number, FunctionBody>();
  for (const [name, index] of library.exports) {
    const body = library.functions[index];
    if (body && /^c\d+$/.test(name)) stencils.set(Number(name.slice(1)), body);
  }
  const frame = ((memory.u32[block / 4 + 1] ?? 0) & ~0xfff) >>> 0,
    mode = memory.u32[block / 4 + 2] ?? 0;
  const blocks = [block];
  for (;;) {
    const attempt = new Translation(memory, library, stencils, blocks, inLocals),
      region = attempt.translate();
    const found = [...attempt.wanted]
      .filter((o) => o >= 0 && o < 4096)
      .map((o) => findBlock(memory, frame + o, mode));
    const added = [...new Set(found)]
      .filter((b) => b !== 0 && !blocks.includes(b))
      .slice(0, MAX_BLOCKS - blocks.length);
    if (added.length === 0) return region;
    blocks.push(...added);
  }
}
