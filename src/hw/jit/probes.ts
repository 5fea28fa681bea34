// Accesses of guest memory: the test of the fast TLB (mmu/access.ts), once for accesses that belong together.
//
// Addresses in a block that differ from one register's value by constants are a *group*. Its first access asks for all of it:
// for the span from the lowest byte to the last, which is filled in as accesses join. They ask nothing.
//
//   mov eax, [ebp-8]    leader: are ebp-24 .. ebp-4 in one page, and that in the fast TLB? If not, the interpreter goes on
//   add eax, [ebp-12]   member: host address of the leader - 4
//   push ecx            esp is another register, and another group; PUSH and POP move it by constants, so it stays one
//   add eax, [ebp-24]   member: host address of the leader - 16
//
// While a block runs nothing changes the fast TLB; only a body that is called may, and then all is forgotten. Nothing is kept
// from one block to the next: where paths join, each variable that differs costs a move, and that is more than asking again.
//
// V8's second compiler lays out what stands behind a true condition apart from the rest: all conditions here are rare.
import { layout } from "../layout.ts";
import type { Emitter } from "./emitter.ts";
import { I32, I64 } from "./opcodes.ts";
import { Relatives } from "./relatives.ts";

/** Where a region returns to the interpreter: bit 2 says that a group crosses. */
const CROSSES = 2;
const LINE_MASK = 0xffe0;
const WRITE_TAG = 8, ADDEND = 16;
const PAGE_MASK = -4096;
/** Bytes that a group spans at most: few of them cross into the next page. */
const MAX_SPAN = 128;
const MAX_GROUPS = 24;

interface Group {
  readonly root: number;
  readonly write: boolean;
  /** The leader's operand, by its distance from the root. */
  readonly own: number;
  /** Lowest byte and end of the span. */
  low: number;
  end: number;
  /** Local: host address of the leader's operand. */
  readonly host: number;
  /** Where the leader's constants stand: what leads from its operand to the lowest byte, and from there to the last. */
  readonly lowAt: number;
  readonly lastAt: number;
  /** The same, where it is asked whether a miss is one because the group crosses into another page. */
  readonly crossAt: number;
}

export class Probes {
  readonly #out: Emitter;
  readonly #context: number;
  readonly #relatives = new Relatives();
  #groups: Group[] = [];
  /** Groups of the instruction in hand, by number of the probe; they hold for what follows once every path has made it. */
  #made: (Group | undefined)[] = [];
  readonly #la: number;
  readonly #low: number;
  readonly #line: number;
  /** The latest probe: local of a host address, and the distance from it. */
  readonly #alone: number;
  #apart = false;
  #host = 0;
  #distance = 0;
  constructor(out: Emitter, context: number) {
    this.#out = out;
    this.#context = context;
    this.#la = out.fresh(I64);
    this.#low = out.fresh(I64);
    this.#line = out.fresh(I32);
    this.#alone = out.fresh(I32);
  }

  /** A block begins, or a body has been called. @param apart every access asks for itself */
  forget(apart: boolean): void {
    this.#apart = apart;
    for (const g of this.#groups) this.#out.release(g.host);
    this.#groups = [];
    this.#made = [];
    this.#relatives.clear();
  }
  /** An instruction begins, or what was emitted for one is taken back. */
  begin(): void {
    for (const g of this.#made) if (g) this.#out.release(g.host);
    this.#made = [];
    this.#relatives.settle();
  }
  probed(ordinal: number): void {
    const group = this.#made[ordinal];
    if (!group || this.#groups.length === MAX_GROUPS) return;
    this.#groups.push(group);
    this.#made[ordinal] = undefined;
  }
  moved(to: number, from: number, kin: number, delta: number): void { this.#relatives.moved(to, from, kin, delta); }

  /** The address is on the stack. @param leave emits the way out, with what it is given: a bit that says that a group crosses */
  probe(write: boolean, size: number, key: number, kin: number, delta: number, leave: (crossing?: () => void) => void): void {
    const out = this.#out, place = key === 0 || this.#apart ? undefined : this.#relatives.place(key, kin, delta);
    if (place && this.#join(write, size, place.root, place.delta)) {
      out.op(0x1a);
      this.#made.push(undefined);
      return;
    }
    const host = place ? out.take(I32) : this.#alone;
    let lowAt = 0;
    out.tee(this.#la);
    if (place) { lowAt = out.padded(0x42); out.op(0x7c); out.tee(this.#low); }
    const lastAt = out.padded(0x42);
    out.op(0x7c);
    out.i64(PAGE_MASK, -1); out.op(0x83);
    out.get(this.#context); out.op(0x84);
    out.get(place ? this.#low : this.#la); out.i64(7, 0); out.op(0x88); out.op(0xa7); out.i32(LINE_MASK); out.op(0x71);
    out.tee(this.#line);
    out.memory(0x29, layout.FAST_TLB + (write ? WRITE_TAG : 0));
    out.op(0x52);
    out.open(0x04);
    let crossAt = 0;
    if (!place) leave();
    else leave(() => { out.get(this.#low); out.op(0xa7); out.i32(4095); out.op(0x71); crossAt = out.padded(0x41); out.op(0x6a); out.i32(12); out.op(0x76); out.i32(CROSSES); out.op(0x74); });
    out.close();
    out.get(this.#la); out.op(0xa7); out.get(this.#line); out.memory(0x28, layout.FAST_TLB + ADDEND); out.op(0x6a); out.set(host);
    out.fill(lastAt, size - 1);
    // An operand that crosses by itself is for the interpreter.
    if (place) out.fill(crossAt, 0);
    this.#host = host;
    this.#distance = 0;
    this.#made.push(place && { root: place.root, write, own: place.delta, low: place.delta, end: place.delta + size, host, lowAt, lastAt, crossAt });
  }
  /** Is there a group for this access? */
  #join(write: boolean, size: number, root: number, delta: number): boolean {
    for (const g of this.#groups) {
      if (g.root !== root || (write && !g.write)) continue;
      const low = Math.min(g.low, delta), end = Math.max(g.end, delta + size);
      if (end - low > MAX_SPAN) continue;
      g.low = low;
      g.end = end;
      this.#out.fill(g.lowAt, low - g.own);
      this.#out.fill(g.lastAt, end - low - 1);
      this.#out.fill(g.crossAt, end - low - 1);
      this.#host = g.host;
      this.#distance = delta - g.own;
      return true;
    }
    return false;
  }
  /** The address of the latest probe is on the stack: its place in linear memory. */
  host(): void {
    const out = this.#out;
    out.op(0x1a);
    out.get(this.#host);
    if (this.#distance !== 0) { out.i32(this.#distance); out.op(0x6a); }
  }
}
