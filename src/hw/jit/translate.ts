// Translates a region: one Wasm function, run(left, context, entry) -> record | how (src/hw/cpu/regions.ts).
//
//   left      budget; a block that does not fit is left to the interpreter
//   context   address space and access mode, as the tags of the fast TLB and of the jump cache have them
//
// An instruction that cannot be spliced is called, or left to the interpreter like one whose access misses the fast TLB:
// the function returns with the record, and the interpreter runs the rest of the block, which is paid for.
import { layout } from "../layout.ts";
import { Emitter } from "./emitter.ts";
import { arrange, type Item } from "./graph.ts";
import { I32, I64 } from "./opcodes.ts";
import { type Block, decodedCase, type Edge, type Memory, type Region } from "./region.ts";
import { Probes } from "./probes.ts";
import { Slots } from "./slots.ts";
import type { Site } from "./site.ts";
import { Splicer } from "./splice.ts";
import { Refused } from "./values.ts";
import type { Stencils } from "./stencils.ts";

export const PARAMS = [I32, I64, I32];
const LEFT = 0, CONTEXT = 1, ENTRY = 2;
const RIPB = layout.REGS + layout.RIPB_OFF;
const NONFLAT = layout.MODE_NONFLAT;
/** How a region returns, in the low bits of the record. */
const HERE = 0, FOLLOW = 1, JUMP = 2, ENTER = 3;
/** Index of callCase in a module of regions. */
const CALL_CASE = 0;
/** Variables of the core that only carry a value from one function to another within an instruction. */
const SCRATCH = new Set(["quotient", "remainder", "mxcsr", "compared", "oSE", "oM", "qSE", "qM", "qFlags", "wHi", "wLo"]);

export interface Translated {
  /** Locals and code of the function. */
  readonly body: Uint8Array;
  /** Entry number by block of the region, -1 for none, -2 when the interpreter has the block's first instruction. */
  readonly entryOf: Int32Array;
  readonly instructions: number;
  readonly spliced: number;
}
/** A place in translated code that the report counts: 0..3 returns, 4 calls of a body. */
export interface Place { readonly how: number; readonly record: number; readonly caseNumber: number; readonly reason: string; readonly address: number }
/** Gives a place its counter (JIT_PROFILE), -1 for none. */
export type Note = (place: Place) => number;

export class Translator implements Site {
  low = 0;
  high = 0;
  readonly #m: Memory;
  readonly #stencils: Stencils;
  readonly #note: Note | undefined;
  /** Cases that cannot be spliced in a mode, with the reason. */
  readonly #refused = new Map<number, string>();
  // The function in hand.
  #out = new Emitter(PARAMS);
  #slots = new Slots(this.#out);
  readonly #splicer: Splicer;
  #region!: Region;
  #id = 0;
  #flat = false;
  #long = false;
  #pc = 0;
  #in = 0;
  #address = 0;
  #slot = 0;
  #variables = new Map<string, number>();
  #exitLevel = 0;
  #dispatchLevel = 0;
  #labels = new Int32Array(0);
  #loops = new Int32Array(0);
  #entryOf = new Int32Array(0);
  #barren = new Uint8Array(0);
  #probes = new Probes(this.#out, CONTEXT);
  // The instruction in hand.
  #block!: Block;
  #record = 0;
  #reason = "";
  #spliced = 0;

  constructor(memory: Memory, stencils: Stencils, note?: Note) {
    this.#m = memory;
    this.#stencils = stencils;
    this.#note = note;
    this.#splicer = new Splicer(stencils, this.#out, this.#slots, this, memory.view);
  }

  /** @param id number of the region: what its blocks carry. */
  translate(region: Region, id: number): Translated {
    const out = new Emitter(PARAMS), { blocks } = region;
    this.#out = out;
    this.#slots = new Slots(out);
    this.#splicer.start(out, this.#slots);
    this.#region = region;
    this.#id = id;
    this.#long = (region.mode & layout.MODE_L) !== 0;
    this.#flat = this.#long || (region.mode & NONFLAT) === 0;
    this.#pc = out.fresh(I32);
    this.#in = out.fresh(I32);
    this.#slot = out.fresh(I32);
    this.#address = out.fresh(I64);
    this.#variables = new Map();
    this.#probes = new Probes(out, CONTEXT);
    this.#spliced = 0;
    const successors = blocks.map((b) => b.edges.filter((e) => e.to >= 0).map((e) => e.to));
    const { items, entries } = arrange({ successors }, region.entries);
    this.#labels = new Int32Array(blocks.length).fill(-1);
    this.#loops = new Int32Array(blocks.length).fill(-1);
    this.#entryOf = new Int32Array(blocks.length).fill(-1);
    this.#barren = new Uint8Array(blocks.length);
    entries.forEach((b, i) => { this.#entryOf[b] = i; });
    this.#slots.local(RIPB);
    this.#exitLevel = out.open(0x02);
    this.#dispatchLevel = out.open(0x03);
    this.#sequence(items, entries);
    out.close();
    out.op(0x00);
    out.close();
    return { body: this.#finish(), entryOf: this.#entryOf.map((e, i) => (this.#barren[i] ? -2 : e)), instructions: blocks.reduce((n, b) => n + b.n, 0), spliced: this.#spliced };
  }
  /** Locals, loads of the state, the code, stores of the state. */
  #finish(): Uint8Array {
    const code = this.#out, whole = new Emitter([]), load = this.#slots.sequence(true), spill = this.#slots.sequence(false);
    const runs: [number, number][] = [];
    for (const type of code.locals) {
      const last = runs[runs.length - 1];
      if (last && last[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    whole.unsigned(runs.length);
    for (const [n, type] of runs) { whole.unsigned(n); whole.op(type); }
    whole.copy(load, 0, load.length);
    let from = 0;
    for (const { at, reload } of code.marks) {
      whole.copy(code.bytes, from, at);
      const sequence = reload ? load : spill;
      whole.copy(sequence, 0, sequence.length);
      from = at;
    }
    whole.copy(code.bytes, from, code.n);
    whole.copy(spill, 0, spill.length);
    whole.i32(0); whole.get(LEFT); whole.memory(0x36, layout.JIT_LEFT);
    whole.i32(0); whole.get(this.#in); whole.memory(0x36, layout.JIT_BLOCK);
    whole.get(this.#pc);
    whole.op(0x0b);
    return whole.bytes.slice(0, whole.n);
  }

  // --- structure ------------------------------------------------------------------------------------------------

  /** Items in order, each behind the end of a block that branches to it leave. `entries`: dispatch to them first. */
  #sequence(items: readonly Item[], entries?: readonly number[]): void {
    const out = this.#out, head = (item: Item): number => (typeof item === "number" ? item : item.head);
    for (let i = items.length - 1; i >= (entries ? 0 : 1); i--) this.#labels[head(items[i]!)] = out.open(0x02);
    if (entries) {
      out.get(ENTRY);
      out.op(0x0e);
      out.unsigned(entries.length - 1);
      for (const e of entries) out.unsigned(out.level - this.#labels[e]!);
    }
    items.forEach((item, i) => {
      if (i > 0 || entries) { out.close(); this.#labels[head(item)] = -1; }
      if (typeof item === "number") { this.#emitBlock(item); return; }
      this.#loops[item.head] = out.open(0x03);
      this.#sequence(item.items);
      this.#loops[item.head] = -1;
      out.close();
      out.op(0x00);
    });
  }
  /** Go to a block of the region. */
  #goTo(block: number): void {
    const out = this.#out, label = this.#labels[block]!, loop = this.#loops[block]!;
    if (loop >= 0) { out.branch(loop); return; }
    if (label >= 0) { out.branch(label); return; }
    const entry = this.#entryOf[block]!;
    if (entry < 0) throw new Error("jit: a branch back to a block that is no entry");
    out.i32(entry);
    out.set(ENTRY);
    out.branch(this.#dispatchLevel);
  }
  /** @param mark emits what else is said of it: bits on the stack */
  #leave(record: number, how: number, mark?: () => void): void {
    const out = this.#out;
    this.#count(how, record);
    out.i32(record | how);
    if (mark) { mark(); out.op(0x72); }
    this.#goOut();
  }
  /** Out of the function, to the record on the stack: the interpreter's block is the one in hand. */
  #goOut(): void {
    const out = this.#out;
    out.set(this.#pc);
    out.i32(this.#block.at); out.set(this.#in);
    out.branch(this.#exitLevel);
  }

  #emitBlock(index: number): void {
    const out = this.#out, block = this.#region.blocks[index]!, { at, n } = block;
    this.#block = block;
    this.#reason = "";
    this.#probes.forget(block.apart);
    out.get(LEFT); out.i32(n); out.op(0x48);
    out.open(0x04);
    this.#leave(at + 32, ENTER);
    out.close();
    out.get(LEFT); out.i32(n); out.op(0x6b); out.set(LEFT);
    for (let i = 0; i < n; i++) if (!this.#instruction(i)) return;
    this.#record = at + 32 + n * 16;
    this.follow();
  }
  /** Returns whether the next record can be reached. */
  #instruction(i: number): boolean {
    const m = this.#m, block = this.#block, record = block.at + 32 + i * 16, number = decodedCase(m, block.at, i);
    this.#record = record;
    const key = number | ((this.#region.mode & 15) << 16) | (m.u8[record + 7]! & 0x20 ? 1 << 20 : 0), stencil = this.#stencils.stencil(number);
    this.#reason = "";
    this.#probes.begin();
    let reason = stencil ? this.#refused.get(key) : "no stencil";
    if (stencil && reason === undefined) {
      try {
        const reached = this.#splicer.splice(stencil, record, (number * 16 + (this.#region.mode & 15)) * 256 + m.u8[record + 7]!);
        this.#spliced++;
        return reached;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.#probes.begin();
        reason = error.message;
        this.#refused.set(key, reason);
      }
    }
    this.#reason = reason ?? "";
    const bulk = this.#stencils.bulk(number);
    if (bulk || (i < block.n - 1 && this.#stencils.callable(number))) {
      this.#callCase(record, number, bulk);
      return true;
    }
    if (i === 0) this.#barren[this.#region.blocks.indexOf(block)] = 1;
    this.exit();
    return false;
  }
  /** Call the interpreter's own body, with the state in memory; what it returns is another record when there is more to do.
   *  @param pays it takes its iterations from the budget */
  #callCase(record: number, number: number, pays: boolean): void {
    const out = this.#out;
    this.#count(4, record);
    out.mark(false);
    out.i32(record); out.i32(this.#block.at); out.get(LEFT); out.i32(number);
    out.op(0x10); out.unsigned(CALL_CASE);
    out.set(this.#pc);
    out.get(this.#pc); out.i32(record + 16); out.op(0x47);
    out.open(0x04);
    out.get(this.#pc);
    out.op(0x0f);
    out.close();
    if (pays) { out.i32(0); out.memory(0x28, layout.JIT_LEFT); out.set(LEFT); }
    out.mark(true);
    this.#probes.forget(this.#block.apart);
  }

  #count(how: number, record: number): void {
    if (!this.#note) return;
    const out = this.#out, { at: block } = this.#block, number = decodedCase(this.#m, block, (record - block - 32) >> 4), offset = this.#m.u16[(record + 2) >> 1]! & 0xfff;
    const counter = this.#note({ how, record, caseNumber: number, reason: this.#reason, address: this.#block.page + offset });
    if (counter < 0) return;
    const at = layout.JIT_PROFILE + 4 * counter;
    out.i32(0); out.i32(0); out.memory(0x28, at); out.i32(1); out.op(0x6a); out.memory(0x36, at);
  }

  // --- what the splicer asks for --------------------------------------------------------------------------------

  known(at: number, bytes: number): boolean {
    const record = this.#record;
    if (at >= record && at + bytes <= record + 16) {
      // The first record's case may be another for the time being; no stencil reads it.
      const { view } = this.#m;
      this.high = 0;
      if (bytes === 1) this.low = view.getUint8(at);
      else if (bytes === 2) this.low = view.getUint16(at, true);
      else this.low = view.getInt32(at, true);
      if (bytes === 8) this.high = view.getInt32(at + 4, true);
      return true;
    }
    if (at === layout.REGS + layout.ZERO_OFF) return this.#is(0, 0);
    if (at === layout.MODE) return this.#is(this.#region.mode, 0);
    if (at === layout.AMASK || at === layout.SPMASK || at === layout.RIPMASK) return this.#mask(at);
    const segment = (at - layout.SEG_EBASE) / 8;
    if (segment === layout.LDTR) return this.#is(0, 0);
    return this.#flat && (segment === layout.ES || segment === layout.SS || segment === layout.DS || (this.#long && segment === layout.CS)) ? this.#is(0, 0) : false;
  }
  #is(low: number, high: number): boolean {
    this.low = low;
    this.high = high;
    return true;
  }
  /** The masks that the mode fixes (updateMode() of cpu/segment.ts). */
  #mask(at: number): boolean {
    if (this.#long) return this.#is(-1, -1);
    const { mode } = this.#region;
    if (at === layout.SPMASK) return this.#is(mode & layout.MODE_SSB ? -1 : 0xffff, 0);
    if (at === layout.RIPMASK) return this.#is(mode & layout.MODE_D ? -1 : 0xffff, 0);
    return this.#is(-1, 0);
  }
  variable(name: string, type: number, written: boolean): number {
    if (name === "left") return LEFT;
    if (name === "context" && !written) return CONTEXT;
    if (!SCRATCH.has(name)) return -1;
    const local = this.#variables.get(name) ?? this.#out.fresh(type);
    this.#variables.set(name, local);
    return local;
  }
  exit(): void { this.#leave(this.#record, HERE); }
  probe(write: boolean, size: number, key: number, kin: number, delta: number): void { this.#probes.probe(write, size, key, kin, delta, (crossing) => this.#leave(this.#record, HERE, crossing)); }
  host(): void { this.#probes.host(); }
  probed(ordinal: number): void { this.#probes.probed(ordinal); }
  moved(to: number, from: number, kin: number, delta: number): void { this.#probes.moved(to, from, kin, delta); }
  follow(): void {
    const block = this.#block, edge = block.edges.find((e) => e.record === this.#record);
    if (!edge || edge.to < 0) { this.#leave(this.#record, FOLLOW); return; }
    if (edge.target >= 0 && edge.target < 4096) this.#goTo(edge.to);
    else this.#cross(edge);
  }
  /** To a block on another page: the jump cache must know it in this context. */
  #cross(edge: Edge): void {
    const out = this.#out, ripb = this.#slots.local(RIPB);
    out.get(ripb); out.i64(edge.target, edge.target >> 31); out.op(0x7c);
    if (!this.#long) { out.i64(-1, 0); out.op(0x83); }
    this.#lookUp();
    out.open(0x04);
    out.get(this.#slot); out.memory(0x28, layout.JUMP_CACHE + 12); out.i32(this.#region.blocks[edge.to]!.at); out.op(0x46);
    out.open(0x04);
    this.#newPage();
    this.#goTo(edge.to);
    out.close();
    out.close();
    this.#leave(this.#record, FOLLOW);
  }
  /** The target is on the stack: to an entry of this region, to another block that the jump cache knows, or out. */
  jump(): void {
    const out = this.#out, target = out.take(I64);
    out.tee(target);
    this.#lookUp();
    out.open(0x04);
    this.#newPage();
    out.get(this.#slot); out.memory(0x28, layout.JUMP_CACHE + 12); out.tee(this.#pc);
    out.memory(0x28, 26); out.set(this.#slot); // entry, region
    out.get(this.#slot); out.i32(16); out.op(0x76); out.i32(this.#id); out.op(0x46);
    out.get(this.#slot); out.i32(0xffff); out.op(0x71); out.i32(0xffff); out.op(0x47); out.op(0x71);
    out.open(0x04);
    out.get(this.#slot); out.i32(0xffff); out.op(0x71); out.set(ENTRY);
    out.branch(this.#dispatchLevel);
    out.close();
    out.get(this.#pc); out.i32(32 | ENTER); out.op(0x6a);
    this.#goOut();
    out.close();
    out.i32(0); out.get(target); out.memory(0x37, layout.RIP);
    out.release(target);
    this.#leave(this.#record, JUMP);
  }
  /** An effective address is on the stack; then 1 if the jump cache has it, with its slot and its linear address in locals. */
  #lookUp(): void {
    const out = this.#out;
    if (!this.#long) {
      out.i32(0); out.memory(0x29, layout.SEG_EBASE + 8 * layout.CS); out.op(0x7c);
      out.i64(-1, 0); out.op(0x83);
    }
    out.tee(this.#address);
    out.op(0xa7);
    out.get(this.#address); out.i64(12, 0); out.op(0x88); out.op(0xa7); out.op(0x73);
    out.i32(layout.JUMP_MASK); out.op(0x71); out.i32(4); out.op(0x74);
    out.tee(this.#slot);
    out.memory(0x29, layout.JUMP_CACHE); out.get(this.#address); out.op(0x51);
    out.get(this.#slot); out.memory(0x28, layout.JUMP_CACHE + 8);
    out.get(CONTEXT); out.op(0xa7); out.i32(this.#region.mode << 12); out.op(0x72); out.op(0x46);
    out.op(0x71);
    if (this.#long) return;
    // A segment with a limit asks at every branch to another page.
    out.i32(0); out.memory(0x28, layout.SEG_LIMIT + 4 * layout.CS); out.i32(-1); out.op(0x46); out.op(0x71);
  }
  #newPage(): void {
    const out = this.#out;
    out.get(this.#address); out.i64(-4096, -1); out.op(0x83);
    if (!this.#long) { out.i32(0); out.memory(0x29, layout.SEG_EBASE + 8 * layout.CS); out.op(0x7d); }
    out.set(this.#slots.local(RIPB));
    this.#slots.written(RIPB);
  }
}
